"""How the keys move a view: pure functions from one `View` to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from cost_top.model.filter import Filter, Term, value_term
from cost_top.model.view import Crumb, View
from cost_top.model.windows import WINDOW_NAMES, local_midnight

# A quarter of each window, as the step of time travel; whole days where the window is days.
STEPS: dict[str, timedelta] = {
    "1h": timedelta(minutes=15),
    "24h": timedelta(hours=6),
    "7d": timedelta(days=2),
    "30d": timedelta(days=7),
    "mtd": timedelta(days=7),
}
DAY = timedelta(days=1)


def drill(view: View, dimension: str, value: str | None, label: str) -> View | None:
    """The view of one row's requests, or None when the view is already that narrow."""
    term = value_term(dimension, value)
    if term in view.where.terms:
        return None
    return narrowed(view, dimension, label, term)


def narrowed(view: View, dimension: str, label: str, term: Term) -> View:
    """The view with one more crumb."""
    return replace(view, crumbs=(*view.crumbs, Crumb(dimension, label, term)))


def back(view: View) -> View:
    """One crumb less; without crumbs, no filter; without either, the same view."""
    if view.crumbs:
        return replace(view, crumbs=view.crumbs[:-1])
    return replace(view, filter=Filter())


def other_window(view: View, step: int) -> View:
    """The next longer (`step` 1) or shorter (-1) window; the ends stay."""
    index = WINDOW_NAMES.index(view.window) + step
    return replace(view, window=WINDOW_NAMES[max(0, min(index, len(WINDOW_NAMES) - 1))])


def travelled(view: View, direction: int, now: datetime, zone: tzinfo) -> View:
    """The window's end moved by a quarter of its length; at or past `now` it is live again."""
    if direction > 0 and view.end is None:
        return view
    step = STEPS[view.window]
    end = _shifted(view.end or now, direction, step, zone)
    return replace(view, end=None if end >= now else end)


def _shifted(end: datetime, direction: int, step: timedelta, zone: tzinfo) -> datetime:
    # Days are counted on the local calendar, so that a step over a clock change still ends at midnight.
    if step >= DAY:
        day = end.astimezone(zone).date() + direction * step
        return local_midnight(day, zone)
    moved = end + direction * step
    local = moved.astimezone(zone)
    since_midnight = local - local.replace(hour=0, minute=0, second=0, microsecond=0)
    return moved - since_midnight % step


def zoomed(view: View, start: datetime, end: datetime, now: datetime) -> View:
    """The window that shows one bar of the chart: a day as 24 hours, an hour as one."""
    window = "24h" if end - start > timedelta(hours=2) else "1h"
    return replace(view, window=window, end=None if end >= now else end)


def sorted_by(view: View, lens: str, measure: str, descending: bool | None = None) -> View:
    """The view with a lens sorted by a measure; the same measure again turns the order round."""
    current, downwards = view.sort_of(lens)
    if descending is None:
        descending = not downwards if measure == current else True
    others = tuple(entry for entry in view.sort if entry[0] != lens)
    return replace(view, sort=(*others, (lens, measure, descending)))


def next_measure(measures: tuple[str, ...], current: str, step: int) -> str:
    """The sortable measure beside the current one, round the corner at the ends."""
    if current not in measures:
        return measures[0]
    return measures[(measures.index(current) + step) % len(measures)]
