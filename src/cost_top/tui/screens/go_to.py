"""`g`: a day or a stretch of days, typed at the foot of the screen."""

from __future__ import annotations

from datetime import datetime, tzinfo

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input

from cost_top.model.errors import UserError
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.tui.navigation import gone_to
from cost_top.tui.render.states import is_before_all
from cost_top.tui.render.style import BAD, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines, shown_as

HINT = "2026-11-01   2026-11-01..2026-11-15   2026-11-01T14:00   yesterday   7d.."
FOOT = "⏎ go there  esc close"


class GoTo(Dialog[View]):
    """The answer is the view of what was typed. Where the log ends before the window, its last day is proposed."""

    def __init__(self, view: View, shown: Snapshot | None, now: datetime, zone: tzinfo) -> None:
        super().__init__(id="go-to")
        self._view, self._now, self._zone = view, now, zone
        self._proposed = ""
        if shown is not None and shown.newest is not None and is_before_all(shown):
            self._proposed = f"{shown.newest.astimezone(zone):%Y-%m-%d}"

    def compose(self) -> ComposeResult:
        """The prompt, and under it how a time is written or what is wrong."""
        with Vertical(classes="prompt") as prompt:
            prompt.border_title = Content("Go to")
            prompt.border_subtitle = shown_as(self, Content(FOOT))
            yield Input(self._proposed, id="date", select_on_focus=False)
            yield Lines(id="date-answer")

    def on_mount(self) -> None:
        """Blinking would write to the terminal twice a second."""
        self.query_one(Input).cursor_blink = False
        self.query_one("#date-answer", Lines).show(content((HINT, MUTED)))

    def on_input_submitted(self) -> None:
        """Enter goes there, or says why not."""
        try:
            self.dismiss(gone_to(self._view, self.query_one(Input).value, self._now, self._zone))
        except UserError as error:
            self.query_one("#date-answer", Lines).show(content((str(error), BAD)))
