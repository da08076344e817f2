"""The monitor on PostgreSQL: a server that goes away and comes back costs no row and counts none twice."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cost_top.model.native import COLUMNS, DDL
from cost_top.model.snapshot import Live, Stale

sys.path.insert(0, str(Path(__file__).parent))

from test_monitor_live import DOLLAR, Watcher, cost, request, settled


def write(url: str, *rows: dict[str, Any]) -> None:
    names = ", ".join(COLUMNS)
    marks = ", ".join(f"%({name})s" for name in COLUMNS)
    changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(
            f"INSERT INTO cost_top_requests ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}", rows
        )


@pytest.fixture
def url(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS cost_top_requests")
        connection.execute(DDL)
    return postgres_url


def test_a_restarted_server(url: str, postgres_server: Any, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    write(url, *(request(number, now - timedelta(hours=number)) for number in range(100)))
    watcher = Watcher(url, tmp_path / "cache").start()
    try:
        watcher.until(settled(100 * DOLLAR))
        postgres_server.stop()
        stale = watcher.until(lambda snapshot: isinstance(snapshot.state, Stale))
        assert cost(stale) == 100 * DOLLAR
        postgres_server.restart()
        write(
            url,
            request(100, datetime.now(UTC)),
            request(101, now - timedelta(minutes=4)),
            request(50, now, cost=9 * DOLLAR),
        )
        back = watcher.until(settled(110 * DOLLAR))
        assert isinstance(back.state, Live)
        assert back.spend.measures.request_count == 102
    finally:
        watcher.monitor.stop()


def test_no_password_anywhere(url: str, tmp_path: Path, postgres_server: Any) -> None:
    write(url, request(1, datetime.now(UTC)))
    watcher = Watcher(url, tmp_path / "cache").start()
    try:
        snapshot = watcher.until(settled(DOLLAR))
        assert postgres_server.password not in repr(snapshot)
        kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
        assert postgres_server.password.encode() not in kept
        with psycopg.connect(url) as connection:
            sessions = connection.execute(
                "SELECT count(*), bool_and(state = 'idle') FROM pg_stat_activity WHERE application_name = 'cost-top'"
            ).fetchone()
        assert sessions is not None
        assert 1 <= sessions[0] <= 3
    finally:
        watcher.monitor.stop()
