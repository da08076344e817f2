"""When a balance is used up: at the usual pace of the log, and at that of the last hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cost_top.insight.runway import RunsOut, runs_out
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow

USD = 10**12
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def answers(days: int, lately: int) -> Any:
    """A log of a dollar an hour for so many days; of its last hour something else."""

    def report(query: ReportQuery) -> Report:
        if not query.group_by:
            return Report((), (), Measures(total_cost=lately), 0, NOW)
        step = timedelta(hours=1) if query.group_by == ("hour",) else timedelta(days=1)
        first = max(query.start, NOW.replace(hour=0) - timedelta(days=days))
        times = [first + step * number for number in range((NOW - first) // step)]
        text = "%Y-%m-%d" if query.group_by == ("day",) else "%Y-%m-%dT%H:%M:%S+00:00"
        rows = tuple(ReportRow((f"{time:{text}}",), Measures(total_cost=USD)) for time in times)
        return Report(query.group_by, rows, Measures(), len(rows), NOW)

    return SimpleNamespace(report=report)


@pytest.mark.parametrize(("balance", "lately", "told"), [
    (48 * USD, 4 * USD, RunsOut(NOW + timedelta(hours=48), NOW + timedelta(hours=12))),
    (48 * USD, 0, RunsOut(NOW + timedelta(hours=48), None)),
    (48 * USD, USD // 1000, RunsOut(NOW + timedelta(hours=48), None)),  # later than a year is no date
    (0, USD, RunsOut()),
    (-USD, USD, RunsOut()),
    (None, USD, RunsOut()),
])  # fmt: skip
def test_a_balance_lasts_to_two_dates(balance: int | None, lately: int, told: RunsOut) -> None:
    assert runs_out(balance, answers(40, lately), NOW, UTC) == told


def test_of_a_log_of_few_days_the_usual_pace_is_not_known() -> None:
    assert runs_out(6 * USD, answers(2, 2 * USD), NOW, UTC) == RunsOut(None, NOW + timedelta(hours=3))
