"""A ReportQuery over relations of the mirror's rows: the exact and complete way to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import duckdb

from cost_top.mirror.local_time import LocalTime
from cost_top.mirror.measures import (
    ADDITIVE_NAMES,
    LATENCY,
    measures_of,
    order_sql,
    part_sums,
    row_parts,
    sums_of_parts,
)
from cost_top.mirror.schema import first_row, quoted
from cost_top.mirror.where import condition
from cost_top.model.engine import Position
from cost_top.model.query import (
    TIME_DIMENSIONS,
    TOKENS,
    Measures,
    Report,
    ReportQuery,
    ReportRow,
    key_columns,
)
from cost_top.model.request_fields import REQUEST_FIELDS
from cost_top.model.request_row import RequestRow

MOST_ROWS = 2**62  # what LIMIT takes


def naive(instant: datetime) -> datetime:
    """An aware instant as the mirror spells it: UTC without a zone."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def answer(
    connection: duckdb.DuckDBPyConnection, relation: str, query: ReportQuery, as_of: datetime, notes: tuple[str, ...]
) -> Report:
    """Group the rows of `relation` as asked. Ties are in the order of their keys.

    One pass over the rows; a second one for all of them where tags overlap.
    """
    sql, parameters = condition(query.where)
    values = [naive(query.start), naive(query.end), *parameters]
    latency, tagged = query.latency, "tag" in query.group_by
    rows = f"(SELECT * FROM {relation} WHERE time >= ? AND time < ? AND {sql})"
    sums = sums_of_parts(latency)
    totals: Measures | None = None
    if not query.group_by or tagged:
        told = first_row(connection, f"SELECT {sums} FROM {_with_parts(rows, (), latency)}", values)
        totals = measures_of(told, latency)
    if not query.group_by:
        assert totals is not None
        return Report((), (ReportRow((), totals),), totals, 1, as_of, notes)
    local: LocalTime | None = None
    if set(TIME_DIMENSIONS) & set(query.group_by):
        span = f"SELECT min(quarter), max(quarter) FROM {relation} WHERE time >= ? AND time < ?"
        first, last = first_row(connection, span, values[:2])
        local = LocalTime(first or 0, (last or 0) + 1, query.zone)
    if tagged:
        rows = f"(SELECT *, unnest(CASE WHEN len(tags) > 0 THEN tags ELSE [NULL] END) AS tag FROM {rows})"
    (keys, groups), parts = keys_of(query.group_by, local), _with_parts(rows, query.group_by, latency)
    if latency and not tagged:
        # Quantiles of groups do not add up to those of all rows, which are the group that has no part.
        grouped = f"SELECT {keys}, {sums}, part FROM {parts} GROUP BY GROUPING SETS ((part, {groups}), ())"
    else:
        grouped = f"SELECT {keys}, {sums} FROM {parts} GROUP BY {groups}"
    return ordered(connection, grouped, values, query, as_of, notes, totals)


def _with_parts(rows: str, group_by: tuple[str, ...], latency: bool) -> str:
    """Rows with what each adds to the measures beside what they are grouped by."""
    keys = [name for name in key_columns(group_by) if name not in TIME_DIMENSIONS]
    if len(keys) < len(key_columns(group_by)):
        keys += ["quarter", "time"]
    if "token_name" in keys:
        keys.append("time")
    if latency:
        keys.append("latency_ms")
    beside = "".join(f'"{name}", ' for name in dict.fromkeys(keys))
    return f"(SELECT 0 AS part, {beside}{row_parts()} FROM {rows})"


def ordered(
    connection: duckdb.DuckDBPyConnection, grouped: str, values: list[object], query: ReportQuery, as_of: datetime,
    notes: tuple[str, ...], totals: Measures | None,
) -> Report:  # fmt: skip
    """The report of a statement that gives the key columns and the measures of each group.

    `totals` are the sum of the groups where they are not given; with latencies those of the row that has no `part`.
    """
    columns, latency = key_columns(query.group_by), query.latency
    names = [f"k{index}" for index in range(len(columns))]
    measures = [*ADDITIVE_NAMES, *(LATENCY if latency else ())]
    with_whole = totals is None and latency
    groups = f"(FROM ({grouped}) AS g({', '.join([*names, *measures, *(['part'] if with_whole else [])])}))"
    if totals is None:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE report_groups AS {groups}", values)
        groups, values = "report_groups", []
        whole = (
            f"{', '.join(measures)} FROM {groups} WHERE part IS NULL" if with_whole else f"{part_sums()} FROM {groups}"
        )
        totals = measures_of(first_row(connection, f"SELECT {whole}"), latency)
    if with_whole:
        groups = "(SELECT * EXCLUDE (part) FROM report_groups WHERE part IS NOT NULL)"
    sort, descending = query.order
    place = names[columns.index(sort)] if sort in columns else sort
    order = order_sql("input_tokens + output_tokens" if sort == TOKENS else place, descending, names)
    limit = "" if query.limit is None else f" LIMIT {min(query.limit, MOST_ROWS)}"
    found = connection.execute(f"SELECT *, count(*) OVER () FROM {groups} ORDER BY {order}{limit}", values).fetchall()
    width = len(columns)
    rows = tuple(ReportRow(tuple(row[:width]), measures_of(row[width:-1], latency)) for row in found)
    return Report(columns, rows, totals, int(found[0][-1]) if found else 0, as_of, notes)


def with_latencies(
    connection: duckdb.DuckDBPyConnection, relation: Callable[[datetime, datetime], str], query: ReportQuery,
    report: Report,
) -> Report:  # fmt: skip
    """A report of at most one dimension without a filter, with the quantiles of latency from the rows."""
    period = [naive(query.start), naive(query.end)]
    quantiles = "quantile_disc(latency_ms, [0.5, 0.95])"
    rows = f"FROM {relation(*period)} WHERE time >= ? AND time < ?"
    if not query.group_by:
        found = connection.execute(f"SELECT NULL, 1, {quantiles} {rows}", period).fetchall()
    else:
        key = f'"{query.group_by[0]}"'
        found = connection.execute(
            f"SELECT CAST({key} AS VARCHAR), grouping({key}), {quantiles} {rows} GROUP BY GROUPING SETS (({key}), ())",
            period,
        ).fetchall()
    every = {(is_whole, key): told or (None, None) for key, is_whole, told in found}

    def told(measures: Measures, is_whole: int, key: str | None) -> Measures:
        p50, p95 = every.get((is_whole, key), (None, None))
        return replace(measures, latency_p50=p50, latency_p95=p95)

    totals = told(report.totals, 1, None)
    if not query.group_by:
        return replace(report, rows=(ReportRow((), totals),), totals=totals)
    told_rows = tuple(replace(row, measures=told(row.measures, 0, row.key[0])) for row in report.rows)
    return replace(report, rows=told_rows, totals=totals)


def keys_of(
    group_by: tuple[str, ...], local: LocalTime | None, name: str = "arg_max(token_name, time)"
) -> tuple[str, str]:  # fmt: skip
    """The key columns of a grouping as texts, and what to group by; `name` is the display name of a group of keys."""
    selected: list[str] = []
    grouped: list[str] = []
    for dimension in key_columns(group_by):
        if dimension not in group_by:
            selected.append(f"CAST({name} AS VARCHAR)")
        elif dimension in TIME_DIMENSIONS:
            assert local is not None
            selected.append(local.text(dimension))
            grouped += local.groups(dimension)
        else:
            selected.append(f'CAST("{dimension}" AS VARCHAR)')
            grouped.append(f'"{dimension}"')
    return ", ".join(selected), ", ".join(grouped)


_REQUEST_COLUMNS = tuple(name for name in REQUEST_FIELDS if name != "matched_model")
# Requests of one instant stand in the same order on each page: those that are equal in all of these are alike.
TIES = quoted(("id", *(name for name in _REQUEST_COLUMNS if name not in ("id", "time"))))


def from_place(after: Position, dearest_first: bool) -> tuple[str, list[object]]:
    """The condition, with parameters, that a request stands at a place in a list or comes after it."""
    time = naive(after.time)
    older, place = "(time < ? OR time = ? AND id >= ?)", [time, time, after.id]
    if not dearest_first:
        return older, [*place]
    if after.cost is None:
        return f"(cost IS NULL AND {older})", [*place]
    return f"(cost < ? OR cost IS NULL OR cost = ? AND {older})", [after.cost, after.cost, *place]


def order_of_requests(dearest_first: bool, ties: str = TIES) -> str:
    """How a list of requests is ordered."""
    return f"{'cost DESC NULLS LAST, ' if dearest_first else ''}time DESC, {ties}"


def requests(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    query: ReportQuery,
    dearest_first: bool = False,
    after: Position | None = None,
) -> list[RequestRow]:
    """Single requests of the period, newest or dearest first, at most `query.limit`, from `after` on.

    `relation` holds every row of the period.
    """
    sql, parameters = condition(query.where)
    skipped, of_place = "0", list[object]()
    if after is not None:
        # Of those that stand at the place: a row that is gone meanwhile is none to be skipped.
        same = "time = ? AND id = ?" + (" AND cost IS NOT DISTINCT FROM ?" if dearest_first else "")
        skipped = f"(SELECT least(?, count(*)) FROM {relation} WHERE {sql} AND {same} AND time >= ? AND time < ?)"
        of_place = [after.told, *parameters, naive(after.time), after.id, *([after.cost] if dearest_first else []),
                    naive(query.start), naive(query.end)]  # fmt: skip
        older, place = from_place(after, dearest_first)
        sql, parameters = f"{sql} AND {older}", [*parameters, *place]
    found = connection.execute(
        f"SELECT {quoted(_REQUEST_COLUMNS)} FROM {relation} WHERE time >= ? AND time < ? AND {sql} "
        f"ORDER BY {order_of_requests(dearest_first)} LIMIT {min(query.limit or 200, MOST_ROWS)} OFFSET {skipped}",
        [naive(query.start), naive(query.end), *parameters, *of_place],
    ).fetchall()
    rows = []
    for values in found:
        named = dict(zip(_REQUEST_COLUMNS, values, strict=True))
        named["time"] = named["time"].replace(tzinfo=UTC)
        named["tags"] = tuple(named["tags"] or ())
        rows.append(RequestRow(**named))
    return rows
