"""`e`: CSV or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.format import counted
from cost_top.tui.export import Export
from cost_top.tui.keys import EXPORT_BINDINGS
from cost_top.tui.render.style import FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines


class ExportChoice(Dialog[str | None]):
    """One key chooses the format."""

    BINDINGS: ClassVar[list[BindingType]] = [*EXPORT_BINDINGS]

    def __init__(self, export: Export, folder: Path) -> None:
        super().__init__()
        self._export, self._folder = export, folder

    def compose(self) -> ComposeResult:
        """What is written, and where."""
        with Vertical(classes="dialog small") as dialog:
            dialog.border_title = Content(f"Export {self._export.name.replace('_', ' ')}")
            yield Lines(id="export-text")

    def on_mount(self) -> None:
        """Say it."""
        table = self._export.table
        rows = f"{counted(len(table.rows), 'row')}, {len(table.columns)} columns, money as exact USD"
        keys = content(
            ("c ", FIGURE), ("CSV    ", MUTED), ("j ", FIGURE), ("JSON    ", MUTED), ("esc ", FIGURE), ("close", MUTED)
        )  # fmt: skip
        where = content(("into ", MUTED), str(self._folder))
        self.query_one(Lines).show_lines((content(rows), where, content(""), keys))

    def action_choose(self, ending: str) -> None:
        """Answer with the format."""
        self.dismiss(ending)
