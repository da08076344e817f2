"""What a month will come to, and how wide the band must be to be honest."""

from __future__ import annotations

import random
from datetime import date, timedelta

from tests.benchmarks.forecast import back_test

from cost_top.insight.forecast import Forecast, band, forecast, without_days

DOLLAR = 10**12
TODAY = date(2026, 11, 16)
END = date(2026, 12, 1)


def even(days: int, cost: int = 10) -> list[int]:
    return [cost * DOLLAR] * days


def test_an_even_spend_goes_on() -> None:
    found = forecast(even(90), TODAY, END, spent=150 * DOLLAR)
    assert found == Forecast(300 * DOLLAR, 300 * DOLLAR, 300 * DOLLAR)


def test_what_of_today_is_over_is_not_expected_again() -> None:
    found = forecast(even(90), TODAY, END, spent=155 * DOLLAR, left_of_today=0.5)
    assert found is not None
    assert found.total == 300 * DOLLAR


def test_weekends_count_as_weekends() -> None:
    days = [TODAY - timedelta(days=back) for back in range(1, 91)]
    costs = [(2 if day.weekday() >= 5 else 10) * DOLLAR for day in days]
    found = forecast(costs, TODAY, END, spent=0)
    assert found is not None
    left = [TODAY + timedelta(days=ahead) for ahead in range(15)]
    assert found.total == sum((2 if day.weekday() >= 5 else 10) * DOLLAR for day in left)


def test_the_last_day_has_only_what_is_left_of_it() -> None:
    found = forecast(even(90), date(2026, 11, 30), END, spent=295 * DOLLAR, left_of_today=0.25)
    assert found is not None
    assert found.total == round(297.5 * DOLLAR)


def test_fewer_than_three_days_tell_nothing_and_a_week_tells_no_band() -> None:
    assert forecast(even(2), TODAY, END, 0) is None
    assert forecast(even(7), TODAY, END, 0) == Forecast(150 * DOLLAR)
    assert forecast(even(7), TODAY, END, 0) is not None


def test_where_more_is_taken_back_than_spent_nothing_is_foretold() -> None:
    assert forecast(even(90, -1), TODAY, END, spent=-20 * DOLLAR) is None


def test_an_unsteady_spend_has_a_wider_band() -> None:
    draw = random.Random(1)
    calm = [round(10 * DOLLAR * draw.lognormvariate(0, 0.05)) for _ in range(90)]
    wild = [round(10 * DOLLAR * draw.lognormvariate(0, 0.5)) for _ in range(90)]
    narrow, wide = band(tuple(calm), TODAY, 10), band(tuple(wild), TODAY, 10)
    assert narrow is not None
    assert wide is not None
    assert 0 < narrow < wide


def test_a_day_with_an_incident_can_be_left_out() -> None:
    costs = even(90)
    yesterday = TODAY - timedelta(days=1)
    costs[0] = 500 * DOLLAR
    with_it, without = forecast(costs, TODAY, END, 0), forecast(costs, TODAY, END, 0, leave_out={yesterday})
    assert with_it is not None
    assert without is not None
    assert without.total == 150 * DOLLAR < with_it.total
    assert without_days(costs, TODAY, {yesterday}) == even(90)


def test_it_is_said_in_whole_dollars_when_large_and_in_cents_when_small() -> None:
    assert (
        Forecast(2_110_400 * 10**9, 1790 * DOLLAR, 2490 * DOLLAR).text() == "≈ $2,110, 4 of 5 times within 1,790–2,490"
    )
    assert Forecast(10 * DOLLAR, 9 * DOLLAR, 12 * DOLLAR).text() == "≈ $10.00, 4 of 5 times within 9.00–12.00"


def test_over_96_months_the_band_covers_four_of_five_and_the_error_is_below_the_usual_ways() -> None:
    means, coverage, months = back_test()
    assert months == 96
    covered = sum(share for share, _ in coverage.values()) / len(coverage)
    assert 0.74 <= covered <= 0.90
    assert all(0.70 <= share <= 0.95 for share, _ in coverage.values())
    own = means["weekday medians × level"]
    assert all(own[at] <= means["to date + last 7 days"][at] + 0.005 for at in own)
    assert own[1] < means["run-rate"][1] / 2
