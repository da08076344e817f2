"""The rates of many rows by what they share: found once for each provider, model, mode and region among them.

Nearly always a model has one rate for all of a few days' requests. Where some has several (a new price on that day, an
hourly schedule, a context tier that some request reaches) the rates are joined row by row; see `rate_join`.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from cost_top.pricing.rate_join import RateJoin, Within
from cost_top.pricing.rate_sql import RATE, mode_number, region_number

# What decides a rate beside the instant and the input.
RATED_BY = ("provider", "model", "mode", "region")
_TABLE = "pack_rates"
_MOST = 2000  # with more to look up than this the join is as fast


def rated_select(
    join: RateJoin, connection: duckdb.DuckDBPyConnection, table: str, given: Collection[str], within: Within
) -> tuple[str, tuple[str, ...]] | None:
    """SELECT of a table of what rows share with their rates beside it, and the names of the new columns.

    The table has those of `RATED_BY` that are `given`; the others are unknown in every row. The SELECT holds until the
    next call on this connection. None where the rates of requests `within` differ, or there are too many.
    """
    keys = {name: f'CAST(k."{name}" AS VARCHAR)' if name in given else "NULL::VARCHAR" for name in RATED_BY[:2]}
    numbers = {"mode": mode_number("k.mode"), "region": region_number("k.region", join.book.regions)}
    for name, number in numbers.items():
        keys[name] = f"CASE WHEN k.{name} IS NULL THEN 0 ELSE {number} END" if name in given else "0"
    listed = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    rows = []
    found = connection.execute(f"SELECT DISTINCT {listed} FROM {table} k LIMIT {_MOST + 1}").fetchall()
    if len(found) > _MOST:
        return None
    for provider, model, mode, region in found:
        rates = join.constant((provider, model), mode, region, within)
        if rates is None:
            return None
        stranger = join.book.entry(provider, model) is None
        rows.append((provider, model, mode, region, *rates, stranger))
    rated = {f"{RATE}{name}": kind for name, kind in join.rate_columns.items()} | {"_ct_stranger": "BOOLEAN"}
    kinds = {"provider": "VARCHAR", "model": "VARCHAR", "mode": "INTEGER", "region": "INTEGER", **rated}
    unnested = ", ".join(f"unnest(${place}::{kind}[]) AS {name}" for place, (name, kind) in enumerate(kinds.items(), 1))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_TABLE} AS SELECT {unnested}",
        [list(column) for column in zip(*rows, strict=True)],
    )
    same = " AND ".join(f"{sql} IS NOT DISTINCT FROM r.{name}" for name, sql in keys.items())
    return f"SELECT k.*, {', '.join(f'r.{name}' for name in rated)} FROM {table} k JOIN {_TABLE} r ON {same}", tuple(
        rated
    )
