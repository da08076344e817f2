"""The ClickHouse session on its real engine: read-only, bounded, known to operators, and back after a failure."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from cost_top.model.errors import SourceDenied, SourceError, UserError
from cost_top.sources.base import Statistics
from cost_top.sources.clickhouse.database import LIMITS, ClickhouseDatabase
from cost_top.sources.sql.arrow import _held
from cost_top.sources.sql.log import open_log
from cost_top.sources.sql.session import Session
from support.clickhouse_server import BOUND, DENIED
from support.reading import records

MAPPING = """\
name = "own"
table = "calls"
id = "id"
[time]
column = "at"
unit = "timestamptz"
[fields]
model = "model"
input_tokens = "tokens"
reported_cost = "cost"
tags = "labels"
"""
AT = datetime(2026, 11, 10, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(clickhouse_server):
    name = clickhouse_server.create_database()
    clickhouse_server.run(
        "CREATE TABLE calls (id String, at DateTime64(3, 'Europe/Berlin'), model LowCardinality(Nullable(String)), "
        "tokens UInt32, cost Nullable(Decimal(20, 10)), labels Map(String, String), version UInt8) "
        "ENGINE = ReplacingMergeTree(version) ORDER BY (at, id)",
        name,
    )
    rows = (
        f"SELECT concat('r', toString(number)), fromUnixTimestamp64Milli({int(AT.timestamp())} * 1000 + "
        "toInt64(number)), 'gpt-5-mini', number, number * {cost}, map('env', 'pr\\'od\\t'), {version} "
        "FROM numbers(1, 5000)"
    )
    # The older version of every row has other money.
    for version, cost in ((2, "toDecimal64('0.001', 10)"), (1, "toDecimal64('7', 10)")):
        sql = rows.replace("{cost}", cost).replace("{version}", str(version))
        clickhouse_server.run(f"INSERT INTO calls {sql}", name)
    yield name
    clickhouse_server.drop_database(name)


@pytest.fixture(scope="module")
def mapping(tmp_path_factory):
    path = tmp_path_factory.mktemp("mapping") / "own.toml"
    path.write_text(MAPPING)
    return path


def test_the_newest_version_of_each_row_arrives_exactly(clickhouse_server, database, mapping):
    found = records(open_log(clickhouse_server.url(database), mapping))
    assert len(found) == 5000
    assert sum(row["reported_cost"] for row in found) == 12_502_500 * 10**9
    assert found[0]["time"] == datetime(2026, 11, 10, 9, 0, 0, 1000)
    assert found[0]["tags"] == ["env:pr'od"]
    assert not _held, "every buffer given to DuckDB was freed"


@pytest.mark.parametrize("sql", ["ALTER TABLE calls DELETE WHERE 1", "CREATE TABLE x (a Int8) ENGINE = Memory"])
def test_a_write_through_the_connection_fails(clickhouse_server, database, mapping, sql):
    source = open_log(clickhouse_server.url(database), mapping)
    with source.connect() as reader, pytest.raises(SourceError, match="readonly"):
        reader.session.values(sql)


def test_every_limit_goes_with_every_statement(clickhouse_server, database):
    session = Session(ClickhouseDatabase(clickhouse_server.url(database) + "?max_threads=2", 7), Statistics())
    names = ("readonly", "max_execution_time", *LIMITS, "log_comment", "final", "session_timezone")
    asked = ", ".join(f"toString(getSetting('{name}')) AS `{name}`" for name in names)
    limits = {**LIMITS, "max_threads": 2}
    assert session.values(f"SELECT {asked}") == [("1", "7", *map(str, limits.values()), "cost-top", "true", "UTC")]
    assert session.database.read_only(session)
    session.close()


def test_a_statement_ends_with_its_limit_in_one_line(clickhouse_server, database):
    session = Session(ClickhouseDatabase(clickhouse_server.url(database), 1), Statistics())
    with pytest.raises(SourceError, match=r"took longer than the statement timeout$"):
        session.values("SELECT count() AS n FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))")
    small = Session(
        ClickhouseDatabase(clickhouse_server.url(database) + "?max_result_rows=10&max_memory_usage=20000000"),
        Statistics(),
    )
    with pytest.raises(SourceError, match="more than max_result_rows=10 rows"):
        small.values("SELECT number FROM numbers(100000)")
    with pytest.raises(SourceError, match="more memory than max_memory_usage=20000000 allows"):
        small.values("SELECT groupArray(toString(number)) AS n FROM numbers(9000000)")
    session.close()
    small.close()


def test_a_statement_under_way_can_be_broken_off(clickhouse_server, database):
    session = Session(ClickhouseDatabase(clickhouse_server.url(database)), Statistics())
    session.open()

    def cancel():
        deadline = time.monotonic() + 90
        seen = "SELECT count() FROM system.processes WHERE query LIKE '/* cost-top-%'"
        while clickhouse_server.run(seen).strip() == "0" and time.monotonic() < deadline:
            time.sleep(0.05)
        session.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(SourceError, match="broken off"):
        session.values("SELECT count() AS n FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))")
    thread.join()
    assert session.values("SELECT 1 AS n") == [(1,)]
    session.close()


def test_who_may_not_read_is_told_in_one_line_without_the_password(clickhouse_server, database, mapping):
    wrong = f"clickhouse://default:hunter2@127.0.0.1:{clickhouse_server.port}/{database}"
    with pytest.raises(UserError, match="Authentication failed") as failed:
        open_log(wrong, mapping)
    assert "hunter2" not in str(failed.value)
    session = Session(ClickhouseDatabase(clickhouse_server.url(database, DENIED)), Statistics())
    with pytest.raises(SourceDenied, match="Not enough privileges") as denied:
        session.values("SELECT * FROM secret_logs")
    assert clickhouse_server.password not in str(denied.value) + repr(session.database)
    session.close()


def test_a_user_that_may_set_nothing_is_refused_since_old_versions_would_count(clickhouse_server, database, mapping):
    with pytest.raises(UserError, match=r"may not set final, .*figures would be wrong; give its profile readonly = 2"):
        open_log(clickhouse_server.url(database, BOUND), mapping)


def test_user_and_password_may_be_in_the_environment(clickhouse_server, database, mapping, monkeypatch):
    monkeypatch.setenv("CLICKHOUSE_USER", "default")
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", clickhouse_server.password)
    assert open_log(f"clickhouse://127.0.0.1:{clickhouse_server.port}/{database}", mapping).label == f"own@{database}"


def test_without_its_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(UserError, match=r"pip install 'cost-top\[clickhouse\]'$"):
        open_log("clickhouse://nobody@127.0.0.1:1/x")


@pytest.mark.parametrize("url", ["clickhouse://h:x/db", "clickhouse://h/db?fast=1", "clickhouse://h/db?max_threads=no"])
def test_a_url_that_is_wrong_is_told(url):
    with pytest.raises(UserError, match=r"^clickhouse://: "):
        ClickhouseDatabase(url)


def test_a_server_that_is_gone_is_told_and_found_again(clickhouse_server, database):
    session = Session(ClickhouseDatabase(clickhouse_server.url(database)), Statistics())
    assert session.values("SELECT 1 AS n") == [(1,)]
    clickhouse_server.stop()
    try:
        with pytest.raises(SourceError, match="no answer from the server"):
            session.values("SELECT 1 AS n")
    finally:
        clickhouse_server.start()
    assert session.values("SELECT toInt64(count()) AS n FROM calls") == [(5000,)]
    session.close()
