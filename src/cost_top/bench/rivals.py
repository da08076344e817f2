"""Rules that others use, over the same features: what the benchmark sets beside ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import tzinfo
from itertools import accumulate
from statistics import mean, pstdev

from cost_top.bench.score import Alarm
from cost_top.insight.calendar import DAY, HOUR, Calendar
from cost_top.model.features import Features

_QUIET = 6 * HOUR
_LEARNING = 3 * DAY
_DIMENSIONS = ("token", "endpoint", "model", "user")
Fires = Callable[[list[int], int, Calendar, float, bool], bool]


def static_threshold(sums: list[int], end: int, _: Calendar, mean_hour: float, is_total: bool) -> bool:
    """A key above one, the total above three mean hours within an hour."""
    return sums[end] - sums[end - HOUR] > (3 if is_total else 1) * mean_hour


def three_days_mean(sums: list[int], end: int, calendar: Calendar, mean_hour: float, _: bool) -> bool:
    """The day so far above three times the mean day of the week before (and above a mean hour)."""
    start = end - (calendar.local(end) % 86400) // 300
    before = (sums[start] - sums[max(0, start - 7 * DAY)]) / 7
    return sums[end] - sums[max(0, start)] > max(3 * before, mean_hour)


def three_deviations(sums: list[int], end: int, calendar: Calendar, mean_hour: float, _: bool) -> bool:
    """The last hour above the mean by three standard deviations of the same hour in fourteen days."""
    spent = sums[end] - sums[end - HOUR]
    if spent < mean_hour / 4:
        return False
    slots = [slot for day in range(1, 15) if (slot := calendar.back(end, day)) - HOUR >= 0]
    past = [sums[slot] - sums[slot - HOUR] for slot in slots]
    return len(past) > 1 and spent > mean(past) + 3 * pstdev(past)


RIVALS: dict[str, tuple[Fires, bool]] = {  # name -> rule, whether it looks at all dimensions or at keys alone
    "static threshold": (static_threshold, False),
    "today > 3 × mean of 7 days": (three_days_mean, True),
    "z > 3, same hour, 14 days": (three_deviations, True),
}


def alarms(features: Features, zone: tzinfo, rule: Fires, everything: bool, until: int | None = None) -> list[Alarm]:
    """The rule at every five minutes on the total and on each slice; one alarm until it was quiet for six hours."""
    calendar, first = Calendar(features.origin, zone), features.first or 0
    found = []
    series = dict(_sums(features, everything))
    total = series["total", None]
    for (dimension, value), sums in series.items():
        last = -_QUIET
        changed = [
            bucket for bucket in range(first + _LEARNING, until or features.count) if sums[bucket + 1] > sums[bucket]
        ]
        for bucket in changed:
            end = bucket + 1
            low = max(first, end - 28 * DAY)
            mean_hour = (total[end] - total[low]) / max(24.0, (end - low) / HOUR)
            if rule(sums, end, calendar, mean_hour, dimension == "total"):
                if end - last >= _QUIET:
                    found.append(Alarm(int(features.time(end).timestamp() * 1000), "spike", dimension, value))
                last = end
    return found


def _sums(features: Features, everything: bool) -> Iterator[tuple[tuple[str, str | None], list[int]]]:
    """Cost before each bucket, of the total and of each slice."""
    costs: dict[tuple[str, str | None], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    places = [(name, features.dimensions.index(name)) for name in (_DIMENSIONS if everything else ("token",))]
    for cell in features.cells:
        costs["total", None][cell.bucket] += cell.cost
        for name, place in places:
            if cell.names[place] is not None:
                costs[name, cell.names[place]][cell.bucket] += cell.cost
    for key, by_bucket in costs.items():
        yield key, list(accumulate((by_bucket.get(bucket, 0) for bucket in range(features.count)), initial=0))
