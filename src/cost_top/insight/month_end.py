"""What the running month will come to, from what its days and those before them cost: one reckoning for every face."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from cost_top.insight.forecast import NEEDED_DAYS, Forecast, forecast
from cost_top.model.engine import Need
from cost_top.model.month_days import Days
from cost_top.model.query import Report, ReportQuery
from cost_top.model.windows import floor, local_day, local_midnight, month_start

if TYPE_CHECKING:
    from cost_top.model.watched import IncidentRow

_DAY = timedelta(days=1)
_WEEK = 7
_MOST_INCIDENT_DAYS = 30
_HOUR = timedelta(hours=1)


def days_need(plain: ReportQuery, now: datetime, held: datetime | None = None) -> Need:
    """The question behind `days_of`, of the requests that `plain` is about; no day before `held` is asked for, but the
    running one: a log without a row is held from now on."""
    every = _edges(now, plain.zone)
    edges = tuple(edge for edge in every[:-2] if held is None or edge >= held) + tuple(every[-2:])
    query = ReportQuery(edges[0], now, where=plain.where, zone=plain.zone)
    return Need("days", query, comparison=True, edges=edges)


def days_start(now: datetime, zone: tzinfo) -> datetime:
    """Where the sixty days begin, and the one before them."""
    return local_midnight(local_day(now, zone) - _DAY * (NEEDED_DAYS + 1), zone)


def _edges(now: datetime, zone: tzinfo) -> list[datetime]:
    """The midnights, and this hour of the day one to four weeks ago."""
    today = local_day(now, zone)
    back = {number: local_midnight(today - _DAY * number, zone) for number in range(NEEDED_DAYS + 1, -2, -1)}
    since = _hour_of_day(now, zone)
    cuts = {back[_WEEK * week] + since + part for week in range(1, 5) for part in (timedelta(0), _HOUR)}
    return sorted({*back.values(), *cuts})


def _hour_of_day(now: datetime, zone: tzinfo) -> timedelta:
    """From midnight to the beginning of this hour."""
    return max(timedelta(0), floor(now, _HOUR) - local_midnight(local_day(now, zone), zone))


def told_costs(report: Report, need: Need) -> list[tuple[datetime, int]]:
    """When each stretch of the answer to `days_need` began, and what it cost; empty ones too."""
    found = [0] * (len(need.edges) - 1)
    for row in report.rows:
        found[int(row.key[-1] or 0)] += row.measures.total_cost
    return list(zip(need.edges, found, strict=False))


def days_of(costs: Iterable[tuple[datetime, int]], now: datetime, zone: tzinfo) -> Days | None:
    """The days before `now`, from the costs of stretches, or of hours (those without any may be missing).

    The first day with a cost is left out: the log may begin in the middle of it. None where nothing was spent on any.
    """
    today = local_day(now, zone)
    parts = [(start, local_day(start, zone), cost) for start, cost in costs]
    by_day: defaultdict[date, int] = defaultdict(int)
    for _, day, cost in parts:
        by_day[day] += cost
    first = min((day for day, cost in by_day.items() if cost), default=today)
    count = min(NEEDED_DAYS, (today - first).days - 1)
    if count < 0:
        return None
    return Days(tuple(by_day[today - _DAY * back] for back in range(1, count + 1)), _left_of_today(parts, now, zone))


def _left_of_today(parts: Iterable[tuple[datetime, date, int]], now: datetime, zone: tzinfo) -> float:
    """By the same weekday of four weeks; by the clock where nothing was spent on those."""
    today, since = local_day(now, zone), _hour_of_day(now, zone)
    hours = {day: local_midnight(day, zone) + since for day in (today - _DAY * _WEEK * week for week in range(1, 5))}
    over = (now - floor(now, _HOUR)) / _HOUR  # of this hour
    whole = later = 0.0
    for start, day, cost in parts:
        hour = hours.get(day)
        if hour is not None:
            whole += cost
            later += cost * (1.0 if start >= hour + _HOUR else 1 - over if start >= hour else 0.0)
    if whole > 0:
        return min(1.0, max(0.0, later / whole))
    midnight, following = local_midnight(today, zone), local_midnight(today + _DAY, zone)
    return (following - now.astimezone(UTC)) / (following - midnight)


def month_end(
    days: Days, spent: int, now: datetime, zone: tzinfo, leave_out: Collection[date] = ()
) -> Forecast | None:  # fmt: skip
    """The forecast of the month that `now` lies in, `spent` being its cost so far; None with too few days.

    Days of `leave_out` (those with an incident) count as usual ones.
    """
    first = local_day(month_start(now, zone), zone)
    end = (first + timedelta(days=32)).replace(day=1)
    return forecast(days.costs, local_day(now, zone), end, spent, days.left_of_today, leave_out)


def incident_days(incidents: Iterable[IncidentRow], zone: tzinfo) -> frozenset[date]:
    """The local days on which incidents that are still open began and went on; at most thirty of each."""
    found: set[date] = set()
    for one in incidents:
        first = local_day(one.started, zone)
        found.update(first + _DAY * number for number in range(_MOST_INCIDENT_DAYS))
    return frozenset(found)


def left_of_month(now: datetime, zone: tzinfo) -> timedelta:
    """How long the month still is."""
    first = local_day(month_start(now, zone), zone)
    return local_midnight((first + timedelta(days=32)).replace(day=1), zone) - now.astimezone(UTC)
