"""The mirror: the window of the log as columns, and every lens over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days, union
from cost_top.mirror.hot import TABLE as HOT
from cost_top.mirror.hot import Hot
from cost_top.mirror.kept_sums import keep, sums_path, take_over
from cost_top.mirror.measures import UNPRICED
from cost_top.mirror.report import answer, naive, requests
from cost_top.mirror.rollups import Rollups, Slice
from cost_top.mirror.schema import first_row
from cost_top.mirror.where import condition
from cost_top.model.answers import Position
from cost_top.model.filter import Filter
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import RequestRow
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
# A day is closed this long after it ended, or after the log's overlap where that is longer.
_CLOSING = timedelta(hours=1)


class Mirror:
    """Closed days and the hot end of one log. Used by the thread that made it; `days` also by those that fill it."""

    def __init__(self, source: LogSource, book: RateBook, cache: Path | None) -> None:
        """`cache` is the user's cache folder, None to keep nothing on disk."""
        self.database = Database(book)
        self.hot = Hot(self.database.connection)
        self.days = Days(cache, source, self.database)
        self.rollups = Rollups(self.database.connection, self._relation_of)
        self.closed: dict[date, ClosedDay] = {}
        self._closing = max(_CLOSING, source.overlap * 2)
        self.hot_start = naive(datetime.now(UTC))  # the hot table is complete from here on
        self._sums_kept: set[date] = set()  # days whose sums are on disk
        self._slices: dict[tuple[datetime, datetime | None, datetime], list[Slice]] = {}

    def close(self) -> None:
        """Free the memory."""
        self.database.close()

    def first_hot_day(self, now: datetime) -> date:
        """The oldest UTC day that is not closed yet at `now`."""
        return (naive(now) - self._closing).date()

    def adopt(self, day: ClosedDay) -> None:
        """Take over a closed day that was read; sums over an earlier reading of it are dropped."""
        old = self.closed.get(day.day)
        self.closed[day.day] = day
        self._sums_kept.discard(day.day)
        self._slices.clear()
        start, end = day.start, day.start + _DAY
        self.rollups.forget(lambda part: part.start < end and part.end > start)
        if old is not None and old.path is None and old.relation != day.relation:
            self.database.connection.execute(f"DROP TABLE IF EXISTS {old.relation}")

    def take_over_sums(self) -> None:
        """Load the kept sums of the closed days."""
        days = [(day, Slice(day.start, day.start + _DAY)) for day in self.closed.values()]
        take_over(self.database.connection, self.rollups, days)
        self._sums_kept = {day.day for day, _ in days if (path := sums_path(day)) is not None and path.exists()}

    def keep_sums(self) -> bool:
        """Keep the sums of one more closed day; whether there was one to keep."""
        for day in self.closed.values():
            part = Slice(day.start, day.start + _DAY)
            if day.day in self._sums_kept or self.rollups.number(Filter(), "provider", part) is None:
                continue
            self._sums_kept.add(day.day)
            keep(self.database.connection, self.rollups, self.days, day, part)
            return True
        return False

    def lose(self, day: date) -> None:
        """Forget a closed day whose rows are gone."""
        lost = self.closed.pop(day)
        self._slices.clear()
        start, end = lost.start, lost.start + _DAY
        self.rollups.forget(lambda part: part.start < end and part.end > start)

    def newest(self) -> datetime | None:
        """Time (UTC) of the newest row held."""
        newest = self.hot.newest()
        if newest is None:
            for _, day in sorted(self.closed.items(), reverse=True):
                if day.row_count:
                    newest = first_row(self.database.connection, f"SELECT max(time) FROM {day.relation}")[0]
                    break
        return newest.replace(tzinfo=UTC) if newest else None

    def touched(self, hours: Iterable[datetime]) -> None:
        """Rows of these hours of the hot end changed: their sums are dropped."""
        self._slices.clear()
        changed = tuple(hours)
        if changed:
            self.rollups.forget(lambda part: any(part.start < hour + _HOUR and part.end > hour for hour in changed))

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
        key = (start, end, self.hot_start)
        if key not in self._slices:
            if len(self._slices) > 100:
                self._slices.clear()
            self._slices[key] = self._cut(start, end)
        return self._slices[key]

    def _cut(self, start: datetime, end: datetime | None) -> list[Slice]:
        found = list(self._closed_slices(start, end))
        hour = self.hot_start
        last = end if end is not None else (self.hot.newest() or hour) + _HOUR
        while hour < last:
            following = hour.replace(minute=0, second=0, microsecond=0) + _HOUR
            cut_start = max(hour, start)
            cut_end = following if end is None else min(following, end)
            if cut_start < cut_end:
                found.append(Slice(cut_start, cut_end))
            hour = following
        return found

    def _closed_slices(self, start: datetime, end: datetime | None) -> Iterator[Slice]:
        for day in self.closed.values():
            cut_start = max(day.start, start)
            cut_end = day.start + _DAY if end is None else min(day.start + _DAY, end)
            if cut_start < cut_end and day.start < self.hot_start:
                yield Slice(cut_start, cut_end)

    def _relation_of(self, slices: Sequence[Slice]) -> str:
        return self._relation(min(part.start for part in slices), max(part.end for part in slices))

    def _relation(self, start: datetime, end: datetime) -> str:
        closed = [
            day.relation
            for _, day in sorted(self.closed.items())
            if day.start < min(end, self.hot_start) and day.start + _DAY > start
        ]
        return union([*closed, HOT] if end > self.hot_start or not closed else closed)

    def report(self, query: ReportQuery, as_of: datetime, notes: tuple[str, ...] = ()) -> Report:
        """The exact answer from the rows themselves, latency included."""
        relation = self._relation(naive(query.start), naive(query.end))
        return answer(self.database.connection, relation, query, as_of, notes)

    def requests(
        self, query: ReportQuery, dearest_first: bool = False, after: Position | None = None
    ) -> list[RequestRow]:
        """Single requests, newest or dearest first; the newest are looked for in the newest days first.

        `after` (newest first only) continues a list behind its last request.
        """
        if after is not None and after.time < query.end:
            query = replace(query, end=after.time + timedelta(microseconds=1))
        start, end = naive(query.start), naive(query.end)
        limit = query.limit or 200
        if dearest_first:
            relation = self._relation(start, end)
            return self._matched(requests(self.database.connection, relation, query, dearest_first=True))
        rows = requests(self.database.connection, HOT, query, after=after)
        for day in sorted(self.closed, reverse=True):
            closed = self.closed[day]
            if len(rows) >= limit or closed.start + _DAY <= start:
                break
            if closed.start < end and closed.start < self.hot_start:
                rows += requests(self.database.connection, closed.relation, query, after=after)
        return self._matched(rows[:limit])

    def _matched(self, rows: list[RequestRow]) -> list[RequestRow]:
        """With the rate each row's model is known by, and how its name led there."""
        book = self.database.book
        matches = {pair: book.match(*pair) for pair in {(row.provider, row.model) for row in rows}}
        return [
            replace(row, matched_model=match.text) if (match := matches[row.provider, row.model]) else row
            for row in rows
        ]

    def holds(self, instant: datetime) -> bool:
        """Whether the mirror has read the log at an instant (naive UTC)."""
        return instant >= self.hot_start or instant.date() in self.closed

    def minutes(
        self, where: Filter, start: datetime, end: datetime
    ) -> tuple[list[tuple[int, int, int, int]], int | None]:
        """`(minute, cost, requests, errors)` for each minute from `start` with traffic, and the p95 latency in ms."""
        sql, parameters = condition(where)
        rows = f"{self._relation(start, end)} WHERE time >= ? AND time < ? AND {sql}"
        found = self.database.connection.execute(
            "SELECT date_diff('minute', CAST(? AS TIMESTAMP), time), coalesce(sum(cost), 0), "
            "count(*) FILTER (counted IS NOT FALSE), count(*) FILTER (status >= 400 AND counted IS NOT FALSE), "
            f"list(latency_ms) FILTER (latency_ms IS NOT NULL) FROM {rows} GROUP BY 1",
            [start, start, end, *parameters],
        ).fetchall()
        latencies = sorted(value for row in found for value in row[4] or ())
        p95 = latencies[max(0, -(-len(latencies) * 95 // 100) - 1)] if latencies else None
        return [(int(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in found], p95

    def minute_bars(
        self, where: Filter, start: datetime, end: datetime, origin: datetime
    ) -> list[tuple[int, int, int, int, int]]:
        """`(minutes since origin, cost, requests, saved by cache, unpriced)` of the rows in `[start, end)`."""
        sql, parameters = condition(where)
        return self.database.connection.execute(
            "SELECT date_diff('minute', CAST(? AS TIMESTAMP), time), coalesce(sum(cost), 0), "
            "count(*) FILTER (counted IS NOT FALSE), coalesce(sum(saved_by_cache), 0), "
            f"count(*) FILTER ({UNPRICED}) FROM {self._relation(start, end)} "
            f"WHERE time >= ? AND time < ? AND {sql} GROUP BY 1",
            [origin, start, end, *parameters],
        ).fetchall()

    def without_usage(self, query: ReportQuery) -> int:
        """Requests of the query that carry neither tokens nor a cost."""
        return self._sums(query, "count(*) FILTER (price_status = 'no_usage')")[0]

    def avoided_tokens(self, query: ReportQuery) -> tuple[int, int]:
        """(input, output) tokens that response-cache hits did not send."""
        found = self._sums(query, "sum(input_tokens) FILTER (cache_hit), sum(output_tokens) FILTER (cache_hit)")
        return found[0], found[1]

    def _sums(self, query: ReportQuery, expressions: str) -> tuple[int, ...]:
        sql, parameters = condition(query.where)
        start, end = naive(query.start), naive(query.end)
        row = first_row(
            self.database.connection,
            f"SELECT {expressions} FROM {self._relation(start, end)} WHERE time >= ? AND time < ? AND {sql}",
            [start, end, *parameters],
        )
        return tuple(int(value or 0) for value in row)

    def row_count(self) -> int:
        """Rows held."""
        return self.hot.count() + sum(day.row_count for day in self.closed.values() if day.start < self.hot_start)
