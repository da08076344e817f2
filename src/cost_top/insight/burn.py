"""How fast money goes, and whether this hour is unusual: compared with the same hour of the weeks before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from cost_top.model.query import Measures, added
from cost_top.model.snapshot import Burn

WEEKS = 4
UNKNOWN = Burn(cost_per_hour=None, requests_per_minute=None, error_count=None, request_count=None)
_QUARTER = timedelta(minutes=15)
_WEEK = timedelta(days=7)
_LATELY = 5  # minutes that the rate of requests is of


def usual_hours(end: datetime) -> list[tuple[datetime, datetime]]:
    """The hours to compare the hour before `end` with: the same hour, cut at quarters, in each of four weeks."""
    floor = end.replace(minute=end.minute // 15 * 15, second=0, microsecond=0)
    return [(floor - week * _WEEK - 4 * _QUARTER, floor - week * _WEEK) for week in range(1, WEEKS + 1)]


def usual(costs: Sequence[int]) -> int | None:
    """The usual cost of such an hour: the median of the weeks, None with fewer than two."""
    return round(median(costs)) if len(costs) >= 2 else None


def burn_of_minutes(
    minutes: Sequence[Measures], usual_per_hour: int | None, latency_p95: int | None, until: datetime | None
) -> Burn:
    """The last 60 minutes, oldest first. `until` is where the figures end, if before the window."""
    costs = tuple(minute.total_cost for minute in minutes)
    lately = added(minute.request_count for minute in minutes[-_LATELY:])
    return Burn(
        minutes=costs,
        cost_per_hour=sum(costs),
        usual_per_hour=usual_per_hour,
        requests_per_minute=None if lately is None else lately / _LATELY,
        error_count=added(minute.error_count for minute in minutes),
        request_count=added(minute.request_count for minute in minutes),
        latency_p95=latency_p95,
        until=until,
        unpriced=added(minute.unpriced_count for minute in minutes) or 0,
    )
