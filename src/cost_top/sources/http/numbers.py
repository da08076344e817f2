"""JSON from strangers: exact numbers, bounded depth and digits, no text that cannot be printed."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

# Beyond any float, let alone any amount: 10**400 as a Decimal is harmless, as a Python integer it is work.
_MOST_DIGITS = 400
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(content: bytes) -> Any:
    """The JSON of an answer, fractions as Decimal. `ValueError` says what the answer is instead, in one line.

    >>> parse_json(b'{"total_cost": 0.1}')
    {'total_cost': Decimal('0.1')}
    >>> parse_json(b"<html>")
    Traceback (most recent call last):
    ValueError: answered with a web page instead of JSON: is the address right?
    """
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise ValueError("answered with nothing" if not content.strip() else _NOT_JSON)
    if start.startswith(b"<"):
        raise ValueError("answered with a web page instead of JSON: is the address right?")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=_constant)
        return _whole_characters(value) if _HALF_CHARACTER.search(text) else value
    except RecursionError:
        raise ValueError("answered with JSON that is nested too deep") from None
    except (ValueError, InvalidOperation):
        raise ValueError(_NOT_JSON) from None


_NOT_JSON = "answered with something that is not JSON, or not all of it"


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if abs(value.adjusted()) > _MOST_DIGITS:
        raise ValueError("absurd exponent")
    return value


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("absurd number")
    return int(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _whole_characters(value: Any) -> Any:
    """Half of a surrogate pair passes JSON but no encoder: replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    return value
