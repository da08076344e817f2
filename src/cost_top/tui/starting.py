"""How the app begins and ends: frames first, then what fills them; keys that come sooner wait."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer

from cost_top.tui.history import FilterHistory
from cost_top.tui.keys import APP_BINDINGS
from cost_top.tui.layout import lenses_for
from cost_top.tui.terminal import Written, counting
from cost_top.tui.theme import PLAIN, SIXTEEN, themes_for

# What figures are made of and drawn with is loaded after the first frame.
if TYPE_CHECKING:
    from cost_top.model.feed import Feed
    from cost_top.model.snapshot import Load, Snapshot
    from cost_top.model.view import View
    from cost_top.model.watched import IncidentRow

# Seconds, where no figures come: with the first ones the start is over.
_COLLECTED_AFTER = 3.0


class StartingApp(App[int]):
    """The parts of the app that stand before there is a figure."""

    TITLE = "cost-top"
    CSS_PATH = Path(__file__).with_name("cost_top.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*APP_BINDINGS]

    def __init__(
        self, feed: Feed, *, view: View, zone: tzinfo, interval: float, source_label: str, theme: str,
        export_folder: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC), ascii_only: bool = False,
        command: Sequence[str] = ("cost-top",), rings: bool = False, history: Path | None = None,
    ) -> None:  # fmt: skip
        self.history = FilterHistory(history, self._tell_of_history)
        self.written = Written()
        super().__init__(ansi_color=True if theme in (PLAIN, SIXTEEN) else None)
        self.feed, self.view, self.zone, self.interval = feed, view, zone, interval
        self.source_label, self.export_folder, self.clock = source_label, export_folder, clock
        self.ascii_only, self.command = ascii_only, command
        self.set_class(ascii_only, "-ascii")
        self.shown: Snapshot | None = None
        self.latest: Snapshot | None = None
        self.load: Load
        self.incidents: tuple[IncidentRow, ...] = ()
        self._touched: set[str] = set()  # lenses in which the reader sorted or moved
        self._rings = rings
        self.paused_since: datetime | None = None
        self._age_timer: Timer | None = None
        self._early: list[events.Event] | None = None  # keys that came before the panels
        for each in themes_for(os.environ):
            self.register_theme(each)
        self.theme = theme
        self.animation_level = "none"

    def _tell_of_history(self, line: str) -> None:
        self.notify(line, severity="warning", markup=False)

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver, counting what it writes."""
        return counting(super().get_driver_class(), self.written)

    def get_default_screen(self) -> Screen[None]:
        """The overview's frames; without a terminal the overview at once."""
        if self.is_headless:
            return self._overview()
        from cost_top.tui.screens.skeleton import SkeletonScreen

        self._early = []
        return SkeletonScreen()

    def _overview(self) -> Screen[None]:
        from cost_top.tui.screens.overview import OverviewScreen

        return OverviewScreen(self.zone)

    async def on_event(self, event: events.Event) -> None:
        """After a change of size nothing is known of what the terminal shows; keys wait until there are panels."""
        if self._early is not None and isinstance(event, events.Key | events.Paste):
            self._early.append(event)
            return
        if isinstance(event, events.Resize):
            self.written.painted.forget()
        await super().on_event(event)

    def on_mount(self) -> None:
        """Show the frame first, then load what fills it and start the monitor."""
        self.view = replace(self.view, lenses=lenses_for(self.size, self.view.tab))
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.refresh_state()
        self.call_after_refresh(self._begin)

    def action_redraw(self) -> None:
        """Draw everything anew, for a terminal that something else wrote to."""
        self.written.painted.forget()
        self.refresh(layout=True)

    async def _begin(self) -> None:
        from cost_top.model.snapshot import Load

        self.load = Load()
        if self._early is not None:
            self.add_mode("overview", self._overview)
            await self.switch_mode("overview")
            early, self._early = self._early, None
            for event in early:
                await self.on_event(event)
        # The monitor's imports would keep the frame waiting.
        self.call_after_refresh(self._start_feed)

    def _start_feed(self) -> None:
        self.set_timer(_COLLECTED_AFTER, self.collect)
        self.feed.start(self.publish, self.view)
        self.interval = self.feed.interval

    def collect(self) -> None:
        """Have cycles collected from now on; what is loaded by now stays: the collector need not look at it again."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()

    def on_unmount(self) -> None:
        """Stop the monitor."""
        self.feed.stop()

    def leave(self, code: int) -> None:
        """End the app; for a handler of signals."""
        if self._loop is None:
            raise SystemExit(code)
        self._loop.call_soon_threadsafe(self.exit, code)

    def _fatal_error(self) -> None:
        # Textual would print every local variable: money, names and the source's address.
        from rich.segment import Segments
        from rich.traceback import Traceback

        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()

    def publish(self, snapshot: Snapshot) -> None:
        """Take a snapshot; called on the monitor's thread."""
        raise NotImplementedError

    def refresh_state(self) -> None:
        """Draw the header, the drill and the banner anew where they changed."""
        raise NotImplementedError
