"""Requests that cost nothing for tokens, though their log does not say that this is the price."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, not_, or_

from cost_top.gateways.columns import LogColumns
from cost_top.gateways.dialects.base import Cell, number


def zero_for_tokens(columns: LogColumns) -> ColumnElement[Any]:
    """1 of such a row that is no hit and no failure, else NULL. What takes details to know is not looked for."""
    mapped = columns.plain_fields
    counts = [name for name in ("input_tokens", "output_tokens") if name in mapped]
    if "reported_cost" not in mapped or not counts or "zero_is_price" in columns.costly:
        return literal_column("NULL")
    raw = {name: columns.raw(name, details=False) for name in mapped}
    cost = raw["reported_cost"]
    if columns.cost_kind == "text":
        cost = columns.dialect.decimal(Cell(cost))
    used = or_(*(raw[name] > number(0) for name in counts))
    explained = [raw[name] == number(1) for name in ("cache_hit", "zero_is_price") if name in mapped]
    explained += [raw["status"] >= number(400)] if "status" in mapped else []
    return case((and_(cost == number(0), used, *(not_(each) for each in explained)), number(1)))
