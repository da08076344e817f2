"""The tables' columns: which fit a width, what stands in each, and what a panel is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo

from textual.content import Content

from cost_top.model.format import UNKNOWN, Align, arrow, count, elide, money_fixed, pad, percent
from cost_top.model.query import ReportRow
from cost_top.model.snapshot import Lens, Snapshot, Stale
from cost_top.model.windows import Period
from cost_top.tui.render.style import BAR, CAUTION, FIGURE, GOOD, MUTED, SEPARATOR, content, fit, strip_blocks

# What a group that carries no value of the dimension is called.
NOBODY = {
    "provider": "no provider", "model": "no model", "endpoint": "no endpoint", "token": "no key", "user": "no user",
    "owner": "no owner", "team": "no team", "tag": "no tag", "credential_type": "no credential type",
    "status": "no status",
}  # fmt: skip
NOUNS = {
    "provider": "Providers", "model": "Models", "endpoint": "Top endpoints", "token": "Top tokens", "user": "Users",
    "owner": "Owners", "team": "Teams", "tag": "Tags", "credential_type": "Credentials", "status": "Statuses",
}  # fmt: skip
_TOKEN_CELLS = 12
_STEP_STYLES = {"▲": CAUTION, "▼": GOOD}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `width` cells include the blank that parts it from the column before.

    `measure` is what sorting by it sorts by, None where it cannot be sorted by.
    """

    key: str
    title: str
    width: int
    align: Align
    measure: str | None
    minimum_width: int


_COLUMNS = {
    column.key: column
    for column in (
        Column("name", "", 0, "left", None, 10),
        Column("bar", "", 13, "left", None, 5),
        Column("cost", "cost  ", 12, "right", "total_cost", 12),
        Column("mark", "mark  ", 12, "right", None, 12),
        Column("share", "share", 8, "right", "total_cost", 8),
        Column("requests", "req", 7, "right", "request_count", 7),
        Column("trend", "trend", 17, "left", None, 8),
        Column("arrow", "", 2, "right", None, 2),
    )
}
_TITLES = {"credential_type": "credential", "token": "token"}

# What a narrow panel keeps longest, first.
_PRIORITY = {
    "provider": ("cost", "share", "arrow", "trend", "bar", "requests"),
    "": ("cost", "arrow", "share", "requests"),
}
_NAME_WANTS = {"provider": 11, "token": 23}
_NAME_ENOUGH = {"provider": 24}


def columns_for(lens: str, width: int, marked: bool, without: Sequence[str] = ()) -> tuple[Column, ...]:
    """The columns of a panel of that inner width; their widths add up to it exactly. `without` names those left out."""
    wanted = tuple(key for key in _PRIORITY.get(lens, _PRIORITY[""]) if key not in without)
    if marked:
        wanted = (wanted[0], "mark", *wanted[1:])
    name_wants = _NAME_WANTS.get(lens, 18)
    chosen, left = ["name"], width
    for key in wanted:
        least = _COLUMNS[key].minimum_width
        if left - least >= (name_wants if key != "cost" else 4):
            chosen.append(key)
            left -= least
    widths = {key: _COLUMNS[key].minimum_width for key in chosen if key != "name"}
    for key in ("bar", "trend"):  # a narrow bar first, wider when the name has enough
        if key in widths:
            more = min(_COLUMNS[key].width - widths[key], max(0, left - name_wants - 2))
            widths[key] += more
            left -= more
    if "bar" in widths and left > _NAME_ENOUGH.get(lens, 24):
        widths["bar"] += left - _NAME_ENOUGH.get(lens, 24)
        left = _NAME_ENOUGH.get(lens, 24)
    title = _TITLES.get(lens, lens)
    return tuple(
        replace(column, title=title, width=left) if key == "name" else replace(column, width=widths[key])
        for key, column in _COLUMNS.items()
        if key in chosen
    )


def heading(column: Column) -> Content:
    """The column's title in its place, as wide as the column."""
    return content((_placed(column.title, column), MUTED))


def _placed(text: str, column: Column) -> str:
    if column.key == "name":
        return pad(text, column.width)
    return " " + pad(text, column.width - 1, column.align) if column.width > 1 else pad(text, column.width)


def cells(lens: Lens, index: int, columns: Sequence[Column], snapshot: Snapshot) -> tuple[Content, ...]:
    """Row `index` of a lens, one content for each column, each exactly as wide as its column.

    Figures of a source that does not answer are faint.
    """
    row = lens.report.rows[index]
    figure = MUTED if isinstance(snapshot.state, Stale) else FIGURE
    return tuple(fit(_DRAWN[column.key](lens, row, index, column, figure), column.width) for column in columns)


def _cost(_lens: Lens, row: ReportRow, _index: int, column: Column, figure: str) -> Content:
    measures = row.measures
    text = money_fixed(measures.total_cost, column.width - 1, measures.unpriced_count)
    return content(" ", (text, figure if measures.total_cost or not measures.unpriced_count else CAUTION))


def _mark(lens: Lens, _row: ReportRow, index: int, column: Column, figure: str) -> Content:
    amount = lens.since_mark[index] if index < len(lens.since_mark) else 0
    text = money_fixed(amount, column.width - 1) if amount else pad(f"{UNKNOWN}  ", column.width - 1, "right")
    return content(" ", (text, figure if amount else MUTED))


def _share(lens: Lens, row: ReportRow, _index: int, column: Column, _figure: str) -> Content:
    share = percent(row.measures.total_cost, lens.report.totals.total_cost)
    unknown = row.measures.unpriced_count and not row.measures.total_cost
    return content(_placed(UNKNOWN if share is None or unknown else share, column))


def _requests(_lens: Lens, row: ReportRow, _index: int, column: Column, _figure: str) -> Content:
    return content((_placed(count(row.measures.request_count), column), MUTED))


def _bar(lens: Lens, row: ReportRow, _index: int, column: Column, _figure: str) -> Content:
    return content(" ", share_bar(row.measures.total_cost, lens.report.totals.total_cost, column.width - 1))


def _trend(lens: Lens, _row: ReportRow, index: int, column: Column, _figure: str) -> Content:
    return content(" ", strip_blocks(lens.trends[index] if index < len(lens.trends) else (), column.width - 1))


def _arrow(lens: Lens, row: ReportRow, index: int, _column: Column, _figure: str) -> Content:
    mark = arrow(row.measures.total_cost, lens.previous[index] if index < len(lens.previous) else None)
    return content(" ", (mark, _STEP_STYLES.get(mark, MUTED)))


def _name(lens: Lens, row: ReportRow, _index: int, column: Column, _figure: str) -> Content:
    return name_of(lens, row, column.width)


_DRAWN: dict[str, Callable[[Lens, ReportRow, int, Column, str], Content]] = {
    "name": _name, "bar": _bar, "cost": _cost, "mark": _mark, "share": _share, "requests": _requests,
    "trend": _trend, "arrow": _arrow,
}  # fmt: skip


def share_bar(part: int, whole: int, width: int) -> Content:
    """A bar as long as the share of the whole, in eighths of a cell; any share above 0 shows."""
    if part <= 0 or whole <= 0:
        return Content(" " * width)
    eighths = min(width * 8, max(1, (part * width * 16 + whole) // (2 * whole)))
    full, rest = divmod(eighths, 8)
    return fit(content(("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else ""), BAR)), width)


def name_of(lens: Lens, row: ReportRow, width: int) -> Content:
    """What a row is called: its value, a token's id with its display name, or that it carries none."""
    value = row.key[0]
    name = row.key[1] if lens.dimension == "token" and len(row.key) > 1 else None
    if value is None and not name:
        return content((pad(NOBODY.get(lens.dimension, "(none)"), width), f"italic {MUTED}"))
    if value == "" and not name:
        return content((pad("(empty)", width), f"italic {MUTED}"))
    if not name or name == value:
        return content(pad(value or name or "", width))
    if value is None or width < _TOKEN_CELLS + 11:
        return content(pad(name, width))
    shown = elide(value, _TOKEN_CELLS)
    return content((pad(shown, _TOKEN_CELLS), MUTED), " ", pad(name, width - _TOKEN_CELLS - 1))


def panel_title(lens: Lens, snapshot: Snapshot, zone: tzinfo) -> Content:
    """`Top endpoints · 7 d`: the panel's subject and the period its figures are of."""
    parts = [NOUNS.get(lens.dimension, lens.dimension), SEPARATOR, period_name(lens.period, snapshot, zone)]
    if lens.dimension == "tag":
        parts.append(f"{SEPARATOR}overlap: rows add up to more than the total")
    elif snapshot.polling is not None:
        parts += [f"{SEPARATOR}{note}" for note in lens.report.notes if "rates" in note][:1]
    shown, groups = len(lens.report.rows), lens.report.row_count
    if shown < groups:
        parts.append(f"{SEPARATOR}{count(shown)} of {count(groups)}")
    return content(*parts)


def period_name(period: Period, snapshot: Snapshot, zone: tzinfo) -> str:
    """A period in the fewest words: `7 d`, `24 h`, `60 min`, or `since 2026-11-01` for a part of a month."""
    if snapshot.view.window == "mtd" and period == snapshot.period:
        return f"since {period.start.astimezone(zone):%Y-%m-%d}"
    if snapshot.polling is not None and period.start.astimezone(zone).hour == 0 and period.length < timedelta(days=2):
        return f"since {period.start.astimezone(zone):%a %H:%M}"
    if snapshot.polling is not None and period.length > timedelta(days=2):
        return f"{-(-period.length // timedelta(days=1))} d"
    minutes = round(period.length / timedelta(minutes=1))
    if minutes > 48 * 60:
        return f"{round(minutes / 1440)} d"
    return f"{round(minutes / 60)} h" if minutes > 90 else f"{minutes} min"
