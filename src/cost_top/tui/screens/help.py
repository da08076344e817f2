"""`?`: the keys, what each figure means, and what watching costs. The keys come from the bindings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from cost_top.model.format import count, pad
from cost_top.tui.keys import told
from cost_top.tui.live import LiveApp, host_of
from cost_top.tui.render.style import FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import Lines

NAME_CELLS = 24
# What each figure means, with the whole that its percentage is of.
FIGURES: tuple[tuple[str, str], ...] = (
    ("spend", "what the window's requests cost you; ▲ ▼ against the equal period just before, % of that period"),
    ("≥", "a lower bound: some requests have no rate and count as nothing; x lists their models"),
    ("burn rate", "cost of the last 60 minutes; × usual is against the median of this weekday and hour"),
    ("failed, p95", "share of the last hour's requests that failed; 95 of 100 of them were faster"),
    ("newest, lag p95", "how old the newest row is; 95 of 100 rows came in within the lag of their start"),
    ("response cache", "calls the gateway answered itself; % of what would have been spent without it"),
    ("prompt cache", "the provider's discount for cached input less what writing the cache cost"),
    ("below market", "list price less what was paid, % of the list price"),
    ("share", "a row's cost, % of the cost of all rows that match"),
    ("▲ ▼ ▬", "a row against the equal period before; ▬ is within 2 %"),
    ("since mark", "what came after the moment you pressed m"),
    ("reported", "cost written by the gateway itself, % of the spend"),
    ("priced by us", "cost computed from the rates, % of the spend"),
    ("users, tags, keys", "cost of requests that carry one, % of the spend"),
    ("late rows", "rows that came after newer ones since the start; counted once, with their newest figures"),
    ("tags", "a request with three tags counts in three rows, so the rows add up to more than the total"),
)


class HelpScreen(Dialog[None]):
    """A page to scroll; what watching costs is as of the moment it was opened."""

    def compose(self) -> ComposeResult:
        """One text."""
        with HelpPage(classes="dialog tall") as dialog:
            dialog.border_title = Content("cost-top: keys and figures")
            dialog.border_subtitle = Content("arrows scroll  esc close")
            yield Lines()

    def on_mount(self) -> None:
        """The page takes the scrolling keys."""
        self.query_one(HelpPage).focus()


class HelpPage(VerticalScroll, can_focus=True):
    """Groups of names and what they mean, the meanings wrapped below one another."""

    def on_mount(self) -> None:
        """Gather the figures once, so that they rest while it is read."""
        self._groups = [watching(host_of(self)), *told(host_of(self).ascii_only), ("What the figures mean", FIGURES)]

    def on_resize(self) -> None:
        """What a line holds depends on the width."""
        width, page = self.scrollable_content_region.width, self.query_one(Lines)
        drawn = [line for group, pairs in self._groups for line in (*_group(group, pairs, width), content(""))]
        page.styles.height = len(drawn)
        page.show_lines(drawn)


def watching(app: LiveApp) -> tuple[str, list[tuple[str, str]]]:
    """What it cost the source and the terminal so far."""
    cost, source = app.watching, app.shown.source if app.shown is not None else app.source_label
    asked = f"{count(cost.queries)} queries, {cost.database_ms:,.0f} ms of database time"
    read = f"{bytes_text(cost.bytes_read)} in {count(cost.rows_read)} rows read"
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
