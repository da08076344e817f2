"""Incidents and budgets as lines of their screens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from textual.content import Content

from cost_top.model.budget_line import (
    KEPT,
    KEPT_SOFT,
    falls_out_text,
    kept_reset_text,
    moment_text,
    raised_text,
    reset_text,
)
from cost_top.model.dimensions import dimension_named, word_of
from cost_top.model.errors import one_line
from cost_top.model.format import age, at_least, cells, count, elide, money_within, pad, percent, tail_of, with_tail
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
_MONEY = 12  # cells of an amount, in words
# A hard budget, by whether a gateway asks the guard; see `BudgetRow`.
_HARD = {
    None: "hard: refused where a gateway asks the guard of cost-top serve",
    True: "hard: the guard refuses what is over it",
    False: "hard, but nobody asks the guard",
}
_NEAR = 80  # per cent of a budget from which its figure is marked


def incident_columns(width: int, rows: Sequence[IncidentRow], zone: tzinfo, now: datetime) -> tuple[Column, ...]:
    """As wide as what `rows` tell, the rest for who it is: their widths add up to `width`."""
    since, kind, excess, ended = _by_column([_incident_told(row, zone, now) for row in rows], 4)
    # The texts right of these begin with a blank of their own.
    before = (("since", _wide("since", since) - 1), ("kind", _wide("kind", kind) - 1))
    return _columns(width, before, "who", (("excess", _wide("excess", excess)), ("ended", _wide("ended", ended))))


def budget_columns(width: int, rows: Sequence[BudgetRow], zone: tzinfo, now: datetime) -> tuple[Column, ...]:
    """As wide as what `rows` tell, the rest for whose it is: their widths add up to `width`."""
    used, left, resets = _by_column([_budget_told(row, zone, now) for row in rows], 3)
    after = (("used", _wide("used", used)), ("left", _wide("left", left)), ("resets", _wide("resets", resets)))
    return _columns(width, (), "budget", (("", 16 if width >= 90 else 8), *after))


def _by_column(told: Sequence[tuple[str, ...]], number: int) -> Sequence[Sequence[str]]:
    return [[texts[place] for texts in told] for place in range(number)]


def _wide(title: str, texts: Sequence[str]) -> int:
    """Cells of a column, with the blanks that part it from its neighbour."""
    return 2 + max(map(cells, (title, *texts)))


def _columns(
    width: int, before: tuple[tuple[str, int], ...], name: str, after: tuple[tuple[str, int], ...]
) -> tuple[Column, ...]:  # fmt: skip
    left = max(8, width - sum(wide for _, wide in (*before, *after)))
    return (
        *(Column(title, title, wide, "left", None, wide) for title, wide in before),
        Column("name", name, left, "left", None, 8),
        *(Column(title or "bar", title, wide, "right", None, wide) for title, wide in after),
    )


def _incident_told(row: IncidentRow, zone: tzinfo, now: datetime) -> tuple[str, str, str, str]:
    """Since when, the kind, the excess and when it ended."""
    excess = money_within(row.excess, _MONEY, sign=True) if row.excess else "–"
    return (
        moment_text(row.started, zone, now), f" {row.kind}", excess,
        "open" if row.closed is None else _ago(now - row.closed),
    )  # fmt: skip


def incident_cells(
    row: IncidentRow, columns: Sequence[Column], zone: tzinfo, now: datetime, others: Sequence[IncidentRow] = ()
) -> tuple[Content, ...]:
    """One incident, told from those of `others` that are of the same name."""
    since, kind, excess, ended = _incident_told(row, zone, now)
    is_open = row.closed is None
    twins = (other.value for other in others if (other.dimension, other.name) == (row.dimension, row.name))
    tail = one_line(tail_of(row.value, twins), _NAME)
    texts = (
        content(since), content((kind, CAUTION if is_open else MUTED)),
        content(" ", with_tail(who(row), tail, columns[2].width - 1)), content(pad(excess, columns[3].width, "right")),
        content((pad(ended, columns[4].width, "right"), BAD if is_open else MUTED)),
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


def _budget_told(row: BudgetRow, zone: tzinfo, now: datetime) -> tuple[str, str, str]:
    """What is used, what is left and when it resets."""
    used = percent(row.spent, row.limit, short=True) if row.spent is not None else None
    if row.left is None:
        left = "not known"
    elif row.left < 0:
        left = f"{money_within(-row.left, _MONEY - len(' over'))} over"
    else:
        left = money_within(row.left, _MONEY)
    resets = moment_text(row.resets_at, zone, now) if row.resets_at is not None else "rolling"
    if row.is_kept and (row.resets_at is None or row.resets_at <= now):
        resets = "–" if row.resets_at is None else "due"
    return at_least(used) if used and row.unpriced else used or "–", left, resets


def budget_cells(row: BudgetRow, columns: Sequence[Column], zone: tzinfo, now: datetime) -> tuple[Content, ...]:
    """One budget; what is over its limit says so in words as well."""
    used, left, resets = _budget_told(row, zone, now)
    style = FIGURE
    if row.spent is not None and row.spent * 100 >= row.limit * _NEAR:
        style = BAD if row.spent >= row.limit else CAUTION
    texts = (
        content(one_line(row.title, _NAME)), content(" ", share_bar(row.spent or 0, row.limit, columns[1].width - 1)),
        content((pad(used, columns[2].width, "right"), style)),
        content((pad(left, columns[3].width, "right"), style if row.left is not None and row.left < 0 else "")),
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
        resets = (
            kept_reset_text(row.resets_at, zone, now) if row.is_kept else f"resets {reset_text(row.resets_at, zone)}"
        )
        facts.append(resets)
    mode = _HARD[row.guard_asked] if row.is_hard else "soft"
    if row.raised_until is not None:
        facts.append(raised_text(row.raised, row.raised_until, zone))
    facts.append((KEPT if row.is_hard else KEPT_SOFT) if row.is_kept else mode)
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
