"""`x`: the models without a rate, what is behind each, and the lines that would price it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.dimensions import dimension_named
from cost_top.model.errors import one_line
from cost_top.model.feed import UnpricedModel
from cost_top.model.format import count, pad, tokens
from cost_top.model.snapshot import Snapshot
from cost_top.tui.host import host_of
from cost_top.tui.keys import UNPRICED_BINDINGS
from cost_top.tui.messages import UnpricedArrived
from cost_top.tui.render.style import MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import Lines, shown_as

_FIGURE = 10


class UnpricedScreen(Dialog[None]):
    """The list above, the override of the row with the cursor below."""

    BINDINGS: ClassVar[list[BindingType]] = [*UNPRICED_BINDINGS]

    def __init__(self) -> None:
        super().__init__()
        self.models: tuple[UnpricedModel, ...] = ()

    def compose(self) -> ComposeResult:
        """A table and a text."""
        with Vertical(classes="dialog", id="unpriced") as dialog:
            dialog.border_title = Content("Models without a rate")
            dialog.border_subtitle = shown_as(self, Content("y copy the lines below  esc close"))
            yield KeyedTable()
            yield Lines(id="override-hint")
            yield Lines(id="override")

    def on_mount(self) -> None:
        """Ask for them."""
        table = self.query_one(KeyedTable)
        table.empty = content(("reading…", MUTED))
        table.focus()
        host_of(self).feed.unpriced(self._reply)

    def _reply(self, models: tuple[UnpricedModel, ...]) -> None:
        self.post_message(UnpricedArrived(models))

    def on_unpriced_arrived(self, message: UnpricedArrived) -> None:
        """Show them."""
        self.models = message.models
        self.query_one(KeyedTable).empty = content(_nothing(host_of(self).shown))
        self._show()

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self._show()

    def _show(self) -> None:
        table = self.query_one(KeyedTable)
        left = max(20, table.row_width - 3 * _FIGURE)
        provider = min(16, left // 3)
        columns = (
            Column("provider", "provider", provider, "left", None, 8),
            Column("model", "model", left - provider, "left", None, 8),
            Column("requests", "req", _FIGURE, "right", None, 8),
            Column("input", "in", _FIGURE, "right", None, 8),
            Column("output", "out", _FIGURE, "right", None, 8),
        )

        def cells(index: int) -> tuple[Content, ...]:
            model = self.models[index]
            return (
                content((pad(model.provider or dimension_named("provider").none, provider), MUTED)),
                content(" ", pad(model.model or dimension_named("model").none, left - provider - 1)),
                content(pad(count(model.request_count), _FIGURE, "right")),
                content(pad(tokens(model.input_tokens), _FIGURE, "right")),
                content(pad(tokens(model.output_tokens), _FIGURE, "right")),
            )

        table.show_rows(columns, [(model.provider, model.model) for model in self.models], cells)
        self._show_override()

    def on_keyed_table_moved(self) -> None:
        """The lines belong to the row with the cursor."""
        self._show_override()

    def _show_override(self) -> None:
        index = self.query_one(KeyedTable).index
        lines = self.models[index].override.splitlines() if index < len(self.models) else []
        hint = "In the file of --overrides these lines would price it:"
        self.query_one("#override-hint", Lines).show(content((hint if lines else "", MUTED)))
        self.query_one("#override", Lines).show_lines([content(one_line(line)) for line in lines])

    def action_copy(self) -> None:
        """Copy the lines of the row with the cursor."""
        index = self.query_one(KeyedTable).index
        if index < len(self.models):
            app = host_of(self)
            app.copy_to_clipboard(self.models[index].override)
            app.tell_user("copied the lines for the file of --overrides")


def _nothing(shown: Snapshot | None) -> str:
    """Why no model is listed."""
    if shown is None or not shown.is_settled("total"):
        return "still reading…"
    if shown.spend.measures.request_count == 0:
        return "no requests in this window"
    return "every model in this window has a rate"
