"""Live streams: a new request arrives, only changes travel, and neither side's end harms the other."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cost_top.model.snapshot import Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.wire import snapshot_from_json, snapshot_to_json
from cost_top.serve.tokens import TokenSource, new_token
from support.native_log import NativeLog
from support.served import served, write_traffic
from support.served_double import HubDouble, app_of, in_thread, snapshot_of


@pytest.fixture
def log(tmp_path) -> Iterator[NativeLog]:
    made = NativeLog(tmp_path / "gateway.db")
    write_traffic(made, 60)
    yield made
    made.close()


def events(response: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        kind, _, rest = line.partition(": ")
        if kind == "event":
            name = rest
        elif kind == "data":
            yield name, json.loads(rest)


def test_a_new_request_is_on_the_stream(log, tmp_path):
    with served(tmp_path, log.path, "--interval", 1) as server, server.client.stream("GET", "/v1/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = events(response)
        name, first = next(stream)
        assert (name, set(first)) == ("snapshot", set(Snapshot.__dataclass_fields__))
        shown = snapshot_from_json(first)
        while shown.filling is not None:
            shown = snapshot_from_json(next(stream)[1], shown)
        now = int(datetime.now(UTC).timestamp() * 1000)
        log.add(id="fresh", time_ms=now, provider="acme", model="acme-1", cost_pico_usd=123_000_000)
        while True:
            _, changed = next(stream)
            before, shown = shown, snapshot_from_json(changed, shown)
            if shown.log_rows > before.log_rows:
                break
        assert shown.spend.measures.total_cost == before.spend.measures.total_cost + 123_000_000
        told = snapshot_to_json(before)
        assert all(value != told[name] for name, value in changed.items())
        assert not {"view", "source", "rates_date"} & set(changed)
        whole = server.get("/v1/report", since="24h", group_by="provider").json()
        providers = {row.key[0]: row.measures.request_count for row in shown.lens("provider").report.rows}
        assert providers == {row.get("provider"): row["request_count"] for row in whole["results"]}


def test_a_view_is_posted_and_answered_as_asked(log, tmp_path):
    view = {"window": "7d", "lenses": ["team", "status", "owner"], "sort": [["team", "request_count", False]]}
    with served(tmp_path, log.path) as server:
        body = {"view": view, "tz": "Asia/Kolkata"}
        with server.client.stream("POST", "/v1/live", json=body) as response:
            shown = snapshot_from_json(next(events(response))[1])
        assert (shown.view.window, shown.view.lenses) == ("7d", ("team", "status", "owner"))
        assert server.get("/healthz").status_code == 200
        for query, parameter in (
            (f"window={'9d'}", "window"),
            ("where=a:b", "where"),
            ("tz=Nowhere", "tz"),
            ("x=1", "x"),
        ):
            response = server.client.get(f"/v1/live?{query}")
            assert (response.status_code, response.json()["error"]["param"]) == (400, parameter)
        for view in ({"end": "9999-01-01T00:00:00Z"}, {"mark": "8999-01-01T00:00:00Z"}, {"lenses": ["day"]},
                     {"row_limit": 10**9}, {"other": 1}, {"filter": {"terms": [{"field": "cost", "values": ["x"],
                      "operator": ">", "negated": False}]}}):  # fmt: skip
            response = server.post("/v1/live", {"view": view})
            assert (response.status_code, response.json()["error"]["param"]) == (400, "view"), view
        assert server.get("/healthz").status_code == 200


def test_the_end_of_the_server_is_told_to_its_streams(log, tmp_path):
    with served(tmp_path, log.path) as server, server.client.stream("GET", "/v1/live") as response:
        stream = events(response)
        next(stream)
        server.process.send_signal(signal.SIGTERM)
        *_, (name, last) = stream
        assert (name, last["error"]["type"]) == ("error", "internal_server_error")
        assert server.process.wait(90) == 0
        assert server.stderr == ""


# What a real log does not do on demand


class Terminal:
    """The far end of a stream, driven by hand: `reads` lets one message through."""

    def __init__(self, app: Any, token: str = "") -> None:
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Semaphore(0)
        self.arrived = asyncio.Event()
        self._leave = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http", "method": "GET", "path": "/v1/live", "raw_path": b"/v1/live", "query_string": b"",
            "headers": [(b"host", b"testserver"), (b"authorization", f"Bearer {token}".encode())],
            "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
            "server": ("testserver", 80), "root_path": "",
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await self._leave.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.reads.acquire()
        self.sent.append(message)
        self.arrived.set()

    async def read(self, count: int = 1) -> list[bytes]:
        """Let so many messages through and wait for them."""
        wanted = len(self.sent) + count
        for _ in range(count):
            self.reads.release()
        while len(self.sent) < wanted:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 10)
        return [message.get("body", b"") for message in self.sent[-count:]]

    def leave(self) -> None:
        self._leave.set()


async def published(hub: HubDouble, cost: int, **more: Any) -> None:
    """From another thread, as monitors do."""
    thread = threading.Thread(target=hub.subscriptions[-1].publish, args=(snapshot_of(View("24h"), cost, **more),))
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0.02)


def data(event: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(event.decode().split("data: ", 1)[1])
    return fields


async def test_a_terminal_that_does_not_read_gets_the_newest_only():
    hub = HubDouble()
    terminal = Terminal(app_of(hub))
    await terminal.read()
    await published(hub, 1)
    await terminal.read()
    for cost in range(2, 100):
        await published(hub, cost) if cost > 95 else hub.subscriptions[0].publish(snapshot_of(View("24h"), cost))
    # One event was being written when the others came; the next one leads over all of them.
    costs = [data(event)["spend"]["measures"]["total_cost"] for event in await terminal.read(2)]
    assert (costs[-1], len(costs)) == (99, 2)
    await published(hub, 99)
    await published(hub, 99, log_rows=5)
    (event,) = await terminal.read()
    assert data(event) == {"log_rows": 5}
    terminal.leave()
    await terminal.task
    assert hub.subscriptions[0].closed


async def test_a_quiet_stream_shows_that_it_lives():
    terminal = Terminal(app_of(HubDouble(), keepalive_seconds=0.01))
    await terminal.read()
    assert await terminal.read(3) == [b": alive\n\n"] * 3
    terminal.leave()
    await terminal.task


@pytest.mark.parametrize("change", ["taken away", "narrowed"])
async def test_a_stream_ends_with_what_its_token_may_see(tmp_path, change):
    (mine, block), (_, other) = new_token("mine", None), new_token("other", None)
    file = tmp_path / "tokens.toml"
    file.touch(mode=0o600)
    file.write_text(block)
    source, hub = TokenSource(file), HubDouble()
    terminal = Terminal(app_of(hub, source, keepalive_seconds=60), mine)
    await terminal.read()
    await published(hub, 1)
    assert data((await terminal.read())[0])["spend"]["measures"]["total_cost"] == 1
    file.write_text(other if change == "taken away" else f'{block}where = "user:acme"\n')
    source._due = 0.0
    await published(hub, 2)
    told, end = await terminal.read(2)
    assert (b"event: error" in told, b"spend" in told, end) == (True, False, b"")
    await terminal.task


async def test_a_terminal_that_is_stuck_is_given_up():
    hub = HubDouble()
    terminal = Terminal(app_of(hub, stuck_seconds=0.05))
    await terminal.read()
    await published(hub, 1)
    await asyncio.wait_for(terminal.task, 10)
    assert hub.subscriptions[0].closed


async def test_streams_are_bounded_and_their_places_given_back():
    hub = HubDouble()
    app = app_of(hub, streams=1)
    first = Terminal(app)
    await first.read()
    second = Terminal(app)
    (start, body) = (await second.read(2), second.sent)[1][:2]
    assert start["status"] == 429
    assert dict(start["headers"])[b"retry-after"] == b"30"
    assert json.loads(body["body"])["error"]["type"] == "rate_limit_exceeded"
    first.leave()
    await first.task
    third = Terminal(app)
    await third.read()
    assert third.sent[0]["status"] == 200
    third.leave()
    await third.task
    assert [watch.closed for watch in hub.subscriptions] == [True, True]


async def test_a_view_the_source_cannot_answer_is_an_error_not_a_stream(monkeypatch):
    hub = HubDouble()
    monkeypatch.setattr(hub, "refuses", lambda view: "this API knows days only")
    terminal = Terminal(app_of(hub))
    await terminal.read(2)
    assert terminal.sent[0]["status"] == 400
    assert json.loads(terminal.sent[1]["body"])["error"]["message"] == "this API knows days only"
    assert not hub.subscriptions


def test_a_stale_source_s_reason_holds_no_path():
    hub = HubDouble()
    with in_thread(hub) as url, httpx.stream("GET", f"{url}/v1/live", trust_env=False) as response:
        stale = Stale(hub.now, "/srv/private/gateway.db: is locked", hub.now + timedelta(seconds=1))
        hub.subscriptions[0].publish(replace(snapshot_of(View("24h")), state=stale))
        _, shown = next(events(response))
    assert shown["state"]["error"] == "gateway.db: is locked"
