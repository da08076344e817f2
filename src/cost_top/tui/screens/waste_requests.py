"""The requests behind a line of waste, over the tab that tells the lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo

from cost_top.insight.waste import waste_page
from cost_top.model.engine import Position, RequestPage
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.tui.host import host_of
from cost_top.tui.listing import PAGE
from cost_top.tui.messages import Refused
from cost_top.tui.render.style import SEPARATOR
from cost_top.tui.render.waste import WasteRow, waste_amount, waste_words
from cost_top.tui.screens.requests import RequestsScreen, RequestTable


class WasteRequestsScreen(RequestsScreen):
    """They are of the time that the line is of, and stay as they were read."""

    def __init__(self, row: WasteRow, query: ReportQuery, zone: tzinfo) -> None:
        """A line that `waste_view` told of a query."""
        super().__init__(zone)
        self._row, self._query = row, query

    @property
    def subject(self) -> str:
        """The line and its figure."""
        return f"Waste: {waste_words(self._row)}{SEPARATOR}{waste_amount(self._row)}"

    @property
    def total(self) -> int | None:
        """As the line says."""
        return self._row.requests

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Only the header follows what is watched."""
        is_first = self._snapshot is None
        self._snapshot = snapshot
        self._draw()
        if is_first:
            self._read(None, PAGE)

    def ask(self, after: Position | None, limit: int, order: str, reply: Callable[[RequestPage], None]) -> None:
        """Of the line alone."""
        query = replace(self._query, sort=order, limit=limit)
        host_of(self).feed.ask(
            lambda answers: waste_page(answers, query, self._row.name, after), reply,
            self.refuse,
        )  # fmt: skip

    def refuse(self, reason: str) -> None:
        """Why there are none; called on the feed's thread."""
        self.post_message(Refused(reason))

    def on_refused(self, message: Refused) -> None:
        """Say why there are none."""
        self.query_one(RequestTable).refused = message.reason
        self._draw()

    def leave(self) -> None:
        """Back to the lines."""
        self.dismiss(None)
