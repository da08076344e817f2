"""The distinct values behind integer rows: each is numbered once, and a filter's terms become sets of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from cost_top.mirror.schema import quoted
from cost_top.mirror.where import SEARCHED, condition
from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.filter import Filter, Term
from cost_top.model.record import FIELDS, PRICED_FIELDS

MOST_VALUES = 65_536  # of one unit; days with more of them go without it
_FEW_VALUES = 5000
# Of each row, what has few values and says how it counts: with the sums of each kind the trust line is made.
KIND: dict[str, str] = {
    **{name: name for name in ("credential_type", "status", "price_status", "doubt", "cache_hit", "counted", "mode",
                               "region", "streamed", "late")},
    "reported_cost": "CASE WHEN reported_cost = 0 THEN 0::BIGINT END",
    "has_user": '"user" IS NOT NULL',
    "has_tag": "coalesce(len(tags) > 0, FALSE)",
    "has_token": "token IS NOT NULL",
    "cost_sign": "sign(cost)",
    "has_market": "market_cost IS NOT NULL",
}  # fmt: skip
_OWN_KINDS = {"reported_cost": "BIGINT", "has_user": "BOOLEAN", "has_tag": "BOOLEAN", "has_token": "BOOLEAN",
              "cost_sign": "TINYINT", "has_market": "BOOLEAN"}  # fmt: skip
# Columns that are numbered together.
UNITS: dict[str, tuple[str, ...]] = {
    **{each.name: (each.field, *([each.name_field] if each.name_field else ()))
       for each in EVERY_DIMENSION if each.kind == "text" and each.field not in KIND},
    "tag": ("tags",),
    "kind": tuple(KIND),
}  # fmt: skip
_UNIT_OF_COLUMN = {column: unit for unit, columns in UNITS.items() for column in columns}
_YES_NO = {"unpriced", "cache_hit", "error", "streamed", "zero_cost", "late"}
# Numbers of single rows that a filter may compare, by the field of its term.
NUMBERS = {"cost": "sum_total_cost", "latency": "latency_ms"}
_TYPES = {**dict(FIELDS), **dict(PRICED_FIELDS), "late": "BOOLEAN", **_OWN_KINDS}
# What a bare word is looked for in.
_WORD_COLUMNS = (*SEARCHED, "tags")
_WORD_UNITS = frozenset(_UNIT_OF_COLUMN[name] for name in _WORD_COLUMNS)


def unit_of_lens(lens: str) -> str:
    """The unit whose numbers tell the groups of a lens."""
    return lens if lens in UNITS else "kind"


def units_of(where: Filter) -> frozenset[str] | None:
    """The units a filter's terms are about; None where one is about something that is not numbered."""
    found: set[str] = set()
    for term in where.terms:
        units = _units(term)
        if units is None:
            return None
        found |= units
    return frozenset(found)


def _units(term: Term) -> frozenset[str] | None:
    if term.field is None:
        return _WORD_UNITS
    if term.field in NUMBERS:
        return frozenset(("kind",))
    unit = "kind" if term.field in _YES_NO else _UNIT_OF_COLUMN.get("tags" if term.field == "tag" else term.field)
    return frozenset((unit,)) if unit is not None else None


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter as SQL over integer rows, its parameters, and the columns it is about."""

    sql: str
    parameters: list[object]
    columns: frozenset[str]


class FactValues:
    """Values by number and numbers by value, in Python and as tables of the mirror's database.

    One thread adds to them, another asks of what days need that were handed to it: their values are there by then.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """`connection` is that of the thread that asks."""
        self._connection = connection
        self.of: dict[str, dict[int, tuple[Any, ...]]] = {unit: {} for unit in UNITS}
        self._ids: dict[str, dict[tuple[Any, ...], int]] = {unit: {} for unit in UNITS}

    @staticmethod
    def table(unit: str) -> str:
        """The table of a unit's values: `id` and the unit's columns."""
        return f"fact_values_{unit}"

    def make_tables(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Before anything is added."""
        for unit, names in UNITS.items():
            columns = ", ".join(f'"{column}" {_TYPES[column]}' for column in names)
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self.table(unit)} (id INTEGER, {columns})")

    def learn(self, connection: duckdb.DuckDBPyConnection, unit: str, relation: str, row_count: int) -> bool:
        """Number the values of a unit that rows have; False where there are too many of them."""
        columns, table = quoted(UNITS[unit]), self.table(unit)
        same = " AND ".join(f'v."{name}" IS NOT DISTINCT FROM r."{name}"' for name in UNITS[unit])
        found = connection.execute(
            f"SELECT * FROM (SELECT DISTINCT {columns} FROM {relation}) r "
            f"ANTI JOIN {table} v ON {same} LIMIT {MOST_VALUES + 1}"
        ).fetchall()
        known = self.of[unit]
        first = max(known, default=-1) + 1
        if first + len(found) > MOST_VALUES or len(found) > max(_FEW_VALUES, row_count // 2):
            return False
        self._add(connection, unit, [(first + place, *values) for place, values in enumerate(found)])
        return True

    def agree(self, connection: duckdb.DuckDBPyConnection, told: Mapping[str, Sequence[tuple[Any, ...]]]) -> bool:
        """Take over numbered values `(id, *columns)` of units, where none contradicts what is known."""
        for unit, rows in told.items():
            for number, *values in rows:
                value = _hashable(values)
                if self._ids[unit].get(value, number) != number or self.of[unit].get(number, value) != value:
                    return False
        for unit, rows in told.items():
            self._add(connection, unit, [row for row in rows if row[0] not in self.of[unit]])
        return True

    def _add(self, connection: duckdb.DuckDBPyConnection, unit: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        kinds = ("INTEGER", *(_TYPES[name] for name in UNITS[unit]))
        unnested = ", ".join(f"unnest(${place}::{kind}[])" for place, kind in enumerate(kinds, 1))
        connection.execute(
            f"INSERT INTO {self.table(unit)} SELECT {unnested}", [list(column) for column in zip(*rows, strict=True)]
        )
        added = {number: _hashable(values) for number, *values in rows}
        self._ids[unit].update((value, number) for number, value in added.items())
        self.of[unit].update(added)  # in one step: the other thread may be looking

    def condition(self, where: Filter) -> Condition | None:
        """`where` over integer rows; None where nothing can match."""
        parts: list[str] = []
        parameters: list[object] = []
        columns: set[str] = set()
        for term in where.terms:
            if term.field in NUMBERS:
                parts.append(f"{'NOT ' if term.negated else ''}({self._compared(term)})")
                parameters += condition(Filter((term,)))[1]
                columns |= {NUMBERS[term.field], "kind_id"}
                continue
            sql, units = self._matching(replace(term, negated=False))
            if (sql == "FALSE") != term.negated and sql in ("FALSE", "TRUE"):
                return None
            if sql not in ("FALSE", "TRUE"):
                parts.append(f"NOT ({sql})" if term.negated else f"({sql})")
                columns |= {f"{unit}_id" for unit in units}
        return Condition(" AND ".join(parts) or "TRUE", parameters, frozenset(columns))

    def _compared(self, term: Term) -> str:
        """The rows a term about a number matches as SQL; an unknown one matches none, and a sum knows no unknown."""
        column = NUMBERS[term.field or ""]
        test = " OR ".join(f"{column} {term.operator} ?" for _ in term.values)
        if term.field != "cost":
            return f"coalesce({test}, FALSE)"
        place = UNITS["kind"].index("cost_sign")
        kinds = list(self.of["kind"].items())
        unknown = [number for number, values in kinds if values[place] is None]
        return f"({test}) AND kind_id NOT IN ({_list(unknown)})" if unknown else test

    def _matching(self, term: Term) -> tuple[str, list[str]]:
        """The numbers a term matches as SQL, and of which units; `TRUE` of all, `FALSE` of none."""
        sql, values = condition(Filter((term,)))
        tests: dict[str, str] = {}
        for unit in sorted(_units(term) or ()):
            padded = ", ".join(f'NULL::{_TYPES[name]} AS "{name}"' for name in _WORD_COLUMNS if name not in UNITS[unit])
            relation = f"(SELECT *, {padded} FROM {self.table(unit)})" if term.field is None else self.table(unit)
            known = set(self.of[unit])  # the table may hold more: the other thread has put them there just now
            found = self._connection.execute(f"SELECT id FROM {relation} WHERE {sql}", values).fetchall()
            ids = known.intersection(number for (number,) in found)
            if ids and ids == known:
                return "TRUE", []
            if len(ids) * 2 > len(known):
                tests[unit] = f"{unit}_id NOT IN ({_list(known - ids)})"
            elif ids:
                tests[unit] = f"{unit}_id IN ({_list(ids)})"
        return " OR ".join(tests.values()) or "FALSE", list(tests)


def _hashable(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
