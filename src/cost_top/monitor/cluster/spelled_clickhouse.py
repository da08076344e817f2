# ruff: noqa: D102 - the methods are documented where the protocol is
"""The statements as ClickHouse takes them, filters with parameters."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

from cost_top.gateways.dialects.clickhouse import apart, quoted_text
from cost_top.gateways.dialects.clickhouse_sql import clickhouse_sql
from cost_top.gateways.normalise_clickhouse import normal_select
from cost_top.gateways.normalise_placed import Names, TagLists
from cost_top.gateways.shape import RawShape
from cost_top.monitor.cluster.plain_clickhouse import ClickhousePlain
from cost_top.monitor.cluster.spelling import PlainSpelling

# `quantile_disc` takes the value at ceil(n * level) - 1, `quantileExact` the one at floor(n * level).
_LEVELS = {"latency_p50": "0.499999999999", "latency_p95": "0.949999999999"}
_FOREVER = 10**16  # microseconds: no request is so late
_SENT = {"VARCHAR": "String", "INTEGER": "Int32", "BIGINT": "Int128", "BOOLEAN": "Bool", "TIMESTAMP": "Int64"}


class ClickhouseStatements:
    """`spelling.Spelling` for ClickHouse."""

    latencies = ", ".join(f"quantileExact({level})(latency_ms) AS {name}" for name, level in _LEVELS.items())
    minute = "intDiv(us, 60000000) * 60000000"
    tag = "arrayJoin(if(empty(tags), [CAST(NULL AS Nullable(String))], CAST(tags AS Array(Nullable(String)))))"
    days_at_once, plans_long, note = 1000, True, ""
    takes_tag_lists = False
    plain: PlainSpelling | None = ClickhousePlain()

    def sql(self, duckdb: str) -> str:
        return clickhouse_sql(duckdb)

    def normal(
        self, shape: RawShape, raw: str, wanted: Collection[str], shown: Collection[str], names: Names,
        tags: TagLists | None,  # noqa: ARG002 - it takes them apart itself
    ) -> str:  # fmt: skip
        return normal_select(shape, raw, wanted, shown, names)

    def relation(self, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> str:
        # Column by column: an array of literals is one literal to the server, and read as fast as data.
        kinds = list(columns.values())
        given = rows or [[-1 if kind == "INTEGER" else "\x01" if kind == "VARCHAR" else None for kind in kinds]]
        arrays, chosen = [], []
        for (name, kind), values in zip(columns.items(), zip(*given, strict=True), strict=True):
            cells = ", ".join(_literal(value, kind) for value in values)
            arrays.append(f"CAST([{cells}] AS Array(Nullable({_SENT[kind]}))) AS s_{name}")
            micros = f"fromUnixTimestamp64Micro(assumeNotNull(s_{name}), 'UTC')"
            chosen.append(f"{micros if kind == 'TIMESTAMP' else f's_{name}'} AS {name}")
        return f"(SELECT {', '.join(chosen)} FROM (SELECT 1) ARRAY JOIN {', '.join(arrays)})"

    def bound(self, sql: str, values: Sequence[object], parameters: dict[str, object]) -> str:
        sql = sql.replace(" ESCAPE '\\'", "")
        sql = re.sub(r"list_contains\(tags, \?\)", "has(tags, ?)", sql)
        sql = re.sub(r"list_filter\(tags, lambda tag: (tag I?LIKE \?)\)", r"arrayFilter(tag -> \1, tags)", sql)
        sql = self.sql(sql)
        for value in values:
            name = f"p{len(parameters)}"
            parameters[name] = value
            sql = sql.replace("?", f"{{{name}:{_kind(value)}}}", 1)
        return sql

    def literal(self, text: str) -> str:
        return quoted_text(text)

    def newest(self, column: str) -> str:
        return f"argMax({column}, us)"

    def piece(self, edges: Sequence[int]) -> str:
        return f"roundDown(us, CAST([{', '.join(map(str, edges))}] AS Array(Int64)))"

    def text(self, column: str) -> str:
        return f"toString({column})"

    def money(self, column: str) -> str:
        return column

    def by_lens(
        self, source: str, where: str, piece: str, name: str | None, keys: Sequence[tuple[int, str, bool]],
        parts: Mapping[str, str], trusted: Mapping[str, str],
    ) -> str:  # fmt: skip
        rows = ", ".join(
            f"({number}, CAST({column} AS Nullable(String)), "
            f"{'toInt64(intDiv(us, 900000000))' if quarters else 'toInt64(0)'})"
            for number, column, quarters in keys
        )
        told = name or "CAST(NULL AS Nullable(String))"
        columns = ", ".join(f"{part} AS ct_{one}" for one, part in {**parts, **trusted}.items())
        chosen = f"us, {piece} AS piece, {told} AS told, {columns}, arrayJoin([{rows}]) AS lens"
        inner = f"SELECT {chosen} FROM {source} WHERE {where}"
        sums = ", ".join([
            *(f"coalesce(sum(ct_{one}), 0)" for one in parts),
            *(f"coalesce(sumIf(ct_{one}, lens.1 = {keys[0][0]}), 0)" for one in trusted),
        ])  # fmt: skip
        return (
            f"SELECT lens.1 AS number, lens.2 AS value, lens.3 AS quarter, piece, max(us), "
            f"maxIf(us, told IS NOT NULL), {self.newest('told')}, {sums} FROM {apart(inner)} "
            "GROUP BY number, value, quarter, piece"
        )


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "Array(String)"
    if isinstance(value, Decimal):
        return "Decimal(76, 12)"
    return "Int128" if isinstance(value, int) else "String"


def _literal(value: object, kind: str) -> str:
    if value is None:
        return str(_FOREVER) if kind == "TIMESTAMP" else "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else quoted_text(str(value))
