"""How long a balance lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from cost_top.insight.pace import history_start, pace_of
from cost_top.model.query import ReportQuery

if TYPE_CHECKING:
    from cost_top.model.answers import Answers

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=365)


class RunsOut(NamedTuple):
    """When a balance is used up at the usual pace and at that of the last hour; None: not within a year, or unknown."""

    usual: datetime | None = None
    present: datetime | None = None


def runs_out(balance: int | None, answers: Answers, now: datetime, zone: tzinfo) -> RunsOut:
    """As the log's spend has it, by the weekday and hour of four weeks (`zone`). Raises as `Answers` does."""
    if balance is None or balance <= 0:
        return RunsOut()
    start = history_start(now, zone)
    days = answers.report(ReportQuery(start - _DAY, now, ("day",), zone=zone, sort="day", descending=False)).rows
    hours = answers.report(ReportQuery(start, now, ("hour",), zone=zone, sort="hour", descending=False)).rows
    first = datetime.fromisoformat(days[0].key[0]).replace(tzinfo=zone) if days and days[0].key[0] else None
    spent = {datetime.fromisoformat(row.key[0] or "").astimezone(UTC): row.measures.total_cost for row in hours}
    pace = pace_of(spent, first, now, zone)
    usual = pace.reaches(balance, now, now + _LONGEST) if pace is not None else None
    lasts = runway_at(balance, answers.report(ReportQuery(now - _HOUR, now, zone=zone)).totals.total_cost)
    return RunsOut(usual, now + lasts if lasts is not None and lasts <= _LONGEST else None)


def runway(balance: int | None, daily_costs: Sequence[int]) -> timedelta | None:
    """The balance over the mean cost of whole days; None when either is unknown or nothing is burnt.

    >>> runway(30, [5, 10, 15]), runway(30, []), runway(30, [0]), runway(-1, [1])
    (datetime.timedelta(days=3), None, None, datetime.timedelta(0))
    """
    if balance is None or not daily_costs or sum(daily_costs) <= 0:
        return None
    seconds = max(balance, 0) * len(daily_costs) * 86_400 // sum(daily_costs)
    return timedelta(seconds=min(seconds, 86_400 * 36_500))


def runway_at(balance: int | None, hourly: int | None) -> timedelta | None:
    """The balance over a cost an hour; None when either is unknown or nothing is burnt.

    >>> runway_at(30, 10), runway_at(5, 10), runway_at(30, 0), runway_at(None, 1)
    (datetime.timedelta(seconds=10800), datetime.timedelta(seconds=1800), None, None)
    """
    if balance is None or not hourly or hourly < 0:
        return None
    return timedelta(seconds=min(max(balance, 0) * 3600 // hourly, 86_400 * 36_500))


def question_interval(price: int, monthly_budget: int) -> int:
    """Seconds between billed questions of `price` so that a month of 30 days stays within a budget, in whole minutes.

    >>> question_interval(5_000_000_000, 14 * 10**12)
    960
    """
    seconds = -(-price * 30 * 86400 // monthly_budget)
    return -(-seconds // 60) * 60
