"""How the keys move a view: pure functions from one `View` to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, Term, value_term
from cost_top.model.view import CHANGE, Crumb, View
from cost_top.model.watched import IncidentRow
from cost_top.model.windows import WINDOW_NAMES, Period, local_day, local_midnight, parse_instant

# A quarter of each window, as the step of time travel; whole days where the window is days.
STEPS: dict[str, timedelta] = {
    "1h": timedelta(minutes=15),
    "24h": timedelta(hours=6),
    "7d": timedelta(days=2),
    "30d": timedelta(days=7),
    "mtd": timedelta(days=7),
    "90d": timedelta(days=21),
    "12mo": timedelta(days=91),
}
_DAY_NAMED = re.compile(r"\d{4}-\d{2}-\d{2}|today|yesterday", re.IGNORECASE)
DAY = timedelta(days=1)
_LENGTHS = {"1h": timedelta(hours=1), "24h": DAY, "7d": 6 * DAY}
# What is over for no longer than this is looked at as if it went on.
_LATELY = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: a time, and of it one row of a table or everything in view."""

    period: Period
    dimension: str | None = None
    value: str | None = None
    label: str = ""
    until_now: bool = False

    def within(self, view: View) -> View:
        """The view of it alone."""
        if self.dimension is None:
            return view
        return drill(view, self.dimension, self.value, self.label) or view


def drill(view: View, dimension: str, value: str | None, label: str) -> View | None:
    """The view of one row's requests, or None when the view is already that narrow."""
    term = value_term(dimension, value)
    if term in view.where.terms:
        return None
    return narrowed(view, dimension, label, term)


def narrowed(view: View, dimension: str, label: str, term: Term | None) -> View:
    """The view with one more crumb."""
    return replace(view, crumbs=(*view.crumbs, Crumb(dimension, label, term)))


def excluded(view: View, dimension: str, value: str | None) -> View:
    """The view without one row's requests: one more term of the filter."""
    term = value_term(dimension, value)
    return replace(view, filter=view.filter.with_term(replace(term, negated=not term.negated)))


def back(view: View) -> View:
    """One crumb less; without crumbs, no filter; without either, the same view."""
    if view.crumbs:
        last, earlier = view.crumbs[-1], replace(view, crumbs=view.crumbs[:-1])
        if last.term is not None or not view.before:
            return earlier
        window, start, end = view.before[-1]
        return replace(earlier, window=window, start=start, end=end, before=view.before[:-1])
    return replace(view, filter=Filter())


def incident_view(view: View, incident: IncidentRow, now: datetime) -> View:
    """The view of those an incident is of, in the shortest window that holds all of it."""
    end = incident.closed if incident.closed is not None and now - incident.closed > _LATELY else None
    span = (end or now) - incident.started
    window = next((name for name, length in _LENGTHS.items() if span <= length), "30d")
    whole = replace(view, window=window, start=None, end=end, filter=Filter(), crumbs=(), before=())
    if incident.dimension == "total":
        return whole
    label = incident.name or incident.value or "none"
    return drill(whole, incident.dimension, incident.value, label) or whole


def other_window(view: View, step: int) -> View:
    """The next longer (`step` 1) or shorter (-1) window; the ends stay. Of a stretch with a start, the nearest one."""
    if view.start is not None:
        view = at_time(view, None, view.end)
        step = 0
    index = WINDOW_NAMES.index(view.window) + step
    return replace(view, window=WINDOW_NAMES[max(0, min(index, len(WINDOW_NAMES) - 1))])


def travelled(view: View, direction: int, now: datetime, zone: tzinfo) -> View:
    """The window's end moved by a quarter of its length; at or past `now` it is live again."""
    if direction > 0 and view.end is None:
        return view
    if view.start is not None:
        length = (view.end or now) - view.start
        end = min((view.end or now) + direction * length / 4, now)
        return at_time(view, end - length, end)
    step = STEPS[view.window]
    end = _shifted(view.end or now, direction, step, zone)
    return at_time(view, None, None if end >= now else end)


def at_time(view: View, start: datetime | None, end: datetime | None) -> View:
    """The view of another time; a `start` of None leaves its length to the window. Steps into a bar are left."""
    crumbs = tuple(crumb for crumb in view.crumbs if crumb.term is not None)
    return replace(view, crumbs=crumbs, before=(), start=start, end=end)


def gone_to(view: View, text: str, now: datetime, zone: tzinfo) -> View:
    """The view of a day or of `FIRST..LAST`, days from their midnight to their end. `UserError` says what is wrong."""
    first, dots, last = (part.strip() for part in text.partition(".."))
    start = parse_instant(first, now, zone, "date")
    end = parse_instant(last or first, now, zone, "date") if last or not dots else now
    if _DAY_NAMED.fullmatch(last or ("" if dots else first)):
        end = local_midnight(local_day(end, zone) + DAY, zone)
    elif not dots:
        # An instant stands for the hour that begins with it.
        end = start + timedelta(hours=1)
    if start >= now:
        raise UserError(f"{one_line(text, 40)} lies in the future")
    if start >= end:
        raise UserError(f"{one_line(text, 40)} ends before it begins")
    return at_time(view, start, None if end >= now else end)


def _shifted(end: datetime, direction: int, step: timedelta, zone: tzinfo) -> datetime:
    # Days are counted on the local calendar, so that a step over a clock change still ends at midnight.
    if step >= DAY:
        day = end.astimezone(zone).date() + direction * step
        return local_midnight(day, zone)
    moved = end + direction * step
    local = moved.astimezone(zone)
    since_midnight = local - local.replace(hour=0, minute=0, second=0, microsecond=0)
    return moved - since_midnight % step


def zoomed(view: View, start: datetime, end: datetime, now: datetime, label: str) -> View:
    """One step into the time of a bar of the chart, `[start, end)`; one that reaches past `now` stays live."""
    stepped = narrowed(view, "time", label, None)
    before = (*view.before, (view.window, view.start, view.end))
    return replace(stepped, before=before, start=start, end=None if end >= now else end)


def sorted_by(view: View, lens: str, measure: str, descending: bool | None = None) -> View:
    """The view with a lens sorted by a measure; the same measure again turns the order round."""
    current, downwards = view.sort_of(lens)
    if descending is None:
        descending = not downwards if measure == current else True
    others = tuple(entry for entry in view.sort if entry[0] != lens)
    return replace(view, sort=(*others, (lens, measure, descending)))


def by_change(view: View, lenses: Sequence[str], *, unusual: bool) -> View:
    """The view with these lenses sorted by their change while something is `unusual`, else as they always are."""
    others = tuple(entry for entry in view.sort if entry[0] not in lenses)
    return replace(view, sort=(*others, *((lens, CHANGE, True) for lens in lenses if unusual)))


def next_measure(measures: tuple[str, ...], current: str, step: int) -> str:
    """The sortable measure beside the current one, round the corner at the ends."""
    if current not in measures:
        return measures[0]
    return measures[(measures.index(current) + step) % len(measures)]
