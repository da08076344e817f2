# ruff: noqa: D102 - the methods are documented where the protocol is
"""The statements as PostgreSQL takes them: no parameters, so every text of a filter is a literal of ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cost_top.gateways.dialects.postgresql_sql import postgresql_sql
from cost_top.gateways.normalise_placed import Names, TagLists
from cost_top.gateways.normalise_postgresql import array_literal, literal, normal_select
from cost_top.gateways.shape import RawShape
from cost_top.monitor.cluster.spelling import PlainSpelling

# Amounts are numerics on the way, so that no product is too large.
_SENT = {"VARCHAR": "text", "INTEGER": "integer", "BIGINT": "numeric", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp"}
_LEVELS = {"latency_p50": "0.5", "latency_p95": "0.95"}
_MONEY = ("cost", "market_cost", "saved_by_cache", "prompt_cache_savings")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresStatements:
    """`spelling.Spelling` for PostgreSQL 12 or newer."""

    latencies = ", ".join(
        f"percentile_disc({level}) WITHIN GROUP (ORDER BY latency_ms) AS {name}" for name, level in _LEVELS.items()
    )
    minute = "us / 60000000 * 60000000"
    tag = "unnest(CASE WHEN cardinality(tags) > 0 THEN tags ELSE ARRAY[NULL]::text[] END)"
    days_at_once, plans_long, note = 1, False, "answered by the database itself: nothing is copied"
    takes_tag_lists = True
    plain: PlainSpelling | None = None

    def sql(self, duckdb: str) -> str:
        return postgresql_sql(duckdb)

    def normal(
        self, shape: RawShape, raw: str, wanted: Collection[str], shown: Collection[str], names: Names,
        tags: TagLists | None,
    ) -> str:  # fmt: skip
        return normal_select(shape, raw, wanted, shown, names, tags)

    def relation(self, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> str:
        kinds = list(columns.values())
        given = rows or [[-1 if kind == "INTEGER" else "\x01" if kind == "VARCHAR" else None for kind in kinds]]
        arrays = [
            array_literal((_sent(value, kind) for value in values), _SENT[kind])
            for kind, values in zip(kinds, zip(*given, strict=True), strict=True)
        ]
        return f"(SELECT * FROM unnest({', '.join(arrays)}) AS sent({', '.join(columns)}))"

    def bound(self, sql: str, values: Sequence[object], parameters: dict[str, object]) -> str:  # noqa: ARG002
        sql = re.sub(r"list_contains\(tags, \?\)", "? = ANY(tags)", sql)
        sql = re.sub(
            r"len\(list_filter\(tags, lambda tag: (tag I?LIKE \? ESCAPE '\\')\)\) > 0",
            r"EXISTS (SELECT FROM unnest(tags) AS each(tag) WHERE \1)",
            sql,
        )
        sql = self.sql(sql.replace("ESCAPE '\\'", "ESCAPE ?"))
        given, escape, out = list(values), literal("\\"), []
        # All at once: a text may hold what stands for a value.
        parts = sql.split("?")
        for number, part in enumerate(parts):
            out.append(part)
            if number == len(parts) - 1:
                break
            out.append(escape if part.endswith("ESCAPE ") else _value(given.pop(0)))
        return "".join(out)

    def literal(self, text: str) -> str:
        return literal(text)

    def newest(self, column: str) -> str:
        # An array of all rows' would have to be held; numbers of one length are in order as texts.
        return f"""substr(max((lpad(us::text, 20, '0') || {column}) COLLATE "C"), 21)"""

    def piece(self, edges: Sequence[int]) -> str:
        given = array_literal(edges, "bigint")
        return f"({given})[greatest(width_bucket(us, {given}), 1)]"

    def text(self, column: str) -> str:
        return f"{column}::text"

    def money(self, column: str) -> str:
        return f"{column}::bigint" if column.strip('"') in _MONEY else column

    def by_lens(
        self, source: str, where: str, piece: str, name: str | None, keys: Sequence[tuple[int, str, bool]],
        parts: Mapping[str, str], trusted: Mapping[str, str],
    ) -> str:  # fmt: skip
        rows = ", ".join(
            f"({number}, k{number}, {'us / 900000000' if quarters else '0::bigint'})" for number, _, quarters in keys
        )
        inner = [
            "us", f"{piece} AS piece", *(f"{column}::text AS k{number}" for number, column, _ in keys),
            *(f"{part} AS ct_{one}" for one, part in {**parts, **trusted}.items()),
        ]  # fmt: skip
        named = "0::bigint, NULL::text"
        if name is not None:
            inner.append(f"lpad(us::text, 20, '0') || {name} AS named")
            of = " OR ".join(f"number = {number}" for number, column, _ in keys if column == '"token"')
            newest = f'max(named COLLATE "C") FILTER (WHERE {of})'
            named = f"coalesce(left({newest}, 20)::bigint, 0), substr({newest}, 21)"
        sums = [*(f"coalesce(sum(ct_{one}), 0)" for one in parts),
                *(f"coalesce(sum(ct_{one}) FILTER (WHERE number = {keys[0][0]}), 0)" for one in trusted)]  # fmt: skip
        return (
            f"SELECT number, value, quarter, piece, max(us), {named}, {', '.join(sums)} "
            f"FROM (SELECT {', '.join(inner)} FROM {source} WHERE {where} OFFSET 0) AS asked "
            f"CROSS JOIN LATERAL (VALUES {rows}) AS lens(number, value, quarter) GROUP BY number, value, quarter, piece"
        )


def _sent(value: object, kind: str) -> object:
    if kind != "TIMESTAMP":
        return value
    if value is None:
        return "infinity"
    assert isinstance(value, int)
    return (_EPOCH + timedelta(microseconds=value)).replace(tzinfo=None).isoformat(" ")


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(literal(str(each)) for each in value) or 'NULL'})"
    if isinstance(value, Decimal):
        return f"({value:f})"
    return f"({value})" if isinstance(value, int) else literal(str(value))
