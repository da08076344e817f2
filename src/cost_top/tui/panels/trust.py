"""The trust line: how far the figures can be trusted, each part a way to the requests behind it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content

from cost_top.model.snapshot import Snapshot
from cost_top.tui.keys import TRUST_BINDINGS
from cost_top.tui.messages import RequestsRequested
from cost_top.tui.render.trust import GAP, TrustPart, trust_parts
from cost_top.tui.widgets.lines import Lines

WHOLE = 1000  # cells, more than all parts take


class TrustLine(Lines, can_focus=True):
    """One line of parts; those with rows behind them can be picked and opened."""

    BINDINGS: ClassVar[list[BindingType]] = [*TRUST_BINDINGS]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.parts: tuple[TrustPart, ...] = ()
        self.cursor = 0
        self._snapshot: Snapshot | None = None

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Draw what changed."""
        self._snapshot = snapshot
        if self.size.width > 1:
            self.parts = trust_parts(snapshot, self.size.width - 1)
            self._draw()

    @property
    def openable(self) -> list[int]:
        """The parts that lead to requests."""
        return [index for index, part in enumerate(self.parts) if part.term is not None]

    def _draw(self) -> None:
        chosen = self._chosen() if self.has_focus else None
        texts = [
            Content.styled(part.text.plain, "reverse") if index == chosen else part.text
            for index, part in enumerate(self.parts)
        ]
        self.show(Content(" ").append(Content(" " * GAP).join(texts)))

    def _chosen(self) -> int | None:
        openable = self.openable
        return openable[self.cursor % len(openable)] if openable else None

    def on_resize(self) -> None:
        """What fits depends on the width."""
        if self._snapshot is not None:
            self.show_snapshot(self._snapshot)

    def on_focus(self) -> None:
        """Show which part Enter opens."""
        self._draw()

    def on_blur(self) -> None:
        """The choice shows only where the keys go."""
        self._draw()

    def action_part(self, step: int) -> None:
        """Choose the part beside."""
        self.cursor = (self.cursor + step) % max(1, len(self.openable))
        self._draw()

    def action_open_part(self) -> None:
        """Ask for the requests behind the chosen part."""
        self._open(self._chosen())

    def on_click(self, event: events.Click) -> None:
        """Ask for the requests behind the part under the pointer."""
        end = 1
        for index, part in enumerate(self.parts):
            end += part.text.cell_length + GAP
            if event.x < end:
                self._open(index)
                return

    def _open(self, index: int | None) -> None:
        part = self.parts[index] if index is not None else None
        if part is not None and part.term is not None:
            self.post_message(RequestsRequested(part.name, part.term))

    def copied(self) -> tuple[str, str]:
        """What `y` takes: all its parts, also those that the screen has no place for."""
        parts = trust_parts(self._snapshot, WHOLE) if self._snapshot is not None else self.parts
        return "the trust line", (" " * GAP).join(part.text.plain for part in parts)
