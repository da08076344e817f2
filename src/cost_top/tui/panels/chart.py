"""Spend over time: a bar can be picked with the keys or the pointer, and zoomed into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from cost_top.model.format import counted, lower_bound
from cost_top.model.money import display_usd, usd_text
from cost_top.model.shown import SHOWN, Shown, shown_named
from cost_top.model.snapshot import Snapshot, TimeBar
from cost_top.model.windows import Period
from cost_top.tui.host import host_of
from cost_top.tui.keys import CHART_BINDINGS
from cost_top.tui.navigation import Subject
from cost_top.tui.render.chart import NOTHING, UNTOLD, bar_at, chart_lines
from cost_top.tui.render.states import chart_emptiness
from cost_top.tui.widgets.lines import Lines, shown_as


class SpendChart(Lines, can_focus=True):
    """The chart of the window's bars; the title names the window, the last line tells the picked bar."""

    BINDINGS: ClassVar[list[BindingType]] = [*CHART_BINDINGS]

    @dataclass
    class Zoomed(Message):
        """Look at this bar's time alone."""

        bar: TimeBar

    def __init__(self, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self.bars: tuple[TimeBar, ...] = ()
        self.cursor: int | None = None
        self.hovered: int | None = None
        self._zone = zone
        self._empty = "connecting…"
        self._measure = SHOWN[0]

    def show_snapshot(self, snapshot: Snapshot, title: Content) -> None:
        """Draw what changed."""
        title = shown_as(self, title)
        if self._border_title is None or self._border_title.plain != title.plain:
            self.border_title = title
        nothing = chart_emptiness(snapshot, self._zone)
        self.bars = snapshot.chart if nothing is None else ()
        self._measure = shown_named(snapshot.view.measure)
        settled = snapshot.is_settled("chart", "chart:times") and snapshot.state is not None
        nothing = nothing or (UNTOLD.format(self._measure.label) if self.bars else NOTHING)
        self._empty = snapshot.limit("chart") or (nothing if settled else "reading…")
        if self.cursor is not None and self.cursor >= len(self.bars):
            self.cursor = None
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if width and height:
            plain = host_of(self).ascii_only
            self.show_lines(
                chart_lines(
                    self.bars,
                    width,
                    height,
                    cursor=self.picked,
                    ascii_only=plain,
                    zone=self._zone,
                    empty=self._empty,
                    shown=self._measure,
                )
            )

    @property
    def picked(self) -> int | None:
        """The bar under the pointer, else the one under the cursor."""
        return self.hovered if self.hovered is not None else self.cursor

    def on_resize(self) -> None:
        """The lines depend on the size."""
        self._draw()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Point at a bar to read it."""
        self._hover(bar_at(self.bars, self.size.width, event.x - self.content_offset.x, self._measure))

    def on_leave(self) -> None:
        """Nothing is pointed at."""
        self._hover(None)

    def _hover(self, index: int | None) -> None:
        if index != self.hovered:
            self.hovered = index
            self._draw()

    def on_click(self, event: events.Click) -> None:
        """A click picks a bar, a second one zooms into it."""
        offset = event.get_content_offset(self)
        index = bar_at(self.bars, self.size.width, offset.x, self._measure) if offset is not None else None
        if index is not None:
            self.cursor = index
            self._draw()
            if event.chain > 1:
                self.action_zoom_bar()

    def action_bar(self, step: int) -> None:
        """Pick the bar beside; the first step starts at the newest."""
        if self.bars:
            last = len(self.bars) - 1
            self.cursor = last if self.cursor is None else max(0, min(self.cursor + step, last))
            self.hovered = None
            self._draw()

    def action_zoom_bar(self) -> None:
        """Ask for the picked bar's time alone."""
        if self.cursor is not None and self.bars:
            bar, self.cursor = self.bars[self.cursor], None
            self.post_message(self.Zoomed(bar))

    async def action_lines(self) -> None:
        """Show the window's spend by a dimension, as lines."""
        await host_of(self).open_lines()

    def subject(self) -> Subject | None:
        """What `w` asks about: the picked bar's time."""
        if self.cursor is None or not self.bars:
            return None
        bar = self.bars[self.cursor]
        return Subject(Period(bar.start, bar.end))

    def copied(self) -> tuple[str, str] | None:
        """What `y` takes: the picked bar, else all of them, one per line."""
        if not self.bars:
            return None
        if self.cursor is not None:
            return f"the bar of {self.bars[self.cursor].label}", bar_text(self.bars[self.cursor], self._measure)
        rows = (
            f"{bar.start.isoformat()}\t{usd_text(bar.cost)}\t{'' if bar.request_count is None else bar.request_count}"
            + (f"\t{'' if bar.value is None else _exact(bar.value, self._measure)}" if self._measure.name else "")
            for bar in self.bars
        )
        return f"{len(self.bars)} bars", "\n".join(rows)


def _exact(value: int, shown: Shown) -> str:
    return usd_text(value) if shown.kind == "money" else str(value)


def bar_text(bar: TimeBar, shown: Shown = SHOWN[0]) -> str:
    """One bar in words: `Sat 21 Nov so far  ≥ $61.2004 · 2,140 requests · $4.10 saved by cache`."""
    parts = [lower_bound(f"${usd_text(bar.cost)}", bar.unpriced_count)]
    if bar.request_count is not None:
        parts.append(counted(bar.request_count, "request", whole=True))
    if bar.saved_by_cache:
        parts.append(f"{display_usd(bar.saved_by_cache)} saved by cache")
    if shown.name in ("tokens", "errors", "p95") and bar.value is not None:
        parts.append(f"{bar.value:,} {shown.name}" if shown.kind == "count" else f"{shown.name} {bar.value:,} ms")
    if bar.unpriced_count:
        parts.append(f"{bar.unpriced_count:,} unpriced")
    return f"{bar.label}{' (partly)' if bar.partial else ''}  {' · '.join(parts)}"
