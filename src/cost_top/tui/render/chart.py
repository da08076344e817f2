"""Spend over time as zero-based bars in eighths of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Any

from textual.content import Content

from cost_top.model.format import count, counted, lower_bound
from cost_top.model.money import display_usd
from cost_top.model.query import added
from cost_top.model.shown import SHOWN, Shown
from cost_top.model.snapshot import TimeBar
from cost_top.tui.render.figures import figure_short, figure_text, figure_unit
from cost_top.tui.render.style import (
    BAR,
    CHOSEN,
    FIGURE,
    LEVELS,
    MUTED,
    SEPARATOR,
    content,
    filled,
    fit,
    plain_ascii,
    summed,
)

NOTHING = "no requests in this window"
UNTOLD = "the source does not tell {} by time"
_STRIDES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 20, 24, 28, 30, 48, 60, 96)
_SHORTEST_DAY = timedelta(hours=22)  # when clocks are put forward
_SPARE = 6
_ENOUGH_MIDNIGHTS = 3  # from so many days on the dates stand at their beginnings


@dataclass(frozen=True, slots=True)
class _Bar:
    """One drawn bar: bars `[first, last]` of the series taken together."""

    first: int
    last: int
    cost: int  # or another figure, of what is shown
    partial: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where bars stand: from column `left` on they share `room` columns evenly."""

    bars: tuple[_Bar, ...]
    left: int
    room: int

    @property
    def step(self) -> int:
        """Columns each bar has at least."""
        return self.room // len(self.bars)

    def start(self, place: int) -> int:
        """The first column of a bar; that of the place after the last is the width."""
        return self.left + place * self.room // len(self.bars)

    def cells(self, place: int) -> tuple[int, int]:
        """Columns of a bar: drawn, then blank. Parted bars are equally wide, so that no day looks like more."""
        whole = self.start(place + 1) - self.start(place)
        drawn = self.step - 1 if self.step > 1 else whole
        return drawn, whole - drawn


def spend_chart(bars: tuple[TimeBar, ...], width: int, height: int, **options: Any) -> Content:
    """`chart_lines` as one content."""
    return Content("\n").join(chart_lines(bars, width, height, **options))


def chart_lines(
    bars: tuple[TimeBar, ...],
    width: int,
    height: int,
    *,
    cursor: int | None,
    ascii_only: bool,
    zone: tzinfo = UTC,
    empty: str = NOTHING,
    shown: Shown = SHOWN[0],
) -> list[Content]:
    """A bar per time slot over a zero baseline, an axis of what is `shown` at the left and dates below.

    A hatched bar is cut by now or by the window's start. The last line tells the figures of the bar at `cursor`.
    Where nothing of it is known `empty` says why.
    """
    told = bool(bars) and (not shown.name or any(bar.value is not None for bar in bars))
    if not told or width < 12 or height < 2:
        return filled([content((empty, MUTED))] if not told else [], width, height)
    layout = _layout(bars, width, shown)
    rows_high = height - 1
    top = max((bar.cost for bar in layout.bars), default=0)
    marks = _axis(top, rows_high, layout.left - 1, shown)
    heights = [_eighths(bar.cost, top, rows_high) for bar in layout.bars]
    chosen = next((bar for bar in layout.bars if cursor is not None and bar.first <= cursor <= bar.last), None)
    drawn = tuple(
        (*layout.cells(place), heights[place], bar.partial, bar is chosen) for place, bar in enumerate(layout.bars)
    )
    rows = [_row(row, rows_high, marks.get(row, " " * (layout.left - 1)), drawn) for row in range(rows_high)]
    rows.append(_figures(bars, chosen, width, shown) if chosen else _dates(bars, layout, width, zone, shown))
    shown_rows = filled(rows, width, height)
    return [plain_ascii(row) for row in shown_rows] if ascii_only else shown_rows


@lru_cache(maxsize=256)
def _row(row: int, rows_high: int, mark: str, bars: tuple[tuple[int, int, int, bool, bool], ...]) -> Content:
    """A row of the chart; of each bar columns drawn and blank, height, whether it is cut and whether it is chosen."""
    pieces: list[tuple[str, str]] = [(mark, MUTED), ("│", MUTED)]
    for drawn, blank, height, partial, is_chosen in bars:
        style = CHOSEN if is_chosen else MUTED if partial else BAR
        pieces.append((_cell(partial, height, rows_high, row) * drawn, style))
        pieces.append((" " * blank, ""))
    return Content.assemble(*pieces)


def bar_at(bars: tuple[TimeBar, ...], width: int, x: int, shown: Shown = SHOWN[0]) -> int | None:
    """The index of the (first) bar drawn at column `x` of a chart of that width; None beside the bars."""
    if not bars or width < 12:
        return None
    layout = _layout(bars, width, shown)
    if not layout.left <= x < width:
        return None
    place = ((x - layout.left + 1) * len(layout.bars) - 1) // layout.room
    return layout.bars[place].first


def bars_of(values: Sequence[int], width: int, height: int, style: str) -> list[Content]:
    """Values as bare zero-based bars: neighbours are added up when there are more than columns."""
    sums = summed(values, max(width, 1))
    step = max(1, width // max(len(sums), 1))
    top = max(sums, default=0)
    heights = [_eighths(value, top, height) for value in sums]
    return [
        content(*((_cell(False, eighths, height, row) * step, style) for eighths in heights))
        for row in range(height)
    ]  # fmt: skip


def _layout(bars: tuple[TimeBar, ...], width: int, shown: Shown) -> _Layout:
    size = 1
    while True:
        drawn = _merged(bars, size, shown)
        left = max(len(figure_text(shown, max(bar.cost for bar in drawn))), 5) + 1
        if left + len(drawn) <= width:
            break
        size += 1
    spare = (width - left) % len(drawn)
    if spare <= _SPARE:
        left += spare  # the axis takes a few spare columns, so that all bars are alike
    return _Layout(drawn, left, width - left)


def _merged(bars: tuple[TimeBar, ...], size: int, shown: Shown) -> tuple[_Bar, ...]:
    """Every `size` bars as one, whole at the newest end; an oldest one that holds fewer counts as cut."""
    starts = range(-(-len(bars) % size), len(bars), size)
    return tuple(_taken_together(bars, at, size, shown) for at in starts)


def _taken_together(bars: tuple[TimeBar, ...], at: int, size: int, shown: Shown) -> _Bar:
    part = bars[max(at, 0) : at + size]
    figures = [(bar.value or 0) if shown.name else bar.cost for bar in part]
    # Of several bars a latency is known to be no more than the highest.
    figure = max(figures) if shown.kind == "latency" else sum(figures)
    return _Bar(max(at, 0), at + size - 1, figure, at < 0 or any(bar.partial for bar in part))


def _eighths(cost: int, top: int, rows_high: int) -> int:
    """Height in eighths of a row, in proportion to cost; anything above 0 shows."""
    if cost <= 0 or top <= 0:
        return 0
    return max(1, (cost * rows_high * 16 + top) // (2 * top))


def _cell(partial: bool, height: int, rows_high: int, row: int) -> str:
    """What of a bar so many eighths high stands in a row."""
    part = min(8, max(0, height - (rows_high - 1 - row) * 8))
    if part == 0:
        return " "
    if partial and (part == 8 or height < 8):
        return "░"
    return LEVELS[part]


def _axis(top: int, rows_high: int, width: int, shown: Shown) -> dict[int, str]:
    """Labels by row: the highest bar in the top row, round amounts in the rows that contain them."""
    marks = {0: figure_text(shown, top).rjust(width)}
    step = _round_step(top, max(1, rows_high // 3))
    amount = step
    while 0 < amount < top:
        row = rows_high - -(-amount * rows_high // top)
        label = figure_short(shown, amount).rjust(width)
        if row >= 2 and len(label) <= width and label != marks[0]:
            marks.setdefault(row, label)
        amount += step
    return marks


def _round_step(top: int, parts: int) -> int:
    """The smallest 1, 2 or 5 times a power of ten that cuts `top` into at most `parts` parts."""
    least = -(-top // parts)
    size = 1
    while size * 10 <= least:
        size *= 10
    return next((size * factor for factor in (1, 2, 5) if size * factor >= least), size * 10)


def _dates(bars: tuple[TimeBar, ...], layout: _Layout, width: int, zone: tzinfo, shown: Shown) -> Content:
    """Labels under every n-th bar, n so large that they never touch; weekends and midnights stand out a little."""
    labels = [bars[bar.first].label for bar in layout.bars]
    longest = max(len(label) for label in labels)
    stride = next((stride for stride in _STRIDES if stride * layout.step > longest), len(labels))
    pieces: list[tuple[str, str]] = [(("$0 " if shown.kind == "money" else "0 ").rjust(layout.left), MUTED)]
    used = layout.left
    midnights = _midnights(bars, layout, zone)
    places = list(range(0, len(labels), stride))
    if len(midnights) >= _ENOUGH_MIDNIGHTS:
        apart = -(-(longest + 1) // min(layout.start(b) - layout.start(a) for a, b in pairwise(midnights)))
        places, labels = list(midnights)[::apart], [midnights.get(place, "") for place in range(len(labels))]
    for place in places:
        start = layout.start(place)
        label = labels[place]
        if start + len(label) > width:
            break
        pieces.append((" " * (start - used), ""))
        pieces.append((label, _date_style(bars[layout.bars[place].first], zone)))
        used = start + len(label)
    return Content.assemble(*pieces)


def _midnights(bars: tuple[TimeBar, ...], layout: _Layout, zone: tzinfo) -> dict[int, str]:
    """Places of drawn bars in which a local day begins, with what that is called; none where each bar is a day."""
    found = {}
    for place, drawn in enumerate(layout.bars):
        for bar in bars[drawn.first : drawn.last + 1]:
            start = bar.start.astimezone(zone)
            if bar.end - bar.start < _SHORTEST_DAY and (start.hour, start.minute) == (0, 0):
                found[place] = bar.label
    return found


def _date_style(bar: TimeBar, zone: tzinfo) -> str:
    start = bar.start.astimezone(zone)
    if bar.end - bar.start >= _SHORTEST_DAY:
        return f"italic {MUTED}" if start.weekday() >= 5 else MUTED
    return FIGURE if start.hour == 0 and start.minute == 0 else MUTED


def _figures(bars: tuple[TimeBar, ...], chosen: _Bar, width: int, shown: Shown) -> Content:
    part = bars[chosen.first : chosen.last + 1]
    label = part[0].label if len(part) == 1 else f"{part[0].label} to {part[-1].label}"
    unpriced = sum(bar.unpriced_count for bar in part)
    cost = sum(bar.cost for bar in part)
    figure = lower_bound(display_usd(cost), unpriced)
    if shown.name:
        known = chosen.cost if any(bar.value is not None for bar in part) else None
        most = "at most " if shown.kind == "latency" and len(part) > 1 else ""
        figure = f"{most}{figure_unit(shown, known)}{SEPARATOR}{figure}"
    parts: list[str | tuple[str, str]] = [(f"{label} ", CHOSEN), (figure, FIGURE)]
    requests, saved = added(bar.request_count for bar in part), added(bar.saved_by_cache for bar in part)
    if requests is not None and shown.name != "requests":
        parts.append(f"{SEPARATOR}{counted(requests, 'request')}")
    if saved is not None and shown.name != "saved":
        parts.append(f"{SEPARATOR}cache saved {display_usd(saved)}")
    if chosen.partial:
        parts.insert(2, " so far" if chosen.last == len(bars) - 1 else " in part")
    if unpriced:
        parts.append(f"{SEPARATOR}{count(unpriced)} unpriced")
    return fit(content(*parts), width)
