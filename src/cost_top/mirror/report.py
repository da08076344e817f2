"""A ReportQuery over relations of the mirror's rows: the exact and complete way to answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import duckdb

from cost_top.mirror.measures import ADDITIVE_NAMES, LATENCY, measures_of, row_sums
from cost_top.mirror.schema import first_row, quoted
from cost_top.mirror.where import condition
from cost_top.model.answers import Position
from cost_top.model.query import (
    MEASURES,
    TIME_DIMENSIONS,
    Report,
    ReportQuery,
    ReportRow,
    key_columns,
)
from cost_top.model.snapshot import RequestRow

_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1)


def naive(instant: datetime) -> datetime:
    """An aware instant as the mirror spells it: UTC without a zone."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def answer(
    connection: duckdb.DuckDBPyConnection, relation: str, query: ReportQuery, as_of: datetime, notes: tuple[str, ...]
) -> Report:
    """Group the rows of `relation` as asked. Ties are in the order of their keys."""
    sql, parameters = condition(query.where)
    bounds = [naive(query.start), naive(query.end)]
    rows = f"(SELECT * FROM {relation} WHERE time >= ? AND time < ? AND {sql})"
    if "tag" in query.group_by:
        tagged = f"(SELECT *, unnest(CASE WHEN len(tags) > 0 THEN tags ELSE [NULL] END) AS tag FROM {rows})"
    else:
        tagged = rows
    totals = first_row(connection, f"SELECT {row_sums(latency=True)} FROM {rows}", [*bounds, *parameters])
    columns = key_columns(query.group_by)
    if not query.group_by:
        measures = measures_of(totals, latency=True)
        return Report((), (ReportRow((), measures),), measures, 1, as_of, notes)
    _zone_table(connection, query, f"SELECT min(quarter), max(quarter) FROM {rows}", [*bounds, *parameters])
    keys = {name: _key(name) for name in query.group_by}
    selected = ", ".join(
        "CAST(arg_max(token_name, time) AS VARCHAR)" if name not in keys else f"CAST({keys[name]} AS VARCHAR)"
        for name in columns
    )
    join = " JOIN zone_quarters z ON z.quarter = r.quarter" if set(TIME_DIMENSIONS) & set(keys) else ""
    grouped = f"SELECT {selected}, {row_sums(latency=True)} FROM {tagged} r{join} GROUP BY {', '.join(keys.values())}"
    names = [f"k{index}" for index in range(len(columns))]
    order = _order(query, names, columns)
    limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
    found = connection.execute(
        f"SELECT *, count(*) OVER () FROM ({grouped}) AS g({', '.join([*names, *ADDITIVE_NAMES, *LATENCY])}) "
        f"ORDER BY {order}{limit}",
        [*bounds, *parameters],
    ).fetchall()
    width = len(columns)
    report_rows = tuple(ReportRow(tuple(row[:width]), measures_of(row[width:-1], latency=True)) for row in found)
    count = int(found[0][-1]) if found else 0
    return Report(columns, report_rows, measures_of(totals, latency=True), count, as_of, notes)


def _key(name: str) -> str:
    if name == "day":
        return "z.local_day"
    if name == "hour":
        return "z.local_hour"
    if name == "minute":
        return "strftime(date_trunc('minute', r.time + to_seconds(z.shift)), '%Y-%m-%dT%H:%M:%S') || z.zone"
    return f'r."{name}"'


def _order(query: ReportQuery, names: list[str], columns: tuple[str, ...]) -> str:
    direction = "DESC" if query.descending else "ASC"
    if query.sort in MEASURES:
        first = query.sort
    elif query.sort in columns:
        first = names[columns.index(query.sort)]
    else:
        first, direction = "total_cost", "DESC"
    return ", ".join([f"{first} {direction} NULLS LAST", *(f"{name} NULLS LAST" for name in names)])


def _zone_table(
    connection: duckdb.DuckDBPyConnection, query: ReportQuery, range_sql: str, parameters: list[object]
) -> None:
    """A row for each quarter of an hour between the first and the last request, with its local time."""
    if not set(TIME_DIMENSIONS) & set(query.group_by):
        return
    first, last = first_row(connection, range_sql, parameters)
    rows = zone_quarters(first or 0, (last or 0) + 1, query.zone)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE zone_quarters AS SELECT unnest($quarters) AS quarter, "
        "unnest($days) AS local_day, unnest($hours) AS local_hour, unnest($shifts) AS shift, unnest($offsets) AS zone",
        {
            name: [row[place] for row in rows]
            for place, name in enumerate(("quarters", "days", "hours", "shifts", "offsets"))
        },
    )


def zone_quarters(first: int, last: int, zone: tzinfo) -> list[tuple[int, str, str, int, str]]:
    """(quarter since 1970, local day, local hour, seconds east of UTC, offset as text) for `[first, last)`.

    >>> zone_quarters(0, 1, UTC)
    [(0, '1970-01-01', '1970-01-01T00:00:00+00:00', 0, '+00:00')]
    """
    rows = []
    for quarter in range(first, last):
        local = (_EPOCH + quarter * _QUARTER).replace(tzinfo=UTC).astimezone(zone)
        hour = local.replace(minute=0, second=0, microsecond=0).isoformat()
        shift = int((local.utcoffset() or timedelta()).total_seconds())
        rows.append((quarter, str(local.date()), hour, shift, hour[19:]))
    return rows


_REQUEST_COLUMNS = tuple(name for name in RequestRow.__dataclass_fields__ if name != "matched_model")


def requests(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    query: ReportQuery,
    dearest_first: bool = False,
    after: Position | None = None,
) -> list[RequestRow]:
    """Single requests of the period, newest (or dearest) first, at most `query.limit`; the newest also `after` one."""
    sql, parameters = condition(query.where)
    if after is not None:
        sql = f"{sql} AND (time < ? OR time = ? AND id > ?)"
        parameters = [*parameters, naive(after.time), naive(after.time), after.id]
    order = "cost DESC NULLS LAST, time DESC" if dearest_first else "time DESC, id"
    found = connection.execute(
        f"SELECT {quoted(_REQUEST_COLUMNS)} FROM {relation} "
        f"WHERE time >= ? AND time < ? AND {sql} ORDER BY {order} LIMIT {int(query.limit or 200)}",
        [naive(query.start), naive(query.end), *parameters],
    ).fetchall()
    rows = []
    for values in found:
        named = dict(zip(_REQUEST_COLUMNS, values, strict=True))
        named["time"] = named["time"].replace(tzinfo=UTC)
        named["tags"] = tuple(named["tags"] or ())
        rows.append(RequestRow(**named))
    return rows
