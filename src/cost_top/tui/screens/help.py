"""`?`: the keys, what each figure means, and what watching costs. The keys come from the bindings."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cost_top.model.format import count
from cost_top.tui.keys import (
    APP_BINDINGS,
    CHART_BINDINGS,
    GROUPS,
    OVERVIEW_BINDINGS,
    REQUEST_BINDINGS,
    TABLE_BINDINGS,
    TRUST_BINDINGS,
)  # fmt: skip
from cost_top.tui.keys import label as key_label
from cost_top.tui.live import host_of
from cost_top.tui.render.style import FIGURE, MUTED, content
from cost_top.tui.screens.dialog import Dialog
from cost_top.tui.widgets.lines import shown_as

# What each figure means, with the whole that its percentage is of.
FIGURES: tuple[tuple[str, str], ...] = (
    ("spend", "what the window's requests cost you; ▲ ▼ against the equal period just before, % of that period"),
    ("≥", "a lower bound: some requests have no rate and count as nothing; x lists their models"),
    ("burn rate", "cost of the last 60 minutes; × usual is against the median of this weekday and hour"),
    ("err", "share of the last hour's requests that failed"),
    ("p95", "95 of 100 requests of the last hour were faster"),
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
        with VerticalScroll(classes="dialog tall", can_focus=True) as dialog:
            dialog.border_title = Content("cost-top: keys and figures")
            dialog.border_subtitle = Content("arrows scroll  esc close")
            page = [shown_as(self, line) for line in self._lines()]
            yield Static(Content("\n").join(page), markup=False)

    def on_mount(self) -> None:
        """The page takes the scrolling keys."""
        self.query_one(VerticalScroll).focus()

    def _lines(self) -> Iterator[Content]:
        app = host_of(self)
        yield from self._watching()
        for group, bindings in grouped():
            yield content("")
            yield content((group, FIGURE))
            for binding in bindings:
                yield _line(key_label(binding, app.ascii_only), binding.tooltip, 10)
        yield content("")
        yield content(("What the figures mean", FIGURE))
        for name, meaning in FIGURES:
            yield _line(name, meaning, 19)

    def _watching(self) -> Iterator[Content]:
        app = host_of(self)
        watching, written = app.watching, app.written
        yield content(("What watching has cost since the start", FIGURE))
        yield _line("source", f"{count(watching.queries)} queries, {watching.database_ms:,.0f} ms of database time", 10)
        yield _line("read", f"{bytes_text(watching.bytes_read)} in {count(watching.rows_read)} rows", 10)
        yield _line("terminal", f"{bytes_text(written.bytes)} written", 10)
        yield _line("log", app.shown.source if app.shown is not None else app.source_label, 10)


def _line(name: str, meaning: str, width: int) -> Content:
    return content("  ", (f"{name:<{width}} ", ""), (meaning, MUTED))


def grouped() -> list[tuple[str, list[Binding]]]:
    """Every binding under its group, in the order of `keys.GROUPS`; one line for each id."""
    every = (*APP_BINDINGS, *OVERVIEW_BINDINGS, *TABLE_BINDINGS, *CHART_BINDINGS, *TRUST_BINDINGS, *REQUEST_BINDINGS)
    return [(group.description, [binding for binding in every if binding.group is group]) for group in GROUPS]


def bytes_text(number: int) -> str:
    """Bytes for eyes.

    >>> bytes_text(812), bytes_text(3_400_000)
    ('812 B', '3.4 MB')
    """
    for scale, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"
