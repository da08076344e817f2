"""`cost-top serve` with a guard over a log that the test writes, and a provider that remembers who called it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from support.native_log import NativeLog
from support.served import Served, served

USD = 10**12
CONFIG = """\
[[budgets]]
name = "all-month"
limit = "1000"
period = "month"
[[budgets]]
name = "user-day"
each = "user"
limit = "0.50"
period = "day"
mode = "hard"
"""
NOTHING_ASIDE = '[guard]\nreservation = "none"\n'


def spend(log: NativeLog, user: str, usd: float, **columns: object) -> None:
    """A row of now."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    log.add(**{"time_ms": now, "model": "m", "endpoint": "/v1/chat/completions", "user_id": user, "status": 200,
               "cost_pico_usd": int(usd * USD), **columns})  # fmt: skip


@contextmanager
def guarded(folder: Path, log: NativeLog, *arguments: object) -> Iterator[Served]:
    """The server, with the `config.toml` of the folder."""
    with served(folder, log.path, "--config", folder / "config.toml", *arguments) as server:
        yield server


def wait_until(test: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(server: Served, token: str | None = None, **body: object) -> httpx.Response:
    return server.post("/v1/guard", body, token)


def fresh(server: Served, token: str | None = None) -> bool:
    """Whether the guard's figures are."""
    return ask(server, token, user="nobody").headers.get("X-Cost-Top-Guard") == "fresh"


_CHAT = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}  # fmt: skip


@contextmanager
def provider() -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """Its port, and the paths and keys of the calls that reached it."""
    reached: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append((self.path, self.headers.get("Authorization")))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = json.dumps(_CHAT).encode()
            self.send_response(403 if self.path.endswith("forbidden") else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], reached
    finally:
        server.shutdown()
        server.server_close()
