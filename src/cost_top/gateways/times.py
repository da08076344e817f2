"""The time of a row where it is no plain column: an expression, or a number whose unit differs from row to row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, literal_column

from cost_top.gateways.dialects.base import Dialect, TimeColumn, number
from cost_top.gateways.instants import SIZES, USABLE_UNTIL, micros

# What a database would call the type of an expression in each unit.
_DECLARED = {
    "naive_utc": {"mysql": "datetime(6)", "clickhouse": "DateTime64(6)", "": "timestamp without time zone"},
    "timestamptz": {"mysql": "timestamp(6)", "clickhouse": "DateTime64(6)", "": "timestamp with time zone"},
    "iso_utc": {"mysql": "varchar(64)", "": "text"},
}


def expressed(sql: str, unit: str, database: str) -> TimeColumn:
    """The time from an expression that yields `unit`."""
    declared = _DECLARED.get(unit, {"": "bigint"})
    return TimeColumn(literal_column(f"({sql})"), declared.get(database, declared[""]), unit)


def of_any_unit(column: ColumnElement[Any]) -> TimeColumn:
    """A number in seconds, milliseconds or microseconds as microseconds; garbage stays outside of the usable times."""
    ends = {size: micros(USABLE_UNTIL) // size for size in SIZES}
    scaled = case(
        (column < number(ends[1_000_000]), column.op("*")(number(1_000_000))),
        (column < number(ends[1000]), column.op("*")(number(1000))),
        else_=column,
    )
    return TimeColumn(scaled, "bigint", "epoch_us")


def declared_unit(declared: str, dialect: Dialect) -> str:
    """The unit that a column's own type speaks of.

    SQLite's DATETIME and TIMESTAMP hold what was put there, which is text as a rule; texts may have an offset.
    """
    kind = declared.lower()
    if "with time zone" in kind or kind.startswith("timestamptz"):
        return "timestamptz"
    is_date = "date" in kind or "time" in kind
    if not is_date and any(word in kind for word in ("int", "num", "dec", "real", "double", "float")):
        return "epoch_any"
    return "naive_utc" if is_date and dialect.name != "sqlite" else "iso_zoned"
