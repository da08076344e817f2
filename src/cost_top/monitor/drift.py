"""What a gateway's own sums of days say against its log, looked at now and then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import duckdb

from cost_top.mirror.store import Mirror
from cost_top.model.errors import SourceError
from cost_top.model.windows import Period
from cost_top.sources.base import KeepsRollups, LogReader

DRIFT_SECONDS = 900.0
_SHARE = 0.001  # of the log's time
_DAY = timedelta(days=1)
# Sums of doubles added in another order differ by less, of all the money or in pico-dollars.
_ROUNDING, _LEAST = 10**9, 10**6


class Drift:
    """Used by the log's own thread."""

    def __init__(self, reader: LogReader) -> None:
        """`reader` may be of a log whose gateway sums nothing."""
        self._reader = reader if isinstance(reader, KeepsRollups) else None
        self._statistics = reader.statistics
        self._differs: dict[date, int] = {}
        self._due = 0.0

    def look(self, mirror: Mirror, days: int, now: datetime, clock: float) -> bool:
        """Compare the closed days of the last `days`; whether anything is otherwise than before."""
        if self._reader is None or clock < self._due:
            return False
        before, self._due = self._statistics.database_ms, clock + DRIFT_SECONDS
        today = now.astimezone(UTC).date()
        try:
            rolled = self._reader.rolled_up(today - timedelta(days=days), today)
        except SourceError:
            return False  # a comfort: the log itself can be read
        spent = (self._statistics.database_ms - before) / 1000
        self._due = max(self._due, clock + spent / _SHARE)
        try:
            logged = mirror.rows.reported(rolled)
        except duckdb.Error:
            return False  # a kept day is gone or damaged, which others find and mend
        oldest = None if mirror.oldest is None else mirror.oldest.date()
        differs = differing(rolled, logged, oldest)
        changed, self._differs = differs != self._differs, differs
        return changed

    def within(self, period: Period) -> tuple[int, int]:
        """See `within` of this module."""
        return within(self._differs, period)


def differing(rolled: Mapping[date, int], logged: Mapping[date, int], oldest: date | None) -> dict[date, int]:
    """By how much the sums of a gateway exceed those of its log on days that differ, in pico-dollars.

    Of days before the `oldest` the log has nothing; of others that `logged` lacks nothing is known.
    """
    known = [day for day in rolled if day in logged or (oldest is not None and day < oldest)]
    differs = {day: rolled[day] - logged.get(day, 0) for day in known}
    return {day: by for day, by in differs.items() if abs(by) > max(_LEAST, abs(rolled[day]) // _ROUNDING)}


def within(differs: Mapping[date, int], period: Period) -> tuple[int, int]:
    """Of the UTC days inside a period: what the rollups have more (pico-dollars), and how many days differ."""
    found = [
        by
        for day, by in differs.items()
        if period.start <= (start := datetime(day.year, day.month, day.day, tzinfo=UTC)) and start + _DAY <= period.end
    ]
    return sum(found), len(found)
