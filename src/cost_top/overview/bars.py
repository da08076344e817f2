"""The bars of the spend chart: where they are cut, and what falls into each."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from cost_top.model.windows import Period, local_day, local_midnight

_QUARTER = timedelta(minutes=15)


def bar_edges(period: Period, zone: tzinfo) -> list[datetime]:
    """The instants (UTC) that cut a period into bars; the first bar may begin, the last end, outside it.

    Up to two hours in minutes, up to two days in hours, up to eight days in four hours of local time, else in
    local days: a day that is 23 or 25 hours long is one bar.
    """
    if period.length <= timedelta(hours=2):
        return _steps(period, timedelta(minutes=1))
    if period.length <= timedelta(days=2):
        return _steps(period, timedelta(hours=1))
    midnights = _midnights(period, zone)
    if period.length > timedelta(days=8):
        return midnights
    edges = []
    for start, end in itertools.pairwise(midnights):
        day = local_day(start, zone)
        cuts = {_wall(day, hour, zone) for hour in (4, 8, 12, 16, 20)}
        edges += [start, *sorted(cut for cut in cuts if start < cut < end)]
    edges.append(midnights[-1])
    first = max(index for index, edge in enumerate(edges) if edge <= period.start)
    last = min(index for index, edge in enumerate(edges) if edge >= period.end)
    return edges[first : last + 1]


def _steps(period: Period, step: timedelta) -> list[datetime]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    edge = epoch + (period.start - epoch) // step * step
    edges = [edge]
    while edge < period.end:
        edge += step
        edges.append(edge)
    return edges


def _midnights(period: Period, zone: tzinfo) -> list[datetime]:
    day = local_day(period.start, zone)
    edges = [local_midnight(day, zone)]
    while edges[-1] < period.end:
        day += timedelta(days=1)
        edges.append(local_midnight(day, zone))
    return edges


def _wall(day: date, hour: int, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=4096)
def bar_label(start: datetime, length: timedelta, zone: tzinfo) -> str:
    """What a bar is called: `14:05`, `14h`, `Sat 14h` or `Nov 21`."""
    local = start.astimezone(zone)
    if length <= timedelta(minutes=1):
        return local.strftime("%H:%M")
    if length <= timedelta(hours=1):
        return local.strftime("%Hh")
    if length < timedelta(hours=20):
        return local.strftime("%a %Hh")
    return f"{local:%b} {local.day}"


def quarter_number(instant: datetime) -> int:
    """Quarters of an hour since 1970."""
    return int((instant - datetime(1970, 1, 1, tzinfo=UTC)) // _QUARTER)
