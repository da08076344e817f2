"""Which questions to a report API a view's needs come from. Pure: no clock, nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cost_top.model.engine import Knows, Need
from cost_top.model.filter import Filter
from cost_top.model.windows import Period, ceiling, floor
from cost_top.overview.periods import LONG
from cost_top.sources.report_api import GRAINS, ApiQuery, Capabilities, Grain

_DAY, _HOUR, _MINUTE = GRAINS["day"], GRAINS["hour"], GRAINS["minute"]
_INSTANT = timedelta(microseconds=1)
# Needs whose periods are made of days.
_BY_DAY = ("total", "today", "month", "before", "daily")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question and what it is known by.

    The key of a live question stays the same while its stretch of time slides on: its last answer serves until the
    next one. No two questions that differ otherwise share one.
    """

    key: str
    question: ApiQuery
    closed: bool  # its figures do not change any more: asked once and kept


@dataclass(frozen=True, slots=True)
class LensSheet:
    """The questions behind one panel: whole days that are closed, and the rest."""

    dimension: str
    period: Period
    parts: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything a view needs. `days` are closed days one by one, `recent` the days since; `fine` a short window's
    own buckets where `recent` is not by the hour; `minutes` the last hour.
    """

    period: Period
    days: Wanted | None
    recent: Wanted | None
    fine: Wanted | None
    minutes: Wanted | None
    lenses: tuple[LensSheet, ...]
    closed_until: datetime
    first: datetime  # how far back days are asked for
    running: tuple[tuple[str, Wanted], ...] = ()  # totals by name where a source tells no others

    def wanted(self) -> Iterator[Wanted]:
        """The questions, the most pressing first."""
        yield from self.totals()
        for lens in self.lenses:
            yield from lens.parts
        if self.minutes is not None and self.minutes is not self.fine:
            yield self.minutes

    def totals(self) -> Iterator[Wanted]:
        """The questions that the window's total comes from."""
        yield from (one for _, one in self.running)
        yield from (one for one in (self.recent, self.fine, self.days) if one is not None)

    @property
    def is_whole(self) -> bool:
        """Whether the API reaches back to the start of the window; else there are no questions."""
        return bool(self.running) or self.recent is not None or self.days is not None


def knows_of(capabilities: Capabilities, label: str = "") -> Knows:
    """What a report API can tell, as an engine declares it."""
    limits = {
        "usual": "the hour's usual cost is not told",
        "trust": f"as {label} reports it",
        "mark": f"{label} tells whole hours or days: a mark needs single requests",
        "requests": f"{label} tells no single requests",
        **capabilities.limits,
    }
    return Knows(
        totals=capabilities.totals,
        dimensions={} if capabilities.running else capabilities.dimensions,
        measures=capabilities.measures,
        filters=capabilities.filters,
        utc_days=True,
        lag=capabilities.lag,
        settles=capabilities.settles,
        reach=capabilities.reach,
        price=capabilities.price,
        requests=False,
        trust=False,
        running=capabilities.running,
        limits=limits,
    )


def sheet_of(needs: Sequence[Need], now: datetime, capabilities: Capabilities) -> Sheet:
    """The questions behind a view's needs, as few as they can be."""
    by_name = {need.name: need for need in needs}
    total = by_name["total"]
    period, where, live = Period(total.query.start, total.query.end), total.query.where, total.open_end
    end = period.end
    if capabilities.running:
        return _running_sheet(by_name, end)
    closed_until = floor(now - capabilities.settles, _DAY)
    starts = [need.query.start for need in needs if not need.query.group_by and need.name in _BY_DAY]
    first = floor(min(starts), _DAY)
    if capabilities.reach is not None:
        first = max(first, ceiling(now - capabilities.reach, _DAY))
    border = min(closed_until, ceiling(end, _DAY))
    if first > period.start:
        # Beyond the API's reach: no part is given for the whole.
        return Sheet(period, None, None, None, None, (), closed_until, first)
    days = _closed(first, border, None, "day", where)
    recent = _recent(border, end, capabilities.totals, where)
    fine, chart = None, by_name.get("chart")
    # A short window's questions slide with the clock; how many bars it has tells one such window from another.
    slot = f"fine {len(chart.edges)}" if live and chart is not None else ""
    if chart is not None and capabilities.totals == "minute" and chart.edges[1] - chart.edges[0] < _DAY:
        grain: Grain = "minute" if chart.edges[1] - chart.edges[0] == _MINUTE else "hour"
        # The last hour that is told whole begins before the window, by the API's lag.
        start = floor(period.start - capabilities.lag, _MINUTE) if grain == "minute" else period.start
        fine = _part(slot, ApiQuery(start, ceiling(end, GRAINS[grain]), None, grain, where), closed_until)
    minutes = fine if fine is not None and fine.question.grain == "minute" else None
    lately = by_name.get("lately")
    if capabilities.totals == "minute" and lately is not None and minutes is None:
        minutes = _open("minutes", ApiQuery(lately.edges[0], lately.edges[-1], None, "minute", where))
    panels = [need for need in needs if need.name.startswith("panel:")]
    lenses = tuple(_lens(need, slot, border, closed_until, capabilities) for need in panels)
    return Sheet(period, days, recent, fine, minutes, lenses, closed_until, first)


def _running_sheet(by_name: Mapping[str, Need], end: datetime) -> Sheet:
    today = floor(end - _INSTANT, _DAY)
    names = {"window": "total", "today": "today", "month": "month"}
    totals = tuple(
        (part, _open("", ApiQuery(need.query.start, today + _DAY, None, None, need.query.where)))
        for part, name in names.items()
        if (need := by_name[name])
    )
    period = Period(by_name["total"].query.start, end)
    return Sheet(period, None, None, None, None, (), today, today, totals)


def _closed(start: datetime, end: datetime, dimension: str | None, grain: Grain | None, where: Filter) -> Wanted | None:
    if start >= end:
        return None
    question = ApiQuery(start, end, dimension, grain, where)
    return Wanted(f"closed {start:%Y%m%dT%H%M} {end:%Y%m%dT%H%M} {dimension} {grain} {where}", question, True)


def _open(slot: str, question: ApiQuery) -> Wanted:
    """A question whose figures still change. `slot` names one that slides with the clock; "" is a fixed stretch."""
    stretch = slot or f"{question.start:%Y%m%dT%H%M} {question.end:%Y%m%dT%H%M}"
    return Wanted(f"open {stretch} {question.dimension} {question.grain} {question.where}", question, False)


def _part(slot: str, question: ApiQuery, closed_until: datetime) -> Wanted:
    if question.end <= closed_until:
        closed = _closed(question.start, question.end, question.dimension, question.grain, question.where)
        if closed is not None:
            return closed
    return _open(slot, question)


def _recent(border: datetime, end: datetime, totals: Grain, where: Filter) -> Wanted | None:
    """The days that are not closed; by the hour from yesterday on, where hours are the finest there is."""
    last = ceiling(end, _DAY)
    if totals == "hour":
        start = min(border, floor(end - _INSTANT, _DAY) - _DAY)
        return _part("", ApiQuery(start, last, None, "hour", where), border)
    return _open("", ApiQuery(border, last, None, "day", where)) if border < last else None


def _lens(need: Need, slot: str, border: datetime, closed_until: datetime, capabilities: Capabilities) -> LensSheet:
    query, dimension = need.query, need.query.group_by[0]
    step, end, where = GRAINS[capabilities.dimensions[dimension]], query.end, query.where
    last = ceiling(end, _DAY)
    if end - query.start < LONG and step < _DAY:
        question = ApiQuery(query.start, ceiling(end, step), dimension, None, where)
        return LensSheet(dimension, Period(question.start, end), (_part(slot, question, closed_until),))
    start = query.start
    closed = _closed(start, min(border, last), dimension, None, where)
    parts = [closed] if closed is not None else []
    if max(border, start) < last:
        parts.append(_open("", ApiQuery(max(border, start), last, dimension, None, where)))
    return LensSheet(dimension, Period(start, end), tuple(parts))


def narrowed(wanted: Wanted, first: datetime, last: datetime) -> Wanted:
    """The same question over `[first, last)` alone."""
    return replace(wanted, question=replace(wanted.question, start=first, end=last))
