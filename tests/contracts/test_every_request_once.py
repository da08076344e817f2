"""Where nothing in a log is unique, every request stands in its list once, whichever face cuts it into pages where."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cost_top.model.engine import Position, RequestPage
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow
from cost_top.model.windows import Period
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.serve.mcp_tools import read_cursor, write_cursor
from cost_top.sources.cost_top.client import CostTopClient
from cost_top.sources.sql.log import open_log
from support.served import environment, served

MAPPING = """\
name = "own"
table = "calls"
id = "call"
time = {column = "at", unit = "epoch_s"}
cost = {unit = "usd"}
[fields]
model = "model"
reported_cost = "usd"
"""
NOW = datetime.now(UTC).replace(microsecond=0)
# Rows of one second: (age, id, dollars, how many); the larger ones are longer than any page.
ALIKE = (
    (timedelta(minutes=5), "None", 1, 23), (timedelta(minutes=5), "None", 2, 9), (timedelta(minutes=5), "a", 2, 1),
    (timedelta(minutes=9), "None", None, 4), (timedelta(minutes=9), "None", 2, 3), (timedelta(days=4), "None", 2, 600),
    (timedelta(days=4), "b", 1, 2), (timedelta(days=9), "c", 2, 1),
)  # fmt: skip
PERIOD = ReportQuery(NOW - timedelta(days=20), NOW + timedelta(hours=1))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alike")
    (folder / "own.toml").write_text(MAPPING)
    with sqlite3.connect(folder / "own.db") as database:
        database.execute("CREATE TABLE calls (call TEXT, at INTEGER, usd REAL, model TEXT)")
        for age, call, usd, count in ALIKE:
            row = (call, int((NOW - age).timestamp()), usd, "m")
            database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", [row] * count)
    database.close()
    return folder


def expected() -> Counter[tuple[datetime, str, int | None]]:
    counts: Counter[tuple[datetime, str, int | None]] = Counter()
    for age, call, usd, count in ALIKE:
        counts[NOW - age, call, None if usd is None else usd * 10**12] += count
    return counts


def is_whole(rows: list[RequestRow], sort: str) -> bool:
    places = [(row.time, row.id) for row in rows]
    ordered = sorted(sorted(places, key=lambda place: place[1]), key=lambda place: place[0], reverse=True)
    costs = [row.cost if row.cost is not None else -1 for row in rows]
    in_order = places == ordered if sort == "time" else costs == sorted(costs, reverse=True)
    return in_order and Counter((row.time, row.id, row.cost) for row in rows) == expected()


def through(ask: Callable[[ReportQuery, Position | None], RequestPage], sort: str, size: int) -> list[RequestRow]:
    rows: list[RequestRow] = []
    after: Position | None = None
    while True:
        page = ask(replace(PERIOD, sort=sort, limit=size), after)
        assert len(page.rows) <= size
        rows += page.rows
        after = page.following
        if after is None:
            return rows


def answers(log: Path) -> LogAnswers:
    return LogAnswers(lambda: open_log(str(log / "own.db"), log / "own.toml"), lambda: RateBook.load(None), log / "c")


@pytest.mark.parametrize("sort", ["time", "cost"])
@pytest.mark.parametrize("size", [13, 23, 500])
def test_a_log_that_is_read_once(log: Path, sort: str, size: int) -> None:
    asked = answers(log)
    with asked.held(Period(PERIOD.start, PERIOD.end)):
        assert is_whole(through(asked.requests, sort, size), sort)


def test_a_log_that_is_read_for_each_page(log: Path) -> None:
    def ask(query: ReportQuery, after: Position | None) -> RequestPage:
        page = answers(log).requests(query, after)
        # As an assistant is told where to go on.
        following = page.following and read_cursor(write_cursor(page.following))
        return RequestPage(page.rows, following)

    assert is_whole(through(ask, "time", 150), "time")
    assert is_whole(through(ask, "time", 300), "time")


def test_the_command(log: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", "requests", str(log / "own.db"), "--mapping", str(log / "own.toml"),
         "--since", "20d", "--format", "jsonl", "--tz", "UTC"],
        capture_output=True, text=True, check=True, env=environment(log),
    )  # fmt: skip
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert Counter((datetime.fromisoformat(row["time"]), row["id"]) for row in rows) == Counter(
        {
            place: sum(n for key, n in expected().items() if key[:2] == place)
            for place in {key[:2] for key in expected()}
        }
    )


@pytest.fixture(scope="module")
def client(log: Path) -> Iterator[CostTopClient]:
    with served(log, log / "own.db", "--mapping", log / "own.toml", "--rate-limit", "100000") as server:
        client = CostTopClient(server.url, "")
        yield client
        client.close()


@pytest.mark.parametrize("sort", ["time", "cost"])
@pytest.mark.parametrize("size", [40, 1000])
def test_a_server_and_a_terminal_on_it(client: CostTopClient, sort: str, size: int) -> None:
    assert is_whole(through(client.requests, sort, size), sort)


def test_a_place_that_the_server_has_not_told(client: CostTopClient) -> None:
    def ask(query: ReportQuery, after: Position | None) -> RequestPage:
        client._cursors.clear()
        return client.requests(query, after)

    assert is_whole(through(ask, "time", 300), "time")


@pytest.mark.parametrize(("sort", "size"), [("time", 33), ("cost", 10)])
def test_the_row_a_page_ended_with_may_be_gone_and_none_is_skipped_for_it(
    log: Path, sort: str, size: int, tmp_path: Path
) -> None:
    shutil.copy(log / "own.db", tmp_path / "own.db")
    shutil.copy(log / "own.toml", tmp_path / "own.toml")
    first = answers(tmp_path).requests(replace(PERIOD, sort=sort, limit=size), None)
    last = first.rows[-1]
    rest = through(answers(tmp_path).requests, sort, 5000)[size:]
    assert (last.time, last.id) != (rest[0].time, rest[0].id), "it is the only one of its place"
    with sqlite3.connect(tmp_path / "own.db") as database:
        database.execute("DELETE FROM calls WHERE at = ? AND call = ?", [int(last.time.timestamp()), last.id])
    database.close()
    page = answers(tmp_path).requests(replace(PERIOD, sort=sort, limit=5000), first.following)
    assert [(row.time, row.id) for row in page.rows] == [(row.time, row.id) for row in rest]
