"""The app on another cost-top's server: whose figures they are, and what is said when the server does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from running import make_app, screen_text
from snapshots import snapshot
from textual.pilot import Pilot

from cost_top.model.filter import parse_filter
from cost_top.model.snapshot import Stale
from cost_top.model.view import View
from cost_top.monitor.remote import RemoteFeed
from cost_top.sources.cost_top.client import CostTopClient
from support.cost_top_server import FakeServe, Stream, serving

PATIENCE = 120.0


@asynccontextmanager
async def watching(serve: FakeServe) -> AsyncIterator[tuple[Any, Pilot[int]]]:
    app = make_app(RemoteFeed(lambda: CostTopClient(serve.url, ""), UTC))
    app.interval = app.feed.interval
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.shown is not None)
        yield app, pilot


async def until(pilot: Pilot[int], is_right: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_right():
            await pilot.pause(0.02)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cost_top.monitor.remote.BACKOFF", (0.05,))


async def test_the_header_names_the_source_and_the_host() -> None:
    with serving(FakeServe(snapshot)) as serve:
        async with watching(serve) as (app, _):
            assert app.shown == replace(snapshot(app.view), source=app.shown.source)
            assert f"litellm@prod-db @ 127.0.0.1:{serve.port}" in screen_text(app)
            assert "● live " in screen_text(app)


async def test_a_server_that_is_lost_on_the_way_to_another_view_makes_the_screen_stale() -> None:
    refused: list[View] = []

    def refuse(stream: Stream, view: View) -> None:
        refused.append(view)
        stream.refuse(500, "internal_server_error", "the server failed")

    with serving(FakeServe(snapshot)) as serve:
        async with watching(serve) as (app, pilot):
            before = app.shown
            serve.scripts = [refuse] * 1000
            app.look(replace(app.view, filter=parse_filter("user:acme")))
            await until(pilot, lambda: isinstance(app.shown.state, Stale))
            assert app.shown.view == before.view
            assert app.shown.spend == before.spend, "the last figures stay, as figures of what they were"
            assert "stale since" in screen_text(app)
            assert refused[-1] == app.view
            serve.scripts = []
            await until(pilot, lambda: app.shown.view == app.view)
            assert "stale since" not in screen_text(app)


async def test_every_key_works_on_a_server() -> None:
    with serving(FakeServe(snapshot)) as serve:
        serve.answers["/v1/find"] = {"results": [{"value": "acme", "name": None, "cost": 5, "request_count": 2}]}
        serve.answers["/v1/unpriced"] = {"results": []}
        serve.answers["/v1/refresh"] = (202, {})
        async with watching(serve) as (app, pilot):
            await pilot.press(*"123456789", "plus", "minus", "r", "enter", "l", "escape", "x", "escape", "u")
            await until(pilot, lambda: "/v1/find" in serve.paths())
            await pilot.press("escape", "escape", "comma", "n", "m", "space", "space")
            await until(pilot, lambda: app.shown.view == app.view)
            assert app.is_running
