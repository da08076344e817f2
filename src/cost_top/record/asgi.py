"""ASGI middleware: records the model calls that pass through any Python gateway.

    app = RecordMiddleware(app, Recorder("sqlite:///requests.db"))

Every message is passed on before it is looked at, and nothing is changed or held back. The application may put more
into the row through `scope["cost_top"]`, a dict of `Recorder.record`'s arguments:
`request.scope["cost_top"]["cache_hit"] = True`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from cost_top.record.recorder import Recorder
from cost_top.record.request import lower_headers
from cost_top.record.wire import BODY_LIMIT, BodyTap, Tap, tap_for

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATHS = (
    "/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/rerank", "/language-model",
    "/v1/chat", "/v2/chat", "/api/chat", "/api/generate", "/api/embed", "/converse", "/converse-stream", "/invoke",
    ":generateContent", ":streamGenerateContent",
)  # fmt: skip
CLIENT_GONE = 499  # the customary status for a client that closed the connection first


class RecordMiddleware:
    """Records each POST whose path ends in one of `paths`.

    The row has path, latency to the last byte, HTTP status, client address and user agent; the key in the headers
    is stored as its kind and hash. Bodies longer than `body_limit` bytes, and compressed ones other than gzip and
    deflate, are recorded without what they say. A request whose client leaves early keeps the tokens seen so far.
    """

    def __init__(
        self, app: App, recorder: Recorder, *, paths: tuple[str, ...] = PATHS, body_limit: int = BODY_LIMIT
    ) -> None:
        self._app = app
        self._recorder = recorder
        self._paths = paths
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        path = scope.get("path", "") if scope["type"] == "http" and scope.get("method") == "POST" else ""
        if not path.endswith(self._paths):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._limit)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            exchange.status = CLIENT_GONE
            raise
        except BaseException:
            exchange.status = exchange.status or 500
            raise
        finally:
            exchange.record(self._recorder)


class _Exchange:
    """One request and its answer, as they go by."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limit = limit
        self._request = BodyTap(limit)
        self._answer: Tap | None = None
        self._complete = False
        self._said: dict[str, Any] = scope.setdefault("cost_top", {})
        self._clock = time.perf_counter()
        self._started = time.time()
        self._ended: float | None = None
        self.status: int | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._request.feed(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._complete:
            self.status = CLIENT_GONE
        return message

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.status = CLIENT_GONE
            raise
        with contextlib.suppress(Exception):  # what is odd to us may be fine for client and server
            self._look_at(message)

    def _look_at(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._answer = tap_for(lower_headers(message.get("headers", ())), self._limit)
        elif message["type"] == "http.response.body" and self._answer is not None:
            self._answer.feed(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._complete:
                self._ended = time.perf_counter()

    def record(self, recorder: Recorder) -> None:
        """Hand over what was seen; the row appears even when nothing in it could be read."""
        scope, answer = self._scope, self._answer
        client = scope.get("client") or (None,)
        values: dict[str, Any] = {
            "request": self._request.frames(),
            "headers": scope.get("headers", ()),
            "endpoint": scope.get("path"),
            "status": self.status,
            "latency_ms": ((self._ended or time.perf_counter()) - self._clock) * 1000,
            "started_at": self._started,
            "client_ip": client[0],
        }
        if answer is not None:
            values["events" if answer.streamed else "response"] = answer.frames()
        with contextlib.suppress(Exception):  # the application's own additions may not fit `record`
            recorder.record(**{**values, **self._said})
            return
        recorder.record(**values)
