"""Safe reading of untrusted JSON: every helper takes any value and answers with a plain one, or with nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from cost_top.model.money import pico

Frame = dict[str, Any]
NOTHING: Frame = {}
# Above this a float no longer holds every integer, and no request or report comes near it.
COUNT_LIMIT = 2**53
# One row of money must fit the log's BIGINT.
MONEY_LIMIT = 2**63 - 1
_TEXT_FRAME_LIMIT = 64 * 2**20


def frames_of(source: object) -> list[Frame]:
    """The JSON objects in `source`, in order.

    `source` is one body, a list (or other iterable) of events, or either of them still as JSON text, as an SSE
    `data:` line, as a client library's model, or as a Bedrock `{"chunk": {"bytes": ...}}` part. What is not an
    object is left out.
    """
    if type(source) is dict and "chunk" not in source:
        return [source]
    if isinstance(source, dict | str | bytes | bytearray) or hasattr(type(source), "model_dump"):
        return list(_objects(source))
    if not isinstance(source, Iterable):
        return []
    return [frame for item in source for frame in _objects(item)]


def _objects(item: object) -> Iterator[Frame]:
    if not isinstance(item, dict | list):
        item = _decoded(item)
    if isinstance(item, list):
        yield from (part for part in item if isinstance(part, dict))
    elif isinstance(item, dict):
        chunk = item.get("chunk")
        if isinstance(chunk, dict) and "bytes" in chunk:
            inner = _decoded(_unbase64(chunk["bytes"]))
            item = inner if isinstance(inner, dict) else item
        yield item


def _decoded(item: object) -> object:
    """JSON text or a client library's model as plain data; None when it is neither."""
    if isinstance(item, str | bytes | bytearray) and len(item) <= _TEXT_FRAME_LIMIT:
        try:
            text = item if isinstance(item, str) else bytes(item).decode()
            return json.loads(text.strip().removeprefix("data:"))
        except (ValueError, RecursionError):
            return None
    if not hasattr(type(item), "model_dump"):
        return None
    try:
        return item.model_dump(warnings=False)  # type: ignore[attr-defined]
    except Exception:  # a stranger's object may raise anything
        return None


def _unbase64(data: object) -> object:
    if not isinstance(data, str) or data.lstrip()[:1] == "{":
        return data
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return None


def part(frame: object, *path: str) -> Frame:
    """The object at `path` inside `frame`; an empty one when there is none."""
    for key in path:
        frame = frame.get(key) if isinstance(frame, dict) else None
    return frame if isinstance(frame, dict) else NOTHING


def items(frame: Frame, key: str) -> list[Frame]:
    """The objects of the list at `key`."""
    value = frame.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(frame: Frame, key: str) -> str:
    """The string at `key`, else ''."""
    value = frame.get(key)
    return value if isinstance(value, str) else ""


def text_keys(frame: Frame) -> list[str]:
    """The keys of `frame` that are texts, as all of JSON's are."""
    return [key for key in frame if isinstance(key, str)]


def count(frame: Frame, *keys: str) -> int | None:
    """The first of `keys` that holds a token count: a whole number from 0 to 2^53, as an int or a JSON float."""
    for key in keys:
        value = frame.get(key)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int and 0 <= value <= COUNT_LIMIT:  # a bool is no count
            return value
    return None


def positive(frame: Frame, key: str) -> bool:
    """Whether a number above 0 stands at `key`."""
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return not (isinstance(value, Decimal) and value.is_nan()) and value > 0


def largest(*counts: int | None) -> int:
    """The largest of several spellings of one count; 0 when none is there."""
    return max((value for value in counts if value is not None), default=0)


def money(value: object) -> int | None:
    """USD (a JSON number or its decimal text) as pico-dollars; None when it is not an amount from 0 to $9.22 M."""
    amount = signed_money(value)
    return None if amount is None or amount < 0 else amount


def signed_money(value: object) -> int | None:
    """As `money`, also of what comes back: from -$9.22 M on.

    >>> signed_money("-0.5"), signed_money("1e999999999")
    (-500000000000, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and abs(value) > MONEY_LIMIT:
        return None
    try:
        amount = Decimal(str(value)[:64])
        # The exponent is looked at first: "1e999999999" as an integer would not fit the memory.
        if not amount.is_finite() or amount.adjusted() > 7:
            return None
        result = pico(amount)
    except (InvalidOperation, ValueError):
        return None
    return result if abs(result) <= MONEY_LIMIT else None
