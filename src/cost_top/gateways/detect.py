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


def row_key(preset: Preset, keys: Sequence[UniqueKey], columns: Mapping[str, str]) -> tuple[str, ...] | None:
    """The columns that, with the id, tell every row from every other; none where the id does; None where nothing does.

    The smallest key that holds the id is taken, then the smallest of all.
    """
    identity = preset.id.column if not preset.id.path else None
    # Rows without an id are known by their figures, so an id alone may be NULL.
    usable = [
        key.columns
        for key in keys
        if set(key.columns) <= set(columns) and (not key.nullable or key.columns == (identity,))
    ]
    if not usable:
        return None
    best = min(usable, key=lambda key: (identity not in key, len(key)))
    return tuple(name for name in best if name != identity)


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
