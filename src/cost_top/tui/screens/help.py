"""`?`: the keys, what each figure means, and what watching costs. The keys come from the bindings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from cost_top.model.errors import one_line
from cost_top.model.format import count, counted, pad
from cost_top.tui.host import Host, host_of
from cost_top.tui.keys import HELP_BINDINGS, told
from cost_top.tui.panels.key_line import bindings_of
from cost_top.tui.render.style import FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines

NAME_CELLS = 24
# What each figure means, with the whole that its percentage is of.
FIGURES: tuple[tuple[str, str], ...] = (
    ("spend", "what the window's requests cost you; ▲ ▼ against the equal period just before, % of that period"),
    ("≥", "a lower bound: some requests have no rate and count as nothing; x lists their models"),
    ("own keys", "list price of requests on customers' own keys, which their providers bill; not in the total"),
    ("░", "in the chart: a bar of which the window holds only a part"),
    ("burn rate", "cost of the last 60 minutes; × usual is against the median of this weekday and hour"),
    ("req/min", "requests a minute over the last 5 minutes"),
    ("failed, p95", "share of the last hour's requests that failed; 95 of 100 of them were faster"),
    ("newest, lag p95", "how old the newest row is; 95 of 100 rows came in within the lag of their start"),
    ("response cache", "calls the gateway answered itself; % of what would have been spent without it"),
    ("prompt cache", "the provider's discount for cached input less what writing the cache cost"),
    ("below market", "list price less what was paid, % of the list price"),
    ("share", "a row's cost, % of the cost of all rows that match"),
    (
        "change",
        "a row against the equal period before: the difference where there is room, % or how many times, or new",
    ),
    (
        "tokens … saved",
        "by v: input and output tokens, requests, failed ones, latency that 95 of 100 keep below, saved by the cache",
    ),
    ("since mark", "what came after the moment you pressed m"),
    ("reported", "cost written by the gateway itself, % of the spend"),
    ("priced by us", "cost computed from the rates, % of the spend"),
    ("users, tags, keys", "cost of requests that carry one, % of the spend"),
    ("late rows", "rows that came after newer ones since the start; counted once, with their newest figures"),
    ("tags", "a request with three tags counts in three rows, so the rows add up to more than the total"),
)


class HelpScreen(Dialog[None]):
    """A page to scroll; what watching costs is as of the moment it was opened."""

    BINDINGS: ClassVar[list[BindingType]] = [*HELP_BINDINGS]

    def __init__(self, focused: Widget | None) -> None:
        """The keys of what has the focus come first."""
        super().__init__()
        self.here = bindings_of(focused)

    def compose(self) -> ComposeResult:
        """One text, and below it what is looked for in it."""
        with Vertical(classes="dialog tall") as dialog:
            dialog.border_title = Content("cost-top: keys and figures")
            dialog.border_subtitle = Content("arrows scroll  / find  q ? esc close")
            with HelpPage():
                yield Lines()
            find = Input(placeholder="a word", id="help-find", disabled=True)
            find.cursor_blink = False
            yield find

    def on_mount(self) -> None:
        """The page takes the scrolling keys."""
        self.query_one(HelpPage).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In the word a slash is text."""
        if action == "find":
            return self.query_one(Input).disabled
        return super().check_action(action, parameters)

    def action_find(self) -> None:
        """Take a word."""
        find = self.query_one(Input)
        find.disabled = False
        self.set_focus(find)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the lines that hold the word."""
        self.query_one(HelpPage).find(event.value)

    def on_input_submitted(self) -> None:
        """The page takes the keys again."""
        self.set_focus(self.query_one(HelpPage))

    def action_leave(self) -> None:
        """Out of the word first, then out of the help."""
        find = self.query_one(Input)
        if find.disabled:
            self.dismiss(None)
            return
        find.value = ""
        find.disabled = True
        self.set_focus(self.query_one(HelpPage))


class HelpPage(VerticalScroll, can_focus=True):
    """Groups of names and what they mean, the meanings wrapped below one another."""

    _word = ""

    def on_mount(self) -> None:
        """Gather the figures once, so that they rest while it is read."""
        app, screen = host_of(self), self.screen
        here = told(app.ascii_only, screen.here) if isinstance(screen, HelpScreen) else []
        groups = [("Here", [line for _, lines in here for line in lines]), *told(app.ascii_only)]
        groups += [("What the figures mean", list(FIGURES)), watching(app)]
        self._groups = [group for group in groups if group[1]]

    def on_resize(self) -> None:
        """What a line holds depends on the width."""
        self.find(self._word)

    def find(self, word: str) -> None:
        """Show the pairs that hold a word, all of them without one."""
        self._word = word.strip().lower()
        width, page = self.scrollable_content_region.width, self.query_one(Lines)
        groups = [(title, [pair for pair in pairs if self._word in " ".join((title, *pair)).lower()])
                  for title, pairs in self._groups]  # fmt: skip
        drawn = [line for title, pairs in groups if pairs for line in (*_group(title, pairs, width), content(""))]
        if not drawn:
            drawn = [content((f"nothing here holds {one_line(word, 40)}", MUTED))]
        page.styles.height = len(drawn)
        page.show_lines(drawn)


def watching(app: Host) -> tuple[str, list[tuple[str, str]]]:
    """What it cost the source and the terminal so far."""
    cost, source = app.load, app.shown.source if app.shown is not None else app.source_label
    asked = f"{count(cost.queries)} queries, {cost.database_ms:,.0f} ms of database time"
    read = f"{bytes_text(cost.bytes_read)} in {counted(cost.rows_read, 'row')} read"
    pairs = [(source or "source", f"{asked}, {read}"), ("this terminal", f"{bytes_text(app.written.bytes)} written")]
    return "What watching has cost since the start", pairs


def _group(title: str, pairs: Sequence[tuple[str, str]], width: int) -> Iterator[Content]:
    yield content((title, FIGURE))
    for name, meaning in pairs:
        for number, line in enumerate(wrap(meaning, max(20, width - NAME_CELLS - 2))):
            yield content("  ", pad("" if number else name, NAME_CELLS - 1), " ", (line, MUTED))


def bytes_text(number: int) -> str:
    """Bytes for eyes.

    >>> bytes_text(812), bytes_text(3_400_000)
    ('812 B', '3.4 MB')
    """
    for scale, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"
