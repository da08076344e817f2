"""A row's cheap columns as one text, as the log spells them: what shows that a row changed at the least cost.

To read a column as the field it is, and to send it by itself, costs most of what a fingerprint costs.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from cost_top.gateways.columns import LogColumns
from cost_top.gateways.preset import Expression
from cost_top.gateways.shape import field_kind
from cost_top.gateways.witnesses import EXACT, SPELLED


def spelled_columns(columns: LogColumns) -> list[ColumnElement[Any]] | None:
    """The columns of the stream; None where the database has no cheap way to put them together.

    Whatever shows in a fingerprint shows in them, but for a value that becomes another type of the same spelling.
    """
    if columns.dialect.spelled([columns.time.value]) is None:
        return None
    parts: dict[str, ColumnElement[Any]] = {}
    exact = []
    for name in columns.plain_fields:
        kind = columns.cost_kind if field_kind(name) == "money" else field_kind(name)
        if kind == "double":
            exact.append(columns.raw(name, details=False).label(EXACT))
            continue
        items = [item for item in columns.alternatives(name) if not item.costly]
        # What may be a fraction is spelled with all its digits where it is read.
        is_amount = field_kind(name) in ("money", "amount") and kind != "integer"
        as_they_are = not is_amount and all(map(_is_column, items))
        cells = [cell.value for item in items if as_they_are and (cell := columns.cell(item)) is not None]
        for value in cells or [columns.raw(name, details=False)]:
            parts.setdefault(columns.dialect.spell(value), value)
    told = [columns.identity, columns.dialect.time(columns.time), *(value for _, value in columns.key_values)]
    spelled = columns.dialect.spelled([*told, *parts.values()])
    assert spelled is not None
    return [spelled.label(SPELLED), *exact]


def _is_column(item: Expression) -> bool:
    """Whether it is a column of the log as it is, whatever that holds: JSON that is read at paths may be long."""
    return item.column is not None and not item.path
