"""Live traffic: a thread that goes on writing requests into a demo log, as a gateway does.

A row carries the start of its request and is written when the request has ended, now and then some seconds later.
"""

from __future__ import annotations

import heapq
import sqlite3
import threading
import time
from itertools import count
from pathlib import Path
from random import Random
from uuid import uuid4

from cost_top.demo.log import append, first_call, open_writer
from cost_top.demo.traffic import LATENCY, TIME, Row, Traffic, loop_start

_MINUTE_MS = 60_000
MINIMUM_RATE = 4.0  # requests a minute, so that the quiet hours of the demo are alive too
_BURST_ENDPOINTS = ("/classify-intent", "/moderate", "/embed-documents", "/chat-widget")
_BURST_SIZE, _BURST_LASTS_MS, _BURST_EVERY_MS = (10, 32), 5_000, (60_000, 130_000)
_LATE_SHARE, _LATEST_MS = 0.02, 20_000
_BATCH_SECONDS = 0.2  # what ends within this time is written in one transaction


class Arrivals:
    """When live requests start and with what rows, from an instant on: pure but for its random numbers."""

    def __init__(self, traffic: Traffic, rate: float, start_ms: int, loop_started_ms: int) -> None:
        self._traffic = traffic
        self._random: Random = traffic.random
        self._rate = rate
        self._loop_started_ms = loop_started_ms
        self._now_ms = start_ms
        self._next_ms = start_ms + self._gap()
        self._next_burst_ms = start_ms + self._random.randrange(5_000, 30_000)

    def until(self, now_ms: int) -> list[Row]:
        """The requests that started since the last call and up to `now_ms`."""
        rows = self._traffic.loop_calls(self._loop_started_ms, self._now_ms, now_ms)
        while self._next_ms < now_ms:
            rows += self._traffic.requests(self._traffic.live_route(), [self._next_ms])
            self._next_ms += self._gap()
        while self._next_burst_ms < now_ms:
            rows += self._burst(self._next_burst_ms)
            self._next_burst_ms += self._random.randrange(*_BURST_EVERY_MS)
        self._now_ms = now_ms
        return rows

    def _gap(self) -> int:
        return 1 + int(self._random.expovariate(self._rate / _MINUTE_MS))

    def _burst(self, start_ms: int) -> list[Row]:
        """Many small requests of one kind within seconds: a queue is worked off, a page is embedded."""
        routes = [route for route in self._traffic.world.routes if route.endpoint in _BURST_ENDPOINTS]
        size = self._random.randrange(*_BURST_SIZE)
        times = [start_ms + self._random.randrange(_BURST_LASTS_MS) for _ in range(size)]
        return self._traffic.requests(self._random.choice(routes), times)


class LiveTraffic:
    """Writes live requests into the demo log at `path` from `start()` to `stop()`.

    `rate` is the mean of ordinary requests a minute (the looping agent and a burst every minute or two come on
    top); None takes the level of the history at this hour, 0 writes nothing. A locked log is tried again, and
    what ended meanwhile is written then. `error` is what ended the thread, should the log become unusable.
    """

    def __init__(self, path: Path | str, seed: int, rate: float | None = None) -> None:
        self.path = Path(path)
        self.error: Exception | None = None
        self._seed = seed
        self._rate = rate
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, in a daemon thread; does nothing when the rate is 0 or when it runs already."""
        if self._thread is None and self._rate != 0:
            self._thread = threading.Thread(target=self._run, name="demo-live-traffic", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End writing and wait for the thread; requests that have not ended are dropped."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread ends or the time is over; True when it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        try:
            connection = open_writer(self.path)
            try:
                self._write(connection)
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            self.error = error

    def _write(self, connection: sqlite3.Connection) -> None:
        traffic, now_ms = Traffic(self._seed), _now_ms()
        # Live traffic must not repeat the numbers the history was made from.
        traffic.random.seed(f"live {self._seed} {now_ms}")
        rate = max(traffic.requests_per_minute(now_ms), MINIMUM_RATE) if self._rate is None else self._rate
        arrivals = Arrivals(traffic, rate, now_ms, self._loop_started(connection, traffic, now_ms))
        running: list[tuple[int, int, Row]] = []
        order = count()
        while not self._stopping.wait(_BATCH_SECONDS):
            now_ms = _now_ms()
            for row in arrivals.until(now_ms):
                late = traffic.random.randrange(_LATEST_MS) if traffic.random.random() < _LATE_SHARE else 0
                named = (f"req_{row[TIME]:011x}{uuid4().hex[:12]}", *row[1:])
                heapq.heappush(running, (row[TIME] + row[LATENCY] + late, next(order), named))
            ended = []
            while running and running[0][0] <= now_ms:
                ended.append(heapq.heappop(running))
            if ended:
                try:
                    append(connection, [row for _, _, row in ended])
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                        raise
                    for entry in ended:
                        heapq.heappush(running, entry)

    @staticmethod
    def _loop_started(connection: sqlite3.Connection, traffic: Traffic, now_ms: int) -> int:
        loop = traffic.world.loop
        user = f"{loop.user}@{traffic.world.company_domain}"
        return first_call(connection, loop.token, user) or loop_start(traffic.world, now_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
