"""`/`: a filter typed at the foot of the screen, answered while it is typed."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input

from cost_top.model.errors import UserError
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.format import count, lower_bound
from cost_top.model.money import display_usd
from cost_top.model.snapshot import Snapshot
from cost_top.tui.live import host_of
from cost_top.tui.render.style import BAD, CAUTION, FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines

DEBOUNCE = 0.08
HINT = "tag:prod  user:acme  -model:gpt-4o*  provider:openai,anthropic  status:>=400  cost:>0.05  any word"


class FilterPrompt(Dialog[None]):
    """A bad expression leaves the old filter in force and says which term is wrong."""

    def __init__(self, current: Filter) -> None:
        super().__init__(id="filter-prompt")
        self._before = current
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """The prompt, and under it the answer or what is wrong."""
        with Vertical(classes="prompt") as prompt:
            prompt.border_title = Content("Filter")
            yield Input(str(self._before), id="filter", select_on_focus=False)
            yield Lines(id="filter-answer")

    def on_mount(self) -> None:
        """Blinking would write to the terminal twice a second."""
        prompt = self.query_one(Input)
        prompt.cursor_blink = False
        prompt.focus()
        self._answer(content((HINT, MUTED)))

    def on_input_changed(self) -> None:
        """Ask a moment after the last key."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(DEBOUNCE, self._check if host_of(self).feed.on_demand else self._apply)

    def on_input_submitted(self) -> None:
        """Enter keeps a good filter; a bad one stays open with its message."""
        if self._apply():
            self.dismiss(None)

    def action_leave(self) -> None:
        """Escape restores the filter from before."""
        if self._timer is not None:
            self._timer.stop()
        host_of(self).filter_by(self._before)
        self.dismiss(None)

    def _check(self) -> Filter | None:
        """The filter that was typed, None with its mistake told. Where asking costs, nothing is asked before Enter."""
        app = host_of(self)
        try:
            wanted = parse_filter(self.query_one(Input).value)
            refused = app.feed.refuses(replace(app.view, filter=wanted))
            if refused is not None:
                raise UserError(refused)
        except UserError as error:
            self._answer(content((str(error).removeprefix("filter: "), BAD)))
            return None
        if app.feed.on_demand and wanted != app.view.filter:
            self._answer(content(("⏎ asks  esc restore", MUTED)))
        return wanted

    def _apply(self) -> bool:
        if self._timer is not None:
            self._timer.stop()
        app, wanted = host_of(self), self._check()
        if wanted is None:
            return False
        if wanted == app.view.filter and app.shown is not None:
            self.show_snapshot(app.shown)
        app.filter_by(wanted)
        return True

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """How much matches."""
        if not snapshot.view.filter and not self.query_one(Input).value:
            self._answer(content((HINT, MUTED)))
            return
        measures = snapshot.spend.measures
        money = lower_bound(display_usd(measures.total_cost), measures.unpriced_count)
        found = f" in {count(measures.request_count)} request{'s' if measures.request_count != 1 else ''}"
        if measures.request_count is None:
            found = ""
        told = (
            content((money, FIGURE), found)
            if measures.request_count or measures.total_cost
            else content(("no request matches", CAUTION))
        )
        self._answer(told.append(Content.styled("   ⏎ keep  esc restore", MUTED)))

    def _answer(self, text: Content) -> None:
        self.query_one("#filter-answer", Lines).show(text)
