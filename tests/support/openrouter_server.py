"""OpenRouter on loopback: answers computed from invented requests, with the rules and error bodies it documents."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import simplejson

from support.http_answer import send_answer

MANAGEMENT, ORDINARY = "sk-or-v1-management-0123456789", "sk-or-v1-ordinary-0123456789"
HASHES = {"web": "a" * 64, "batch": "b" * 64, "twin-1": "c" * 64, "twin-2": "d" * 64}
NAMES = {"web": "Web key", "batch": "Batch key", "twin-1": "Twin", "twin-2": "Twin"}  # what answers call the keys
LABELS = {
    "api_key_id": NAMES, "user": {"user_1": "Ann Example", None: ""}, "app": {7: "https://shop.example", None: None},
    "workspace": {"w-1": "Research"},
}  # fmt: skip
METRICS = {
    "credits_usage": "usage", "byok_usage": "own", "total_usage": "both", "request_count": "one",
    "tokens_prompt": "prompt", "tokens_completion": "completion", "reasoning_tokens": "reasoning",
    "cached_tokens": "cached",
}  # fmt: skip
DIMENSIONS = ("model", "provider", "api_key_id", "user", "external_user", "app", "workspace", "country")
SHORT = {"provider", "external_user", "country"}  # 31 days
GRAINS = {"minute": "%Y-%m-%d %H:%M:00", "hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
NO_MANAGEMENT = "Only management keys can perform this operation"


@dataclass(frozen=True)
class Call:
    """One invented request. `usage` is charged by OpenRouter, `own` by the provider to an own key; both USD."""

    time: datetime
    model: str = "acme/x-1"
    provider: str = "Acme"
    api_key_id: str = "web"
    user: str | None = "user_1"
    external_user: str | None = None
    app: int | None = 7
    workspace: str = "w-1"
    country: str = "DE"
    usage: Decimal = Decimal(0)
    own: Decimal = Decimal(0)
    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    cached: int = 0
    one: int = 1

    @property
    def both(self) -> Decimal:
        return self.usage + self.own


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class OpenRouterServer:
    """`url` is its base; `seen` the questions; the other fields make it misbehave."""

    calls: list[Call] = field(default_factory=list)
    credits: tuple[str, str] = ("100.5", "25.75")
    key_limit: tuple[str, str] | None = None  # (limit, remaining) of the ordinary key
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)  # what /keys says of limits, by key
    analytics: int = 200  # or the status with which it is closed
    keys_status: int = 200
    activity_until: timedelta = timedelta(0)  # how far beyond midnight /activity reaches
    most_rows: int = 10_000
    per_minute: int = 64
    cached: datetime | None = None
    metrics: dict[str, str] = field(default_factory=lambda: dict(METRICS))
    dimensions: tuple[str, ...] = DIMENSIONS
    warnings: tuple[str, ...] = ()
    page: int = 3  # keys on a page
    answer: Any = None  # instead of every answer of /analytics/query
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.reply(self, None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.reply(self, simplejson.loads(body))

            def log_message(self, *_: object) -> None:
                pass

        self._arrivals: list[float] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/api/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def reply(self, handler: BaseHTTPRequestHandler, body: Any) -> None:
        status, headers = 200, {}
        try:
            value = self._route(handler, body)
        except Refusal as refusal:
            status, value = refusal.status, {"error": {"code": refusal.status, "message": str(refusal)}}
            headers = {"Retry-After": "7"} if status == 429 else {}
        send_answer(handler, status, simplejson.dumps(value, use_decimal=True).encode(), headers)

    def _route(self, handler: BaseHTTPRequestHandler, body: Any) -> Any:
        parts = urlsplit(handler.path)
        path, query = parts.path.removeprefix("/api/v1"), parse_qs(parts.query)
        self.seen.append((path, body))
        key = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        if key not in (MANAGEMENT, ORDINARY):
            raise Refusal(401, "User not found.")
        if path == "/key":
            return {"data": self._key(key)}
        if key != MANAGEMENT:
            raise Refusal(403, NO_MANAGEMENT)
        if path == "/credits":
            bought, used = map(Decimal, self.credits)
            return {"data": {"total_credits": bought, "total_usage": used}}
        if path == "/keys":
            return {"data": self._keys(int(query.get("offset", ["0"])[0]))}
        if path == "/activity":
            return {"data": self._activity()}
        if path.startswith("/analytics/") and self.analytics != 200:
            raise Refusal(self.analytics, NO_MANAGEMENT if self.analytics == 403 else "Not Found")
        if path == "/analytics/meta":
            named = {"metrics": self.metrics, "dimensions": self.dimensions, "granularities": GRAINS}
            return {"data": {part: [{"name": name, "display_label": name} for name in names]
                             for part, names in named.items()}}  # fmt: skip
        if path == "/analytics/query":
            return self._query(body)
        raise Refusal(404, "Not Found")

    def _used(self, calls: list[Call]) -> dict[str, Any]:
        now = datetime.now(UTC)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        starts = {"": datetime.min.replace(tzinfo=UTC), "_daily": today,
                  "_weekly": today - timedelta(days=today.weekday()), "_monthly": today.replace(day=1)}  # fmt: skip
        found: dict[str, Any] = {}
        for suffix, start in starts.items():
            within = [call for call in calls if call.time >= start]
            found[f"usage{suffix}"] = sum((call.usage for call in within), Decimal(0))
            found[f"byok_usage{suffix}"] = sum((call.own for call in within), Decimal(0))
        return found

    def _key(self, key: str) -> dict[str, Any]:
        own = [call for call in self.calls if call.api_key_id == "web"] if key == ORDINARY else []
        limit, remaining = map(Decimal, self.key_limit) if self.key_limit else (None, None)
        return {
            "label": "sk-or-v1-ord...789", **self._used(own), "limit": limit, "limit_remaining": remaining,
            "limit_reset": None, "include_byok_in_limit": False, "is_free_tier": False,
            "is_management_key": key == MANAGEMENT, "is_provisioning_key": key == MANAGEMENT, "expires_at": None,
            "rate_limit": {"requests": -1, "interval": "10s", "note": "deprecated"},
        }  # fmt: skip

    def _keys(self, offset: int) -> list[dict[str, Any]]:
        if self.keys_status != 200:
            raise Refusal(self.keys_status, NO_MANAGEMENT)
        listed = [
            {"hash": found, "name": NAMES[key], "label": f"sk-or-v1-{key}", "disabled": False,
             **self._used([call for call in self.calls if call.api_key_id == key]), **self.limits.get(key, {})}
            for key, found in HASHES.items()
        ]  # fmt: skip
        return listed[offset : offset + self.page]

    def _activity(self) -> list[dict[str, Any]]:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
        for call in self.calls:
            if today - timedelta(days=30) <= call.time < today + self.activity_until:
                groups[call.time.strftime("%Y-%m-%d"), call.model, call.provider, call.country].append(call)
        return [
            {"date": f"{day} 00:00:00", "model": model, "model_permaslug": f"{model}-1", "endpoint_id": f"e-{country}",
             "provider_name": provider, "usage": sum(call.usage for call in group),
             "byok_usage_inference": sum(call.own for call in group), "requests": len(group),
             "prompt_tokens": sum(call.prompt for call in group),
             "completion_tokens": sum(call.completion for call in group),
             "reasoning_tokens": sum(call.reasoning for call in group)}
            for (day, model, provider, country), group in groups.items()
        ]  # fmt: skip

    def _query(self, body: dict[str, Any]) -> Any:
        self._throttle()
        if self.answer is not None:
            return self.answer
        metrics, dimensions = body.get("metrics") or [], body.get("dimensions") or []
        filters, grain = body.get("filters") or [], body.get("granularity")
        start, end = (datetime.fromisoformat(body["time_range"][side]) for side in ("start", "end"))
        fields = {*dimensions, *(condition["field"] for condition in filters)}
        self._check(metrics, dimensions, filters, grain, start, end, fields)
        if start < datetime.now(UTC) - timedelta(days=31):  # sums of whole days are all there is
            start = start.replace(hour=0, minute=0, second=0)
        groups: dict[tuple[Any, ...], list[Call]] = defaultdict(list)
        for call in self.calls:
            if start <= call.time < end and all(_passes(call, condition) for condition in filters):
                bucket = (call.time.strftime(GRAINS[grain]),) if grain else ()
                groups[(*bucket, *(getattr(call, name) for name in dimensions))].append(call)
        names = [*([f"date__{grain}"] if grain else []), *dimensions]
        rows = []
        for key, group in groups.items():
            row = {name: LABELS.get(name, {}).get(value, value) for name, value in zip(names, key, strict=True)}
            for metric in metrics:
                total = sum(getattr(call, self.metrics[metric]) for call in group)
                row[metric] = total if isinstance(total, Decimal) else str(total)  # counts are strings
            rows.append(row)
        most = min(body.get("limit", 1000), self.most_rows)
        data: dict[str, Any] = {"data": rows[:most], "metadata": {"query_time_ms": 4, "row_count": len(rows[:most]),
                                                                  "truncated": len(rows) > most}}  # fmt: skip
        if self.cached:
            data["cachedAt"] = int(self.cached.timestamp() * 1000)
        if self.warnings:
            data["warnings"] = list(self.warnings)
        return {"data": data}

    def _check(self, metrics, dimensions, filters, grain, start, end, fields) -> None:
        unknown = [*(set(metrics) - set(self.metrics)), *(fields - set(self.dimensions))]
        faults = {
            "metrics: at least one is required": not metrics,
            f"Unknown name {unknown}": unknown,
            "At most 2 dimensions": len(dimensions) > 2,
            "At most 20 filters": len(filters) > 20,
            f"Unknown granularity {grain}": grain is not None and grain not in GRAINS,
            "time_range.start must be before end": start >= end,
            "Minute granularity needs a window of at most 3 hours": grain == "minute"
            and end - start > timedelta(hours=3),
            "This query is limited to 31 days": fields & SHORT
            and start < datetime.now(UTC) - timedelta(days=31, minutes=5),
            "This query is limited to 365 days": end - start > timedelta(days=366),
        }
        for message, broken in faults.items():
            if broken:
                raise Refusal(400, message)

    def _throttle(self) -> None:
        now = time.monotonic()
        self._arrivals = [moment for moment in self._arrivals if moment > now - 60]
        if len(self._arrivals) >= self.per_minute:
            raise Refusal(429, "Rate limit exceeded: 64 requests per minute")
        self._arrivals.append(now)


def _passes(call: Call, condition: dict[str, Any]) -> bool:
    value = getattr(call, condition["field"])
    if condition["field"] == "api_key_id":
        value = HASHES[value]
    wanted = condition["value"] if condition["operator"] == "in" else [condition["value"]]
    if condition["operator"] not in ("eq", "in"):
        raise Refusal(400, "Unknown operator")
    return value in wanted
