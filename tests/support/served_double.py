"""A hub of the test's own, for what a real log does not do on demand: balances, slowness, failures, floods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import uvicorn

from cost_top.model.answers import Health
from cost_top.model.credits import Credits
from cost_top.model.engine import Knows, Position, RequestPage
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import Measures, Report, ReportQuery, key_columns
from cost_top.model.snapshot import Burn, Filling, Live, Snapshot, Spend
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.serve.admission import Admission
from cost_top.serve.app import create_app
from cost_top.serve.serving import Settings
from cost_top.serve.tokens import Token, TokenSource

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)


def snapshot_of(view: View, cost: int = 0, **more: Any) -> Snapshot:
    return Snapshot(view, "double", Period(NOW, NOW), Spend(Measures(total_cost=cost)), Burn(), state=Live(NOW), **more)


@dataclass
class SubscriptionDouble:
    view: View
    publish: Callable[[Snapshot], None]
    closed: bool = False

    def look(self, view: View) -> None:
        self.view = view

    def close(self) -> None:
        self.closed = True


@dataclass
class HubDouble:
    """`answer` makes reports; whatever it raises is raised. Calls are written down."""

    answer: Callable[[ReportQuery], Report] | None = None
    label: str = "double"
    now: datetime = NOW
    known_credits: Credits | None = None
    state: Health = field(default_factory=lambda: Health(True, Live(NOW), NOW, None))
    asked: list[ReportQuery] = field(default_factory=list)
    subscriptions: list[SubscriptionDouble] = field(default_factory=list)
    replies: bool = True
    interval: float = 0.0
    knows: Knows = field(default_factory=Knows)
    repeat_seconds: float = 0.0
    intervals: tuple[float, ...] = (1.0,)

    def report(self, query: ReportQuery) -> Report:
        self.asked.append(query)
        if self.answer is not None:
            return self.answer(query)
        return Report(key_columns(query.group_by), (), Measures(), 0, self.now)

    def requests(self, query: ReportQuery, after: Position | None = None) -> RequestPage:
        self.asked.append(query)
        return RequestPage(())

    def unpriced(self, query: ReportQuery) -> tuple[UnpricedModel, ...]:
        return ()

    def credits(self) -> Credits | None:
        return self.known_credits

    def close(self) -> None: ...

    def refuses(self, view: View) -> str | None:
        return None

    def subscribe(
        self, view: View, zone: tzinfo, publish: Callable[[Snapshot], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> SubscriptionDouble:  # fmt: skip
        self.subscriptions.append(SubscriptionDouble(view, publish))
        return self.subscriptions[-1]

    def find(
        self, view: View, zone: tzinfo, dimension: str, text: str, reply: Callable[[tuple[Found, ...]], None]
    ) -> None:
        if self.replies:
            reply((Found(text, None, 1, 1),))

    def list_requests(self, query: ReportQuery, after: Position | None, reply: Callable[[RequestPage], None]) -> None:
        reply(self.requests(query, after))

    def find_unpriced(self, view: View, zone: tzinfo, reply: Callable[[tuple[UnpricedModel, ...]], None]) -> None:
        if self.replies:
            reply(())

    def refresh(self) -> None: ...

    def health(self) -> Health:
        return self.state

    def reading(self, *, incidents: bool = False) -> Filling | None:
        return self.state.filling


def app_of(hub: HubDouble, tokens: tuple[Token, ...] | TokenSource = (), rate: int = 100_000, **settings: Any) -> Any:
    return create_app(hub, Admission(tokens, rate, ("testserver",)), Settings(**settings))


@contextmanager
def in_thread(hub: HubDouble, tokens: tuple[Token, ...] = (), rate: int = 100_000, **settings: Any) -> Iterator[str]:
    """The application over a real socket of this process; its URL."""
    app = app_of(hub, tokens, rate, **settings)
    config = uvicorn.Config(app, port=0, http="h11", ws="none", log_level="critical", lifespan="off",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    ready = threading.Event()

    async def startup(sockets: Any = None) -> None:
        await uvicorn.Server.startup(server, sockets)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(90)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(90)
