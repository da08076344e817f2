"""Every gateway's own way to write a request down: its table, the tables beside it, and what of a request is left.

Tables and columns are those of the versions that the presets name; fake secrets stand in the columns beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from support.logical import POINTS_PER_DOLLAR, Logical, Seen

SECRET = "sk-fake-secret-never-to-be-read"
Row = dict[str, Any]

# What the columns of a shape are called in each database.
TYPES: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "int": "INTEGER", "real": "REAL", "float4": "REAL", "text": "TEXT", "key": "TEXT", "bool": "NUMERIC",
        "json": "JSON", "stamp": "DATETIME", "naive": "DATETIME", "num": "NUMERIC",
    },
    "postgresql": {
        "int": "bigint", "real": "double precision", "float4": "real", "text": "text", "key": "varchar(255)",
        "bool": "boolean", "json": "jsonb", "stamp": "timestamptz", "naive": "timestamp(3)", "num": "numeric(20,10)",
    },
    "mysql": {
        "int": "bigint", "real": "double", "float4": "float", "text": "longtext", "key": "varchar(255)",
        "bool": "tinyint(1)", "json": "json", "stamp": "datetime(6)", "naive": "datetime(6)", "num": "decimal(20,10)",
    },
    "clickhouse": {
        "int": "Int64", "real": "Nullable(Float64)", "float4": "Nullable(Float32)", "text": "String", "key": "String",
        "bool": "Bool", "json": "String", "stamp": "DateTime64(9, 'UTC')", "naive": "DateTime64(3, 'UTC')",
        "num": "Nullable(Decimal(20, 10))",
    },
}  # fmt: skip
# How a gateway makes its table in ClickHouse, by the table and what it is sorted by first.
ENGINES: Mapping[tuple[str, str], str] = {
    ("logs", "timestamp"): "ReplacingMergeTree(ver) PARTITION BY toYYYYMM(timestamp) ORDER BY (timestamp, id)",
    ("logs", "created_at"): "MergeTree PARTITION BY toYYYYMM(toDateTime(created_at)) ORDER BY (created_at, request_id)",
    ("request_response_rmt", "request_created_at"): "ReplacingMergeTree(updated_at) PARTITION BY "
    "toYYYYMM(request_created_at) ORDER BY (organization_id, provider, model, user_id, request_created_at, request_id)",
    # As in TensorZero's own migrations of 2026-04.
    ("ModelInference", "timestamp"): "MergeTree ORDER BY inference_id",
    ("ChatInference", ""): "MergeTree ORDER BY (function_name, variant_name, episode_id)",
    ("JsonInference", ""): "MergeTree ORDER BY (function_name, variant_name, episode_id)",
    # As in Langfuse's own migrations of 2026-08.
    ("observations", "start_time"): "ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(start_time) "
    "PRIMARY KEY (project_id, type, toDate(start_time)) ORDER BY (project_id, type, toDate(start_time), id)",
    ("traces", ""): "ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(timestamp) "
    "PRIMARY KEY (project_id, toDate(timestamp)) ORDER BY (project_id, toDate(timestamp), id)",
    ("events_core", "start_time"): "ReplacingMergeTree(event_ts, is_deleted) PARTITION BY toYYYYMM(start_time) "
    "PRIMARY KEY (project_id, toStartOfMinute(start_time), xxHash32(trace_id)) "
    "ORDER BY (project_id, toStartOfMinute(start_time), xxHash32(trace_id), span_id, start_time) "
    "SAMPLE BY xxHash32(trace_id)",
    ("cost_top_requests", "time_ms"): "MergeTree ORDER BY (time_ms, id)",
}


@dataclass(frozen=True)
class Shape:
    """One gateway. `columns` and `beside` are columns and their kinds; `write` gives a row and what it tells."""

    preset: str
    databases: tuple[str, ...]
    table: str
    columns: Mapping[str, str]
    write: Callable[[Logical, str], tuple[Row, Seen]]
    beside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Callable[[list[Logical]], Mapping[str, list[Row]]] = lambda _requests: {}
    primary: str = "id"
    index: str = ""


def money(request: Logical) -> Decimal:
    """Dollars."""
    return Decimal(request.points) / POINTS_PER_DOLLAR


def seconds(request: Logical) -> int:
    return int(request.time.timestamp())


def stamp(moment: datetime, database: str) -> Any:
    """A timestamp as the gateway's driver hands it over: ragged text with an offset in SQLite."""
    if database == "sqlite":
        return moment.astimezone(UTC).isoformat(" ") if moment.second % 2 else f"{moment:%Y-%m-%d %H:%M:%S}.000+00:00"
    if database == "clickhouse":
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return moment.replace(tzinfo=None) if database == "mysql" else moment


def pairs(requests: list[Logical], of: str) -> list[Any]:
    return sorted({getattr(request, of) for request in requests}, key=lambda each: each.number)


CHANNELS = ("openai", "anthropic", "deepseek", "xai")


# -- cost-top's own ------------------------------------------------------------------------------------------------


def _native(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {
        "id": request.id, "time_ms": seconds(request) * 1000, "provider": CHANNELS[request.provider],
        "model": request.model, "endpoint": request.endpoint, "token": f"k{request.key.number}",
        "token_name": request.key.name, "user_id": request.user.name, "team": request.team.name,
        "tags": json.dumps([request.tag]), "credential_type": "system", "input_tokens": request.input,
        "cached_input_tokens": request.cached, "cache_creation_input_tokens": request.written,
        "output_tokens": request.output, "reasoning_tokens": request.reasoning,
        "cost_pico_usd": request.points * 10**12 // POINTS_PER_DOLLAR, "cache_hit": request.hit,
        "latency_ms": request.latency_ms, "status": request.status, "streamed": request.streamed,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, f"k{request.key.number}", request.key.name,
        request.user.name, request.team.name, (request.tag,),
    )  # fmt: skip


NATIVE = Shape(
    "cost-top", ("sqlite", "postgresql", "mysql", "clickhouse"), "cost_top_requests",
    {
        "id": "key", "time_ms": "int", "provider": "key", "model": "key", "endpoint": "key", "token": "key",
        "token_name": "key", "user_id": "key", "team": "key", "tags": "text", "credential_type": "key",
        "input_tokens": "int", "cached_input_tokens": "int", "cache_creation_input_tokens": "int",
        "output_tokens": "int", "reasoning_tokens": "int", "cost_pico_usd": "int", "cache_hit": "bool",
        "latency_ms": "int", "status": "int", "streamed": "bool",
    },
    _native, index="time_ms",
)  # fmt: skip


# -- new-api and one-api -------------------------------------------------------------------------------------------

_TYPES_OF_NEW_API = (1, 14, 43, 48)
_TYPES_OF_ONE_API = (1, 14, 36, 20)  # it knows no xAI


def _new_api(request: Logical, _database: str) -> tuple[Row, Seen]:
    claude = request.provider == 1
    failed = request.status >= 400
    other: Row = {"request_path": request.endpoint, "group_ratio": 1, "model_ratio": 2.5, "frt": 200}
    if request.cached:
        other["cache_tokens"] = request.cached
    if request.written:
        other["cache_creation_tokens"] = request.written
    if claude:
        other |= {"claude": True, "usage_semantic": "anthropic"}
    if failed:
        other |= {"status_code": request.status, "error_type": "upstream_error"}
    apart = request.cached + request.written if claude else 0
    row = {
        "id": request.number + 1, "user_id": request.user.number, "created_at": seconds(request),
        "type": 5 if failed else 2, "content": SECRET, "username": request.user.name, "token_name": request.key.name,
        "model_name": request.model, "quota": request.points, "prompt_tokens": request.input - apart,
        "completion_tokens": request.output, "use_time": request.latency_ms // 1000, "is_stream": request.streamed,
        "channel_id": request.provider + 1, "channel_name": None, "token_id": request.key.number,
        "group": request.team.name, "ip": "", "other": json.dumps(other), "request_id": request.id,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, str(request.key.number), request.key.name,
        request.user.name, request.team.name, reasoning=False, hits=False,
    )  # fmt: skip


def _one_api(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {
        "id": request.number + 1, "user_id": request.user.number, "created_at": seconds(request), "type": 2,
        "content": SECRET, "username": request.user.name, "token_name": request.key.name,
        "model_name": request.model, "quota": request.points, "prompt_tokens": request.input,
        "completion_tokens": request.output, "channel_id": request.provider + 1, "request_id": request.id,
        "elapsed_time": request.latency_ms, "is_stream": request.streamed, "system_prompt_reset": False,
    }  # fmt: skip
    provider = "openrouter" if request.provider == 3 else CHANNELS[request.provider]
    return row, Seen(
        provider, request.model, None, request.key.name, request.key.name, request.user.name, None,
        cached=False, written=False, reasoning=False, hits=False, statuses=False,
    )  # fmt: skip


def _channels(types: tuple[int, ...]) -> Callable[[list[Logical]], Mapping[str, list[Row]]]:
    def names(_requests: list[Logical]) -> Mapping[str, list[Row]]:
        rows = [
            {"id": place + 1, "type": kind, "key": SECRET, "name": f"channel {place}"}
            for place, kind in enumerate(types)
        ]
        return {"channels": rows, "options": [{"key": "QuotaPerUnit", "value": str(POINTS_PER_DOLLAR)}]}

    return names


_LOGS = {
    "id": "int", "user_id": "int", "created_at": "int", "type": "int", "content": "text", "username": "key",
    "token_name": "key", "model_name": "key", "quota": "int", "prompt_tokens": "int", "completion_tokens": "int",
    "channel_id": "int", "is_stream": "bool", "request_id": "key",
}  # fmt: skip
_CHANNELS = {
    "channels": {"id": "int", "type": "int", "key": "text", "name": "key"},
    "options": {"key": "key", "value": "text"},
}
NEW_API = Shape(
    "new-api", ("sqlite", "mysql", "postgresql", "clickhouse"), "logs",
    {
        **_LOGS, "use_time": "int", "channel_name": "key", "token_id": "int", "group": "key", "ip": "key",
        "other": "text",
    },
    _new_api, _CHANNELS, _channels(_TYPES_OF_NEW_API), index="created_at",
)  # fmt: skip
ONE_API = Shape(
    "one-api", ("sqlite", "mysql", "postgresql"), "logs",
    {**_LOGS, "elapsed_time": "int", "system_prompt_reset": "bool"},
    _one_api, _CHANNELS, _channels(_TYPES_OF_ONE_API), index="created_at",
)  # fmt: skip


# -- Bifrost -------------------------------------------------------------------------------------------------------


def _bifrost(request: Logical, database: str) -> tuple[Row, Seen]:
    usage = {
        "prompt_tokens_details": {"cached_write_tokens": request.written},
        "completion_tokens_details": {"reasoning_tokens": request.reasoning},
    }
    failed = request.status >= 400
    row = {
        "id": request.id, "timestamp": stamp(request.time, database), "object_type": request.endpoint,
        "provider": CHANNELS[request.provider], "model": request.model, "selected_key_id": "upstream",
        "virtual_key_id": f"vk-{request.key.number}", "virtual_key_name": request.key.name,
        "user_id": f"u{request.user.number}", "user_name": request.user.name, "team_id": f"t{request.team.number}",
        "team_name": request.team.name, "input_history": SECRET, "raw_request": SECRET,
        "latency": request.latency_ms + 0.25, "token_usage": "" if failed else json.dumps(usage),
        "cost": None if failed else float(money(request)), "status": "error" if failed else "success",
        "error_details": json.dumps({"status_code": request.status}) if failed else "",
        "cache_debug": json.dumps({"cache_hit": True, "hit_type": "direct"}) if request.hit else "",
        "metadata": json.dumps({"env": request.tag}), "stream": request.streamed, "fallback_index": 0,
        "prompt_tokens": request.input, "completion_tokens": request.output, "cached_read_tokens": request.cached,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, f"vk-{request.key.number}", request.key.name,
        request.user.name, request.team.name, (f"env:{request.tag}",),
    )  # fmt: skip


BIFROST = Shape(
    "bifrost", ("sqlite", "postgresql", "clickhouse"), "logs",
    {
        "id": "key", "timestamp": "stamp", "object_type": "key", "provider": "key", "model": "key",
        "selected_key_id": "key", "virtual_key_id": "key", "virtual_key_name": "key", "user_id": "key",
        "user_name": "key", "team_id": "key", "team_name": "key", "input_history": "text", "raw_request": "text",
        "latency": "real", "token_usage": "text", "cost": "real", "status": "key", "error_details": "text",
        "cache_debug": "text", "metadata": "text", "stream": "bool", "fallback_index": "int", "prompt_tokens": "int",
        "completion_tokens": "int", "cached_read_tokens": "int",
    },
    _bifrost, index="timestamp",
)  # fmt: skip


# -- llmgateway ----------------------------------------------------------------------------------------------------


def _llmgateway(request: Logical, _database: str) -> tuple[Row, Seen]:
    google = request.provider == 3
    failed = request.status >= 400
    exact = request.number % 2 == 0
    row = {
        "id": request.id, "created_at": request.time.replace(tzinfo=None),
        "used_provider": "google-ai-studio" if google else CHANNELS[request.provider], "used_model": request.model,
        "used_mode": "credits", "api_origin": request.endpoint, "api_key_id": f"key{request.key.number}",
        "project_id": f"p{request.team.number}", "end_customer_id": request.user.name,
        "prompt_tokens": request.input, "reasoning_tokens": request.reasoning,
        "completion_tokens": request.output if google else request.output - request.reasoning,
        "cached_tokens": request.cached, "cache_write_tokens": request.written,
        "cost": 0 if exact else float(money(request)), "billing_cost": money(request), "cached": request.hit,
        "duration": request.latency_ms, "has_error": failed, "canceled": False, "retried": False,
        "error_details": json.dumps({"statusCode": request.status}) if failed else None,
        "streamed": request.streamed, "custom_headers": json.dumps({"env": request.tag}), "messages": SECRET,
        "user_agent": "agent/1",
    }  # fmt: skip
    provider = "google-ai-studio" if google else CHANNELS[request.provider]
    return row, Seen(
        provider, request.model, request.endpoint, f"key{request.key.number}", request.key.name, request.user.name,
        request.team.name, (f"env:{request.tag}",),
    )  # fmt: skip


def _llmgateway_names(requests: list[Logical]) -> Mapping[str, list[Row]]:
    return {
        "api_key": [{"id": f"key{k.number}", "token": SECRET, "description": k.name} for k in pairs(requests, "key")],
        "project": [{"id": f"p{t.number}", "name": t.name} for t in pairs(requests, "team")],
    }


LLMGATEWAY = Shape(
    "llmgateway", ("postgresql",), "log",
    {
        "id": "key", "created_at": "naive", "used_provider": "key", "used_model": "key", "used_mode": "key",
        "api_origin": "key", "api_key_id": "key", "project_id": "key", "end_customer_id": "key",
        "prompt_tokens": "num", "completion_tokens": "num", "reasoning_tokens": "num", "cached_tokens": "num",
        "cache_write_tokens": "num", "cost": "float4", "billing_cost": "num", "cached": "bool", "duration": "int",
        "has_error": "bool", "canceled": "bool", "retried": "bool", "error_details": "json", "streamed": "bool",
        "custom_headers": "json", "messages": "text", "user_agent": "key",
    },
    _llmgateway,
    {"api_key": {"id": "key", "token": "text", "description": "key"}, "project": {"id": "key", "name": "key"}},
    _llmgateway_names, index="created_at",
)  # fmt: skip


# -- sub2api -------------------------------------------------------------------------------------------------------


def _sub2api(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {
        "id": request.number + 1, "created_at": request.time, "user_id": request.user.number,
        "api_key_id": request.key.number, "account_id": request.provider + 1, "group_id": request.team.number,
        "model": request.model, "request_id": request.id,
        "input_tokens": request.input - request.cached - request.written, "output_tokens": request.output,
        "cache_read_tokens": request.cached, "cache_creation_tokens": request.written,
        "actual_cost": money(request), "total_cost": money(request) * 2, "rate_multiplier": Decimal("0.5"),
        "billing_type": 0, "stream": request.streamed, "duration_ms": request.latency_ms, "user_agent": "agent/1",
        "ip_address": "192.0.2.1", "inbound_endpoint": request.endpoint, "upstream_endpoint": "/v1/other",
        "session_id": f"s{request.number}", "service_tier": None, "image_output_tokens": 0,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, str(request.key.number), request.key.name,
        request.user.name, request.team.name, reasoning=False, hits=False, statuses=False,
    )  # fmt: skip


def _sub2api_names(requests: list[Logical]) -> Mapping[str, list[Row]]:
    return {
        "accounts": [{"id": n + 1, "platform": p, "credentials": SECRET} for n, p in enumerate(CHANNELS)],
        "api_keys": [{"id": k.number, "key": SECRET, "name": k.name} for k in pairs(requests, "key")],
        "users": [{"id": u.number, "email": u.name, "password_hash": SECRET} for u in pairs(requests, "user")],
        "groups": [{"id": t.number, "name": t.name} for t in pairs(requests, "team")],
    }


SUB2API = Shape(
    "sub2api", ("postgresql",), "usage_logs",
    {
        "id": "int", "created_at": "stamp", "user_id": "int", "api_key_id": "int", "account_id": "int",
        "group_id": "int", "model": "key", "request_id": "key", "input_tokens": "int", "output_tokens": "int",
        "cache_read_tokens": "int", "cache_creation_tokens": "int", "actual_cost": "num", "total_cost": "num",
        "rate_multiplier": "num", "billing_type": "int", "stream": "bool", "duration_ms": "int", "user_agent": "key",
        "ip_address": "key", "inbound_endpoint": "key", "upstream_endpoint": "key", "session_id": "key",
        "service_tier": "key", "image_output_tokens": "int",
    },
    _sub2api,
    {
        "accounts": {"id": "int", "platform": "key", "credentials": "text"},
        "api_keys": {"id": "int", "key": "text", "name": "key"},
        "users": {"id": "int", "email": "key", "password_hash": "text"},
        "groups": {"id": "int", "name": "key"},
    },
    _sub2api_names, index="created_at",
)  # fmt: skip


# -- better-ccflare ------------------------------------------------------------------------------------------------


def _ccflare(request: Logical, _database: str) -> tuple[Row, Seen]:
    def stored(figure: int) -> int | None:
        return figure or None  # zeros are stored as NULL

    row = {
        "id": request.id, "timestamp": seconds(request) * 1000, "method": "POST", "path": request.endpoint,
        "account_used": f"acc{request.provider}", "status_code": request.status, "success": request.status < 400,
        "error_message": SECRET, "response_time_ms": request.latency_ms, "failover_attempts": 0,
        "model": request.model, "prompt_tokens": stored(request.input),
        "completion_tokens": stored(request.output), "cost_usd": float(money(request)) or None,
        "input_tokens": stored(request.input - request.cached - request.written),
        "cache_read_input_tokens": stored(request.cached), "cache_creation_input_tokens": stored(request.written),
        "output_tokens": stored(request.output), "agent_used": request.tag, "api_key_id": f"k{request.key.number}",
        "api_key_name": request.key.name, "project": request.team.name, "billing_type": "api",
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, f"k{request.key.number}", request.key.name, None,
        request.team.name, (f"agent:{request.tag}",), "api", reasoning=False, hits=False,
    )  # fmt: skip


CCFLARE = Shape(
    "better-ccflare", ("sqlite", "postgresql"), "requests",
    {
        "id": "key", "timestamp": "int", "method": "key", "path": "key", "account_used": "key", "status_code": "int",
        "success": "bool", "error_message": "text", "response_time_ms": "int", "failover_attempts": "int",
        "model": "key", "prompt_tokens": "int", "completion_tokens": "int", "cost_usd": "real", "input_tokens": "int",
        "cache_read_input_tokens": "int", "cache_creation_input_tokens": "int", "output_tokens": "int",
        "agent_used": "key", "api_key_id": "key", "api_key_name": "key", "project": "key", "billing_type": "key",
    },
    _ccflare, {"accounts": {"id": "key", "provider": "key", "refresh_token": "text"}},
    lambda _: {
        "accounts": [{"id": f"acc{n}", "provider": p, "refresh_token": SECRET} for n, p in enumerate(CHANNELS)]
    },
    index="timestamp",
)  # fmt: skip


# -- Open WebUI ----------------------------------------------------------------------------------------------------


def _open_webui(request: Logical, _database: str) -> tuple[Row, Seen]:
    usage: Row = {
        "input_tokens": request.input, "output_tokens": request.output, "cost": float(money(request)),
        "prompt_tokens": min(3, request.input), "completion_tokens": min(4, request.output),
        "input_tokens_details": {"cached_tokens": request.cached},
        "cache_creation_input_tokens": request.written,
        "output_tokens_details": {"reasoning_tokens": request.reasoning},
    }  # fmt: skip
    if request.number % 3 == 0:
        usage = {"prompt_tokens": usage.pop("input_tokens"), "completion_tokens": usage.pop("output_tokens"),
                 "prompt_tokens_details": {"cached_tokens": request.cached},
                 "completion_tokens_details": {"reasoning_tokens": request.reasoning},
                 "cache_creation_input_tokens": request.written, "cost": usage["cost"]}  # fmt: skip
    failed = request.status >= 400
    row = {
        "id": request.id, "chat_id": "c1", "user_id": f"u{request.user.number}", "role": "assistant",
        "content": json.dumps(SECRET), "output": "null", "model_id": request.model, "done": True,
        "error": json.dumps({"content": "x"}) if failed else "null" if request.number % 7 else None,
        "usage": json.dumps(usage),
        "created_at": seconds(request) * (1000 if request.number % 5 == 0 else 1), "updated_at": seconds(request),
    }  # fmt: skip
    return row, Seen(None, request.model, user=request.user.name, credential_type=None, hits=False)


OPEN_WEBUI = Shape(
    "open-webui", ("sqlite", "postgresql"), "chat_message",
    {
        "id": "key", "chat_id": "key", "user_id": "key", "role": "key", "content": "json", "output": "json",
        "model_id": "key", "done": "bool", "error": "json", "usage": "json", "created_at": "int", "updated_at": "int",
    },
    _open_webui, {"user": {"id": "key", "name": "key", "email": "key", "oauth_sub": "text"}},
    lambda requests: {
        "user": [
            {"id": f"u{u.number}", "name": u.name if u.number % 2 else "", "email": u.name, "oauth_sub": SECRET}
            for u in pairs(requests, "user")
        ]
    },
    index="created_at",
)  # fmt: skip


# -- axonhub -------------------------------------------------------------------------------------------------------


def _axonhub(request: Logical, database: str) -> tuple[Row, Seen]:
    row = {
        "id": request.number + 1, "created_at": stamp(request.time, database),
        "updated_at": stamp(request.time, database),
        "request_id": request.number, "api_key_id": request.key.number, "project_id": request.team.number,
        "channel_id": request.provider + 1, "model_id": request.model, "prompt_tokens": request.input,
        "completion_tokens": request.output, "prompt_cached_tokens": request.cached,
        "prompt_write_cached_tokens": request.written, "prompt_write_cached_tokens_1h": 0,
        "completion_reasoning_tokens": request.reasoning, "source": "api", "format": request.endpoint,
        "total_cost": float(money(request)), "cost_items": "[]",
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, str(request.key.number), request.key.name, None,
        request.team.name, hits=False, statuses=False,
    )  # fmt: skip


AXONHUB = Shape(
    "axonhub", ("sqlite", "postgresql", "mysql"), "usage_logs",
    {
        "id": "int", "created_at": "stamp", "updated_at": "stamp", "request_id": "int", "api_key_id": "int",
        "project_id": "int", "channel_id": "int", "model_id": "key", "prompt_tokens": "int",
        "completion_tokens": "int", "prompt_cached_tokens": "int", "prompt_write_cached_tokens": "int",
        "prompt_write_cached_tokens_1h": "int", "completion_reasoning_tokens": "int", "source": "key",
        "format": "key", "total_cost": "real", "cost_items": "json",
    },
    _axonhub,
    {
        "channels": {"id": "int", "type": "key", "credentials": "text"},
        "api_keys": {"id": "int", "key": "text", "name": "key"}, "projects": {"id": "int", "name": "key"},
    },
    lambda requests: {
        "channels": [{"id": n + 1, "type": p, "credentials": SECRET} for n, p in enumerate(CHANNELS)],
        "api_keys": [{"id": k.number, "key": SECRET, "name": k.name} for k in pairs(requests, "key")],
        "projects": [{"id": t.number, "name": t.name} for t in pairs(requests, "team")],
    },
    index="created_at",
)  # fmt: skip


# -- aiproxy -------------------------------------------------------------------------------------------------------

_TYPES_OF_AIPROXY = (1, 14, 36, 45)


def _aiproxy(request: Logical, database: str) -> tuple[Row, Seen]:
    row = {
        "id": request.number + 1, "created_at": stamp(request.time, database),
        "request_at": stamp(request.time - timedelta(milliseconds=request.latency_ms), database),
        "ttfb_milliseconds": None, "token_name": request.key.name,
        "endpoint": request.endpoint, "content": SECRET, "group_id": request.team.name, "model": request.model,
        "token_id": request.key.number, "channel_id": request.provider + 1, "code": request.status, "mode": 1,
        "ip": None, "input_tokens": request.input or None, "output_tokens": request.output or None,
        "cached_tokens": request.cached or None, "cache_creation_tokens": request.written or None,
        "reasoning_tokens": request.reasoning or None, "used_amount": float(money(request)),
        "user": request.user.name, "metadata": json.dumps({"env": request.tag}), "service_tier": "",
        "async_usage_status": 0,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, str(request.key.number), request.key.name,
        request.user.name, request.team.name, (f"env:{request.tag}",), hits=False,
    )  # fmt: skip


AIPROXY = Shape(
    "aiproxy", ("sqlite", "postgresql"), "logs",
    {
        "id": "int", "created_at": "stamp", "request_at": "stamp", "ttfb_milliseconds": "int", "token_name": "key",
        "endpoint": "key", "content": "text", "group_id": "key", "model": "key", "token_id": "int",
        "channel_id": "int", "code": "int", "mode": "int", "ip": "key", "input_tokens": "int",
        "output_tokens": "int", "cached_tokens": "int", "cache_creation_tokens": "int", "reasoning_tokens": "int",
        "used_amount": "real", "user": "text", "metadata": "text", "service_tier": "key", "async_usage_status": "int",
    },
    _aiproxy, {"channels": _CHANNELS["channels"]},
    lambda _: {
        "channels": [{"id": n + 1, "type": t, "key": SECRET, "name": ""} for n, t in enumerate(_TYPES_OF_AIPROXY)]
    },
    index="created_at",
)  # fmt: skip


# -- PromptGate ----------------------------------------------------------------------------------------------------


def _promptgate(request: Logical, database: str) -> tuple[Row, Seen]:
    hit = request.hit
    row = {
        "provider": CHANNELS[request.provider], "model": request.model, "endpoint": request.endpoint,
        "token": f"pg_live_{request.key.number}", "prompt_tokens": 0 if hit else request.input,
        "completion_tokens": 0 if hit else request.output, "total_tokens": 0 if hit else request.input + request.output,
        "cached_tokens": request.cached, "cache_hit": hit, "prompt_tokens_avoided": request.input if hit else 0,
        "completion_tokens_avoided": request.output if hit else 0, "created_at": stamp(request.time, database),
        "cost": money(request), "status": request.status, "latency_ms": request.latency_ms,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, f"pg_live_{request.key.number}",
        credential_type=None, written=False, reasoning=False,
    )  # fmt: skip


PROMPTGATE = Shape(
    "promptgate", ("sqlite", "postgresql", "mysql"), "gateway_logs",
    {
        "provider": "key", "model": "key", "endpoint": "key", "token": "key", "prompt_tokens": "int",
        "completion_tokens": "int", "total_tokens": "int", "cached_tokens": "int", "cache_hit": "bool",
        "prompt_tokens_avoided": "int", "completion_tokens_avoided": "int", "created_at": "stamp", "cost": "num",
        "status": "int", "latency_ms": "int",
    },
    _promptgate, primary="", index="created_at",
)  # fmt: skip

# -- Helicone ------------------------------------------------------------------------------------------------------


def _uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


def _helicone(request: Logical, _database: str) -> tuple[Row, Seen]:
    told = 0 if request.hit else 1  # a hit has no tokens
    row = {
        "request_id": _uuid(request.number + 1), "request_created_at": stamp(request.time, "clickhouse"),
        "latency": request.latency_ms, "status": request.status, "model": request.model,
        "provider": CHANNELS[request.provider].upper(), "user_id": request.user.name,
        "organization_id": _uuid(request.team.number), "proxy_key_id": _uuid(request.key.number),
        "properties": {"env": request.tag}, "cost": request.points * 2000,
        "prompt_tokens": told * (request.input - request.cached - request.written),
        "prompt_cache_read_tokens": told * request.cached, "prompt_cache_write_tokens": told * request.written,
        "completion_tokens": told * (request.output - request.reasoning),
        "reasoning_tokens": told * request.reasoning,
        "cache_reference_id": _uuid(request.number + 1 if request.hit else 0),
        "updated_at": stamp(request.time, "clickhouse"), "request_body": SECRET, "response_body": SECRET,
    }  # fmt: skip
    return row, Seen(
        CHANNELS[request.provider], request.model, None, _uuid(request.key.number), None, request.user.name,
        _uuid(request.team.number), (f"env:{request.tag}",), credential_type=None,
    )  # fmt: skip


HELICONE = Shape(
    "helicone", ("clickhouse",), "request_response_rmt",
    {
        "request_id": "UUID", "request_created_at": "DateTime64(3, 'UTC')", "latency": "Int64", "status": "Int64",
        "model": "String", "provider": "String", "user_id": "String", "organization_id": "UUID", "proxy_key_id": "UUID",
        "properties": "Map(LowCardinality(String), String)", "cost": "UInt64", "prompt_tokens": "Int64",
        "prompt_cache_read_tokens": "Int64", "prompt_cache_write_tokens": "Int64", "completion_tokens": "Int64",
        "reasoning_tokens": "Int64", "cache_reference_id": "UUID", "updated_at": "DateTime64(3, 'UTC')",
        "request_body": "String", "response_body": "String",
    },
    _helicone, primary="", index="request_created_at",
)  # fmt: skip

# -- Langfuse ------------------------------------------------------------------------------------------------------


def _usage(request: Logical) -> dict[str, int]:
    """In the words of two providers; what is cached, written or reasoned stands beside the rest."""
    rest = {"input": request.input - request.cached - request.written, "output": request.output - request.reasoning,
            "total": request.input + request.output}  # fmt: skip
    if request.provider == 1:
        return {**rest, "cache_read_input_tokens": request.cached, "cache_creation_input_tokens": request.written,
                "output_reasoning_tokens": request.reasoning}  # fmt: skip
    return {**rest, "input_cached_tokens": request.cached, "input_cache_creation": request.written,
            "output_reasoning": request.reasoning}  # fmt: skip


def _observed(request: Logical) -> Row:
    total = str(money(request))
    return {
        "trace_id": f"trace-{request.number}", "project_id": f"p{request.team.number}",
        "type": "EMBEDDING" if request.number % 9 == 0 else "GENERATION", "environment": "production",
        "start_time": stamp(request.time, "clickhouse"),
        "end_time": f"{stamp(request.time, 'clickhouse')}.{request.latency_ms % 1000:03d}",
        "name": request.endpoint, "level": "ERROR" if request.status >= 400 else "DEFAULT",
        "provided_model_name": request.model, "usage_details": _usage(request), "cost_details": {"total": total},
        "input": SECRET, "output": SECRET, "event_ts": stamp(request.time, "clickhouse"), "is_deleted": 0,
    }  # fmt: skip


def _langfuse_seen(request: Logical) -> Seen:
    return Seen(
        None, request.model, request.endpoint, None, None, request.user.name, f"p{request.team.number}",
        (request.tag,), credential_type=None, hits=False,
    )  # fmt: skip


def _langfuse(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {"id": request.id, **_observed(request), "total_cost": str(money(request))}
    return row, _langfuse_seen(request)


def _traces(requests: list[Logical]) -> Mapping[str, list[Row]]:
    """Each trace in an older version, in the newest, and once more on the day before, older too."""
    rows: list[Row] = []
    for request in requests:
        moment = request.time.replace(second=0)
        newest = {
            "id": f"trace-{request.number}", "project_id": f"p{request.team.number}",
            "timestamp": stamp(moment, "clickhouse"), "name": request.endpoint, "user_id": request.user.name,
            "session_id": None, "tags": [request.tag], "input": SECRET, "event_ts": stamp(moment, "clickhouse"),
            "is_deleted": 0,
        }  # fmt: skip
        older = {"user_id": "nobody", "tags": ["old"], "event_ts": stamp(moment - timedelta(hours=1), "clickhouse")}
        elsewhere = {"project_id": "another project", "user_id": "somebody else"}
        day = {"timestamp": stamp(moment - timedelta(days=1), "clickhouse")}
        rows += [newest, {**newest, **older}, {**newest, **older, **day}, {**newest, **elsewhere}]
    return {"traces": rows}


_MILLIS, _MICROS = "DateTime64(3)", "DateTime64(6)"
_DETAILS = {
    "usage_details": "Map(LowCardinality(String), UInt64)",
    "cost_details": "Map(LowCardinality(String), Decimal(18, 12))",
}
LANGFUSE = Shape(
    "langfuse", ("clickhouse",), "observations",
    {
        "id": "String", "trace_id": "String", "project_id": "String", "type": "LowCardinality(String)",
        "environment": "LowCardinality(String)", "start_time": _MILLIS, "end_time": f"Nullable({_MILLIS})",
        "name": "String", "level": "LowCardinality(String)", "provided_model_name": "Nullable(String)", **_DETAILS,
        "total_cost": "Nullable(Decimal(18, 12))", "prompt_name": "Nullable(String)", "input": "Nullable(String)",
        "output": "Nullable(String)", "event_ts": _MILLIS, "is_deleted": "UInt8",
    },
    _langfuse,
    {
        "traces": {
            "id": "String", "project_id": "String", "timestamp": _MILLIS, "name": "String",
            "user_id": "Nullable(String)", "session_id": "Nullable(String)", "tags": "Array(String)",
            "input": "Nullable(String)", "event_ts": _MILLIS, "is_deleted": "UInt8",
        },
    },
    _traces, primary="", index="start_time",
)  # fmt: skip


def _langfuse_v4(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {
        "span_id": request.id, **_observed(request), "trace_name": request.endpoint, "user_id": request.user.name,
        "session_id": "", "tags": [request.tag],
    }  # fmt: skip
    return row, _langfuse_seen(request)


LANGFUSE_V4 = Shape(
    "langfuse-v4", ("clickhouse",), "events_core",
    {
        "span_id": "String", "trace_id": "String", "project_id": "String", "type": "LowCardinality(String)",
        "environment": "LowCardinality(String)", "start_time": _MICROS, "end_time": f"Nullable({_MICROS})",
        "name": "String", "trace_name": "String", "user_id": "String", "session_id": "String", "tags": "Array(String)",
        "level": "LowCardinality(String)", "provided_model_name": "String", **_DETAILS, "prompt_name": "String",
        "input": "String", "output": "String", "event_ts": _MICROS, "is_deleted": "UInt8",
    },
    # The migrations make the older tables too: nothing is in them.
    _langfuse_v4, {"observations": LANGFUSE.columns, **LANGFUSE.beside}, primary="", index="start_time",
)  # fmt: skip

# -- TensorZero in ClickHouse --------------------------------------------------------------------------------------


def _uuid7(moment: datetime, number: int) -> str:
    """The id of a moment, as the gateway makes it."""
    digits = f"{int(moment.timestamp() * 1000):012x}7{number >> 60 & 0xFFF:03x}{0x8 << 60 | number:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _tensorzero(request: Logical, _database: str) -> tuple[Row, Seen]:
    row = {
        "id": _uuid7(request.time, request.number), "inference_id": _uuid7(END_OF_IDS, request.number),
        "model_name": request.model, "model_provider_name": CHANNELS[request.provider].upper(),
        "function_name": request.endpoint, "variant_name": "v", "raw_request": SECRET, "raw_response": SECRET,
        "system": SECRET, "input_messages": SECRET, "output": SECRET, "input_tokens": request.input or None,
        "output_tokens": request.output or None, "provider_cache_read_input_tokens": request.cached or None,
        "provider_cache_write_input_tokens": request.written or None, "cost": str(money(request)),
        "cached": request.hit, "response_time_ms": request.latency_ms,
    }  # fmt: skip
    tags = (f"env:{request.tag}", f"user_id:{request.user.name}")
    return row, Seen(
        CHANNELS[request.provider], request.model, request.endpoint, user=request.user.name, tags=tags,
        reasoning=False, statuses=False,
    )  # fmt: skip


END_OF_IDS = datetime(2026, 10, 1, tzinfo=UTC)


def _inferences(requests: list[Logical]) -> Mapping[str, list[Row]]:
    """The inferences, every other one an answer in JSON."""
    rows: tuple[list[Row], list[Row]] = ([], [])
    for request in requests:
        tags = {"env": request.tag, "user_id": request.user.name}
        identity = _uuid7(END_OF_IDS, request.number)
        rows[request.number % 2].append(
            {"id": identity, "function_name": request.endpoint, "variant_name": "v", "episode_id": identity,
             "input": SECRET, "output": SECRET, "tags": tags}
        )  # fmt: skip
    return {"ChatInference": rows[0], "JsonInference": rows[1]}


_INFERENCE = {
    "id": "UUID", "function_name": "LowCardinality(String)", "variant_name": "LowCardinality(String)",
    "episode_id": "UUID", "input": "String", "output": "String", "tags": "Map(String, String)",
    "timestamp": "DateTime MATERIALIZED UUIDv7ToDateTime(id)",
}  # fmt: skip
TENSORZERO = Shape(
    "tensorzero-clickhouse", ("clickhouse",), "ModelInference",
    {
        "id": "UUID", "inference_id": "UUID", "raw_request": "String", "raw_response": "String",
        "model_name": "LowCardinality(String)", "model_provider_name": "LowCardinality(String)",
        "input_tokens": "Nullable(UInt32)", "output_tokens": "Nullable(UInt32)",
        "response_time_ms": "Nullable(UInt32)", "ttft_ms": "Nullable(UInt32)",
        "timestamp": "DateTime MATERIALIZED UUIDv7ToDateTime(id)", "system": "Nullable(String)",
        "input_messages": "String", "output": "String", "cached": "Bool", "cost": "Nullable(Decimal(18, 9))",
        "provider_cache_read_input_tokens": "Nullable(UInt32)",
        "provider_cache_write_input_tokens": "Nullable(UInt32)", "function_name": "LowCardinality(String)",
        "variant_name": "LowCardinality(String)",
    },
    _tensorzero, {"ChatInference": _INFERENCE, "JsonInference": _INFERENCE}, _inferences, primary="",
    index="timestamp",
)  # fmt: skip

SHAPES = (
    NATIVE, NEW_API, ONE_API, BIFROST, LLMGATEWAY, SUB2API, CCFLARE, OPEN_WEBUI, AXONHUB, AIPROXY, PROMPTGATE, HELICONE,
    LANGFUSE, LANGFUSE_V4, TENSORZERO,
)  # fmt: skip
