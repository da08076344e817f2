"""`u`, `t`, `K`, `S`: type to find a user, a tag, a token or a session, with its spend; Enter looks at it alone."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from cost_top.model.dimensions import dimension_named
from cost_top.model.feed import Found
from cost_top.model.format import count, money_fixed, pad
from cost_top.model.snapshot import Snapshot
from cost_top.tui.host import host_of
from cost_top.tui.messages import FoundArrived
from cost_top.tui.render.style import FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import shown_as

TITLES = {"user": "Find a user", "tag": "Find a tag", "token": "Find an API key", "session": "Find a session"}
_COST, _REQUESTS = 13, 9


class PickerScreen(Dialog[Found | None]):
    """An input and the values it finds, dearest first; ↑ and ↓ move in the list while typing."""

    def __init__(self, dimension: str) -> None:
        super().__init__()
        self._dimension = dimension
        self._number = 0
        self._answered = 0
        self._wanted = False  # Enter came before the answer to what was typed
        self.found: tuple[Found, ...] = ()
        self._was_reading = True

    def compose(self) -> ComposeResult:
        """The input above the list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(TITLES.get(self._dimension, f"Find a {self._dimension}"))
            dialog.border_subtitle = shown_as(self, Content("⏎ look at it alone  esc close"))
            yield Input(placeholder="type a part of its name")
            yield KeyedTable()

    def on_mount(self) -> None:
        """Show the dearest at once."""
        prompt = self.query_one(Input)
        prompt.cursor_blink = False
        prompt.focus()
        self.query_one(KeyedTable).empty = content(("looking…", MUTED))
        self._find("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find as it is typed."""
        self._wanted = False
        self._find(event.value)

    def _find(self, text: str) -> None:
        self._number = number = self._number + 1

        def reply(found: tuple[Found, ...]) -> None:
            self.post_message(FoundArrived(number, found))

        host_of(self).feed.find(self._dimension, text.strip(), reply)

    @property
    def _reading(self) -> bool:
        """Whether there may be values that are not read yet."""
        shown = host_of(self).shown
        return shown is None or shown.filling is not None or not shown.is_settled("total")

    def show_snapshot(self, snapshot: Snapshot) -> None:  # noqa: ARG002 - `_reading` looks at it
        """Find again while more is read, and once more when all is."""
        if self._was_reading:
            self._was_reading = self._reading
            self._find(self.query_one(Input).value)

    def on_found_arrived(self, message: FoundArrived) -> None:
        """Show an answer unless a newer question is under way."""
        if message.number == self._number:
            self.found = message.found
            self._answered = message.number
            self._show()
            if self._wanted:
                self._pick(self.query_one(KeyedTable).index)

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self._show()

    def _show(self) -> None:
        table = self.query_one(KeyedTable)
        if self._number and not self.found:
            said = "still reading…" if self._reading else "nothing found in this window"
            if self._answered != self._number:
                said = "looking…"
            table.empty = content((said, MUTED))
        name_width = max(8, table.row_width - _COST - _REQUESTS)
        columns = (
            Column("name", self._dimension, name_width, "left", None, 8),
            Column("cost", "cost  ", _COST, "right", None, _COST),
            Column("requests", "req", _REQUESTS, "right", None, _REQUESTS),
        )

        def cells(index: int) -> tuple[Content, ...]:
            found = self.found[index]
            name = pad(_label(found, self._dimension), name_width)
            return (
                content((name, f"italic {MUTED}" if found.value is None else "")),
                content((money_fixed(found.cost, _COST), FIGURE)),
                content((pad(count(found.request_count), _REQUESTS, "right"), MUTED)),
            )

        table.always_show_cursor = True
        table.show_rows(columns, [(found.value, found.name) for found in self.found], cells)

    def on_input_submitted(self) -> None:
        """Enter takes the row with the cursor, once it shows what was typed."""
        self._wanted = self._answered != self._number
        if not self._wanted:
            self._pick(self.query_one(KeyedTable).index)

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """So does a double click."""
        self._pick(event.index)

    def _pick(self, index: int) -> None:
        if index < len(self.found):
            self.dismiss(self.found[index])

    def action_list(self, rows: int) -> None:
        """Move in the list while the input has the keys."""
        self.query_one(KeyedTable).action_cursor(rows)


def _label(found: Found, dimension: str) -> str:
    if found.value is None:
        return dimension_named(dimension).none
    return f"{found.name}  {found.value}" if found.name and found.name != found.value else found.value
