"""A source's own count of money spent: free to read, nearly live, and the reason to ask billed questions or not."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from cost_top.model.credits import Credits
from cost_top.model.errors import SourceError
from cost_top.monitor.thread import clock
from cost_top.sources.report_api import ReportApi

METER_SECONDS = 60.0
_SPAN = timedelta(hours=1)


class Meter:
    """Reads the balance once a minute. Used on one thread."""

    def __init__(self) -> None:
        self.credits: Credits | None = None
        self.error: SourceError | None = None  # why it could not be read just now
        self.due = 0.0  # monotonic seconds
        self.moved = 0.0  # when spend was last seen to grow
        self._read: deque[tuple[datetime, int]] = deque()  # (when, total used) of the last hour

    def read(self, api: ReportApi) -> bool:
        """Read it; whether it differs from before."""
        self.due = clock() + METER_SECONDS
        before = self.credits
        try:
            found = api.credits()
        except SourceError as error:
            self.error = error
            return False
        self.error = None
        if found is not None and found.total_used is not None:
            if self._read and found.total_used < self._read[-1][1]:
                self._read.clear()  # restated, or begun anew: no negative spend
            self._read.append((found.as_of, found.total_used))
            while found.as_of - self._read[0][0] > _SPAN:
                self._read.popleft()
        if found is not None and (before is None or before.total_used != found.total_used):
            self.moved = clock()
        self.credits = found
        return found != before

    @property
    def spent(self) -> tuple[int | None, timedelta]:
        """What was spent while it was read, up to an hour, and how long that took; None with one reading."""
        if len(self._read) < 2:
            return None, timedelta(0)
        return self._read[-1][1] - self._read[0][1], self._read[-1][0] - self._read[0][0]

    def stood_still(self, since: float, lag: timedelta) -> bool:
        """Whether nothing was spent from `since` (monotonic seconds) on, nor just before, which reports may lack."""
        if self.credits is None or self.credits.total_used is None:
            return False
        return since > self.moved + 2 * lag.total_seconds()
