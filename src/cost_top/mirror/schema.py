"""The columns of the mirror: the normal form, what the rates add, and what the tail knows of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from cost_top.model.record import FIELDS, PRICED_FIELDS

# Quarters of an hour since 1970: days of any zone are cut from them without a conversion per row.
TAIL_FIELDS = (("late", "BOOLEAN"), ("quarter", "INTEGER"))
COLUMNS = (*FIELDS, *PRICED_FIELDS, *TAIL_FIELDS)
COLUMN_NAMES = tuple(name for name, _ in COLUMNS)
QUARTER = "CAST(epoch_ms(time) // 900000 AS INTEGER)"
# Part of the cache key: raise it when the columns or their meaning change.
SCHEMA_VERSION = 1


def quoted(names: tuple[str, ...]) -> str:
    """Column names for a SELECT list.

    >>> quoted(("id", "user"))
    '"id", "user"'
    """
    return ", ".join(f'"{name}"' for name in names)


def create_table(name: str) -> str:
    """The statement that makes an empty table of the mirror's columns."""
    columns = ", ".join(f'"{column}" {kind}' for column, kind in COLUMNS)
    return f"CREATE OR REPLACE TABLE {name} ({columns})"


def first_row(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | None = None
) -> tuple[Any, ...]:
    """The first row of a statement that yields one; the result is taken whole, as DuckDB asks before other work."""
    return connection.execute(sql, parameters).fetchall()[0]
