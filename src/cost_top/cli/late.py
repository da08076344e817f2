"""A feed that is opened when it starts: what that takes would keep the first frame waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cost_top.model.errors import UserError

if TYPE_CHECKING:
    from cost_top.model.feed import Feed
    from cost_top.model.snapshot import Snapshot
    from cost_top.model.view import View


class LateFeed:
    """`model.feed.Feed` over the one that `open_feed` gives; a mistake in that is told as its failure."""

    def __init__(self, open_feed: Callable[[], Feed]) -> None:
        """Opens nothing."""
        self._open_feed = open_feed
        self._feed: Feed | None = None
        self.on_failure: Callable[[UserError], None] = lambda _: None

    @property
    def interval(self) -> float:
        """Seconds between polls; 0 while that is not known."""
        return self._feed.interval if self._feed is not None else 0.0

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Open it and begin."""
        try:
            self._feed = self._open_feed()
        except UserError as error:
            self.on_failure(error)
            return
        self._feed.on_failure = self.on_failure
        self._feed.start(publish, view)

    def refuses(self, view: View) -> str | None:
        """See `Feed`."""
        return self._feed.refuses(view) if self._feed is not None else None

    def look(self, view: View) -> None:
        """See `Feed`; before the start nothing is to be done, as that is told the view."""
        if self._feed is not None:
            self._feed.look(view)

    def stop(self) -> None:
        """See `Feed`."""
        if self._feed is not None:
            self._feed.stop()

    def __getattr__(self, name: str) -> Any:
        # Everything else is asked of one that has started.
        return getattr(self._feed, name)
