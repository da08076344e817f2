"""The overview: every panel for one view, arranged for the size of the terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget

from cost_top.model.shown import shown_named
from cost_top.model.snapshot import Snapshot, Stale
from cost_top.model.view import FIXED_LENSES, TAB_LENSES
from cost_top.tui.host import host_of
from cost_top.tui.keys import APP_BINDINGS, OVERVIEW_BINDINGS
from cost_top.tui.layout import HEIGHTS, SUMMED_TABS, WIDTHS, lenses_for, tabs_for
from cost_top.tui.messages import SortRequested
from cost_top.tui.navigation import excluded
from cost_top.tui.panels.cards import Card
from cost_top.tui.panels.chart import SpendChart
from cost_top.tui.panels.key_line import KeyLine
from cost_top.tui.panels.lens import LensTable
from cost_top.tui.panels.top import TopLines
from cost_top.tui.panels.trust import TrustLine
from cost_top.tui.panels.unusual import UnusualLine
from cost_top.tui.render.burn import burn_card
from cost_top.tui.render.cards import saved_card, spend_card
from cost_top.tui.render.columns import period_name
from cost_top.tui.render.style import SEPARATOR

# Of few values: on a large screen they share a column.
_SHORT = ("team", "credential_type")


class OverviewScreen(Screen[None]):
    """Header, cards, chart, tables, trust line and keys."""

    BINDINGS: ClassVar[list[BindingType]] = [*OVERVIEW_BINDINGS]
    HORIZONTAL_BREAKPOINTS = WIDTHS
    VERTICAL_BREAKPOINTS = HEIGHTS
    ALLOW_IN_MAXIMIZED_VIEW = "TopLines, UnusualLine, TrustLine, KeyLine"

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone
        self.snapshot: Snapshot | None = None

    def compose(self) -> ComposeResult:
        """All panels; the style sheet hides what a size has no place for."""
        zone = self._zone
        yield TopLines(zone, id="top")
        yield UnusualLine(zone, id="unusual")
        with Horizontal(id="cards"):
            yield Card("Spend", spend_card, zone, id="spend", classes="panel")
            yield Card("Burn rate", burn_card, zone, id="burn", classes="panel")
            yield Card("Saved", saved_card, zone, id="saved", classes="panel")
        with Vertical(id="body"):
            with Horizontal(id="middle"):
                yield SpendChart(zone, id="chart", classes="panel")
                yield LensTable("provider", zone, id="provider", classes="panel")
            with Horizontal(id="tables"):
                for lens in FIXED_LENSES[1:]:
                    yield LensTable(lens, zone, id=lens, classes="panel")
                yield LensTable(TAB_LENSES[0], zone, id="tabs", classes="panel")
            with Horizontal(id="extra"):
                for lens in (lens for lens in SUMMED_TABS[1:] if lens not in _SHORT):
                    yield LensTable(lens, zone, id=f"extra-{lens}", classes="panel")
                with Vertical(id="extra-short"):
                    for lens in _SHORT:
                        yield LensTable(lens, zone, id=f"extra-{lens}", classes="panel")
        yield TrustLine(id="trust")
        yield KeyLine([*OVERVIEW_BINDINGS, *APP_BINDINGS], id="keys")

    def on_mount(self) -> None:
        """The first row of the providers takes the keys."""
        self._cards, self._tables = tuple(self.query(Card)), tuple(self.query(LensTable))
        self.assign_tabs(self.app.size)
        self.watch(self, "maximized", self._ask_for_times, init=False)
        self.query_one("#provider").focus()
        shown = host_of(self).shown
        if shown is not None:
            self.show_snapshot(shown)
        host_of(self).refresh_state()

    def on_resize(self, event: events.Resize) -> None:
        """Another size may show other lenses."""
        self.assign_tabs(event.size)
        host_of(self).look_at_lenses(lenses_for(event.size, host_of(self).view.tab))

    def assign_tabs(self, size: Size) -> None:
        """Give the panel with tabs the lenses that have no panel of their own."""
        tabs = self.query_one("#tabs", LensTable)
        tabs.tabs = tabs_for(size)
        tab = host_of(self).view.tab
        tabs.dimension = tab if tab in tabs.tabs else tabs.tabs[0]

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Hand the snapshot to every panel."""
        self.snapshot = snapshot
        self.assign_tabs(self.app.size)
        self.set_class(isinstance(snapshot.state, Stale), "-stale")
        self.query_one(UnusualLine).show_snapshot(snapshot, host_of(self).clock())
        for card in self._cards:
            card.show_snapshot(snapshot)
        counting = "" if snapshot.is_settled("chart", "chart:times") else " …"
        measure = shown_named(snapshot.view.measure).title
        period = f"{period_name(snapshot.period, snapshot, self._zone)}{counting}"
        told = [measure, period, *([snapshot.chart_remark] if snapshot.chart_remark else [])]
        title = Content(f"9 {SEPARATOR.join(told)}")
        self.query_one(SpendChart).show_snapshot(snapshot, title)
        for table in self._tables:
            table.show_snapshot(snapshot)
        self.query_one(TrustLine).show_snapshot(snapshot)

    def _ask_for_times(self, alone: Widget | None) -> None:
        """A panel that has the screen shows latencies as well, which take reading the requests."""
        app = host_of(self)
        timed: tuple[str, ...] = ()
        if isinstance(alone, LensTable):
            # A tab that was just asked for is shown with the next figures; the keys typed on are meant for it.
            timed = (app.view.tab if alone.tabs else alone.dimension,)
        app.look(replace(app.view, timed=timed))

    # Keys

    def action_panel(self, lens: str) -> None:
        """Focus the panel of a lens, on its tab if it shares one, or the chart."""
        if lens == "chart":
            chart = self.query_one(SpendChart)
            if self.maximized is None and not is_shown(chart):
                self.maximize(chart, container=False)
            self._focus(chart)
            return
        tabs = self.query_one("#tabs", LensTable)
        own = [table for table in self.query(LensTable) if table.dimension == lens and is_shown(table)]
        if own:
            self._focus(own[0])
        elif lens in tabs.tabs:
            self._focus(tabs)
            host_of(self).look_at_tab(lens)

    def _focus(self, widget: Widget) -> None:
        if self.maximized is not None and self.maximized is not widget:
            self.minimize()
        # Not widget.focus(), which waits: a key typed on in the same breath is meant for this panel.
        self.set_focus(widget)

    def action_zoom(self) -> None:
        """Show the focused panel alone, or all again."""
        if self.maximized is not None:
            self.minimize()
        elif self.focused is not None and self.focused.has_class("panel"):
            self.maximize(self.focused, container=False)

    def action_back(self) -> None:
        """One step out: of the maximised panel, of the drill, of the filter."""
        if self.maximized is not None:
            self.minimize()
        else:
            host_of(self).go_back()

    def action_requests(self) -> None:
        """List the single requests."""
        host_of(self).open_requests()

    def action_sort(self, step: int) -> None:
        """Sort the focused table by the column beside."""
        if isinstance(self.focused, LensTable):
            measure = self.focused.sort_beside(step)
            if measure is not None:
                host_of(self).sort(self.focused.asked, measure, keep_order=True)

    def action_exclude(self) -> None:
        """Leave the focused row's requests out of everything."""
        subject = self.focused.subject() if isinstance(self.focused, LensTable) else None
        if subject is not None and subject.dimension is not None:
            app = host_of(self)
            app.look(excluded(app.view, subject.dimension, subject.value))

    def action_invert(self) -> None:
        """Turn the order of the focused table round."""
        if isinstance(self.focused, LensTable):
            lens = self.focused.asked
            self.post_message(SortRequested(lens, host_of(self).view.sort_of(lens)[0]))

    def on_spend_chart_zoomed(self, event: SpendChart.Zoomed) -> None:
        """Look at one bar's time alone."""
        host_of(self).zoom(event.bar)


def is_shown(widget: Widget) -> bool:
    """Whether the style sheet gives the widget a place at this size."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
