"""The hot end followed: overlap and upsert by key, and a rolling second look at what the overlap no longer covers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.mirror.audit import GREATEST_SHARE, Audit
from cost_top.mirror.database import number_twins, take
from cost_top.mirror.hot import Upserted, hour_of, span
from cost_top.mirror.kept_hours import KeptHours, digest_of, forget_hours, take_hours
from cost_top.mirror.newest import Newest
from cost_top.mirror.report import naive
from cost_top.mirror.schema import first_row
from cost_top.mirror.store import Mirror
from cost_top.sources.base import Evidence, LogReader

# All of the hot end is looked at again once in so many seconds, unless that takes more than a share of the time.
HOT_SECONDS = 25.0
_HOT_LIMIT, _OVERLAP_LIMIT = 28.0, 24.0
_AUDIT_SHARE = 0.02
_COSTLY_SHARE = 0.0025
_MOST_SPELLED = 100  # periods
_MANY = 300  # changed rows at more times than this are read as one period
_LATE = timedelta(minutes=1)


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
        self._newest = Newest(mirror.database, mirror.hot, reader, mirror.costly)
        # Of the last look of each kind at the end of the log: what it looked at and what it saw.
        self._digests: dict[bool, tuple[datetime, int, int]] = {}
        self._overlap_due = 0.0
        self._overlap_seen: float | None = None  # when all of the overlap was last looked at
        self._has_older = False  # rows before it
        self._spelled: dict[tuple[datetime, datetime], tuple[str, str]] = {}  # of hours that were as they are held
        self._again = Audit(HOT_SECONDS, _AUDIT_SHARE, _HOT_LIMIT)
        self._costly = Audit(HOT_SECONDS, _COSTLY_SHARE)
        self._evidence: Evidence | None = None
        self._just_noted = False  # since the last look
        self._newest_since = False  # the newest rows were looked at since the evidence changed
        self._whole_since = False  # all of the overlap was looked at since the evidence changed
        self._rounds_wanted = 0
        self._costly_wanted = 0
        self.arrivals = Arrivals()

    def note(self, evidence: Evidence) -> None:
        """What the log says of itself now, before it is looked at."""
        self._just_noted = True
        if evidence != self._evidence:
            self._evidence = evidence
            self._newest_since = self._whole_since = False
            # The round under way, and a whole one.
            self._rounds_wanted, self._costly_wanted = self._again.rounds + 2, self._costly.rounds + 2

    @property
    def is_proven(self) -> bool:
        """Whether everything was looked at since the log was last written to."""
        if self._evidence is None or self._evidence.text is None or not self._whole_since:
            return False
        costly = not self._mirror.costly or self._costly.rounds >= self._costly_wanted
        return costly and self._again.rounds >= self._rounds_wanted

    @property
    def seen(self) -> float | None:
        """Since when (monotonic seconds) all of the hot end is known to be as the log had it; None where it is now."""
        if self.is_proven:
            return None
        looked = (self._overlap_seen, self._again.seen if self._has_older else None)
        return min((each for each in looked if each is not None), default=None)

    def _is_told(self, whole: bool) -> bool:
        """Whether the log itself said just now that nothing was written since it was looked at like this."""
        evidence, just_noted = self._evidence, self._just_noted
        self._just_noted = False
        if evidence is None or not evidence.at_once or evidence.text is None or not just_noted:
            return False
        return self._newest_since and (self._whole_since or not whole)

    def fill(self, start: datetime, end: datetime | None) -> int:
        """Read `[start, end)` (naive UTC) whole into the hot table; the rows' number. Newest periods come first."""
        result = self._newest.fill(start, end)
        if result is not None:
            self._mirror.begun(start, end, result)
            count = result.new
        else:
            with self._ingested(self._rows(start, end)) as rows:
                self._mirror.touched(self._mirror.hot.replace(rows, start, end))
                count = int(first_row(self._connection, f"SELECT count(*) FROM {rows}")[0])
        self._digests.clear()
        self._newest.forget()
        self._mirror.hot_start = min(self._mirror.hot_start, start)
        return count

    def take_kept(self, kept: KeptHours) -> bool:
        """Fill the hot end before what is read of it with what was kept, if the log still says so; else forget that."""
        digest = self._digest(kept.start, kept.until)
        if digest is not None and digest == digest_of(self._connection, kept) and take_hours(self._mirror, kept):
            self._digests.clear()
            self._newest.forget()
            return True
        forget_hours(self._mirror)
        return False

    def settled(self, now: datetime) -> datetime | None:
        """The hour (naive UTC) before which rows may be kept; None where nothing would tell that the log has them."""
        newest = self._mirror.hot.newest()
        if newest is None or self._mirror.costly or not self._newest.is_plain:
            return None
        return hour_of(min(newest, naive(now)) - self._overlap)

    def poll(self, now: datetime, clock: float) -> bool:
        """Look for new, late and changed rows; whether anything changed. `clock` is monotonic seconds."""
        if self.is_proven and self._evidence is not None and self._evidence.at_once:
            return False
        newest = self._mirror.hot.newest()
        if newest is not None:
            newest = min(newest, naive(now))  # a row stamped in the future must not hide what comes before it
        whole = newest is None or (clock >= self._overlap_due and not self.is_proven)
        start = self._overlap_start(newest) if newest is None or whole else newest
        if self._is_told(whole):
            self._overlap_seen = clock if whole else self._overlap_seen
            return False
        before = self._reader.statistics.database_ms
        changed = False
        if newest is None or not self._newest.is_plain:
            changed = self._catch_up(start, None, now, newest, whole)
        else:
            changed = self._follow(start, now, newest, whole)
        self._newest_since = True
        if whole and self._overlap_start(self._mirror.hot.newest()) < start:
            self._overlap_due = clock  # the newest rows are gone: there is an overlap before what was looked at
        elif whole:
            self._whole_since, self._overlap_seen = True, clock
            spent = (self._reader.statistics.database_ms - before) / 1000
            rest = min(spent / self._overlap_share, self._overlap.total_seconds() / 3, _OVERLAP_LIMIT)
            self._overlap_due = clock + max(rest, spent / GREATEST_SHARE)
        return changed

    def _overlap_start(self, newest: datetime | None) -> datetime:
        """Where the rows begin that are followed as long as newer ones come."""
        start = self._mirror.hot_start
        return start if newest is None else max(newest - self._overlap, start)

    def _follow(self, overlap: datetime, now: datetime, newest: datetime, whole: bool) -> bool:
        """Take over what came or changed of the newest rows, and of all since `overlap` where the `whole` is due."""
        start = self._newest.start(newest, max(newest - self._overlap, self._mirror.hot_start))
        changed = self._upserted(self._newest.take(start, newest - _LATE), now, newest)
        if changed is None:
            changed = self._catch_up(start, None, now, newest, False)
            self._newest.taken()
        if whole and self._newest.digest(overlap, None) != self._mirror.hot.digest(overlap, None):
            found = self._upserted(self._newest.compare(overlap, None, newest - _LATE), now, newest)
            changed |= self._catch_up(overlap, None, now, newest, True) if found is None else found
        return changed

    def _upserted(self, result: Upserted | None, now: datetime, newest: datetime) -> bool | None:
        """Follow what was taken over, whether there was any; None of None."""
        if result is not None and (result.new or result.repeated):
            self._mirror.upserted(result)
            self._digests.clear()
            self._arrived(result, now, newest)
        return bool(result.new or result.repeated) if result is not None else None

    def look_again(self, now: datetime, clock: float) -> bool:
        """Look once more at what the overlap does not cover, as much as is due; whether it had changed."""
        newest = self._mirror.hot.newest()
        if newest is None:
            self._has_older = False  # every poll looks at all of it
        if newest is None or self.is_proven:
            return False
        first, rows = self._mirror.hot_start, self._mirror.hot.count()
        changed = self._look_at_older(first, newest - self._overlap, rows, now, clock)
        end = newest + timedelta(microseconds=1)
        if self._mirror.costly and (period := self._costly.due(first, end, clock, rows)) is not None:
            before = self._reader.statistics.database_ms
            changed |= self._compare_costly(*period)
            self._costly.looked(period, end, clock, self._reader.statistics.database_ms - before)
        return changed

    def _look_at_older(self, first: datetime, last: datetime, rows: int, now: datetime, clock: float) -> bool:
        """Hours before the overlap."""
        self._has_older = first < last
        if first >= last:
            self._rounds_wanted = self._again.rounds  # there are none
        changed = False
        while (period := self._again.due(first, last, clock, rows)) is not None:
            before = self._reader.statistics.database_ms
            digest = self._reader.digest(period[0].replace(tzinfo=UTC), last.replace(tzinfo=UTC))
            if digest is not None:  # the database makes one of all hours in one go
                period = period[0], last
            if digest is not None:
                is_same = digest == self._mirror.hot.digest(*period)
            else:
                is_same = self._newest.is_plain and self._is_as_held(*period)
            if not is_same:
                changed |= self._catch_up(*period, now, self._mirror.hot.newest(), True)
            self._again.looked(period, last, clock, self._reader.statistics.database_ms - before)
        return changed

    def _is_as_held(self, start: datetime, end: datetime) -> bool:
        """Whether the log has the rows of a period that are held.

        Of whole hours it is kept how their rows were spelled when they were last found to be those that are held.
        """
        held = self._mirror.hot.digest(start, end)
        spelled = self._newest.spelled(start, end) if start == hour_of(start) and end == hour_of(end) else None
        if spelled is not None and self._spelled.get((start, end)) == (spelled, held):
            return True
        if self._newest.digest(start, end) != held:
            return False
        if spelled is not None:
            if len(self._spelled) >= _MOST_SPELLED:
                self._spelled.clear()
            self._spelled[start, end] = spelled, held
        return True

    def _digest(self, start: datetime, end: datetime) -> str | None:
        """The log's digest of a period, made by the database or here; None where neither can."""
        made = self._reader.digest(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
        return self._newest.digest(start, end) if made is None and self._newest.is_plain else made

    def _compare_costly(self, start: datetime, end: datetime) -> bool:
        """Read a period again with its costly columns, which no fingerprint follows."""
        hot = self._mirror.hot.table
        with self._ingested(self._rows(start, end)) as rows:
            self._connection.execute(
                f"DELETE FROM {rows} WHERE (key, content) IN (SELECT key, content FROM {hot} WHERE {span(start, end)})"
            )
            result = self._mirror.hot.upsert(rows, None)
        self.arrivals.repeated += result.repeated
        self._mirror.upserted(result)
        return bool(result.hours)

    def _rows(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        return self._reader.rows(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None, True)

    @contextmanager
    def _ingested(self, answer: AbstractContextManager[Any]) -> Iterator[str]:
        with self._mirror.database.ingested(self._connection, self._reader, answer) as rows:
            number_twins(self._connection, rows)
            yield rows

    def _look(self, start: datetime, end: datetime | None) -> tuple[bool, int, int]:
        """Fetch the fingerprints of a period into `looked`; whether some are twins, their number and digest."""
        answer = self._reader.fingerprints(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None)
        select = f"SELECT key, time, fingerprint FROM ({self._reader.fingerprint_sql('log_stream')})"
        take(self._connection, self._reader, answer, f"looked AS {select}")
        twins = number_twins(self._connection, "looked")
        count, digest = first_row(self._connection, "SELECT count(*), coalesce(bit_xor(hash(looked)), 0) FROM looked")
        return twins, count, digest

    def _catch_up(
        self, start: datetime, end: datetime | None, now: datetime, newest: datetime | None, whole: bool
    ) -> bool:
        """Make the hot table equal to a period of the log. What a `whole` look does not find is gone from it;
        from a narrow look a row may be missing because it moved.
        """
        twins, count, hashes = self._look(start, end)
        digest = (start, count, hashes)
        if end is None and digest == self._digests.get(whole):
            return False
        within, hot = span(start, end), self._mirror.hot.table
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT key, time FROM looked l WHERE NOT EXISTS (SELECT 1 FROM "
            f"(SELECT key, time, fingerprint FROM {hot} WHERE {within}) h "
            "WHERE h.key = l.key AND h.fingerprint = l.fingerprint AND h.time = l.time)"
        )
        found = self._connection.execute("SELECT DISTINCT time FROM changed ORDER BY time").fetchall()
        times = [time for (time,) in found]
        removed: frozenset[datetime] = frozenset()
        if whole or twins:
            of_twins = "" if whole else " AND time IN (SELECT time FROM changed)"
            gone = f"SELECT key FROM {hot} WHERE {within}{of_twins} AND key NOT IN (SELECT key FROM looked)"
            removed = self._mirror.hot.remove(gone)
            self._mirror.touched(removed)
        if times:
            self._mirror.upserted(self._read_changed(times, end, now, newest))
        if times or removed:
            self._digests.clear()
            self._newest.forget()
        if end is None:
            self._digests[whole] = digest
        return bool(times or removed)

    def _read_changed(
        self, times: list[datetime], end: datetime | None, now: datetime, newest: datetime | None
    ) -> Upserted:
        many = len(times) > _MANY
        answer = self._rows(times[0], end) if many else self._reader.rows_at(times)
        with self._ingested(answer) as rows:
            self._connection.execute(f"DELETE FROM {rows} WHERE key NOT IN (SELECT key FROM changed)")
            result = self._mirror.hot.upsert(rows, newest - _LATE if newest else None)
        self._arrived(result, now, newest)
        return result

    def _arrived(self, result: Upserted, now: datetime, newest: datetime | None) -> None:
        if newest is not None:
            instant = naive(now)
            self.arrivals.delays.extend(max(0.0, (instant - time).total_seconds()) for time in result.newest)
        self.arrivals.new += result.new
        self.arrivals.late += result.late
        self.arrivals.repeated += result.repeated
