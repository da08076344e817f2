"""What every route works with: the source, who asks, and where questions are run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Annotated, cast

from fastapi import Depends, Request

from cost_top.guard.guard import Guard
from cost_top.model.answers import Hub
from cost_top.model.budgets import KeptBudgets
from cost_top.model.windows import utc_now
from cost_top.monitor.budgets import Asked
from cost_top.monitor.log.incidents import LiveIncidents
from cost_top.serve.admission import Asker
from cost_top.serve.asking import Asking
from cost_top.serve.errors import Problem


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds of a server, in seconds and numbers."""

    repeat_seconds: float = 60.0
    question_threads: int = 4
    questions_waiting: int = 64
    streams: int = 200
    streams_each: int = 32  # of one token, or of one address where there are none
    keepalive_seconds: float = 15.0
    stuck_seconds: float = 60.0  # a terminal that reads nothing for so long has gone
    scrape_seconds: float = 10.0  # answers to Prometheus are kept so long
    largest_body: int = 65_536
    body_seconds: float = 10.0
    access_log: bool = False
    zone: tzinfo = UTC  # of live screens, of instants and of today's metrics


class Streams:
    """Places for live streams."""

    def __init__(self, most: int, each: int) -> None:
        """`most` in all, `each` for one asker."""
        self._left, self._each = most, each
        self._taken: Counter[str] = Counter()

    def enter(self, who: str) -> None:
        """Take one; `Problem` 429 when there is none."""
        if self._left <= 0 or self._taken[who] >= self._each:
            raise Problem(429, "too many live streams; end some, or ask again later", retry_after=30)
        self._left -= 1
        self._taken[who] += 1

    def leave(self, who: str) -> None:
        """Give it back."""
        self._left += 1
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]


@dataclass(slots=True)
class Serving:
    """One running server."""

    hub: Hub
    settings: Settings
    asking: Asking
    streams: Streams
    guard: Guard
    incidents: LiveIncidents | None = None
    kept: Callable[[], KeptBudgets] = KeptBudgets  # the budgets that the gateway keeps itself; blocks
    asked: Asked = field(default_factory=Asked)  # what is known of budgets' paces
    admits_still: Callable[[Asker], bool] = lambda _: True  # for what lasts longer than an answer
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        """This instant in the server's zone."""
        return utc_now().astimezone(self.settings.zone)


def _serving(request: Request) -> Serving:
    return cast(Serving, request.app.state.serving)


def _asker(request: Request) -> Asker:
    return cast(Asker, request.state.asker)


TheServing = Annotated[Serving, Depends(_serving)]
TheAsker = Annotated[Asker, Depends(_asker)]
