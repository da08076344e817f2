"""After any change to a log, what is held of it is what the log says, within a stated time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cost_top.model import native
from cost_top.sources.sql.log import open_log
from support.followed import DAY, Followed
from support.native_log import NativeLog
from support.scratch import scratch

HOT, CLOSED = 30.0, 300.0  # seconds: what trust.md promises

# Every column that is shown or priced, and another value for it.
CHANGES: dict[str, Any] = {
    "provider": "renamed", "model": "gpt-4o-mini", "endpoint": "/renamed", "token": "k-renamed",
    "token_name": "renamed", "user_id": "anonymous", "owner": "renamed", "team": "renamed", "tags": '["renamed"]',
    "credential_type": "byok", "input_tokens": 999, "cached_input_tokens": 7, "cache_creation_input_tokens": 3,
    "cache_creation_1h_tokens": 2, "output_tokens": 55, "reasoning_tokens": 4, "cost_pico_usd": 123_456,
    "mode": "batch", "cache_hit": True, "latency_ms": 4321, "status": 500, "streamed": True,
    "client_ip": "203.0.113.9", "user_agent": "renamed/1",
}  # fmt: skip


def row(time: datetime, **columns: Any) -> dict[str, Any]:
    """A request whose cost follows from its tokens unless it says otherwise."""
    return {
        "time_ms": int(time.timestamp() * 1000), "provider": "openai", "model": "gpt-4o", "endpoint": "/chat",
        "token": "k1", "token_name": "first", "user_id": "ivy", "owner": "o", "team": "t", "tags": '["prod"]',
        "credential_type": "system", "input_tokens": 1000, "cached_input_tokens": 100, "output_tokens": 50,
        "cache_hit": False, "latency_ms": 900, "status": 200, "streamed": False, **columns,
    }  # fmt: skip


class PostgresLog:
    """The native log in PostgreSQL, as `NativeLog` is in SQLite."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("DROP TABLE IF EXISTS cost_top_requests")
        self.connection.execute(native.DDL)
        self.count = 0

    def add(self, **columns: Any) -> str:
        self.count += 1
        values = {"id": f"r{self.count}", **columns}
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.connection.execute(f"INSERT INTO cost_top_requests ({names}) VALUES ({marks})", list(values.values()))
        return str(values["id"])

    def run(self, sql: str, values: Any = ()) -> None:
        self.connection.execute(sql.replace("?", "%s"), tuple(values))
        # What a session changes within a second of its last count is counted ten seconds later: minutes on this clock.
        self.connection.execute("SELECT pg_stat_force_next_flush()")

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, sqlite_log: Callable[..., NativeLog]) -> Iterator[tuple[Any, str]]:
    """A log that can be changed at will, and its source."""
    if request.param == "sqlite":
        made = sqlite_log()
        yield made, str(made.path)
        return
    url = request.getfixturevalue("postgres_url")
    kept = PostgresLog(url)
    yield kept, url
    kept.close()


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Callable[[str], Followed]]:
    opened: list[Followed] = []

    def start(location: str) -> Followed:
        opened.append(Followed(open_log(location), tmp_path / "cache"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def fill(log: Any, now: datetime, days: int = 6) -> None:
    for number in range(days * 4):
        log.add(**row(now - timedelta(hours=6 * number + 0.1)))


def settle(log: NativeLog) -> None:
    """As if it had been written a minute ago: what the file says of itself is believed at once."""
    for path in (log.path, Path(f"{log.path}-wal")):
        os.utime(path, (time.time() - 60, time.time() - 60))


@pytest.mark.parametrize("place", ["hot", "closed"])
def test_whatever_column_changes_is_seen(log, follow, place: str) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now)
    age = timedelta(minutes=50) if place == "hot" else 4 * DAY
    ids = [log.add(**row(now - age, id=column)) for column in CHANGES]
    watched = follow(location)
    assert watched.differences() == []
    for column in ids:
        log.run(f"UPDATE cost_top_requests SET {column} = ? WHERE id = ?", (CHANGES[column], column))
    assert not watched.is_right()
    watched.until_right(HOT if place == "hot" else CLOSED)


def test_a_row_whose_time_moves_is_followed(log, follow) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now)
    watched = follow(location)
    log.run("UPDATE cost_top_requests SET time_ms = time_ms - 3600000 * 55 WHERE id = 'r1'")
    log.run("UPDATE cost_top_requests SET time_ms = time_ms + 3600000 * 24 WHERE id = 'r15'")
    assert not watched.is_right()
    watched.until_right(CLOSED)


def test_rows_a_day_late_and_rows_removed_are_seen(log, follow) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now, 20)
    watched = follow(location)
    for hours in (26, 30, 200):
        log.add(**row(now - timedelta(hours=hours), id=f"late{hours}"))
    log.run("DELETE FROM cost_top_requests WHERE id IN ('r2', 'r9', 'r30', 'r60')")
    assert not watched.is_right()
    watched.until_right(CLOSED)


def test_the_newest_rows_removed_with_some_before_them_are_seen(sqlite_log, follow) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    for minutes in range(60):
        log.add(**row(now - timedelta(minutes=minutes)))
    watched = follow(str(log.path))
    watched.run(60)
    log.run("DELETE FROM cost_top_requests WHERE time_ms > ?", (int((now - timedelta(minutes=30)).timestamp() * 1000),))
    settle(log)
    assert not watched.is_right()
    watched.run(HOT)  # without a look of the test's own, which the file would take for a write
    assert watched.differences() == []


def test_a_log_that_lost_all_rows_is_known_to_be_empty(log, follow) -> None:
    log, location = log
    fill(log, datetime.now(UTC))
    watched = follow(location)
    watched.run(60)
    log.run("DELETE FROM cost_top_requests")
    watched.run(90)
    seen = watched.history.tail.seen
    assert seen is None or watched.clock - seen < HOT
    watched.until_right(CLOSED)


def test_rows_before_the_first_one_are_read(log, follow) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now, 3)
    watched = follow(location)
    for days in (8, 20, 29):
        log.add(**row(now - days * DAY, id=f"imported{days}"))
    watched.until_right(CLOSED)


def test_an_import_into_an_empty_log_is_read(log, follow) -> None:
    log, location = log
    watched = follow(location)
    watched.run(10)
    fill(log, datetime.now(UTC), 20)
    watched.until_right(CLOSED)


def test_a_clock_that_was_ahead_over_midnight_freezes_nothing(log, follow) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now, 3)
    watched = follow(location)
    watched.now = now + timedelta(hours=30)
    watched.run(20)
    watched.now = now + timedelta(seconds=30)
    watched.run(4)
    log.add(**row(now + timedelta(seconds=20), id="new"))
    watched.until_right(HOT)


def test_a_clock_that_stays_ahead_closes_no_day_that_still_gets_rows(log, follow) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now, 3)
    watched = follow(location)
    watched.now = now + timedelta(hours=25)
    watched.run(10)
    log.add(**row(now + timedelta(seconds=20), id="new"))
    watched.until_right(HOT)


def test_an_anonymised_user_is_on_no_disk(log, follow, tmp_path: Path) -> None:
    log, location = log
    now = datetime.now(UTC)
    fill(log, now, 4)
    log.add(**row(now - 3 * DAY, user_id="a-name-to-be-forgotten"))
    watched = follow(location)
    assert _on_disk(tmp_path / "cache", b"a-name-to-be-forgotten")
    log.run("UPDATE cost_top_requests SET user_id = 'x' WHERE user_id = 'a-name-to-be-forgotten'")
    watched.until_right(CLOSED)
    assert not _on_disk(tmp_path / "cache", b"a-name-to-be-forgotten")


def test_nothing_is_asked_of_a_file_that_nobody_writes(sqlite_log, follow) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    fill(log, now)
    settle(log)
    watched = follow(str(log.path))
    watched.run(120)
    asked = watched.reader.statistics.queries
    older = sum(one.queries for one in watched.history.backfill.statistics)
    watched.run(400)
    assert watched.reader.statistics.queries == asked
    assert sum(one.queries for one in watched.history.backfill.statistics) == older
    log.add(**row(now, id="new"))
    watched.run(2)
    assert watched.differences() == []


def test_a_dropped_column_is_never_its_own_name(sqlite_log) -> None:
    log = sqlite_log()
    log.add(**row(datetime.now(UTC)))
    source = open_log(str(log.path))
    log.connection.execute("ALTER TABLE cost_top_requests DROP COLUMN model")
    from cost_top.model.errors import SourceError, SourceReplaced

    with source.connect() as reader:
        with pytest.raises(SourceError, match="model"), reader.rows(datetime(2001, 1, 1, tzinfo=UTC), None, True):
            pass
        with pytest.raises(SourceReplaced, match="other columns"):
            reader.evidence()


def _on_disk(folder: Path, text: bytes) -> bool:
    # Parquet keeps a column's texts in a dictionary, compressed: only reading tells.
    found = []
    with scratch() as duck:
        for path in folder.rglob("*.parquet"):
            found += duck.execute(f"SELECT DISTINCT \"user\" FROM read_parquet('{path}')").fetchall()
    return (text.decode(),) in found


def test_another_table_of_the_name_is_another_log(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    log.add(**row(datetime.now(UTC)))
    source = open_log(str(log.path))
    other = NativeLog(tmp_path / "other.db", wal=False)
    other.close()
    log.close()
    os.replace(other.path, log.path)
    from cost_top.model.errors import SourceReplaced

    with source.connect() as reader, pytest.raises(SourceReplaced, match="another file"):
        reader.evidence()
    assert isinstance(sqlite3.connect(log.path), sqlite3.Connection)
