"""`cost-top serve`, `mcp` and `watch` over a log in ClickHouse: the real processes, the figures of the log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cost_top.model.money import usd_text
from serve.test_mcp import asked, refused, settings, talking
from support.gateway_shapes import LANGFUSE, SECRET
from support.log_writers import clickhouse_writer
from support.logical import requests
from support.served import served

POINT = 2_000_000  # pico-dollars


@pytest.fixture
def log(clickhouse_server):
    """Langfuse's tables, versions and traces too, and the requests in them."""
    now = datetime.now(UTC).replace(microsecond=0)
    drawn = requests(60, now - timedelta(minutes=3), days=1)
    with clickhouse_writer(clickhouse_server) as writer:
        writer.write(LANGFUSE, drawn)
        writer.add(LANGFUSE, [replace(each, points=each.points + 5) for each in drawn[:10]])
        yield writer, [replace(each, points=each.points + 5 * (place < 10)) for place, each in enumerate(drawn)]


def by_user(drawn):
    costs = Counter()
    for each in drawn:
        costs[each.user.name] += each.points * POINT
    return {user: usd_text(cost) for user, cost in costs.items()}


def test_serve_tells_what_the_log_says(log, tmp_path):
    writer, drawn = log
    password = writer.location.partition("://")[2].partition("@")[0].partition(":")[2]
    bare = writer.location.replace(f":{password}@", "@")
    with served(tmp_path, bare, env={"CLICKHOUSE_PASSWORD": password}) as server:
        total = server.get("/v1/report", since="3d", group_by="user").json()
        told = {row["user"]: row["total_cost"] for row in total["results"]}
        assert {user: Decimal(str(cost)) for user, cost in told.items()} == {
            user: Decimal(cost) for user, cost in by_user(drawn).items()
        }
        assert total["totals"]["request_count"] == len(drawn)
        page = server.get("/v1/requests", since="3d", limit=100)
        assert page.status_code == 200
        assert all(each.id in page.text for each in drawn)
        assert SECRET not in page.text
        assert server.get("/v1/incidents").json()["incidents"] == []
        late = server.get("/v1/report", since="3d", where="late:yes")
        assert late.status_code == 400
        assert "late" in late.text
        assert server.end() == 0
        assert password not in server.stderr


async def test_an_assistant_is_told_the_same(log, tmp_path):
    writer, drawn = log
    async with talking(tmp_path, writer.location) as client:
        answer = await asked(client, "report", since="3d", group_by=["user"], limit=100)
        assert {row["user"]: Decimal(row["total_cost"]) for row in answer["rows"]} == {
            user: Decimal(cost) for user, cost in by_user(drawn).items()
        }
        assert "late" in await refused(client, "report", since="3d", where="late:yes")


def test_watch_looks_through_it_once(log, tmp_path):
    writer, _ = log
    done = subprocess.run(
        [sys.executable, "-m", "cost_top", "watch", writer.location, "--once", "--format", "json", "--no-deliver",
         "--state", str(tmp_path / "state")],
        capture_output=True, text=True, env=settings(tmp_path), check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) is not None
