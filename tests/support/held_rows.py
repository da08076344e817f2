"""Rows of the mirror as a test makes them, without a log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb

from cost_top.mirror.added import COLUMNS, SummedRow
from cost_top.mirror.schema import WITNESSED, create_table

DAY = datetime(2026, 3, 4)


def quarter(time: datetime) -> int:
    """Quarters of an hour since 1970."""
    return int((time - datetime(1970, 1, 1)).total_seconds()) // 900


def row(key: str, time: datetime, **told: Any) -> dict[str, Any]:
    """A request that cost 10 pico-dollars, in the columns of the hot table."""
    usual = {"key": key, "id": key, "time": time, "provider": "openai", "model": "gpt-5", "cost": 10, "market_cost": 12,
             "price_status": "reported", "input_tokens": 3, "output_tokens": 2, "cache_hit": False, "status": 200,
             "tags": ["prod", "eu"], "late": False, "fingerprint": len(key) * 1000 + (told.get("cost", 10) or 0),
             "quarter": quarter(time)}  # fmt: skip
    return {**{name: None for name, _ in WITNESSED}, **usual, **told}


def summed(rows: Sequence[dict[str, Any]]) -> list[SummedRow]:
    """Rows as sums follow them."""
    return [SummedRow(*(one[name] for name in COLUMNS)) for one in rows]


def relation(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A table of these rows."""
    connection.execute(create_table(name))
    put(connection, name, rows)
    return name


def put(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows into a table."""
    for one in rows:
        columns = ", ".join(f'"{column}"' for column, _ in WITNESSED)
        values = ", ".join("?" * len(WITNESSED))
        connection.execute(
            f"INSERT INTO {name} ({columns}) VALUES ({values})", [one[column] for column, _ in WITNESSED]
        )
