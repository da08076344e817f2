"""What the screen says when there is nothing to show, or when what it shows is not the whole truth."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from textwrap import wrap

from textual.content import Content

from cost_top.model.format import age, elide
from cost_top.model.money import display_usd
from cost_top.model.snapshot import Filling, Polling, Snapshot, Stale
from cost_top.tui.render.columns import NOBODY
from cost_top.tui.render.style import BAD, CAUTION, MUTED, SEPARATOR, content, first_fit

RATES_OLD = timedelta(days=60)


def empty_text(snapshot: Snapshot | None, dimension: str, width: int = 80) -> Content | None:
    """Why a panel has no rows and, on a line below, what to press; None when it has some."""
    lens = snapshot.lens(dimension) if snapshot is not None else None
    if lens is not None and lens.report.rows:
        return None
    if snapshot is None or snapshot.state is None or lens is None:
        return content(("\n".join(wrap(_not_yet(snapshot, dimension), max(width, 1))), MUTED))
    if snapshot.log_rows == 0:
        if isinstance(snapshot.state, Stale):
            return content(("nothing read yet", MUTED))
        return content(("reading the log…" if snapshot.filling is not None else "nothing yet", MUTED))
    if snapshot.view.where:
        return content("no request matches", ("\nescape goes back", MUTED))
    what = NOBODY.get(dimension, "nothing").removeprefix("no ")
    return content(f"no {what} in this window", ("\n] for a longer one", MUTED))


def _not_yet(snapshot: Snapshot | None, dimension: str) -> str:
    """Why a panel has no answer: the source has none, or it has not come yet."""
    if snapshot is not None and snapshot.polling is not None and (limit := snapshot.polling.limit(dimension)):
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
        notes = [_stale(snapshot.state, snapshot.polling, now, zone, width)]
    else:
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
        notes.append((content((f"⏸ paused at {_clock(paused_since, zone)}{since}", CAUTION)), "space goes on"))
    if snapshot.view.end is not None:
        told = content((f"◀ the window ends {_moment(snapshot.view.end, zone)}", CAUTION))
        notes.append((told, ". steps forward, n returns to now"))
    if snapshot.filling is not None and snapshot.polling is not None:
        asked = f"asking {snapshot.source}: {snapshot.filling.done} of {snapshot.filling.total} answers"
        notes.append((content((asked, CAUTION)), "panels fill one by one"))
    elif snapshot.filling is not None:
        notes.append(_filling(snapshot.filling, zone))
    elif snapshot.log_rows == 0 and snapshot.state is not None and snapshot.polling is None:
        notes.append((content(("the log is empty", CAUTION)), "rows appear here as the gateway writes them"))
    if snapshot.rates_date is not None and now.astimezone(zone).date() - snapshot.rates_date > RATES_OLD:
        days = (now.astimezone(zone).date() - snapshot.rates_date).days
        told = content((f"the rates are {days} days old", CAUTION))
        notes.append((told, "what we price may be off; update cost-top"))
    return notes


def _stale(state: Stale, polling: Polling | None, now: datetime, zone: tzinfo, width: int) -> tuple[Content, str]:
    reason = elide(" ".join(state.error.split()), max(20, width - 40))
    if state.denied:
        told = f"◌ no permission since {_clock(state.since, zone)}: {reason}"
        hint = "grant SELECT or mend the key, then r retries" if polling is None else "mend the key, then r retries"
        return content((told, BAD)), hint
    since = age(now - state.since)
    ago = "" if since == "now" else f" for {since}"
    following = "retrying now" if state.retry_at <= now else f"next try {_clock(state.retry_at, zone)}"
    return content((f"◌ no data{ago}: {reason}", BAD)), f"{following}, r tries at once"


def _filling(filling: Filling, zone: tzinfo) -> tuple[Content, str]:
    if filling.error:
        return content((f"history is missing: {elide(filling.error, 60)}", BAD)), "it is tried again"
    if filling.done < filling.total:
        reach = f"back to {_moment(filling.oldest, zone)}" if filling.oldest is not None else "starting"
        left = filling.total - filling.done
        told = f"reading history: {filling.done} of {filling.total} days, {reach}"
        return content((told, CAUTION)), f"totals miss {left} day{'s' if left != 1 else ''}"
    told = f"reading details: {filling.details_done} of {filling.details_total} days"
    return content((told, CAUTION)), "tags and cache figures are not complete"


def _clock(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%H:%M:%S}"


def _moment(instant: datetime, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
