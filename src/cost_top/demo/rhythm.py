"""When requests happen: hours of a span with the weight of their time of day, weekday and place in the growth."""

from __future__ import annotations

import math
from itertools import accumulate
from random import Random

from .world import Profile

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_THURSDAY = 3  # 1970-01-01


def level(profile: Profile, time_ms: int) -> float:
    """The profile's weight at an instant, 1.0 being the mean of a week."""
    day, within = divmod(time_ms, DAY_MS)
    weekend = (day + _THURSDAY) % 7 >= 5
    mean = sum(profile.hours) / 24 * (5 + 2 * profile.weekend) / 7
    return profile.hours[within // HOUR_MS] * (profile.weekend if weekend else 1.0) / mean


class Span:
    """The hours from `start_ms` to `end_ms` as weighted bins from which start times are drawn."""

    def __init__(self, profile: Profile, start_ms: int, end_ms: int, growth_per_30_days: float) -> None:
        edges = [start_ms, *range((start_ms // HOUR_MS + 1) * HOUR_MS, end_ms, HOUR_MS), end_ms]
        self._bins = [(a, b - a) for a, b in zip(edges, edges[1:], strict=False) if b > a]
        rate = math.log(growth_per_30_days) / (30 * DAY_MS)
        self._weights = [
            level(profile, a) * length * math.exp(rate * (a - end_ms)) for a, length in self._bins
        ]
        self._cumulative = list(accumulate(self._weights))

    def per_recent(self, instant_ms: int) -> float:
        """The whole span's weight as a multiple of that of its part from `instant_ms` on."""
        recent = sum(weight for (a, _), weight in zip(self._bins, self._weights, strict=True) if a >= instant_ms)
        return sum(self._weights) / recent if recent else 0.0

    def draw(self, random: Random, count: int) -> list[int]:
        """`count` start times in milliseconds, in no order."""
        if not self._bins:
            return []
        uniform = random.random
        bins = random.choices(self._bins, cum_weights=self._cumulative, k=count)
        return [start + int(uniform() * length) for start, length in bins]
