"""A report API as an engine: needs are answered from what was asked of it, as far as it has answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache

from cost_top.model.engine import STRETCH, Knows, Missing, Need, Position, Reply, RequestPage
from cost_top.model.errors import CannotAnswer
from cost_top.model.features import Features
from cost_top.model.query import (
    MEASURES,
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    add_measures,
    key_columns,
    order_rows,
)
from cost_top.model.windows import floor
from cost_top.monitor.api.questions import LensSheet, Sheet, Wanted
from cost_top.sources.report_api import GRAINS, Answer, Bucket

_DAY = GRAINS["day"]

Answers = Callable[[Wanted], Answer | None]
Buckets = Mapping[datetime, Measures]


class ApiEngine:
    """`model.engine.Engine` over the answers to one view's questions; asks nothing itself: the hub's pace does."""

    def __init__(self, sheet: Sheet, answer: Answers, knows: Knows, refused: Mapping[str, str]) -> None:
        """`answer` gives what was answered to a question, `refused` by key why the API does not answer one."""
        self.knows = knows
        self._sheet = sheet
        self._answer = cache(answer)  # closed days are put together anew at each look
        self._refused = refused
        self._days, self._hours = _days_and_hours(sheet, self._answer)

    def answers(self, needs: Sequence[Need], until: float = 0.0) -> dict[str, Reply]:  # noqa: ARG002 - asked elsewhere
        """See `Engine`."""
        return {need.name: self._reply(need) for need in needs}

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:  # noqa: ARG002
        """See `Engine`."""
        raise CannotAnswer(self.knows.limits.get("requests", "single requests are not told"))

    def features(self, query: ReportQuery, dimensions: Sequence[str] = ()) -> Features:  # noqa: ARG002
        """See `Engine`."""
        raise CannotAnswer(self.knows.limits.get("requests", "single requests are not told"))

    def waiting(self) -> tuple[int, int]:
        """Questions that are answered or will not be, and all of them."""
        wanted = list(self._sheet.wanted())
        done = sum(self._answer(one) is not None or one.key in self._refused for one in wanted)
        return done, len(wanted)

    def notes(self) -> tuple[str, ...]:
        """What the answers say about themselves."""
        found = (self._answer(one) for one in self._sheet.wanted())
        return tuple(dict.fromkeys(note for answer in found if answer is not None for note in answer.notes))

    def asked_at(self) -> datetime | None:
        """When the window's total was told."""
        sheet = self._sheet
        total = sheet.running[0][1] if sheet.running else sheet.fine or sheet.recent or sheet.days
        found = self._answer(total) if total is not None else None
        return found.as_of if found is not None else None

    def refused_panels(self) -> dict[str, str]:
        """Panels that the API does not answer, and why."""
        refused = self._refused
        panels = {
            lens.dimension: refused[part.key]
            for lens in self._sheet.lenses
            for part in lens.parts
            if part.key in refused
        }
        if self._sheet.minutes is not None and self._sheet.minutes.key in refused:
            panels["burn"] = refused[self._sheet.minutes.key]
        return panels

    def _reply(self, need: Need) -> Reply:
        if need.name.startswith("panel:"):
            return self._panel(need)
        asked = list(self._asked_for(need))
        if not asked:
            return Reply(reason="the API does not go back so far" if not self._sheet.is_whole else "not told")
        missing = self._missing(asked)
        if missing is not None and not (need.edges and any(self._answer(one) is not None for one in asked)):
            reason = next((self._refused[one.key] for one in asked if one.key in self._refused), None)
            return Reply(reason=reason) if reason is not None else Reply(missing=missing)
        buckets = self._series(need)
        as_of = self._answer(asked[0])
        told = as_of.as_of if as_of is not None else need.query.end
        if need.edges:
            return Reply(_stretches(need, buckets, told), missing)
        totals = self._running_total(need) or _sum(buckets, need.query.start, need.query.end)
        return Reply(Report((), (ReportRow((), totals),), totals, 1, told))

    def _asked_for(self, need: Need) -> Iterator[Wanted]:
        """The questions that a need without a dimension is answered from."""
        sheet, query = self._sheet, need.query
        if sheet.running:
            names = {"total": "window", "today": "today", "month": "month"}
            yield from (wanted for part, wanted in sheet.running if part == names.get(need.name))
            return
        if need.name == "lately":
            yield from (one for one in (sheet.minutes or sheet.recent,) if one is not None)
            return
        if need.name in ("total", "chart") and sheet.fine is not None:
            yield sheet.fine
            return
        if query.start < sheet.first:
            return
        for one in (sheet.recent, sheet.days):
            if one is not None and (
                need.name in ("today", "month") or (one.question.start < query.end and one.question.end > query.start)
            ):
                yield one

    def _missing(self, asked: Iterable[Wanted]) -> Missing | None:
        wanted = list(asked)
        lacking = sum(self._answer(one) is None for one in wanted)
        return Missing(len(wanted) - lacking, len(wanted), lacking) if lacking else None

    def _series(self, need: Need) -> Buckets:
        """The finest sums that a need is made of."""
        sheet = self._sheet
        if need.name == "lately":
            return _buckets(sheet.minutes, self._answer) if sheet.minutes is not None else self._hours
        if need.name in ("total", "chart") and sheet.fine is not None:
            return _buckets(sheet.fine, self._answer)
        start = need.query.start
        by_hour = need.edges[1] - need.edges[0] < _DAY if need.edges else start != floor(start, _DAY)
        return self._hours if by_hour else self._days

    def _running_total(self, need: Need) -> Measures | None:
        names = {"total": "window", "today": "today", "month": "month"}
        for part, wanted in self._sheet.running:
            if part == names.get(need.name):
                found = self._answer(wanted)
                return sum_of(bucket.measures for bucket in found.buckets) if found is not None else None
        return None

    def _panel(self, need: Need) -> Reply:
        query = need.query
        lens = next((lens for lens in self._sheet.lenses if lens.dimension == query.group_by[0]), None)
        if lens is None:
            return Reply(reason="the API does not go back so far")
        # Tags overlap: their total comes from the days.
        totals_of = [self._sheet.days, self._sheet.recent] if lens.dimension == "tag" else []
        asked = [*lens.parts, *(one for one in totals_of if one is not None)]
        missing = self._missing(asked)
        if missing is not None:
            reason = next((self._refused[one.key] for one in asked if one.key in self._refused), None)
            return Reply(reason=reason) if reason is not None else Reply(missing=missing)
        rows = lens_rows(lens, self._answer)
        if lens.dimension == "tag":
            totals = _sum(self._days, lens.period.start, lens.period.end)
        else:
            # Not the window's total: a panel may be of another minute, or in dollars by rates where that is a bill.
            totals = sum_of(row.measures for row in rows)
        columns = key_columns(query.group_by)
        sort = query.sort if query.sort in MEASURES else lens.dimension
        ordered = order_rows(rows, columns, sort, query.descending)
        found = [self._answer(part) for part in lens.parts]
        notes = tuple(dict.fromkeys(note for answer in found if answer is not None for note in answer.notes))
        return Reply(Report(columns, ordered[: query.limit], totals, len(ordered), lens.period.end, notes))


def _stretches(need: Need, buckets: Buckets, as_of: datetime) -> Report:
    """The bucket of each stretch; one without requests is left out."""
    rows = []
    for place, start in enumerate(need.edges[:-1]):
        if start in buckets:
            rows.append(ReportRow((str(place),), buckets[start]))
    return Report((STRETCH,), tuple(rows), Measures(), len(rows), as_of)


def _days_and_hours(sheet: Sheet, answer: Answers) -> tuple[dict[datetime, Measures], dict[datetime, Measures]]:
    """The measures of every day, and of the hours since yesterday where the API tells hours."""
    days = dict(_buckets(sheet.days, answer))
    recent = _buckets(sheet.recent, answer)
    if sheet.recent is None or sheet.recent.question.grain == "day":
        days.update(recent)
        return days, {}
    border = sheet.days.question.end if sheet.days is not None else sheet.recent.question.start
    for hour, measures in recent.items():
        day = floor(hour, _DAY)
        if day >= border:
            days[day] = add_measures(days[day], measures) if day in days else measures
    return days, dict(recent)


def _buckets(wanted: Wanted | None, answer: Answers) -> Buckets:
    found = answer(wanted) if wanted is not None else None
    if found is None:
        return {}
    return {bucket.start: bucket.measures for bucket in found.buckets if bucket.start is not None}


def _sum(buckets: Buckets, start: datetime, end: datetime) -> Measures:
    return sum_of(measures for instant, measures in buckets.items() if start <= instant < end)


def sum_of(parts: Iterable[Measures]) -> Measures:
    """The sum of measures over disjoint requests; of none it is nothing spent."""
    total: Measures | None = None
    for part in parts:
        total = part if total is None else add_measures(total, part)
    return total if total is not None else Measures()


def _found(answer: Answer | None) -> tuple[Bucket, ...]:
    return answer.buckets if answer is not None else ()


def lens_rows(lens: LensSheet, answer: Answers) -> list[ReportRow]:
    """The rows of a panel: the sums of its parts by key, in no order."""
    groups: dict[tuple[str | None, ...], Measures] = {}
    for part in lens.parts:
        for bucket in _found(answer(part)):
            known = groups.get(bucket.key)
            groups[bucket.key] = bucket.measures if known is None else add_measures(known, bucket.measures)
    return [ReportRow(key, measures) for key, measures in groups.items()]
