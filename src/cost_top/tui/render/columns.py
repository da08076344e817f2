"""The tables' columns: which fit a width, what stands in each, and what a panel is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from typing import Any, NamedTuple

from textual.content import Content

from cost_top.model.dimensions import dimension_named
from cost_top.model.format import (
    UNKNOWN,
    count,
    money_fixed,
    money_scaled,
    pad,
    share,
)  # fmt: skip
from cost_top.model.money import display_usd
from cost_top.model.query import ReportRow
from cost_top.model.shown import SHOWN, Shown, shown_named
from cost_top.model.snapshot import Lens, Snapshot, Stale
from cost_top.model.step import steady, step
from cost_top.model.view import CHANGE
from cost_top.model.windows import Period
from cost_top.tui.render.figures import figure_text, measure_text
from cost_top.tui.render.names import NO_NAMES, Names, name_of
from cost_top.tui.render.over import concerned
from cost_top.tui.render.style import BAD, BAR, CAUTION, FIGURE, GOOD, MUTED, SEPARATOR, content, fit, strip_blocks
from cost_top.tui.widgets.column import Column

_COLUMNS = {
    column.key: column
    for column in (
        Column("name", "", 0, "left", None, 10),
        Column("bar", "", 13, "left", None, 8),
        Column("value", "", 12, "right", None, 9),
        Column("cost", "cost  ", 12, "right", "total_cost", 12),
        Column("mark", "mark  ", 12, "right", None, 12),
        Column("change", "change", 18, "right", CHANGE, 7),
        Column("share", "share", 7, "right", "total_cost", 7),
        Column("requests", "req", 7, "right", "request_count", 7),
        Column("trend", "trend", 17, "left", None, 8),
    )
}
# What the zoomed panel shows besides, the first that fit: every measure of a report.
_MORE = tuple(
    Column(f"more:{measure}", title, width, "right", measure, width)
    for measure, title, width in (
        ("input_tokens", "input", 8), ("output_tokens", "output", 8), ("error_count", "errors", 8),
        ("latency_p95", "p95", 9), ("saved_by_cache", "saved", 11), ("unpriced_count", "unpriced", 9),
        ("cached_input_tokens", "cached", 8), ("prompt_cache_savings", "prompt saved", 13),
        ("market_cost", "list price", 12), ("latency_p50", "p50", 9), ("cache_hit_count", "hits", 8),
        ("reasoning_tokens", "reasoning", 10), ("cache_creation_input_tokens", "cache write", 12),
    )
)  # fmt: skip
# Cells that a panel's own columns want where it has the screen, and from how many more on bars stay too.
_ALONE, _ROOMY = 58, 100
# What rows can be sorted by where all measures are shown.
EVERY_SORT = ("total_cost", CHANGE, "request_count", *(str(column.measure) for column in _MORE))

# What a narrow panel keeps longest, first.
_PRIORITY = {
    "provider": ("cost", "change", "share", "trend", "bar", "requests"),
    "": ("cost", "change", "share", "requests"),
}
# The same of another measure than cost. What rows cost before is known, and no other figure.
_OTHER_PRIORITY = {
    "provider": ("value", "share", "trend", "bar", "cost", "requests"),
    "": ("value", "share", "cost", "requests"),
}
_NAME_WANTS = {"provider": 10, "token": 23}
# A name gives way to these down to so many cells.
_NAME_LEAST = {"cost": 4, "change": 8, "value": 4}
_NAME_ENOUGH = {"provider": 24}


def columns_for(
    lens: str, width: int, marked: bool, without: Sequence[str] = (), shown: Shown = SHOWN[0]
) -> tuple[Column, ...]:
    """The columns of a panel of that inner width; their widths add up to it exactly. `without` names those left out."""
    priority = _OTHER_PRIORITY if shown.name else _PRIORITY
    if shown.kind == "latency":
        without = (*without, "share", "trend")
    without = (*without, *(key for key, column in _COLUMNS.items() if shown.name and column.measure == shown.sort))
    wanted = tuple(key for key in priority.get(lens, priority[""]) if key not in without)
    if marked and not shown.name:
        wanted = (wanted[0], "mark", *wanted[1:])
    name_wants = _NAME_WANTS.get(lens, 18)
    chosen, left = ["name"], width
    for key in wanted:
        least = _COLUMNS[key].minimum_width
        enough = name_wants if shown.name and key != "value" else _NAME_LEAST.get(key, name_wants)
        if left - least >= enough:
            chosen.append(key)
            left -= least
    widths = {key: _COLUMNS[key].minimum_width for key in chosen if key != "name"}
    more = _COLUMNS["change"].width - _COLUMNS["change"].minimum_width
    if "change" in widths and left - more >= name_wants + 2:  # the amount beside how many times, or not at all
        widths["change"] += more
        left -= more
    for key in ("bar", "trend"):  # a narrow bar first, wider when the name has enough
        if key in widths:
            more = min(_COLUMNS[key].width - widths[key], max(0, left - name_wants - 2))
            widths[key] += more
            left -= more
    if "bar" in widths and left > _NAME_ENOUGH.get(lens, 24):
        widths["bar"] += left - _NAME_ENOUGH.get(lens, 24)
        left = _NAME_ENOUGH.get(lens, 24)
    changes: dict[str, dict[str, Any]] = {key: {"width": cells} for key, cells in widths.items()}
    changes["name"] = {"title": dimension_named(lens).heading, "width": left}
    if shown.name:
        changes.setdefault("value", {}).update(title=shown.label, measure=shown.sort)
        changes.setdefault("share", {}).update(measure=shown.sort)
    return tuple(replace(column, **changes[key]) for key, column in _COLUMNS.items() if key in chosen)


def every_column(
    lens: str, width: int, marked: bool, without: Sequence[str], shown: Shown, sort: str
) -> tuple[Column, ...]:
    """As `columns_for`, of a panel that has the screen: all measures as far as they fit, that of `sort` among them."""
    more, room = [], width - _ALONE
    if room < _ROOMY:
        without = (*without, "bar", "trend")
    for column in sorted(_MORE, key=lambda column: column.measure != sort):
        if column.width <= room and column.measure != shown.sort:
            more.append(column)
            room -= column.width
    more.sort(key=_MORE.index)
    return (*columns_for(lens, width - sum(column.width for column in more), marked, without, shown), *more)


def heading(column: Column) -> Content:
    """The column's title in its place, as wide as the column."""
    return content((_placed(column.title, column), MUTED))


def _placed(text: str, column: Column) -> str:
    if column.key == "name":
        return pad(text, column.width)
    return " " + pad(text, column.width - 1, column.align) if column.width > 1 else pad(text, column.width)


class Drawing(NamedTuple):
    """What all rows of a panel are drawn with, found out once for all of them."""

    style: str  # of figures: those of a source that does not answer are faint
    shown: Shown
    compared: bool = True  # what rows are compared with is known, or will never be
    counting: bool = False  # it is still being summed
    concerned: frozenset[str | None] = frozenset()  # values with an incident
    names: Names = NO_NAMES


def drawing_of(lens: Lens, snapshot: Snapshot, before: Drawing | None = None) -> Drawing:
    """How the rows of a lens are drawn; `before` is how they were at the last time."""
    shown = shown_named(snapshot.view.measure)
    names = Names.of(lens, before.names if before is not None else NO_NAMES)
    if not snapshot.is_settled(f"panel:{lens.dimension}"):
        return Drawing(MUTED, shown, counting=True, names=names)
    style = MUTED if isinstance(snapshot.state, Stale) else FIGURE
    compared = snapshot.is_settled(f"before:{lens.dimension}")
    return Drawing(style, shown, compared, False, concerned(snapshot, lens.dimension), names)


def cells(lens: Lens, index: int, columns: Sequence[Column], drawing: Drawing) -> tuple[Content, ...]:
    """Row `index` of a lens, one content for each column, each exactly as wide as its column."""
    row = lens.report.rows[index]
    if drawing.counting:
        return tuple(fit(_counting(lens, row, index, column, drawing), column.width) for column in columns)
    drawn = [fit(_draw(column)(lens, row, index, column, drawing), column.width) for column in columns]
    if row.key[0] in drawing.concerned:
        name = name_of(lens.dimension, row.key, max(1, columns[0].width - 2), drawing.names)
        drawn[0] = fit(content(("! ", BAD), name), columns[0].width)
    return tuple(drawn)


def _draw(column: Column) -> _Draw:
    return _DRAWN.get(column.key, _measure)


def _counting(lens: Lens, row: ReportRow, index: int, column: Column, drawing: Drawing) -> Content:
    """A cell of a panel that is still being summed: the figure so far, and no share of what is not whole."""
    if column.key == "cost":
        return content(" ", (money_fixed(row.measures.total_cost, column.width - 1, counting=True), MUTED))
    if column.key == "share" or (column.measure or "").startswith("latency"):
        return content((_placed("…", column), MUTED))
    if column.key == "value":
        return content((_placed(f"≥{figure_text(drawing.shown, drawing.shown.of(row.measures))}", column), MUTED))
    if column.key in ("bar", "change", "trend"):
        return content()
    return _draw(column)(lens, row, index, column, drawing)


def _cost(_lens: Lens, row: ReportRow, _index: int, column: Column, drawing: Drawing) -> Content:
    measures = row.measures
    text = money_fixed(measures.total_cost, column.width - 1, measures.unpriced_count)
    return content(" ", (text, drawing.style if measures.total_cost or not measures.unpriced_count else CAUTION))


def _mark(lens: Lens, _row: ReportRow, index: int, column: Column, drawing: Drawing) -> Content:
    amount = lens.since_mark[index] if index < len(lens.since_mark) else 0
    text = money_fixed(amount, column.width - 1) if amount else pad(f"{UNKNOWN}  ", column.width - 1, "right")
    return content(" ", (text, drawing.style if amount else MUTED))


def _value(_lens: Lens, row: ReportRow, _index: int, column: Column, drawing: Drawing) -> Content:
    return content((_placed(figure_text(drawing.shown, drawing.shown.of(row.measures)), column), drawing.style))


def _measure(_lens: Lens, row: ReportRow, _index: int, column: Column, _drawing: Drawing) -> Content:
    return content((_placed(measure_text(str(column.measure), row.measures), column), MUTED))


def _share(lens: Lens, row: ReportRow, _index: int, column: Column, drawing: Drawing) -> Content:
    shown = drawing.shown
    told = share(shown.of(row.measures), shown.of(lens.report.totals))
    unknown = not shown.name and row.measures.unpriced_count and not row.measures.total_cost
    return content(_placed(UNKNOWN if told is None or unknown else told, column))


def _requests(_lens: Lens, row: ReportRow, _index: int, column: Column, _drawing: Drawing) -> Content:
    return content((_placed(count(row.measures.request_count), column), MUTED))


def _bar(lens: Lens, row: ReportRow, _index: int, column: Column, drawing: Drawing) -> Content:
    of = drawing.shown.of
    # Latencies are no parts of a whole: the longest fills its bar.
    slowest = drawing.shown.kind == "latency"
    whole = max(of(each.measures) or 0 for each in lens.report.rows) if slowest else of(lens.report.totals)
    return share_bar(of(row.measures) or 0, whole or 0, column.width - 1, " ")


def _trend(lens: Lens, _row: ReportRow, index: int, column: Column, _drawing: Drawing) -> Content:
    return strip_blocks(lens.trends[index] if index < len(lens.trends) else (), column.width - 1, " ")


def _change(lens: Lens, row: ReportRow, index: int, column: Column, drawing: Drawing) -> Content:
    if not drawing.compared:
        return content((_placed("…", column), MUTED))
    now, before = row.measures.total_cost, lens.previous[index] if index < len(lens.previous) else None
    if row.measures.unpriced_count and not now:  # what it cost is not known
        before = None
    style = MUTED if steady(now, before) else CAUTION if before is None or now > before else GOOD
    text, room = step(now, before), column.width - _COLUMNS["change"].minimum_width - 1
    if room > 0 and before is not None:
        amount = display_usd(now - before, sign=True)
        if len(amount) > room:
            amount = f"{'+' if now > before else ''}{money_scaled(now - before)}"
        text = f"{amount} {pad(text, 6, 'right')}"
    return content((_placed(text, column), style))


def _name(lens: Lens, row: ReportRow, _index: int, column: Column, drawing: Drawing) -> Content:
    return name_of(lens.dimension, row.key, column.width, drawing.names)


_Draw = Callable[[Lens, ReportRow, int, Column, Drawing], Content]
_DRAWN: dict[str, _Draw] = {
    "name": _name, "bar": _bar, "cost": _cost, "mark": _mark, "share": _share, "requests": _requests,
    "trend": _trend, "change": _change, "value": _value,
}  # fmt: skip


def share_bar(part: int, whole: int, width: int, before: str = "") -> Content:
    """A bar as long as the share of the whole, in eighths of a cell, after `before`; any share above 0 shows."""
    if part <= 0 or whole <= 0:
        return content(before + " " * width)
    full, rest = divmod(min(width * 8, max(1, (part * width * 16 + whole) // (2 * whole))), 8)
    drawn = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return content(before, (drawn, BAR), " " * (width - len(drawn)))


def panel_title(lens: Lens, snapshot: Snapshot, zone: tzinfo) -> Content:
    """`Top endpoints · 7 d`: the panel's subject and the period its figures are of."""
    counting = "" if snapshot.is_settled(f"panel:{lens.dimension}") else " …"
    measure = f" by {snapshot.view.measure}" if snapshot.view.measure else ""
    period = f"{period_name(lens.period, snapshot, zone)}{measure}{counting}"
    parts = [dimension_named(lens.dimension).title, SEPARATOR, period]
    if lens.dimension == "tag":
        parts.append(f"{SEPARATOR}overlap: rows add up to more than the total")
    elif lens.remark:
        parts.append(f"{SEPARATOR}{lens.remark}")
    shown, groups = len(lens.report.rows), lens.report.row_count
    if shown < groups:
        parts.append(f"{SEPARATOR}{count(shown)} of {count(groups)}")
    return content(*parts)


def period_name(period: Period, snapshot: Snapshot, zone: tzinfo) -> str:
    """A period in the fewest words: `7 d`, `24 h`, `60 min`, or `since 2026-11-01` for a part of a month."""
    if snapshot.view.window == "mtd" and snapshot.view.start is None and period == snapshot.period:
        return f"since {period.start.astimezone(zone):%Y-%m-%d}"
    start = period.start.astimezone(zone)
    at_midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    if at_midnight and period.length < timedelta(days=2) and period.length % timedelta(days=1):
        return f"since {start:%a %H:%M}"
    if period.length > timedelta(days=2):
        # A window of whole days ends within its last one; one that is cut anywhere begins up to a minute early.
        return f"{-(-(period.length - timedelta(minutes=1)) // timedelta(days=1))} d"
    minutes = round(period.length / timedelta(minutes=1))
    return f"{round(minutes / 60)} h" if minutes > 90 else f"{minutes} min"
