"""What is usual of the hour and the day that end now, from few sums: the expectation of the alarms."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from cost_top.insight.calendar import DAY, HOUR, Calendar
from cost_top.insight.series import Series
from cost_top.insight.usual import usual
from cost_top.model.engine import Need
from cost_top.model.expected import Expected
from cost_top.model.features import BUCKET_SECONDS
from cost_top.model.filter import Filter, value_term
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import BurnRate
from cost_top.model.windows import floor

_QUARTER = timedelta(minutes=15)
_BACK = 40 * DAY
_LOOKED = 36  # days
_LEARNING = 3 * DAY
_STEP = 3  # buckets in a quarter
_LONGEST = DAY * BUCKET_SECONDS
# What the names of questions about expected slices begin with.
EXPECTED = "expected:"
_MINUTES = ((5, 3), (60, HOUR), (1440, DAY))  # minutes told, and the window in buckets that they are measured by


def usual_need(plain: ReportQuery, now: datetime) -> Need:
    """The question behind `burn_rates`; its edges stay for a quarter of an hour."""
    return _need(plain.where, plain.zone, floor(now, _QUARTER))


@functools.lru_cache(maxsize=64)
def _need(where: Filter, zone: tzinfo, now: datetime) -> Need:
    calendar, end = _calendar(zone, now)
    edges = {end, end - 8 * DAY, end - 29 * DAY}
    for day in range(_LOOKED + 1):
        edges.update(calendar.back(end, day) + shift for shift in range(-2 * HOUR, HOUR + 1, _STEP))
    turn = calendar.month_before(end - 1)
    if turn is not None:
        edges.update(turn + 1 + shift - window for shift in range(-2 * HOUR, 2 * HOUR + 1, _STEP)
                     for window in (0, HOUR, DAY))  # fmt: skip
    told = tuple(
        datetime.fromtimestamp(calendar.origin + edge * BUCKET_SECONDS, UTC)
        for edge in sorted(edge for edge in edges if 0 <= edge <= end)
    )
    return Need("usual", ReportQuery(told[0], told[-1], where=where, zone=zone), comparison=True, edges=told)


def burn_rates(costs: Iterable[tuple[datetime, int]], plain: ReportQuery, now: datetime) -> tuple[BurnRate, ...]:
    """Of 5 minutes, an hour and a day, from the costs of the stretches; none while the log is younger than three days.

    What was spent is told of the day alone: as of the last quarter of an hour.
    """
    return _rates(tuple(costs), plain.zone, floor(now, _QUARTER))


@functools.lru_cache(maxsize=16)
def _rates(costs: tuple[tuple[datetime, int], ...], zone: tzinfo, now: datetime) -> tuple[BurnRate, ...]:
    calendar, end = _calendar(zone, now)
    series, first = Series("total", None), -1
    for start, cost in costs:
        bucket = (int(start.timestamp()) - calendar.origin) // BUCKET_SECONDS
        if first < 0 and cost:
            first = bucket
        series.add(bucket, 0, cost, 0, 0, 0.0)
    if first < 0 or end - first < _LEARNING:
        return ()
    found = []
    for minutes, window in _MINUTES:
        known = usual(series, window, end, first, calendar).cost
        spent = series.spent(end - window, end) if window == DAY else None
        found.append(BurnRate(minutes, spent, round(known * minutes * 60 / (window * BUCKET_SECONDS))))
    return tuple(found)


def expected_needs(plain: ReportQuery, now: datetime, expected: Iterable[Expected]) -> list[Need]:
    """The questions behind the usual of what lasting expectations speak of, in the order of `with_expected`."""
    slices = (part for one in expected if one.lasts(now.timestamp(), _LONGEST) for part in one.slices)
    wheres = (plain.where.both(Filter((value_term(*part),))) for part in slices)
    found = (usual_need(replace(plain, where=where), now) for where in wheres)
    return [replace(need, name=f"{EXPECTED}{place}") for place, need in enumerate(found)]


def with_expected(
    rates: tuple[BurnRate, ...], theirs: Iterable[tuple[BurnRate, ...]], expected: Iterable[Expected], now: datetime
) -> tuple[BurnRate, ...]:
    """The usual of everything with what is expected beyond it; `theirs` are the rates of its slices."""
    slices, moment = iter(theirs), now.timestamp()
    lasting = [(one, [next(slices, ()) for _ in one.slices]) for one in expected if one.lasts(moment, _LONGEST)]
    found = []
    for place, rate in enumerate(rates):
        cost: float = rate.usual
        for one, parts in lasting:
            if not one.lasts(moment, rate.minutes * 60):
                continue
            if not one.slices:
                cost = one.raised(cost, rate.usual)
            cost += sum(one.added(part[place].usual) for part in parts if place < len(part))
        found.append(replace(rate, usual=round(cost)))
    return tuple(found)


def _calendar(zone: tzinfo, end: datetime) -> tuple[Calendar, int]:
    """Buckets that end with a whole quarter, and the number of that end."""
    return Calendar(int(end.timestamp()) - _BACK * BUCKET_SECONDS, zone), _BACK
