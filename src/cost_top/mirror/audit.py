"""When which hour of the hot end is to be looked at again: all in turn, in a given time, for a share of the time."""

from __future__ import annotations

from datetime import datetime, timedelta

_HOUR = timedelta(hours=1)
GREATEST_SHARE = 0.1
_BEHIND = 6.0  # seconds
_ROWS = 8000  # are looked at in one go: below that, the statement costs more than they do


class Audit:
    """A rolling look at the hours of a period that grows. `clock` is monotonic seconds everywhere."""

    def __init__(self, round_seconds: float, share: float, limit_seconds: float | None = None) -> None:
        """A round of all hours takes `round_seconds`, or as long as it takes with `share` of the time.

        Where that is more than `limit_seconds` it takes more of the time, up to `GREATEST_SHARE`.
        """
        self._limit = limit_seconds
        self._round = round_seconds
        self._share = share
        self._next: datetime | None = None
        self._due = 0.0
        self._hours = 1
        self.rounds = 0  # whole rounds done
        self._began: float | None = None  # the round under way
        self.seen: float | None = None  # since when everything is known to have been as it was looked at

    def due(self, start: datetime, end: datetime, clock: float, rows: int) -> tuple[datetime, datetime] | None:
        """What to look at now of the period `[start, end)` (naive UTC), an hour or more of its `rows`.

        None while it is too early.
        """
        if clock < self._due or start >= end:
            return None
        self._hours = max(1, -(-(end - start) // _HOUR))
        first = self._next if self._next is not None and start <= self._next < end else start
        together = max(0, self._hours * _ROWS // max(rows, 1) - 1)
        return first, min(_following(first) + together * _HOUR, end)

    def looked(self, period: tuple[datetime, datetime], end: datetime, clock: float, spent_ms: float) -> None:
        """Note that a period was looked at, and what it took of the log's time."""
        done = max(1, -(-(period[1] - period[0]) // _HOUR))
        self._next = period[1]
        self._began = clock if self._began is None else self._began
        if period[1] >= end:
            self.rounds += 1
            self.seen, self._began = self._began, None
        # What was not done in time is made up for, a little.
        begun = max(self._due, clock - _BEHIND)
        part, spent = done / self._hours, spent_ms / 1000
        rest = spent / self._share
        if self._limit is not None:
            rest = max(min(rest, self._limit * part), spent / GREATEST_SHARE)
        self._due = begun + max(self._round * part, rest)


def _following(instant: datetime) -> datetime:
    """The next whole hour after an instant."""
    return instant.replace(minute=0, second=0, microsecond=0) + _HOUR
