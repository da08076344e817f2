"""`b`: how budgets stand."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cost_top.model.watched import BudgetRow
from cost_top.tui.host import host_of
from cost_top.tui.render.watched import budget_cells, budget_columns, budget_note
from cost_top.tui.screens.listed import ListedDialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable


class BudgetsScreen(ListedDialog[BudgetRow]):
    """Bars of what is used, those nearest their end first."""

    title_text = "Budgets"
    nothing = "no budgets: cost-top help budgets says how one is made"

    def ask(self) -> None:
        """Those of the config file and the gateway's own."""
        host_of(self).feed.budgets(self.hear, self.refuse)

    def columns(self, width: int) -> tuple[Column, ...]:
        """See `ListedDialog`."""
        return budget_columns(width, self.rows, self.zone, self.clock())

    def cells(self, row: BudgetRow, columns: Sequence[Column]) -> tuple[Content, ...]:
        """See `ListedDialog`."""
        return budget_cells(row, columns, self.zone, self.clock())

    def key_of(self, row: BudgetRow) -> tuple[str, bool]:
        """See `ListedDialog`."""
        return row.title, row.is_kept

    def note(self, row: BudgetRow, width: int) -> Sequence[Content]:
        """See `ListedDialog`."""
        return budget_note(row, self.zone, self.clock(), width)

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """A budget has nothing below it."""
        event.stop()
