"""The usual pace of spend, hour by hour: what a budget's period will come to, and when a budget is used up.

A day of the week is expected to cost the median of its last four, scaled by the level of the last 7 and 14 days:
level = sqrt(S7 / M7 * S14 / M14), S being what the days cost and M the sum of their medians. Within a day the hours
have the shares they had. With fewer than 28 days the mean of the last 7 is taken, or of the days there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import isqrt
from statistics import median

from cost_top.model.windows import local_midnight

# Fewer whole days tell no pace.
FEWEST_DAYS = 3
HISTORY_DAYS = 28
_WEEK = 7
_MILLION = 10**6
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """Pico-dollars expected in each hour of the week (Monday 0:00 first), in a zone."""

    hours: tuple[int, ...]
    zone: tzinfo

    def between(self, start: datetime, end: datetime) -> int:
        """What is expected in `[start, end)`; parts of hours in proportion."""
        total, at = 0, start
        while at < end:
            following = min(end, _next_hour(at))
            total += self._at(at) * ((following - at) // timedelta(microseconds=1)) // 3_600_000_000
            at = following
        return total

    def reaches(self, amount: int, start: datetime, end: datetime) -> datetime | None:
        """When so much will have been spent from `start` on, None when not before `end`."""
        at = start
        while at < end:
            following = min(end, _next_hour(at))
            hourly = self._at(at)
            step = hourly * ((following - at) // timedelta(microseconds=1)) // 3_600_000_000
            if step >= amount and hourly > 0:
                return at + timedelta(microseconds=max(0, amount) * 3_600_000_000 // hourly)
            amount -= step
            at = following
        return None

    def _at(self, instant: datetime) -> int:
        local = instant.astimezone(self.zone)
        return self.hours[local.weekday() * 24 + local.hour]


def pace_of(hourly: Mapping[datetime, int], first: datetime | None, now: datetime, zone: tzinfo) -> Pace | None:
    """The pace from the cost of each hour before `now` (hours without any may be missing) and the log's `first` hour.

    None with fewer than three whole days of history.
    """
    today = now.astimezone(zone).date()
    earliest = first.astimezone(zone).date() + timedelta(days=1) if first is not None else today
    back = (today - timedelta(days=days) for days in range(1, HISTORY_DAYS + 1))
    known = [day for day in back if day >= earliest]  # the newest first
    days, shape = _days(hourly, zone, set(known))
    costs = [days.get(day, 0) for day in known]
    if len(costs) < FEWEST_DAYS:
        return None
    return Pace(tuple(_hours(expected_days(costs, today), shape)), zone)


def expected_days(costs: list[int], today: date) -> list[int]:
    """The expected cost of each weekday (Monday first), from the whole days before `today`, the newest first."""
    return _weekdays(costs[:HISTORY_DAYS], today) if len(costs) >= HISTORY_DAYS else [_mean(costs[:_WEEK])] * _WEEK


def _days(hourly: Mapping[datetime, int], zone: tzinfo, known: set[date]) -> tuple[dict[date, int], dict[int, int]]:
    """Cost of the known local days, by day and by hour of the week."""
    days: defaultdict[date, int] = defaultdict(int)
    shape: defaultdict[int, int] = defaultdict(int)
    for hour, cost in hourly.items():
        local = hour.astimezone(zone)
        if local.date() not in known:
            continue
        days[local.date()] += cost
        shape[local.weekday() * 24 + local.hour] += max(0, cost)
    return days, shape


def _weekdays(costs: list[int], today: date) -> list[int]:
    """The expected cost of each weekday, from the 28 days before today."""
    weekday = [(today - timedelta(days=back)).weekday() for back in range(1, len(costs) + 1)]
    medians = [_median([cost for cost, day in zip(costs, weekday, strict=True) if day == one]) for one in range(_WEEK)]
    usual = [medians[day] for day in weekday]
    spent = sum(costs[:_WEEK]) * sum(costs[: 2 * _WEEK])
    expected = sum(usual[:_WEEK]) * sum(usual[: 2 * _WEEK])
    if expected <= 0 or spent <= 0:
        return [_mean(costs[:_WEEK])] * _WEEK
    level = isqrt(spent * _MILLION**2 // expected)
    return [one * level // _MILLION for one in medians]


def _hours(expected: list[int], shape: Mapping[int, int]) -> list[int]:
    """Each weekday's cost over its hours, as that weekday's hours were; evenly where it had none."""
    hours = []
    for day, cost in enumerate(expected):
        weights = [shape.get(day * 24 + hour, 0) for hour in range(24)]
        if not any(weights):
            weights = [sum(shape.get(other * 24 + hour, 0) for other in range(_WEEK)) or 1 for hour in range(24)]
        hours += [cost * weight // sum(weights) for weight in weights]
    return hours


def _median(values: list[int]) -> int:
    return int(median(values))


def _mean(values: list[int]) -> int:
    return sum(values) // len(values)


def _next_hour(instant: datetime) -> datetime:
    whole = instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return whole + _HOUR


def history_start(now: datetime, zone: tzinfo) -> datetime:
    """Where the history a pace is made of begins: a midnight in the zone."""
    return local_midnight(now.astimezone(zone).date() - timedelta(days=HISTORY_DAYS), zone)
