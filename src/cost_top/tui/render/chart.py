"""Spend over time as zero-based bars in eighths of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo

from textual.content import Content

from cost_top.model.format import count, lower_bound, money_scaled
from cost_top.model.money import display_usd
from cost_top.model.query import added
from cost_top.model.snapshot import TimeBar
from cost_top.tui.render.style import (
    BAR,
    CHOSEN,
    FIGURE,
    LEVELS,
    MUTED,
    SEPARATOR,
    content,
    fit,
    lines,
    plain_ascii,
    summed,
)

NOTHING = "no requests in this window"
_STRIDES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 20, 24, 28, 30, 48, 60, 96)
_DAY = timedelta(hours=22)
_SPARE = 6


@dataclass(frozen=True, slots=True)
class _Bar:
    """One drawn bar: bars `[first, last]` of the series taken together."""

    first: int
    last: int
    cost: int
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


def spend_chart(
    bars: tuple[TimeBar, ...],
    width: int,
    height: int,
    *,
    cursor: int | None,
    ascii_only: bool,
    zone: tzinfo = UTC,
    empty: str = NOTHING,
) -> Content:
    """A bar per time slot over a zero baseline, a money axis at the left and dates below.

    A hatched bar is cut by now or by the window's start. The last line tells the figures of the bar at `cursor`.
    Without bars `empty` says why there are none.
    """
    if not bars or width < 12 or height < 2:
        return lines([content((empty, MUTED))] if not bars else [], width, height)
    layout = _layout(bars, width)
    rows_high = height - 1
    top = max((bar.cost for bar in layout.bars), default=0)
    marks = _axis(top, rows_high, layout.left - 1)
    chosen = next((bar for bar in layout.bars if cursor is not None and bar.first <= cursor <= bar.last), None)
    rows = []
    for row in range(rows_high):
        pieces: list[tuple[str, str]] = [(marks.get(row, " " * (layout.left - 1)), MUTED), ("│", MUTED)]
        for place, bar in enumerate(layout.bars):
            drawn, blank = layout.cells(place)
            style = CHOSEN if bar is chosen else MUTED if bar.partial else BAR
            pieces.append((_cell(bar, top, rows_high, row) * drawn, style))
            pieces.append((" " * blank, ""))
        rows.append(Content.assemble(*pieces))
    rows.append(_figures(bars, chosen, width) if chosen else _dates(bars, layout, width, zone))
    shown = lines(rows, width, height)
    return plain_ascii(shown) if ascii_only else shown


def bar_at(bars: tuple[TimeBar, ...], width: int, x: int) -> int | None:
    """The index of the (first) bar drawn at column `x` of a chart of that width; None beside the bars."""
    if not bars or width < 12:
        return None
    layout = _layout(bars, width)
    if not layout.left <= x < width:
        return None
    place = ((x - layout.left + 1) * len(layout.bars) - 1) // layout.room
    return layout.bars[place].first


def bars_of(values: Sequence[int], width: int, height: int, style: str) -> list[Content]:
    """Values as bare zero-based bars: neighbours are added up when there are more than columns."""
    sums = summed(values, max(width, 1))
    step = max(1, width // max(len(sums), 1))
    top = max(sums, default=0)
    drawn = [_Bar(0, 0, value, False) for value in sums]
    return [
        Content.assemble(*((_cell(bar, top, height, row) * step, style) for bar in drawn))
        for row in range(height)
    ]  # fmt: skip


def _layout(bars: tuple[TimeBar, ...], width: int) -> _Layout:
    size = 1
    while True:
        drawn = _merged(bars, size)
        left = max(len(display_usd(max(bar.cost for bar in drawn))), 5) + 1
        if left + len(drawn) <= width:
            break
        size += 1
    spare = (width - left) % len(drawn)
    if spare <= _SPARE:
        left += spare  # the axis takes a few spare columns, so that all bars are alike
    return _Layout(drawn, left, width - left)


def _merged(bars: tuple[TimeBar, ...], size: int) -> tuple[_Bar, ...]:
    """Every `size` bars as one, whole at the newest end; an oldest one that holds fewer counts as cut."""
    starts = range(-(-len(bars) % size), len(bars), size)
    return tuple(_taken_together(bars, at, size) for at in starts)


def _taken_together(bars: tuple[TimeBar, ...], at: int, size: int) -> _Bar:
    part = bars[max(at, 0) : at + size]
    return _Bar(max(at, 0), at + size - 1, sum(bar.cost for bar in part), at < 0 or any(bar.partial for bar in part))


def _eighths(cost: int, top: int, rows_high: int) -> int:
    """Height in eighths of a row, in proportion to cost; anything above 0 shows."""
    if cost <= 0 or top <= 0:
        return 0
    return max(1, (cost * rows_high * 16 + top) // (2 * top))


def _cell(bar: _Bar, top: int, rows_high: int, row: int) -> str:
    height = _eighths(bar.cost, top, rows_high)
    part = min(8, max(0, height - (rows_high - 1 - row) * 8))
    if part == 0:
        return " "
    if bar.partial and (part == 8 or height < 8):
        return "░"
    return LEVELS[part]


def _axis(top: int, rows_high: int, width: int) -> dict[int, str]:
    """Labels by row: the dearest bar in the top row, round amounts in the rows that contain them."""
    marks = {0: display_usd(top).rjust(width)}
    step = _round_step(top, max(1, rows_high // 3))
    amount = step
    while 0 < amount < top:
        row = rows_high - -(-amount * rows_high // top)
        label = money_scaled(amount).rjust(width)
        if row >= 2 and len(label) <= width:
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


def _dates(bars: tuple[TimeBar, ...], layout: _Layout, width: int, zone: tzinfo) -> Content:
    """Labels under every n-th bar, n so large that they never touch; weekends and midnights stand out a little."""
    labels = [bars[bar.first].label for bar in layout.bars]
    longest = max(len(label) for label in labels)
    stride = next((stride for stride in _STRIDES if stride * layout.step > longest), len(labels))
    pieces: list[tuple[str, str]] = [("$0 ".rjust(layout.left), MUTED)]
    used = layout.left
    for place in range(0, len(labels), stride):
        start = layout.start(place)
        label = labels[place]
        if start + len(label) > width:
            break
        pieces.append((" " * (start - used), ""))
        pieces.append((label, _date_style(bars[layout.bars[place].first], zone)))
        used = start + len(label)
    return Content.assemble(*pieces)


def _date_style(bar: TimeBar, zone: tzinfo) -> str:
    start = bar.start.astimezone(zone)
    if bar.end - bar.start >= _DAY:
        return f"italic {MUTED}" if start.weekday() >= 5 else MUTED
    return FIGURE if start.hour == 0 and start.minute == 0 else MUTED


def _figures(bars: tuple[TimeBar, ...], chosen: _Bar, width: int) -> Content:
    part = bars[chosen.first : chosen.last + 1]
    label = part[0].label if len(part) == 1 else f"{part[0].label} to {part[-1].label}"
    unpriced = sum(bar.unpriced_count for bar in part)
    parts: list[str | tuple[str, str]] = [
        (f"{label} ", CHOSEN),
        (lower_bound(display_usd(chosen.cost), unpriced), FIGURE),
    ]
    requests, saved = added(bar.request_count for bar in part), added(bar.saved_by_cache for bar in part)
    if requests is not None:
        parts.append(f"{SEPARATOR}{count(requests)} requests")
    if saved is not None:
        parts.append(f"{SEPARATOR}cache saved {display_usd(saved)}")
    if chosen.partial:
        parts.insert(2, " so far" if chosen.last == len(bars) - 1 else " in part")
    if unpriced:
        parts.append(f"{SEPARATOR}{count(unpriced)} unpriced")
    return fit(content(*parts), width)
