"""A cost that is there and no amount is made up by no rate, wherever the log lives and whoever adds it up."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.reports import asked_report
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.reading import fingerprints

NOW = datetime.now(UTC).replace(microsecond=0)
AT = int(NOW.timestamp()) - 3600
MAPPING = """\
name = "n"
table = "calls"
id = "id"
[time]
column = "at"
unit = "epoch_s"
[cost]
unit = "{unit}"
[fields]
provider = {{ value = "openai" }}
model = {{ value = "gpt-5" }}
input_tokens = "tokens"
reported_cost = "cost"
"""
BY_RATES, HALF_A_DOLLAR = 100 * 1_250_000, 500_000_000_000
INFINITE = float("inf")
# Type, unit, half a dollar, what is absent, what is no amount.
SQLITE = [
    ("TEXT", "usd", "0.5", ["", None, "null"], ["abc", "NaN", "1e30", "1,20", "99999999", b"\xff", b"0.5", "bytes"]),
    ("REAL", "usd", 0.5, ["", None, "null"], ["abc", 1e30, 9e99, INFINITE, -INFINITE, b"x"]),
    ("INTEGER", "pico_usd", HALF_A_DOLLAR, ["", None], ["abc", 2**63 - 1, 1e30, -1e30, "1,20"]),
    ("INTEGER", "nano_usd", 500_000_000, [None], [2**62, -(2**62)]),
]
POSTGRESQL = [
    ("text", "usd", "0.5", ["", None, "null"], ["abc", "NaN", "1e30", "1,20", "99999999"]),
    ("double precision", "usd", 0.5, [None], ["NaN", 1e30, "Infinity", "-Infinity"]),
    ("double precision", "nano_usd", 500_000_000, [None], ["NaN", 1e30]),
    ("numeric", "usd", 0.5, [None], ["NaN", 10**30]),
    ("bigint", "pico_usd", HALF_A_DOLLAR, [None], [-(2**63)]),
    ("bigint", "nano_usd", 500_000_000, [None], [2**63 - 1, -(2**63)]),
]
CLICKHOUSE = [
    ("Nullable(String)", "usd", "0.5", ["", None, "null"], ["abc", "NaN", "1e30", "1,20", "99999999"]),
    ("Nullable(Float64)", "usd", 0.5, [None], [1e30, "inf", "nan"]),
    ("Nullable(Int64)", "nano_usd", 500_000_000, [None], [2**63 - 1, -(2**63)]),
]


def rows_of(half, absent, odd):
    return [(f"r{number}", AT + number, 100, cost) for number, cost in enumerate([half, *absent, *odd])]


def mapped(folder, location, unit):
    path = folder / "map.toml"
    path.write_text(MAPPING.format(unit=unit))
    return open_log(location, path)


def asked(report, absent, odd):
    """`report` answers a query."""

    def totals(where=""):
        query = ReportQuery(NOW - timedelta(days=1), NOW, ("mode",), parse_filter(where))
        return report(query).totals

    found = totals()
    assert (found.request_count, found.unpriced_count) == (1 + len(absent) + len(odd), len(odd))
    assert found.total_cost == HALF_A_DOLLAR + len(absent) * BY_RATES
    assert totals("mode:unreadable_cost").request_count == len(odd)
    assert totals("doubt:mode").request_count == len(odd)


def mirrored(source, absent, odd):
    mirror = read_period(source, RateBook.load(None), None, Period(NOW - timedelta(days=2), NOW))
    try:
        asked(lambda query: mirror.report(query, NOW), absent, odd)
    finally:
        mirror.close()


def placed(source, absent, odd):
    cluster = Cluster(source, RateBook.load(None))
    try:
        cluster.learn(NOW)
        asked(lambda query: asked_report(cluster, query, NOW), absent, odd)
    finally:
        cluster.close()


@pytest.mark.parametrize(("declared", "unit", "half", "absent", "odd"), SQLITE)
def test_in_sqlite(tmp_path, declared, unit, half, absent, odd):
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE calls (id TEXT PRIMARY KEY, at INTEGER, tokens INTEGER, cost {declared})")
        connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", rows_of(half, absent, odd))
        # It takes a text that is no UTF-8 as well.
        connection.execute("UPDATE calls SET cost = CAST(x'302e35ff' AS TEXT) WHERE cost = 'bytes'")
    mirrored(mapped(tmp_path, str(path), unit), absent, odd)
    before = fingerprints(mapped(tmp_path, str(path), unit))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calls SET cost = NULL WHERE id = ?", [f"r{len(absent) + len(odd)}"])
    connection.close()
    assert sorted(before.items()) != sorted(fingerprints(mapped(tmp_path, str(path), unit)).items())


@pytest.mark.parametrize(("declared", "unit", "half", "absent", "odd"), POSTGRESQL)
def test_in_postgresql(tmp_path, postgres_url, declared, unit, half, absent, odd):
    with psycopg.connect(postgres_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS calls")
        cursor.execute(f"CREATE TABLE calls (id text PRIMARY KEY, at bigint, tokens bigint, cost {declared})")
        cursor.executemany("INSERT INTO calls VALUES (%s, %s, %s, %s)", rows_of(half, absent, odd))
    mirrored(mapped(tmp_path, postgres_url, unit), absent, odd)
    placed(mapped(tmp_path, postgres_url, unit), absent, odd)


@pytest.mark.parametrize(("declared", "unit", "half", "absent", "odd"), CLICKHOUSE)
def test_in_clickhouse(tmp_path, clickhouse_server, declared, unit, half, absent, odd):
    name = clickhouse_server.create_database()
    clickhouse_server.run(
        f"CREATE TABLE calls (id String, at Int64, tokens Int64, cost {declared}) ENGINE = MergeTree ORDER BY (at, id)",
        name,
    )
    lines = (json.dumps(dict(zip(("id", "at", "tokens", "cost"), row, strict=True)))
             for row in rows_of(half, absent, odd))  # fmt: skip
    clickhouse_server.run("INSERT INTO calls FORMAT JSONEachRow\n" + "\n".join(lines), name)
    try:
        placed(mapped(tmp_path, clickhouse_server.url(name), unit), absent, odd)
    finally:
        clickhouse_server.drop_database(name)
