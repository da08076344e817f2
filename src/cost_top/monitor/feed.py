"""One face's feed of a watched source: what the app is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import TypeVar

from cost_top.model.answers import Answers, Hub, Subscription
from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import UserError
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Filling, Snapshot
from cost_top.model.view import View
from cost_top.model.watched import BudgetRow, IncidentRow
from cost_top.model.windows import utc_now
from cost_top.monitor.questions import Questions
from cost_top.monitor.watched import Watched

T = TypeVar("T")


class Monitor:
    """Implements `model.feed.Feed`: one view of a hub that it starts and ends."""

    def __init__(self, hub: Hub, zone: tzinfo, watched: Watched | None = None) -> None:
        """Days are cut in `zone`. Nothing is opened before `start`."""
        self._watched = watched
        self.hub = hub
        self._zone = zone
        self._subscription: Subscription | None = None
        self._view = View()
        self._questions = Questions(hub)
        self._looks = Questions(hub)  # at incidents: the first takes long, and nothing else waits for it
        self._budgets = Questions(hub)

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

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Begin; see `Feed`."""
        self._view = view
        self._subscription = self.hub.subscribe(view, self._zone, publish)
        self.hub.start()

    def refuses(self, view: View) -> str | None:
        """See `Feed`."""
        return self.hub.refuses(view)

    def look(self, view: View) -> None:
        """Answer for another view."""
        self._view = view
        if self._subscription is not None:
            self._subscription.look(view)

    def refresh(self) -> None:
        """Poll now."""
        self.hub.refresh()

    def set_interval(self, seconds: float) -> None:
        """Seconds between polls."""
        self.hub.set_interval(seconds)

    def find(
        self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None], within: Filter | None = None
    ) -> None:
        """See `Feed`."""
        self.hub.find(self._view.under(within), self._zone, dimension, text, reply)

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of single requests."""
        self.hub.list_requests(query, after, reply)

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced."""
        self.hub.find_unpriced(self._view, self._zone, reply)

    def ask(self, question: Callable[[Answers], T], reply: Callable[[T], None], refuse: Callable[[str], None]) -> None:
        """A question of several parts."""
        self._questions.put(question, reply, refuse)

    def incidents(self, reply: Callable[[tuple[IncidentRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """By the rules of the config file."""
        watched = self._watched
        if watched is None:
            refuse("no rules for incidents")
        else:
            self._looks.put(lambda _: watched.incidents(self.hub, utc_now()), reply, refuse)

    def budgets(self, reply: Callable[[tuple[BudgetRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """Those of the config file and the gateway's own."""
        watched = self._watched
        if watched is None:
            refuse("no budgets")
        else:
            self._budgets.put(lambda _: watched.budgets(self.hub, utc_now()), reply, refuse)

    def reading(self, *, incidents: bool = False) -> Filling | None:
        """See `Feed`."""
        return self.hub.reading(incidents=incidents)

    def stop(self) -> None:
        """End the thread."""
        self._questions.close()
        self._looks.close()
        self._budgets.close()
        self.hub.close()
