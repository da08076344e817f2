"""What all dialogs share: a framed box over the screen, left with Escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.screen import ModalScreen

from cost_top.tui.host import host_of
from cost_top.tui.keys import DIALOG_BINDINGS

Result = TypeVar("Result")
COPIED_WIDTH = 400  # cells of a line that is copied


class Dialog(ModalScreen[Result]):
    """Escape leaves without an answer; the figures behind go on."""

    BINDINGS: ClassVar[list[BindingType]] = [*DIALOG_BINDINGS]

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

    def copied(self) -> tuple[str, str] | None:
        """What the row with the cursor is called, and what is told of it; None where there is none."""
        return None

    def action_copy(self) -> None:
        """Copy what is told of the row with the cursor."""
        host_of(self).copy(self.copied())

    def action_screenshot(self) -> None:
        """Write the screen to an SVG file."""
        host_of(self).action_screenshot()
