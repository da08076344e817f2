"""A cost-top server that answers as documented, and misbehaves on demand: for the failures a real one seldom shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cost_top.model.errors import UserError
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.wire import snapshot_to_json, view_from_json
from support.http_answer import send_answer


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    parameters: dict[str, str]
    body: Any
    authorization: str | None


class Stream:
    """One live view, as a misbehaving script writes it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def begin(self, kind: str = "text/event-stream") -> None:
        """The head of the answer."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", kind)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def event(self, name: str, value: Any) -> None:
        """A whole event."""
        self.write(f"event: {name}\ndata: {json.dumps(value)}\n\n")

    def write(self, text: str) -> None:
        """Anything, at once."""
        data = text.encode()
        self._handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self._handler.wfile.flush()

    def end(self) -> None:
        """End it as a server does that stops in order."""
        self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.wfile.flush()

    def refuse(self, status: int, kind: str, message: str, **headers: str) -> None:
        """No stream but an error."""
        self._handler.answer(status, {"error": {"message": message, "type": kind}}, headers)


# What happens to one request for a live view; None is the documented way.
Script = Callable[[Stream, View], None]


@dataclass
class FakeServe:
    """What the server knows, and what it was asked."""

    compose: Callable[[View], Snapshot]
    token: str | None = None
    scripts: list[Script | None] = field(default_factory=list)  # for the next live views, in turn
    answers: dict[str, Any] = field(default_factory=dict)  # by path: a value, or a function of what was asked
    asked: list[Asked] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    open_streams: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.number = 0
        self.closing = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def show(self, compose: Callable[[View], Snapshot]) -> None:
        """From now on other figures, to the open views as well."""
        with self.changed:
            self.compose = compose
            self.number += 1
            self.changed.notify_all()

    def cut(self) -> None:
        """End the open live views without a word."""
        with self.changed:
            self.number = -1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.open_streams == 0, 10)
            self.number = 0

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    serve: FakeServe

    def do_GET(self) -> None:
        self._take(None)

    def do_POST(self) -> None:
        self._take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _take(self, body: Any) -> None:
        parts = urlsplit(self.path)
        asked = Asked(
            self.command, parts.path, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))), body,
            self.headers["Authorization"],
        )  # fmt: skip
        self.serve.asked.append(asked)
        if self.serve.token is not None and asked.authorization != f"Bearer {self.serve.token}":
            self.answer(401, {"error": {"message": "no such token", "type": "authentication_error"}})
        elif parts.path == "/v1/live":
            with suppress(OSError):
                self._live(body)
            self.close_connection = True
        elif parts.path in self.serve.answers:
            answer = self.serve.answers[parts.path]
            value = answer(asked) if callable(answer) else answer
            self.answer(*value) if isinstance(value, tuple) else self.answer(200, value)
        else:
            self.answer(404, {"error": {"message": "no such path; /docs lists them", "type": "not_found"}})

    def answer(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        """A whole answer; texts go as they are."""
        content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        kind = "text/html" if isinstance(value, str) else "application/json"
        named = {name.replace("_", "-"): text for name, text in (headers or {}).items()}
        send_answer(self, status, content, {"Content-Type": kind, **named})

    def _live(self, body: Any) -> None:
        serve, stream = self.serve, Stream(self)
        try:
            view = view_from_json(body["view"])
        except UserError as error:
            stream.refuse(400, "invalid_request_error", str(error))
            return
        serve.views.append(view)
        script = serve.scripts.pop(0) if serve.scripts else None
        if script is not None:
            script(stream, view)
            return
        stream.begin()
        with serve.changed:
            serve.open_streams += 1
        try:
            self._follow(stream, view)
        finally:
            with serve.changed:
                serve.open_streams -= 1
                serve.changed.notify_all()

    def _follow(self, stream: Stream, view: View) -> None:
        serve = self.serve
        last: dict[str, Any] = {}
        while True:
            with serve.changed:
                number, compose = serve.number, serve.compose
            if number < 0 or serve.closing:
                return
            fields = snapshot_to_json(compose(view))
            changed = {name: value for name, value in fields.items() if name not in last or last[name] != value}
            if changed:
                stream.event("snapshot", changed)
            last = fields
            with serve.changed:
                while not serve.changed.wait_for(lambda number=number: serve.number != number or serve.closing, 0.05):
                    stream.write(": alive\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def serving(serve: FakeServe) -> Iterator[FakeServe]:
    """The server, on a port of its own (or on `serve.port`, to come back where one was)."""
    server = Server(("127.0.0.1", serve.port), type("Bound", (Handler,), {"serve": serve}))
    serve.port, serve.closing = server.server_address[1], False
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield serve
    finally:
        with serve.changed:
            serve.closing = True
            serve.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()


class Server(ThreadingHTTPServer):
    """Threads that do not hold up the end, and no traces of clients that went away."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is what is tested."""
