"""A log followed with a clock of the test's own: hours pass in milliseconds."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.history import History
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource, Statistics

DAY = timedelta(days=1)
ALL = timedelta(days=60)


_LONGEST_MS = 20.0


class Steady(Statistics):
    """What a database costs that no other work on the machine holds up: how often it is looked at again hangs on it."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "database_ms":
            value = min(value, getattr(self, name, value) + _LONGEST_MS)
        object.__setattr__(self, name, value)


class Followed:
    """A `History` that is stepped by hand; `now` may be set, the clock only goes on."""

    def __init__(self, source: LogSource, cache: Path | None = None, now: datetime | None = None) -> None:
        self.source = source
        self.clock = 1000.0
        self.now = now or datetime.now(UTC)
        self.reader = source.connect()
        self.reader.statistics.__class__ = Steady
        self.book = RateBook.load(None)
        self.history = History(source, self.reader, self.book, cache)
        self.run(0)

    def run(self, seconds: float, every: float = 2.0) -> None:
        """Let so much time pass, polling as a monitor does and waiting for the readers of history."""
        end = self.clock + seconds
        while True:
            for statistics in self.history.backfill.statistics[1:]:  # of each reader
                statistics.__class__ = Steady
            while self.history.step(self.now, self.clock):
                pass
            self._wait_for_history()
            if self.clock >= end:
                return
            self.clock += every
            self.now += timedelta(seconds=every)

    def _wait_for_history(self) -> None:
        backfill, deadline = self.history.backfill, time.monotonic() + 180
        busy = True
        while busy and time.monotonic() < deadline:
            with backfill._idle:
                backfill._idle.wait_for(lambda: not backfill.pending, 1)
            busy = backfill.pending > 0
            self.history.collect()  # which may ask for more
            busy = busy or backfill.pending > 0

    def until_right(self, seconds: float) -> float:
        """How many seconds pass until every request is as the log has it; fails after `seconds`."""
        began, right = self.clock, fresh(self.source, self.book, self.now)
        while differ := _differences(requests(self.history.mirror, self.now), right):
            assert self.clock - began < seconds, differ[:4]
            self.run(min(10.0, seconds / 5), every=min(5.0, seconds / 10))
        return self.clock - began

    def is_right(self) -> bool:
        """Whether every request is as the log has it."""
        return not self.differences()

    def differences(self) -> list[str]:
        """Requests that are held otherwise than the log has them, as both tell them."""
        right = fresh(self.source, self.book, self.now)
        return _differences(requests(self.history.mirror, self.now), right)

    def close(self) -> None:
        self.history.close()
        self.reader.close()


def _differences(held: list[str], right: list[str]) -> list[str]:
    if held == right:
        return []
    only_held, only_logged = Counter(held) - Counter(right), Counter(right) - Counter(held)
    return [f"held: {row}" for row in only_held] + [f"log: {row}" for row in only_logged]


def fresh(source: LogSource, book: RateBook, now: datetime) -> list[str]:
    """Every request as the log has it, read anew and whole."""
    mirror = read_period(source, book, None, Period(now - ALL, now + DAY))
    try:
        return requests(mirror, now)
    finally:
        mirror.close()


def requests(mirror: Any, now: datetime) -> list[str]:
    """Every request a mirror holds, with all that is shown of it."""
    query = ReportQuery(now - ALL, now + DAY, limit=1_000_000)
    # Lateness is what a follower alone knows.
    return sorted(repr(row) for row in mirror.rows.requests(query))
