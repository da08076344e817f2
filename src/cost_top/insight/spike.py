"""Rule A, spike: a slice spends far more than it usually does in an hour, three hours or a day."""

from __future__ import annotations

from math import log, sqrt

from cost_top.insight.calendar import DAY
from cost_top.insight.candidate import Candidate
from cost_top.insight.levels import RATIOS, STILL, WINDOWS, Gate
from cost_top.insight.renamed import is_renamed
from cost_top.insight.series import Series
from cost_top.insight.standing import Standing
from cost_top.insight.usual import is_known, usual

_DEVIATIONS = 2.0
_SESSIONS = (2.0, 2.0, 3.0)
_YOUNG_SERIES = (1.0, 3.0, 4.0)
_USERS = 1.5
_FEWEST = 4
_LONG_SESSION = 6  # buckets
_FULL_AGE = 14 * DAY
_EXTRA = 0.5  # sessions that may come at any hour


def spike(series: Series, end: int, standing: Standing, gate: Gate, least: int) -> Candidate | None:
    """The window, shortest first, in which the slice's spend passes every test; None when there is none.

    `least` is the smallest excess (pico-dollars) that is worth a word. The tests stand in the order of their price.
    """
    for index, window in enumerate(WINDOWS):
        spent, floor = series.spent(end - window, end), _floor(series, index, end, standing, gate)
        if spent <= floor or not _is_record(series, index, spent, standing, gate):
            continue
        if not _is_young_enough(series, index, spent, end, standing):
            continue
        expected = standing.raised(series, window, end, usual(series, window, end, standing.first, standing.calendar))
        excess = spent - expected.cost
        size = standing.sessions.size(series.dimension, series.value)
        deviation = sqrt(
            expected.spread + max(expected.noise, expected.cost * size.weighted) + (0.2 * expected.cost) ** 2
        )
        largest = series.largest_in(end - window, end)
        still = series.spent(end - STILL[index], end)

        def is_much(other: int, index: int = index, floor: float = floor, usual_cost: float = expected.cost) -> bool:
            """Whether what is left of a window is still too much."""
            return other > RATIOS[index] * usual_cost and other - usual_cost > floor / 2

        if (
            excess > max(floor, least)
            and excess > _DEVIATIONS * deviation
            and _surprise(spent, expected.cost, size.weighted) > standing.surprise
            and spent > RATIOS[index] * expected.cost
            and excess > _SESSIONS[index] * size.large
            and still > max(0, RATIOS[index] * expected.cost * STILL[index] / window)
            and is_much(spent - largest)
            and series.count(end - window, end) >= _FEWEST
            # Not one session that is over soon: agents at work are dear for minutes.
            and is_much(spent - standing.short_session((series.dimension, series.value), window, _LONG_SESSION))
            and not is_renamed(series, index, spent, expected.cost, floor, standing)
            and is_known(window, end, standing.first, standing.calendar)
        ):
            started = series.risen_from(end - window, end, expected.cost)
            return Candidate("spike", series.dimension, series.value, window, started, spent, round(expected.cost))
    return None


def _surprise(spent: float, expected: float, session: float) -> float:
    """Minus the logarithm of the chance (Chernoff's bound for a Poisson number of sessions of one size) of so much."""
    mean = max(expected + _EXTRA * session, 1.0)
    if session <= 0:
        return float("inf")
    return (spent * log(spent / mean) - spent + mean) / session if spent > mean else 0.0


def _floor(series: Series, index: int, end: int, standing: Standing, gate: Gate) -> float:
    """The least excess: higher for users, who come and go, and while the log is young."""
    age = end - standing.first
    young = 1 + 1.5 * (_FULL_AGE - age) / (11 * DAY) if age < _FULL_AGE else 1.0
    return gate.floors[index] * standing.mean_hour * young * (_USERS if series.dimension == "user" else 1.0)


def _is_record(series: Series, index: int, spent: int, standing: Standing, gate: Gate) -> bool:
    """Above the second highest day of the month before, where the gate asks for it."""
    if gate.records is None or not (gate.holds_for_all or series.dimension == "total"):
        return True
    return spent > gate.records[index] * series.record(index, standing.day)


def _is_young_enough(series: Series, index: int, spent: int, end: int, standing: Standing) -> bool:
    """A slice younger than three days must spend as much as a whole log's hour, three or four."""
    return end - series.first >= 3 * DAY or spent > _YOUNG_SERIES[index] * standing.mean_hour
