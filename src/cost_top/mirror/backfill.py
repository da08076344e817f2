"""History read behind the screen's back: two readers on disjoint days, newest first, costly columns last."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import duckdb

from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days, Rung
from cost_top.mirror.narrow_days import NarrowDays
from cost_top.model.errors import SourceDenied, SourceError, one_line
from cost_top.sources.base import LogReader, LogSource, Statistics

READERS = 2
_DAY = timedelta(days=1)
_IDLE_SECONDS = 3.0  # a reader without work keeps its connection and memory so long
# Days are read together up to so many rows, and so many days: the screen fills day by day.
_TOGETHER = (60_000, 8)
_ALWAYS_THOROUGH = 50_000  # rows
_TRIES = 3  # where one answer is waited for
_RETRY_SECONDS = (0.2, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Work(IntEnum):
    """What is done with a day, in the order of urgency."""

    READ = 0  # read what is missing
    READ_OLDER = 1  # the period before the window, for comparison only
    DETAILS = 2  # read again with the costly columns
    VERIFY = 3  # ask the log whether a kept day is still what it holds


# Rest after a piece of work, as a multiple of the time it took: history must not crowd out the gateway.
_REST = {Work.READ: 0.0, Work.READ_OLDER: 0.5, Work.DETAILS: 1.0, Work.VERIFY: 1.0}


@dataclass(frozen=True, slots=True)
class Done:
    """A day that is ready; `anew`: it was read, otherwise it was found to be what it was."""

    work: Work
    day: ClosedDay
    anew: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """A day that could not be read now; it is tried again."""

    error: SourceError


# Where every day read is a scan of the whole table.
_REST_UNINDEXED = 9.0

# (work, newest first, order, day, the day as it is held, what it is compared by)
_Item = tuple[Work, int, int, date, ClosedDay | None, Rung]
_END: _Item = (Work.READ, -(10**9), -1, date.min, None, Rung.WRITTEN)


class Backfill:
    """Threads that read days. `results` is to be drained by the mirror's owner."""

    def __init__(
        self, source: LogSource, database: Database, days: Days | NarrowDays, *, patient: bool = True,
        together: tuple[int, int] = _TOGETHER,
    ) -> None:  # fmt: skip
        """`patient` rests between pieces of work and tries again; otherwise a failure ends the work.

        Up to so many rows, and so many days, are read `together`.
        """
        self._most_together = together
        self.results: queue.SimpleQueue[Done | Failed] = queue.SimpleQueue()
        self._source = source
        self._database = database
        self._days = days
        self._patient = patient
        self._queue: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._order = itertools.count()
        self._stopping = threading.Event()
        self._readers: set[LogReader] = set()
        self._closed = Statistics()  # what readers have cost that are closed again
        self.rows_a_day: int | None = None  # of the last day that was read, or as its owner knows
        self._threads: list[threading.Thread] = []
        self.costly = bool(source.costly)
        # From this monotonic second on, days are compared by their sums only, except for the first few rows.
        self.thorough_until = float("inf")
        self.doubting = False  # what a log tells of itself only seconds after a write proves nothing
        self._compared_rows = 0
        self._pending = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._at_work: set[date] = set()
        self._days_free = threading.Condition(self._lock)

    def ask(self, work: Work, days: Iterable[date]) -> None:
        """Queue days, newest first."""
        self._put((work, -day.toordinal(), next(self._order), day, None, Rung.ALL) for day in days)

    def verify(self, kept: Iterable[ClosedDay], rung: Rung) -> None:
        """Queue kept days to be held against the log."""
        self._put((Work.VERIFY, -day.day.toordinal(), next(self._order), day.day, day, rung) for day in kept)

    def _put(self, items: Iterable[_Item]) -> None:
        with self._lock:
            for item in items:
                self._pending += 1
                self._queue.put(item)

    @property
    def pending(self) -> int:
        """Pieces of work not done yet."""
        return self._pending

    @property
    def statistics(self) -> tuple[Statistics, ...]:
        """What each reader has cost."""
        with self._lock:
            return (self._closed, *(reader.statistics for reader in self._readers))

    @property
    def has_room(self) -> bool:
        """Whether another connection may be opened to the log while nothing is asked of this."""
        return not self._pending and len(self._readers) < READERS

    def start(self) -> None:
        """Begin reading."""
        for number in range(READERS if self._source.indexed else 1):
            thread = threading.Thread(target=self._run, name=f"backfill-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Until everything asked for is done, or one piece failed."""
        with self._idle:
            self._idle.wait_for(lambda: self._pending == 0 or self._stopping.is_set())

    def stop(self) -> None:
        """Break off and end the threads."""
        self._stopping.set()
        with self._lock:
            self._days_free.notify_all()
        for reader in tuple(self._readers):
            reader.cancel()
        for _ in self._threads:
            self._queue.put(_END)
        for thread in self._threads:
            thread.join(timeout=2)

    def _run(self) -> None:
        connection = self._database.cursor()
        reader: LogReader | None = None
        failures = 0
        while (item := self._next(reader)) is not _END:
            if item is None:
                self._close(reader)
                reader = None
                continue
            began, items = time.monotonic(), [item]
            try:
                if reader is None:
                    reader = self._source.connect()
                    with self._lock:
                        self._readers.add(reader)
                items = self._together(item, reader)
                with self._alone(items), self._database.working():
                    for done in self._work(connection, reader, items):
                        self.results.put(done)
                failures = 0
                self._finished(len(items))
            except Exception as error:  # whatever it is: a reader that ends would leave its days waited for for ever
                if self._stopping.is_set():
                    break
                failed = error if isinstance(error, SourceError) else SourceError(_told(error))
                for one in items:
                    self._queue.put(one)
                if not self._patient and (failures >= _TRIES or isinstance(failed, SourceDenied)):
                    self.results.put(Failed(failed))
                    self._give_up()
                    break
                if self._patient:
                    self.results.put(Failed(failed))
                self._stopping.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
                continue
            if self._patient:
                rest = _REST[item[0]] if self._source.indexed else max(_REST[item[0]], _REST_UNINDEXED)
                self._stopping.wait((time.monotonic() - began) * rest)
        self._close(reader)
        connection.close()

    def _next(self, reader: LogReader | None) -> _Item | None:
        """The next piece of work; None when an open reader is not wanted any more, `_END` at the end."""
        try:
            item = self._queue.get(timeout=_IDLE_SECONDS if reader is not None else None)
        except queue.Empty:
            return None
        return _END if self._stopping.is_set() else item

    def _close(self, reader: LogReader | None) -> None:
        """Give back a connection and its memory; what it has cost stays known."""
        if reader is None:
            return
        reader.close()
        with self._lock:
            self._readers.discard(reader)
            for name in ("queries", "database_ms", "rows_read", "bytes_read"):
                setattr(self._closed, name, getattr(self._closed, name) + getattr(reader.statistics, name))

    def _together(self, first: _Item, reader: LogReader) -> list[_Item]:
        """A piece of work with those that follow it day by day, where days are so small that most of it is overhead."""
        items = [first]
        if first[0] is Work.VERIFY or self._source.reads_whole:
            return items
        if self.rows_a_day is None:
            self.rows_a_day = next((one.row_count for one in reader.day_counts(first[3], first[3] + _DAY)), None)
        if self.rows_a_day is None:
            return items
        rows, most = self._most_together
        while len(items) < most and (len(items) + 1) * self.rows_a_day <= rows:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item[0] is not first[0] or item[3] != items[-1][3] - _DAY:
                self._queue.put(item)
                break
            items.append(item)
        return items

    def _work(self, connection: duckdb.DuckDBPyConnection, reader: LogReader, items: list[_Item]) -> list[Done]:
        work, _, _, _, kept, rung = items[0]
        if work is Work.VERIFY and kept is not None and isinstance(self._days, Days):
            self._compared_rows += kept.row_count
            if time.monotonic() >= self.thorough_until and self._compared_rows > _ALWAYS_THOROUGH:
                rung = min(rung, Rung.SUMS)
            return [Done(work, *self._days.compare(connection, reader, kept, rung, doubting=self.doubting))]
        details = work is Work.DETAILS or not self.costly
        read = self._days.read(connection, reader, [item[3] for item in items], details)
        self.rows_a_day = max((day.row_count for day in read), default=0) or self.rows_a_day
        return [Done(work, day) for day in read]

    @contextmanager
    def _alone(self, items: list[_Item]) -> Iterator[None]:
        """Wait until nobody else is at work on these days: what was asked of a day later ends later."""
        days = {item[3] for item in items}
        with self._lock:
            self._days_free.wait_for(lambda: self._stopping.is_set() or not days & self._at_work)
            mine = days - self._at_work
            self._at_work |= mine
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= mine
                self._days_free.notify_all()

    def _finished(self, pieces: int) -> None:
        with self._idle:
            self._pending -= pieces
            if self._pending == 0:
                self._idle.notify_all()

    def _give_up(self) -> None:
        with self._idle:
            self._stopping.set()
            self._idle.notify_all()


def _told(error: Exception) -> str:
    known = isinstance(error, duckdb.Error | OSError)
    return one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"
