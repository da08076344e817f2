"""Keeps the guard's figures fresh: a thread that asks the watched source after each of its polls and publishes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cost_top.guard.guard import Guard
from cost_top.guard.reservations import EARLY, Row
from cost_top.guard.spending import Spending
from cost_top.guard.standings import BudgetState, Pair, Published
from cost_top.insight.budgets import period_of, standings_of
from cost_top.model.answers import Hub
from cost_top.model.budgets import Budget
from cost_top.model.engine import RequestPage
from cost_top.model.errors import CannotAnswer, SourceError
from cost_top.model.filter import Filter, value_term
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Live

_SHORTEST_SECONDS = 0.2
_WEEK = timedelta(days=7)
_AMOUNT_SECONDS = 600.0  # what requests cost is asked for again after so long
_AMOUNT_ROWS = 1000
_PAGES = 20
_PAGE = 500
_MOST_SEEN = 200_000


class Keeper:
    """Owns a thread between `start` and `close`; `refresh` is one round of it."""

    def __init__(
        self, hub: Hub, guard: Guard, now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic, on_broken: Callable[[Exception], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """`on_broken` is told of failures of cost-top's own, on the thread."""
        self._on_broken = on_broken
        self._hub, self._guard = hub, guard
        self._now, self._clock = now, clock
        self._spending = Spending(hub)
        self._amounts: dict[Pair, tuple[float, int]] = {}
        self._slowest: dict[Pair, int] = {}  # the 99th percentile of latency, in ms
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if there are budgets."""
        if self._guard.budgets:
            self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; a question under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        polled = None
        while not self._stopping.wait(max(_SHORTEST_SECONDS, self._hub.repeat_seconds if polled else 0.0)):
            state = self._hub.health().state
            if not isinstance(state, Live) or state.polled_at == polled:
                continue
            polled = state.polled_at
            try:
                self.refresh()
            except (SourceError, CannotAnswer):
                continue  # the figures grow old, and the guard says so
            except Exception as error:  # a thread that dies silently would leave a guard that is never fresh again
                self._on_broken(error)

    def refresh(self) -> None:
        """Read rows first, then sums: a row between the two is in the sum and set aside for one round more."""
        state, now, clock = self._hub.health().state, self._now(), self._clock()
        age = max(0.0, (now - state.polled_at).total_seconds()) if isinstance(state, Live) else None
        rows = self._rows(now)
        states = tuple(self._state(budget, now, clock) for budget in self._guard.budgets)
        self._learn(now, clock)
        published = Published(
            states,
            clock - age if age is not None else self._guard.published.read,
            {pair: amount for pair, (_, amount) in self._amounts.items()},
            max(60.0, 2 * max(self._slowest.values(), default=0) / 1000),
        )
        self._guard.publish(published, rows)

    def _state(self, budget: Budget, now: datetime, clock: float) -> BudgetState:
        resets_at = period_of(budget, now)[1]
        try:
            standings = standings_of(budget, now, self._spending.report(budget, now, clock))
        except CannotAnswer as error:
            return BudgetState(budget, resets_at, {}, str(error))
        return BudgetState(budget, resets_at, {one.value: one for one in standings})

    def _rows(self, now: datetime) -> list[Row]:
        """Rows since the oldest reservation that were not seen before. One that the sums do not count ends none."""
        oldest = self._guard.oldest_reservation()
        if oldest is None or oldest - EARLY >= now:
            return []
        query = ReportQuery(oldest - EARLY, now, limit=_PAGE)
        found: list[RequestRow] = []
        after = None
        for _ in range(_PAGES):
            try:
                page: RequestPage = self._hub.requests(query, after)
            except CannotAnswer:
                return []
            found += page.rows
            after = page.following
            if after is None:
                break
        fresh = [row for row in reversed(found) if row.id not in self._seen]
        for row in fresh:
            self._seen[row.id] = None
        while len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return [(row.id, row.time, (row.token, row.endpoint, row.user, row.model)) for row in fresh]

    def _learn(self, now: datetime, clock: float) -> None:
        """What requests of the pairs that were asked for cost: the newest thousand of the last week."""
        for pair in list(self._guard.wanted)[:5]:
            self._guard.wanted.pop(pair, None)
            if pair not in self._amounts:
                self._amounts[pair] = (float("-inf"), 0)
        due = [pair for pair, (at, _) in self._amounts.items() if clock - at > _AMOUNT_SECONDS][:2]
        for pair in due:
            terms = [value_term(name, text) for name, text in zip(("endpoint", "model"), pair, strict=True) if text]
            query = ReportQuery(now - _WEEK, now, where=Filter(tuple(terms)), limit=_AMOUNT_ROWS)
            try:
                rows = self._hub.requests(query).rows
            except CannotAnswer:
                rows = ()
            costs = sorted(row.cost for row in rows if row.cost is not None)
            slow = sorted(row.latency_ms for row in rows if row.latency_ms is not None)
            self._amounts[pair] = (clock, max(0, percentile(costs, 90)))
            self._slowest[pair] = percentile(slow, 99)


def percentile(ordered: list[int], per_cent: int) -> int:
    """The nearest rank of ordered figures; 0 without any.

    >>> percentile(list(range(1, 11)), 90), percentile([7], 99), percentile([], 90)
    (9, 7, 0)
    """
    return ordered[max(0, -(-len(ordered) * per_cent // 100) - 1)] if ordered else 0
