"""A gateway preset as a value: which table, which column is which field, in which units. No database here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
DATABASES = (SQLITE, POSTGRESQL)

# Units of the time column. `naive_utc` is a timestamp without zone that holds UTC; on SQLite it is ISO text.
TIME_UNITS = ("epoch_s", "epoch_ms", "epoch_us", "naive_utc", "timestamptz", "iso_utc")

# Pico-dollars in one unit of the cost column; `points` has a divisor of its own (points per dollar).
COST_UNITS: Mapping[str, int] = {"usd": 10**12, "nano_usd": 1000, "pico_usd": 1, "points": 10**12}


# In a preset's SQL: the text at a path of a JSON column, `${metadata.usage.tier}`.
PATH_IN_SQL = re.compile(r"\$\{([\w]+(?:\.[\w]+)+)\}")


@dataclass(frozen=True, slots=True)
class Expression:
    """Where a figure comes from: exactly one of a column, a path into a JSON column, SQL, or a fixed text."""

    column: str | None = None
    path: tuple[str, ...] = ()  # into `column`, which then holds JSON
    sql: Mapping[str, str] = field(default_factory=dict)  # by database
    value: str | None = None
    needs: tuple[str, ...] = ()  # columns that must exist; without them the expression is unknown
    costly: bool = False  # read later for history
    typed: bool = False  # SQL that always has the field's type: integer or boolean

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it is known to read."""
        in_sql = (name for name, path in json_paths(self) if not self.path)
        return (*((self.column,) if self.column else ()), *self.needs, *in_sql)


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table of names: `field` of a record is the name where its field `by` is the id."""

    field: str
    by: str
    table: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Preset:
    """One gateway's log. `fields` maps normal-form fields to alternatives: the first known one wins."""

    name: str
    origin: str  # the file it came from, for messages
    table: str
    id: Expression
    time_column: str
    time_unit: str
    fields: Mapping[str, tuple[Expression, ...]]
    schema: str | None = None
    databases: tuple[str, ...] = DATABASES
    recognised_by: tuple[str, ...] = ()  # columns that tell this gateway's table from another of the same name
    row_filter: Expression | None = None
    overlap: timedelta = timedelta(minutes=5)
    cost_unit: str = "usd"
    cost_divisor: int = 1
    input_includes_cache: bool | Expression = True
    user_agent_tag: str | None = None  # tags with this prefix are the user agent, not tags
    never: tuple[str, ...] = ()  # columns with secrets or payloads: no expression may name them
    lookups: tuple[LookupTable, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)  # column: what its presence says of the version
    advice: Mapping[str, str] = field(default_factory=dict)  # keyed by what doctor may find, e.g. "index"

    @property
    def pico_per_unit(self) -> tuple[int, int]:
        """(numerator, denominator) that turn the cost column into pico-dollars."""
        return COST_UNITS[self.cost_unit], self.cost_divisor

    def digest(self) -> str:
        """Hash over everything that decides a figure."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True).encode()).hexdigest()[:16]


def json_paths(item: Expression) -> list[tuple[str, tuple[str, ...]]]:
    """The JSON columns an expression reads, each with the path into it."""
    found = [(item.column, item.path)] if item.column and item.path else []
    for sql in item.sql.values():
        for match in PATH_IN_SQL.finditer(sql):
            name, *path = match[1].split(".")
            found.append((name, tuple(path)))
    return found


def _plain(preset: Preset) -> object:
    def expression(item: Expression) -> object:
        return [item.column, item.path, dict(item.sql), item.value, item.needs, item.costly, item.typed]

    includes = preset.input_includes_cache
    return {
        "table": [preset.schema, preset.table, preset.time_column, preset.time_unit],
        "id": expression(preset.id),
        "fields": {name: [expression(item) for item in items] for name, items in preset.fields.items()},
        "filter": expression(preset.row_filter) if preset.row_filter else None,
        "cost": [preset.cost_unit, preset.cost_divisor],
        "input": includes if isinstance(includes, bool) else expression(includes),
        "tags": preset.user_agent_tag,
    }
