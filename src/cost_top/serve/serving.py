"""What every route works with: the source, who asks, and where questions are run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import Depends, Request

from cost_top.model.answers import Hub
from cost_top.serve.asking import Asking
from cost_top.serve.errors import Problem
from cost_top.serve.guard import Asker


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds of a server, in seconds and numbers."""

    question_seconds: float = 60.0
    question_threads: int = 4
    questions_waiting: int = 64
    streams: int = 200
    keepalive_seconds: float = 15.0
    stuck_seconds: float = 60.0  # a terminal that reads nothing for so long has gone
    scrape_seconds: float = 10.0  # answers to Prometheus are kept so long
    largest_body: int = 65_536
    body_seconds: float = 10.0
    access_log: bool = False


class Streams:
    """Places for live streams."""

    def __init__(self, most: int) -> None:
        self._left = most

    def enter(self) -> None:
        """Take one; `Problem` 429 when there is none."""
        if self._left <= 0:
            raise Problem(429, "too many live streams; end some, or ask again later", retry_after=30)
        self._left -= 1

    def leave(self) -> None:
        """Give it back."""
        self._left += 1


@dataclass(slots=True)
class Serving:
    """One running server."""

    hub: Hub
    settings: Settings
    asking: Asking
    streams: Streams
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def _serving(request: Request) -> Serving:
    return cast(Serving, request.app.state.serving)


def _asker(request: Request) -> Asker:
    return cast(Asker, request.state.asker)


TheServing = Annotated[Serving, Depends(_serving)]
TheAsker = Annotated[Asker, Depends(_asker)]


def utc_now() -> datetime:
    """This instant."""
    return datetime.now(UTC)
