"""The burn rate against the usual one."""

from __future__ import annotations

import random
from datetime import UTC, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from tests.insight.traffic import CENT, DAY, ORIGIN, cell, even, features

from cost_top.insight.engine import run
from cost_top.insight.levels import Rules
from cost_top.insight.rates import rates
from cost_top.insight.usual import usual
from cost_top.insight.usual_rate import burn_rates, usual_need
from cost_top.model.query import ReportQuery

FIVE_MINUTES = 10 * CENT


def standing(cells, days):
    """After a day of looks; what was before is only learned."""
    return run(features(cells, days), Rules(), UTC, (days - 1) * DAY).standing


def test_an_even_burn_is_once_the_usual_in_each_window() -> None:
    found = rates(standing(even(21), 21))
    assert [(rate.window, rate.spent, rate.usual) for rate in found] == [
        (1, FIVE_MINUTES, FIVE_MINUTES), (12, 12 * FIVE_MINUTES, 12 * FIVE_MINUTES),
        (288, 288 * FIVE_MINUTES, 288 * FIVE_MINUTES),
    ]  # fmt: skip
    assert [rate.times for rate in found[1:]] == [1.0, 1.0]
    assert {rate.per_hour for rate in found} == {12 * FIVE_MINUTES}


def test_below_a_session_in_the_window_there_is_no_ratio() -> None:
    assert rates(standing(even(21), 21))[0].times is None


def test_a_burst_shows_in_the_short_windows_first() -> None:
    cells = [*even(21), *(cell(21 * DAY - back, 20 * FIVE_MINUTES, user="w") for back in range(1, 13))]
    five, hour, day = rates(standing(cells, 21))
    assert five.spent == 21 * FIVE_MINUTES
    assert hour.times is not None
    assert day.times is not None
    assert hour.times > 20 > 2 > day.times > 1


def test_a_young_log_has_no_usual() -> None:
    assert [rate.usual for rate in rates(standing(even(2), 2))] == [None] * 3


def test_a_slice_has_its_own_usual() -> None:
    now = standing([*even(21), *even(21, token="key-2", cost=CENT)], 21)
    assert rates(now, now.series["token", "key-2"])[1].usual == 12 * CENT


@pytest.mark.parametrize("days", [61, 12, 2])
def test_what_the_screen_calls_usual_is_what_the_alarms_compare_with(days: int) -> None:
    """Over the end of summer time and the first of a month."""
    zone, draw = ZoneInfo("Europe/Berlin"), random.Random(days)
    shift = (61 - days) * DAY
    cells = [cell(bucket + shift, draw.randrange(1, 40) * CENT) for bucket in range(days * DAY) if draw.random() < 0.7]
    log = features(cells, 61)
    now = log.time(61 * DAY)
    total = run(log, Rules(), zone, 10**9).standing
    need = usual_need(ReportQuery(now, now, zone=zone), now + timedelta(minutes=7))
    costs = [
        (start, total.total.spent(*((int(one.timestamp()) - ORIGIN) // 300 for one in (start, end))))
        for start, end in pairwise(need.edges)
    ]
    found = burn_rates(costs, need.query, now + timedelta(minutes=7))
    assert usual_need(ReportQuery(now, now, zone=zone), now + timedelta(minutes=14)) is need  # made once a quarter
    if days < 3:
        assert found == ()
        return
    _, hour, day = found
    first = min(start for start, cost in costs if cost)
    oldest = max(total.first, (int(first.timestamp()) - ORIGIN) // 300)
    known = {window: usual(total.total, window, total.end, oldest, total.calendar).cost for window in (12, 288)}
    assert (hour.usual, day.usual) == (round(known[12]), round(known[288]))
    assert day.spent == total.total.spent(60 * DAY, 61 * DAY)
    assert len(need.edges) < 700
