"""What is read of a log and in what order: the last hour, today, then day by day back, and what is checked again."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cost_top.mirror.backfill import Backfill, Failed, Work
from cost_top.mirror.database import THREADS
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.errors import one_line
from cost_top.model.snapshot import Filling, Watching
from cost_top.model.windows import Period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogReader, LogSource

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
WINDOW_DAYS = 31
# The longest window and the equal period before it.
HISTORY_DAYS = 62
_TIDY_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 10.0
_LOOK_AGAIN_SHARE = 0.005
_FIRST_LOOK_SECONDS = 2.0
_LATELY_DAYS = 7
# The hot end is read in pieces of this length, newest first, so that the screen fills while it is read.
_PIECE = timedelta(hours=3)


class History:
    """The mirror of a log being filled and followed. Used by one thread."""

    def __init__(self, source: LogSource, reader: LogReader, book: RateBook, cache: Path | None) -> None:
        """`reader` is the tail's own."""
        self.book = book
        self.mirror = Mirror(source, book, cache)
        self.tail = Tail(self.mirror, reader, source.overlap, source.overlap_share)
        self.backfill = Backfill(source, self.mirror.database, self.mirror.days)
        self.error = ""  # of the history's readers
        self.last_poll_seconds = 0.0  # of the log's time
        self.changed = True  # figures may differ from those of the last snapshot; for the owner to reset
        self._source = source
        self._reader = reader
        self._oldest: datetime | None = None
        self._asked: dict[date, Work] = {}
        self._hot_goal: datetime | None = None
        self._started = False
        self._history_asked = False
        self._tidy_due = time.monotonic() + _TIDY_SECONDS
        self._to_look_at: list[date] = []
        self._look_again_due = time.monotonic() + _LOOK_AGAIN_SECONDS
        self._looked_ms = 0.0
        self._first_round = False  # days kept from an earlier run are still to be held against the log

    def close(self) -> None:
        """End the threads and free the memory."""
        self.backfill.stop()
        self.mirror.close()

    def step(self, now: datetime, clock: float) -> bool:
        """One poll, or one piece of the hot end; whether the next is to follow at once. Raises `SourceError`."""
        if not self._started:
            self._begin(now)
            self.changed = True
            return True
        assert self._hot_goal is not None
        if self.mirror.hot_start > self._hot_goal:
            start = max(self._hot_goal, self.mirror.hot_start - _PIECE)
            self.tail.fill(start, self.mirror.hot_start)
            self.changed = True
            if start > self._hot_goal:
                return True
        if not self._history_asked:
            # Also where the first piece, between one and two o'clock, was the whole hot end.
            self._history_asked = True
            self._begin_history()
            self.changed = True  # what is still to be read is known only now: of an empty log nothing
        before = self._reader.statistics.database_ms
        self.changed |= self.tail.poll(now, clock)
        self.last_poll_seconds = (self._reader.statistics.database_ms - before) / 1000
        self.changed |= self.tail.audit(now, time.monotonic())
        self._close_days(now)
        self._look_again(clock)
        return False

    def _begin(self, now: datetime) -> None:
        oldest = self._reader.oldest()
        newest = self._reader.newest()
        self._oldest = naive(oldest) if oldest else None
        first = self.mirror.first_hot_day(now)
        self._hot_goal = datetime(first.year, first.month, first.day)
        start = max(self._hot_goal, naive(now).replace(minute=0, second=0, microsecond=0) - _HOUR)
        if newest is not None and naive(newest) < start:
            start = max(self._hot_goal, min(start, naive(newest) - _HOUR))
        self.tail.fill(start, None)
        self._started = True

    def _begin_history(self) -> None:
        """Take over what an earlier run kept, then ask for what is missing."""
        assert self._hot_goal is not None
        days = [self._hot_goal.date() - _DAY * number for number in range(1, HISTORY_DAYS + 1)]
        kept = self.mirror.days.known(self.mirror.database.connection, [day for day in days if self._exists(day)])
        for day in kept:
            self.mirror.adopt(day)
        self.mirror.take_over_sums()
        self._ask(Work.READ, days[:WINDOW_DAYS])
        self._ask(Work.READ_OLDER, days[WINDOW_DAYS:])
        if self._source.costly:
            plain = {day.day for day in kept if not day.details}
            missing = [day for day in days if day not in self.mirror.closed and self._exists(day)]
            self.backfill.ask(Work.DETAILS, [*missing, *plain])
        # Those that closed lately are the likeliest to have changed since; the others follow one by one.
        self.backfill.verify(day for day in kept if day.day >= days[_LATELY_DAYS - 1])
        self._to_look_at = sorted(day.day for day in kept if day.day < days[_LATELY_DAYS - 1])
        self._first_round = bool(self._to_look_at)
        self.backfill.start()

    def _exists(self, day: date) -> bool:
        return self._oldest is not None and day >= self._oldest.date()

    def _ask(self, work: Work, days: list[date]) -> None:
        for day in days:
            # What was asked for comparison only may come to be looked at itself.
            if day in self._asked and work < self._asked[day]:
                self._asked[day] = work
        wanted = [day for day in days if self._exists(day) and day not in self.mirror.closed and day not in self._asked]
        self._asked.update(dict.fromkeys(wanted, work))
        self.backfill.ask(work, wanted)

    def _close_days(self, now: datetime) -> None:
        """Ask for the day that has ended; taking it over moves the hot end."""
        start = self.mirror.hot_start
        if self.mirror.first_hot_day(now) > start.date() and start.date() not in self._asked:
            self._asked[start.date()] = Work.READ
            self.backfill.ask(Work.DETAILS if self._source.costly else Work.READ, [start.date()])

    def _look_again(self, clock: float) -> None:
        """Hold closed days against the log in turn, newest first, for a small share of its time."""
        if clock < self._look_again_due or self.backfill.pending:
            return
        if not self._to_look_at:
            self._to_look_at = sorted(self.mirror.closed)
            self._first_round = False
        if self._to_look_at:
            day = self._to_look_at.pop()
            if day in self.mirror.closed:
                self.backfill.verify([self.mirror.closed[day]])
        spent = sum(one.database_ms for one in self.backfill.statistics) - self._looked_ms
        self._looked_ms += spent
        wait = max(_LOOK_AGAIN_SECONDS, spent / 1000 / _LOOK_AGAIN_SHARE)
        self._look_again_due = clock + (_FIRST_LOOK_SECONDS if self._first_round else wait)

    def recovered(self) -> None:
        """The log answers again: days that closed lately may have changed meanwhile."""
        lately = sorted(self.mirror.closed)[-_LATELY_DAYS:]
        self.backfill.verify(self.mirror.closed[day] for day in lately)

    def want(self, period: Period, gently: bool = False) -> None:
        """Ask for older days when somebody looks at them; `gently` reads those older than usual with rests."""
        if self._hot_end_is_read:
            usual = self._days_back(HISTORY_DAYS) if gently else date.min
            days = self._days_of(period)
            self._ask(Work.READ, [day for day in days if day >= usual])
            self._ask(Work.READ_OLDER, [day for day in days if day < usual])

    def window_is_read(self) -> bool:
        """Whether the days of the longest window are held, whatever else is being read."""
        waiting = (day for day, work in self._asked.items() if work is Work.READ)
        return self._hot_end_is_read and all(day < self._days_back(WINDOW_DAYS) for day in waiting)

    def _days_back(self, count: int) -> date:
        assert self._hot_goal is not None
        return self._hot_goal.date() - _DAY * count

    def covers(self, period: Period) -> bool:
        """Whether the mirror holds a period whole, with all columns."""
        closed, costly = self.mirror.closed, self._source.costly
        return self._hot_end_is_read and all(
            day in closed and (closed[day].details or not costly) for day in self._days_of(period)
        )

    @property
    def _hot_end_is_read(self) -> bool:
        return self._history_asked and self._hot_goal is not None and self.mirror.hot_start <= self._hot_goal

    def _days_of(self, period: Period) -> list[date]:
        """The days of a period that the log has and that are not of the hot end."""
        day = max(naive(period.start).date(), self._oldest.date() if self._oldest else date.max)
        days = []
        while datetime(day.year, day.month, day.day) < min(self.mirror.hot_start, naive(period.end)):
            days.append(day)
            day += _DAY
        return days

    def collect(self) -> None:
        """Take over the days that are ready."""
        while not self.backfill.results.empty():
            result = self.backfill.results.get()
            if isinstance(result, Failed):
                self.error = one_line(result.error)
                self.changed = True
                continue
            self.error = ""
            if result.day is not None:
                self.mirror.adopt(result.day)
                self._asked.pop(result.day.day, None)
                self._move_hot_end()
                self.changed = True

    def _move_hot_end(self) -> None:
        start = self.mirror.hot_start
        if start.date() in self.mirror.closed and start == datetime(start.year, start.month, start.day):
            self.mirror.hot_start = start + _DAY
            self._hot_goal = self.mirror.hot_start
            self.mirror.hot.drop_before(self.mirror.hot_start)

    def forget_lost_days(self) -> bool:
        """Drop days whose file has gone from the cache folder and ask for them again; whether there were any."""
        lost = [day.day for day in self.mirror.closed.values() if day.path is not None and not day.path.exists()]
        for day in lost:
            self.mirror.lose(day)
        self._ask(Work.READ, lost)
        return bool(lost)

    def spread(self) -> None:
        """Both threads while history is read, one for what follows."""
        self.mirror.database.use_threads(THREADS if self.backfill.pending or not self._started else 1)

    def tidy(self, clock: float) -> None:
        """Now and then, give back the memory of rows that were replaced."""
        if clock >= self._tidy_due and not self.backfill.pending:
            self.mirror.database.tidy()
            self._tidy_due = clock + _TIDY_SECONDS

    def patience(self) -> float:
        """Seconds the owner may sleep before `collect` is worth another call."""
        return 0.25 if self.backfill.pending else 3600.0

    def reaches(self) -> datetime | None:
        """How far back (naive UTC) the log is known without a gap; never before its first row."""
        if self._oldest is None:
            return None
        return max(self.mirror.complete_from(), self._oldest)

    def details_known(self) -> bool:
        """Whether the costly columns of all that is mirrored were read."""
        return not self._source.costly or all(day.details for day in self.mirror.closed.values())

    def filling(self, unsummed: tuple[int, int]) -> Filling | None:
        """What of the window is still missing, None when nothing is."""
        waiting = [day for day, work in self._asked.items() if work is Work.READ]
        hot_missing = not self._hot_end_is_read
        plain = [day for day in self.mirror.closed.values() if not day.details] if self._source.costly else []
        if not waiting and not hot_missing and not unsummed[0] and not plain:
            return None
        held = len(self.mirror.closed)
        oldest = self.mirror.complete_from().replace(tzinfo=UTC)
        details = (held - len(plain), held) if plain else (0, 0)
        if not waiting and not hot_missing and unsummed[0]:
            return Filling(unsummed[1] - unsummed[0], unsummed[1], oldest, *details, self.error)
        return Filling(held, held + len(waiting) + hot_missing, oldest, *details, self.error)

    def watching(self) -> Watching:
        """What reading has cost the source."""
        every = (self._reader.statistics, *self.backfill.statistics)
        return Watching(
            queries=sum(one.queries for one in every),
            database_ms=sum(one.database_ms for one in every),
            bytes_read=sum(one.bytes_read for one in every),
            rows_read=sum(one.rows_read for one in every),
        )
