"""The mirror: the window of the log as columns, and every lens over it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.engine import Sums
from cost_top.mirror.facts import Facts
from cost_top.mirror.feature_parts import Part
from cost_top.mirror.features import days_to_hold, features
from cost_top.mirror.hot import Hot, Upserted
from cost_top.mirror.kept_sums import keep, take_names, take_over
from cost_top.mirror.matching import Matching
from cost_top.mirror.minutes import Minutes
from cost_top.mirror.relations import relations, union
from cost_top.mirror.report import answer, naive
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.rows import Rows
from cost_top.mirror.schema import first_row, quoted
from cost_top.mirror.slices import Slice, hours_of
from cost_top.mirror.wasted import Wasted
from cost_top.model.engine import Need, Position, Replies, RequestPage, page_of
from cost_top.model.features import Features
from cost_top.model.filter import Filter
from cost_top.model.query import Report, ReportQuery, TrustSums, without_untold
from cost_top.model.waste import Waste
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_KEPT_FILTERS = 6
_PAGE = 200  # requests, unless told otherwise
# A day is closed this long after it ended, or after the log's overlap where that is longer.
_CLOSING = timedelta(hours=1)
# A log without a row for so long is idle, and its days close by the clock.
_IDLE = timedelta(hours=36)


class Mirror:
    """Closed days and the hot end of one log. Used by the thread that made it; `days` also by those that fill it."""

    def __init__(self, source: LogSource, book: RateBook, cache: Path | None) -> None:
        """`cache` is the user's cache folder, None to keep nothing on disk."""
        self.database = Database(book)
        self.hot = Hot(self.database.connection)
        self.days = Days(cache, source, self.database)
        self.rollups = Rollups(self.database.connection, self._relation_of)
        self.facts = Facts(self.database.connection, self.days, self.database.names)
        self._facts_due = True  # other days may be closed than are held as integers
        self.closed: dict[date, ClosedDay] = {}
        self.has_read = False  # days of the log, now
        self.told: tuple[str, ...] | None = None  # the columns that rows have; None: all of them
        self.costly = bool(source.costly)
        self.untold = source.untold
        self._closing = max(_CLOSING, source.overlap * 2)
        self.hot_start = naive(datetime.now(UTC))  # the hot table is complete from here on
        self.is_begun = False  # the log has been looked at: `oldest` is known
        self.oldest: datetime | None = None  # time (naive UTC) of the log's first row, None of an empty log
        self.log_newest: datetime | None = None  # time (UTC) of the log's last row when it was first looked at
        self.untimed: int | None = None  # rows of the log that no period holds; None: not counted yet
        self.matching = Matching(self.database.connection, self.database.names)
        self._summed = Sums(self)
        self._sums_kept: dict[date, frozenset[str]] = {}  # the lenses of days whose sums are on disk
        self._looked_at = -1  # so many times days were summed when none was left to keep
        self._hour: datetime | None = None  # of the newest row
        self.changed_from: datetime | None = None  # the first hour of the hot end with a change; for the owner to reset
        self.rows = Rows(self)
        self.minutes = Minutes(self.rows.minutes, self.matching.of)
        self._wasted = Wasted(self)
        self._slices: dict[tuple[datetime, datetime | None, datetime, datetime], list[Slice]] = {}
        self._changes = 0  # rises when other days are held, or rows changed otherwise than one by one

    def close(self) -> None:
        """Free the memory."""
        self.facts.close()
        self.database.close()
        self.days.close()

    def first_hot_day(self, now: datetime, newest: datetime | None = None) -> date:
        """The oldest UTC day that is not closed yet at `now`.

        A clock that is ahead of the log's closes nothing: where rows still come, the `newest` one is what tells.
        """
        if newest is not None and now - _IDLE < newest < now:
            now = newest
        return (naive(now) - self._closing).date()

    def compared(self, start: datetime, end: datetime) -> datetime | None:
        """Since when every closed day of `[start, end)` (naive UTC) is known to be what the log says; None of none."""
        days = (day for day in self.closed.values() if day.start < end and day.start + _DAY > start)
        return min((day.compared for day in days), default=None)

    def confirm(self, day: ClosedDay) -> None:
        """Note a newer proof of a day that is held as it is."""
        held = self.closed.get(day.day)
        if held is not None and held.relation == day.relation:
            self.closed[day.day] = day

    def adopt_kept(self, days: Sequence[ClosedDay]) -> None:
        """Take over the days that an earlier run kept."""
        for day in days:
            self.adopt(day, learn=False)
        take_names(self.database.connection, self.database.names, self.days, days)

    def adopt(self, day: ClosedDay, learn: bool = True) -> None:
        """Take over a closed day that was read; sums over an earlier reading of it are dropped."""
        old = self.closed.get(day.day)
        self.closed[day.day] = day
        self._facts_due = True
        self._sums_kept.pop(day.day, None)
        self._forget_slices()
        self.minutes.forget()
        self.has_read |= learn
        start, end = day.start, day.start + _DAY
        if learn and day.path is not None:
            self._learn_names(day, old)
        self._wasted.changed(start, end)
        self.rollups.forget(lambda part: part.start < end and part.end > start)
        if old is not None and old.relation != day.relation:
            # Rows of a table with other days in it stay: nothing new asks for them, and who is still at it reads all.
            if old.path is None and not (old.table and any(one.table == old.table for one in self.closed.values())):
                self.database.connection.execute(f"DROP TABLE IF EXISTS {old.table or old.relation}")
            self.days.release(old)
        if not self.facts.has(day):
            self.facts.forget(day.day)

    def _learn_names(self, day: ClosedDay, old: ClosedDay | None) -> None:
        """What a day's rows call values; where it was read before, older rows may have the last word again."""
        names, connection = self.database.names, self.database.connection
        was_other = old is not None and old.relation != day.relation
        forgot = was_other and names.forget(connection, day.start, day.start + _DAY)
        names.learn(connection, day.relation)
        if forgot:
            take_names(connection, names, self.days, [one for one in self.closed.values() if one is not day])

    def lend(self, days: Iterable[date]) -> None:
        """Hold those days before the hot end that an earlier run kept and that are not held, as they were then."""
        wanted = [day for day in days if day < self.hot_start.date() and day not in self.closed]
        kept = self.days.known(self.database.connection, wanted)
        for day in kept:
            self.closed[day.day] = day
            self._wasted.changed(day.start, day.start + _DAY)
        self._forget_slices()

    def take_over_sums(self, lenses: Collection[str] = tuple(LENSES)) -> None:
        """Load the kept sums of the closed days that are not summed yet, by these lenses."""
        parts = ((day, Slice(day.start, day.start + _DAY)) for day in self.closed.values())
        days = [(day, part) for day, part in parts if self.rollups.missing(Filter(), lenses, (part,))]
        self._sums_kept.update(take_over(self.database.connection, self.rollups, self.days, days, lenses))
        if days and self.days.files is not None:
            self.days.files.note_whole()

    def take_over_sums_of(self, query: ReportQuery) -> None:
        """As `take_over_sums`, of what a report of this query is made of, and its notes."""
        if not query.where:
            self.take_over_sums([lens for lens in LENSES if lens in ("provider", TRUST_LENS, *query.group_by)])

    def keep_sums(self) -> bool:
        """Keep the sums of one more closed day, where there are more than are kept; whether there was one to keep."""
        if self._looked_at == self.rollups.days_summed:
            return False
        for day in self.closed.values():
            part = Slice(day.start, day.start + _DAY)
            lenses = frozenset(lens for lens in LENSES if self.rollups.number(Filter(), lens, part) is not None)
            if "provider" not in lenses or not lenses > self._sums_kept.get(day.day, frozenset()):
                continue
            self._sums_kept[day.day] = lenses
            keep(self.database.connection, self.rollups, self.days, day, part)
            return True
        self._looked_at = self.rollups.days_summed
        return False

    def keep_facts(self, wait: float = 0.0) -> bool:
        """Have the closed days held as integers, for filters, newest first; whether some are still being made.

        That is done behind the caller's back, who may `wait` so many seconds for it.
        """
        if self._facts_due:
            self._facts_due = False
            self.facts.want(day for _, day in sorted(self.closed.items(), reverse=True))
        self.facts.rest()
        return self.facts.collect(self.closed, wait)

    def lose(self, day: date) -> None:
        """Forget a closed day whose rows are gone."""
        lost = self.closed.pop(day)
        self.facts.forget(day)
        self.days.release(lost)
        self._forget_slices()
        self.minutes.forget()
        start, end = lost.start, lost.start + _DAY
        self._wasted.changed(start, end)
        self.rollups.forget(lambda part: part.start < end and part.end > start)

    def newest(self) -> datetime | None:
        """Time (UTC) of the newest row held; where none is, of the newest that the log had at the beginning."""
        newest = self.hot.newest()
        if newest is None:
            for _, day in sorted(self.closed.items(), reverse=True):
                if day.row_count:
                    newest = first_row(self.database.connection, f"SELECT max(time) FROM {day.relation}")[0]
                    break
        return newest.replace(tzinfo=UTC) if newest else self.log_newest

    def touched(self, hours: Iterable[datetime]) -> None:
        """Rows of these hours of the hot end changed: their sums are dropped."""
        self._forget_slices()
        changed = tuple(hours)
        self._note_changes(changed)
        if changed:
            self._wasted.changed(min(changed), max(changed) + _HOUR)
            self.minutes.forget()
            self.rollups.forget(lambda part: any(part.start < hour + _HOUR and part.end > hour for hour in changed))

    def upserted(self, result: Upserted) -> None:
        """Rows of the hot end came or changed: sums follow them."""
        if result.gone is None:
            self.touched(result.hours)
            return
        self._note_changes(result.hours)
        if times := [row.time for row in (*result.gone, *result.come)]:
            self._wasted.changed(min(times), max(times))
        self.minutes.change(result.gone, result.come)
        self.rollups.change(result.gone, result.come)
        newest = self.hot.newest()
        if newest is not None and newest.replace(minute=0, second=0, microsecond=0) != self._hour:
            self._hour = newest.replace(minute=0, second=0, microsecond=0)
            self.rollups.settle(self._hour - _HOUR)

    def begun(self, start: datetime, end: datetime | None, result: Upserted) -> None:
        """The hot end held nothing of `[start, end)` (naive UTC) and holds what came: its hours are summed of that."""
        self.touched(result.hours)
        self.hot_start = min(self.hot_start, start)
        self.rollups.begin(
            part for part in self.slices(start, None)
            if part.start >= start and part.is_whole and (end is None or part.end <= end)
        )  # fmt: skip
        self.rollups.change((), result.come)

    def _note_changes(self, hours: Collection[datetime]) -> None:
        self.changed_from = min([*hours, *([self.changed_from] if self.changed_from is not None else [])], default=None)

    def complete_from(self) -> datetime:
        """The instant (naive UTC) from which on the mirror misses nothing the log had when it was read."""
        start = self.hot_start
        while (day := (start - timedelta(microseconds=1)).date()) in self.closed and (
            start == datetime.combine(day + _DAY, datetime.min.time())
        ):
            start -= _DAY
        return start

    def slices(self, start: datetime, end: datetime | None) -> list[Slice]:
        """What is held of `[start, end)` (naive UTC) in slices: whole days and hours, and cut edges."""
        newest = self.hot.newest()
        until = (newest or self.hot_start) + _HOUR if end is None else end
        if end is None or newest is None or newest < end:
            # No row is later: the whole hour holds what the part of it does, whenever the period ends.
            until = -(-(until - datetime.min) // _HOUR) * _HOUR + datetime.min
        if end is not None and end >= self.hot_start:
            end = None  # whenever it ends, closed days are whole, and the hot end goes until then
        key = (start, end, self.hot_start, until)
        if key not in self._slices:
            if len(self._slices) > 100:
                self._slices.clear()
            self._slices[key] = [
                *self._closed_slices(start, end), *hours_of(max(self.hot_start, start), until)
            ]  # fmt: skip
        return self._slices[key]

    def _forget_slices(self) -> None:
        self._slices.clear()
        self._changes += 1

    def version(self, wheres: Collection[Filter]) -> tuple[object, ...]:
        """What differs when other rows, or other names of theirs, stand behind the figures of filters."""
        changed = map(self.rollups.changed, wheres)
        return (self._changes, self.hot_start, self.database.names.version, *changed)

    def _closed_slices(self, start: datetime, end: datetime | None) -> Iterator[Slice]:
        """Days, and of a day that is cut the hours: as the edge moves, only the cut hour is summed again."""
        for day in self.closed.values():
            cut_start = max(day.start, start)
            cut_end = day.start + _DAY if end is None else min(day.start + _DAY, end)
            if cut_start < cut_end and day.start < self.hot_start:
                whole = Slice(cut_start, cut_end)
                yield from (whole,) if whole.is_whole else hours_of(cut_start, cut_end)

    def _relation_of(self, slices: Sequence[Slice]) -> str:
        return self.relation(min(part.start for part in slices), max(part.end for part in slices))

    def relation(self, start: datetime, end: datetime) -> str:
        """SQL of the rows of all days that `[start, end)` (naive UTC) touches, in no order."""
        touched = (
            day for _, day in sorted(self.closed.items())
            if day.start < min(end, self.hot_start) and day.start + _DAY > start
        )  # fmt: skip
        closed = relations(touched)
        if self.told is not None:
            return self._narrow(closed)
        return union([*closed, self.hot.table] if end > self.hot_start or not closed else closed)

    def hold_narrow(self, told: Sequence[str], days: Sequence[ClosedDay], until: datetime) -> None:
        """Hold all rows of some days before `until` (naive UTC), of the columns that are `told` alone."""
        self.told, self.hot_start = tuple(told), until
        for day in days:
            self.adopt(day, learn=False)
        if days:
            every = union(dict.fromkeys(day.relation for day in days))
            self.database.names.learn(self.database.connection, every, told)

    def _narrow(self, relations: Sequence[str]) -> str:
        """The rows of days, of which some are whole: of no other columns than those of all of them."""
        assert self.told is not None
        lent = {day.relation for day in self.closed.values() if day.path is not None}
        parts = [[each for each in relations if (each in lent) is whole] for whole in (True, False)]
        columns = quoted(self.told)
        rows = [f"SELECT {columns} FROM {union(dict.fromkeys(part))}" for part in parts if part]
        return f"({' UNION ALL '.join(rows or [f'SELECT {columns} FROM {self.hot.table}'])})"

    def begin(self, oldest: datetime | None) -> None:
        """The log goes back to `oldest` (naive UTC); None: it is empty."""
        self.is_begun, self.oldest = True, oldest

    def reports(self, needs: Sequence[Need], until: float, as_of: datetime, filters: int = 1) -> Replies:
        """A reply for each need, in few passes; sums are built until the monotonic clock passes `until`.

        `filters` is how many are looked at beside one another: their sums are kept.
        """
        self._summed.kept_filters = self.minutes.most = _KEPT_FILTERS + filters
        return self._summed.answers(needs, until, as_of)

    def forget_all_but(self, needs: Sequence[Need]) -> None:
        """Drop what was summed for the cut edges of other needs than these."""
        self._summed.forget_all_but(needs)

    def report(self, query: ReportQuery, as_of: datetime, notes: tuple[str, ...] = ()) -> Report:
        """The exact answer: from the sums where it is made of them, else from the rows."""
        # Sums are of every column that any report is made of.
        if self.told is None and (summed := self._summed.report(query, as_of, notes)) is not None:
            return without_untold(summed, self.untold)
        relation, names = self.relation(naive(query.start), naive(query.end)), self.database.names
        if "token_name" in (*query.group_by, query.sort):
            relation = names.with_key_names(relation)
        found = names.named(answer(self.database.connection, relation, query, as_of, notes))
        return without_untold(found, self.untold)

    def trust(self, query: ReportQuery) -> TrustSums | None:
        """How the cost of a query's requests is known; None where it was not summed for a report of the same query."""
        return self._summed.trust(query)

    def features(
        self, query: ReportQuery, dimensions: Sequence[str] = (), held: Mapping[str, Part] | None = None
    ) -> Features:
        """What the rules of `insight` look at: of closed days as it is kept, of others from the rows themselves."""
        return features(self, query, dimensions, held)

    def days_to_hold(self, query: ReportQuery) -> list[Callable[[], tuple[str, Part] | None]]:
        """See `mirror.features`."""
        return days_to_hold(self, query)

    def waste(self, query: ReportQuery) -> Waste:
        """What was wasted on what, from the rows themselves."""
        return self._wasted.waste(query)

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """A page of the requests behind some lines of `waste`, newest or, sorted by "cost", dearest first."""
        limit = query.limit or _PAGE
        rows = self._wasted.requests(replace(query, limit=limit + 1), lines, after)
        return page_of(self.rows.told(rows), limit, dearest=query.sort == "cost", after=after)

    def holds(self, instant: datetime) -> bool:
        """Whether the mirror has read the log at an instant (naive UTC)."""
        return instant >= self.hot_start or instant.date() in self.closed

    def row_count(self) -> int:
        """Rows held."""
        return self.hot.count() + sum(day.row_count for day in self.closed.values() if day.start < self.hot_start)
