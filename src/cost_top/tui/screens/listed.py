"""What the dialogs share that list what the feed tells: a table, and below it what is to be said of one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any, ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.snapshot import Filling
from cost_top.tui.host import host_of
from cost_top.tui.keys import LISTED_BINDINGS
from cost_top.tui.messages import ListArrived, Refused
from cost_top.tui.render.states import awaited_text
from cost_top.tui.render.style import BAD, content
from cost_top.tui.screens.dialog import COPIED_WIDTH, Dialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import Lines, shown_as

Row = TypeVar("Row")
_WIDTH = 104  # as the style sheet has it
NOTE_LINES = 4  # at the least, so that the table rarely changes its height


class ListedDialog(Dialog[Row], Generic[Row]):
    """A subclass asks for its rows and draws them. Nothing waits: an answer comes as a message."""

    BINDINGS: ClassVar[list[BindingType]] = [*LISTED_BINDINGS]
    title_text = ""
    foot = "y copy  esc close"
    nothing = ""

    def __init__(self, zone: tzinfo, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.zone, self.clock = zone, clock
        self.rows: Sequence[Row] = ()

    def compose(self) -> ComposeResult:
        """A table and a text."""
        with Vertical(classes="dialog listed") as dialog:
            dialog.border_title = shown_as(self, Content(self.title_text))
            dialog.border_subtitle = shown_as(self, Content(self.foot))
            yield KeyedTable()
            yield Lines(id="note")

    def on_mount(self) -> None:
        """Ask."""
        table = self.query_one(KeyedTable)
        self.await_rows()
        table.focus()
        self.query_one("#note").styles.height = NOTE_LINES
        self.ask()

    def ask(self) -> None:
        """Ask the feed, with `hear` and `refuse` for the answer."""
        raise NotImplementedError

    def columns(self, width: int) -> tuple[Column, ...]:
        """The table's columns at a width."""
        raise NotImplementedError

    def cells(self, row: Row, columns: Sequence[Column]) -> tuple[Content, ...]:
        """A row of the table, in `columns`."""
        raise NotImplementedError

    def key_of(self, row: Row) -> Any:
        """What the cursor follows."""
        raise NotImplementedError

    def note(self, row: Row, width: int) -> Sequence[Content]:
        """What is said of the row with the cursor."""
        raise NotImplementedError

    @property
    def title_room(self) -> int:
        """Cells that a title has."""
        return min(_WIDTH, self.app.size.width * 96 // 100) - 6

    def heading(self) -> str:
        """The title once the rows are known."""
        return self.title_text

    def hear(self, rows: Sequence[Row]) -> None:
        """The answer; called on the feed's thread."""
        self.post_message(ListArrived(rows))

    def refuse(self, reason: str) -> None:
        """Why there is none; called on the feed's thread."""
        self.post_message(Refused(reason))

    def await_rows(self) -> None:
        """Say that rows are read."""
        self.query_one(KeyedTable).is_waiting = True
        self.await_answer()

    def reading(self) -> Filling | None:
        """How far what the rows wait for is read."""
        return host_of(self).feed.reading()

    def tell_progress(self) -> None:
        """See `Dialog`."""
        table, told = self.query_one(KeyedTable), awaited_text(self.reading())
        if table.empty is None or not told.is_same(table.empty):
            table.empty = told
            self._show()

    def _tell_none(self, text: Content) -> None:
        self.stop_waiting()
        table = self.query_one(KeyedTable)
        table.empty, table.is_waiting = text, False

    def on_list_arrived(self, message: ListArrived) -> None:
        """Show the rows."""
        self.rows = message.rows
        self._tell_none(content(self.nothing))
        self.show_heading()
        self._show()

    def show_heading(self) -> None:
        """Draw the title anew."""
        self.query_one(Vertical).border_title = shown_as(self, Content(self.heading()))

    def on_refused(self, message: Refused) -> None:
        """Say why there are none."""
        self._tell_none(content((message.reason, BAD)))
        self._show()

    def on_resize(self) -> None:
        """The title and the columns depend on the width."""
        self.show_heading()
        self._show()

    def _show(self) -> None:
        table = self.query_one(KeyedTable)
        width = table.row_width
        if width:
            keys, columns = [self.key_of(row) for row in self.rows], self.columns(width)
            table.show_rows(columns, keys, lambda index: self.cells(self.rows[index], columns))
            self._show_note()

    def on_keyed_table_moved(self) -> None:
        """The text belongs to the row with the cursor."""
        self._show_note()

    def _show_note(self) -> None:
        row, page = self.row, self.query_one("#note", Lines)
        lines = self.note(row, page.size.width) if row is not None else ()
        page.styles.height = max(NOTE_LINES, len(lines))
        page.show_lines(lines)

    def copied(self) -> tuple[str, str] | None:
        """The row and the text below the table, with names whole."""
        row = self.row
        if row is None:
            return None
        cells = (cell.plain.strip() for cell in self.cells(row, self.columns(COPIED_WIDTH)))
        told = "\t".join(cell for cell in cells if cell.strip("█▏▎▍▌▋▊▉ "))
        return "row", "\n".join((told, *(line.plain.rstrip() for line in self.note(row, COPIED_WIDTH))))

    @property
    def row(self) -> Row | None:
        """The row with the cursor."""
        index = self.query_one(KeyedTable).index
        return self.rows[index] if index < len(self.rows) else None
