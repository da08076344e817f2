"""A widget of ready-made lines that sends only the lines that changed to the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual
from textual.widget import Widget

from cost_top.model.format import drawn
from cost_top.model.text import UNSAFE_CLASS
from cost_top.tui.render.style import plain_ascii

BLANK = Content("")
_UNSAFE = re.compile(f"[{UNSAFE_CLASS}]")
_NOT_REVERSED = Style(reverse=False)


def shown_as(widget: Widget, content: Content) -> Content:
    """The content as this terminal can show it: without control characters, in ASCII where it has no more."""
    if not content.plain.isprintable():
        # Names are cleaned when a row becomes a record; this is the last gate before the terminal.
        content = Content(_UNSAFE.sub("�", content.plain), list(content.spans))
        if content.plain != drawn(content.plain):
            content = Content("").join(content.split("\u200d"))
    return plain_ascii(content) if getattr(widget.app, "ascii_only", False) else content


def strip_of(widget: Widget, line: Content, style: Style, width: int) -> Strip:
    """One line of content as a strip, cropped or filled to `width` cells."""
    shown = shown_as(widget, line).truncate(width)
    segments = _segments(shown, style) if width and widget.text_selection is None else None
    if segments is not None:
        return Strip(segments, shown.cell_length).extend_cell_length(width, (style + _NOT_REVERSED).rich_style)
    strips = Visual.to_strips(widget, shown, width, 1, style, pad=True)
    return strips[0] if strips else Strip.blank(width, style.rich_style)


def _segments(line: Content, style: Style) -> list[Segment] | None:
    """What Textual makes of a line, in a third of the time; None where styles overlap."""
    text, at = line.plain, 0
    segments: list[Segment] = []
    for start, end, own in line.spans:
        if start < at or end <= start or not isinstance(own, str) or own.startswith("."):
            return None
        if start > at:
            segments.append(Segment(text[at:start], _rich(style, at)))
        segments.append(Segment(text[start:end], _rich(style + (style + Style.parse(own)), start)))
        at = end
    if at < len(text) or not text:
        segments.append(Segment(text[at:], _rich(style, at)))
    return segments


@lru_cache(maxsize=4096)
def _rich(style: Style, column: int) -> RichStyle:
    """The style of text that begins in that column, which a selection by the pointer is told by."""
    return style.rich_style_with_offset(column, 0)


class Lines(Widget):
    """Shows lines of `Content`, one per row; what a row cannot hold is cut."""

    DEFAULT_CSS = """
    Lines { height: 1; text-wrap: nowrap; text-overflow: clip; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(Widget.auto_links, False)  # there are none
        self.lines: tuple[Content, ...] = ()

    def show_lines(self, lines: Sequence[Content]) -> None:
        """Replace the lines; a row that is the same is not drawn again."""
        old, self.lines = self.lines, tuple(lines)
        for y in range(max(len(old), len(self.lines))):
            before = old[y] if y < len(old) else BLANK
            after = self.lines[y] if y < len(self.lines) else BLANK
            if not before.is_same(after):
                self.refresh(Region(0, y, self.size.width, 1))

    def show(self, content: Content) -> None:
        """Replace the lines by a content that carries its own line breaks."""
        self.show_lines(content.split("\n", allow_blank=True) if content.plain else ())

    @property
    def text(self) -> str:
        """What is shown, as plain text."""
        return "\n".join(line.plain.rstrip() for line in self.lines).strip()

    def render_line(self, y: int) -> Strip:
        """One row of the widget (called by the compositor)."""
        line = self.lines[y] if y < len(self.lines) else BLANK
        return strip_of(self, line, self.visual_style, self.size.width)
