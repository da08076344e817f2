"""The time of a row where it is no plain column: an expression, or a number whose unit differs from row to row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, or_

from cost_top.gateways.dialects.base import USABLE_FROM, USABLE_UNTIL, Dialect, TimeColumn, micros, number

# What a database would call the type of an expression in each unit.
_DECLARED = {
    "naive_utc": {"mysql": "datetime(6)", "clickhouse": "DateTime64(6)", "": "timestamp without time zone"},
    "timestamptz": {"mysql": "timestamp(6)", "clickhouse": "DateTime64(6)", "": "timestamp with time zone"},
    "iso_utc": {"mysql": "varchar(64)", "": "text"},
}
# Microseconds of a second, a millisecond and a microsecond: numbers of these units never meet between 2000 and 2200.
_SIZES = (1_000_000, 1000, 1)


def expressed(sql: str, unit: str, database: str) -> TimeColumn:
    """The time from an expression that yields `unit`."""
    declared = _DECLARED.get(unit, {"": "bigint"})
    return TimeColumn(literal_column(f"({sql})"), declared.get(database, declared[""]), unit)


def of_any_unit(column: ColumnElement[Any]) -> TimeColumn:
    """A number in seconds, milliseconds or microseconds as microseconds; garbage stays outside of the usable times."""
    ends = {size: micros(USABLE_UNTIL) // size for size in _SIZES}
    scaled = case(
        (column < number(ends[1_000_000]), column.op("*")(number(1_000_000))),
        (column < number(ends[1000]), column.op("*")(number(1000))),
        else_=column,
    )
    return TimeColumn(scaled, "bigint", "epoch_us")


def any_unit_within(column: ColumnElement[Any], start: datetime, end: datetime) -> ColumnElement[bool]:
    """`[start, end)` in each unit, so that an index on the column serves it."""
    first, last = max(start, USABLE_FROM), min(end, USABLE_UNTIL)
    bounds = [(-(-micros(first) // size), -(-micros(last) // size)) for size in _SIZES]
    return or_(*(and_(column >= number(low), column < number(high)) for low, high in bounds))


def any_unit_at(column: ColumnElement[Any], times: Sequence[datetime]) -> ColumnElement[bool]:
    """Rows at any of these times; rows next to them may be among them."""
    values = {micros(instant) // size for instant in times for size in _SIZES}
    return column.in_([number(value) for value in sorted(values)])


def declared_unit(declared: str, dialect: Dialect) -> str:
    """The unit that a column's own type speaks of.

    SQLite's DATETIME and TIMESTAMP hold what was put there, which is text as a rule.
    """
    kind = declared.lower()
    if "with time zone" in kind or kind.startswith("timestamptz"):
        return "timestamptz"
    if "date" in kind or "time" in kind:
        return "iso_utc" if dialect.name == "sqlite" else "naive_utc"
    numeric = any(word in kind for word in ("int", "num", "dec", "real", "double", "float"))
    return "epoch_any" if numeric else "iso_utc"
