"""Which gateway's log a database holds: presets matched against the tables it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cost_top.gateways.preset import Preset


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table that a preset can read, and the types of its columns by name."""

    preset: Preset
    schema: str | None
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table of the database's catalog."""

    schema: str | None
    name: str
    columns: Mapping[str, str]  # that may be read: name to declared type


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """Columns that together tell every row of a table from every other; `nullable`: rows with a NULL apart."""

    columns: tuple[str, ...]
    nullable: bool = False


def recognise(presets: Sequence[Preset], tables: Iterable[FoundTable], database: str) -> list[Candidate]:
    """Every preset and table that belong together, presets in their order."""
    found = list(tables)
    return [
        Candidate(preset, table.schema, table.columns)
        for preset in presets
        for table in found
        if database in preset.databases
        and table.name == preset.table
        and preset.schema in (None, table.schema)
        and set(preset.recognised_by) <= set(table.columns)
        and set(preset.recognised_without).isdisjoint(table.columns)
    ]
