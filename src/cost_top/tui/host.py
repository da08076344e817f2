"""What panels and screens may ask of the app they live in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, cast

from textual.dom import DOMNode

from cost_top.model.feed import Feed
from cost_top.model.filter import Filter
from cost_top.model.snapshot import Load, Snapshot, TimeBar
from cost_top.model.view import View
from cost_top.model.watched import IncidentRow
from cost_top.tui.history import FilterHistory
from cost_top.tui.terminal import Written


class Host(Protocol):
    """The app, as its parts see it: what is shown, and where wishes go."""

    feed: Feed
    view: View
    shown: Snapshot | None
    latest: Snapshot | None
    load: Load
    written: Written
    source_label: str
    export_folder: Path
    ascii_only: bool
    clock: Callable[[], datetime]
    history: FilterHistory

    def refresh_state(self) -> None:
        """Draw the header, the drill and the banner anew."""

    def tell_user(self, message: str, *, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A toast; what it says is never markup."""

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text on the clipboard of the reader's terminal."""

    def copy(self, copied: tuple[str, str] | None) -> None:
        """Copy a text under its name; None where there is nothing to copy."""

    def action_screenshot(self) -> None:
        """Write the screen to an SVG file."""

    def look(self, view: View) -> None:
        """Ask the monitor for another view."""

    def look_at_lenses(self, lenses: tuple[str, ...]) -> None:
        """Ask for the lenses that are on the screen."""

    def look_at_tab(self, tab: str) -> None:
        """Show another lens in the panel with tabs."""

    def filter_by(self, wanted: Filter) -> None:
        """Replace the typed filter."""

    def sort(self, lens: str, measure: str, *, keep_order: bool = False) -> None:
        """Sort a lens."""

    def zoom(self, bar: TimeBar) -> None:
        """Look at a bar's time alone."""

    async def open_lines(self) -> None:
        """Show the window's spend by a dimension, as lines."""

    def look_at_incident(self, incident: IncidentRow) -> None:
        """Look at whose an incident is, in the time it is of."""

    def go_back(self) -> None:
        """One step out of the drill, or out of the filter."""

    def open_requests(self) -> None:
        """List the single requests behind the view."""

    def close_requests(self) -> None:
        """Back to the overview."""


def host_of(node: DOMNode) -> Host:
    """The app a widget lives in."""
    return cast(Host, node.app)
