"""A new name for what went on under others: a key replaced, one key for several, an endpoint moved."""

from __future__ import annotations

from collections import defaultdict

from cost_top.insight.calendar import DAY
from cost_top.insight.levels import RATIOS, WINDOWS
from cost_top.insight.series import Series
from cost_top.insight.standing import Standing
from cost_top.insight.usual import usual

_FORGOTTEN = 35 * DAY  # when a new value has a history of its own
_ACROSS = {"token": "endpoint", "endpoint": "token"}


def is_renamed(
    series: Series, index: int, spent: int, expected: float, floor: float, standing: Standing
) -> bool:  # fmt: skip
    """Whether what a new value spends in a window, which is too much for it (pico-dollars), was spent before too.

    `floor` is the least excess of the window.
    """
    if series.dimension in ("total", "user") or series.first - standing.first <= DAY:
        return False
    if standing.end - series.first > _FORGOTTEN:
        return False
    return _takes_over(series, index, spent, expected, standing) or not _is_more(
        series, WINDOWS[index], max(floor, (spent - expected) / 2), standing
    )


def _takes_over(series: Series, index: int, spent: int, expected: float, standing: Standing) -> bool:
    """Whether it goes on with what another value did that ended when it began."""
    for other in standing.predecessors(series):
        before = usual(other, WINDOWS[index], standing.end, standing.first, standing.calendar).cost
        if before > 0 and (spent <= RATIOS[index] * (expected + before) or spent <= other.record(index, standing.day)):
            return True
    return False


def _is_more(series: Series, window: int, least: float, standing: Standing) -> bool:
    """Whether the endpoints of a new key, or the keys of a new endpoint, cost more than usual by so much."""
    across, end = _ACROSS.get(series.dimension), standing.end
    if across is None or across not in standing.watched:
        return True
    own: dict[str | None, int] = defaultdict(int)
    for cell in standing.lately(window):
        if standing.holds((series.dimension, series.value), cell.names, cell.tags):
            own[cell.names[standing.places[across]]] += cell.cost
    more = float(own.pop(None, 0))
    for value, cost in own.items():
        whole = standing.series[across, value]
        before = usual(whole, window, end, standing.first, standing.calendar).cost
        more += min(cost, max(0.0, whole.spent(end - window, end) - before))
    return more >= least
