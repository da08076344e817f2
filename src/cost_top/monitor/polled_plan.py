"""Which questions a view's figures come from, when the source is a report API. Pure: no clock, nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cost_top.model.filter import Filter
from cost_top.model.view import View
from cost_top.model.windows import Period, month_start, window_named
from cost_top.sources.report_api import GRAINS, Capabilities, Grain, Question

_DAY, _HOUR, _MINUTE = GRAINS["day"], GRAINS["hour"], GRAINS["minute"]
_INSTANT = timedelta(microseconds=1)
# Windows from this length on are whole UTC days.
_LONG = timedelta(days=2)
# The balance lasts as long as at the burn of these whole days.
BURN_DAYS = 7


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question and what it is known by.

    The key of a live question stays the same while its stretch of time slides on: its last answer serves until the
    next one. No two questions that differ otherwise share one.
    """

    key: str
    question: Question
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


def floor(instant: datetime, step: timedelta) -> datetime:
    """The last whole step (UTC) at or before an instant.

    >>> floor(datetime(2026, 11, 25, 14, 3, tzinfo=UTC), timedelta(hours=1)).isoformat()
    '2026-11-25T14:00:00+00:00'
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (instant - epoch) // step * step


def ceiling(instant: datetime, step: timedelta) -> datetime:
    """The first whole step (UTC) at or after an instant."""
    down = floor(instant, step)
    return down if down == instant else down + step


def sheet_of(view: View, now: datetime, capabilities: Capabilities) -> Sheet:
    """The questions behind a view."""
    end = view.end or now
    if capabilities.running:
        return _running_sheet(view, end)
    period = _period(view, end, capabilities.totals)
    closed_until = floor(now - capabilities.settles, _DAY)
    where = view.where
    short = window_named(view.window).span is not None and period.end - period.start < _LONG
    month = month_start(end - _INSTANT, UTC)
    first = min(period.start, month, floor(end, _DAY) - BURN_DAYS * _DAY)
    if capabilities.reach is not None:
        first = max(first, ceiling(now - capabilities.reach, _DAY))
    first = floor(first, _DAY)
    border = min(closed_until, ceiling(end, _DAY))
    if first > period.start:
        # Beyond the API's reach: no part is given for the whole.
        return Sheet(period, None, None, None, None, (), closed_until, first)
    days = _closed(first, border, None, "day", where)
    recent = _recent(border, end, capabilities.totals, where)
    fine = None
    if short and capabilities.totals == "minute":
        grain: Grain = "minute" if view.window == "1h" else "hour"
        slot = f"fine {view.window}" if view.end is None else ""
        # The last hour that is told whole begins before the window, by the API's lag.
        start = floor(period.start - capabilities.lag, _MINUTE) if grain == "minute" else period.start
        fine = _part(slot, Question(start, ceiling(end, GRAINS[grain]), None, grain, where), closed_until)
    minutes = fine if fine is not None and fine.question.grain == "minute" else None
    if capabilities.totals == "minute" and view.end is None and minutes is None:
        # The newest minutes are those before the API's lag.
        start = floor(end - capabilities.lag, _MINUTE) - _HOUR
        minutes = _open("minutes", Question(start, ceiling(end, _MINUTE), None, "minute", where))
    lenses = tuple(
        _lens(lens, view, period, border, closed_until, capabilities)
        for lens in view.lenses
        if lens in capabilities.dimensions
    )
    return Sheet(period, days, recent, fine, minutes, lenses, closed_until, first)


def running_window(view: View) -> str:
    """Which running period stands for a window where a source tells no others."""
    span = window_named(view.window).span
    if span is None or span > 7 * _DAY:
        return "this month"
    return "this week" if span > _DAY else "today"


def _running_sheet(view: View, end: datetime) -> Sheet:
    today = floor(end - _INSTANT, _DAY)
    starts = {"today": today, "this week": today - today.weekday() * _DAY, "this month": month_start(today, UTC)}
    last = today + _DAY
    named = running_window(view)
    wanted = {
        name: _open("", Question(starts[name], last, None, None, view.where)) for name in ("today", "this month", named)
    }
    totals = tuple({"window": wanted[named], "today": wanted["today"], "month": wanted["this month"]}.items())
    return Sheet(Period(starts[named], end), None, None, None, None, (), today, today, totals)


def _period(view: View, end: datetime, finest: Grain) -> Period:
    """The view's window in whole buckets; days are those of UTC, today's included."""
    window = window_named(view.window)
    last_day = floor(end - _INSTANT, _DAY)
    if window.span is None:
        return Period(month_start(end - _INSTANT, UTC), end)
    if window.span >= _LONG:
        return Period(last_day - window.span + _DAY, end)
    if finest == "day":
        return Period(last_day, end)
    if window.span >= _DAY:
        return Period(floor(end - _INSTANT, _HOUR) - window.span + _HOUR, end)
    if finest == "hour":
        return Period(floor(end - window.span, _HOUR), end)
    return Period(floor(end - window.span, _MINUTE) + _MINUTE, end)


def _closed(start: datetime, end: datetime, dimension: str | None, grain: Grain | None, where: Filter) -> Wanted | None:
    if start >= end:
        return None
    question = Question(start, end, dimension, grain, where)
    return Wanted(f"closed {start:%Y%m%dT%H%M} {end:%Y%m%dT%H%M} {dimension} {grain} {where}", question, True)


def _open(slot: str, question: Question) -> Wanted:
    """A question whose figures still change. `slot` names one that slides with the clock; "" is a fixed stretch."""
    stretch = slot or f"{question.start:%Y%m%dT%H%M} {question.end:%Y%m%dT%H%M}"
    return Wanted(f"open {stretch} {question.dimension} {question.grain} {question.where}", question, False)


def _part(slot: str, question: Question, closed_until: datetime) -> Wanted:
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
        return _part("", Question(start, last, None, "hour", where), border)
    return _open("", Question(border, last, None, "day", where)) if border < last else None


def _lens(
    dimension: str, view: View, period: Period, border: datetime, closed_until: datetime, capabilities: Capabilities
) -> LensSheet:
    step, end, where = GRAINS[capabilities.dimensions[dimension]], period.end, view.where
    last = ceiling(end, _DAY)
    if end - period.start < _LONG:
        if step < _DAY:
            question = Question(floor(period.start, step), ceiling(end, step), dimension, None, where)
            slot = f"fine {view.window}" if view.end is None else ""
            return LensSheet(dimension, Period(question.start, end), (_part(slot, question, closed_until),))
        start = floor(end - _INSTANT, _DAY)
    else:
        start = floor(period.start, _DAY)
    closed = _closed(start, min(border, last), dimension, None, where)
    parts = [closed] if closed is not None else []
    if max(border, start) < last:
        parts.append(_open("", Question(max(border, start), last, dimension, None, where)))
    return LensSheet(dimension, Period(start, end), tuple(parts))


def narrowed(wanted: Wanted, first: datetime, last: datetime) -> Wanted:
    """The same question over `[first, last)` alone."""
    return replace(wanted, question=replace(wanted.question, start=first, end=last))
