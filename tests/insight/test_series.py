"""A slice's spend by five minutes, against the same worked out bucket by bucket."""

from __future__ import annotations

import pickle
import random

import pytest

from cost_top.insight.levels import WINDOWS
from cost_top.insight.series import Series

DAY = 288


def added(seed: int, end: int, series: Series | None = None, start: int = 0) -> tuple[Series, dict[int, int]]:
    """A series with the same costs in the same buckets for the same seed, from `start` until `end`."""
    draw, costs = random.Random(seed), dict[int, int]()
    one = series if series is not None else Series("token", "k")
    bucket = 0
    while (bucket := bucket + draw.choice((1, 1, 2, 40, 300))) < end:
        cost = draw.randint(0, 50)
        costs[bucket] = cost
        if bucket >= start:
            one.add(bucket, bucket // DAY, cost, 1, cost, float(cost) ** 2)
    return one, costs


def record(costs: dict[int, int], window: int, day: int) -> int:
    """The second highest of the days' highest windows, by definition."""
    best: dict[int, int] = {}
    for bucket in costs:
        if day - 31 <= bucket // DAY < day:
            spent = sum(costs.get(one, 0) for one in range(bucket - window + 1, bucket + 1))
            best[bucket // DAY] = max(best.get(bucket // DAY, 0), spent)
    return sorted(best.values())[-2] if len(best) > 1 else 0


@pytest.mark.parametrize("seed", range(6))
def test_the_record_is_the_second_highest_day_of_the_month_before(seed: int) -> None:
    series, costs = added(seed, 40 * DAY)
    today = 39
    for index, window in enumerate(WINDOWS):
        assert series.record(index, today) == record(costs, window, today)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("back", [1, 7 * DAY, 40 * DAY])
def test_what_was_cut_is_as_if_it_had_not_been_added(seed: int, back: int) -> None:
    series, _ = added(seed, 40 * DAY)
    for index in range(len(WINDOWS)):
        series.record(index, 40)
    series.cut(40 * DAY - back)
    assert series.first == added(seed, 40 * DAY - back)[0].first
    again, costs = added(seed, 41 * DAY, series, start=40 * DAY - back)
    fresh, _ = added(seed, 41 * DAY)
    for name in ("at", "totals", "counts", "largest", "squares", "first"):
        assert getattr(again, name) == getattr(fresh, name), name
    for index, window in enumerate(WINDOWS):
        assert again.record(index, 41) == record(costs, window, 41)


def test_sums_stay_as_they_are_when_what_was_before_is_forgotten() -> None:
    series, costs = added(3, 40 * DAY)
    series.forget(5 * DAY + 17)
    assert series.spent(6 * DAY, 40 * DAY) == sum(cost for bucket, cost in costs.items() if bucket >= 6 * DAY)
    assert series.record(0, 39) == record(costs, WINDOWS[0], 39)


@pytest.mark.parametrize("seed", range(6))
def test_what_rests_is_summed_as_if_it_did_not(seed: int) -> None:
    """Whatever is forgotten, cut and added between one rest and the next."""
    plain, rested = Series("token", "k"), Series("token", "k")
    draw, days = random.Random(seed), 40
    for day in range(days):
        buckets = sorted(draw.sample(range(day * DAY, (day + 1) * DAY), draw.choice((1, 7, 288))))
        for bucket in buckets:
            cost, requests = draw.randint(0, 10**12), draw.choice((1, 1, 5))
            figures = (cost, requests, cost, draw.choice((float(cost) * cost, 1.5, 0.0)))
            for series in (plain, rested):
                series.add(bucket, day, *figures)
        if draw.random() < 0.3:
            gone = draw.randint(0, day * DAY)
            plain.forget(gone)
            rested.forget(gone)
        if draw.random() < 0.2:
            end = (day + 1) * DAY - draw.choice((1, 40, 3 * DAY))
            plain.cut(end)
            rested.cut(end)
        rested.rest((day + 1) * DAY - draw.choice((DAY, 2 * DAY)))
        for _ in range(draw.choice((0, 3))):
            start, end = sorted(draw.sample(range((day + 1) * DAY), 2))
            assert rested.spent(start, end) == plain.spent(start, end)
            assert rested.count(start, end) == plain.count(start, end)
            assert rested.square_sum(start, end) == plain.square_sum(start, end)
        assert rested.at == plain.at
        assert rested.largest_in(day * DAY, (day + 1) * DAY) == plain.largest_in(day * DAY, (day + 1) * DAY)
    assert [rested.record(place, days) for place in range(3)] == [plain.record(place, days) for place in range(3)]


def test_a_series_at_rest_takes_a_quarter_of_the_memory() -> None:
    series, _ = added(2, 1)
    draw = random.Random(1)
    for bucket in range(40 * DAY):
        cost = draw.randint(10**9, 10**11)
        series.add(bucket, bucket // DAY, cost, 1, cost, float(cost) * cost)
    awake = len(pickle.dumps(series))
    series.rest(39 * DAY)
    assert 2.5 * len(pickle.dumps(series)) < awake
    assert series.spent(0, 1) > 0
    assert len(pickle.dumps(series)) > awake  # beside what is packed
    series.rest(39 * DAY)
    assert 2.5 * len(pickle.dumps(series)) < awake


def test_more_money_than_eight_bytes_hold_is_added_exactly() -> None:
    series = Series("total", None)
    for bucket, cost in enumerate((9 * 10**18, 9 * 10**18, 10**30, 5)):
        series.add(bucket, 0, cost, 1, cost, float(cost) ** 2)
    assert series.spent(0, 4) == 18 * 10**18 + 10**30 + 5
    assert series.largest_in(0, 4) == 10**30
    series.cut(2)
    assert series.spent(0, 4) == 18 * 10**18


def test_dear_requests_after_a_rest_are_added_exactly_too() -> None:
    series = Series("total", None)
    for bucket in range(100):
        series.add(bucket, 0, 5, 1, 5, 25.0)
    series.rest(90)
    series.add(100, 0, 10**30, 1, 10**30, 1e60)
    assert series.spent(0, 101) == 500 + 10**30
    assert series.largest_in(90, 101) == 10**30
    series.rest(101)
    assert series.spent(0, 101) == 500 + 10**30


def test_a_stretch_rose_where_most_beyond_the_usual_was_spent_after() -> None:
    series = Series("token", "k")
    for bucket, cost in ((2, 10), (5, 30), (8, 100), (9, 120), (11, 90)):
        series.add(bucket, 0, cost, 1, cost, float(cost * cost))
    assert series.risen_from(0, 12, 240.0) == 8  # 20 each
    assert series.risen_from(0, 12, 0.0) == 2
    assert series.risen_from(0, 11, 2200.0) == 9
    assert series.risen_from(3, 5, 1.0) == 3  # nothing there
    for bucket in range(12, 20_000):
        series.add(bucket, 0, 1, 1, 1, 1.0)
    series.rest(19_000)
    assert series.risen_from(0, 12, 240.0) == 8
    assert series.risen_from(19_000, 19_100, 100.0) == 19_000
