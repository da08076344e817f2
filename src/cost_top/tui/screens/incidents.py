"""`a`: what is unusual, open and of the last days."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from cost_top.model.snapshot import Filling
from cost_top.model.watched import IncidentRow
from cost_top.tui.host import host_of
from cost_top.tui.render.watched import incident_cells, incident_columns, incident_note
from cost_top.tui.screens.listed import ListedDialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable


class IncidentsScreen(ListedDialog[IncidentRow]):
    """Enter looks at whose it is, in the time it is of."""

    title_text = "Incidents"
    foot = "⏎ look at it  y copy  esc close"
    nothing = "nothing unusual in the last three days"

    def ask(self) -> None:
        """By the rules of the config file."""
        host_of(self).feed.incidents(self.hear, self.refuse)

    def reading(self) -> Filling | None:
        """See `ListedDialog`; the requests of five weeks are looked through."""
        return host_of(self).feed.reading(incidents=True)

    def heading(self) -> str:
        """How many are open, once that is known."""
        if self.query_one(KeyedTable).is_waiting:
            return "Incidents · last 3 days"
        still = sum(row.closed is None for row in self.rows)
        return f"Incidents · last 3 days · {still} open"

    def columns(self, width: int) -> tuple[Column, ...]:
        """See `ListedDialog`."""
        return incident_columns(width, self.rows, self.zone, self.clock())

    def cells(self, row: IncidentRow, columns: Sequence[Column]) -> tuple[Content, ...]:
        """See `ListedDialog`."""
        return incident_cells(row, columns, self.zone, self.clock(), self.rows)

    def key_of(self, row: IncidentRow) -> str:
        """See `ListedDialog`."""
        return row.id

    def note(self, row: IncidentRow, width: int) -> Sequence[Content]:
        """See `ListedDialog`."""
        return incident_note(row, self.zone, self.clock(), width)

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """Answer with the incident to look at."""
        event.stop()
        self.dismiss(self.row)
