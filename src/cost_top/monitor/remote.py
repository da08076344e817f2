"""The feed of another cost-top's `serve`: its snapshots over the network, as if its log were here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import tzinfo
from typing import TYPE_CHECKING, TypeVar, cast

from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import (
    CannotAnswer,
    SourceDenied,
    SourceError,
    SourceRefused,
    SourceThrottled,
    UserError,
    one_line,
)
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Filling, Snapshot
from cost_top.model.view import View
from cost_top.model.windows import utc_now
from cost_top.monitor.patience import BACKOFF, Patience
from cost_top.monitor.questions import answer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from cost_top.model.answers import Answers
    from cost_top.model.watched import BudgetRow, IncidentRow
    from cost_top.sources.cost_top.client import CostTopClient

T = TypeVar("T")
_STOP_SECONDS = 1.8
Question = Callable[["CostTopClient"], None]


class RemoteFeed:
    """Implements `model.feed.Feed` over the server that `connect` gives clients of.

    One thread reads the live view; another asks questions, over a connection of its own, so that none waits. When
    the connection is lost the last figures stay, `Stale`, and the stream is taken up again: its first event holds
    everything, so nothing is missed. Instants of figures are the server's, those of `Stale` are ours.
    """

    interval: float = 0.0  # the server's
    intervals: tuple[float, ...] = (0.0,)

    def __init__(self, connect: Callable[[], CostTopClient], zone: tzinfo) -> None:
        """`connect` is called twice. Days are cut in `zone`. Nothing is opened before `start`."""
        self._connect = connect
        self._zone = zone
        self._view = View()
        self._publish: Callable[[Snapshot], None] = lambda _: None
        self._shown: Snapshot | None = None
        self._patience = Patience()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._questions: queue.SimpleQueue[Question] = queue.SimpleQueue()
        self._searches = 0
        self._clients: list[CostTopClient] = []
        self._live: CostTopClient | None = None
        self._threads: list[threading.Thread] = []
        self.on_failure: Callable[[UserError], None] = lambda _: None  # nothing could ever be shown

    def start(self, publish: Callable[[Snapshot], None], view: View) -> None:
        """Begin; see `Feed`."""
        self._publish = publish
        self._view = view
        for name, run in (("live view", self._watch), ("questions", self._answer_questions)):
            thread = threading.Thread(target=self._guarded, args=(run,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def refuses(self, view: View) -> str | None:
        """See `Feed`; what only the server knows it says as `Stale`."""
        shown = self._shown
        return shown.limit("mark") if shown is not None and view.mark is not None else None

    def look(self, view: View) -> None:
        """Answer for another view: the stream of the last one is given up."""
        self._view = view
        self._wake.set()
        if self._live is not None:
            self._live.cancel()

    def refresh(self) -> None:
        """Have the server ask its source now; a lost connection is tried again at once."""
        self._wake.set()
        self._questions.put(lambda client: client.refresh())

    def set_interval(self, seconds: float) -> None:
        """How often its source is asked is the server's choice."""

    def find(
        self, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None], within: Filter | None = None
    ) -> None:
        """See `Feed`; of several searches that wait, only the last is asked and answered."""
        self._searches += 1
        number, view = self._searches, self._view.under(within)

        def ask(client: CostTopClient) -> None:
            if number == self._searches:
                reply(client.find(view, self._zone, dimension, text))

        self._questions.put(ask)

    def requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        """A page of single requests."""
        self._questions.put(lambda client: reply(client.requests(query, after)))

    def unpriced(self, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        """The models behind what is unpriced."""
        view = self._view
        self._questions.put(lambda client: reply(client.find_unpriced(view, self._zone)))

    def ask(self, question: Callable[[Answers], T], reply: Callable[[T], None], refuse: Callable[[str], None]) -> None:
        """A question of several parts, each answered by the server."""
        self._questions.put(lambda client: answer(client, question, reply, refuse))

    def incidents(self, reply: Callable[[tuple[IncidentRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """By the server's rules."""
        self._questions.put(lambda client: answer(client, lambda _: client.incidents(), reply, refuse))

    def budgets(self, reply: Callable[[tuple[BudgetRow, ...]], None], refuse: Callable[[str], None]) -> None:
        """The server's."""
        self._questions.put(lambda client: answer(client, lambda _: client.budgets(), reply, refuse))

    def reading(self, *, incidents: bool = False) -> Filling | None:  # noqa: ARG002 - the server does not tell
        """What the server is reading."""
        return self._shown.filling if self._shown is not None else None

    def stop(self) -> None:
        """End the threads and close the connections; returns within two seconds."""
        self._stopping.set()
        self._questions.put(lambda _: None)
        end = time.monotonic() + _STOP_SECONDS
        others = [thread for thread in self._threads if thread is not threading.current_thread()]
        # Again and again: a request that begins just now is not there yet to be broken off.
        while any(thread.is_alive() for thread in others) and time.monotonic() < end:
            self._wake.set()
            for client in list(self._clients):
                client.cancel()
            for thread in others:
                thread.join(0.05)

    def _guarded(self, run: Callable[[CostTopClient], None]) -> None:
        try:
            client = self._connect()
            self._clients.append(client)
            try:
                run(client)
            finally:
                client.close()
        except (UserError, SourceError) as error:
            self._fail(error if isinstance(error, UserError) else UserError(one_line(error)))
        except Exception as error:
            # A thread that dies silently would leave a screen that looks alive.
            self._fail(UserError(f"cost-top failed: {type(error).__name__}: {one_line(error)}"))

    def _fail(self, error: UserError) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._wake.set()
            self.on_failure(error)

    def _answer_questions(self, client: CostTopClient) -> None:
        while not self._stopping.is_set():
            question = self._questions.get()
            if self._stopping.is_set():
                return
            try:
                question(client)
            except (CannotAnswer, SourceError):
                # No answer rather than an empty one, which would say that there is nothing. The live view tells.
                continue

    def _watch(self, client: CostTopClient) -> None:
        self._live = client
        while not self._stopping.is_set():
            self._wake.clear()
            view = self._view
            try:
                self._follow(client, view)
            except SourceError as error:
                if self._stopping.is_set() or view is not self._view:
                    continue
                if self._shown is None and not isinstance(error, SourceThrottled):
                    raise UserError(_first_failure(client, error)) from None
                self._wake.wait(self._lost(error))

    def _follow(self, client: CostTopClient, view: View) -> None:
        """Publish a view's snapshots until another view is wanted; `SourceError` when the stream ends."""
        from cost_top.model.wire import snapshot_from_json

        snapshot: Snapshot | None = None
        events = cast("Generator[Mapping[str, object]]", client.live(view, self._zone))
        with closing(events):
            for changed in events:
                if self._stopping.is_set() or view is not self._view:
                    return
                if not changed:
                    continue
                try:
                    snapshot = snapshot_from_json(changed, snapshot)
                except SourceError as error:
                    raise SourceError(f"{client.place}: {error}") from None
                self._patience.answered()
                # The stream is of the view that was asked for, whatever a token's scope adds to it.
                self._show(replace(snapshot, view=view, source=client.labelled(snapshot.source)))
        raise SourceError(f"{client.place}: the live view ended")

    def _show(self, snapshot: Snapshot) -> None:
        if snapshot != self._shown and not self._stopping.is_set():
            self._shown = snapshot
            self._publish(snapshot)

    def _lost(self, error: SourceError) -> float:
        """Say that the last figures are no longer live; the seconds until the next try."""
        now = utc_now()
        wait = self._patience.after(error, BACKOFF, final=isinstance(error, SourceDenied | SourceRefused))
        state = self._patience.stale(error, now, wait)
        if self._shown is not None:
            self._show(replace(self._shown, state=state))
        return wait


def _first_failure(client: CostTopClient, error: SourceError) -> str:
    """Why nothing could ever be shown, in one line for whoever typed the address."""
    said = one_line(error)
    if isinstance(error, SourceDenied):
        return f"{said}; give the server's token in COST_TOP_TOKEN"
    if isinstance(error, SourceRefused) and not client.is_cost_top():
        return f"{client.place} is no cost-top serve: {said.removeprefix(f'{client.place}: ')}"
    return said
