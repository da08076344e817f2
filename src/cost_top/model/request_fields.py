"""A single request as named values, for every face that tells requests: the same names, money as exact text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, fields
from datetime import tzinfo
from typing import Any

from cost_top.model.format import tail_of, with_tail
from cost_top.model.money import usd_text
from cost_top.model.request_row import RequestRow

MONEY_FIELDS = ("cost", "market_cost", "saved_by_cache", "prompt_cache_savings", "reported_cost")
PARTS = "price_parts"
REQUEST_FIELDS = tuple(each.name for each in fields(RequestRow) if each.name != PARTS)
_FIGURES = {each.name for each in fields(RequestRow) if "int" in str(each.type) or "bool" in str(each.type)}
# Fields whose texts come from strangers; the others hold figures and times.
TEXT_FIELDS = frozenset(REQUEST_FIELDS) - {*MONEY_FIELDS, "time"} - _FIGURES


def request_values(row: RequestRow, zone: tzinfo) -> dict[str, Any]:
    """A request by field: money in USD as exact decimal text, the time with its offset, tags as a list."""
    named: dict[str, Any] = {}
    for name in REQUEST_FIELDS:
        value = getattr(row, name)
        if name in MONEY_FIELDS:
            named[name] = None if value is None else usd_text(value)
        elif name == "time":
            named[name] = row.time.astimezone(zone).isoformat()
        else:
            named[name] = list(value) if isinstance(value, tuple) else value
    return named


def part_values(row: RequestRow) -> list[dict[str, Any]]:
    """The arithmetic of a request's list price, in pico-dollars."""
    return [asdict(part) for part in row.price_parts]


def key_ids(rows: Iterable[RequestRow], known: Mapping[str, Set[str]] | None = None) -> dict[str, Set[str]]:
    """The ids of the keys behind each display name, with those `known` already."""
    found: dict[str, set[str]] = {name: set(ids) for name, ids in (known or {}).items()}
    for row in rows:
        if row.token_name and row.token:
            found.setdefault(row.token_name, set()).add(row.token)
    return dict(found)


def key_name(row: RequestRow, ids: Mapping[str, Set[str]], width: int) -> str | None:
    """What a key is called in so many cells: its name, with the end of its id where others are called alike."""
    if not row.token_name or row.token_name == row.token:
        return row.token_name or row.token
    return with_tail(row.token_name, tail_of(row.token, ids.get(row.token_name, ())), width)
