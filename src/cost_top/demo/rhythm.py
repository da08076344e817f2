"""When requests happen: the weight of an hour by its time of day, its weekday and the growth until then."""

from __future__ import annotations

import math

from cost_top.demo.world import Profile

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_THURSDAY = 3  # 1970-01-01


def level(profile: Profile, time_ms: int) -> float:
    """The profile's weight at an instant, 1.0 being the mean of a week."""
    day, within = divmod(time_ms, DAY_MS)
    weekend = (day + _THURSDAY) % 7 >= 5
    mean = sum(profile.hours) / 24 * (5 + 2 * profile.weekend) / 7
    return profile.hours[within // HOUR_MS] * (profile.weekend if weekend else 1.0) / mean


def day_weights(profile: Profile, start_ms: int, end_ms: int, growth_per_30_days: float) -> list[float]:
    """The weights of the 24 hours from `start_ms` on, for a company that has grown until `end_ms`."""
    rate = math.log(growth_per_30_days) / (30 * DAY_MS)
    middles = range(start_ms + HOUR_MS // 2, start_ms + DAY_MS, HOUR_MS)
    return [level(profile, middle) * math.exp(rate * (middle - end_ms)) for middle in middles]
