"""The stretches of time a view's figures are of, as far as an engine can cut them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from cost_top.model.engine import Knows
from cost_top.model.view import View
from cost_top.model.windows import (
    Period,
    ceiling,
    floor,
    local_day,
    local_midnight,
    month_start,
    previous_period,
    window_period,
)
from cost_top.overview.bars import bar_edges

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STEPS = {"day": DAY, "hour": HOUR, "minute": MINUTE}
_INSTANT = timedelta(microseconds=1)
_WEEK = timedelta(days=7)
# Windows from this length on are whole days where an engine knows no instants.
LONG = timedelta(days=2)
HOURS_SHOWN, _HOURS_LATE = 24, 6


class Periods(Protocol):
    """How one engine's figures can be cut for a view that ends at `end`."""

    window: Period
    today: Period
    month: Period
    edges: tuple[datetime, ...]  # of the chart's bars; none where there is no chart
    zone: tzinfo  # in which the bars are cut and named
    before: Period | None  # the equal period before
    lately: tuple[datetime, ...]  # edges of the last hour's minutes, or of the last day's hours

    def panel(self, dimension: str, *, weekly: bool) -> Period | None:
        """The period of a panel; `weekly` looks back a week at most. None: the engine knows no such dimension."""

    def panel_before(self, dimension: str, *, weekly: bool) -> Period | None:
        """What a panel is compared with."""


def periods_of(view: View, now: datetime, zone: tzinfo, knows: Knows) -> Periods:
    """The periods of a view over an engine."""
    if knows.totals == "instant":
        return InstantPeriods(view, now, zone)
    return RunningPeriods(view, now) if knows.running else WholePeriods(view, now, knows)


class InstantPeriods:
    """Any stretch of time; a live window begins at a whole minute, so that its edge moves once a minute."""

    def __init__(self, view: View, now: datetime, zone: tzinfo) -> None:
        """Days are cut in `zone`."""
        end = view.end or now
        window = view.window_at(end)
        cut = window_period(window, end, zone)
        self.zone = zone
        self.window = Period(_minute(cut.start), end)
        self.today = Period(local_midnight(local_day(end, zone), zone), end)
        self.month = Period(month_start(end, zone), end)
        self.edges = tuple(bar_edges(self.window, zone))
        self.before: Period | None = previous_period(window, Period(self.window.start, _minute(end)), zone)
        last = _minute(end) + (MINUTE if view.end is None else timedelta(0))
        self.lately = tuple(last - number * MINUTE for number in range(60, -1, -1))

    def panel(self, dimension: str, *, weekly: bool) -> Period | None:  # noqa: ARG002 - rows tell every dimension
        """See `Periods`."""
        return (
            Period(max(self.window.start, _minute(self.window.end - _WEEK)), self.window.end) if weekly else self.window
        )

    def panel_before(self, dimension: str, *, weekly: bool) -> Period | None:
        """See `Periods`."""
        shown = self.panel(dimension, weekly=weekly)
        if shown is None or shown == self.window:
            return self.before
        return Period(shown.start - (_minute(shown.end) - shown.start), shown.start)


class WholePeriods:
    """Whole UTC buckets of the engine's finest grain; long windows are whole days, today's included."""

    def __init__(self, view: View, now: datetime, knows: Knows) -> None:
        """`knows.totals` is the finest grain."""
        end = view.end or now
        self._knows = knows
        self.zone: tzinfo = UTC
        self.window = _whole_window(view, end, knows.totals)
        last_day = floor(end - _INSTANT, DAY)
        self.today = Period(last_day, end)
        self.month = Period(month_start(end - _INSTANT, UTC), end)
        self.edges = _whole_edges(self.window, knows, view)
        self.before = self._before(view, now)
        self.lately: tuple[datetime, ...] = ()
        if knows.totals == "minute" and (view.end is None or self.edges[1] - self.edges[0] == MINUTE):
            first = floor(end - knows.lag, MINUTE) - HOUR
            self.lately = tuple(
                first + number * MINUTE for number in range((ceiling(end, MINUTE) - first) // MINUTE + 1)
            )
        elif knows.totals == "hour":
            # More than is shown: the newest may not be told yet.
            last = ceiling(end, HOUR)
            self.lately = tuple(last - number * HOUR for number in range(HOURS_SHOWN + _HOURS_LATE, -1, -1))

    def _before(self, view: View, now: datetime) -> Period | None:
        """The equal number of whole days before, as far as the engine reaches."""
        start = self.window.start
        window = view.window_at(self.window.end)
        if self.window.length < LONG and window.span is not None:
            return None
        whole = Period(start, ceiling(self.window.end, DAY))
        before = previous_period(window, whole, UTC)
        reach = self._knows.reach
        if reach is not None and before.start < ceiling(now - reach, DAY):
            return None
        return before

    def panel(self, dimension: str, *, weekly: bool) -> Period | None:
        """See `Periods`."""
        if not self._knows.groups_by(dimension):
            return None
        grain = (self._knows.dimensions or {}).get(dimension, self._knows.totals)
        step, start, end = STEPS.get(grain, DAY), self.window.start, self.window.end
        if end - start < LONG:
            start = floor(start, step) if step < DAY else floor(end - _INSTANT, DAY)
        else:
            start = floor(start, DAY)
            if weekly:
                start = max(start, floor(end - _INSTANT, DAY) - 6 * DAY)
        return Period(start, end)

    def panel_before(self, dimension: str, *, weekly: bool) -> Period | None:  # noqa: ARG002
        """Panels are not compared: each would be a question of its own."""
        return None


class RunningPeriods:
    """The running UTC day, week (from Monday) and month, and nothing else."""

    def __init__(self, view: View, now: datetime) -> None:
        """The window is the least of the three that is no shorter than the view's."""
        end = view.end or now
        starts = running_starts(end)
        self.zone: tzinfo = UTC
        self.window = Period(starts[running_window(view, end)], end)
        self.today = Period(starts["today"], end)
        self.month = Period(starts["this month"], end)
        self.edges: tuple[datetime, ...] = ()
        self.before: Period | None = None
        self.lately: tuple[datetime, ...] = ()

    def panel(self, dimension: str, *, weekly: bool) -> Period | None:  # noqa: ARG002
        """None is told."""
        return None

    def panel_before(self, dimension: str, *, weekly: bool) -> Period | None:  # noqa: ARG002
        """None is told."""
        return None


def running_window(view: View, end: datetime) -> str:
    """Which running period stands for a window where a source tells no others."""
    span = view.window_at(end).span
    if span is None or span > _WEEK:
        return "this month"
    return "this week" if span > DAY else "today"


def running_starts(end: datetime) -> dict[str, datetime]:
    """Where the running periods begin that `end` lies in."""
    today = floor(end - _INSTANT, DAY)
    return {"today": today, "this week": today - today.weekday() * DAY, "this month": month_start(today, UTC)}


def _minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _whole_window(view: View, end: datetime, finest: str) -> Period:
    window = view.window_at(end)
    last_day = floor(end - _INSTANT, DAY)
    if view.start is not None or window.span is None:
        return Period(floor(view.start or month_start(end - _INSTANT, UTC), STEPS[finest]), end)
    if window.span >= LONG:
        return Period(last_day - window.span + DAY, end)
    if finest == "day":
        return Period(last_day, end)
    if window.span >= DAY:
        return Period(floor(end - _INSTANT, HOUR) - window.span + HOUR, end)
    if finest == "hour":
        return Period(floor(end - window.span, HOUR), end)
    return Period(floor(end - window.span, MINUTE) + MINUTE, end)


def _whole_edges(window: Period, knows: Knows, view: View) -> tuple[datetime, ...]:
    short = view.window_at(window.end).span is not None and window.length < LONG
    if short and knows.totals == "minute":
        step = MINUTE if window.length <= 2 * HOUR else HOUR
    elif window.start != floor(window.start, DAY) or (knows.totals == "hour" and window.length <= DAY):
        step = HOUR
    else:
        step = DAY
    first = floor(window.start, step)
    count = -((first - window.end) // step)
    return tuple(first + number * step for number in range(count + 1))
