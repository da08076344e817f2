"""The three cards on top: what was spent, how fast, and what was saved."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from textual.content import Content

from cost_top.model.snapshot import Snapshot
from cost_top.tui.widgets.lines import Lines

WHOLE = (160, 8)
_DRAWN = re.compile("[▁▂▃▄▅▆▇█░]+|·{2,}")
CardLines = Callable[[Snapshot, int, int, tzinfo], Content]


class Card(Lines, can_focus=True):
    """One card; its lines come from a pure function of the snapshot and the card's size."""

    def __init__(self, title: str, lines: CardLines, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self.border_title = Content(title)
        self._lines_of, self._zone = lines, zone
        self._snapshot: Snapshot | None = None

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw what changed."""
        self._snapshot = snapshot
        width, height = self.size
        if width and height:
            self.show(self._lines_of(snapshot, width, height, self._zone))

    def on_resize(self) -> None:
        """The lines depend on the size."""
        if self._snapshot is not None:
            self.show_snapshot(self._snapshot)

    def copied(self) -> tuple[str, str]:
        """What `y` takes: a name for the toast, and the text as a card of any width would have it."""
        if self._snapshot is None:
            return "the card", self.text
        whole = self._lines_of(self._snapshot, *WHOLE, self._zone).plain.splitlines()
        # The strips and bars are drawings.
        told = (_DRAWN.sub(" ", line).strip() for line in whole)
        return "the card", "\n".join(re.sub(r" {2,}", "  ", line) for line in told if line)
