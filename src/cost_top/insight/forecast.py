"""What a period will come to, with an honest band: so far, and the days that are left at the usual pace.

The middle is that of `insight.pace`: weekday medians of four weeks times the level of the last two. The band is made
of the errors the same method would have made: `level`, the 80th percentile of |log(actual / forecast)| for as many
days ahead, and `day`, the spread of single days over the root of the days left; t = sqrt((1.28 · day)² + level²), and
what is left lies within rest / (1 + t) and rest · (1 + t) four times of five.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import log, sqrt
from statistics import median, pstdev

from cost_top.insight.pace import FEWEST_DAYS, expected_days
from cost_top.model.money import PICO_PER_USD

# The days a forecast is made from. Those whose own forecasts are compared with what came are among them; a band needs
# so many of these.
NEEDED_DAYS = 60
FEWEST_ERRORS = 5
_SHARE = 0.8
_Z = 1.28
_MILLION = 10**6
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Pico-dollars. `low` and `high` are None while too little is known of past errors."""

    total: int
    low: int | None = None
    high: int | None = None

    def text(self) -> str:
        """As it is said.

        >>> Forecast(2110 * 10**12, 1790 * 10**12, 2490 * 10**12).text()
        '≈ $2,110, 4 of 5 times within 1,790–2,490'
        >>> Forecast(31 * 10**11).text()
        '≈ $3.10'
        """
        if self.low is None or self.high is None:
            return f"≈ ${rounded(self.total)}"
        return f"≈ ${rounded(self.total)}, 4 of 5 times within {rounded(self.low)}–{rounded(self.high)}"


def rounded(amount: int) -> str:
    """An amount as an estimate is said: whole dollars from a hundred on."""
    places = 0 if abs(amount) >= 100 * PICO_PER_USD else 2
    return f"{amount / PICO_PER_USD:,.{places}f}"


def forecast(
    costs: Sequence[int], today: date, end: date, spent: int, left_of_today: float = 1.0,
    leave_out: Collection[date] = (),
) -> Forecast | None:  # fmt: skip
    """The cost of a period whose last day is the one before `end`; None with fewer than three whole days of history,
    and where more is taken back than spent, which tells nothing of days to come.

    `costs` are the whole days before today, yesterday first, up to `NEEDED_DAYS` of them; `spent` is the period's cost
    so far, `left_of_today` the share of a usual day that is still to come. Days of `leave_out` (those with an
    incident) count as usual ones.
    """
    history = without_days(list(costs[:NEEDED_DAYS]), today, leave_out)
    if len(history) < FEWEST_DAYS:
        return None
    expected = expected_days(history, today)
    following = [today + _DAY * ahead for ahead in range(1, (end - today).days)]
    rest = round(expected[today.weekday()] * left_of_today) + sum(expected[day.weekday()] for day in following)
    if spent + rest < 0:
        return None
    width = band(tuple(history), today, max(1, len(following) + round(left_of_today)))
    if width is None:
        return Forecast(spent + rest)
    scale = round((1 + width) * _MILLION)
    return Forecast(spent + rest, spent + rest * _MILLION // scale, spent + rest * scale // _MILLION)


@lru_cache(maxsize=64)
def band(history: tuple[int, ...], today: date, ahead: int) -> float | None:
    """The relative half-width t for so many days ahead; None with fewer than five past errors."""
    levels: list[float] = []
    days: list[float] = []
    for back in range(1, len(history)):
        known = list(history[back:])
        if len(known) < FEWEST_DAYS:
            break
        origin = today - _DAY * back
        expected = expected_days(known, origin)
        usual = expected[origin.weekday()]
        if usual > 0:
            days.append(history[back - 1] / usual - 1)
        if back >= ahead:
            came = sum(history[back - ahead : back])
            told = sum(expected[(origin + _DAY * day).weekday()] for day in range(ahead))
            if came > 0 and told > 0:
                levels.append(abs(log(came / told)))
    if len(levels) < FEWEST_ERRORS or len(days) < FEWEST_ERRORS:
        return None
    levels.sort()
    level = levels[min(len(levels) - 1, int(_SHARE * len(levels)))]
    return sqrt((_Z * pstdev(days) / sqrt(ahead)) ** 2 + level**2)


def without_days(costs: list[int], today: date, leave_out: Collection[date]) -> list[int]:
    """The costs with each day left out replaced by the median of its weekday on other days."""
    if not leave_out:
        return costs
    days = [today - _DAY * back for back in range(1, len(costs) + 1)]
    kept = list(costs)
    for place, day in enumerate(days):
        if day in leave_out:
            others = [
                cost
                for cost, one in zip(costs, days, strict=True)
                if one.weekday() == day.weekday() and one not in leave_out
            ]
            kept[place] = int(median(others[:4])) if others else costs[place]
    return kept
