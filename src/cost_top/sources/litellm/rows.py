"""A spend-log row as LiteLLM's API gives it, read with the preset of LiteLLM's table: the same fields and figures.

The preset is the data: columns and JSON paths are looked up here as the SQL source looks them up in the database.
Only the few fields the preset spells in SQL have a Python counterpart, in `_COUNTERPARTS`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from cost_top.gateways.dialects.base import FALSE_WORDS, NO_COUNT_WORDS, TRUE_WORDS
from cost_top.gateways.ended import ERRORS
from cost_top.gateways.instants import USABLE_FROM, USABLE_UNTIL, micros
from cost_top.gateways.loader import builtin_presets
from cost_top.gateways.preset import Expression, Preset
from cost_top.gateways.secrets import key_fields
from cost_top.gateways.shape import COUNTS, INTEGER_LIMIT, UNREADABLE_COUNT, RawShape, field_kind
from cost_top.model.modes import ROUNDS, SIZES_FROM
from cost_top.model.record import FIELD_NAMES
from cost_top.model.secret import RULES
from cost_top.sources.http.numbers import parse_json
from cost_top.usage.counts import named_beside
from cost_top.usage.frames import part
from cost_top.usage.openai import openai_counts
from cost_top.usage.rows import BATCH_COST, CACHE_OFF, is_batch

Row = Mapping[str, Any]
Value = str | int
Reading = Callable[[Row], Value]

# Bumped when the reading below changes figures: days kept from an earlier version are then read again.
_VERSION = 8
_HOUSEKEEPING = re.compile(
    r"^a?(moderation|call_mcp_tool|(create|retrieve|cancel)_batch|(get|list|delete|cancel|retrieve)_[a-z_]+"
    r"|(file|video|vector_store|vector_store_file)_(retrieve|delete|list|content|update)"
    r"|create_(file|assistants|thread|skill)|_?add_message|upload_container_file)$"
)
_DEPLOYMENT = re.compile(r"^[0-9a-f]{8}-?[0-9a-f-]+$")
_DIGITS = re.compile(r"[0-9]{1,15}(\.[0-9]*)?", re.ASCII)
_LONGEST_EXPONENT = 40  # beyond it a number is no figure of a log, and writing it out would cost memory
_EARLIEST, _LATEST = micros(USABLE_FROM), micros(USABLE_UNTIL)
_MICROSECOND = timedelta(microseconds=1)
# The raw column of each kind of field, and what it holds where nothing is known.
_COLUMNS: Mapping[str, tuple[str, Value]] = {
    "text": ("VARCHAR", ""),
    "tags": ("VARCHAR", ""),
    "money": ("VARCHAR", ""),
    "integer": ("BIGINT", -1),
    "boolean": ("BIGINT", -1),
}


@cache
def litellm_preset() -> Preset:
    """The mapping of LiteLLM's own table."""
    return next(preset for preset in builtin_presets() if preset.name == "litellm")


class RowReader:
    """Turns rows of JSON into the raw columns that `gateways.normalise` understands."""

    def __init__(self, preset: Preset) -> None:
        self.preset = preset
        self.fields = tuple(name for name in FIELD_NAMES if preset.fields.get(name))
        self._readings = tuple(_reading(name, preset.fields[name]) for name in self.fields)

    @property
    def shape(self) -> RawShape:
        """What a stream of these rows looks like. Every field is at hand, so every one is watched for changes."""
        includes = self.preset.input_includes_cache
        return RawShape(
            fields=self.fields,
            plain=self.fields,
            identity_fields=self.fields,
            key="time",
            time_kind="micros",
            text_is_blob=False,
            cost_kind="text",
            pico_per_unit=self.preset.pico_per_unit,
            input_includes_cache=includes if isinstance(includes, bool) else None,
            user_agent_tag=self.preset.user_agent_tag,
            keys=key_fields(self.preset, self.fields),
        )

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and DuckDB types of the raw columns."""
        kinds = ((name, _COLUMNS[field_kind(name)][0]) for name in self.fields)
        return (("id", "VARCHAR"), ("time", "BIGINT"), *kinds)

    def version(self, flavour: str) -> str:
        """Hash of everything that decides a figure."""
        text = f"{_VERSION}|{self.preset.digest()}|{flavour}|{self.shape}|{RULES}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def read(self, row: Row) -> tuple[Value, ...] | None:
        """The raw columns of one row; None where it has no usable time. `metadata` may be JSON in a text."""
        time = row_time(row, self.preset.time_column)
        if time is None:
            return None
        metadata = row.get("metadata")
        if isinstance(metadata, str):
            row = {**row, "metadata": _parsed(metadata)}
        identity = _text(row.get(self.preset.id.column or "")) or ""
        return (identity, time, *(reading(row) for reading in self._readings))


def row_time(row: Row, name: str = "startTime") -> int | None:
    """Microseconds since the epoch of a row's time; naive is UTC; None where it is missing or unusable."""
    instant = _instant(row.get(name))
    if instant is None:
        return None
    time = micros(instant)
    return time if _EARLIEST <= time < _LATEST else None


def _reading(name: str, items: tuple[Expression, ...]) -> Reading:
    """How a field is read: the first of its alternatives that is known."""
    kind = field_kind(name)
    convert = _as_count if name in COUNTS else _CONVERT[kind]
    unknown = _COLUMNS[kind][1]
    # What the preset spells in SQL has one counterpart, however many alternatives it has.
    found = dict.fromkeys(_alternative(name, item) for item in items)

    def read(row: Row) -> Value:
        for value_of, in_path in found:
            value = value_of(row)
            if value is not None and (known := convert(value, in_path)) is not None:
                return known
        return unknown

    return read


def _alternative(name: str, item: Expression) -> tuple[Callable[[Row], Any], bool]:
    """What looks an alternative up, and whether it is a path into JSON, where the database sees only texts."""
    if item.sql:
        return _COUNTERPARTS[name], False
    if item.value is not None:
        constant = item.value
        return lambda _: constant, False
    column, path = item.column or "", item.path
    if not path:
        return lambda row: row.get(column), False
    return lambda row: _at(row, column, *path), True


def _at(row: Row, *path: str) -> Any:
    value: Any = row
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _parsed(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    """A value as PostgreSQL's ->> gives it; None where it is unknown or empty."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _plain(value: Decimal) -> str | None:
    if not value.is_finite() or abs(value.adjusted()) > _LONGEST_EXPONENT:
        return None
    return format(value, "f")


def _as_text(value: Any, in_path: bool) -> str | None:  # noqa: ARG001 - one signature for every kind
    return _text(value)


def _as_integer(value: Any, in_path: bool) -> int | None:
    """A figure of an integer column as it is; text and JSON only where it is written as digits."""
    if isinstance(value, int) and not isinstance(value, bool) and not in_path:
        return value if abs(value) < INTEGER_LIMIT else -1
    text = _text(value)
    return int(text.partition(".")[0]) if text and _DIGITS.fullmatch(text) else None


def _as_count(value: Any, in_path: bool) -> int | None:
    """As `_as_integer`; what is there and no count is told."""
    if value is None or _text(value) in NO_COUNT_WORDS:
        return None
    count = _as_integer(value, in_path)
    return UNREADABLE_COUNT if count is None or count < 0 else count


def _as_boolean(value: Any, in_path: bool) -> int | None:  # noqa: ARG001
    word = (_text(value) or "").lower()
    return 1 if word in TRUE_WORDS else 0 if word in FALSE_WORDS else None


def _as_money(value: Any, in_path: bool) -> str | None:  # noqa: ARG001
    """An amount as plain decimal text, every digit kept; what is none as a text that is none either."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < -_LONGEST_EXPONENT:
        return "0"
    return _text(value) or (None if value is None or value == "" else "NaN")


_CONVERT: Mapping[str, Callable[[Any, bool], Value | None]] = {
    "text": _as_text,
    "tags": _as_text,
    "money": _as_money,
    "integer": _as_integer,
    "boolean": _as_boolean,
}


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _credential_type(row: Row) -> str:
    return "byok" if (_text(_at(row, "metadata", "used_client_oauth_token")) or "").lower() == "true" else "system"


def _duration_ms(row: Row) -> int | None:
    """Milliseconds from start to end, a half away from zero."""
    start, end = _instant(row.get("startTime")), _instant(row.get("endTime"))
    if start is None or end is None:
        return None
    size = (end - start) // _MICROSECOND
    rounded = (2 * abs(size) + 1000) // 2000
    return rounded if size >= 0 else -rounded


def _status(row: Row) -> int | None:
    """The code of an error, which may be the provider's word for it, else its class, else how the call ended."""
    code = _as_integer(_at(row, "metadata", "error_information", "error_code"), in_path=True)
    if code is not None and code >= 400:
        return code
    named = ERRORS.get((_text(_at(row, "metadata", "error_information", "error_class")) or "").lower())
    return named or {"success": 200, "failure": 500}.get(str(row.get("status")))


def _streamed(row: Row) -> bool | None:
    """Only a streamed answer has a first token before its end."""
    first, end = _instant(row.get("completionStartTime")), _instant(row.get("endTime"))
    return None if first is None or end is None else first < end


def _counted(row: Row) -> bool:
    internal = _at(row, "metadata", "internal_call_origin") is not None
    retry = _text(_at(row, "metadata", "billed_retry_attempt")) or "false"
    return not internal and retry.lower() != "true"


def _mode(row: Row) -> str | None:
    """What is billed beside tokens before all others: no rate may hide it."""
    usage = part(row, "metadata", "usage_object")
    unrated = openai_counts({**usage, "prompt_tokens": row.get("prompt_tokens")}, reasoning_beside=False).beside_tokens(
        _text(row.get("model")) or ""
    )
    if unrated and unrated != ROUNDS:
        return unrated
    if is_batch(row):
        return "batch+rounds" if (_as_integer(row.get("prompt_tokens"), in_path=False) or 0) > SIZES_FROM else "batch"
    parts = ("usage_object", "additional_usage_values")
    speed = next((said for name in parts if (said := _text(_at(row, "metadata", name, "speed"))) is not None), "")
    if speed.lower() == "fast":
        return named_beside("fast", unrated)
    tier = (_text(usage.get("service_tier")) or "default").lower()
    return named_beside(None if tier == "default" else tier, unrated) if unrated else None


def _input(row: Row) -> int | None:
    """Claude's input with what was written to the cache, where it held only what was read from there."""
    usage = ("metadata", "usage_object")
    whole = _as_count(row.get("prompt_tokens"), in_path=False)
    read = _as_count(_at(row, *usage, "prompt_tokens_details", "cached_tokens"), in_path=True)
    written = _as_count(_at(row, *usage, "cache_creation_input_tokens"), in_path=True)
    if whole is None or read is None or written is None or "claude" not in (_text(row.get("model")) or "").lower():
        return None
    return whole + written if 0 < read <= whole < read + written else None


def _audio_input(row: Row) -> int | None:
    details = ("metadata", "usage_object", "prompt_tokens_details")
    spoken = _as_count(_at(row, *details, "audio_tokens"), in_path=True)
    cached = _as_count(_at(row, *details, "cached_tokens_details", "audio_tokens"), in_path=True) or 0
    if not spoken:
        return None
    return min(spoken, cached) if UNREADABLE_COUNT in (spoken, cached) else max(spoken - cached, 0)


def _model(row: Row) -> str | None:
    """The public name where the model is a deployment's id."""
    model, deployment = _text(row.get("model")), _text(row.get("model_id"))
    shaped = model is not None and len(model) in (36, 64) and _DEPLOYMENT.search(model) is not None
    return _text(row.get("model_group")) if model and (model == deployment or shaped) else None


def _prompt(row: Row) -> str | None:
    key = _text(row.get("cache_key"))
    return None if key == CACHE_OFF else key


def _is_at_its_own_price_of_zero(row: Row) -> bool:
    used = (_as_integer(row.get("total_tokens"), in_path=False) or 0) > 0
    hit = _text(row.get("cache_hit"))
    answered = used and row.get("status") == "success" and hit is not None and hit.lower() != "true"
    priced_as = _text(_at(row, "metadata", "model_map_information", "model_map_value", "key"))
    return answered and row.get("spend") == 0 and priced_as is not None and priced_as == row.get("model_id")


def _zero_is_price(row: Row) -> bool | None:
    if _is_at_its_own_price_of_zero(row):
        return True
    call = _text(row.get("call_type"))
    if str(row.get("request_id")).endswith(BATCH_COST):
        return False
    return None if call is None else _HOUSEKEEPING.search(call) is not None


# The fields that the preset spells in SQL.
_COUNTERPARTS: Mapping[str, Callable[[Row], Any]] = {
    "credential_type": _credential_type,
    "latency_ms": _duration_ms,
    "status": _status,
    "streamed": _streamed,
    "counted": _counted,
    "mode": _mode,
    "audio_input_tokens": _audio_input,
    "input_tokens": _input,
    "model": _model,
    "prompt": _prompt,
    "zero_is_price": _zero_is_price,
}
