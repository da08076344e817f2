"""The hot end followed: overlap and upsert by id, and a rolling second look at what the overlap no longer covers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cost_top.mirror.database import take
from cost_top.mirror.hot import NOTHING
from cost_top.mirror.report import naive
from cost_top.mirror.schema import first_row
from cost_top.mirror.store import Mirror
from cost_top.sources.base import LogReader

_AUDIT_SHARE = 0.005
_MANY = 300  # changed rows at more times than this are read as one period
_LATE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Arrivals:
    """What the tail has seen since the start: late and repeated rows, and how late rows come (seconds)."""

    new: int = 0
    late: int = 0
    repeated: int = 0
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=500))

    def lateness(self) -> timedelta | None:
        """95th percentile of the time between a request and its row."""
        if not self.delays:
            return None
        ordered = sorted(self.delays)
        return timedelta(seconds=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1))


class Tail:
    """Keeps the mirror's hot table equal to the log's end. Used on the mirror's thread with its own reader."""

    def __init__(self, mirror: Mirror, reader: LogReader, overlap: timedelta, overlap_share: float = 0.01) -> None:
        """`overlap` is how late a row may come or change; so much of the time may go into looking at it again."""
        self._mirror = mirror
        self._reader = reader
        self._overlap = overlap
        self._overlap_share = overlap_share
        self._connection = mirror.database.connection
        self._digest: tuple[datetime, int, int] | None = None  # of the last look at the end of the log
        self._overlap_due = 0.0
        self._audit_due = 0.0
        self._audited: datetime | None = None
        self.arrivals = Arrivals()

    def fill(self, start: datetime, end: datetime | None) -> int:
        """Read `[start, end)` (naive UTC) whole into the hot table; the rows' number. Newest periods come first."""
        self._look(start, end)
        answer = self._reader.rows(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None, True)
        with self._mirror.database.ingested(self._connection, self._reader, answer) as rows:
            # What came between the two statements is left to the next poll, which then knows it as new.
            self._connection.execute(f"DELETE FROM {rows} WHERE id NOT IN (SELECT id FROM looked)")
            self._mirror.touched(self._mirror.hot.replace(rows, start, end))
            count = int(first_row(self._connection, f"SELECT count(*) FROM {rows}")[0])
        self._remember(start, end)
        self._mirror.hot_start = min(self._mirror.hot_start, start)
        return count

    def poll(self, now: datetime, clock: float) -> bool:
        """Look for new, late and changed rows; whether anything changed. `clock` is monotonic seconds."""
        newest = self._mirror.hot.newest()
        if newest is not None:
            newest = min(newest, naive(now))  # a row stamped in the future must not hide what comes before it
        if newest is None:
            start, whole = self._mirror.hot_start, True
        else:
            whole = clock >= self._overlap_due
            start = max(newest - self._overlap, self._mirror.hot_start) if whole else newest
        before = self._reader.statistics.database_ms
        changed = self._catch_up(start, None, now, newest, whole)
        if whole:
            spent = (self._reader.statistics.database_ms - before) / 1000
            self._overlap_due = clock + min(spent / self._overlap_share, self._overlap.total_seconds() / 3)
        return changed

    def audit(self, now: datetime, clock: float) -> bool:
        """Look once more at one older hour of the hot end; whether it had changed."""
        newest = self._mirror.hot.newest()
        if clock < self._audit_due or newest is None:
            return False
        limit = newest - self._overlap
        start = self._audited if self._audited is not None and self._audited < limit else self._mirror.hot_start
        if start >= limit:
            return False
        end = min(start.replace(minute=0, second=0, microsecond=0) + _HOUR, limit)
        before = self._reader.statistics.database_ms
        changed = self._catch_up(start, end, now, newest, True)
        spent = (self._reader.statistics.database_ms - before) / 1000
        self._audit_due = clock + spent / _AUDIT_SHARE
        self._audited = end
        return changed

    def _look(self, start: datetime, end: datetime | None) -> tuple[int, int]:
        """Fetch the fingerprints of a period into `looked`; their number and digest."""
        answer = self._reader.fingerprints(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None)
        select = f"SELECT id, time, fingerprint FROM ({self._reader.fingerprint_sql('log_stream')})"
        take(self._connection, self._reader, answer, f"looked AS {select}")
        count, digest = first_row(
            self._connection, "SELECT count(*), coalesce(bit_xor(hash(id, fingerprint)), 0) FROM looked"
        )
        return count, digest

    def _remember(self, start: datetime, end: datetime | None) -> None:
        span = _span(start, end)
        self._connection.execute(f"DELETE FROM seen WHERE {span}")
        self._connection.execute("DELETE FROM seen WHERE id IN (SELECT id FROM looked)")
        self._connection.execute("INSERT INTO seen SELECT id, time, fingerprint FROM looked")

    def _catch_up(
        self, start: datetime, end: datetime | None, now: datetime, newest: datetime | None, whole: bool
    ) -> bool:
        """Make the hot table equal to a period of the log. What a `whole` look does not find is gone from it;
        from a narrow look a row may be missing because it moved.
        """
        digest = (start, *self._look(start, end))
        if digest == self._digest:
            return False
        if end is None:
            self._digest = digest
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE changed AS SELECT id, time FROM looked l WHERE NOT EXISTS "
            "(SELECT 1 FROM seen s WHERE s.id = l.id AND s.fingerprint = l.fingerprint)"
        )
        found = self._connection.execute("SELECT DISTINCT time FROM changed ORDER BY time").fetchall()
        times = [time for (time,) in found]
        removed: frozenset[datetime] = frozenset()
        if whole:
            gone = f"SELECT id FROM seen WHERE {_span(start, end)} AND id NOT IN (SELECT id FROM looked)"
            removed = self._mirror.hot.remove(gone)
        done = self._read_changed(times, end, now, newest) if times else NOTHING.hours
        self._remember(start, end)
        self._mirror.touched(removed | done)
        return bool(times or removed)

    def _read_changed(
        self, times: list[datetime], end: datetime | None, now: datetime, newest: datetime | None
    ) -> frozenset[datetime]:
        if len(times) > _MANY:
            answer = self._reader.rows(times[0].replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None, True)
        else:
            answer = self._reader.rows_at(times)
        with self._mirror.database.ingested(self._connection, self._reader, answer) as rows:
            self._connection.execute(f"DELETE FROM {rows} WHERE id NOT IN (SELECT id FROM changed)")
            result = self._mirror.hot.upsert(rows, newest - _LATE if newest else None)
            if newest is not None:
                self._note_delays(rows, now)
        self.arrivals.new += result.new
        self.arrivals.late += result.late
        self.arrivals.repeated += result.repeated
        return result.hours

    def _note_delays(self, rows: str, now: datetime) -> None:
        instant = naive(now)
        found = self._connection.execute(
            f"SELECT time FROM {rows} WHERE id NOT IN (SELECT id FROM seen) ORDER BY time DESC LIMIT 100"
        ).fetchall()
        self.arrivals.delays.extend(max(0.0, (instant - time).total_seconds()) for (time,) in found)


def _span(start: datetime, end: datetime | None) -> str:
    upper = f" AND time < TIMESTAMP '{end}'" if end else ""
    return f"time >= TIMESTAMP '{start}'{upper}"
