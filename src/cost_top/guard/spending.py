"""What budgets have cost, asked often: the long part of a period once a minute, its last hours each time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cost_top.insight.budgets import period_of, spend_query
from cost_top.model.answers import Answers
from cost_top.model.budgets import Budget
from cost_top.model.query import Measures, Report, ReportRow, add_measures, order_rows

# A row that comes or changes later than this is counted within a minute, others at once.
_OPEN = timedelta(hours=1)
_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Closed:
    start: datetime
    cut: datetime
    asked: float  # monotonic seconds
    report: Report


class Spending:
    """Answers for budgets; used by one thread."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._closed: dict[str, _Closed] = {}

    def report(self, budget: Budget, now: datetime, clock: float) -> Report:
        """The answer to `spend_query(budget, now)`."""
        start, end = period_of(budget, now)
        cut = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _OPEN
        if end is None or cut <= start:
            return self._answers.report(spend_query(budget, now))
        closed = self._closed.get(budget.id)
        if closed is None or closed.start != start or closed.cut != cut or clock - closed.asked > _AGAIN_SECONDS:
            query = replace(spend_query(budget, now), end=cut)
            closed = self._closed[budget.id] = _Closed(start, cut, clock, self._answers.report(query))
        return joined(closed.report, self._answers.report(spend_query(budget, now, cut)))


def joined(first: Report, second: Report) -> Report:
    """The report over both periods, which do not overlap; dearest rows first."""
    sums: dict[tuple[str | None, ...], Measures] = {}
    for row in (*first.rows, *second.rows):
        known = sums.get(row.key)
        sums[row.key] = row.measures if known is None else add_measures(known, row.measures)
    rows = order_rows(_rows(sums.items()), first.columns, "total_cost", True)
    totals = add_measures(first.totals, second.totals)
    return Report(first.columns, rows, totals, len(rows), second.as_of, second.notes)


def _rows(sums: Iterable[tuple[tuple[str | None, ...], Measures]]) -> Iterable[ReportRow]:
    return (ReportRow(key, measures) for key, measures in sums)
