"""A stand-in for the Vercel AI Gateway's `/v1/report` and `/v1/credits`: answers computed from invented requests.

    with VercelServer([SpentRequest(time, Decimal("0.25"), model="acme/x-1", tags=("prod",))]) as server:
        api = VercelApi(server.url, server.key)
        server.requests.append(...)            # more spend while it runs
        server.failures.append(Failure(429, headers={"Retry-After": "5"}))   # the next answer

It keeps to the documented parameters and answers 400 to anything else, so that a wrong question cannot pass.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import simplejson

from support.http_answer import send_answer

_COUNTS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens", "reasoning_tokens")
_GROUPS: dict[str, Callable[[SpentRequest], Iterable[str | None]]] = {
    "user": lambda request: [request.user],
    "model": lambda request: [request.model],
    "tag": lambda request: request.tags,
    "provider": lambda request: [request.provider],
    "credential_type": lambda request: [request.credential_type],
    "zero_data_retention": lambda request: ["false"],
    "api_key_name": lambda request: [request.api_key_name],
}
_CHOICES = {
    "group_by": ("day", *_GROUPS),
    "date_part": ("day", "hour"),
    "credential_type": ("byok", "system"),
    "zero_data_retention": ("true", "false"),
    "tags_match": ("any", "all"),
}
_FREE = ("start_date", "end_date", "user_id", "model", "provider", "tags")
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "forbidden", 404: "not_found",
          429: "rate_limit_exceeded", 500: "internal_server_error"}  # fmt: skip


@dataclass(frozen=True)
class SpentRequest:
    """One request as the gateway accounts it; money in USD. BYOK is charged 0 and has a market cost."""

    time: datetime
    market_cost: Decimal
    provider: str = "openai"
    model: str = "acme/x-1"
    user: str | None = None
    tags: tuple[str, ...] = ()
    credential_type: str = "system"
    api_key_name: str | None = "default"
    input_tokens: int = 100
    output_tokens: int = 20
    cached_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_cost(self) -> Decimal:
        return Decimal(0) if self.credential_type == "byok" else self.market_cost


@dataclass(frozen=True)
class Failure:
    """An answer instead of the right one. `body` None is the documented error shape."""

    status: int
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "made to fail"


class VercelServer:
    """`queries` counts billed questions, `asked` holds every question as (path, parameters)."""

    def __init__(self, requests: Iterable[SpentRequest] = (), key: str = "vck_test_0123456789abcdef") -> None:
        self.requests = list(requests)
        self.key = key
        self.credits: dict[str, Any] | None = {"balance": "95.50", "total_used": "4.50"}  # None: 404
        self.access_token = "vercel-access-token-0123456789"  # of Vercel's own API, where budgets are told
        self.budgets: dict[str, list[dict[str, Any]]] = {}  # by scope; one that is not there is refused
        self.has_reports = True  # False: the plan does not include them, 403
        self.failures: deque[Failure] = deque()  # taken one by one, before anything else
        self.edit: Callable[[dict[str, Any]], Any] = lambda answer: answer  # the last word on a report: schema drift
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.queries = 0
        self.connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> VercelServer:
        """Listen on a free port, or again on the one it had."""
        owner = self

        class Handler(_Handler):
            vercel = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and drop every connection: the host is up and nothing answers."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> VercelServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, path: str, pairs: list[tuple[str, str]], authorization: str) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON or bytes, and headers."""
        self.asked.append((path, dict(pairs)))
        if self.failures:
            failure = self.failures.popleft()
            body = failure.body if failure.body is not None else _error(failure.status, failure.message)
            return failure.status, body, failure.headers
        if path == "/ai-gateway/budgets/list":
            if authorization != f"Bearer {self.access_token}":
                return 403, _error(403, "Not authorized"), {}
            scope = dict(pairs).get("scopeType", "")
            known = {"budgets": self.budgets[scope]} if scope in self.budgets else _error(400, "Invalid scope")
            return (200 if scope in self.budgets else 400), known, {}
        if authorization != f"Bearer {self.key}":
            return 401, _error(401, "Invalid API key"), {}
        if path == "/v1/credits":
            return (200, self.credits, {}) if self.credits is not None else (404, _error(404, "Not found"), {})
        if path != "/v1/report":
            return 404, _error(404, "Not found"), {}
        if not self.has_reports:
            return 403, _error(403, "Custom reporting needs a Pro or Enterprise plan"), {}
        wrong = _wrong(pairs)
        if wrong:
            return 400, _error(400, wrong), {}
        self.queries += 1
        return 200, self.edit({"results": self._report(dict(pairs))}), {}

    def _report(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        group = asked.get("group_by", "day")
        name = asked.get("date_part", "day") if group == "day" else group
        rows: dict[str | None, dict[str, Any]] = {}
        for request in self.requests:
            if not _matches(request, asked):
                continue
            for value in _values(request, name):
                row = rows.setdefault(value, {name: value, **dict.fromkeys(_METRICS, 0)})
                row["total_cost"] += request.total_cost
                row["market_cost"] += request.market_cost
                row["request_count"] += 1
                for count in _COUNTS:
                    row[count] += getattr(request, count)
        return list(rows.values())


_METRICS = ("total_cost", "market_cost", "surcharge_cost", "gateway_cost", *_COUNTS, "request_count")


class _Handler(BaseHTTPRequestHandler):
    vercel: VercelServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece

    def setup(self) -> None:
        super().setup()
        self.vercel.connections.add(self.connection)

    def finish(self) -> None:
        self.vercel.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        status, body, headers = self.vercel.answer(parts.path, pairs, self.headers.get("authorization", ""))
        content = body if isinstance(body, bytes) else simplejson.dumps(body, use_decimal=True).encode()
        send_answer(self, status, content, headers)

    def log_message(self, *arguments: object) -> None:
        pass


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": _TYPES.get(status, "internal_server_error")}}


def _wrong(pairs: list[tuple[str, str]]) -> str | None:
    """What is wrong with the parameters of a report."""
    asked = dict(pairs)
    if len(asked) < len(pairs):
        return "a parameter was given twice"
    for name, value in pairs:
        if name not in _FREE and name not in _CHOICES:
            return f"unknown parameter {name}"
        if value not in _CHOICES.get(name, (value,)) or not value:
            return f"invalid {name}"
    try:
        dates = [date.fromisoformat(asked[name]) for name in ("start_date", "end_date")]
    except (KeyError, ValueError):
        return "start_date and end_date are required as YYYY-MM-DD"
    if any(len(asked[name]) != 10 for name in ("start_date", "end_date")) or dates[0] > dates[1]:
        return "start_date and end_date are required as YYYY-MM-DD"
    if "date_part" in asked and asked.get("group_by", "day") != "day":
        return "date_part needs group_by=day"
    return None


def _matches(request: SpentRequest, asked: Mapping[str, str]) -> bool:
    day = request.time.astimezone(UTC).date().isoformat()
    if not asked["start_date"] <= day <= asked["end_date"]:
        return False
    pairs = (("user_id", request.user), ("model", request.model), ("provider", request.provider),
             ("credential_type", request.credential_type), ("zero_data_retention", "false"))  # fmt: skip
    if any(name in asked and asked[name] != value for name, value in pairs):
        return False
    if "tags" not in asked:
        return True
    wanted, given = set(asked["tags"].split(",")), set(request.tags)
    return wanted <= given if asked.get("tags_match") == "all" else bool(wanted & given)


def _values(request: SpentRequest, name: str) -> Iterable[str | None]:
    time = request.time.astimezone(UTC)
    if name in ("day", "hour"):
        return [f"{time:%Y-%m-%d}" if name == "day" else f"{time:%Y-%m-%dT%H}"]
    return _GROUPS[name](request)
