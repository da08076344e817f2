"""Incidents over HTTP and as a tool, over a real log with one planted in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cost_top.cli.mcp import recent_incidents
from cost_top.cli.options import resolve
from cost_top.serve.tokens import digest_of
from support.native_log import NativeLog
from support.served import served

USD = 10**12


def plant(log: NativeLog) -> None:
    """Three weeks of even traffic, and a key that leaks for the last three hours."""
    now = datetime.now(UTC)
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=21)
    rows = []
    for quarter in range(21 * 96):
        at = start + timedelta(minutes=15 * quarter)
        rows += [(at, f"k{quarter % 3}", f"u{quarter % 5}", USD // 10)]
    rows += [(now - timedelta(minutes=2 * number + 1), "leaked", "mallory", 2 * USD) for number in range(90)]
    with log.connection:
        log.connection.executemany(
            "INSERT INTO cost_top_requests (id, time_ms, model, endpoint, token, user_id, input_tokens, output_tokens, "
            "cost_pico_usd, status) VALUES (?, ?, 'm', '/chat', ?, ?, 1000, 100, ?, 200)",
            [(f"r{number}", int(at.timestamp() * 1000), *more) for number, (at, *more) in enumerate(rows)],
        )


@pytest.fixture
def log(tmp_path):
    log = NativeLog(tmp_path / "gateway.db")
    plant(log)
    yield log
    log.close()


def test_a_leaked_key_is_an_open_incident(tmp_path, log):
    tokens = tmp_path / "tokens.toml"
    secret = {name: name * 8 for name in ("all", "part")}
    tokens.write_text(
        f'[[tokens]]\nname = "all"\nsha256 = "{digest_of(secret["all"]).hex()}"\n'
        f'[[tokens]]\nname = "part"\nsha256 = "{digest_of(secret["part"]).hex()}"\nwhere = "token:k1"\n'
    )
    tokens.chmod(0o600)
    with served(tmp_path, log.path, "--tokens", tokens) as server:
        found = server.get("/v1/incidents", secret["all"]).json()["incidents"]
        # By the time of day it is a spike of its own, or part of what the endpoint's requests cost more.
        assert any(one["closed"] is None and "leaked" in str(one) for one in found), found
        assert "leaked" not in server.get("/v1/incidents", secret["part"]).text
        assert server.get("/v1/incidents", secret["all"], since="1d").status_code == 400


def test_an_assistant_is_told_of_it_too(tmp_path, log):
    settings = resolve(str(log.path), None, None, "UTC", True, None)
    assert "leaked" in str(recent_incidents(settings))
