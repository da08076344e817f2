"""What the screen says when there is nothing to show, or when what it shows is not the whole truth."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from textual.content import Content

from cost_top.model.format import age, elide
from cost_top.model.snapshot import Filling, Snapshot, Stale
from cost_top.tui.render.columns import NOBODY
from cost_top.tui.render.style import BAD, CAUTION, MUTED, SEPARATOR, content

RATES_OLD = timedelta(days=60)


def empty_text(snapshot: Snapshot | None, dimension: str) -> Content | None:
    """Why a panel has no rows and what to press; None when it has some."""
    lens = snapshot.lens(dimension) if snapshot is not None else None
    if lens is not None and lens.report.rows:
        return None
    if snapshot is None or snapshot.state is None or lens is None:
        return content(("connecting…" if snapshot is None or snapshot.state is None else "reading…", MUTED))
    if snapshot.log_rows == 0:
        return _no_rows(snapshot)
    if snapshot.view.where:
        return content("no request matches the filter", (f"{SEPARATOR}escape clears it", MUTED))
    what = NOBODY.get(dimension, "nothing").removeprefix("no ")
    return content(f"no {what} in this window", (f"{SEPARATOR}] for a longer one", MUTED))


def _no_rows(snapshot: Snapshot) -> Content:
    if isinstance(snapshot.state, Stale):
        return content("nothing read yet", (f"{SEPARATOR}the source does not answer", MUTED))
    if snapshot.filling is not None:
        return content(("reading the log…", MUTED))
    return content("the log is empty", (f"{SEPARATOR}rows appear here as the gateway writes them", MUTED))


def banner(snapshot: Snapshot | None, *, paused_since: datetime | None, now: datetime, zone: tzinfo) -> Content | None:
    """The most pressing thing a reader must know about these figures; None when all is well."""
    if snapshot is None:
        return None
    if isinstance(snapshot.state, Stale):
        return _stale(snapshot.state, now, zone)
    notes: list[Content] = []
    if paused_since is not None:
        notes.append(content((f"⏸ paused at {_clock(paused_since, zone)}", CAUTION),
                             (f"{SEPARATOR}requests are still being read; space resumes", MUTED)))  # fmt: skip
    if snapshot.view.end is not None:
        notes.append(content((f"◀ the window ends {_moment(snapshot.view.end, zone)}", CAUTION),
                             (f"{SEPARATOR}. steps forward, n returns to now", MUTED)))  # fmt: skip
    if snapshot.filling is not None:
        notes.append(_filling(snapshot.filling, zone))
    if snapshot.rates_date is not None and now.astimezone(zone).date() - snapshot.rates_date > RATES_OLD:
        days = (now.astimezone(zone).date() - snapshot.rates_date).days
        notes.append(content((f"rates are {days} days old", CAUTION),
                             (f"{SEPARATOR}what we price may be off; update cost-top", MUTED)))  # fmt: skip
    return Content("   ").join(notes) if notes else None


def _stale(state: Stale, now: datetime, zone: tzinfo) -> Content:
    reason = elide(" ".join(state.error.split()), 120)
    if state.denied:
        return content((f"◌ no permission since {_clock(state.since, zone)}: {reason}", BAD),
                       (f"{SEPARATOR}grant SELECT, then r retries", MUTED))  # fmt: skip
    told = age(now - state.since)
    ago = "just now" if told == "now" else f"for {told}"
    wait = (state.retry_at - now).total_seconds()
    following = "retrying now" if wait <= 1 else f"next try {_clock(state.retry_at, zone)}"
    return content((f"◌ no data {ago}: {reason}", BAD), (f"{SEPARATOR}{following}, r retries now", MUTED))


def _filling(filling: Filling, zone: tzinfo) -> Content:
    if filling.done < filling.total:
        reach = f"back to {_moment(filling.oldest, zone)}" if filling.oldest is not None else "starting"
        left = filling.total - filling.done
        text = f"reading history: {filling.done} of {filling.total} days, {reach}"
        return content((text, CAUTION), (f"{SEPARATOR}totals miss {left} day{'s' if left != 1 else ''}", MUTED))
    text = f"reading details: {filling.details_done} of {filling.details_total} days"
    return content((text, CAUTION), (f"{SEPARATOR}tags and cache figures are not complete", MUTED))


def _clock(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%H:%M:%S}"


def _moment(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
