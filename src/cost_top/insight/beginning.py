"""When an incident began, told by the log alone: whoever looks, and however late, finds the same hour."""

from __future__ import annotations

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.candidate import Candidate
from cost_top.insight.standing import Standing
from cost_top.insight.usual import usual
from cost_top.model.features import BUCKET_SECONDS

_OF_SPEND = ("spike", "price", "double")  # seen in what is spent; the others say themselves when they began
_RATIO = 1.5
_LONGEST = 14 * DAY


def beginning(first: Candidate, standing: Standing, quiet: int, after: int) -> int:
    """The first bucket, not before `after`, of the hours of the clock in which more was spent than usual, with no pause
    of `quiet` buckets in between. What no hour shows, as a slow creep, began where its rule says."""
    began = first.started
    series = standing.series.get((first.dimension, first.value))
    if first.kind in _OF_SPEND and series is not None:
        last = hour = _hour(standing.end - 1, standing)
        while hour > standing.end - _LONGEST and last - hour <= quiet + HOUR:
            spent = series.spent(hour, hour + HOUR)
            if spent and spent > _RATIO * usual(series, HOUR, hour + HOUR, standing.first, standing.calendar).cost:
                began = last = hour
            hour -= HOUR
    return max(began, after)


def _hour(bucket: int, standing: Standing) -> int:
    """The first bucket of the hour of the clock that a bucket lies in."""
    return bucket - (standing.calendar.origin // BUCKET_SECONDS + bucket) % HOUR
