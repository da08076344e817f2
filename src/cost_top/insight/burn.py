"""Is this hour unusual? Compared with the same hour of the same weekday in the weeks before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

WEEKS = 4
_QUARTER = timedelta(minutes=15)
_WEEK = timedelta(days=7)


def usual_hours(end: datetime) -> list[tuple[datetime, datetime]]:
    """The hours to compare the hour before `end` with: the same hour, cut at quarters, in each of four weeks."""
    floor = end.replace(minute=end.minute // 15 * 15, second=0, microsecond=0)
    return [(floor - week * _WEEK - 4 * _QUARTER, floor - week * _WEEK) for week in range(1, WEEKS + 1)]


def usual(costs: Sequence[int]) -> int | None:
    """The usual cost of such an hour: the median of the weeks, None with fewer than two."""
    return round(median(costs)) if len(costs) >= 2 else None
