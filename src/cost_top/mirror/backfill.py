"""History read behind the screen's back: two readers on disjoint days, newest first, costly columns last."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import duckdb

from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days
from cost_top.model.errors import SourceError, one_line
from cost_top.sources.base import LogReader, LogSource, SourceDenied, Statistics

READERS = 2
_DAY = timedelta(days=1)
_TRIES = 3  # where one answer is waited for
_RETRY_SECONDS = (0.2, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Work(IntEnum):
    """What is done with a day, in the order of urgency."""

    READ = 0  # read what is missing
    READ_OLDER = 1  # the period before the window, for comparison only
    DETAILS = 2  # read again with the costly columns
    VERIFY = 3  # ask the log whether a kept day is still what it holds


# Rest after a piece of work, as a multiple of the time it took: history must not crowd out the gateway.
_REST = {Work.READ: 0.0, Work.READ_OLDER: 0.5, Work.DETAILS: 1.0, Work.VERIFY: 4.0}


@dataclass(frozen=True, slots=True)
class Done:
    """A day that is ready, or was found unchanged (`day` None)."""

    work: Work
    day: ClosedDay | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A day that could not be read now; it is tried again."""

    error: SourceError


class Backfill:
    """Threads that read days. `results` is to be drained by the mirror's owner."""

    def __init__(self, source: LogSource, database: Database, days: Days, *, patient: bool = True) -> None:
        """`patient` rests between pieces of work and tries again; otherwise a failure ends the work."""
        self.results: queue.SimpleQueue[Done | Failed] = queue.SimpleQueue()
        self._source = source
        self._database = database
        self._days = days
        self._patient = patient
        self._queue: queue.PriorityQueue[tuple[Work, int, int, date, ClosedDay | None]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._stopping = threading.Event()
        self._readers: list[LogReader] = []
        self._threads: list[threading.Thread] = []
        self.costly = bool(source.costly)
        self._pending = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)

    def ask(self, work: Work, days: Iterable[date]) -> None:
        """Queue days, newest first."""
        self._put((work, -day.toordinal(), next(self._order), day, None) for day in days)

    def verify(self, kept: Iterable[ClosedDay]) -> None:
        """Queue kept days to be held against the log."""
        self._put((Work.VERIFY, -day.day.toordinal(), next(self._order), day.day, day) for day in kept)

    def _put(self, items: Iterable[tuple[Work, int, int, date, ClosedDay | None]]) -> None:
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
        return tuple(reader.statistics for reader in self._readers)

    def start(self) -> None:
        """Begin reading."""
        for number in range(READERS):
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
        for reader in self._readers:
            reader.cancel()
        for thread in self._threads:
            thread.join(timeout=2)

    def _run(self) -> None:
        connection = self._database.cursor()
        reader: LogReader | None = None
        failures = 0
        while not self._stopping.is_set():
            try:
                item = self._queue.get(timeout=0.2)
            except queue.Empty:
                continue
            began = time.monotonic()
            try:
                if reader is None:
                    reader = self._source.connect()
                    self._readers.append(reader)
                self.results.put(self._work(connection, reader, *item))
                failures = 0
                self._finished()
            except (SourceError, duckdb.Error, OSError) as error:
                if self._stopping.is_set():
                    break
                failed = error if isinstance(error, SourceError) else SourceError(one_line(error))
                self._queue.put(item)
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
                self._stopping.wait((time.monotonic() - began) * _REST[item[0]])
        if reader is not None:
            reader.close()
        connection.close()

    def _work(
        self,
        connection: duckdb.DuckDBPyConnection,
        reader: LogReader,
        work: Work,
        _place: int,
        _order: int,
        day: date,
        kept: ClosedDay | None,
    ) -> Done:
        if work is Work.VERIFY and kept is not None:
            if self._days.still_true(reader, kept):
                return Done(work, None)
            return Done(work, self._days.read(connection, reader, day, kept.details))
        details = work is Work.DETAILS or not self.costly
        return Done(work, self._days.read(connection, reader, day, details))

    def _finished(self) -> None:
        with self._idle:
            self._pending -= 1
            if self._pending == 0:
                self._idle.notify_all()

    def _give_up(self) -> None:
        with self._idle:
            self._stopping.set()
            self._idle.notify_all()
