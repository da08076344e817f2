"""Budgets at simulated time, against a walk over every row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from cost_top.insight.budget_alarms import alarms_of_all
from cost_top.insight.budget_replay import replay_alarms, replay_query
from cost_top.insight.budgets import period_of
from cost_top.model.budgets import Budget, Standing, parse_period
from cost_top.model.query import Measures, Report, ReportRow

START = datetime(2026, 10, 24, tzinfo=UTC)
STEP = timedelta(minutes=5)
USD = 10**12


def report(costs: list[tuple[int, int]]) -> Report:
    sums: dict[datetime, int] = {}
    for minute, cost in costs:
        at = START + timedelta(minutes=minute)
        sums[at] = sums.get(at, 0) + cost * USD
    rows = tuple(ReportRow((at.isoformat(),), Measures(total_cost=cost)) for at, cost in sums.items())
    return Report(("minute",), rows, Measures(), len(rows), START)


def walked(budget: Budget, costs: list[tuple[int, int]], end: datetime) -> list[tuple[int | None, datetime]]:
    """Every look, every row."""
    memory, found, look = {}, [], START
    while look <= end:
        start, until = period_of(budget, look)
        spent = sum(cost for minute, cost in costs
                    if start <= START + timedelta(minutes=minute) < look)  # fmt: skip
        alarms = alarms_of_all([Standing(budget, start, until, look, spent * USD)], memory, look)
        found += [(alarm.threshold, alarm.at) for alarm in alarms]
        look += STEP
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-300, 2 * 1440), st.integers(0, 30)), max_size=40),
    st.sampled_from(["hour", "day", "week"]),
)
def test_alarms_are_those_of_a_walk_over_every_look_and_row(costs, period):
    budget = Budget("b", 100 * USD, parse_period(period), ZoneInfo("Europe/Berlin"), at=(50, 80, 100))
    begin = period_of(budget, START)[0]
    costs = [one for one in costs if START + timedelta(minutes=one[0]) >= begin]
    end = START + timedelta(days=2)
    found = [(alarm.threshold, alarm.at) for alarm in replay_alarms(budget, report(costs), START, end, STEP)]
    assert found == walked(budget, costs, end)
    assert replay_query(budget, START, end).start == begin


def test_a_rolling_budget_lets_go_of_what_is_behind_it():
    budget = Budget("b", 100 * USD, parse_period("rolling 2h"), at=(100,))
    costs = [(10, 60), (60, 60), (400, 90), (410, 5), (415, 5)]
    end = START + timedelta(days=1)
    found = [alarm.at for alarm in replay_alarms(budget, report(costs), START, end, STEP)]
    assert found == [START + timedelta(minutes=65), START + timedelta(minutes=420)]


def test_each_value_is_its_own():
    budget = Budget("b", 10 * USD, parse_period("day"), each="user", at=(100,))
    at = START + timedelta(minutes=7)
    rows = tuple(ReportRow((at.isoformat(), user), Measures(total_cost=10 * USD)) for user in ("b", "a"))
    found = list(
        replay_alarms(budget, Report(("minute", "user"), rows, Measures(), 2, START), START, START + 9 * STEP, STEP)
    )
    assert [(alarm.standing.value, alarm.at) for alarm in found] == [("a", START + 2 * STEP), ("b", START + 2 * STEP)]
