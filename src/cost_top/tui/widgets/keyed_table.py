"""A table whose cursor stays on the row it is on, and that redraws only the rows that changed.

Textual's own table repaints itself whole for one changed cell and keeps the cursor on the index when rows move.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from cost_top.model.format import pad
from cost_top.tui.keys import TABLE_BINDINGS
from cost_top.tui.render.style import MUTED
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.lines import BLANK, strip_of

Cells = Callable[[int], Sequence[Content]]
_MOST_LINES = 512  # are held as they were drawn


EMPTY = Content("")


class KeyedTable(ScrollView, can_focus=True):
    """Rows with keys under a header that stays. Cells are asked for only for the rows in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [*TABLE_BINDINGS]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keyed-table--cursor", "keyed-table--header"}
    DEFAULT_CSS = """
    KeyedTable {
        height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        text-wrap: nowrap; text-overflow: clip;
    }
    """

    @dataclass
    class Activated(Message):
        """Enter, or a click on the row with the cursor."""

        table: KeyedTable
        index: int

    @dataclass
    class Moved(Message):
        """The cursor is on another row."""

        table: KeyedTable
        index: int

    @dataclass
    class HeaderClicked(Message):
        """A click on a column's title."""

        table: KeyedTable
        column: str

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.set_reactive(ScrollView.auto_links, False)  # there are none
        self.columns: Sequence[Column] = ()
        self.keys: Sequence[Hashable] = ()
        self.index = 0
        self.sorted_column: tuple[str, bool] | None = None
        self.empty: Content | None = None
        self.always_show_cursor = False
        self.is_waiting = False  # rows are on their way: Enter acts once they are there
        self._entered = False  # ... and was pressed
        self._cells: Cells = lambda _: ()
        self._key: Hashable | None = None
        self._drawn: dict[int, Content] = {}
        self._joined: dict[int, tuple[tuple[Content, ...], Content]] = {}  # by row: its cells, and them as a line
        self._current: set[int] = set()  # rows of `_joined` that are of the present figures

    def show_rows(
        self, columns: Sequence[Column], keys: Sequence[Hashable], cells: Cells,
        sorted_column: tuple[str, bool] | None = None,
    ) -> None:  # fmt: skip
        """Replace the rows. The cursor follows its key; where the key is gone it stays on the line."""
        self.columns, self.keys, self._cells, self.sorted_column = columns, keys, cells, sorted_column
        self._current.clear()
        self._follow_key()
        size = Size(self.row_width, len(keys) + 1)
        if size != self.virtual_size:
            self.virtual_size = size
        self._redraw_changed()
        if self.keys and self._entered:
            self.action_activate()
        self._entered &= self.is_waiting and not self.keys

    def clear_cursor(self) -> None:
        """Back to the first row, as if never touched."""
        self.index, self._key = 0, None
        self.scroll_to(y=0, animate=False, immediate=True)

    @property
    def row_width(self) -> int:
        """Cells of a row; the scrollbar's are kept free whether it shows or not."""
        return max(0, self.scrollable_content_region.width)

    @property
    def current_key(self) -> Hashable | None:
        """The key of the row with the cursor."""
        return self.keys[self.index] if self.index < len(self.keys) else None

    def _follow_key(self) -> None:
        if self._key is not None and self._key in self.keys:
            index = self.keys.index(self._key)
        else:
            index = min(self.index, max(0, len(self.keys) - 1))
            self._key = self.keys[index] if self._key is not None and self.keys else None
        if index != self.index:
            self.index = index
            self._keep_in_sight()

    def _keep_in_sight(self) -> None:
        page = self._page
        top = self.scroll_offset.y
        if self.index < top:
            self.scroll_to(y=self.index, animate=False, immediate=True)
        elif self.index >= top + page:
            self.scroll_to(y=self.index - page + 1, animate=False, immediate=True)

    @property
    def _page(self) -> int:
        return max(1, self.size.height - 1)

    # Drawing

    def _redraw_changed(self) -> None:
        for y in range(self.size.height):
            line = self._line(y)
            drawn = self._drawn.get(y)
            if drawn is None or not drawn.is_same(line):
                self.refresh(Region(0, y, self.size.width, 1))

    def _row_at(self, y: int) -> int:
        return y - 1 + self.scroll_offset.y

    def _line(self, y: int) -> Content:
        if y == 0:
            return self._header()
        index = self._row_at(y)
        if index >= len(self.keys):
            told = self.empty.split("\n") if self.empty is not None and not self.keys else ()
            return told[y - 1].truncate(self.row_width, ellipsis=True) if y <= len(told) else BLANK
        return self._row_line(index)

    def _row_line(self, index: int) -> Content:
        """A row's cells as one line; cells that are those drawn before are the line that was made of them."""
        cells, line = self._joined.get(index, ((), EMPTY))
        if index in self._current:
            return line
        new = tuple(self._cells(index))
        if len(self._joined) >= _MOST_LINES:
            self._joined.clear()
            self._current.clear()
        if len(new) != len(cells) or any(one is not other for one, other in zip(new, cells, strict=True)):
            line = EMPTY.join(new)
        self._joined[index] = new, line
        self._current.add(index)
        return line

    def _header(self) -> Content:
        arrows = "v^" if getattr(self.app, "ascii_only", False) else "▾▴"
        titles: list[str] = []
        for number, column in enumerate(self.columns):
            # Widths include the blank that parts a column from the one before; a title may take it beside another one.
            parted = number > 0 and not titles[-1].endswith(" ")
            title = marked(column, self.sorted_column, arrows, column.width - parted).title
            room = column.width - (number > 0 and len(title) < column.width)
            titles.append(f"{' ' * (column.width - room)}{pad(title, room, column.align)}")
        return Content("".join(titles))

    def render_line(self, y: int) -> Strip:
        """One row of the widget (called by the compositor)."""
        line = self._drawn[y] = self._line(y)
        style = self.visual_style
        if y == 0:
            style = self._component_style("keyed-table--header")
        elif self.keys and self._row_at(y) == self.index and (self.has_focus or self.always_show_cursor):
            style = self._component_style("keyed-table--cursor")
            # Muted text would be hard to read on the cursor's colour.
            line = Content(line.plain, [span for span in line.spans if MUTED not in str(span.style)])
        return strip_of(self, line, style, self.size.width)

    def _component_style(self, name: str) -> Style:
        style = self.get_visual_style(name)
        # Textual leaves reverse out of a component's style; without colours the cursor is nothing else.
        return style + Style(reverse=True) if self.get_component_styles(name).text_style.reverse else style

    # Movement

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        if not self.keys:
            return
        before = self.index
        self.index = max(0, min(index, len(self.keys) - 1))
        self._key = self.keys[self.index]
        self._refresh_row(before)
        self._refresh_row(self.index)
        self._keep_in_sight()
        if before != self.index:
            self.post_message(self.Moved(self, self.index))

    def _refresh_row(self, index: int) -> None:
        y = index + 1 - self.scroll_offset.y
        if 0 < y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def action_cursor(self, rows: int) -> None:
        """Move the cursor by rows."""
        self.move_to(self.index + rows)

    def action_cursor_page(self, pages: int) -> None:
        """Move the cursor by what is in sight."""
        self.move_to(self.index + pages * self._page)

    def action_cursor_end(self, last: bool) -> None:
        """Move the cursor to the first or the last row."""
        self.move_to(len(self.keys) - 1 if last else 0)

    def action_activate(self) -> None:
        """Enter on the row with the cursor, or on the first one to come."""
        if self.keys:
            self.post_message(self.Activated(self, self.index))
        else:
            self._entered = self.is_waiting

    def enter_first(self) -> None:
        """Act on the first row once other rows are there."""
        self._entered = True

    def on_focus(self) -> None:
        """Remember the row the cursor is on, from now on by its key."""
        if self.keys and self._key is None:
            self._key = self.keys[self.index]
        self._refresh_row(self.index)

    def on_blur(self) -> None:
        """The cursor shows only where the keys go."""
        self._refresh_row(self.index)

    def on_resize(self) -> None:
        """Lines depend on the width."""
        self._drawn.clear()
        self.virtual_size = Size(self.row_width, len(self.keys) + 1)
        self._keep_in_sight()

    def on_click(self, event: events.Click) -> None:
        """A title sorts, a row takes the cursor, the row with the cursor opens."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            column = column_at(self.columns, offset.x)
            if column is not None:
                self.post_message(self.HeaderClicked(self, column))
            return
        index = self._row_at(offset.y)
        if index < len(self.keys):
            if index == self.index and event.chain > 1:
                self.action_activate()
            else:
                self.move_to(index)


def marked(column: Column, sorted_column: tuple[str, bool] | None, arrows: str, room: int) -> Column:
    """The column with an arrow after its title, in so many cells, when the rows are sorted by it."""
    if sorted_column is None or sorted_column[0] != column.key:
        return column
    title = column.title.rstrip()[: max(1, room - 1)]
    return replace(column, title=(title + arrows[not sorted_column[1]]).ljust(len(column.title)))


def column_at(columns: Sequence[Column], x: int) -> str | None:
    """The key of the column under a cell of the header."""
    end = 0
    for column in columns:
        end += column.width
        if x < end:
            return column.key
    return None
