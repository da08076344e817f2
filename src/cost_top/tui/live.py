"""The app's spine: snapshots in, views out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from cost_top.model.errors import one_line
from cost_top.model.format import next_age
from cost_top.tui import navigation
from cost_top.tui.layout import EVERY_LENS, lenses_for
from cost_top.tui.starting import StartingApp

# What figures are made of and drawn with is loaded after the first frame.
if TYPE_CHECKING:
    from cost_top.model.filter import Filter
    from cost_top.model.snapshot import Snapshot, TimeBar
    from cost_top.model.view import View
    from cost_top.model.watched import IncidentRow
    from cost_top.tui.messages import (
        DrillRequested,
        RequestsRequested,
        SnapshotArrived,
        SortRequested,
        TabRequested,
        UnusualArrived,
    )
    from cost_top.tui.widgets.keyed_table import KeyedTable

# Figures that come sooner than this after a key are drawn once: dimming the old ones first would cost a repaint.
WAITING_SECONDS = 0.3


class LiveApp(StartingApp):
    """One view, the snapshot that answers it, and the screens that show it."""

    # Snapshots in

    def publish(self, snapshot: Snapshot) -> None:
        """Take a snapshot; called on the monitor's thread."""
        from cost_top.tui.messages import SnapshotArrived

        self.post_message(SnapshotArrived(snapshot))

    def on_snapshot_arrived(self, message: SnapshotArrived) -> None:
        """Show a snapshot of the current view; while paused only the first one of a new view."""
        from cost_top.model.snapshot import Stale

        snapshot = replace(message.snapshot, incidents=self.incidents)
        self.load = snapshot.load
        if snapshot.view != self.view:
            # Where the source is lost no figures of the new view come: those on the screen are stale all the same.
            if isinstance(snapshot.state, Stale) and self.shown is not None and snapshot.view == self.shown.view:
                self.shown = replace(self.shown, state=snapshot.state)
                self._show(self.shown)
                self.refresh_state()
            return
        self.latest = snapshot
        frozen = self.paused_since is not None and self.shown is not None and self.shown.view == snapshot.view
        if self.shown is None:
            self.call_after_refresh(self.collect)
        if not frozen and snapshot != self.shown:
            self._show(snapshot)
        elif not frozen:
            self.shown = snapshot
        self.refresh_state()

    def on_unusual_arrived(self, message: UnusualArrived) -> None:
        """Mark the rows concerned; tables in which the reader did nothing are sorted by their change meanwhile."""
        known = {row.id for row in self.incidents}
        self.incidents = message.incidents
        if any(row.id not in known for row in self.incidents) and self._rings:
            self.bell()
        if self.shown is not None:
            self._show(replace(self.shown, incidents=self.incidents))
        if self.latest is not None:
            self.latest = replace(self.latest, incidents=self.incidents)
        untouched = [lens for lens in EVERY_LENS if lens not in self._touched]
        self.look(navigation.by_change(self.view, untouched, unusual=bool(self.incidents) and not self.view.measure))

    def on_keyed_table_moved(self, message: KeyedTable.Moved) -> None:
        """A table in which the reader moves keeps its order."""
        from cost_top.tui.panels.lens import LensTable

        if isinstance(message.table, LensTable):
            self._touched.add(message.table.dimension)

    def _show_waiting(self) -> None:
        """Figures of another view than the one that is named above them are dimmed while they stay."""
        shown = self.shown.view if self.shown is not None else self.view
        view = self.view
        waits = shown.time != view.time or shown.where != view.where
        for screen in self.screen_stack:
            screen.set_class(waits, "-waiting")

    def _show(self, snapshot: Snapshot) -> None:
        self.shown = snapshot
        self._show_waiting()
        for screen in self.screen_stack:
            show = getattr(screen, "show_snapshot", None)
            if show is not None and screen.is_mounted:
                show(snapshot)

    def refresh_state(self) -> None:
        """Draw the header, the drill and the banner anew where they changed."""
        if self._early is not None:
            return
        from cost_top.tui.panels.top import TopLines

        for screen in self.screen_stack:
            for top in screen.query("TopLines").results(TopLines):
                top.tell(
                    self.shown, self.view, paused_since=self.paused_since, gained=self._gained(),
                    interval=self.interval, now=self.clock(),
                )  # fmt: skip
        self._tell_again()

    def _gained(self) -> int | None:
        """What came since the pause; None while a total is still counted, since that grows by what was there before."""
        if self.paused_since is None or self.latest is None or self.shown is None:
            return None
        if not (self.shown.is_settled("total") and self.latest.is_settled("total")):
            return None
        return self.latest.spend.measures.total_cost - self.shown.spend.measures.total_cost

    def _tell_again(self) -> None:
        """Ages grow although no snapshot comes: draw them anew when they are said differently, and only then."""
        if self._age_timer is not None:
            self._age_timer.stop()
            self._age_timer = None
        if self.shown is None:
            return
        from cost_top.model.snapshot import Stale

        now, state, waits = self.clock(), self.shown.state, list[timedelta]()
        newest = self.shown.asked_at or self.shown.newest
        if newest is not None and self.paused_since is None:
            waits.append(next_age(now - newest))
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
            self.set_timer(WAITING_SECONDS, self._show_waiting)

    def look_at_lenses(self, lenses: tuple[str, ...]) -> None:
        """Ask for the lenses that are on the screen."""
        self.look(replace(self.view, lenses=lenses))

    def look_at_tab(self, tab: str) -> None:
        """Show another lens in the panel with tabs."""
        timed = (tab,) if self.view.timed == (self.view.tab,) else self.view.timed
        self.look(replace(self.view, tab=tab, lenses=lenses_for(self.size, tab), timed=timed))

    def filter_by(self, wanted: Filter) -> None:
        """Replace the typed filter; the drill stays."""
        self.look(replace(self.view, filter=wanted))

    def sort(self, lens: str, measure: str, *, keep_order: bool = False) -> None:
        """Sort a lens; the same measure again turns the order round unless the order is kept."""
        self._touched.add(lens)
        order = self.view.sort_of(lens)[1] if keep_order else None
        self.look(navigation.sorted_by(self.view, lens, measure, order))

    def zoom(self, bar: TimeBar) -> None:
        """Look at a bar's time alone."""
        self.look(navigation.zoomed(self.view, bar.start, bar.end, self.clock(), bar.label))

    def look_at_incident(self, incident: IncidentRow) -> None:
        """Look at whose an incident is, in the time it is of."""
        self.look(navigation.incident_view(self.view, incident, self.clock()))

    def go_back(self) -> None:
        """One step out of the drill, or out of the filter."""
        self.look(navigation.back(self.view))

    def open_requests(self) -> None:
        """List the single requests behind the view."""
        from cost_top.tui.screens.requests import RequestsScreen

        limit = self.shown.limit("requests") if self.shown is not None else None
        if limit is not None:
            self.tell_user(limit, severity="warning")
        else:
            self.push_screen(RequestsScreen(self.zone))

    def close_requests(self) -> None:
        """Back to the overview; the step that a part of the trust line added is taken back."""
        crumbs = self.view.crumbs
        if crumbs and crumbs[-1].dimension == "trust":
            crumbs = crumbs[:-1]
        self.look(replace(self.view, crumbs=crumbs))

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
            self.look(navigation.narrowed(self.view, "trust", str(message.term), message.term))
        self.open_requests()

    def on_sort_requested(self, message: SortRequested) -> None:
        """Sort a lens by a measure."""
        self.sort(message.lens, message.measure)

    def on_tab_requested(self, message: TabRequested) -> None:
        """Show another lens in the panel with tabs."""
        self.look_at_tab(message.lens)
