"""What all dialogs share: a framed box over the screen, left with Escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.screen import ModalScreen

from cost_top.tui.keys import DIALOG_BINDINGS

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Escape leaves without an answer; the figures behind go on."""

    BINDINGS: ClassVar[list[BindingType]] = [*DIALOG_BINDINGS]

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
