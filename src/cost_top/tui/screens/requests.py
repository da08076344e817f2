"""`l`: the single requests behind the view, and everything known about the one with the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import zip_longest
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import Screen

from cost_top.model.engine import Position, RequestPage
from cost_top.model.format import cells, count
from cost_top.model.request_fields import key_ids
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Snapshot, Stale
from cost_top.tui.export import Export, request_export
from cost_top.tui.host import host_of
from cost_top.tui.keys import APP_BINDINGS, REQUEST_BINDINGS
from cost_top.tui.layout import HEIGHTS, WIDTHS
from cost_top.tui.listing import PAGE, Listing, request_query
from cost_top.tui.messages import RequestsArrived
from cost_top.tui.panels.key_line import KeyLine
from cost_top.tui.panels.top import TopLines
from cost_top.tui.render.requests import detail_lines, request_cells, request_columns, request_detail
from cost_top.tui.render.style import BAD, MUTED, SEPARATOR, content, fit
from cost_top.tui.widgets.keyed_table import KeyedTable
from cost_top.tui.widgets.lines import Lines, shown_as

# Cells from which the detail has two columns.
TWO_COLUMNS = 100
# The next page is read when so few rows are left below what is in sight.
AHEAD = 50
ORDERS = {"time": "newest first", "cost": "dearest first"}


class RequestTable(KeyedTable):
    """The listed requests."""

    hints: ClassVar[dict[str, str]] = {"row.open": "alone"}  # what a key is called here

    @dataclass
    class Scrolled(Message):
        """Other rows are in sight."""

    def __init__(self, zone: tzinfo, subject: str = "Requests") -> None:
        super().__init__(id="requests", classes="panel")
        self._zone, self._subject = zone, subject
        self.listing = Listing()
        self.snapshot: Snapshot | None = None
        self._total: int | None = None
        self.refused: str | None = None  # why there are none
        self.empty = content(("reading…", MUTED))

    def show_listing(self, listing: Listing, snapshot: Snapshot, total: int | None) -> None:
        """Draw the rows that changed; there are `total`, where that is known."""
        self.listing, self.snapshot, self._total = listing, snapshot, total
        self.is_waiting = not listing.is_answered and self.refused is None
        rows = listing.rows
        title = content(self._subject, SEPARATOR, ORDERS[listing.order])
        if total is not None and len(rows) < total:
            title = title.append(f"{SEPARATOR}{count(len(rows))} of {count(total)}")
        self.border_title = shown_as(self, title)
        self.empty = content((_why_empty(listing, snapshot), MUTED) if self.refused is None else (self.refused, BAD))
        columns, ids = request_columns(self.row_width), key_ids(rows)
        today = host_of(self).clock().astimezone(self._zone).date()
        self.show_rows(
            columns, listing.keys, lambda index: request_cells(rows[index], columns, self._zone, ids, today),
            (listing.order, True),
        )  # fmt: skip

    @property
    def is_near_end(self) -> bool:
        """Whether the last rows that are known come into sight."""
        seen = max(self.index, round(self.scroll_offset.y) + self.size.height)
        return seen + AHEAD >= len(self.listing.rows)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling may come near the end."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Scrolled())

    def on_resize(self) -> None:
        """Columns depend on the width."""
        if self.snapshot is not None:
            self.show_listing(self.listing, self.snapshot, self._total)

    @property
    def row(self) -> RequestRow | None:
        """The request with the cursor."""
        rows = self.listing.rows
        return rows[self.index] if self.index < len(rows) else None

    def copied(self) -> tuple[str, str] | None:
        """What `y` takes: everything known about the request, a line each."""
        row = self.row
        if row is None:
            return None
        return f"request {row.id}", "\n".join(f"{label}\t{value}" for label, value in request_detail(row, self._zone))

    def exported(self) -> Export | None:
        """What `e` writes."""
        if self.snapshot is None:
            return None
        return request_export(self.snapshot, self.listing.rows, self._zone, self._total)


def _why_empty(listing: Listing, snapshot: Snapshot) -> str:
    if not listing.is_answered:
        return "reading…"
    if isinstance(snapshot.state, Stale):
        return "the source does not answer"
    return "no requests behind this view" if snapshot.is_settled("total") else "still reading…"


class RequestDetail(VerticalScroll, can_focus=True):
    """What is known about one request: a page to scroll, in two columns where there is room."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "Request"
    _pairs: tuple[tuple[str, str], ...] = ()

    def compose(self) -> ComposeResult:
        """The page."""
        yield Lines(id="detail-lines")

    def show_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Replace the page."""
        self._pairs = tuple(pairs)
        page = self.query_one(Lines)
        width = max(8, self.scrollable_content_region.width)
        if len(pairs) <= self.size.height or width < TWO_COLUMNS:
            drawn = detail_lines(pairs, width)
        else:
            half = -(-len(pairs) // 2)
            right_wants = _wants(pairs[half:])
            left_width = max(width // 3, min(_wants(pairs[:half]), width - right_wants - 2))
            left, right = detail_lines(pairs[:half], left_width), detail_lines(pairs[half:], width - left_width - 2)
            rows = zip_longest(left, right, fillvalue=Content(""))
            drawn = [fit(a, left_width).append("  ").append(b) for a, b in rows]
        page.styles.height = len(drawn)
        page.show_lines(drawn)

    def on_resize(self) -> None:
        """What fits depends on the width."""
        self.show_pairs(self._pairs)


class RequestsScreen(Screen[None]):
    """List and detail, side by side where there is room."""

    BINDINGS: ClassVar[list[BindingType]] = [*REQUEST_BINDINGS]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    ALLOW_IN_MAXIMIZED_VIEW = "TopLines, TrustLine, KeyLine"

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone
        self._snapshot: Snapshot | None = None
        self._listing = Listing()
        self._number = 0

    @property
    def subject(self) -> str:
        """What the list is of."""
        return "Requests"

    @property
    def total(self) -> int | None:
        """How many requests there are behind it."""
        return self._snapshot.spend.measures.request_count if self._snapshot is not None else None

    def compose(self) -> ComposeResult:
        """Header, list, detail, keys."""
        yield TopLines(self._zone)
        with Container(id="request-panes"):
            yield RequestTable(self._zone, self.subject)
            yield RequestDetail(id="detail", classes="panel")
        yield KeyLine([*REQUEST_BINDINGS, *APP_BINDINGS])

    def on_mount(self) -> None:
        """The list takes the keys."""
        self.query_one(RequestTable).focus()
        app = host_of(self)
        app.refresh_state()
        if app.shown is not None and app.shown.view == app.view:
            self.show_snapshot(app.shown)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Read the requests behind a view from the first on; those of the same view as far as they were read."""
        last, self._snapshot = self._snapshot, snapshot
        if last is not None and _period_and_filter(last) != _period_and_filter(snapshot):
            self._listing = Listing(self._listing.order)
        self._draw()
        self._read(None, self._listing.reread)

    def _read(self, after: Position | None, limit: int) -> None:
        if self._snapshot is None:
            return
        self._number = number = self._number + 1

        def reply(page: RequestPage) -> None:
            self.post_message(RequestsArrived(number, after, page))

        self.ask(after, limit, self._listing.order, reply)

    def ask(self, after: Position | None, limit: int, order: str, reply: Callable[[RequestPage], None]) -> None:
        """Ask the feed for a page; `reply` is called on its thread."""
        assert self._snapshot is not None
        query = replace(request_query(self._snapshot, self._zone), sort=order, limit=limit)
        host_of(self).feed.requests(query, after, reply)

    def on_requests_arrived(self, message: RequestsArrived) -> None:
        """Show a page unless a newer question is under way."""
        if message.number == self._number:
            self._listing = self._listing.with_page(message.after, message.page)
            self._draw()
            self._read_on()

    def _read_on(self) -> None:
        """The next page, when the end of what is known comes near."""
        if self._listing.following is not None and self.query_one(RequestTable).is_near_end:
            self._read(self._listing.following, PAGE)

    def _draw(self) -> None:
        if self._snapshot is not None:
            self.query_one(RequestTable).show_listing(self._listing, self._snapshot, self.total)
            self._show_detail()

    def on_request_table_scrolled(self) -> None:
        """More rows may be wanted."""
        self._read_on()

    def on_keyed_table_moved(self) -> None:
        """The detail is of the row with the cursor."""
        self._show_detail()
        self._read_on()

    def on_keyed_table_header_clicked(self, event: KeyedTable.HeaderClicked) -> None:
        """Time and cost can be sorted by."""
        if event.column in ORDERS and event.column != self._listing.order:
            self.action_order()

    def _show_detail(self) -> None:
        row = self.query_one(RequestTable).row
        self.query_one(RequestDetail).show_pairs(request_detail(row, self._zone) if row is not None else ())

    def on_keyed_table_activated(self) -> None:
        """Enter shows the request alone; Escape the list again."""
        detail = self.query_one(RequestDetail)
        if self.maximized is None:
            self.maximize(detail, container=False)
            self.set_focus(detail)

    def action_order(self) -> None:
        """Newest or dearest first."""
        self.query_one(RequestTable).clear_cursor()
        self._listing = Listing("cost" if self._listing.order == "time" else "time")
        self._draw()
        self._read(None, PAGE)

    def action_back(self) -> None:
        """Back to the list, then to the overview; a step the trust line added is undone."""
        if self.maximized is not None:
            self.minimize()
            self.set_focus(self.query_one(RequestTable))
            return
        self.leave()

    def leave(self) -> None:
        """Back to the overview."""
        host_of(self).close_requests()
        self.dismiss(None)


def _period_and_filter(snapshot: Snapshot) -> tuple[object, ...]:
    """What decides which requests are listed, but for the clock."""
    view = snapshot.view
    return view.where, view.time


def _wants(pairs: Sequence[tuple[str, str]]) -> int:
    """Cells that show every value whole."""
    return max(len(label) for label, _ in pairs) + 2 + max(cells(value) for _, value in pairs)
