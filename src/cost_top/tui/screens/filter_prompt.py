"""`/`: a filter typed at the foot of the screen, answered while it is typed."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input

from cost_top.model.errors import UserError, one_line
from cost_top.model.feed import Found
from cost_top.model.filter import Filter, parse_filter, pattern
from cost_top.model.format import count, elide, lower_bound
from cost_top.model.money import display_usd
from cost_top.model.secret import key_forms
from cost_top.model.snapshot import Snapshot
from cost_top.tui.completing import Offer, dimension_at_end, offered, values_of, values_on, with_more
from cost_top.tui.host import host_of
from cost_top.tui.keys import PROMPT_BINDINGS
from cost_top.tui.messages import FoundArrived
from cost_top.tui.render.style import BAD, CAUTION, FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines, shown_as

DEBOUNCE = 0.08
_FRAME = 4  # cells of the border and what is kept free beside it
_MOST_LINES = 8
HINT = "⇥ completes  ↑ earlier ones   tag:prod  -model:gpt-4o*  provider:openai,anthropic  cost:>0.05  any word"


class FilterPrompt(Dialog[None]):
    """A bad expression leaves the old filter in force and says which term is wrong."""

    BINDINGS: ClassVar[list[BindingType]] = [*PROMPT_BINDINGS]

    def __init__(self, current: Filter) -> None:
        super().__init__(id="filter-prompt")
        self._before = current
        self._timer: Timer | None = None
        self._offer: Offer | None = None  # what Tab goes through
        # A term half typed matches nothing: what was on the screen before it can still be meant.
        self._known: dict[str, tuple[str, ...]] = {}
        self._looked_for: list[str] = []  # dimensions whose values were asked for; a question's number is its place
        # What was typed; the arrows leave it and come back to it. The first key begins a term of its own.
        self._text = f"{current} " if current else ""
        self._age = 0  # 1 is the newest filter that was used
        self._is_wrong = False  # the answer says why, until something else is typed

    def compose(self) -> ComposeResult:
        """The prompt, and under it the answer or what is wrong."""
        with Vertical(classes="prompt") as prompt:
            prompt.border_title = Content("Filter")
            yield Input(self._text, id="filter", select_on_focus=False)
            yield Lines(id="filter-answer")

    def on_mount(self) -> None:
        """Blinking would write to the terminal twice a second."""
        self._known = values_on(host_of(self).shown)
        prompt = self.query_one(Input)
        prompt.cursor_blink = False
        prompt.focus()
        self._answer(content((HINT, MUTED)))

    def on_input_changed(self) -> None:
        """Ask a moment after the last key."""
        self._look_for(dimension_at_end(self.query_one(Input).value))
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(DEBOUNCE, self._check if self._asks else self._apply)

    def _look_for(self, named: tuple[str, str] | None) -> None:
        """Ask once for the values of a dimension, under what is written before it."""
        if named is None or named[0] in self._looked_for or self._asks:
            return
        dimension, before = named
        try:
            within = parse_filter(before)
        except UserError:
            return
        number = len(self._looked_for)
        self._looked_for.append(dimension)
        host_of(self).feed.find(dimension, "", lambda found: self._hear(number, found), within)

    def _hear(self, number: int, found: tuple[Found, ...]) -> None:
        """The answer; called on the feed's thread."""
        self.post_message(FoundArrived(number, found))

    def on_found_arrived(self, message: FoundArrived) -> None:
        """Offer them too."""
        self._known = with_more(self._known, {self._looked_for[message.number]: values_of(message.found)})
        app = host_of(self)
        if app.shown is not None and app.view.filter and app.shown.view.filter == app.view.filter:
            self.show_snapshot(app.shown)

    @property
    def _asks(self) -> bool:
        """Whether each filter is a question of its own to the source, to be asked only when it is meant."""
        shown = host_of(self).shown
        return shown is not None and shown.asking is not None

    def on_input_submitted(self) -> None:
        """Enter keeps a good filter; a bad one stays open with its message."""
        if self._apply():
            used = parse_filter(self.query_one(Input).value)
            if not self._may_tell_a_key(used):
                host_of(self).history.add(str(used))
            self.dismiss(None)

    def _may_tell_a_key(self, used: Filter) -> bool:
        """Whether a token is named that is not on the screen: a log may know raw keys of any look by their hash."""
        told = {"%", *values_on(host_of(self).shown).get("token", ())}
        named = (pattern(value)[0] for term in used.terms if term.field == "token" for value in term.values)
        return any(text not in told and key_forms(text) != (text,) for text in named)

    def action_complete(self) -> None:
        """Write what all offers begin with; where that is written, the offers one after another."""
        prompt, offer = self.query_one(Input), self._offer
        written, rest = prompt.value[: prompt.cursor_position], prompt.value[prompt.cursor_position :]
        if offer is None or written[offer.start :] not in offer.candidates:
            offer = offered(written, self._known)
        typed, several = written[offer.start :], len(offer.candidates) > 1
        self._offer = offer if several else None
        self._tell_offers(offer)
        if not offer.candidates:
            return
        following = offer.candidates.index(typed) + 1 if typed in offer.candidates else 0
        chosen = offer.candidates[following % len(offer.candidates)]
        if not following and len(offer.common) > len(typed):
            chosen = offer.common
        prompt.value = f"{written[: offer.start]}{chosen}{rest}"
        prompt.cursor_position = offer.start + len(chosen)

    def _tell_offers(self, offer: Offer) -> None:
        told = "  ".join(one_line(one, 40) for one in offer.candidates) or "nothing in this window is called so"
        box = self.query_one(".prompt")
        box.border_subtitle = shown_as(self, Content(elide(told, max(self.size.width - 6, 1))))

    def action_older(self, step: int) -> None:
        """A filter that was used before, or back towards what was typed."""
        prompt, known = self.query_one(Input), host_of(self).history.entries()
        if self._age == 0:
            self._text = prompt.value
        self._age = max(0, min(self._age + step, len(known)))
        prompt.value = known[-self._age] if self._age else self._text
        prompt.cursor_position = len(prompt.value)

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
            self._is_wrong = True
            self._answer(content((str(error).removeprefix("filter: "), BAD)))
            return None
        self._is_wrong = False
        if self._asks and wanted != app.view.filter:
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
        """How much matches; what is wrong with what was typed stays told."""
        self._known = with_more(self._known, values_on(snapshot))
        if self._is_wrong:
            return
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
            else content(("no request matches", CAUTION), self._meant())
        )
        self._answer(told.append(Content.styled("   ⏎ keep  esc restore", MUTED)))

    def _meant(self) -> str:
        """What Tab would write in the place of a value that nothing is called by."""
        offer = offered(text := self.query_one(Input).value, self._known)
        is_value, typed = text[: offer.start].endswith((":", ",")), text[offer.start :]
        return f"   ⇥ {one_line(offer.candidates[0], 40)}" if is_value and typed and offer.candidates else ""

    def _answer(self, text: Content) -> None:
        """Over as many lines as it takes: what may be typed instead is told whole."""
        answer, box = self.query_one("#filter-answer", Lines), self.query_one(".prompt")
        lines = text.wrap(max(8, self.size.width - _FRAME))[:_MOST_LINES]
        answer.styles.height = len(lines)
        box.styles.height = len(lines) + 3
        answer.show_lines(lines)
