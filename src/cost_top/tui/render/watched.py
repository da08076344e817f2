"""Incidents and budgets as lines of their screens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from textual.content import Content

from cost_top.model.budget_line import falls_out_text, moment_text, reset_text
from cost_top.model.dimensions import dimension_named, word_of
from cost_top.model.errors import one_line
from cost_top.model.format import age, at_least, count, elide, money_within, pad, percent, tail_of, with_tail
from cost_top.model.money import display_usd
from cost_top.model.watched import BudgetRow, IncidentRow
from cost_top.tui.render.columns import share_bar
from cost_top.tui.render.style import (
    BAD,
    CAUTION,
    CHOSEN,
    FIGURE,
    MUTED,
    SEPARATOR,
    content,
    first_fit,
    fit,
    flowed,
    folded,
)
from cost_top.tui.widgets.column import Column

_NAME = 200
_MOST_LINES = 4
_NEAR = 80  # per cent of a budget from which its figure is marked


def incident_columns(width: int) -> tuple[Column, ...]:
    """Their widths add up to `width`."""
    return _columns(width, (("since", 14), ("kind", 9)), "who", (("excess", 12), ("ended", 13)))


def budget_columns(width: int) -> tuple[Column, ...]:
    """Their widths add up to `width`."""
    bar = 16 if width >= 90 else 8
    return _columns(width, (), "budget", (("", bar), ("used", 9), ("left", 13), ("resets", 16)))


def _columns(
    width: int, before: tuple[tuple[str, int], ...], name: str, after: tuple[tuple[str, int], ...]
) -> tuple[Column, ...]:  # fmt: skip
    left = max(8, width - sum(cells for _, cells in (*before, *after)))
    return (
        *(Column(title, title, cells, "left", None, cells) for title, cells in before),
        Column("name", name, left, "left", None, 8),
        *(Column(title or "bar", title, cells, "right", None, cells) for title, cells in after),
    )


def incident_cells(
    row: IncidentRow, width: int, zone: tzinfo, now: datetime, others: Sequence[IncidentRow] = ()
) -> tuple[Content, ...]:
    """One incident, told from those of `others` that are of the same name."""
    columns = incident_columns(width)
    state = ("open", BAD) if row.closed is None else (_ago(now - row.closed), MUTED)
    excess = money_within(row.excess, columns[3].width - 1, sign=True) if row.excess else "–"
    kind = (f" {row.kind}", CAUTION if row.closed is None else MUTED)
    twins = (other.value for other in others if (other.dimension, other.name) == (row.dimension, row.name))
    tail = one_line(tail_of(row.value, twins), _NAME)
    texts = (
        content(moment_text(row.started, zone, now)), content(kind),
        content(" ", with_tail(who(row), tail, columns[2].width - 1)), content(pad(excess, columns[3].width, "right")),
        content((pad(state[0], columns[4].width, "right"), state[1])),
    )  # fmt: skip
    return tuple(fit(text, column.width) for text, column in zip(texts, columns, strict=True))


def _ago(since: timedelta) -> str:
    told = age(since)
    return told if told == "now" else f"{told} ago"


def who(row: IncidentRow) -> str:
    """Whom an incident is of, as people say it."""
    if row.dimension == "total":
        return "all spend"
    name = row.name or row.value
    return f"{word_of(row.dimension)} {one_line(name, _NAME)}" if name else dimension_named(row.dimension).none


def incident_note(row: IncidentRow, zone: tzinfo, now: datetime, width: int) -> list[Content]:
    """What the row with the cursor is about."""
    told = folded(one_line(row.sentence, 600), width)
    facts = [f"alarm {moment_text(row.opened, zone, now)}", f"most {display_usd(row.peak_per_hour)} in an hour"]
    if row.closed is not None:
        facts.append(f"ended {moment_text(row.closed, zone, now)}")
    lines = [content(line) for line in told[:_MOST_LINES]]
    return [*lines, *flowed([content((fact, MUTED)) for fact in facts], width)]


def unusual_line(row: IncidentRow, over: int, hint: str, zone: tzinfo, now: datetime, width: int) -> Content:
    """`+$6.10/h over usual: key triage-agent (since Fri 18:10) · /agent-proxy-claude · ⏎ look`."""
    place = next((value for dimension, value in row.drivers if dimension in ("endpoint", "model") and value), None)
    through = content((f"{SEPARATOR}{elide(one_line(place, _NAME), 40)}", MUTED)) if place else content()
    name = elide(who(row), max(12, width // 3))
    head = content(
        (f" {display_usd(over, sign=True)}/h over usual: ", BAD), (name, FIGURE),
        (f" (since {moment_text(row.started, zone, now)})", MUTED),
    )  # fmt: skip
    tail = content((SEPARATOR, MUTED), (hint, CHOSEN))
    return first_fit(width, content(head, through, tail), content(head, tail), head)


def budget_cells(row: BudgetRow, width: int, zone: tzinfo, now: datetime) -> tuple[Content, ...]:
    """One budget; what is over its limit says so in words as well."""
    columns = budget_columns(width)
    used = percent(row.spent, row.limit, short=True) if row.spent is not None else None
    left, style = row.left, FIGURE
    if row.spent is not None and row.spent * 100 >= row.limit * _NEAR:
        style = BAD if row.spent >= row.limit else CAUTION
    room = columns[3].width - 1
    if left is None:
        shown = "not known"
    elif left < 0:
        shown = f"{money_within(-left, room - len(' over'))} over"
    else:
        shown = money_within(left, room)
    resets = moment_text(row.resets_at, zone, now) if row.resets_at is not None else "rolling"
    if row.resets_at is None and row.is_kept:
        resets = "–"
    texts = (
        content(one_line(row.title, _NAME)), content(" ", share_bar(row.spent or 0, row.limit, columns[1].width - 1)),
        content((pad(at_least(used) if used and row.unpriced else used or "–", columns[2].width, "right"), style)),
        content((pad(shown, columns[3].width, "right"), style if left is not None and left < 0 else "")),
        content((pad(resets, columns[4].width, "right"), MUTED)),
    )  # fmt: skip
    return tuple(fit(text, column.width) for text, column in zip(texts, columns, strict=True))


def budget_note(row: BudgetRow, zone: tzinfo, now: datetime, width: int) -> list[Content]:
    """What is to be said of the row with the cursor."""
    if row.spent is None:
        told = f"not known: {one_line(row.error or 'the gateway does not tell', 400)}"
        return [content((line, BAD)) for line in folded(told, width)[:_MOST_LINES]]
    facts = [f"{'≥ ' if row.unpriced else ''}{display_usd(row.spent)} of {display_usd(row.limit)}"]
    if row.period:
        facts.append(one_line(row.period, 60))
    if row.resets_at is not None:
        facts.append(f"resets {reset_text(row.resets_at, zone)}")
    mode = "hard: the guard refuses what is over it" if row.is_hard else "soft"
    facts.append("kept by the gateway" if row.is_kept else mode)
    lines = flowed([content(fact) for fact in facts], width)
    if row.unpriced:
        lines.append(content((f"{count(row.unpriced)} unpriced: more is used than is told", CAUTION)))
    paces = [
        f"at the {pace} used up {moment_text(moment, zone, now)}"
        for moment, pace in ((row.used_up_at, "usual pace"), (row.used_up_now_at, "pace of the last hour"))
        if moment is not None
    ]
    if row.forecast is not None:
        paces.insert(0, f"will come to ≈ {display_usd(row.forecast)}")
    if row.falls_out is not None and row.falls_out_by is not None:
        paces.append(falls_out_text(row.falls_out, row.falls_out_by, zone, now))
    style = CAUTION if row.used_up_at or row.used_up_now_at else MUTED
    lines += flowed([content((pace, style)) for pace in paces], width)
    if row.burning:
        lines += [content((line, BAD)) for line in folded(one_line(row.burning, 400), width)]
    return [fit(line, width) for line in lines]
