"""Sums put together from parts equal the whole, whatever comes in between."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

from cost_top.cli.options import resolve
from cost_top.guard.guard import Guard
from cost_top.guard.keeper import Keeper, percentile
from cost_top.guard.question import Question
from cost_top.guard.spending import Spending
from cost_top.insight.budgets import spend_query
from cost_top.model.answers import Health
from cost_top.model.budgets import Budget, parse_period
from cost_top.model.snapshot import Live

USD = 10**12
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
BUDGET = Budget("u", 100 * USD, parse_period("month"), each="user", mode="hard")


def fill(log, count: int = 200) -> None:
    for number in range(count):
        at = NOW - timedelta(minutes=7 * number + 1)
        log.add(time_ms=int(at.timestamp() * 1000), model="m", user_id=f"u{number % 5}" if number % 7 else None,
                endpoint="/a", cost_pico_usd=number * 10**9 if number % 11 else None, status=200)  # fmt: skip


def test_the_parts_add_up_to_the_whole(sqlite_log):
    log = sqlite_log()
    fill(log)
    answers = resolve(str(log.path), None, None, "UTC", True, None).open_answers()
    spending = Spending(answers)
    for budget in (BUDGET, Budget("all", 1, parse_period("day")), Budget("r", 1, parse_period("rolling 2d"))):
        whole = answers.report(spend_query(budget, NOW))
        parts = spending.report(budget, NOW, 0.0)
        told = [(row.key, row.measures.total_cost, row.measures.unpriced_count) for row in parts.rows]
        assert sorted(told, key=str) == sorted(
            ((row.key, row.measures.total_cost, row.measures.unpriced_count) for row in whole.rows), key=str
        )
        assert (parts.totals.total_cost, parts.totals.unpriced_count, parts.columns) == (
            whole.totals.total_cost, whole.totals.unpriced_count, whole.columns,
        )  # fmt: skip
        costs = [row.measures.total_cost for row in parts.rows]
        assert costs == sorted(costs, reverse=True)


def test_a_row_of_the_last_hour_counts_at_once_and_one_that_comes_late_within_a_minute(sqlite_log):
    log = sqlite_log()
    fill(log)
    answers = resolve(str(log.path), None, None, "UTC", True, None).open_answers()
    spending = Spending(answers)

    def spent(clock: float) -> int:
        return spending.report(BUDGET, NOW, clock).totals.total_cost

    before = spent(0.0)
    log.add(time_ms=int((NOW - timedelta(minutes=2)).timestamp() * 1000), cost_pico_usd=USD, user_id="u1")
    assert spent(1.0) == before + USD
    log.add(time_ms=int((NOW - timedelta(hours=9)).timestamp() * 1000), cost_pico_usd=USD, user_id="u1")
    assert spent(2.0) == before + USD
    assert spent(61.0) == before + 2 * USD


class WatchedAnswers:
    """A log's answers with the health of a hub that has just polled."""

    interval = repeat_seconds = 0.0

    def __init__(self, answers) -> None:
        self.report, self.requests = answers.report, answers.requests

    def health(self) -> Health:
        return Health(True, Live(NOW), NOW, None)


def test_one_round_publishes_what_was_spent_and_ends_reservations_by_their_rows(sqlite_log):
    log = sqlite_log()
    fill(log)
    answers = resolve(str(log.path), None, None, "UTC", True, None).open_answers()
    clock = [100.0]
    guard = Guard((BUDGET,), clock=lambda: clock[0], now=lambda: NOW)
    keeper = Keeper(WatchedAnswers(answers), guard, now=lambda: NOW, clock=lambda: clock[0])
    keeper.refresh()
    question = Question({"user": "u1", "endpoint": "/a", "model": "m"}, estimated_cost=USD)
    verdict = guard.ask(question)
    sums = "SELECT sum(cost_pico_usd) FROM cost_top_requests WHERE user_id = 'u1' AND time_ms >= ?"
    start = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
    with sqlite3.connect(log.path) as connection:
        assert verdict.budgets[0].spent == connection.execute(sums, (start,)).fetchone()[0]
    assert verdict.certain
    assert guard.totals()[0] == USD
    keeper.refresh()
    assert guard.totals()[0] == USD
    at = int(NOW.timestamp() * 1000)
    log.add(time_ms=at + 5000, user_id="u1", endpoint="/a", model="m", cost_pico_usd=USD)
    keeper.refresh()
    assert guard.totals()[0] == USD  # stamped in the future: neither counted nor ended
    log.add(time_ms=at - 1000, user_id="u1", endpoint="/a", model="m", cost_pico_usd=USD)
    keeper.refresh()
    assert guard.totals()[0] == 0
    assert guard.ask(question).budgets[0].spent == verdict.budgets[0].spent + USD


def test_what_such_calls_cost_is_learnt_when_it_is_asked_for(sqlite_log):
    log = sqlite_log()
    fill(log)
    answers = resolve(str(log.path), None, None, "UTC", True, None).open_answers()
    guard = Guard((BUDGET,), clock=lambda: 0.0, now=lambda: NOW)
    keeper = Keeper(WatchedAnswers(answers), guard, now=lambda: NOW, clock=lambda: 0.0)
    keeper.refresh()
    guard.ask(Question({"user": "u1", "endpoint": "/a", "model": "m"}))
    assert guard.totals()[0] == 0
    keeper.refresh()
    guard.ask(Question({"user": "u1", "endpoint": "/a", "model": "m"}))
    costs = sorted(number * 10**9 for number in range(200) if number % 11)
    assert guard.totals()[0] == percentile(costs, 90)
