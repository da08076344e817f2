"""The burn rate now against the usual one: what the alarms compare, so that screen and alarm agree."""

from __future__ import annotations

from dataclasses import dataclass

from cost_top.insight.calendar import DAY, HOUR
from cost_top.insight.series import Series
from cost_top.insight.standing import Standing
from cost_top.insight.usual import usual

RATE_WINDOWS = (1, HOUR, DAY)  # 5 min, 1 h, 24 h, in buckets


@dataclass(frozen=True, slots=True)
class Rate:
    """Cost of the last `window` buckets and its usual, in pico-dollars; `usual` is None while the log is too young.

    `is_told`: whether both are worth a ratio; below one session's worth in the window they say nothing.
    """

    window: int
    spent: int
    usual: int | None
    is_told: bool

    @property
    def times(self) -> float | None:
        """How many times the usual; None where that says nothing."""
        return self.spent / self.usual if self.is_told and self.usual else None

    @property
    def per_hour(self) -> int:
        """Pico-dollars an hour."""
        return self.spent * HOUR // self.window


def rates(standing: Standing, series: Series | None = None) -> tuple[Rate, ...]:
    """Of the whole log, or of one of its slices, as of the end of the last bucket fed."""
    one = series if series is not None else standing.total
    session = standing.sessions.size(one.dimension, one.value).large
    found = []
    for window in RATE_WINDOWS:
        spent = one.spent(standing.end - window, standing.end)
        if standing.learning:
            found.append(Rate(window, spent, None, False))
            continue
        known = usual(one, window, standing.end, standing.first, standing.calendar)
        cost = round(standing.raised(one, window, standing.end, known).cost)
        found.append(Rate(window, spent, cost, max(spent, cost) >= session > 0))
    return tuple(found)
