"""The MySQL session on a real MariaDB: read-only, guarded, in UTC and utf8mb4, and back after a failure."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, date, datetime
from typing import ClassVar

import pymysql
import pytest

from cost_top.gateways.dialects.mysql import MysqlSpelling
from cost_top.model.errors import SourceDenied, SourceError, UserError
from cost_top.sources.base import Statistics
from cost_top.sources.sql.arrow import _held
from cost_top.sources.sql.log import open_log
from cost_top.sources.sql.mysql import MysqlDatabase
from cost_top.sources.sql.session import Session
from support.reading import LONG_AGO, normal, records

SECRET = "hunter2-not-to-be-seen"
MAPPING = """\
name = "own"
table = "calls"
id = "id"
[time]
column = "at"
unit = "epoch_ms"
[fields]
model = "model"
input_tokens = "tokens"
reported_cost = "cost"
"""
AT = int(datetime(2026, 11, 10, 9, tzinfo=UTC).timestamp()) * 1000


@pytest.fixture
def database(mariadb_server):
    name = mariadb_server.create_database()
    mariadb_server.run(
        "CREATE TABLE calls (id VARCHAR(40) PRIMARY KEY, at BIGINT, model TEXT, tokens INT, cost DECIMAL(20,10), "
        "KEY (at))",
        name,
    )
    mariadb_server.run(
        f"INSERT INTO calls SELECT CONCAT('r', seq), {AT} + seq, 'gpt-5-mini', seq, seq / 1000 FROM seq_1_to_5000", name
    )
    yield name
    mariadb_server.drop_database(name)


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(MAPPING)
    return path


def test_the_rows_arrive_exactly(mariadb_server, database, mapping):
    found = records(open_log(mariadb_server.url(database), mapping))
    assert len(found) == 5000
    assert sum(row["reported_cost"] for row in found) == 12_502_500 * 10**9
    assert not _held, "every buffer given to DuckDB was freed"


@pytest.mark.parametrize("sql", ["DELETE FROM calls", "CREATE TABLE x (a INT)", "UPDATE calls SET tokens = 1"])
def test_a_write_through_the_connection_fails(mariadb_server, database, mapping, sql):
    source = open_log(mariadb_server.url(database), mapping)
    with source.connect() as reader, pytest.raises(SourceError, match="READ ONLY"):
        reader.session.values(sql)
    assert mariadb_server.run("SELECT count(*), sum(tokens) FROM calls", database) == [(5000, 12_502_500)]


def test_every_guard_is_on_in_every_session(mariadb_server, database):
    session = Session(MysqlDatabase(mariadb_server.url(database), statement_timeout=7), Statistics())
    asked = (
        "CAST(@@max_statement_time AS CHAR), @@time_zone, @@character_set_results, CAST(@@lock_wait_timeout AS CHAR)"
    )
    assert session.values(f"SELECT {asked}") == [("7.000000", "+00:00", "utf8mb4", "2")]
    assert session.database.read_only(session)
    session.close()


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        ("5.5.5-10.11.6-MariaDB-0+deb12u1", ["max_statement_time = 7"]),
        ("8.4.3", ["max_execution_time = 7000", "max_statement_time = 7"]),
        ("8.0.36-28", ["max_execution_time = 7000", "max_statement_time = 7"]),
        ("8.0.mysql_aurora.3.04.0", ["max_execution_time = 7000", "max_statement_time = 7"]),
    ],
)
def test_the_limit_follows_the_server_s_version_and_holds_where_that_is_not_true(
    mariadb_server, database, monkeypatch, version, spoken
):
    class Greeted(pymysql.connections.Connection):
        """A connection to this MariaDB, which greets as another server."""

        limits: ClassVar[list[str]] = []

        def _get_server_information(self):
            super()._get_server_information()
            self.server_version = version

        def query(self, sql, unbuffered=False):
            if found := re.search("max_[a-z]+_time = .*", str(sql)):
                self.limits.append(found[0])
            return super().query(sql, unbuffered)

    monkeypatch.setattr(pymysql, "connect", Greeted)
    log = MysqlDatabase(mariadb_server.url(database), statement_timeout=7)
    session = Session(log, Statistics())
    assert session.values("SELECT CAST(@@max_statement_time AS CHAR)") == [("7.000000",)]
    assert log.read_only(session)
    assert log.version(session).startswith("MariaDB")
    session.close()
    assert Greeted.limits == spoken


def test_a_slow_statement_is_broken_off_and_the_connection_lives(mariadb_server, database):
    session = Session(MysqlDatabase(mariadb_server.url(database), statement_timeout=0.3), Statistics())
    with pytest.raises(SourceError, match="longer than the statement timeout"):
        session.values("SELECT count(*) AS n FROM calls a, calls b, calls c WHERE a.tokens + b.tokens <> c.tokens")
    assert session.values("SELECT 1 AS one") == [(1,)]
    session.close()


def test_reading_can_be_cancelled_from_another_thread(mariadb_server, database):
    session = Session(MysqlDatabase(mariadb_server.url(database)), Statistics())

    def cancel_what_runs() -> None:
        running = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT count(*) AS n FROM calls a,%'"
        while not mariadb_server.run(running):
            time.sleep(0.01)
        session.cancel()

    canceller = threading.Thread(target=cancel_what_runs)
    canceller.start()
    started = time.monotonic()
    with pytest.raises(SourceError, match="broken off"):
        session.values("SELECT count(*) AS n FROM calls a, calls b, calls c WHERE a.tokens + b.tokens <> c.tokens")
    assert time.monotonic() - started < 30
    canceller.join()
    assert session.values("SELECT 1 AS one") == [(1,)]
    session.close()


def test_a_connection_that_was_killed_is_an_error_once(mariadb_server, database, mapping):
    source = open_log(mariadb_server.url(database), mapping)
    with source.connect() as reader:
        assert reader.newest() is not None
        number = reader.session.values("SELECT CONNECTION_ID() AS n")[0][0]
        mariadb_server.run(f"KILL {number}")
        with pytest.raises(SourceError):
            reader.newest()
        assert reader.newest() is not None


def test_a_server_that_is_gone_and_back_is_read_again(mariadb_server, database, mapping):
    source = open_log(mariadb_server.url(database), mapping)
    with source.connect() as reader:
        before = reader.newest()
        assert before is not None
        mariadb_server.stop(quick=False)
        try:
            for _ in range(2):
                with pytest.raises(SourceError):
                    reader.newest()
        finally:
            mariadb_server.start()
        assert reader.newest() == before


def test_a_locked_table_is_an_error_soon_and_read_once_it_is_free(mariadb_server, database, mapping):
    source = open_log(mariadb_server.url(database), mapping)
    with source.connect() as reader:
        writer = mariadb_server.connect(database)
        writer.cursor().execute("LOCK TABLES calls WRITE")
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"[Ll]ock wait timeout"):
            reader.newest()
        assert time.monotonic() - started < 20
        writer.close()
        assert reader.newest() is not None


def test_an_answer_left_unread_harms_nothing(mariadb_server, database, mapping):
    source = open_log(mariadb_server.url(database), mapping)
    with source.connect() as reader:
        with reader.rows(LONG_AGO, None, True):
            pass
        with reader.rows(LONG_AGO, None, True) as stream:
            assert len(normal(reader, stream)) == 5000
    assert not _held


def test_a_user_with_column_grants_reads_and_one_without_is_told(mariadb_server, database, mapping):
    mariadb_server.run(f"CREATE OR REPLACE USER 'reader'@'%' IDENTIFIED BY '{SECRET}'")
    url = mariadb_server.url(database, "reader", SECRET)
    with pytest.raises((UserError, SourceDenied)) as refused:
        open_log(url, mapping)
    assert SECRET not in str(refused.value)
    mariadb_server.run(f"GRANT SELECT (id, at, model, tokens, cost) ON {database}.calls TO 'reader'@'%'")
    assert len(records(open_log(url, mapping))) == 5000
    with pytest.raises(UserError, match="Access denied") as wrong:
        open_log(mariadb_server.url(database, "reader", "wrong-password"), mapping)
    assert "wrong-password" not in str(wrong.value)


def test_a_changed_day_changes_its_check(mariadb_server, database, mapping):
    source = open_log(mariadb_server.url(database), mapping)
    day = (date(2026, 11, 10), date(2026, 11, 11))
    with source.connect() as reader:
        before = list(reader.day_counts(*day))
        mariadb_server.run("UPDATE calls SET tokens = tokens + 1 WHERE id = 'r7'", database)
        mariadb_server.run("UPDATE calls SET tokens = tokens - 1 WHERE id = 'r8'", database)
        same = list(reader.day_counts(*day))
        mariadb_server.run("UPDATE calls SET cost = cost + 0.0000000001 WHERE id = 'r7'", database)
        after = list(reader.day_counts(*day))
    assert len(before[0].check) > 10
    assert before == same
    assert before != after


def test_the_index_is_told_from_a_scan(mariadb_server, database):
    session = Session(MysqlDatabase(mariadb_server.url(database)), Statistics())
    assert session.database.plan(session, f"SELECT id FROM calls WHERE at >= {AT + 4900}")[0]
    assert not session.database.plan(session, "SELECT id FROM calls WHERE tokens > 4900")[0]
    session.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://host", "names no database"), ("mysql://host:x/db", "cannot be read"),
        ("mysql://host/db?sslmode=on", "sslmode is not known"), ("mysql://host/db?ssl-mode=maybe", "must be one of"),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_is_refused(url, words):
    with pytest.raises(UserError, match=words):
        MysqlDatabase(url)


def test_hostile_text_is_a_literal_and_nothing_else(mariadb_server, database):
    session = Session(MysqlDatabase(mariadb_server.url(database)), Statistics())
    spelling = MysqlSpelling()
    for text in ("\\", "\\'", "' OR 1=1 -- ", "a\\' OR '1'='1", '"', "`", "%s %(x)s", ":name", "日本\U0001f600"):
        literal = spelling.literal(text)
        joined = spelling.spell(spelling.concatenated([literal, spelling.literal("/"), literal]))
        assert session.values(f"SELECT {joined} AS v") == [(f"{text}/{text}",)]
        name = spelling.quoted(text.replace("\U0001f600", ""))  # identifiers are of three bytes a letter at most
        assert session.values(f"SELECT 1 AS {name}") == [(1,)]
    session.close()


def test_a_way_to_log_in_that_needs_another_package_is_told_what_to_do(monkeypatch):
    """What PyMySQL raises for MySQL 8's own way without TLS."""

    def connect(**_):
        raise RuntimeError("'cryptography' package is required for sha256_password or caching_sha2_password auth")

    monkeypatch.setattr("pymysql.connect", connect)
    with pytest.raises(UserError, match=r"needs TLS or another package: add \?ssl-mode=REQUIRED"):
        open_log("mysql://reader@db.example.com/gateway")
