"""Periods, standings, paces and alarms of budgets, against plain arithmetic."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.insight.budget_alarms import Said, alarms_of, alarms_of_all
from cost_top.insight.budgets import Recent, burning, period_of, spend_query, standings_of, with_pace
from cost_top.insight.pace import Pace, pace_of
from cost_top.model.budget_line import budget_line
from cost_top.model.budgets import Budget, Standing, parse_period
from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.query import Measures, Report, ReportRow

USD = 10**12
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def budget(**given) -> Budget:
    period = parse_period(given.pop("period", "month"), given.pop("day_of_month", 1))
    return Budget(**{"name": "acme-month", "limit": 200 * USD, "zone": BERLIN, **given}, period=period)


def standing(spent: int, of: Budget | None = None, now: datetime = NOW, **more) -> Standing:
    of = of or budget()
    start, end = period_of(of, now)
    return Standing(of, start, end, now, spent, **more)


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("hour", "2026-11-20T12:34:56+00:00", "2026-11-20T12:00:00+00:00", "2026-11-20T13:00:00+00:00"),
        ("day", "2026-10-25T12:00:00+00:00", "2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00"),  # 25 hours
        ("day", "2026-03-29T12:00:00+00:00", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),  # 23 hours
        ("week", "2026-11-22T23:30:00+00:00", "2026-11-22T23:00:00+00:00", "2026-11-29T23:00:00+00:00"),
        ("month", "2026-10-31T23:30:00+00:00", "2026-10-31T23:00:00+00:00", "2026-11-30T23:00:00+00:00"),
        ("month", "2026-12-31T22:59:59+00:00", "2026-11-30T23:00:00+00:00", "2026-12-31T23:00:00+00:00"),
    ],
)
def test_a_period_is_cut_in_its_zone_through_both_clock_changes(period, now, start, end):
    found = period_of(budget(period=period), datetime.fromisoformat(now))
    assert found == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.integers(1, 28),
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Auckland", "UTC"]),
)
def test_periods_follow_each_other_without_gap_or_overlap(now, period, day, zone):
    one = budget(period=period, day_of_month=day if period == "month" else 1, zone=ZoneInfo(zone))
    now = now.replace(tzinfo=UTC)
    start, end = period_of(one, now)
    assert end is not None
    assert start <= now < end
    assert period_of(one, start) == (start, end)
    assert period_of(one, end)[0] == end
    assert period_of(one, start - timedelta(microseconds=1))[1] == start
    if period == "month":
        assert start.astimezone(one.zone).day == day


def test_a_rolling_period_is_the_span_before_now():
    assert period_of(budget(period="rolling 30d"), NOW) == (NOW - timedelta(days=30), None)


@pytest.mark.parametrize("text", ["fortnight", "rolling", "rolling 0d", "rolling 401d", "Month", "rolling -1d", ""])
def test_an_impossible_period_is_refused(text):
    with pytest.raises(UserError, match="is no period"):
        parse_period(text)


def test_another_filter_period_zone_or_dimension_is_another_budget_and_another_limit_is_not():
    ids = {
        budget().id,
        budget(where=parse_filter("tag:a")).id,
        budget(period="week").id,
        budget(zone=UTC).id,
        budget(each="user").id,
        budget(day_of_month=2).id,
    }
    assert len(ids) == 6
    assert budget(limit=1, at=(5,), mode="hard").id == budget().id


def test_each_value_stands_for_itself_and_rows_without_one_are_one_more():
    one = budget(each="user")
    rows = (
        ReportRow(("ann",), Measures(total_cost=5 * USD, market_cost=7 * USD)),
        ReportRow((None,), Measures(total_cost=USD, unpriced_count=2)),
    )
    report = Report(("user",), rows, Measures(), 2, NOW)
    assert spend_query(one, NOW).group_by == ("user",)
    ann, nobody = standings_of(one, NOW, report)
    assert (ann.value, ann.spent, ann.left, ann.title) == ("ann", 5 * USD, 195 * USD, "acme-month · ann")
    assert (nobody.value, nobody.title, nobody.unpriced_count) == (None, "acme-month · (no user)", 2)
    market = standings_of(budget(each="user", cost="market"), NOW, report)
    assert market[0].spent == 7 * USD


def test_a_source_without_list_prices_leaves_a_market_budget_unknown():
    report = Report((), (), Measures(market_cost=None), 0, NOW)
    (one,) = standings_of(budget(cost="market"), NOW, report)
    assert one.spent is None
    assert budget_line(one, NOW) == "acme-month  not known: the source tells no list prices"
    assert alarms_of_all([one], {}, NOW) == ()


def test_the_line_says_what_is_used_left_when_it_resets_and_when_it_will_be_used_up():
    used_up = datetime(2026, 11, 20, 13, tzinfo=UTC)
    one = standing(170 * USD, used_up_at=used_up)
    assert budget_line(one, NOW) == (
        "acme-month  $170.00 of $200.00 used (85 %), $30.00 left, resets Tue 1 Dec 00:00 CET; "
        "at the usual pace used up Fri 14:00"
    )
    unpriced = standing(170 * USD, unpriced_count=12)
    assert "≥ 85 % used, 12 requests unpriced" in budget_line(unpriced, NOW)
    assert "≤ $30.00 left" in budget_line(unpriced, NOW)
    assert "(≥ 0 % used, 12 requests unpriced)" in budget_line(replace(unpriced, spent=USD // 1000), NOW)
    assert "$20.00 over" in budget_line(standing(220 * USD), NOW)
    assert "rolling 7d, now" in budget_line(standing(USD, budget(period="rolling 7d")), NOW)


def test_hostile_values_stay_on_one_line():
    one = standing(USD, budget(each="user"), value="a\x1b[31m\n" + "x" * 400)
    line = budget_line(one, NOW)
    assert line.isprintable()
    assert len(line) < 400


# Pace


def hourly(days: int, per_hour=lambda local: USD) -> dict[datetime, int]:
    start = (NOW - timedelta(days=days)).replace(hour=0)
    hours = (start + timedelta(hours=hour) for hour in range(24 * days + NOW.hour))
    return {hour: per_hour(hour) for hour in hours}


def test_an_even_pace_goes_on_evenly():
    pace = pace_of(hourly(40), NOW - timedelta(days=40), NOW, UTC)
    assert pace is not None
    assert pace.between(NOW, NOW + timedelta(hours=10)) == 10 * USD
    assert pace.between(NOW, NOW + timedelta(minutes=30)) == USD // 2
    assert pace.reaches(5 * USD // 2, NOW, NOW + timedelta(days=1)) == NOW + timedelta(hours=2, minutes=30)
    assert pace.reaches(25 * USD, NOW, NOW + timedelta(days=1)) is None


def test_a_free_weekend_is_expected_to_be_free():
    pace = pace_of(hourly(40, lambda at: 0 if at.weekday() >= 5 else USD), NOW - timedelta(days=40), NOW, UTC)
    saturday = datetime(2026, 11, 21, tzinfo=UTC)
    assert pace is not None
    assert pace.between(saturday, saturday + timedelta(days=2)) == 0
    assert pace.reaches(13 * USD, NOW, NOW + timedelta(days=7)) == datetime(2026, 11, 23, 1, tzinfo=UTC)


def test_two_days_of_history_tell_no_pace_and_three_do():
    assert pace_of(hourly(2), NOW - timedelta(days=2, hours=12), NOW, UTC) is None
    assert pace_of(hourly(4), NOW - timedelta(days=4, hours=12), NOW, UTC) is not None


def test_a_log_that_is_empty_is_no_history():
    assert pace_of({}, None, NOW, UTC) is None


def test_the_forecast_is_what_was_spent_and_the_pace_until_the_reset():
    one = budget(period="day", zone=UTC, limit=30 * USD)
    told = with_pace(standing(12 * USD, one), Pace((USD,) * 168, UTC), 6 * USD, NOW)
    assert told.forecast == 24 * USD
    assert told.used_up_at is None
    assert told.used_up_now_at == NOW + timedelta(hours=3)
    rolling = with_pace(standing(USD, budget(period="rolling 7d")), Pace((USD,) * 168, UTC), USD, NOW)
    assert (rolling.forecast, rolling.used_up_at, rolling.used_up_now_at) == (None, None, None)
    # An hour of next to nothing would leave it unused beyond the last date there is.
    assert with_pace(standing(0, budget(limit=60_000 * USD)), None, 1, NOW).used_up_now_at is None


# Burning

HOUR, FIVE, SIX, HALF = (timedelta(minutes=minutes) for minutes in (60, 5, 360, 30))


def recent(hour: int, five: int, six: int = 0, half: int = 0, session: int = 0) -> Recent:
    return Recent({HOUR: hour, FIVE: five, SIX: six, HALF: half}, session)


def test_a_month_burns_when_both_windows_of_a_pair_are_fast_and_by_more_than_a_session():
    one = standing(10 * USD, budget(limit=720 * USD, burn=True))  # an even pace is $1 an hour
    assert "more than 14.4 times" in burning(one, recent(15 * USD, 2 * USD), NOW)
    assert burning(one, recent(15 * USD, USD), NOW) == ""  # over by now
    assert burning(one, recent(14 * USD, 2 * USD), NOW) == ""
    assert "more than 6 times" in burning(one, recent(7 * USD, 0, 37 * USD, 4 * USD), NOW)
    assert burning(one, recent(15 * USD, 2 * USD, session=15 * USD), NOW) == ""
    assert burning(standing(10 * USD, budget(limit=720 * USD)), recent(99 * USD, 99 * USD), NOW) == ""


def test_a_day_burns_when_the_last_hours_pace_uses_it_up_before_four_fifths_of_it():
    one = budget(period="day", zone=UTC, limit=30 * USD, burn=True)
    assert burning(standing(12 * USD, one), recent(3 * USD, 0), NOW).endswith("used up 18:00")
    assert burning(standing(12 * USD, one), recent(2 * USD, 0), NOW) == ""  # at 21:00
    assert burning(standing(31 * USD, one), recent(9 * USD, 0), NOW) == ""


# Alarms


def said(spent: int, before: Said | None = None, of: Budget | None = None, **more):
    alarms, after = alarms_of(standing(spent * USD, of or budget(at=(50, 80, 100)), **more), before, NOW)
    return [(alarm.kind, alarm.threshold) for alarm in alarms], after


def test_each_threshold_is_said_once_and_the_highest_of_several():
    first, memory = said(90)
    assert first == []
    half, memory = said(100, memory)
    assert half == [("threshold", 50)]
    again, memory = said(120, memory)
    assert again == []
    both, memory = said(250, memory)
    assert both == [("threshold", 100)]
    assert said(300, memory)[0] == []


def test_figures_that_fall_and_rise_again_say_nothing_anew():
    _, memory = said(170)
    _, memory = said(90, memory)
    assert said(170, memory)[0] == []


def test_a_raised_limit_lets_what_is_no_longer_reached_be_said_again():
    _, memory = said(170)  # 85 % of 200
    wide = budget(at=(50, 80, 100), limit=300 * USD)
    nothing, memory = said(170, memory, wide)
    assert nothing == []
    assert said(250, memory, wide)[0] == [("threshold", 80)]


def test_a_limit_lowered_below_what_is_spent_is_said_at_once():
    _, memory = said(120)
    assert said(120, memory, budget(at=(50, 80, 100), limit=100 * USD))[0] == [("threshold", 100)]


def test_a_hard_budget_that_is_used_up_is_exhausted_also_without_that_threshold():
    assert said(200, of=budget(mode="hard", at=(50,)))[0] == [("exhausted", 100)]


def test_a_forecast_is_said_once_and_not_after_the_fact():
    one = budget(forecast_at=(100,), at=())
    first, memory = said(10, of=one, forecast=201 * USD)
    assert first == [("forecast", 100)]
    assert said(10, memory, one, forecast=300 * USD)[0] == []
    assert said(201, of=one, forecast=300 * USD)[0] == []


def test_a_new_period_begins_anew_and_a_closed_one_is_not_looked_at_again():
    memory = {}
    assert [alarm.threshold for alarm in alarms_of_all([standing(210 * USD)], memory, NOW)] == [100]
    assert alarms_of_all([standing(210 * USD)], memory, NOW) == ()
    december = datetime(2026, 12, 10, tzinfo=UTC)
    assert len(alarms_of_all([standing(210 * USD, now=december)], memory, december)) == 1


def test_a_rolling_budget_is_said_again_only_after_it_has_fallen_clearly():
    one, memory = budget(period="rolling 7d", at=(100,)), {}
    counts = [
        len(alarms_of_all([standing(spent * USD, one, now := NOW + timedelta(hours=hour))], memory, now))
        for hour, spent in enumerate((201, 195, 201, 170, 201))
    ]
    assert counts == [1, 0, 0, 0, 1]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30))
def test_however_spend_moves_no_threshold_is_said_twice(course):
    memory, seen = None, []
    for spent in course:
        kinds, memory = said(spent, memory)
        seen += kinds
    assert len(seen) == len(set(seen))
    assert [threshold for _, threshold in seen] == sorted(threshold for _, threshold in seen)
