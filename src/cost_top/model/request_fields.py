"""A single request as named values, for every face that tells requests: the same names, money as exact text."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import tzinfo
from typing import Any

from cost_top.model.money import usd_text
from cost_top.model.snapshot import RequestRow

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
