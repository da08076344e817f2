"""The lines above the panels: where and when, what the figures are about, and what is wrong."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.tui.render.header import crumb_line, header_line
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
        self._told: tuple[Any, ...] | None = None

    def compose(self) -> ComposeResult:
        """Three lines."""
        yield self._header
        yield self._crumbs
        yield self._banner

    def tell(
        self, snapshot: Snapshot | None, view: View, *, paused: bool, interval: float, banner: Content | None
    ) -> None:  # fmt: skip
        """Show the state; the lines that are the same are not drawn again."""
        self._told = (snapshot, view, paused, interval, banner)
        width = self.app.size.width
        self._header.show(header_line(snapshot, paused=paused, interval=interval, zone=self._zone, width=width))
        self._crumbs.show(crumb_line(view, width))
        self._crumbs.set_class(bool(view.crumbs), "shown")
        self._banner.show(Content(" ").append(banner) if banner is not None else Content(""))
        self._banner.set_class(banner is not None, "shown")

    def on_resize(self) -> None:
        """What fits depends on the width."""
        if self._told is not None:
            snapshot, view, paused, interval, banner = self._told
            self.tell(snapshot, view, paused=paused, interval=interval, banner=banner)
