"""Budgets asked of a source: what is spent, the usual pace, the last hours. What changes slowly is kept for a while."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cost_top.insight.budgets import (
    Recent,
    burn_windows,
    burning,
    period_of,
    spend_query,
    spent_of,
    standings_of,
    unanswered,
    with_pace,
)
from cost_top.insight.pace import Pace, history_start, pace_of
from cost_top.model.answers import Answers
from cost_top.model.budgets import Budget, Standing
from cost_top.model.errors import CannotAnswer
from cost_top.model.query import Report, ReportQuery
from cost_top.model.windows import Period

_HOUR = timedelta(hours=1)
_KEPT = timedelta(minutes=30)
# Of a budget for each value, the pace is asked for when there are no more values than this.
_MOST_PACES = 200
_PARTS = 7
_SESSION_DAYS = timedelta(days=7)
Value = str | None


@dataclass(slots=True)
class Asked:
    """What was asked and still holds: paces and what sessions cost, by budget."""

    paces: dict[str, tuple[datetime, dict[Value, Pace]]] = field(default_factory=dict)
    sessions: dict[str, tuple[datetime, int]] = field(default_factory=dict)


def ask(answers: Answers, budgets: Iterable[Budget], now: datetime, asked: Asked) -> tuple[Standing, ...]:
    """How the budgets stand at `now`, in their order. Raises `SourceError` when the source does not answer."""
    found: list[Standing] = []
    for budget in budgets:
        try:
            standings = standings_of(budget, now, answers.report(spend_query(budget, now)))
        except CannotAnswer as error:
            found.append(unanswered(budget, now, str(error)))
            continue
        found += _foreseen(answers, budget, standings, now, asked)
    return tuple(found)


def ask_once(answers: Answers, budgets: tuple[Budget, ...], now: datetime) -> tuple[Standing, ...]:
    """As `ask`, of a source that nobody watches: a log is read once for all budgets."""
    from cost_top.monitor.log.answers import LogAnswers

    if not isinstance(answers, LogAnswers):
        return ask(answers, budgets, now, Asked())
    starts = [min(period_of(budget, now)[0], _history_from(budget, now)) for budget in budgets]
    with answers.held(Period(min(starts), now)):
        return ask(answers, budgets, now, Asked())


def _history_from(budget: Budget, now: datetime) -> datetime:
    return history_start(now, budget.zone) - timedelta(days=1)


def _foreseen(
    answers: Answers, budget: Budget, standings: tuple[Standing, ...], now: datetime, asked: Asked
) -> list[Standing]:
    """The standings with their pace and whether they burn; where the source cannot tell, without."""
    if len(standings) > _MOST_PACES:
        return list(standings)
    if budget.period.kind == "rolling":
        return _falling_out(answers, budget, standings, now)
    try:
        paces = _paces(answers, budget, now, asked)
        lately = {window: _spent(answers, budget, now - window, now) for window in {*burn_windows(budget), _HOUR}}
        session = _session(answers, budget, now, asked) if burn_windows(budget) else 0
    except CannotAnswer:
        return list(standings)
    found = []
    for standing in standings:
        value = standing.value
        told = with_pace(standing, paces.get(value), lately[_HOUR].get(value, 0), now)
        recent = Recent({window: spent.get(value, 0) for window, spent in lately.items()}, session)
        found.append(replace(told, burning=burning(told, recent, now)))
    return found


def _falling_out(
    answers: Answers, budget: Budget, standings: tuple[Standing, ...], now: datetime
) -> list[Standing]:  # fmt: skip
    """The standings with what leaves their window within a day, or a part of a short window."""
    step = min(timedelta(days=1), budget.period.span / _PARTS)
    start = period_of(budget, now)[0]
    try:
        spent = _spent(answers, budget, start, start + step)
    except CannotAnswer:
        return list(standings)
    return [replace(one, falls_out=(spent.get(one.value, 0), now + step)) for one in standings]


def _spent(answers: Answers, budget: Budget, start: datetime, now: datetime) -> dict[Value, int]:
    """What was spent since then, by value."""
    report = answers.report(spend_query(budget, now, start))
    if budget.each is None:
        return {None: spent_of(budget, report.totals) or 0}
    return {row.key[0]: spent_of(budget, row.measures) or 0 for row in report.rows}


def _paces(answers: Answers, budget: Budget, now: datetime, asked: Asked) -> dict[Value, Pace]:
    kept = asked.paces.get(budget.id)
    if kept is not None and timedelta(0) <= now - kept[0] < _KEPT:
        return kept[1]
    start = history_start(now, budget.zone)
    group_by = ("hour",) if budget.each is None else ("hour", budget.each)
    report = answers.report(ReportQuery(start, now, group_by, budget.where, budget.zone, "hour", False))
    first = _first_hour(answers, now, budget)
    hourly: dict[Value, dict[datetime, int]] = {}
    for row in report.rows:
        value = None if budget.each is None else row.key[1]
        hour = datetime.fromisoformat(row.key[0] or "").astimezone(UTC)
        hourly.setdefault(value, {})[hour] = spent_of(budget, row.measures) or 0
    made = {value: pace_of(hours, first, now, budget.zone) for value, hours in hourly.items()}
    paces = {value: pace for value, pace in made.items() if pace is not None}
    asked.paces[budget.id] = (now, paces)
    return paces


def _first_hour(answers: Answers, now: datetime, budget: Budget) -> datetime | None:
    """The first hour of the log's history that a pace may be made of: before it there was no log, not no spend."""
    before = _history_from(budget, now)
    report: Report = answers.report(ReportQuery(before, now, ("day",), zone=budget.zone, sort="day", descending=False))
    if not report.rows or report.rows[0].key[0] is None:
        return None
    day = datetime.fromisoformat(report.rows[0].key[0]).replace(tzinfo=budget.zone)
    return day.astimezone(UTC)


def _session(answers: Answers, budget: Budget, now: datetime, asked: Asked) -> int:
    """The 95th percentile of what a key spends on one endpoint for one user within an hour of the clock."""
    kept = asked.sessions.get(budget.id)
    if kept is not None and timedelta(0) <= now - kept[0] < _KEPT:
        return kept[1]
    group_by = ("hour", "token", "endpoint", "user")
    report = answers.report(ReportQuery(now - _SESSION_DAYS, now, group_by, budget.where, budget.zone))
    costs = sorted(spent_of(budget, row.measures) or 0 for row in report.rows)
    session = costs[min(len(costs) - 1, len(costs) * 95 // 100)] if costs else 0
    asked.sessions[budget.id] = (now, session)
    return session
