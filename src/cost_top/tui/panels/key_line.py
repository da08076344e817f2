"""The last line: the keys that matter most, as many as fit; a click does what the key does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget

from cost_top.tui.keys import HINTS, LAST_HINTS, PAIRED, TAB_BINDINGS
from cost_top.tui.keys import label as key_label
from cost_top.tui.render.style import MUTED
from cost_top.tui.widgets.lines import Lines


class KeyLine(Lines):
    """Hints made from bindings, in the order of `keys.HINTS`: those of the screen and of what has the focus."""

    def __init__(self, bindings: Sequence[Binding], **options: Any) -> None:
        """`bindings` are those that hold whatever has the focus."""
        super().__init__(**options)
        self._always = tuple(bindings)
        self._ends: list[tuple[int, str]] = []

    def on_mount(self) -> None:
        """What has the focus decides what its keys are."""
        self.watch(self.screen, "focused", self._show_fitting, init=False)

    def on_resize(self) -> None:
        """Show what fits."""
        self._show_fitting()

    def _show_fitting(self) -> None:
        by_name = {binding.id: binding for binding in (*self._always, *bindings_of(self.screen.focused))}
        if not getattr(self.screen.focused, "tabs", ()):
            by_name = {name: binding for name, binding in by_name.items() if binding not in TAB_BINDINGS}
        last = [self._hint(by_name[name]) for name in LAST_HINTS if name in by_name]
        room = self.size.width - sum(hint.cell_length + 2 for hint in last)
        line, self._ends = Content(" "), []
        for group in _groups([by_name[name] for name in HINTS if name in by_name]):
            hints = [self._hint(binding) for binding in group]
            gap = "  " * bool(self._ends)
            if line.cell_length + len(gap) + sum(hint.cell_length for hint in hints) > room:
                break
            line += gap
            for binding, hint in zip(group, hints, strict=True):
                line += hint
                self._ends.append((line.cell_length, binding.key.split(",")[0]))
        for hint, name in zip(last, (name for name in LAST_HINTS if name in by_name), strict=True):
            line += Content("  " * bool(self._ends)).append(hint)
            self._ends.append((line.cell_length, by_name[name].key.split(",")[0]))
        self.show(line)

    def _hint(self, binding: Binding) -> Content:
        ascii_only = getattr(self.app, "ascii_only", False)
        named = getattr(self.screen.focused, "hints", {}).get(binding.id, binding.description)
        label = "" if binding.id in PAIRED else f" {named}"
        return Content.assemble((key_label(binding, ascii_only), "bold"), (label, MUTED))

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        for end, key in self._ends:
            if event.x < end:
                self.app.simulate_key(key)
                return


def _groups(bindings: Sequence[Binding]) -> list[list[Binding]]:
    """The bindings one by one, two keys under one name together."""
    groups: list[list[Binding]] = []
    for binding in bindings:
        if groups and groups[-1][-1].id in PAIRED:
            groups[-1].append(binding)
        else:
            groups.append([binding])
    return groups


def bindings_of(widget: Widget | None) -> list[Binding]:
    """The bindings a widget adds to those of its screen, its own before those of what it is a kind of."""
    kinds = type(widget).__mro__ if widget is not None else ()
    own = (binding for kind in kinds for binding in vars(kind).get("BINDINGS", ()))
    return [binding for binding in own if isinstance(binding, Binding) and binding.id is not None]
