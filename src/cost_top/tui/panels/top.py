"""The lines above the panels: where and when, what the figures are about, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.tui.render.header import crumb_line, header_line
from cost_top.tui.render.states import banner
from cost_top.tui.widgets.lines import Lines


class TopLines(Vertical):
    """Header, and while there is something to say: the drill and a banner."""

    DEFAULT_CSS = """
    TopLines { height: auto; }
    TopLines .crumbs, TopLines .banner { display: none; }
    TopLines .shown { display: block; }
    """

    def __init__(self, zone: tzinfo, **options: Any) -> None:
        super().__init__(**options)
        self._zone = zone
        self._header = Lines(classes="header")
        self._crumbs = Lines(classes="crumbs")
        self._banner = Lines(classes="banner")
        self._again: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        """Three lines."""
        yield self._header
        yield self._crumbs
        yield self._banner

    def tell(
        self, snapshot: Snapshot | None, view: View, *, paused_since: datetime | None, gained: int | None,
        interval: float, now: datetime,
    ) -> None:  # fmt: skip
        """Show the state; the lines that are the same are not drawn again. `gained` came in since the pause."""
        self._again = partial(
            self.tell, snapshot, view, paused_since=paused_since, gained=gained, interval=interval, now=now
        )
        width, zone, paused = self.app.size.width, self._zone, paused_since is not None
        self._header.show(
            header_line(snapshot, paused=paused, interval=interval, zone=zone, width=width, now=paused_since or now)
        )
        self._crumbs.show(crumb_line(view, width))
        self._crumbs.set_class(bool(view.crumbs), "shown")
        told = banner(snapshot, paused_since=paused_since, gained=gained, now=now, zone=zone, width=width - 2)
        self._banner.show(Content(" ").append(told) if told is not None else Content(""))
        self._banner.set_class(told is not None, "shown")

    def on_resize(self) -> None:
        """What fits depends on the width."""
        if self._again is not None:
            self._again()
