"""One face's feed of a watched source: what the app is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from cost_top.model.answers import Hub, Watch
from cost_top.model.errors import UserError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View


class Monitor:
    """Implements `model.feed.Feed`: one view of a hub that it starts and ends."""

    def __init__(self, hub: Hub, zone: tzinfo) -> None:
        """Days are cut in `zone`. Nothing is opened before `start`."""
        self.hub = hub
        self._zone = zone
        self._watch: Watch | None = None
        self._view = View()

    @property
    def on_failure(self) -> Callable[[UserError], None]:
        """See `Feed`."""
        return self.hub.on_failure

    @on_failure.setter
    def on_failure(self, tell: Callable[[UserError], None]) -> None:
        self.hub.on_failure = tell

    @property
    def interval(self) -> float:
        """See `Feed`."""
        return self.hub.interval

    @property
    def intervals(self) -> tuple[float, ...]:
        """See `Feed`."""
        return self.hub.intervals

    @property
    def on_demand(self) -> bool:
        """See `Feed`."""
        return self.hub.on_demand

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Begin; see `Feed`."""
        self._view = view
        self._watch = self.hub.watch(view, self._zone, publish)
        self.hub.start()

    def refuses(self, view: View) -> str | None:
        """See `Feed`."""
        return self.hub.refuses(view)

    def look(self, view: View) -> None:
        """Answer for another view."""
        self._view = view
        if self._watch is not None:
            self._watch.look(view)

    def refresh(self) -> None:
        """Poll now."""
        self.hub.refresh()

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""
        self.hub.set_interval(seconds)

    def find(self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]) -> None:
        """Values of a dimension for a picker."""
        self.hub.find(self._view, self._zone, dimension, text, reply)

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced."""
        self.hub.find_unpriced(self._view, self._zone, reply)

    def stop(self) -> None:
        """End the thread."""
        self.hub.close()
