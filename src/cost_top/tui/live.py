"""The app's spine: snapshots in, views out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import ClassVar, Literal, cast

from textual.app import App
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer

from cost_top.model.errors import one_line
from cost_top.model.feed import Feed
from cost_top.model.filter import Filter
from cost_top.model.format import next_age
from cost_top.model.snapshot import Snapshot, Stale, Watching
from cost_top.model.view import View
from cost_top.tui import navigation
from cost_top.tui.keys import APP_BINDINGS
from cost_top.tui.layout import lenses_for
from cost_top.tui.messages import DrillRequested, RequestsRequested, SnapshotArrived, SortRequested, TabRequested
from cost_top.tui.panels.top import TopLines
from cost_top.tui.terminal import WATCH_SECONDS, Written, counting, leave_on_signals, terminal_is_there
from cost_top.tui.theme import PLAIN, SIXTEEN, THEMES


class LiveApp(App[int]):
    """One view, the snapshot that answers it, and the screens that show it."""

    TITLE = "cost-top"
    CSS_PATH = Path(__file__).with_name("cost_top.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*APP_BINDINGS]

    def __init__(
        self, feed: Feed, *, view: View, zone: tzinfo, interval: float, source_label: str, theme: str,
        export_folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC), ascii_only: bool = False,
    ) -> None:  # fmt: skip
        self.written = Written()
        super().__init__(ansi_color=True if theme in (PLAIN, SIXTEEN) else None)
        self.feed, self.view, self.zone, self.interval = feed, view, zone, interval
        self.source_label, self.export_folder, self.clock = source_label, export_folder, clock
        self.ascii_only = ascii_only
        self.set_class(ascii_only, "-ascii")
        self.shown: Snapshot | None = None
        self.latest: Snapshot | None = None
        self.watching = Watching()
        self.paused_since: datetime | None = None
        self._age_timer: Timer | None = None
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self.animation_level = "none"

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver, counting what it writes."""
        return counting(super().get_driver_class(), self.written)

    def get_default_screen(self) -> Screen[None]:
        """The overview."""
        from cost_top.tui.screens.overview import OverviewScreen

        return OverviewScreen(self.zone)

    def on_mount(self) -> None:
        """Show the frame first, then start the monitor."""
        self.view = replace(self.view, lenses=lenses_for(self.size, self.view.tab))
        leave_on_signals(self.exit)
        if not self.is_headless:
            self.set_interval(WATCH_SECONDS, self._watch_terminal)
        self.refresh_state()
        # The monitor's imports would keep the first frame waiting.
        self.call_after_refresh(self._start_feed)

    def _start_feed(self) -> None:
        self.feed.start(self._publish, self.view)

    def on_unmount(self) -> None:
        """Stop the monitor."""
        self.feed.stop()

    def _watch_terminal(self) -> None:
        if not terminal_is_there():
            self.exit(128 + 1)

    def _fatal_error(self) -> None:
        # Textual would print every local variable: money, names and the source's address.
        from rich.segment import Segments
        from rich.traceback import Traceback

        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    # Snapshots in

    def _publish(self, snapshot: Snapshot) -> None:
        self.post_message(SnapshotArrived(snapshot))  # called on the monitor's thread

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        """Show a snapshot of the current view; while paused only the first one of a new view."""
        snapshot = message.snapshot
        self.watching = snapshot.watching
        if snapshot.view != self.view:
            # Where the source is lost no figures of the new view come: those on the screen are stale all the same.
            if isinstance(snapshot.state, Stale) and self.shown is not None and snapshot.view == self.shown.view:
                self.shown = replace(self.shown, state=snapshot.state)
                self._show(self.shown)
                self.refresh_state()
            return
        self.latest = snapshot
        frozen = self.paused_since is not None and self.shown is not None and self.shown.view == snapshot.view
        if not frozen and snapshot != self.shown:
            self._show(snapshot)
        elif not frozen:
            self.shown = snapshot
        self.refresh_state()

    def _show(self, snapshot: Snapshot) -> None:
        self.shown = snapshot
        for screen in self.screen_stack:
            show = getattr(screen, "show_snapshot", None)
            if show is not None and screen.is_mounted:
                show(snapshot)

    def refresh_state(self) -> None:
        """Draw the header, the drill and the banner anew where they changed."""
        for screen in self.screen_stack:
            for top in screen.query(TopLines):
                top.tell(
                    self.shown, self.view, paused_since=self.paused_since, gained=self._gained(),
                    interval=self.interval, now=self.clock(),
                )  # fmt: skip
        self._tell_again()

    def _gained(self) -> int | None:
        if self.paused_since is None or self.latest is None or self.shown is None:
            return None
        return self.latest.spend.measures.total_cost - self.shown.spend.measures.total_cost

    def _tell_again(self) -> None:
        """Ages grow although no snapshot comes: draw them anew when they are said differently, and only then."""
        if self._age_timer is not None:
            self._age_timer.stop()
            self._age_timer = None
        if self.shown is None:
            return
        now, state, waits = self.clock(), self.shown.state, list[timedelta]()
        if self.shown.newest is not None and self.paused_since is None:
            waits.append(next_age(now - self.shown.newest))
        if isinstance(state, Stale):
            waits += [next_age(now - state.since), *([due] if (due := state.retry_at - now) > timedelta(0) else [])]
        if waits:
            self._age_timer = self.set_timer(min(waits).total_seconds() + 0.01, self.refresh_state)

    def show_latest(self) -> None:
        """Show what came while the screen was frozen."""
        if self.latest is not None and self.latest != self.shown:
            self._show(self.latest)

    def tell_user(self, message: str, *, severity: Literal["information", "warning", "error"] = "information") -> None:
        """A toast; what it says is never markup."""
        self.notify(one_line(message), severity=severity, markup=False, timeout=4)

    # Views out

    def look(self, view: View) -> None:
        """Ask the monitor for another view; one that the source cannot answer is told and left."""
        if view == self.view:
            return
        refused = self.feed.refuses(view)
        if refused is not None:
            self.tell_user(refused, severity="warning")
        else:
            self.view = view
            self.feed.look(view)
            self.refresh_state()

    def look_at_lenses(self, lenses: tuple[str, ...]) -> None:
        """Ask for the lenses that are on the screen."""
        self.look(replace(self.view, lenses=lenses))

    def look_at_tab(self, tab: str) -> None:
        """Show another lens in the panel with tabs."""
        self.look(replace(self.view, tab=tab, lenses=lenses_for(self.size, tab)))

    def filter_by(self, wanted: Filter) -> None:
        """Replace the typed filter; the drill stays."""
        self.look(replace(self.view, filter=wanted))

    def sort(self, lens: str, measure: str, *, keep_order: bool = False) -> None:
        """Sort a lens; the same measure again turns the order round unless the order is kept."""
        order = self.view.sort_of(lens)[1] if keep_order else None
        self.look(navigation.sorted_by(self.view, lens, measure, order))

    def zoom(self, start: datetime, end: datetime) -> None:
        """Look at a bar's time alone."""
        self.look(navigation.zoomed(self.view, start, end, self.clock()))

    def go_back(self) -> None:
        """One step out of the drill, or out of the filter."""
        self.look(navigation.back(self.view))

    def open_requests(self) -> None:
        """List the single requests behind the view."""
        from cost_top.tui.screens.requests import RequestsScreen

        self.look(replace(self.view, requests_open=True))
        if self.view.requests_open:
            self.push_screen(RequestsScreen(self.zone))

    def close_requests(self) -> None:
        """Back to the overview; the step that a part of the trust line added is taken back."""
        crumbs = self.view.crumbs
        if crumbs and crumbs[-1].dimension == "trust":
            crumbs = crumbs[:-1]
        self.look(replace(self.view, requests_open=False, crumbs=crumbs))

    def on_drill_requested(self, message: DrillRequested) -> None:
        """Drill into a row; where nothing is left to drill, list its requests."""
        drilled = navigation.drill(self.view, message.dimension, message.value, message.label)
        if drilled is None:
            self.open_requests()
        else:
            self.look(drilled)

    def on_requests_requested(self, message: RequestsRequested) -> None:
        """List the requests behind a part of the trust line."""
        if message.term not in self.view.where.terms:
            self.view = navigation.narrowed(self.view, "trust", str(message.term), message.term)
        self.open_requests()

    def on_sort_requested(self, message: SortRequested) -> None:
        """Sort a lens by a measure."""
        self.sort(message.lens, message.measure)

    def on_tab_requested(self, message: TabRequested) -> None:
        """Show another lens in the panel with tabs."""
        self.look_at_tab(message.lens)


def host_of(node: DOMNode) -> LiveApp:
    """The app a widget lives in."""
    return cast(LiveApp, node.app)
