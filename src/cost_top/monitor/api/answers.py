"""The one question put to a report API: what it is in the API's terms, and its answer as a report."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cost_top.model.credits import Credits
from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import CannotAnswer, SourceThrottled
from cost_top.model.feed import UnpricedModel, unpriced_model
from cost_top.model.one_source import OfOneSource
from cost_top.model.query import TIME_DIMENSIONS, Report, ReportQuery, ReportRow, key_columns, order_rows
from cost_top.model.windows import ceiling, floor, utc_now
from cost_top.monitor.api.engine import sum_of
from cost_top.monitor.api.kept import KeptAnswers
from cost_top.monitor.api.questions import Wanted
from cost_top.monitor.thread import clock
from cost_top.sources.report_api import GRAINS, Answer, ApiQuery, Bucket, Grain, ReportApi

# An open answer serves the same question again for so long; a billed one longer.
_FRESH_SECONDS, _BILLED_FRESH_SECONDS = 20.0, 900.0
_PATIENCE_SECONDS = 60.0
# Billed answers to reports in an hour: a dashboard that asks in a loop must not be dear.
_MOST_BOUGHT = 60


class ApiAnswers(OfOneSource):
    """`model.answers.Answers` over a report API; closed periods are asked once and kept."""

    def __init__(self, api: ReportApi, kept: KeptAnswers, open_api: Callable[[], None] | None = None) -> None:
        """`open_api` is called before the first question."""
        self._api = api
        self._kept = kept
        self._open = open_api
        self._lock = threading.Lock()
        self._bought: deque[float] = deque()  # when billed answers were asked for, of the last hour
        self.questions = 0
        self.throttled_until = 0.0  # monotonic seconds: the API asked for patience

    @property
    def label(self) -> str:
        """The API's name."""
        return self._api.label

    def report(self, query: ReportQuery) -> Report:
        """The answer of the API; the notes say what it is not plain about."""
        with self._lock:
            self._begin()
            question, notes = self._question(query)
            answer = self._ask(question)
            whole = answer
            if question.dimension == "tag":
                # Tags overlap, so their sum is not the total.
                whole = self._ask(replace(question, dimension=None, grain=None))
        totals = sum_of(bucket.measures for bucket in whole.buckets)
        columns = key_columns(query.group_by)
        rows = order_rows((_row(bucket, query) for bucket in answer.buckets), columns, query.sort, query.descending)
        if not query.group_by:
            rows = (ReportRow((), totals),)
        shown = rows if query.limit is None else rows[: query.limit]
        notes = (*notes, *answer.notes)
        if len(shown) < len(rows):
            notes = (*notes, f"{len(shown)} of {len(rows)} rows shown; totals are of all")
        if totals.unpriced_count:
            notes = (*notes, "some usage has no rate: total_cost is a lower bound")
        return Report(columns, shown, totals, len(rows), answer.as_of, notes)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:  # noqa: ARG002
        """Report APIs tell no single requests."""
        raise CannotAnswer(f"{self.label}: {self._api.capabilities.limits.get('requests', 'tells no single requests')}")

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        """The models whose usage has no rate, where the API tells models."""
        if "model" not in self._api.capabilities.dimensions:
            return ()
        report = self.report(replace(query, group_by=("model",), sort="total_cost", limit=None))
        return tuple(
            unpriced_model(None, row.key[0], row.measures) for row in report.rows if row.measures.unpriced_count
        )

    def credits(self) -> Credits | None:
        """The balance, where the API tells it."""
        with self._lock:
            self._begin()
            return self._api.credits()

    def close(self) -> None:
        """Release the connection."""
        self._api.close()

    def _begin(self) -> None:
        if self._open is not None:
            self._open()
            self._open = None

    def _question(self, query: ReportQuery) -> tuple[ApiQuery, tuple[str, ...]]:
        """The query in the API's terms, and what is not plain about it; `CannotAnswer` where there are none."""
        times: list[Grain] = [name for name in query.group_by if name in TIME_DIMENSIONS]  # type: ignore[misc]
        others = [name for name in query.group_by if name not in TIME_DIMENSIONS]
        if len(times) > 1 or len(others) > 1:
            raise CannotAnswer(f"{self.label} groups by one dimension at a time, not by {', '.join(query.group_by)}")
        dimension = {"token_name": "token"}.get(others[0], others[0]) if others else None
        grain = times[0] if times else None
        capabilities = self._api.capabilities
        if dimension is not None and dimension not in capabilities.dimensions:
            reason = capabilities.limits.get(dimension, f"has no spend by {dimension}")
            known = f"; it groups by {', '.join(sorted(capabilities.dimensions))}" if capabilities.dimensions else ""
            raise CannotAnswer(f"{self.label}: {reason}{known}")
        if dimension is not None and grain is not None and not capabilities.joint:
            raise CannotAnswer(f"{self.label} groups by {dimension} or by {grain}, not by both")
        if grain == "day" and query.zone.utcoffset(query.start.replace(tzinfo=None)) != timedelta(0):
            raise CannotAnswer(f"{self.label} tells UTC days: use --tz UTC")
        finest = capabilities.dimensions[dimension] if dimension is not None else capabilities.totals
        step = GRAINS[grain] if grain is not None else GRAINS[finest]
        if grain is not None and step < GRAINS[finest]:
            raise CannotAnswer(f"{self.label} tells nothing finer than a {finest} here")
        start, end = self._whole(query, max(step, GRAINS[finest]) if grain is None else step)
        notes: tuple[str, ...] = ()
        if (start, end) != (query.start, query.end):
            name = finest if grain is None else grain
            notes = (f"figures are of whole UTC {name}s: {start:%Y-%m-%dT%H:%MZ} to {end:%Y-%m-%dT%H:%MZ}",)
        question = ApiQuery(start.astimezone(UTC), end.astimezone(UTC), dimension, grain, query.where)
        refused = self._api.refuses(question)
        if refused is not None:
            raise CannotAnswer(f"{self.label}: {refused}")
        return question, notes

    def _whole(self, query: ReportQuery, step: timedelta) -> tuple[datetime, datetime]:
        start = query.start
        reach = self._api.capabilities.reach
        if reach is not None and floor(start, timedelta(days=1)) < floor(utc_now() - reach, timedelta(days=1)):
            raise CannotAnswer(f"{self.label} answers for the last {reach.days} days only")
        return floor(start, step), ceiling(query.end, step)

    def _ask(self, question: ApiQuery) -> Answer:
        capabilities = self._api.capabilities
        closed = question.end <= floor(utc_now() - capabilities.settles, timedelta(days=1))
        wanted = Wanted(f"{'closed' if closed else 'report'} {question.start:%Y%m%dT%H%M} {question.end:%Y%m%dT%H%M} "
                        f"{question.dimension} {question.grain} {question.where}", question, closed)  # fmt: skip
        known, at = self._kept.answer(wanted), self._kept.asked_at(wanted)
        fresh = _BILLED_FRESH_SECONDS if capabilities.price else _FRESH_SECONDS
        if known is not None and (closed or (at is not None and clock() - at < fresh)):
            return known
        self.check_patience()
        self.fetch(wanted, _PATIENCE_SECONDS)
        answer = self._kept.answer(wanted)
        assert answer is not None
        return answer

    def fetch(self, wanted: Wanted, patience: float = 0.0) -> None:
        """Ask the API and keep the answer. A throttle without a time lasts `patience` seconds."""
        missing = self._kept.missing(wanted)
        self.questions += 1
        try:
            self._kept.keep(missing, self._api.ask(missing.question), clock())
        except SourceThrottled as error:
            self.throttled_until = clock() + (error.wait or patience)
            raise

    def check_patience(self) -> None:
        """`SourceThrottled` while the API, or the price of asking it, wants a pause."""
        now = clock()
        if now < self.throttled_until:
            rest = self.throttled_until - now
            raise SourceThrottled(f"{self.label} asked for patience; next question in {rest:.0f} s", rest)
        if not self._api.capabilities.price:
            return
        while self._bought and now - self._bought[0] > 3600:
            self._bought.popleft()
        if len(self._bought) >= _MOST_BOUGHT:
            rest = 3600 - (now - self._bought[0])
            told = f"{self.label}: {_MOST_BOUGHT} billed reports in an hour are the most; next in {rest:.0f} s"
            raise SourceThrottled(told, rest)
        self._bought.append(now)


def _row(bucket: Bucket, query: ReportQuery) -> ReportRow:
    """A bucket under the columns of the query."""
    key: list[str | None] = []
    for name in query.group_by:
        if name == "day":
            key.append(f"{bucket.start:%Y-%m-%d}" if bucket.start else None)
        elif name in TIME_DIMENSIONS:
            key.append(bucket.start.astimezone(query.zone).isoformat() if bucket.start else None)
        elif name == "token_name":
            key.append(bucket.key[-1])
        elif name == "token":
            key += [bucket.key[0], bucket.key[-1]]
        else:
            key.append(bucket.key[0])
    return ReportRow(tuple(key), bucket.measures)


def open_api_answers(api: ReportApi, cache: Path | None) -> ApiAnswers:
    """The API with its kept answers, asked nothing yet."""
    return ApiAnswers(api, KeptAnswers(cache, api.identity), api.open)
