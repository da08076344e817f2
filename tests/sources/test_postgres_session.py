"""The PostgreSQL session: read-only, guarded, named, without secrets in what it says, and back after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.errors import SourceDenied, SourceError, UserError
from cost_top.sources.sql.databases import database_at
from cost_top.sources.sql.inspect import inspect
from cost_top.sources.sql.log import open_log
from support.far import FarAway
from support.reading import LONG_AGO, normal, records

SECRET = "hunter2-not-to-be-seen"


@pytest.fixture(scope="module")
def log_url(postgres_server, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(
            f"INSERT INTO {native.TABLE} (id, time_ms, model, cost_pico_usd, tags) "
            "SELECT 'r' || n, 1800000000000 + n, 'gpt-5-mini', n, '[\"prod\"]' FROM generate_series(1, 5000) n"
        )
        connection.execute(f"ANALYZE {native.TABLE}")
    return postgres_url


def execute(url, sql):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql)


@pytest.fixture
def role(postgres_server, log_url):
    """A user who may log in and nothing else; the URL to do so."""
    name = f"reader_{time.monotonic_ns()}"
    execute(log_url, f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'")
    database = log_url.rsplit("/", 1)[1]
    yield name, postgres_server.url(database, name, SECRET)
    execute(log_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_native_log(log_url):
    found = records(open_log(log_url))
    assert len(found) == 5000
    one = next(row for row in found if row["id"] == "r7")
    assert (one["model"], one["reported_cost"], one["tags"], one["provider"]) == ("gpt-5-mini", 7, ["prod"], None)


@pytest.mark.parametrize(
    "sql",
    [
        f"DELETE FROM {native.TABLE}",
        "CREATE TABLE x (a int)",
        "CREATE TEMP TABLE x AS SELECT 1",
        f"SELECT id FROM {native.TABLE} FOR UPDATE",
        "SELECT nextval('made')",
    ],
)
def test_a_write_through_the_connection_fails(log_url, sql):
    execute(log_url, "CREATE SEQUENCE IF NOT EXISTS made")
    source = open_log(log_url)
    with source.connect() as reader:
        for query in (True, False):
            with pytest.raises(SourceError):
                reader.session.values(sql, query=query)
        assert source.database.read_only(reader.session)
    assert execute(log_url, f"SELECT count(*) FROM {native.TABLE}").fetchone() == (5000,)


def test_every_guard_is_on_in_every_session(log_url):
    settings = {
        "transaction_read_only": "on", "default_transaction_read_only": "on", "statement_timeout": "7s",
        "lock_timeout": "2s", "idle_in_transaction_session_timeout": "1min", "TimeZone": "UTC",
        "application_name": "cost-top", "client_encoding": "UTF8", "client_min_messages": "error",
    }  # fmt: skip
    source = open_log(log_url, statement_timeout=7)
    with source.connect() as first, source.connect() as second:
        for reader in (first, second):
            shown = ", ".join(f"current_setting('{name}') AS s{place}" for place, name in enumerate(settings))
            assert reader.session.values(f"SELECT {shown}") == [tuple(settings.values())]


def test_guards_cannot_be_undone_by_the_url_or_the_environment(log_url, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=off -c search_path=public")
    for url in (log_url, f"{log_url}?options=-c%20default_transaction_read_only%3Doff"):
        source = open_log(url)
        with source.connect() as reader:
            assert source.database.read_only(reader.session)


def test_no_transaction_stays_open(log_url):
    source = open_log(log_url)
    with source.connect() as reader:
        assert reader.newest() is not None
        with reader.rows(LONG_AGO, None, True) as stream:
            normal(reader, stream)
        states = execute(log_url, "SELECT state FROM pg_stat_activity WHERE application_name = 'cost-top'").fetchall()
    assert states
    assert set(states) == {("idle",)}


def test_a_slow_statement_is_broken_off(log_url):
    source = open_log(log_url, statement_timeout=0.3)
    with source.connect() as reader:
        with pytest.raises(SourceError, match="longer than the statement timeout"):
            reader.session.values("SELECT count(*) FROM generate_series(1, 10000000000) n")
        assert reader.newest() is not None


def test_a_lock_is_not_waited_for_long(log_url):
    source = open_log(log_url)
    with source.connect() as reader, psycopg.connect(log_url) as other:
        other.execute(f"LOCK TABLE {native.TABLE} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match="lock timeout"):
            reader.newest()
        other.rollback()
        assert reader.newest() is not None


def test_cancel_from_another_thread(log_url):
    source = open_log(log_url)
    with source.connect() as reader, psycopg.connect(log_url, autocommit=True) as other:

        def cancel_what_runs() -> None:
            running = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()"
            while other.execute(f"{running} AND state = 'active'").fetchone() is None:
                time.sleep(0.01)
            reader.cancel()

        canceller = threading.Thread(target=cancel_what_runs)
        canceller.start()
        with pytest.raises(SourceError, match="broken off"):
            reader.session.values("SELECT pg_sleep(30)::text AS x")
        canceller.join()
        reader.cancel()
        assert reader.newest() is not None


def test_a_stream_that_breaks_half_way(log_url):
    source = open_log(log_url)
    with source.connect() as reader:
        with pytest.raises(SourceError, match="division by zero"):
            reader.session.values("SELECT 1 / (n - 200000) AS x FROM generate_series(1, 300000) n")
        assert reader.newest() is not None


def test_a_connection_that_is_cut_is_opened_again(log_url):
    source = open_log(log_url)
    with source.connect() as reader:
        assert reader.newest() is not None
        execute(log_url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cost-top'")
        with pytest.raises(SourceError):
            reader.newest()
        assert reader.newest() is not None


def test_a_database_that_is_gone_and_back(postgres_server, log_url):
    source = open_log(log_url)
    with source.connect() as reader:
        assert reader.newest() is not None
        postgres_server.stop(quick=False)
        try:
            for _ in range(2):
                with pytest.raises(SourceError) as raised:
                    reader.newest()
                assert not isinstance(raised.value, SourceDenied)
        finally:
            postgres_server.restart()
        assert reader.newest() is not None


def test_tail_overlap_and_repeats_are_served_by_the_index(log_url):
    source = open_log(log_url)
    made = source.statements
    with source.connect() as reader:
        newest = reader.newest()
        for sql in (made.rows(newest, None, True), made.fingerprints(newest, None), made.rows_at([newest], True),
                    made.newest(), made.oldest()):  # fmt: skip
            used, plan = source.database.plan(reader.session, sql)
            assert used, plan
        execute(log_url, "DROP INDEX cost_top_requests_time")
        try:
            used, plan = source.database.plan(reader.session, made.fingerprints(newest, None))
            assert not used
            assert "Seq Scan" in plan
        finally:
            execute(log_url, native.DDL)
        assert reader.session.values("SELECT current_setting('enable_seqscan') AS v") == [("on",)]


def test_the_right_to_read_is_lost_and_granted_again(log_url, role):
    name, url = role
    with pytest.raises(UserError, match=r"no right to read cost_top_requests; GRANT USAGE"):
        open_log(url)
    execute(log_url, f"GRANT SELECT ON {native.TABLE} TO {name}")
    source = open_log(url)
    with source.connect() as reader:
        assert reader.newest() is not None
        execute(log_url, f"REVOKE SELECT ON {native.TABLE} FROM {name}")
        with pytest.raises(SourceDenied, match="permission denied") as raised:
            reader.newest()
        assert SECRET not in str(raised.value)
        execute(log_url, f"GRANT SELECT ON {native.TABLE} TO {name}")
        assert reader.newest() is not None


def test_columns_that_may_not_be_read_are_missing_ones(log_url, role):
    name, url = role
    execute(log_url, f"GRANT SELECT (id, time_ms, model) ON {native.TABLE} TO {name}")
    source = open_log(url)
    assert records(source)[0]["model"] == "gpt-5-mini"
    assert source.notes[0].startswith("the log has no columns for, or none that this user may read: provider, ")
    assert "reported_cost" in source.notes[0]
    grants = " ".join(inspect(source).grants)
    assert all(f'"{name}"' in grants for name in ("id", "model", "cost_pico_usd", "user_id"))


def test_a_password_that_is_no_longer_right(log_url, role):
    name, url = role
    execute(log_url, f"GRANT SELECT ON {native.TABLE} TO {name}")
    source = open_log(url)
    execute(log_url, f"ALTER ROLE {name} PASSWORD 'another'")
    with source.connect() as reader:
        with pytest.raises(SourceDenied) as raised:
            reader.newest()
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("postgres:", "postgres:wrong"), "password authentication failed"),
        (lambda url: url.rsplit("/", 1)[0] + "/no_such_database", "does not exist"),
        (lambda url: url.replace("127.0.0.1", "127.0.0.1:1/x?host=127.0.0.1&port=1&a="), "invalid URI"),
        (lambda _: f"postgresql://me:{SECRET}@127.0.0.1:1/x", r": 127.0.0.1:1: Connection refused;"),
        (lambda _: f"postgresql://me:{SECRET}@no-such-host.invalid/x", "could not translate host name"),
        (lambda _: f"postgresql://me:{SECRET}@127.0.0.1:1/x?colour={SECRET}", "invalid URI query parameter"),
        (lambda _: f"postgresql://me:{SECRET}@[::1/x", "cannot be read"),
        (lambda _: f"postgresql://me:{SECRET}@127.0.0.1:port/x", "cannot be read"),
        (lambda _: f"postgresql://me:{SECRET}%zz@127.0.0.1:1/x", "percent"),
    ],
)
def test_what_a_user_can_mend_is_one_line_without_the_password(log_url, postgres_server, change, words):
    with pytest.raises(UserError, match=words) as raised:
        open_log(change(log_url))
    shown = f"{raised.value}{raised.value!r}{raised.value.__cause__}"
    assert "\n" not in str(raised.value)
    assert SECRET not in shown
    assert postgres_server.password not in shown


def test_nothing_of_a_source_shows_its_password(log_url, postgres_server):
    source = open_log(log_url)
    with source.connect() as reader:
        shown = f"{source!r}{source.label}{source.identity}{source.preset}{reader!r}{source.database!r}{source.notes}"
    assert postgres_server.password not in shown


def test_the_identity_is_the_place_not_the_password(log_url, role):
    name, url = role
    execute(log_url, f"GRANT SELECT ON {native.TABLE} TO {name}")
    assert open_log(url).identity == open_log(log_url).identity
    assert open_log(log_url).label.startswith("cost-top@")


def test_passwords_from_the_environment_and_the_password_file(log_url, postgres_server, monkeypatch, tmp_path):
    bare = log_url.replace(f":{postgres_server.password}@", "@")
    monkeypatch.setenv("PGPASSWORD", postgres_server.password)
    assert open_log(bare).preset.name == "cost-top"
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pgpass").write_text(f"127.0.0.1:{postgres_server.port}:*:postgres:{postgres_server.password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    assert open_log(bare).preset.name == "cost-top"
    database = log_url.rsplit("/", 1)[1]
    (tmp_path / "services").write_text(f"[prod]\nhost=127.0.0.1\nport={postgres_server.port}\ndbname={database}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert open_log("postgresql://postgres@/?service=prod").label == "cost-top@prod"
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="no password supplied"):
        open_log(bare)


def test_urls_as_other_programs_write_them(log_url):
    for url in (
        log_url.replace("postgresql://", "postgres://"),
        log_url.replace("postgresql://", "postgresql+psycopg://"),
        f"{log_url}?schema=public&connection_limit=100&pool_timeout=60",
        f"{log_url}?sslmode=prefer",
    ):
        assert open_log(url).preset.name == "cost-top"


def test_a_log_in_two_schemas_is_asked_about(log_url):
    execute(log_url, f"CREATE SCHEMA one; CREATE TABLE one.{native.TABLE} (LIKE {native.TABLE})")
    execute(log_url, f"CREATE SCHEMA two; CREATE TABLE two.{native.TABLE} (LIKE {native.TABLE})")
    try:
        assert len(records(open_log(log_url))) == 5000, "the one on the search path"
        assert records(open_log(f"{log_url}?schema=one")) == []
        assert open_log(f"{log_url}?schema=one").identity != open_log(f"{log_url}?schema=two").identity
        execute(log_url, f"ALTER TABLE {native.TABLE} RENAME TO aside")
        with pytest.raises(UserError, match=r"several schemas: one, two; .*\?schema=NAME"):
            open_log(log_url)
    finally:
        execute(log_url, "ALTER TABLE IF EXISTS aside RENAME TO cost_top_requests")
        execute(log_url, "DROP SCHEMA one CASCADE; DROP SCHEMA two CASCADE")


def test_the_driver_is_an_extra():
    code = (
        "import sys; sys.modules['adbc_driver_postgresql'] = None\n"
        "from cost_top.sources.sql.log import open_log\n"
        "try: open_log('postgresql://me@127.0.0.1:1/x')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert "UserError" in done.stdout
    assert "pip install 'cost-top[postgres]'" in done.stdout


def test_the_time_on_the_way_is_not_the_databases(log_url):
    parts = urlsplit(log_url)
    far = FarAway(parts.port or 5432, 0.05)
    try:
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        source = open_log(urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{far.port}")))
        with source.connect() as reader:
            reader.newest()
            before, started = reader.statistics.database_ms, time.perf_counter()
            for _ in range(5):
                reader.newest()
            elapsed = (time.perf_counter() - started) * 1000
        assert elapsed > 5 * 100, "every statement travels there and back at least once"
        assert reader.statistics.database_ms - before < elapsed / 3
    finally:
        far.close()


def test_a_log_without_an_index_on_time_is_told_and_gently_read(postgres_server):
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(native.DDL.split("CREATE INDEX")[0])
            connection.execute(
                "INSERT INTO cost_top_requests (id, time_ms) SELECT 'r' || n, "
                "(extract(epoch FROM now()) * 1000)::bigint - n * 20000 FROM generate_series(1, 100000) n"
            )
            connection.execute("ANALYZE cost_top_requests")
        source = open_log(url)
        assert not source.indexed
        assert any("no index of cost_top_requests serves its time" in note for note in source.notes)
    finally:
        postgres_server.drop_database(name)


def test_a_partitioned_log_whose_newest_partition_has_ended_has_its_index(postgres_server):
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                f"CREATE TABLE {native.TABLE} (id TEXT, time_ms BIGINT, PRIMARY KEY (id, time_ms)) "
                "PARTITION BY RANGE (time_ms)"
            )
            connection.execute(f"CREATE INDEX ON {native.TABLE} (time_ms, id)")
            connection.execute(f"CREATE TABLE old PARTITION OF {native.TABLE} FOR VALUES FROM (0) TO (1000)")
            connection.execute(f"INSERT INTO {native.TABLE} (id, time_ms) VALUES ('a', 7)")
        assert open_log(url).indexed
    finally:
        postgres_server.drop_database(name)


def test_a_connection_that_breaks_while_it_is_asked_about_itself_is_closed(monkeypatch):
    class Broken:
        closed = False

        def cursor(self):
            raise ConnectionResetError

        def close(self):
            self.closed = True

    broken = Broken()
    monkeypatch.setattr("adbc_driver_postgresql.dbapi.connect", lambda *_, **__: broken)
    with pytest.raises(ConnectionResetError):
        database_at("postgresql://db.example.com/logs", 5).connect()
    assert broken.closed


@pytest.mark.parametrize("statements", [
    ("ALTER TABLE {0} DROP COLUMN last", "ALTER TABLE {0} ADD COLUMN last text DEFAULT 'same'"),
    ("ALTER TABLE {0} RENAME owner TO o", "ALTER TABLE {0} RENAME team TO owner", "ALTER TABLE {0} RENAME o TO team"),
    ("ALTER TYPE kind RENAME VALUE 'a' TO 'b'",),
    ("ALTER TABLE {0} ENABLE ROW LEVEL SECURITY", "CREATE POLICY own ON {0} FOR SELECT USING (model <> 'm')"),
])  # fmt: skip
def test_what_changes_rows_without_writing_one_is_in_the_evidence(postgres_server, statements):
    name = postgres_server.create_database()
    url = postgres_server.url(name)
    reads = "reads_" + name
    for sql in (native.DDL, "CREATE TYPE kind AS ENUM ('a')", f"ALTER TABLE {native.TABLE} ADD COLUMN k kind",
                f"ALTER TABLE {native.TABLE} ADD COLUMN last text", f"CREATE ROLE {reads} LOGIN PASSWORD 'x'",
                f"GRANT SELECT ON {native.TABLE} TO {reads}"):  # fmt: skip
        execute(url, sql)
    reader_url = postgres_server.url(name, reads, "x")
    source = open_log(reader_url)
    with source.connect() as reader:

        def evidence():
            return source.database.evidence(reader.session, source.facts.schema, source.facts.table)[0]

        before = evidence()
        assert before.text is not None
        assert evidence() == before
        for sql in statements:
            execute(url, sql.format(native.TABLE))
        assert evidence().text != before.text
    hidden = [note for note in open_log(reader_url).notes if "row security" in note]
    assert len(hidden) == inspect(open_log(reader_url)).hides_rows == ("POLICY" in statements[-1])
