"""The top line of the screen, and the line that says which requests every figure is about."""

from __future__ import annotations

from datetime import datetime, time, timedelta, tzinfo

from textual.content import Content

from cost_top.model.format import age, elide, money_scaled
from cost_top.model.money import display_usd
from cost_top.model.snapshot import QUIET, Asking, Snapshot, Stale
from cost_top.model.view import Crumb, View
from cost_top.model.windows import window_named, zone_name
from cost_top.tui.render.style import CAUTION, FIGURE, GOOD, MUTED, PRODUCT, SEPARATOR, content, fit

GAP = "  "
# Whether the window is named in full, and the cells of source and filter; the first that fits is taken.
_WORDINGS = ((True, 40, 60), (True, 24, 30), (True, 16, 16), (False, 12, 12))


def header_line(
    snapshot: Snapshot | None,
    *,
    paused: bool,
    interval: float,
    zone: tzinfo,
    width: int,
    now: datetime,
) -> Content:
    """Product, source, window and filter at the left; state, age of the newest row at `now` and zone at the right."""
    if snapshot is None:
        return fit(content((" cost-top", PRODUCT), GAP, ("connecting…", MUTED)), width)
    state = _state(snapshot, paused, interval, zone, now)
    ages = _ages(snapshot, now)
    if snapshot.asking is not None and snapshot.asking.cost_per_month:
        state = content(state, GAP, _watch_cost(snapshot.asking))
    name = content((elide(zone_name(zone), 24), MUTED))
    rights = ([state, *ages, name], [state, *ages[:1], name], [state, *ages[:1]], [state, name], [state])
    for wordings in (_WORDINGS[:2], _WORDINGS):
        for right in rights:
            edge = Content(GAP).join(right)
            room = width - edge.cell_length - 1
            left = _left(snapshot, zone, room - len(GAP), wordings)
            if left is not None:
                return fit(content(fit(left, room), edge, " "), width)
    return fit(content((" cost-top", PRODUCT), GAP, state), width)


def _left(snapshot: Snapshot, zone: tzinfo, room: int, wordings: tuple[tuple[bool, int, int], ...]) -> Content | None:
    """The left half in at most `room` cells, or None when none of the wordings has a place."""
    window = window_named(snapshot.view.window)
    full, brief = window.label, window.name
    if snapshot.view.start is not None:
        full = brief = stretch(snapshot, zone)
    limit = snapshot.limit("window")
    where = snapshot.view.where.echo
    source = snapshot.source
    for in_full, source_width, where_width in wordings:
        parts: list[str | tuple[str, str]] = [(" cost-top", PRODUCT), GAP, elide(source, source_width)]
        parts += [GAP, (limit or (full if in_full else brief), FIGURE)]
        if where:
            parts += [GAP, (elide(where, where_width), CAUTION)]
        line = content(*parts)
        if line.cell_length <= room:
            return line
    return None


def stretch(snapshot: Snapshot, zone: tzinfo) -> str:
    """The time of a view with a start: `2026-11-01`, `2026-11-01 to 2026-11-15`, `2026-11-01 14:00 to 15:00`."""
    period = snapshot.period
    start, end = period.start.astimezone(zone), period.end.astimezone(zone)
    live = snapshot.view.end is None
    if start.time() == time() and (live or end.time() == time()):
        last = end.date() if live else end.date() - timedelta(days=1)
        days = f"{start.date()}" if last == start.date() else f"{start.date()} to {last}"
        return f"{days} so far" if live else days
    first = f"{start:%Y-%m-%d %H:%M}"
    if live:
        return f"since {first}"
    return f"{first} to {end:%H:%M}" if end - start < timedelta(days=1) else f"{first} to {end:%Y-%m-%d %H:%M}"


def _state(snapshot: Snapshot, paused: bool, interval: float, zone: tzinfo, now: datetime) -> Content:
    if paused:
        return content(("‖ paused", CAUTION))
    if isinstance(snapshot.state, Stale):
        since = snapshot.state.since.astimezone(zone)
        return content((f"◌ {'denied' if snapshot.state.denied else 'stale'} since {since:%H:%M}", CAUTION))
    if snapshot.state is None:
        return content(("◌ connecting", MUTED))
    if snapshot.view.end is not None:
        return content((f"◀ ends {snapshot.view.end.astimezone(zone):%Y-%m-%d %H:%M}", CAUTION))
    if snapshot.asking is not None:
        return content(("● ", GOOD), f"every {span_text(snapshot.asking.interval)}")
    live = f"live {interval:g}s" if interval else "live"
    return content((f"◌ {live}", CAUTION)) if is_quiet(snapshot, now) else content(("● ", GOOD), live)


def is_quiet(snapshot: Snapshot, now: datetime) -> bool:
    """Whether rows seem to come no more."""
    return snapshot.newest is not None and now - snapshot.newest > QUIET


def _watch_cost(asking: Asking) -> Content:
    """What this screen has cost so far, and a month of it at this interval: asking is billed here."""
    month = display_usd(asking.cost_per_month)
    return content((f"asking {money_scaled(asking.cost)}", CAUTION), (f" ≈{month}/month", MUTED))


def span_text(seconds: float) -> str:
    """A span in whole units: `30 s`, `16 min`, `1 h 4 min`.

    >>> span_text(30), span_text(960), span_text(3840), span_text(7200)
    ('30 s', '16 min', '1 h 4 min', '2 h')
    """
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def _ages(snapshot: Snapshot, now: datetime) -> list[Content]:
    """How old the newest row is and how late rows arrive, as far as both are known."""
    if snapshot.state is not None and snapshot.asked_at is not None:
        told = age(now - snapshot.asked_at)
        return [content(("asked ", MUTED), told if told == "now" else f"{told} ago")]
    if snapshot.newest is None or snapshot.state is None:
        return []
    told = age(now - snapshot.newest)
    newest = told if told == "now" else f"{told} ago"
    ages = [content(("newest ", MUTED), (newest, CAUTION) if is_quiet(snapshot, now) else newest)]
    if snapshot.lateness is not None:
        seconds = snapshot.lateness.total_seconds()
        late = f"{seconds:.0f} s" if 0.5 <= seconds < 60 else age(snapshot.lateness) if seconds >= 60 else "<1 s"
        ages.append(content(("lag p95 ", MUTED), late))
    return ages


def crumb_line(view: View, width: int) -> Content:
    """The drill as a path, then the filter that was typed: what every figure on the screen is about."""
    line = _path("all requests", view.crumbs, view)
    for given_up in range(1, len(view.crumbs)):
        if line.cell_length <= width:
            break
        line = _path("…", view.crumbs[given_up:], view)
    return fit(line, width)


def _path(start: str, crumbs: tuple[Crumb, ...], view: View) -> Content:
    parts: list[str | tuple[str, str]] = [" ", (start, MUTED)]
    for crumb in crumbs:
        parts += [(f" › {crumb.dimension} ", MUTED), (elide(crumb.label, 32), FIGURE)]
    if view.filter:
        parts += [(f"{SEPARATOR}filter ", MUTED), (elide(view.filter.echo, 80), CAUTION)]
    return content(*parts)
