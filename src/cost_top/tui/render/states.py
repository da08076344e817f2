"""What the screen says when there is nothing to show, or when what it shows is not the whole truth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from textwrap import wrap

from textual.content import Content

from cost_top.model.dimensions import dimension_named
from cost_top.model.format import age, cells, counted, elide
from cost_top.model.money import display_usd
from cost_top.model.snapshot import Filling, Snapshot, Stale
from cost_top.model.windows import WINDOW_NAMES, window_named
from cost_top.tui.render.style import BAD, CAUTION, MUTED, SEPARATOR, content, first_fit

_LEAST_REASON = 12  # cells, with what can be done before it
RATES_OLD = timedelta(days=60)


def empty_text(snapshot: Snapshot | None, dimension: str, width: int = 80) -> Content | None:
    """Why a panel has no rows and, on a line below, what to press; None when it has some."""
    lens = snapshot.lens(dimension) if snapshot is not None else None
    if lens is not None and lens.report.rows:
        return None
    if snapshot is None or snapshot.state is None or lens is None:
        return content(("\n".join(wrap(_not_yet(snapshot, dimension), max(width, 1))), MUTED))
    if (reading := _reading(snapshot, dimension)) is not None:
        return content((reading, MUTED))
    if snapshot.view.where:
        return content("no request matches", ("\nesc goes back", MUTED))
    if is_before_all(snapshot):
        return content("no requests in this time", ("\ng goes to the newest", MUTED))
    hint = ("\n] for a longer one", MUTED) if _has_longer(snapshot) else ""
    return content(f"{dimension_named(dimension).none} in this window", hint)


def chart_emptiness(snapshot: Snapshot, zone: tzinfo) -> str | None:
    """What a chart says whose bars are all nothing; None where one is something or not yet known."""
    bars = snapshot.chart
    if not bars or snapshot.view.measure or not snapshot.is_settled("chart") or any(bar.cost for bar in bars):
        return None
    if any(bar.request_count is None for bar in bars):
        return None
    if any(bar.request_count for bar in bars):
        unpriced = any(bar.unpriced_count for bar in bars)
        return "no request in this window has a price · v shows tokens" if unpriced else None
    if snapshot.view.where:
        return "no request matches · esc goes back"
    if is_before_all(snapshot) and snapshot.newest is not None:
        return f"no requests in this time; the newest is of {snapshot.newest.astimezone(zone):%Y-%m-%d} · g goes there"
    return "no requests in this window"


def is_before_all(snapshot: Snapshot) -> bool:
    """Whether the log's newest row is older than the window."""
    return snapshot.newest is not None and snapshot.newest < snapshot.period.start


def awaited_text(filling: Filling | None) -> Content:
    """What stands in the place of an answer that is on its way, and how far what it waits for is read."""
    if filling is None or filling.done >= filling.total:
        return content(("reading…", MUTED))
    return content((f"reading… {filling.done} of {counted(filling.total, filling.unit.removesuffix('s'))}", MUTED))


def _reading(snapshot: Snapshot, dimension: str) -> str | None:
    """Why an empty panel may not be empty for good."""
    if snapshot.log_rows == 0 and not is_before_all(snapshot):
        if isinstance(snapshot.state, Stale):
            return "nothing read yet"
        return "reading the log…" if snapshot.filling is not None else "nothing yet"
    return None if snapshot.is_settled(f"panel:{dimension}") else "still reading…"


def _has_longer(snapshot: Snapshot) -> bool:
    """Whether the next window looks further back than this one."""
    following = WINDOW_NAMES.index(snapshot.view.window) + 1
    if snapshot.view.start is not None or following == len(WINDOW_NAMES):
        return False
    span = window_named(WINDOW_NAMES[following]).span
    return span is not None and span > snapshot.period.length


def _not_yet(snapshot: Snapshot | None, dimension: str) -> str:
    """Why a panel has no answer: the source has none, or it has not come yet."""
    if snapshot is not None and (limit := snapshot.limit(dimension)):
        return limit
    return "connecting…" if snapshot is None or snapshot.state is None else "reading…"


def banner(
    snapshot: Snapshot | None, *, paused_since: datetime | None, gained: int | None, now: datetime, zone: tzinfo,
    width: int,
) -> Content | None:  # fmt: skip
    """The most pressing things a reader must know about these figures; None when all is well.

    Where the width is short, what can be done about them is left out first. `gained` is the cost since the pause.
    """
    if snapshot is None:
        return None
    if isinstance(snapshot.state, Stale):
        return _stale(snapshot.state, now, zone, width)
    notes = _notes(snapshot, paused_since, gained, now, zone)
    if not notes:
        return None
    full = Content("   ").join(content(told, (f"{SEPARATOR}{hint}", MUTED)) for told, hint in notes)
    return first_fit(width, full, Content("   ").join(told for told, _ in notes))


def _notes(
    snapshot: Snapshot, paused_since: datetime | None, gained: int | None, now: datetime, zone: tzinfo
) -> list[tuple[Content, str]]:
    """What is so, and what follows from it."""
    notes: list[tuple[Content, str]] = []
    if paused_since is not None:
        since = f", {display_usd(gained, sign=True)} since" if gained is not None else ""
        notes.append((content((f"‖ paused at {_clock(paused_since, zone)}{since}", CAUTION)), "space goes on"))
    if snapshot.view.end is not None:
        told = content((f"◀ the window ends {_moment(snapshot.view.end, zone)}", CAUTION))
        notes.append((told, ". steps forward, n returns to now"))
    if snapshot.filling is not None and snapshot.filling.unit == "answers":
        asked = f"asking {snapshot.source}: {snapshot.filling.done} of {snapshot.filling.total} answers"
        notes.append((content((asked, CAUTION)), "panels fill one by one"))
    elif snapshot.filling is not None:
        notes.append(_filling(snapshot.filling, zone))
    elif is_before_all(snapshot) and snapshot.newest is not None:
        day = f"{snapshot.newest.astimezone(zone):%Y-%m-%d}"
        told = content((f"no requests in this time; the newest is of {day}", CAUTION))
        notes.append((told, "g goes there"))
    elif snapshot.log_rows == 0 and snapshot.newest is None and snapshot.state is not None:
        untimed = snapshot.trust.untimed_count
        empty = "the log has no request with a time" if untimed else "the log is empty"
        hint = "cost-top doctor says more" if untimed else "rows appear here as the gateway writes them"
        notes.append((content((empty, CAUTION)), hint))
    if snapshot.rates_date is not None and now.astimezone(zone).date() - snapshot.rates_date > RATES_OLD:
        days = (now.astimezone(zone).date() - snapshot.rates_date).days
        told = content((f"the rates are {days} days old", CAUTION))
        notes.append((told, "what we price may be off; update cost-top"))
    return notes


def _stale(state: Stale, now: datetime, zone: tzinfo, width: int) -> Content:
    """Since when, what can be done, and then why: the reason alone is cut where the width is short."""
    if state.denied:
        told = f"◌ no permission since {_clock(state.since, zone)}"
        return _with_reason(told, (f"{state.remedy}, then r retries", "r retries"), state.error, width)
    since = age(now - state.since)
    ago = "" if since == "now" else f" for {since}"
    following = "retrying now" if state.retry_at <= now else f"next try {_clock(state.retry_at, zone)}"
    return _with_reason(f"◌ no data{ago}", (f"{following}, r tries at once", "r tries at once"), state.error, width)


def _with_reason(told: str, hints: Sequence[str], reason: str, width: int) -> Content:
    """With the first of the hints that leaves room for the whole reason, else the first that does for some of it."""
    reason = " ".join(reason.split())
    heads = [content((told, BAD), (f"{SEPARATOR}{hint}", MUTED)) for hint in hints]
    for least in (cells(reason), _LEAST_REASON):
        for head in heads:
            room = width - head.cell_length - len(SEPARATOR)
            if room >= least:
                return content(head, (f"{SEPARATOR}{elide(reason, room)}", BAD))
    head = content((told, BAD))
    return content(head, (f"{SEPARATOR}{elide(reason, max(width - head.cell_length - len(SEPARATOR), 8))}", BAD))


def _filling(filling: Filling, zone: tzinfo) -> tuple[Content, str]:
    if filling.error:
        return content((f"history is missing: {elide(filling.error, 60)}", BAD)), "it is tried again"
    if filling.done < filling.total:
        reach = f"back to {_moment(filling.oldest, zone)}" if filling.oldest is not None else "starting"
        left = filling.total - filling.done
        told = f"reading history: {filling.done} of {counted(filling.total, 'day')}, {reach}"
        return content((told, CAUTION)), f"totals miss {counted(left, 'day')}"
    told = f"reading details: {filling.details_done} of {counted(filling.details_total, 'day')}"
    return content((told, CAUTION)), "tags and cache figures are not complete"


def _clock(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%H:%M:%S}"


def _moment(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
