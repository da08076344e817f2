"""Exports and access logs whose columns are known: a record of a file becomes a row of the native log."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from cost_top.model.modes import UNREADABLE_COST, UNREADABLE_COUNT
from cost_top.sources.files.content import records_of
from cost_top.sources.files.records import NativeRows, Part, Row, epoch_ms

Record = Mapping[str, Any]
_PICO = Decimal(10**12)
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOTHING = ("", "-", "null", "none", "n/a")
_OUTCOMES = {"success": 200, "ok": 200, "succeeded": 200, "error": 500, "failure": 500, "failed": 500}


class Export(NativeRows):
    """`Kind` of one product's records. `row_of` gives None for a record that is no request."""

    def __init__(
        self, name: str, marks: tuple[str, ...], row_of: Callable[[Record], Row | None], note: str | None
    ) -> None:
        self.name, self.marks, self._row_of, self.note = name, marks, row_of, note

    def recognises(self, head: Record) -> bool:
        """Whether a record is one of such a file."""
        return all(mark in head for mark in self.marks)

    def read(self, path: str, offset: int, state: Mapping[str, Any]) -> Part:
        """See `Kind`."""
        part = Part(state=dict(state), read_until=offset)
        for end, record in records_of(path, offset, bool(state.get("waits"))):
            part.read_until = end
            if record is None:
                part.unreadable += 1
                continue
            row = self._row_of(record)
            if row is None:
                continue
            if row["time_ms"] is None:
                part.unreadable += 1
            else:
                part.rows.append(row)
        return part


def _cloudflare(record: Record) -> Row:
    metadata = _object(record.get("metadata"))
    cached = _yes(record.get("cached"))
    cost = _pico(record.get("cost"))
    tokens = [_count(record.get(name)) for name in ("tokens_in", "tokens_out")]
    # Where Cloudflare knows no price it writes 0; its own cache answers for nothing.
    unknown = cost == 0 and not cached and any(tokens) and not _yes(record.get("custom_cost"))
    succeeded = _yes(record.get("success"))
    return {
        "id": _text(record.get("id")),
        "time_ms": epoch_ms(record.get("created_at")),
        "provider": _text(record.get("provider")),
        "model": _text(record.get("model")),
        "endpoint": _text(record.get("path")),
        "user_id": _text(metadata.get("user")),
        "tags": json.dumps(
            [f"{key}:{_text(value)}" for key, value in metadata.items() if key != "user" and _text(value)]
        ),
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cost_pico_usd": None if unknown else cost,
        "mode": _unreadable(record, ("tokens_in", "tokens_out"), "cost"),
        "cache_hit": cached,
        "latency_ms": _milliseconds(record.get("duration")),
        "status": _count(record.get("status_code")) or (None if succeeded is None else 200 if succeeded else 500),
    }


_ENVOY_COUNTS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("gen_ai.usage.input_tokens",),
    "cached_input_tokens": (
        "gen_ai.usage.cached_input_tokens", "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cached_tokens",
    ),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_creation_input_tokens", "gen_ai.usage.cache_creation.input_tokens",
    ),
    "output_tokens": ("gen_ai.usage.output_tokens",),
    "reasoning_tokens": ("gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
}  # fmt: skip


def _envoy(record: Record) -> Row | None:
    asked = _known(record, "gen_ai.request.model")
    if asked is None:
        return None  # another route's line
    backend = _known(record, "gen_ai.provider.name")
    provider, endpoint = backend, None
    parts = (backend or "").split("/")
    if len(parts) > 3 and parts[2] == "route":
        provider, endpoint = parts[1], parts[3]
    told = {count: _known(record, *names) for count, names in _ENVOY_COUNTS.items()}
    return {
        "id": _known(record, "x-request-id"),
        "time_ms": epoch_ms(_known(record, "start_time")),
        "provider": provider,
        "model": _known(record, "gen_ai.response.model") or asked,
        "endpoint": endpoint or _known(record, "x-envoy-origin-path", "request.path", "path"),
        "user_id": _known(record, "user.id", "enduser.id", "gen_ai.user.id", "x-user-id", "user"),
        "session": _known(record, "session.id"),
        "tags": json.dumps([f"backend:{backend}"]) if endpoint else None,
        **{count: _count(value) for count, value in told.items()},
        "mode": _unreadable(told, tuple(told)),
        "latency_ms": _milliseconds(_known(record, "duration")),
        "status": _count(_known(record, "response_code")),
        "client_ip": (_known(record, "x-forwarded-for") or "").partition(",")[0] or None,
        "user_agent": _known(record, "user-agent"),
    }


def _audit(record: Record) -> Row:
    cost = _pico(record.get("cost"))
    status = _text(record.get("status"))
    return {
        "id": _text(record.get("id")) or _text(record.get("request_id")),
        "time_ms": epoch_ms(record.get("timestamp")),
        "provider": _text(record.get("provider")),
        "model": _text(record.get("model")),
        "token": _text(record.get("key_name")),
        "token_name": _text(record.get("key_name")),
        "input_tokens": _count(record.get("prompt_tokens")),
        "cached_input_tokens": _count(record.get("cached_tokens")),
        "output_tokens": _count(record.get("completion_tokens")),
        "cost_pico_usd": _pico(record.get("provider_cost")) if cost is None else cost,
        "mode": _unreadable(record, ("prompt_tokens", "completion_tokens", "cached_tokens"), "cost", "provider_cost"),
        "latency_ms": _milliseconds(record.get("latency_ms")),
        "status": _count(status) or _OUTCOMES.get((status or "").lower()),
        "streamed": _yes(record.get("streaming")),
        "client_ip": _text(record.get("client_ip")),
        "user_agent": _text(record.get("user_agent")),
    }


EXPORTS = (
    Export("cloudflare", ("created_at", "provider", "model", "tokens_in", "tokens_out"), _cloudflare, None),
    Export("envoy", ("start_time", "gen_ai.request.model"), _envoy, None),
    Export(
        "audit-export", ("timestamp", "provider", "model", "prompt_tokens", "completion_tokens", "cost"), _audit,
        "rows carry no id: every line counts, also one that stands in two files",
    ),
)  # fmt: skip


def _known(record: Record, *names: str) -> str | None:
    """The first of these figures that is there; a dash is none."""
    for name in names:
        text = _text(record.get(name))
        if text is not None and text != "-":
            return text
    return None


def _unreadable(record: Record, counts: tuple[str, ...], *costs: str) -> str | None:
    """The mode of a record none of whose costs, or one of whose counts, is a number though it is there."""
    said = [value for name in costs if not _is_nothing(value := record.get(name))]
    if said and all(_pico(value) is None for value in said):
        return UNREADABLE_COST
    counted = (record.get(name) for name in counts)
    return UNREADABLE_COUNT if any(not _is_nothing(value) and _count(value) is None for value in counted) else None


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, dict | list) else str(value)


def _object(value: object) -> Record:
    """A JSON object, or the text of one; {} for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    """A whole number that is not negative, also written as a text; a part of one may be a thousand of them."""
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 10**15 and number == int(number) else None


def _milliseconds(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 10**15 else None


def _pico(value: object) -> int | None:
    """Dollars as pico-dollars, every digit kept that a pico-dollar can hold."""
    number = _number(value)
    return int((number * _PICO).to_integral_value()) if number is not None and abs(number) < 9_000_000 else None


def _number(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _yes(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _WORDS.get(str(value).strip().lower()) if value is not None else None
