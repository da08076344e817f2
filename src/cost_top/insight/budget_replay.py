"""When budgets would have said something over a stretch of history, looked at every few minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cost_top.insight.budget_alarms import Alarm, Memory, alarms_of_all
from cost_top.insight.budgets import period_of, spent_of
from cost_top.model.budgets import Budget, Standing
from cost_top.model.query import Report, ReportQuery

Spent = tuple[datetime, int]  # the minute a cost fell in, pico-dollars


def replay_query(budget: Budget, start: datetime, end: datetime) -> ReportQuery:
    """What `replay_alarms` needs: the cost of each minute from the beginning of the first period on."""
    group_by = ("minute",) if budget.each is None else ("minute", budget.each)
    begin = period_of(budget, start)[0]
    return ReportQuery(begin, end, group_by, budget.where, UTC, "minute", False)


def replay_alarms(budget: Budget, report: Report, start: datetime, end: datetime, step: timedelta) -> Iterator[Alarm]:
    """The alarms of a budget in order, as of the looks at `start`, `start + step`, … up to `end`.

    A look sees what was spent in whole minutes before it.
    """
    courses: dict[str | None, list[Spent]] = {}
    for row in report.rows:
        minute = datetime.fromisoformat(row.key[0] or "").astimezone(UTC)
        value = None if budget.each is None else row.key[1]
        courses.setdefault(value, []).append((minute, spent_of(budget, row.measures) or 0))
    found = [
        alarm
        for value, course in courses.items()
        for alarm in _of_course(budget, value, sorted(course), _looks(budget, course, start, end, step))
    ]
    yield from sorted(found, key=lambda alarm: (alarm.at, alarm.standing.value or ""))


def _of_course(
    budget: Budget, value: str | None, course: Sequence[Spent], looks: Sequence[datetime]
) -> Iterator[Alarm]:
    if not looks:
        return
    memory: Memory = {}
    window: deque[Spent] = deque()
    spent, period = 0, period_of(budget, looks[0])
    coming = deque(course)
    for look in looks:
        if period[1] is not None and look >= period[1]:
            period = period_of(budget, look)
            window.clear()
            spent = 0
        begin = period[0] if period[1] is not None else look - budget.period.span
        while coming and coming[0][0] < look:
            minute, cost = coming.popleft()
            if minute >= begin:
                window.append((minute, cost))
                spent += cost
        while window and window[0][0] < begin:
            spent -= window.popleft()[1]
        standing = Standing(budget, begin, period[1], look, spent, value=value)
        yield from alarms_of_all([standing], memory, look)


def _looks(budget: Budget, course: Iterable[Spent], start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The looks that may find something new: those after a minute that cost something, or that falls out again."""
    after = {timedelta(minutes=1)}
    if budget.period.kind == "rolling":
        after.add(budget.period.span + timedelta(minutes=1))
    behind = {max(minute + later - start, timedelta(0)) for minute, _ in course for later in after}
    return sorted({look for one in behind if (look := start + -(-one // step) * step) <= end})
