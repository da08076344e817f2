"""The SQLite file itself: never written, never created, nothing left beside it, read while it is written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import adbc_driver_sqlite.dbapi
import pytest

from cost_top.model import native
from cost_top.model.errors import SourceChanged, SourceError, UserError
from cost_top.model.files import held, lock_of
from cost_top.sources.sql.log import open_log
from cost_top.sources.sql.sqlite import SqliteDatabase
from support.native_log import NativeLog
from support.other_process import holding, run_sql
from support.reading import LONG_AGO, fingerprints, normal, records

NEWER = 1_800_000_000_000


def beside(path):
    return sorted(item.name for item in path.parent.iterdir())


def test_a_closed_log_is_read_without_a_trace(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    assert beside(log.path) == ["gateway.db"]
    before = log.path.read_bytes()
    source = open_log(str(log.path))
    with source.connect() as reader:
        assert reader.newest() is not None
        assert beside(log.path) == ["gateway.db"]
    assert beside(log.path) == ["gateway.db"]
    assert log.path.read_bytes() == before


def test_a_file_that_is_changed_in_place_and_has_its_time_set_back_says_so(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    os.utime(log.path, ns=(10**18, 10**18))
    with open_log(str(log.path)).connect() as reader:
        before = reader.evidence()
        assert before == reader.evidence()
        with log.path.open("r+b") as file:  # as a copy over it does, not as SQLite does
            file.seek(-1, os.SEEK_END)
            file.write(b"\0")
        os.utime(log.path, ns=(10**18, 10**18))
        assert reader.evidence().text not in (before.text, None)


def test_a_live_log_is_followed(sqlite_log):
    log = sqlite_log()
    log.add()
    source = open_log(str(log.path))
    with source.connect() as reader:
        for count in range(2, 6):
            log.add()
            with reader.fingerprints(LONG_AGO, None) as stream:
                assert stream is not None
            assert len(records(source)) == count


def test_a_writer_that_comes_and_goes_is_followed(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        seen = [reader.newest()]
        for step in range(1, 5):
            run_sql(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('n{step}', {NEWER + step})")
            seen.append(reader.newest())
    assert len(set(seen)) == 5


def test_a_backup_that_is_copied_over_a_live_log_is_read_at_once(sqlite_log, tmp_path):
    log = sqlite_log()
    for _ in range(200):  # several pages, of which the write-ahead log will hold the last
        log.add(model="now")
    log.close()
    backup = shutil.copy(log.path, tmp_path / "backup.db")
    run_sql(backup, "UPDATE cost_top_requests SET model = 'old' WHERE rowid < 100")
    source = open_log(str(log.path))
    insert = f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('n', {NEWER})"
    with holding(log.path, insert), source.connect() as reader:

        def models() -> set[str | None]:
            with reader.rows(LONG_AGO, None, True) as stream:
                return {row["model"] for row in normal(reader, stream)}

        assert models() == {"now", None}
        subprocess.run(["cp", backup, log.path], check=True)
        assert "old" in models()


def test_a_write_under_a_reading_voids_it(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:

        def read() -> None:
            with reader.rows(LONG_AGO, None, True) as stream:
                run_sql(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('n', {NEWER})")
                normal(reader, stream)

        with pytest.raises(SourceChanged):
            read()
        with reader.rows(LONG_AGO, None, True) as stream:
            assert len(normal(reader, stream)) == 2


def test_a_reading_that_fails_because_of_a_write_under_it_is_void_too(sqlite_log, monkeypatch):
    log = sqlite_log()
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        monkeypatch.setattr(source.database, "raised", lambda error: isinstance(error, MemoryError))

        def read() -> None:
            with reader.rows(LONG_AGO, None, True):
                run_sql(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('n', {NEWER})")
                raise MemoryError("database disk image is malformed")

        with pytest.raises(SourceChanged):
            read()


def test_a_log_that_is_written_while_it_is_opened_is_opened_again(sqlite_log, monkeypatch):
    log = sqlite_log()
    log.add()
    log.close()
    opened = []

    def connect(location: str, **options: object) -> object:
        opened.append(location)
        connection = real(location, **options)
        if len(opened) == 1:
            run_sql(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('n', {NEWER})")
            monkeypatch.setattr(connection, "cursor", lambda: connection.of_a_torn_file)
        return connection

    real = adbc_driver_sqlite.dbapi.connect
    monkeypatch.setattr(adbc_driver_sqlite.dbapi, "connect", connect)
    assert len(records(open_log(str(log.path)))) == 2
    assert ["immutable" in location for location in opened[:2]] == [True, False]


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_read_without_a_lock_is_opened_when_nobody_has_just_written_to_it(sqlite_log, monkeypatch, ours):
    log = sqlite_log()
    log.add()
    log.close()
    database, slept, written = SqliteDatabase(log.path, ours=ours), [], log.path.stat().st_mtime_ns
    clock = [written + 1_000_000]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += int(seconds * 10**9)

    fake = SimpleNamespace(time_ns=lambda: clock[0], monotonic=lambda: clock[0] / 10**9, sleep=sleep)
    monkeypatch.setattr("cost_top.sources.sql.sqlite.time", fake)
    for moment, waits in ((written + 1_000_000, 1), (written + 10**9, 0), (written - 10**9, 0)):
        clock[0] = moment
        slept.clear()
        database.connect()[0].close()
        assert len(slept) == waits
    torn = Exception("[SQLite] database disk image is malformed")
    assert isinstance(database.failure(torn), SourceChanged) is ours
    assert not isinstance(SqliteDatabase(log.path).failure(torn), SourceChanged)


def test_an_index_of_ours_that_another_process_copies_into_is_not_opened(sqlite_log, monkeypatch):
    """However long the copying takes: its time alone would say that nobody writes."""
    log = sqlite_log()
    log.add()
    log.close()
    os.utime(log.path, (0, 0))
    database = SqliteDatabase(log.path, ours=True)
    monkeypatch.setattr("cost_top.sources.sql.sqlite._REST_SECONDS", 0.02)
    with held(lock_of(log.path), alone=True, seconds=0), pytest.raises(SourceChanged, match="is being written"):
        database.connect()
    with held(lock_of(log.path), alone=False, seconds=0):
        database.connect()[0].close()


def test_a_live_log_is_followed_while_another_process_writes(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    with holding(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('held', {NEWER})"):
        source = open_log(str(log.path))
        assert [row["id"] for row in records(source)] == ["held", "r1"]
        run_sql(log.path, f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('more', {NEWER})")
        assert [row["id"] for row in records(source)] == ["held", "more", "r1"]


def test_an_idle_reader_never_stops_the_writer_from_clearing_its_log(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    held = f"INSERT INTO cost_top_requests (id, time_ms) VALUES ('held', {NEWER})"
    with holding(log.path, held), open_log(str(log.path)).connect() as reader:
        assert reader.newest() is not None
        assert run_sql(log.path, "PRAGMA wal_checkpoint(TRUNCATE)") == ["[(0, 0, 0)]"]
        assert reader.newest() is not None


@pytest.mark.parametrize("sql", ["DELETE FROM cost_top_requests", "CREATE TABLE x (a)", "PRAGMA user_version = 7"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_write_through_the_connection_fails(sqlite_log, sql, closed):
    log = sqlite_log()
    log.add()
    if closed:
        log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        assert source.database.read_only(reader.session)
        with pytest.raises(SourceError, match=r"readonly|read-only|query_only"):
            reader.session.values(sql)
    assert len(records(source)) == 1
    with sqlite3.connect(log.path) as check:
        assert check.execute("PRAGMA user_version").fetchone() == (0,)
    check.close()


def test_a_file_that_was_replaced_is_opened_again(sqlite_log, tmp_path):
    old, new = sqlite_log("old.db", wal=False), sqlite_log("new.db", wal=False)
    old.add(id="old")
    new.add(id="new")
    old.close()
    new.close()
    source = open_log(str(old.path))
    with source.connect() as reader:
        assert reader.newest() is not None
        os.replace(new.path, old.path)
        with reader.rows(LONG_AGO, None, True) as stream:
            assert [row["id"] for row in normal(reader, stream)] == ["new"]


def test_a_file_that_is_gone_and_back(sqlite_log, tmp_path):
    log = sqlite_log(wal=False)
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        assert reader.newest() is not None
        shutil.move(log.path, tmp_path / "away.db")
        with pytest.raises(SourceError, match="gone"):
            reader.newest()
        assert not log.path.exists()
        shutil.move(tmp_path / "away.db", log.path)
        assert reader.newest() is not None


def test_a_file_that_goes_under_a_reading_is_gone_whatever_sqlite_calls_it(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    source = open_log(str(log.path))
    log.path.unlink()
    for words in ("disk I/O error", "unable to open database file", "no such table: cost_top_requests"):
        assert str(source.database.failure(OSError(f"[SQLite] {words}"))) == f"{log.path.name}: the file is gone"


def test_a_locked_log_is_an_error_for_now(sqlite_log):
    log = sqlite_log(wal=False)
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        with holding(log.path, "BEGIN EXCLUSIVE"), pytest.raises(SourceError, match="locked"):
            reader.newest()
        assert reader.newest() is not None


def test_looking_at_the_file_keeps_the_locks_of_a_reading(sqlite_log):
    log = sqlite_log(wal=False)
    for _ in range(3000):
        log.connection.execute(
            "INSERT INTO cost_top_requests (id, time_ms) VALUES (hex(randomblob(99)), 1800000000000)"
        )
    log.connection.commit()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as first, source.connect() as second, first.rows(LONG_AGO, None, True) as stream:
        assert second.newest() is not None
        assert not source.database.is_current(None)
        with pytest.raises(subprocess.CalledProcessError) as raised:
            run_sql(log.path, "PRAGMA busy_timeout = 100", "DELETE FROM cost_top_requests", "COMMIT")
        assert "locked" in raised.value.stderr
        assert len(normal(first, stream)) == 3000


def test_the_index_serves_every_statement_that_is_polled(sqlite_log):
    log = sqlite_log()
    for _ in range(200):
        log.add()
    source = open_log(str(log.path))
    moment = next(iter(fingerprints(source).values()))[0]
    made = source.statements
    with source.connect() as reader:
        for sql in (
            made.rows(LONG_AGO, None, True), made.fingerprints(LONG_AGO, None), made.rows_at([moment], True),
            made.newest(), made.oldest(),
        ):  # fmt: skip
            used, plan = source.database.plan(reader.session, sql)
            assert used, plan
            assert "cost_top_requests_time" in plan
        log.run("DROP INDEX cost_top_requests_time")
        used, plan = source.database.plan(reader.session, made.fingerprints(LONG_AGO, None))
        assert not used
        assert "SCAN" in plan


@pytest.mark.parametrize("path", ["a b%20c?d#e.db", "naïve 'quoted'.db", "-dash.db"])
def test_file_names_that_need_care(tmp_path, path):
    log = NativeLog(tmp_path / path)
    log.add()
    log.close()
    source = open_log(str(tmp_path / path))
    assert len(records(source)) == 1
    assert source.label == path


def test_urls_of_sqlite(sqlite_log, monkeypatch):
    log = sqlite_log()
    log.add()
    assert len(records(open_log(f"sqlite:///{log.path}"))) == 1
    monkeypatch.chdir(log.path.parent)
    assert open_log("sqlite:///gateway.db").identity == open_log("gateway.db").identity


def test_no_such_file_is_not_made(tmp_path):
    with pytest.raises(UserError, match=r"missing\.db: there is no such file"):
        open_log(str(tmp_path / "missing.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"hello " * 300, "no SQLite database"), (b"SQLite format 3\x00", "")]
)
def test_a_file_that_is_no_database(tmp_path, content, words):
    path = tmp_path / "wrong.db"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"wrong\.db.*{words}") as raised:
        open_log(str(path))
    assert "\n" not in str(raised.value)
    assert "SELECT" not in str(raised.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: is a pipe; give the path"):
        open_log(str(tmp_path / "pipe"))


def test_a_folder(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        open_log(str(tmp_path))


def test_a_database_without_a_log(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE users (id)")
    connection.close()
    with pytest.raises(UserError, match=r"no request log that cost-top knows.*--mapping FILE"):
        open_log(str(tmp_path / "other.db"))


def test_the_right_name_with_the_wrong_columns(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute(f"CREATE TABLE {native.TABLE} (id TEXT, at INTEGER)")
    connection.close()
    with pytest.raises(UserError, match=r"cost_top_requests lacks columns .*time_ms"):
        open_log(str(tmp_path / "other.db"))


def test_optional_columns_may_be_missing(tmp_path):
    path = tmp_path / "small.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {native.TABLE} (id TEXT, time_ms INTEGER, model TEXT, input_tokens INTEGER)")
        connection.execute(f"INSERT INTO {native.TABLE} VALUES ('a', 1800000000000, 'm', 3)")
    connection.close()
    source = open_log(str(path))
    (row,) = records(source)
    assert (row["model"], row["input_tokens"], row["reported_cost"], row["provider"]) == ("m", 3, None, None)
    assert "reported_cost" in source.notes[0]


@pytest.mark.parametrize("url", ["oracle://me:hunter2@db/x", "redis://x"])
def test_databases_of_another_kind(url):
    with pytest.raises(UserError, match="is no database cost-top reads") as raised:
        open_log(url)
    assert "hunter2" not in str(raised.value)


def test_what_a_row_weighs_is_asked_once_for_all_readers(sqlite_log):
    log = sqlite_log()
    log.add()
    log.close()
    source = open_log(str(log.path))
    with source.connect() as first, source.connect() as second:
        first.took(2)
        second.took(4)
        assert (first.statistics.queries, second.statistics.queries) == (1, 0)
        assert second.statistics.bytes_read == 2 * first.statistics.bytes_read > 0


def test_a_write_ahead_log_on_a_read_only_place_says_what_to_copy(tmp_path):
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE one (id)")
    database = SqliteDatabase(path)
    refused = OSError("[SQLite] unable to open database file")
    assert str(database.failure(refused)) == "log.db: unable to open database file"
    (tmp_path / "log.db-wal").write_bytes(b"some")
    assert "a -wal without its -shm" in str(database.failure(refused))


def test_a_journal_that_a_killed_writer_left_is_said_and_what_to_do(sqlite_log):
    log = sqlite_log(wal=False)
    log.add(id="r", time_ms=NEWER)
    killed = (
        "import os, sqlite3, sys\n"
        "log = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "log.execute('PRAGMA cache_size = 1')\n"
        "log.execute('BEGIN IMMEDIATE')\n"
        "rows = ((f'n{n}',) for n in range(9999))\n"
        "log.executemany('INSERT INTO cost_top_requests (id, time_ms) VALUES (?, 1)', rows)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(log.path)], check=False)
    with pytest.raises(UserError, match="a writer was stopped in the middle of a write; open it once"):
        open_log(str(log.path))
