"""What is read of a log and in what order: the last hour, today, then day by day back, and what is checked again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path

from cost_top.mirror.backfill import Backfill, Failed, Work
from cost_top.mirror.database import THREADS
from cost_top.mirror.days import ClosedDay
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.errors import one_line
from cost_top.model.memory import give_back
from cost_top.model.snapshot import Filling, Load
from cost_top.model.windows import Period
from cost_top.monitor.drift import Drift
from cost_top.monitor.log.comparing import Comparing
from cost_top.monitor.log.hot_end import HotEnd
from cost_top.monitor.log.hours import Hours
from cost_top.monitor.log.inquiry import Inquiry
from cost_top.monitor.log.untimed import Untimed
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogReader, LogSource

_DAY = timedelta(days=1)
WINDOW_DAYS = 31
# The longest window and the equal period before it.
HISTORY_DAYS = 62
# Memory of the mirror is put in order so often, and so soon again where others were at work.
_TIDY_SECONDS, _TIDY_AGAIN_SECONDS = 300.0, 5.0
_MANY_ROWS = 20_000  # of the hot end: packed before its history is read
_LATELY_DAYS = 7
_DAMAGE_SECONDS = 5.0  # between looks at whether kept files were touched
_FORGET_SECONDS = 60.0  # between the removals of hot ends that a report kept of a log that goes on


class Phase(Enum):
    """How far the first reading of a log is; it only goes on."""

    UNKNOWN = "the log was not looked at yet"
    HOT_END = "the days that are not closed are read, newest first"
    FOLLOWED = "the hot end is followed; history is asked for, day by day"


class History:
    """The mirror of a log being filled and followed. Used by one thread."""

    def __init__(self, source: LogSource, reader: LogReader, book: RateBook, cache: Path | None) -> None:
        """`reader` is the tail's own."""
        self.book = book
        self.mirror = Mirror(source, book, cache)
        self.tail = Tail(self.mirror, reader, source.overlap, source.overlap_share)
        self._hours = Hours(self.mirror, self.tail)
        self._hot_end = HotEnd(self.mirror, self.tail, self._hours)
        self._inquiry = Inquiry(reader, self.tail)
        self.backfill = Backfill(source, self.mirror.database, self.mirror.days)
        self.error = ""  # of the history's readers
        self.last_poll_seconds = 0.0  # of the log's time
        self.changed = True  # figures may differ from those of the last snapshot; for the owner to reset
        self.is_summing = False  # figures of what is held are still to be shown; for the owner to tell
        self.source = source
        self._reader = reader
        self._oldest: datetime | None = None
        self._asked: dict[date, Work] = {}
        self._phase = Phase.UNKNOWN
        self._kept: list[ClosedDay] = []  # days taken over from an earlier run, until they are to be compared
        self._known: list[ClosedDay] | None = None  # of the window, kept by an earlier run, until they are taken over
        self.comes_whole = False  # all of the window that is not held was kept: nothing less is worth to be shown
        self._has_begun_older = False
        self._tidy_due = 0.0
        self.comparing = Comparing(bool(source.costly), source.reads_whole)
        self.drift = Drift(reader)
        self._untimed = Untimed(source, self.mirror)
        self._damage_due = 0.0
        self._forget_due = 0.0
        self._written = False  # since kept hot ends were removed

    def close(self) -> None:
        """End the threads and free the memory."""
        self.backfill.stop()
        self._untimed.stop()
        self.mirror.close()

    def step(self, now: datetime, clock: float) -> bool:
        """One poll, or one piece of the hot end; whether the next is to follow at once. Raises `SourceError`.

        `SourceReplaced` among them: everything held is void then.
        """
        self._inquiry.look(clock)
        if self._phase is Phase.UNKNOWN:
            self._begin(now)
            self.changed = True
            return True
        self._open_days(now)
        if not self._hot_end.is_read:
            self._hot_end.read_more()
            self.changed, self.comes_whole = True, self.comes_whole and self._hot_end.is_read
            if not self._hot_end.is_read:
                return True
        if self._phase is Phase.HOT_END:
            # Also where the first piece, between one and two o'clock, was the whole hot end.
            self._phase = Phase.FOLLOWED
            self._begin_history()
            self.changed = True  # what is still to be read is known only now: of an empty log nothing
            return True
        if not self._has_begun_older:
            if self.is_summing and self.is_first_shown:
                return True
            self._begin_older()
            self.changed = True
        before = self._reader.statistics.database_ms
        written = self.tail.poll(now, clock)
        self.last_poll_seconds = (self._reader.statistics.database_ms - before) / 1000
        written |= self.tail.look_again(now, clock)
        self.changed |= written
        self._written |= written
        if self._written and clock >= self._forget_due:
            self._forget_due = clock + _FORGET_SECONDS
            self._forget_kept_hot()
        self._close_days(now)
        self._ask_for_oldest(clock)
        self._hours.keep(now, self.window_is_read() and not self.backfill.pending)
        if self.window_is_read():
            self.changed |= self.drift.look(self.mirror, WINDOW_DAYS, now, clock)
            if self.backfill.has_room:
                self.changed |= self._untimed.look(self._inquiry.said, clock)
        if clock >= self._damage_due and not self.backfill.pending:
            # While days are read, one that was read again is no longer there under its former name.
            self._damage_due = clock + _DAMAGE_SECONDS
            self.forget_lost_days()
        self._compare(clock)
        return False

    def _forget_kept_hot(self) -> None:
        """What the log no longer says is on no disk of ours."""
        self._written = False
        if self.mirror.days.files is not None:
            self.mirror.days.files.forget_hot()

    def _begin(self, now: datetime) -> None:
        oldest = self._reader.oldest()
        newest = self._reader.newest()
        self._oldest = naive(oldest) if oldest else None
        self.mirror.begin(self._oldest)
        self.mirror.log_newest = newest
        self._hot_end.begin(now, newest)
        self._forget_kept_hot()
        self._phase = Phase.HOT_END
        if self._hot_end.is_kept:
            self._known = self._known_of(days := self._history_days()[:WINDOW_DAYS])
            self.comes_whole = len(self._known) == sum(map(self._exists, days))

    def _known_of(self, days: list[date]) -> list[ClosedDay]:
        return self.mirror.days.known(self.mirror.database.connection, filter(self._exists, days))

    def _take_over(self, days: list[date], known: list[ClosedDay] | None = None) -> None:
        """Take over what an earlier run kept of these days."""
        self._kept += (kept := self._known_of(days) if known is None else known)
        self.mirror.adopt_kept(kept)
        self.mirror.take_over_sums()

    def _begin_history(self) -> None:
        """Take over what an earlier run kept of the window, and ask for what is missing in it."""
        days = self._history_days()[:WINDOW_DAYS]
        self._take_over(days, self._known)
        self._known, self.comes_whole = None, False
        self._ask(Work.READ, days)
        if self._asked and self.mirror.hot.count() >= _MANY_ROWS:
            self.mirror.database.tidy()
        self.backfill.start()

    def _begin_older(self) -> None:
        """The same for the period before the window, which is for comparison only: first the window is shown."""
        days, self._has_begun_older = self._history_days(), True
        self._take_over(days[WINDOW_DAYS:])
        kept, self._kept = self._kept, []
        self._ask(Work.READ_OLDER, days[WINDOW_DAYS:])
        if self.source.costly:
            plain = {day.day for day in kept if not day.details}
            missing = [day for day in days if day not in self.mirror.closed and self._exists(day)]
            self.backfill.ask(Work.DETAILS, [*missing, *plain])
        # Those that closed lately are the likeliest to have changed since; the others follow one by one.
        self.backfill.verify((day for day in kept if day.day >= days[_LATELY_DAYS - 1]), self.comparing.rung)
        self.comparing.kept([day.day for day in kept if day.day < days[_LATELY_DAYS - 1]])

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
        newest = self.mirror.hot.newest()
        first = self.mirror.first_hot_day(now, newest.replace(tzinfo=UTC) if newest else None)
        if first > start.date() and start.date() not in self._asked:
            self._asked[start.date()] = Work.READ
            self.backfill.ask(Work.DETAILS if self.source.costly else Work.READ, [start.date()])

    def _open_days(self, now: datetime) -> None:
        """Days that a clock ahead of its time has closed are followed again."""
        first = self.mirror.first_hot_day(now)
        midnight = datetime(first.year, first.month, first.day)
        if self._phase is not Phase.FOLLOWED or midnight >= self.mirror.hot_start:
            return
        for day in [day for day in self.mirror.closed if day >= first]:
            self.mirror.lose(day)
            self._asked.pop(day, None)
        self._hot_end.goal = midnight
        self.changed = True

    def _ask_for_oldest(self, clock: float) -> None:
        """Rows may be put before the first one that was known."""
        if not self._inquiry.may_have_older(clock):
            return
        oldest = self._inquiry.oldest(clock)
        if oldest is None:
            self.mirror.log_newest = None
        if oldest is None or (self._oldest is not None and naive(oldest) >= self._oldest):
            return
        self._oldest = naive(oldest)
        self.changed = True
        self._ask(Work.READ, [day for day in self._history_days() if day >= self._hot_end.day_before(WINDOW_DAYS)])
        self._ask(Work.READ_OLDER, self._history_days())
        if self.source.costly:
            missing = [day for day in self._history_days() if day not in self.mirror.closed and self._exists(day)]
            self.backfill.ask(Work.DETAILS, missing)

    def _history_days(self) -> list[date]:
        return [self._hot_end.day_before(number) for number in range(1, HISTORY_DAYS + 1)]

    def _compare(self, clock: float) -> None:
        """Hold the next closed day against the log when it is due."""
        if self.backfill.pending:
            return
        spent = sum(one.database_ms for one in self.backfill.statistics)
        self.backfill.verify(
            *self.comparing.next(self.mirror.closed, self._hot_end.day_before(WINDOW_DAYS), clock, spent)
        )

    def recovered(self) -> None:
        """The log answers again: it may be another one than it was."""
        if self._phase is Phase.FOLLOWED:
            self.comparing.kept(self.mirror.closed)

    def want(self, period: Period, gently: bool = False) -> None:
        """Ask for older days when somebody looks at them; `gently` reads those older than usual with rests."""
        if self._hot_end_is_read and self._has_begun_older:
            usual = self._hot_end.day_before(HISTORY_DAYS) if gently else date.min
            days = self._days_of(period)
            self._ask(Work.READ, [day for day in days if day >= usual])
            self._ask(Work.READ_OLDER, [day for day in days if day < usual])

    @property
    def is_first_shown(self) -> bool:
        """Whether the window is to be shown before anything else is done."""
        return not self._has_begun_older and self.window_is_read()

    def window_is_read(self) -> bool:
        """Whether the days of the longest window are held, whatever else is being read."""
        waiting = (day for day, work in self._asked.items() if work is Work.READ)
        return self._hot_end_is_read and all(day < self._hot_end.day_before(WINDOW_DAYS) for day in waiting)

    def covers(self, period: Period) -> bool:
        """Whether the mirror holds a period whole, with all columns."""
        closed, costly = self.mirror.closed, self.source.costly
        return self._hot_end_is_read and all(
            day in closed and (closed[day].details or not costly) for day in self._days_of(period)
        )

    @property
    def _hot_end_is_read(self) -> bool:
        return self._phase is Phase.FOLLOWED and self._hot_end.is_read

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
            if result.anew:
                self.mirror.adopt(result.day)
                self._asked.pop(result.day.day, None)
                self._move_hot_end()
                if result.work is Work.VERIFY:
                    self.comparing.changed(result.day.day, self.mirror.closed)
                if result.work is Work.VERIFY and self.source.costly and not result.day.details:
                    self.backfill.ask(Work.DETAILS, [result.day.day])
                self.changed = True
            else:
                self.mirror.confirm(result.day)

    def _move_hot_end(self) -> None:
        start = self.mirror.hot_start
        if start.date() in self.mirror.closed and start == datetime(start.year, start.month, start.day):
            self.mirror.hot_start = start + _DAY
            self._hot_end.goal = self.mirror.hot_start
            self.mirror.hot.drop_before(self.mirror.hot_start)
            self._tidy_due = 0.0

    def forget_lost_days(self, thorough: bool = False) -> bool:
        """Drop days whose kept file is gone or damaged and ask for them again; whether there were any.

        Only files that were touched are looked into, unless `thorough`.
        """
        self.collect()
        lost = [day.day for day in self.mirror.closed.values() if day.is_damaged(thorough)]
        for day in lost:
            self.mirror.lose(day)
        self._ask(Work.READ, lost)
        if self.source.costly:
            self.backfill.ask(Work.DETAILS, lost)
        self.changed |= bool(lost)
        return bool(lost)

    def spread(self) -> None:
        """Both threads while history is read, one for what follows."""
        self.mirror.database.use_threads(THREADS if self.backfill.pending or self._phase is Phase.UNKNOWN else 1)

    def tidy(self, clock: float) -> None:
        """Now and then, pack rows and give back the memory of those that were replaced."""
        if clock >= self._tidy_due and self._has_begun_older and not self.backfill.pending:
            self._tidy_due = clock + (_TIDY_SECONDS if self.mirror.database.tidy() else _TIDY_AGAIN_SECONDS)
            give_back()

    def patience(self) -> float:
        """Seconds the owner may sleep before `collect` is worth another call."""
        return 0.25 if self.backfill.pending else 3600.0

    def details_known(self) -> bool:
        """Whether the costly columns of all that is mirrored were read."""
        return not self.source.costly or all(day.details for day in self.mirror.closed.values())

    def filling(self, unsummed: tuple[int, int]) -> Filling | None:
        """What of the window is still missing, None when nothing is."""
        waiting = [day for day, work in self._asked.items() if work is Work.READ]
        hot_missing = not self._hot_end_is_read
        plain = [day for day in self.mirror.closed.values() if not day.details] if self.source.costly else []
        if not waiting and not hot_missing and not unsummed[0] and not plain:
            return None
        held = len(self.mirror.closed)
        oldest = self.mirror.complete_from().replace(tzinfo=UTC)
        details = (held - len(plain), held) if plain else (0, 0)
        if not waiting and not hot_missing and unsummed[0]:
            return Filling(unsummed[1] - unsummed[0], unsummed[1], oldest, *details, self.error)
        return Filling(held, held + len(waiting) + hot_missing, oldest, *details, self.error)

    def load(self) -> Load:
        """What reading has cost the source."""
        every = (self._reader.statistics, *self.backfill.statistics)
        return Load(
            queries=sum(one.queries for one in every),
            database_ms=sum(one.database_ms for one in every),
            bytes_read=sum(one.bytes_read for one in every),
            rows_read=sum(one.rows_read for one in every),
        )
