"""The last line: the keys that matter most, as many as fit; a click does what the key does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.binding import Binding
from textual.content import Content

from cost_top.tui.keys import HINTS
from cost_top.tui.keys import label as key_label
from cost_top.tui.render.style import MUTED
from cost_top.tui.widgets.lines import Lines


class KeyLine(Lines):
    """Hints made from bindings, in the order of `keys.HINTS`."""

    def __init__(self, bindings: Sequence[Binding], **options: Any) -> None:
        super().__init__(**options)
        by_name = {binding.id: binding for binding in bindings}
        self._hints = [by_name[name] for name in HINTS if name in by_name]
        self._ends: list[tuple[int, str]] = []

    def on_resize(self) -> None:
        """Show what fits."""
        ascii_only = getattr(self.app, "ascii_only", False)
        line, self._ends = Content(" "), []
        for binding in self._hints:
            label = "" if binding.id == "window.shorter" else f" {binding.description}"
            gap = "" if binding.id == "window.longer" else "  " * bool(self._ends)
            hint = Content.assemble(gap, (key_label(binding, ascii_only), "bold"), (label, MUTED))
            if line.cell_length + hint.cell_length > self.size.width:
                break
            line += hint
            self._ends.append((line.cell_length, binding.key.split(",")[0]))
        self.show(line)

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        for end, key in self._ends:
            if event.x < end:
                self.app.simulate_key(key)
                return
