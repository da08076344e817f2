"""The hot end of a log being read: the last hour first, then piece by piece back, and what of it was kept before."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from cost_top.mirror.hot import hour_of
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.monitor.log.hours import Hours

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
# It is read in pieces of about so many rows, newest first, so that the screen fills while it is read.
_PIECE_ROWS = 50_000
_LEAST_PIECE, _GROWTH = timedelta(hours=3), 8


class HotEnd:
    """Used by the thread of the history. Instants are naive UTC."""

    def __init__(self, mirror: Mirror, tail: Tail, hours: Hours) -> None:
        """Nothing is read yet."""
        self._mirror = mirror
        self._tail = tail
        self._hours = hours
        self._piece = _LEAST_PIECE
        self.goal: datetime | None = None  # where it begins; None before the log was looked at

    @property
    def is_read(self) -> bool:
        """Whether all of it is held."""
        return self.goal is not None and self._mirror.hot_start <= self.goal

    @property
    def is_kept(self) -> bool:
        """Whether all of it is held, or was kept by an earlier run."""
        return self.is_read or self._hours.until() >= self._mirror.hot_start

    def begin(self, now: datetime, newest: datetime | None) -> None:
        """Read the last hour, or back to the last one before the `newest` row of the log."""
        first = self._mirror.first_hot_day(now, newest)
        self.goal = datetime(first.year, first.month, first.day)
        start = max(self.goal, naive(now).replace(minute=0, second=0, microsecond=0) - _HOUR)
        if newest is not None and naive(newest) < start:
            start = max(self.goal, hour_of(naive(newest)) - _HOUR)
        self._read(start, None, naive(now) - start)
        self._hours.find(self.goal)

    def read_more(self) -> None:
        """Take over what is kept of it before what is read of it, or read the next piece."""
        assert self.goal is not None
        if self._hours.take():
            return
        end = self._mirror.hot_start
        start = max(self.goal, hour_of(end - self._piece), self._hours.until())
        self._read(start, end, end - start)

    def _read(self, start: datetime, end: datetime | None, length: timedelta) -> None:
        """Read a piece."""
        self._took(self._tail.fill(start, end), length)

    def _took(self, rows: int, length: timedelta) -> None:
        """The next piece is as long as it takes for `_PIECE_ROWS`."""
        # How much traffic there was before is not known: no piece is very much longer than the one after it.
        self._piece = max(_LEAST_PIECE, length * min(_GROWTH, _PIECE_ROWS / max(1, rows)))

    def day_before(self, count: int) -> date:
        """The day that lies so many days before it."""
        assert self.goal is not None
        return self.goal.date() - _DAY * count
