"""A preset fitted to the table that was found: its id, and the unit of its time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from cost_top.gateways.detect import FoundTable
from cost_top.gateways.dialects.base import TimeColumn
from cost_top.gateways.preset import Preset
from cost_top.gateways.times import declared_unit

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect


def fitted(preset: Preset, columns: Mapping[str, str], dialect: Dialect) -> Preset:
    """The preset with what it leaves open decided by the table's columns and their types."""
    usable = [
        item
        for item in preset.ids
        if set(item.columns) <= set(columns) and (not item.sql or dialect.name in item.sql)
    ]  # fmt: skip
    ids = (usable or list(preset.ids))[:1]
    unit = preset.time_unit
    if unit == "declared":
        unit = declared_unit(columns.get(preset.time_column, ""), dialect)
    if unit == "timestamptz" and (dialect.name == "sqlite" or _is_text(columns.get(preset.time_column, ""), dialect)):
        unit = "iso_zoned"  # no such type, but texts with an offset
    return replace(preset, ids=tuple(ids), time_unit=unit)


def _is_text(declared: str, dialect: Dialect) -> bool:
    return dialect.time_kind(TimeColumn(literal_column("NULL"), declared, "timestamptz")) == "iso"


def without_unreadable(preset: Preset, found: Sequence[FoundTable], schema: str | None) -> Preset:
    """The preset without the figures that need what may not be read of tables beside the log."""
    readable = {table.name: table.columns for table in found if table.schema == schema}
    lost = {name: columns for name in preset.also_reads if (columns := _unreadable(preset, name, readable))}
    if not lost:
        return preset
    joined = [each for each in preset.joins if each.table in lost]
    patterns: list[tuple[re.Pattern[str], re.Pattern[str] | None]] = [
        (re.compile(rf"\b{re.escape(name)}\b"), _any_of(columns))
        for name, columns in lost.items()
        if name not in {each.table for each in joined}
    ]
    patterns += [(_any_of([each.name]), None) for each in joined]

    def needs_lost(sql: str) -> bool:
        return any(name.search(sql) and (columns is None or columns.search(sql)) for name, columns in patterns)

    fields = {
        name: tuple(item for item in items if not any(map(needs_lost, item.sql.values())))
        for name, items in preset.fields.items()
    }
    return replace(preset, fields=fields, joins=tuple(each for each in preset.joins if each not in joined))


def _unreadable(preset: Preset, name: str, readable: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [column for column in preset.also_reads[name] if column not in readable.get(name, ())]


def _any_of(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
