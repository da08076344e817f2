"""What all dialogs share: a framed box over the screen, left with Escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.timer import Timer

from cost_top.tui.host import host_of
from cost_top.tui.keys import DIALOG_BINDINGS

Result = TypeVar("Result")
COPIED_WIDTH = 400  # cells of a line that is copied


_PROGRESS_SECONDS = 0.5


class Dialog(ModalScreen[Result]):
    """Escape leaves without an answer; the figures behind go on."""

    BINDINGS: ClassVar[list[BindingType]] = [*DIALOG_BINDINGS]
    _progress: Timer | None = None

    def tell_progress(self) -> None:
        """Say how far what the dialog waits for is; again and again from `await_answer` to `stop_waiting`."""

    def await_answer(self) -> None:
        """A question was put to the source."""
        self.tell_progress()
        if self._progress is None:
            self._progress = self.set_interval(_PROGRESS_SECONDS, self.tell_progress)

    def stop_waiting(self) -> None:
        """It is answered."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

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
