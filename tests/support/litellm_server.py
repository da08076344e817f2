"""A LiteLLM proxy's spend endpoints on loopback, of any version, with their traps: caps, ties in any order, two shapes
of errors. What LiteLLM's own code answers is tested in tests/contracts; here it can be made to fail."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from support.http_answer import send_answer

KEY = "sk-admin-Ab3dEf6hIj9kLm"
V2, UI, OLD = "/spend/logs/v2", "/spend/logs/ui", "/spend/logs"
PAGE_LIMITS = {V2: 1000, UI: 100}
NO_DATABASE = {
    "proxy": (401, {"error": {"message": "Prisma Client is not initialized", "type": "internal_error", "code": "401"}}),
    "detail": (500, {"detail": {"error": "No db connected. prisma client=None"}}),
    "old": (500, {"error": {"message": "/spend/logs ErrorDatabase not connected. Connect a database to your proxy"}}),
}


def api_row(identity: str, start: datetime, **given: Any) -> dict[str, Any]:
    """A row as the API gives it; `startTime` is still a time, spelled when it is sent."""
    row: dict[str, Any] = {
        "request_id": identity, "call_type": "acompletion", "api_key": "5f" * 32, "spend": 1.0, "total_tokens": 15,
        "prompt_tokens": 10, "completion_tokens": 5, "startTime": start, "endTime": start + timedelta(seconds=2),
        "completionStartTime": start + timedelta(seconds=1), "model": "gpt-4o", "model_group": "fast",
        "custom_llm_provider": "openai", "user": "ann", "metadata": {}, "cache_hit": "False", "request_tags": ["prod"],
        "team_id": None, "end_user": "acme", "requester_ip_address": None, "session_id": None, "status": "success",
        "request_duration_ms": 2000,
    }  # fmt: skip
    return {**row, **given}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


class LiteLLMServer:
    """`endpoints` are those this version has. `rows` by id may be changed while it runs."""

    def __init__(self, *endpoints: str) -> None:
        self.endpoints = endpoints or (V2, UI, OLD)
        self.rows: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str | None] = {KEY: None}  # the user whose rows a key may see; None: every row
        self.count_limit = 10_000
        self.sorts = True  # versions before /spend/logs/v2 give the newest rows first, whatever is asked
        self.spelling = "%Y-%m-%dT%H:%M:%S.%f+00:00"
        self.days: dict[str, dict[str, Any]] | None = {}  # the daily sums by date; None: not in this version
        self.fault: tuple[int, Any] | None = None  # status and body of every answer
        self.retry_after: str | None = None
        self.slipping: set[str] = set()  # ids in whose place another row stands a second time
        self.blank = False  # whether nothing stands there instead
        self.delay = 0.0
        self.gate = threading.Event()  # while it is clear, answers wait
        self.gate.set()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._guard = threading.Lock()
        self._draw = random.Random(7)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, *rows: dict[str, Any]) -> None:
        """Write rows; one of a known id replaces it."""
        self.rows = {**self.rows, **{row["request_id"]: row for row in rows}}

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(90)

    def answer(self, path: str, asked: dict[str, str], key: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers."""
        if self.fault is not None:
            return *self.fault, {"Retry-After": self.retry_after} if self.retry_after else {}
        if key not in self.keys:
            return 401, {"error": {"message": f"Authentication Error, {key}", "type": "auth_error", "code": "401"}}, {}
        user = self.keys[key]
        rows = [row for row in self.rows.values() if user is None or row["user"] == user]
        if path == "/user/list":
            refusal = {"detail": {"error": "Only proxy admins and organization admins can list users."}}
            return (200, {"users": []}, {}) if user is None else (403, refusal, {})
        if path == "/user/daily/activity/aggregated" and self.days is not None:
            first, last = asked["start_date"], asked["end_date"]
            found = [{"date": day, "metrics": sums} for day, sums in self.days.items() if first <= day <= last]
            return 200, {"results": found, "metadata": {}}, {}
        if path in self.endpoints and path in PAGE_LIMITS:
            return self._paged(path, asked, rows)
        if path in self.endpoints:
            return self._days(asked, rows)
        return 404, {"detail": "Not Found"}, {}

    def _paged(self, path: str, asked: dict[str, str], rows: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        size, number = int(asked["page_size"]), int(asked["page"])
        if size > PAGE_LIMITS[path]:
            wrong = {"loc": ["query", "page_size"], "msg": "Input should be less than or equal to 100", "type": "less"}
            return 422, {"detail": [wrong]}, {}
        low, high = (datetime.strptime(asked[name], "%Y-%m-%d %H:%M:%S") for name in ("start_date", "end_date"))
        found = [row for row in rows if low <= row["startTime"] <= high]
        self._draw.shuffle(found)
        order = asked["sort_by"] if self.sorts else "startTime"
        found.sort(key=lambda row: row[order], reverse=not self.sorts or asked["sort_order"] == "desc")
        stand_in = None if self.blank else found[0] if found else None
        page: list[Any] = [
            stand_in if row["request_id"] in self.slipping else row for row in found[(number - 1) * size :][:size]
        ]
        total = min(len(found), self.count_limit)
        body = {"data": [row and self._spelled(row) for row in page], "total": total, "page": number, "page_size": size,
                "total_pages": -(-total // size), "total_is_capped": len(found) > self.count_limit}  # fmt: skip
        return 200, body, {}

    def _days(self, asked: dict[str, str], rows: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        low, high = (datetime.strptime(asked[name], "%Y-%m-%d") for name in ("start_date", "end_date"))
        found = [row for row in rows if low <= row["startTime"] <= high]
        if asked.get("summarize") == "true":
            sums: dict[str, float] = {}
            for row in found:
                day = f"{row['startTime']:%Y-%m-%d}"
                sums[day] = sums.get(day, 0) + row["spend"]
            return 200, [{"startTime": day, "spend": spend, "models": {"m": spend}} for day, spend in sums.items()], {}
        newest = sorted(found, key=lambda row: row["startTime"], reverse=True)[: self.count_limit]
        headers = {"x-litellm-spend-logs-truncated": "true"} if len(newest) == self.count_limit else {}
        return 200, [self._spelled(row) for row in newest], headers

    def _spelled(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value.strftime(self.spelling) if isinstance(value, datetime) else value for name, value in row.items()
        }

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._guard:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._guard:
                self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with server._counted():
                    address = urlsplit(self.path)
                    asked = dict(parse_qsl(address.query))
                    server.asked.append((address.path, asked))
                    time.sleep(server.delay)
                    server.gate.wait(30)
                    key = self.headers.get("Authorization", "").removeprefix("Bearer ")
                    status, body, headers = server.answer(address.path, asked, key)
                    content = body if isinstance(body, bytes) else json.dumps(body).encode()
                send_answer(self, status, content, headers)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def utc(moment: datetime | None = None) -> datetime:
    """Now, or an aware time, as rows hold it: naive UTC in whole milliseconds."""
    moment = (moment or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
