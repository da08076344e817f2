"""The columns of the mirror: the normal form, what the rates add, and what the tail knows of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from cost_top.model.code import FIGURES, code_hash
from cost_top.model.record import FIELDS, PRICED_FIELDS, WITNESSES

# Quarters of an hour since 1970: days of any zone are cut from them without a conversion per row.
TAIL_FIELDS = (("late", "BOOLEAN"), ("quarter", "INTEGER"))
COLUMNS = (*FIELDS, *PRICED_FIELDS, *TAIL_FIELDS)
# Rows that were just read, and those of the hot end, also know what tells them apart and shows their changes.
WITNESSED = (*COLUMNS, *WITNESSES)
QUARTER = "CAST(epoch_ms(time) // 900000 AS INTEGER)"


def schema_version() -> str:
    """Part of the name of a folder of kept days: other columns, or other code behind them, another text."""
    return f"6-{code_hash(*FIGURES)}"


def quoted(names: tuple[str, ...]) -> str:
    """Column names for a SELECT list.

    >>> quoted(("id", "user"))
    '"id", "user"'
    """
    return ", ".join(f'"{name}"' for name in names)


def create_table(name: str) -> str:
    """The statement that makes an empty table of the mirror's columns and witnesses."""
    columns = ", ".join(f'"{column}" {kind}' for column, kind in WITNESSED)
    return f"CREATE OR REPLACE TABLE {name} ({columns})"


def first_row(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | None = None
) -> tuple[Any, ...]:
    """The first row of a statement that yields one; the result is taken whole, as DuckDB asks before other work."""
    return connection.execute(sql, parameters).fetchall()[0]
