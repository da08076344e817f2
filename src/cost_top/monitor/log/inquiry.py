"""What a log says of itself and which row is its first, asked for so small a share of its time."""

from __future__ import annotations

import time
from datetime import datetime

from cost_top.mirror.tail import Tail
from cost_top.sources.base import Evidence, LogReader

_SHARE = 0.005
_OLDEST_SECONDS = 20.0


class Inquiry:
    """Used by the thread of the history; `clock` is monotonic seconds."""

    def __init__(self, reader: LogReader, tail: Tail) -> None:
        """Nothing is asked yet; `reader` is the tail's own."""
        self._reader = reader
        self._tail = tail
        self._due = 0.0
        self._evidence: Evidence | None = None  # what the log said of itself last
        self._oldest_due = 0.0
        self._oldest_said: Evidence | None = None  # and when its first row was looked for

    def look(self, clock: float) -> None:
        """Tell the tail what the log says of itself, where it is time."""
        if clock < self._due:
            return
        asked, worked = time.perf_counter(), time.thread_time()
        self._evidence = evidence = self._reader.evidence()
        self._tail.note(evidence)
        # What follows a write at once is told by this machine: there only work counts, not how busy it is.
        spent = time.thread_time() - worked if evidence.at_once else time.perf_counter() - asked
        self._due = clock + min(spent / _SHARE, 30.0)

    @property
    def said(self) -> Evidence | None:
        """What the log said of itself last."""
        return self._evidence

    def may_have_older(self, clock: float) -> bool:
        """Whether `oldest` is to be asked for: it is time, and the log may have been written to since."""
        said = self._evidence
        is_same = said is not None and said == self._oldest_said and said.at_once and said.text is not None
        return clock >= self._oldest_due and not is_same

    def oldest(self, clock: float) -> datetime | None:
        """When the first row is of; None of an empty log."""
        before = self._reader.statistics.database_ms
        oldest = self._reader.oldest()
        self._oldest_said = self._evidence
        spent = (self._reader.statistics.database_ms - before) / 1000
        self._oldest_due = clock + max(_OLDEST_SECONDS, spent / _SHARE)
        return oldest
