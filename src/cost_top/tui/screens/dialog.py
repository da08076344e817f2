"""What all dialogs share: a framed box over the screen, left with Escape."""

from __future__ import annotations

from typing import TypeVar

from textual.binding import Binding
from textual.screen import ModalScreen

from cost_top.tui.keys import DIALOG_BINDINGS

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Escape leaves without an answer; the figures behind go on."""

    BINDINGS: list[Binding] = DIALOG_BINDINGS  # type: ignore[assignment]

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
