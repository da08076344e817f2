"""Sets of needs answered from the mirror's sums: each slice of time is summed once for every lens that wants it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.mirror.database import THREADS
from cost_top.mirror.deadline import Deadline
from cost_top.mirror.facts import FactsLost
from cost_top.mirror.lenses import Lenses
from cost_top.mirror.measures import LATENCY
from cost_top.mirror.need_reports import BY_TIME, NeedReports, is_fine, lenses_of
from cost_top.mirror.report import naive, with_latencies
from cost_top.mirror.rollup_tables import TRUST_LENS
from cost_top.mirror.runs import Runs
from cost_top.mirror.slices import Slice
from cost_top.mirror.standing import Standing, Stood
from cost_top.mirror.where import asks_for_names
from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.engine import STRETCH, Missing, Need, Reply
from cost_top.model.filter import Filter
from cost_top.model.query import (
    SUMMED_MEASURES,
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    TrustSums,
    without_untold,
)
from cost_top.model.rested import Rested, question_of

if TYPE_CHECKING:
    from cost_top.mirror.store import Mirror

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_NAMES = {each.name_field for each in EVERY_DIMENSION if each.name_field}
_LATEST = datetime.max.replace(tzinfo=UTC) - 2 * _DAY
# Days are summed in growing numbers at a time, so that a broad filter over a long window shows something at once: first
# so many as have so many rows.
_FIRST_ROWS, _MOST_DAYS = 100_000, 8


class Sums:
    """Answers from the mirror's sums where a need is made of them, from its rows otherwise."""

    def __init__(self, mirror: Mirror) -> None:
        """Used on the mirror's thread."""
        self._mirror = mirror
        self._lenses = Lenses(mirror.rollups)
        self._reports = NeedReports(mirror, self._lenses)
        self._runs = Runs(mirror)
        mirror.rollups.are_few = lambda where, lenses: self._runs.needed(where, lenses) is not None
        mirror.rollups.matching = mirror.matching.of
        mirror.rollups.has_whole_rows = lambda: mirror.told is None
        self._timed_reports: Rested[Report] = Rested()
        self._standing = Standing(mirror)
        # What was asked for last and is summed whole, of each filter, and how many times sums had been dropped by then.
        self._summed: OrderedDict[Filter, tuple[int, list[tuple[Need, list[Slice]]]]] = OrderedDict()
        self._cut: set[Slice] = set()  # the edges of the last question's period
        self._names_version = 0
        self._by_names: set[Filter] = set()  # filters that were summed with those names
        self.kept_filters = 6  # sums of so many filters are kept beside those of none

    def answers(self, needs: Sequence[Need], until: float, as_of: datetime) -> dict[str, Reply]:
        """A reply for each need. Builds what is missing until the clock passes `until`, or a little longer."""
        self._lenses.filters = self._runs.filters = self.kept_filters
        standing = self._standing.of(needs)
        told = self._anew(needs, Deadline(until), as_of) if standing is None else self._again(standing, as_of)
        for where in {need.query.where for need in needs}:
            self._mirror.rollups.keep_recent(where, self.kept_filters)
        return told

    def _anew(self, needs: Sequence[Need], until: Deadline, as_of: datetime) -> dict[str, Reply]:
        self._follow_names({need.query.where for need in needs})
        for where in self._runs.follow(needs):
            self._mirror.rollups.forget_filter(where)
        try:
            self._build(needs, until)
        except FactsLost:
            self._build(needs, until)
        replies: dict[str, Reply] = {}
        for need in needs:
            replies[need.name] = self._reply(need, replies, as_of)
        told = {need.name: self._named(need, replies[need.name]) for need in needs}
        found = ((need, *self._made_of(need), replies[need.name], told[need.name]) for need in needs)
        self._standing.keep(needs, found, 2 * self.kept_filters)
        return told

    def _made_of(self, need: Need) -> tuple[Sequence[Slice], tuple[int, ...] | None]:
        """The slices that an answer is summed over, and the numbers of their sums."""
        lenses = lenses_of(need)
        if not lenses:
            return (), None
        slices, rollups = self._slices(need), self._mirror.rollups
        numbers = {number for lens in lenses for number in rollups.numbers(need.query.where, lens, slices)}
        return slices, tuple(numbers)

    def _again(self, standing: Iterable[Stood], as_of: datetime) -> dict[str, Reply]:
        """Answers over the same sums as before: those are made anew that rows came to, and what leans on them."""
        replies: dict[str, Reply] = {}
        told: dict[str, Reply] = {}
        changed: set[str] = set()
        for one in standing:
            need, name, version = one.need, one.need.name, self._standing.version(one.numbers)
            if one.numbers is None or version != one.version or {need.beside, need.unpriced_in} & changed:
                changed.add(name)
                reply = self._reply(need, replies, as_of) if one.numbers is None else self._whole(one, replies, as_of)
                one.put(reply, self._named(need, reply), version)
            replies[name], told[name] = one.reply, one.told_at(as_of)
        return told

    def _whole(self, one: Stood, replies: Mapping[str, Reply], as_of: datetime) -> Reply:
        if (reason := self._why_not(one.need, replies)) is not None:
            return Reply(reason=reason)
        return Reply(self._reports.of(one.need, one.slices, replies, as_of))

    def _named(self, need: Need, reply: Reply) -> Reply:
        """With what people call the values; sums, and rows beside one another, know ids alone."""
        if reply.report is None:
            return reply
        named = self._mirror.database.names.named(reply.report) if lenses_of(need) else reply.report
        named = without_untold(named, self._mirror.untold)
        return reply if named is reply.report else replace(reply, report=named)

    def _follow_names(self, wheres: Iterable[Filter]) -> None:
        """Drop what was summed for filters that names decide, where names have changed; note those summed next."""
        version = self._mirror.database.names.version
        if version != self._names_version:
            self._names_version = version
            self._mirror.minutes.forget()
            self._timed_reports.clear()
            for where in self._by_names:
                self._mirror.rollups.forget_filter(where)
            self._by_names.clear()
        self._by_names.update(filter(asks_for_names, wheres))

    def forget_all_but(self, needs: Sequence[Need]) -> None:
        """Drop the sums of cut edges, and of hours of closed days, that none of these needs is made of."""
        used = {part for need in needs for part in self._slices(need)}
        self._mirror.rollups.forget_edges(used, self._mirror.hot_start)

    def report(self, query: ReportQuery, as_of: datetime, notes: tuple[str, ...]) -> Report | None:
        """The report of a query that is made of sums; None where it needs the rows themselves."""
        # Quantiles of latency come from the rows, whatever the rest is made of.
        need = self._of_query(replace(query, measures=SUMMED_MEASURES) if query.latency else query)
        lenses = lenses_of(need)
        if not lenses or (query.sort in _NAMES and query.sort not in query.group_by):
            return None
        if BY_TIME & {*query.group_by} and not self._runs.tells_times(query.where):
            return None
        if query.latency and not self._has_sums(need, lenses):
            return None
        self._follow_names(())
        # What is told beside a report is asked for next.
        slices = self._built(need, (*lenses, TRUST_LENS))
        if slices is None:
            return None
        report = replace(self._reports.of(need, slices, {}, as_of), notes=notes)
        if query.latency:
            report = with_latencies(self._mirror.database.connection, self._mirror.relation, query, report)
        return self._mirror.database.names.named(report)

    def _has_sums(self, need: Need, lenses: tuple[str, ...]) -> bool:
        """Whether a report with quantiles of latency, which come from the rows, takes the rest from sums.

        Where days were just read they are summed for it only if they are for another reason.
        """
        query = need.query
        if query.where or query.sort in LATENCY or len(query.group_by) > 1 or {"tag", *BY_TIME} & {*query.group_by}:
            return False
        days = [part for part in self._slices(need) if part.end - part.start == _DAY]
        return not self._mirror.has_read or not self._mirror.rollups.missing(query.where, (*lenses, TRUST_LENS), days)

    def trust(self, query: ReportQuery) -> TrustSums | None:
        """How the cost of a query's requests is known; None where it was not summed for a report of the same query."""
        rollups, slices = self._mirror.rollups, self._slices(self._of_query(query))
        if rollups.missing(query.where, (TRUST_LENS,), slices):
            return None
        return TrustSums(**rollups.trust(query.where, slices))

    def _of_query(self, query: ReportQuery) -> Need:
        # What ends after the newest row has no end: an hour of the future is no slice.
        newest = max(self._mirror.hot.newest() or self._mirror.hot_start, self._mirror.hot_start)
        return Need("", query, open_end=naive(query.end) > newest + _HOUR)

    def _built(self, need: Need, lenses: tuple[str, ...]) -> list[Slice] | None:
        """The slices of a need with their sums; None where a filter's would have to be made for this once."""
        slices, rollups, where = self._slices(need), self._mirror.rollups, need.query.where
        missing = rollups.missing(where, lenses, slices)
        if where and missing:
            return None
        # Cut edges are kept for what is asked next of the same period, and no longer.
        if gone := self._cut.difference(slices):
            rollups.forget(gone.__contains__)
            self._cut -= gone
        self._cut |= {part for part in missing if not part.is_whole}
        self._build_slices(where, {part: dict.fromkeys(lenses) for part in slices}, Deadline(float("inf")))
        return slices

    def _slices(self, need: Need) -> list[Slice]:
        query = need.query
        slices = self._mirror.slices(naive(query.start), None if need.open_end else naive(query.end))
        return self._runs.join(query.where, slices, self._runs.needed(query.where, lenses_of(need)))

    # Building

    def _build(self, needs: Sequence[Need], until: Deadline) -> None:
        """Sum what is missing, newest first, what is needed before what it is compared with."""
        asked = [
            (need, self._slices(need)) for need in needs
            if lenses_of(need) and not (need.comparison and (self._begins_before_the_log(need) or self._unread(need)))
        ]  # fmt: skip
        where = needs[0].query.where if needs else Filter()
        dropped, summed = self._summed.pop(where, (-1, []))
        if dropped == self._mirror.rollups.dropped and _are_alike(summed, asked):
            self._summed[where] = dropped, asked
            return
        for comparison in (False, True):
            wanted: dict[Filter, dict[Slice, dict[str, None]]] = {}
            for need, slices in asked:
                if need.comparison is comparison:
                    lenses = dict.fromkeys(lenses_of(need))
                    for part in slices:
                        wanted.setdefault(need.query.where, {}).setdefault(part, {}).update(lenses)
            for each, pieces in wanted.items():
                if not self._build_slices(each, self._runs.with_next(each, pieces), until):
                    return
        self._summed[where] = self._mirror.rollups.dropped, asked
        while len(self._summed) > self.kept_filters:
            self._summed.popitem(last=False)

    def _build_slices(self, where: Filter, wanted: Mapping[Slice, Mapping[str, None]], until: Deadline) -> bool:
        rollups, database = self._mirror.rollups, self._mirror.database
        if not self._runs.build(where, wanted, until):
            return False
        # Cut edges are summed in one go, for every lens that one of them is wanted for: planning costs more than they.
        cut = {piece: named for piece, named in wanted.items() if not piece.is_whole}
        of_cut = tuple(dict.fromkeys(lens for named in cut.values() for lens in named))
        if missing := rollups.missing(where, of_cut, cut):
            database.use_threads(1)
            rollups.build(where, of_cut, missing)
        together: dict[tuple[str, ...], list[Slice]] = {}
        for piece, named in wanted.items():
            if piece in cut:
                continue
            together.setdefault(tuple(named), []).append(piece)
        for lenses, pieces in sorted(together.items(), key=lambda item: max(item[1]), reverse=True):
            missing = rollups.missing(where, lenses, pieces)
            short = [piece for piece in missing if piece.end - piece.start <= timedelta(hours=1)]
            # Those of a closed day and of the hot end are summed in one go as well.
            for chunk in (*([short] if short else []), *self._growing([part for part in missing if part not in short])):
                database.use_threads(1 if chunk is short else THREADS)
                rollups.build(where, lenses, chunk)
                if until.has_passed:
                    return False
        return True

    def _growing(self, days: list[Slice]) -> Iterator[list[Slice]]:
        """Days cut into runs that grow up to a limit."""
        closed = self._mirror.closed
        rows = max((day.row_count for part in days if (day := closed.get(part.start.date()))), default=0)
        size = min(max(_FIRST_ROWS // max(rows, 1), 1), _MOST_DAYS)
        while days:
            yield days[:size]
            days = days[size:]
            size = min(2 * size, _MOST_DAYS)

    # Answering

    def _reply(self, need: Need, replies: Mapping[str, Reply], as_of: datetime) -> Reply:
        if (reason := self._why_not(need, replies)) is not None:
            return Reply(reason=reason)
        lenses, slices = lenses_of(need), self._slices(need)
        missing = self._missing(need, lenses, slices)
        if need.comparison and missing is not None:
            return Reply(missing=missing)
        if need.timed:
            return Reply(self._timed(need, as_of, missing is None), missing)
        if lenses:
            return Reply(self._reports.of(need, slices, replies, as_of), missing)
        if is_fine(need):
            return Reply(self._reports.by_minute(need, as_of), missing)
        query = replace(need.query, end=_LATEST) if need.open_end else need.query
        return Reply(self._mirror.report(query, as_of), missing)

    def _missing(self, need: Need, lenses: Sequence[str], slices: Sequence[Slice]) -> Missing | None:
        unread = self._unread(need)
        if need.comparison and unread:
            return Missing(0, unread, unread)  # nothing of it is summed before
        unsummed = len(self._mirror.rollups.missing(need.query.where, lenses, slices)) if lenses else 0
        if not unsummed and not unread:
            return None
        return Missing(len(slices) - unsummed, len(slices) + unread, unread)

    def _why_not(self, need: Need, replies: Mapping[str, Reply]) -> str | None:
        """Why an answer would be of no use."""
        if need.comparison and self._begins_before_the_log(need):
            return "the log does not go back so far"
        if need.unpriced_in and (told := replies[need.unpriced_in].report) and not told.totals.unpriced_count:
            return "every request is priced"
        return None

    def _timed(self, need: Need, as_of: datetime, is_whole: bool) -> Report:
        """From the rows, which takes long where there are many."""
        query = replace(need.query, end=_LATEST if need.open_end else need.query.end)
        question = (question_of(need.query, need.open_end), need.edges, is_whole)
        return self._timed_reports.of(question, lambda: self._from_rows(need, query, as_of))

    def _from_rows(self, need: Need, query: ReportQuery, as_of: datetime) -> Report:
        if need.edges:
            start, end = naive(query.start), naive(query.end)
            found = self._mirror.rows.times(query.where, start, end, [naive(edge) for edge in need.edges])
            rows = tuple(ReportRow((str(part),), Measures(latency_p95=p95)) for part, p95 in found)
            return Report((STRETCH,), rows, Measures(), len(rows), as_of)
        return self._mirror.report(query, as_of)

    def _begins_before_the_log(self, need: Need) -> bool:
        """Of no use then; where it is cut into stretches, those that the log has are."""
        oldest = self._mirror.oldest
        return not need.edges and self._mirror.is_begun and (oldest is None or naive(need.query.start) < oldest)

    def _unread(self, need: Need) -> int:
        """Days of a need's period that the log has and the mirror does not hold yet."""
        mirror, query = self._mirror, need.query
        if not mirror.is_begun:
            return 1
        if mirror.oldest is None:
            return 0
        start = max(naive(query.start), mirror.oldest)
        end = mirror.hot_start if need.open_end else min(naive(query.end), mirror.hot_start)
        return sum(1 for day in _days(start, end) if day not in mirror.closed) if start < end else 0


def _are_alike(one: list[tuple[Need, list[Slice]]], other: list[tuple[Need, list[Slice]]]) -> bool:
    """Whether the same lenses of the same slices are needed."""
    return len(one) == len(other) and all(
        mine is yours and need.query.where == as_well.query.where and lenses_of(need) == lenses_of(as_well)
        for (need, mine), (as_well, yours) in zip(one, other, strict=True)
    )


def _days(start: datetime, end: datetime) -> Iterator[date]:
    day = start.date()
    while datetime(day.year, day.month, day.day) < end:
        yield day
        day += _DAY
