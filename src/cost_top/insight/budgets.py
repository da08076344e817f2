"""How budgets stand: their periods, the questions behind them, and what the answers come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cost_top.insight.pace import Pace
from cost_top.model.budgets import BURN_PAIRS, Budget, Standing
from cost_top.model.money import display_usd
from cost_top.model.query import Measures, Report, ReportQuery
from cost_top.model.windows import local_midnight

# Of a budget for each value of a dimension, so many values are kept: those that spent most.
MOST_VALUES = 10_000
_WEEK = timedelta(days=7)
_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
# A day's budget burns too fast when it will be used up before this part of the day is over.
_MOST_OF_A_DAY = (4, 5)


def period_of(budget: Budget, now: datetime) -> tuple[datetime, datetime | None]:
    """The budget's period that holds `now`: `[start, end)` in UTC, cut in the budget's zone; rolling ones have no end.

    >>> from cost_top.model.budgets import parse_period
    >>> start, end = period_of(Budget("b", 1, parse_period("month", 15)), datetime(2026, 3, 2, tzinfo=UTC))
    >>> str(start.date()), str(end.date())
    ('2026-02-15', '2026-03-15')
    """
    period, zone = budget.period, budget.zone
    if period.kind == "rolling":
        return now - period.span, None
    local = now.astimezone(zone)
    if period.kind == "hour":
        begun = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        start = (now - begun).astimezone(UTC)
        return start, start + _HOUR
    day = local.date()
    if period.kind == "day":
        first, following = day, day + timedelta(days=1)
    elif period.kind == "week":
        first = day - timedelta(days=day.weekday())
        following = first + _WEEK
    else:
        first = day.replace(day=period.day_of_month)
        if first > day:
            first = (first.replace(day=1) - timedelta(days=1)).replace(day=period.day_of_month)
        following = (first.replace(day=28) + timedelta(days=4)).replace(day=period.day_of_month)
    return local_midnight(first, zone), local_midnight(following, zone)


def spend_query(budget: Budget, now: datetime, start: datetime | None = None) -> ReportQuery:
    """What the budget's period has cost until `now`; with `start` only from there on."""
    group_by = (budget.each,) if budget.each is not None else ()
    begin = start if start is not None else period_of(budget, now)[0]
    return ReportQuery(begin, max(now, begin + _MICROSECOND), group_by, budget.where, budget.zone)


def spent_of(budget: Budget, measures: Measures) -> int | None:
    """What counts against the budget."""
    return measures.total_cost if budget.cost == "total" else measures.market_cost


def standings_of(budget: Budget, now: datetime, report: Report) -> tuple[Standing, ...]:
    """How the budget stands by the answer to `spend_query`; of one for each value the dearest values, dearest first.

    A budget for each value that nothing was spent on stands nowhere: it has no rows.
    """
    start, end = period_of(budget, now)

    def standing(measures: Measures, value: str | None = None, name: str | None = None) -> Standing:
        return Standing(
            budget, start, end, report.as_of, spent_of(budget, measures), measures.unpriced_count,
            measures.request_count, value, name,
            error="" if spent_of(budget, measures) is not None else "the source tells no list prices",
        )  # fmt: skip

    if budget.each is None:
        return (standing(report.totals),)
    named = "token_name" in report.columns and budget.each == "token"
    rows = report.rows[:MOST_VALUES]
    return tuple(standing(row.measures, row.key[0], row.key[1] if named else None) for row in rows)


def unanswered(budget: Budget, now: datetime, error: str) -> Standing:
    """A budget that the source cannot answer for."""
    start, end = period_of(budget, now)
    return Standing(budget, start, end, now, None, error=error)


def with_pace(standing: Standing, pace: Pace | None, last_hour: int | None, now: datetime) -> Standing:
    """The standing with what it will come to: at the usual pace, and at that of the last hour."""
    left, end = standing.left, standing.resets_at
    if left is None or standing.spent is None:
        return standing
    horizon = end if end is not None else now + standing.budget.period.span
    used_up, at_once, forecast = None, None, None
    if pace is not None and end is not None:
        forecast = standing.spent + pace.between(now, end)
        used_up = pace.reaches(left, now, horizon) if left > 0 else None
    if last_hour is not None and last_hour > 0 and left > 0 and end is not None:
        at_once = _used_up(left, last_hour, now, horizon)
    return replace(standing, forecast=forecast, used_up_at=used_up, used_up_now_at=at_once)


@dataclass(frozen=True, slots=True)
class Recent:
    """What was spent lately on one budget: by the length of the window that ends now."""

    spent: Mapping[timedelta, int]
    session: int  # the 95th percentile of what one session costs, pico-dollars


def burn_windows(budget: Budget) -> tuple[timedelta, ...]:
    """The windows `burning` looks at."""
    if not budget.burn or budget.period.kind == "hour":
        return ()
    if _length(budget) >= _WEEK:
        return tuple(window for _, *pair in BURN_PAIRS for window in pair)
    return (_HOUR,)


def burning(standing: Standing, recent: Recent, now: datetime) -> str:
    """Why the budget burns too fast, "" when it does not.

    From a week on: spend in both windows of a pair at so many times the even pace of limit / period, by more than one
    session's worth. Shorter ones: at the pace of the last hour it is used up before 80 % of the period is over.
    """
    budget = standing.budget
    windows = burn_windows(budget)
    if not windows or standing.spent is None:
        return ""
    if _length(budget) < _WEEK:
        return _burning_day(standing, recent.spent[_HOUR], recent.session, now)
    microseconds = _length(budget) // _MICROSECOND
    for tenths, long, short in BURN_PAIRS:
        allowed = {window: budget.limit * (window // _MICROSECOND) for window in (long, short)}
        fast = all(recent.spent[window] * microseconds * 10 > allowed[window] * tenths for window in (long, short))
        excess = recent.spent[long] - allowed[long] // microseconds
        if fast and excess > recent.session:
            hours = long // _HOUR
            return (
                f"{display_usd(recent.spent[long])} in the last {f'{hours} hours' if hours > 1 else 'hour'}: more than "
                f"{tenths / 10:g} times what an even pace leaves for it"
            )
    return ""


def _burning_day(standing: Standing, last_hour: int, session: int, now: datetime) -> str:
    end, left = standing.resets_at, standing.left
    if end is None or left is None or left <= 0 or last_hour <= session:
        return ""
    part, whole = _MOST_OF_A_DAY
    late = standing.start + (end - standing.start) * part / whole
    crossing = _used_up(left, last_hour, now, late)
    if crossing is None:
        return ""
    shown = crossing.astimezone(standing.budget.zone)
    return f"{display_usd(last_hour)} in the last hour: at that pace used up {shown:%H:%M}"


def _used_up(left: int, hourly: int, now: datetime, until: datetime) -> datetime | None:
    """When `left` is used up at so much an hour, None when not before `until`, be that after the last date there is."""
    lasts = left * 3_600_000_000 // hourly
    return now + lasts * _MICROSECOND if lasts < (until - now) // _MICROSECOND else None


def _length(budget: Budget) -> timedelta:
    return {"hour": _HOUR, "day": timedelta(days=1), "week": _WEEK, "month": timedelta(days=30)}.get(
        budget.period.kind, budget.period.span
    )
