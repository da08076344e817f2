"""The background writer: a bounded queue, batches, and patience with a database that is locked or gone."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections import deque

from cost_top.model.errors import one_line
from cost_top.record.row import Row
from cost_top.record.store import RefusedError, Store

BATCH_ROWS = 2000
BATCH_SECONDS = 0.1
EXIT_SECONDS = 5.0
_BEHIND_ROWS = 1024
_YIELD_EVERY = 64
_YIELD_SECONDS = 5e-8  # for each row behind
_LONGEST_YIELD = 0.002
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_log = logging.getLogger("cost_top.record")


class Writer:
    """Takes rows at once and writes them later, in order, from one daemon thread that starts with the first row."""

    def __init__(self, store: Store, limit: int) -> None:
        self.store = store
        self.limit = limit
        self.closed = False
        self._stopping = False
        self.dropped = 0
        self.written = 0
        self.last_error: str | None = None
        self._inherited: list[Store] = []
        self._fresh()
        _WRITERS.add(self)

    def _fresh(self) -> None:
        """State of a process that has not written yet; also that of a forked child."""
        self._rows: deque[Row] = deque()
        self._batch: list[Row] = []
        self._failing = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._hurry = threading.Event()
        self._progress = threading.Condition(self._lock)
        self._finished = 0  # rows written or refused

    def put(self, row: Row) -> None:
        """Accept a row, or count it as dropped when the queue is full. Never waits for the database.

        A program that gives up the interpreter's lock more often than every 5 ms, but never for long, keeps other
        threads from getting it at all. So when the writer is more than 1,000 rows behind, one caller in 64 steps
        aside for a moment, the longer the further behind (at most 2 ms).
        """
        backlog = len(self._rows) + len(self._batch)
        if self.closed or backlog >= self.limit:
            self.drop(1)
            return
        if self._thread is None:
            self._start()
        self._rows.append(row)
        if not self._arrived.is_set():
            self._arrived.set()
        if backlog >= _BEHIND_ROWS and backlog % _YIELD_EVERY == 0 and not self._failing:
            time.sleep(min(backlog * _YIELD_SECONDS, _LONGEST_YIELD))

    def drop(self, rows: int) -> None:
        """Count rows that will never be written."""
        with self._lock:
            self.dropped += rows

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="cost-top-recorder", daemon=True)
                thread.start()
                self._thread = thread

    def flush(self, timeout: float) -> bool:
        """Wait until the rows accepted so far are written; False when `timeout` seconds were not enough."""
        deadline = time.monotonic() + timeout
        with self._progress:
            goal = self._finished + len(self._batch) + len(self._rows)
            while self._finished < goal:
                self._hurry.set()
                self._arrived.set()
                left = deadline - time.monotonic()
                if left <= 0 or self._thread is None:
                    return False
                self._progress.wait(min(left, 0.05))
        return True

    def close(self, timeout: float) -> None:
        """Write what is left within `timeout` seconds, count the rest as dropped, and let the database go."""
        if self.closed:
            return
        self.closed = True
        self.flush(timeout)
        self._stopping = True
        self._arrived.set()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)
        with self._lock:
            left = len(self._rows) + len(self._batch)
            self._rows.clear()
            self._batch = []
            self.dropped += left
        if left:
            _log.warning("%s: %d requests were not recorded: %s", self.store.name, left, self.last_error)
        with contextlib.suppress(Exception):
            self.store.close()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            if not self._batch:
                self._gather()
            self._failing = bool(self._batch) and not self._written()
            if not self._failing:
                failures = 0
                continue
            self._hurry.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            self._hurry.clear()
            failures += 1

    def _gather(self) -> None:
        """Wait for a row, then a moment for more, and take a batch of them."""
        self._arrived.wait()
        if len(self._rows) < BATCH_ROWS and not self._stopping:
            self._hurry.wait(BATCH_SECONDS)
            self._hurry.clear()
        self._arrived.clear()
        with self._lock:
            self._batch = [self._rows.popleft() for _ in range(min(BATCH_ROWS, len(self._rows)))]
        if self._rows:
            self._arrived.set()

    def _written(self) -> bool:
        """Write the batch; False when the database cannot take it now."""
        batch = self._batch
        try:
            self.store.write(batch)
            refused = 0
        except RefusedError as error:
            refused = self._write_singly(batch, str(error))
        except Exception as error:  # whatever a database and its driver raise, the caller's program goes on
            return self._failed(error)
        if refused < 0:
            return False
        with self._progress:
            self._batch = []
            self._finished += len(batch)
            self.written += len(batch) - refused
            self.dropped += refused
            self._progress.notify_all()
        return True

    def _write_singly(self, batch: list[Row], reason: str) -> int:
        """One row at a time past those the database refuses; how many it refused, -1 when it went away."""
        refused = 0
        for row in batch:
            try:
                self.store.write([row])
            except RefusedError:
                refused += 1
            except Exception as error:
                self._failed(error)
                return -1
        self.last_error = f"{refused} requests refused: {reason}"
        _log.warning("%s: %s", self.store.name, self.last_error)
        return refused

    def _failed(self, error: Exception) -> bool:
        # The driver's text can quote a value or an address with its password; its type cannot.
        detail = one_line(error) if isinstance(error, OSError) or "sqlite" in type(error).__module__ else ""
        message = f"{type(error).__name__}{': ' if detail else ''}{detail}"
        if message != self.last_error:
            _log.warning("%s: cannot write now, rows are kept: %s", self.store.name, message)
        self.last_error = message
        return False

    def forked(self) -> None:
        """In the child: the parent writes its own rows over its own connection, which is left untouched here."""
        self._inherited.append(self.store)
        self.store = type(self.store).__new__(type(self.store))
        self.store.__dict__.update(self._inherited[-1].__dict__, _connection=None)
        self.dropped = self.written = 0
        self._fresh()


_WRITERS: weakref.WeakSet[Writer] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_WRITERS):
        writer.forked()


@atexit.register
def _at_exit() -> None:
    for writer in list(_WRITERS):
        writer.close(EXIT_SECONDS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
