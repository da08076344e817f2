"""What a slice usually spends in a window that ends now: the same expectation for alarms, burn rate and forecast."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from cost_top.insight.calendar import DAY, HOUR, Calendar
from cost_top.insight.series import Series

_WEEKS = 5
_AROUND = (-6, -3, 0, 3, 6)  # buckets: half an hour before to half an hour after
_MONTH = 28
_SURE = 9 * DAY  # the same day of the week is there


class Usual(NamedTuple):
    """`cost` in pico-dollars; `spread` and `noise` are variances (pico-dollars squared) of the slots compared."""

    cost: float
    spread: float
    noise: float


def usual(series: Series, window: int, end: int, first: int, calendar: Calendar) -> Usual:
    """The usual cost of the `window` buckets before `end` in a log whose oldest request is in bucket `first`.

    The larger of the median of the same hour of the week in five weeks (of the same hour of a week's days in a young
    log) and the mean of the same wall time on days of the same kind in four weeks, times the growth of the last week;
    around the turn of a month not below what the turn before brought. History that a slice lacks is zero spend.
    """
    weekly = [end_ for week in range(1, _WEEKS + 1) if (end_ := calendar.back(end, 7 * week)) - window >= first]
    if len(weekly) < 2:
        weekly = [end_ for day in range(1, 8) if (end_ := calendar.back(end, day)) - window >= first]
    slots = [series.spent(slot + shift - window, slot + shift) for slot in weekly for shift in _AROUND]
    middle = median(slots) if slots else 0
    spread = 1.4826 * median([abs(slot - middle) for slot in slots]) if slots else 0.0
    squares = sum(series.square_sum(slot - window, slot) for slot in weekly) / len(weekly) if weekly else 0.0
    cost = max(middle, same_kind_mean(series, window, end, first, calendar)) * growth(series, end, first)
    turn = calendar.month_before(end - 1)
    if turn is not None and turn + 1 - window >= first:
        slots = [
            series.spent(turn + 1 + shift - window, turn + 1 + shift) for shift in range(-2 * HOUR, 2 * HOUR + 1, 3)
        ]
        cost = max(cost, *slots)
    return Usual(float(cost), spread * spread, 1.5 * squares)


def same_kind_mean(series: Series, window: int, end: int, first: int, calendar: Calendar) -> float:
    """Mean cost at this wall time of the working days, or the weekend days, of four weeks; short windows are taken
    an hour wider on both sides and scaled."""
    wider = HOUR if window < DAY else 0
    weekend = calendar.is_weekend(end - 1)
    total = days = 0
    for day in range(1, _MONTH + 1):
        slot = calendar.back(end, day)
        if slot - window < first:
            break
        if calendar.is_weekend(slot - 1) == weekend:
            total += series.spent(slot - window - wider, slot + wider)
            days += 1
    return total / days * window / (window + 2 * wider) if days else 0.0


def is_known(window: int, end: int, first: int, calendar: Calendar) -> bool:
    """Whether the log holds a window at this wall time of which no more was weekend: none in the first days of work of
    a log that began on a weekend or shortly before."""
    if end - first >= _SURE:
        return True
    weekend = _weekend_part(end - window, end, calendar)
    slots = (calendar.back(end, day) for day in range(1, 8))
    return any(slot - window >= first and _weekend_part(slot - window, slot, calendar) <= weekend for slot in slots)


def _weekend_part(start: int, end: int, calendar: Calendar) -> int:
    return sum(map(calendar.is_weekend, range(start, end, HOUR // 4)))


def growth(series: Series, end: int, first: int) -> float:
    """How far the week that ended a day ago lies above the three weeks before it, within 1 and 1.5."""
    start = end - 8 * DAY
    before = max(first, start - 21 * DAY)
    if start - before < 7 * DAY:
        return 1.0
    earlier = series.spent(before, start) / (start - before)
    if earlier <= 0:
        return 1.0 if series.spent(start, end - DAY) <= 0 else 1.5
    return min(1.5, max(1.0, series.spent(start, end - DAY) / (7 * DAY) / earlier))


def mean_hour(series: Series, end: int, first: int) -> float:
    """Mean cost of an hour over the last 28 days, over at least 24 hours."""
    start = max(first, end - _MONTH * DAY)
    return series.spent(start, end) / max(24.0, (end - start) / HOUR)
