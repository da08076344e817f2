"""A row is known by the table's own key; where nothing is unique, every row counts and it is said."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.followed import Followed

MAPPING = """\
name = "own"
table = "calls"
id = "call"
overlap_seconds = 60

[time]
column = "at"
unit = "epoch_ms"

[cost]
unit = "usd"

[fields]
model = "model"
reported_cost = "usd"
"""
KEYS = {
    "the id is the key": ("call TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL, usd DOUBLE PRECISION, model TEXT", ()),
    "id and time are the key": (
        "call TEXT NOT NULL, at BIGINT NOT NULL, usd DOUBLE PRECISION, model TEXT, PRIMARY KEY (call, at)", (),
    ),
    "a number is the key": (
        "number INTEGER NOT NULL PRIMARY KEY, call TEXT, at BIGINT NOT NULL, usd DOUBLE PRECISION, model TEXT", (),
    ),
    "a unique index is the key": (
        "call TEXT, at BIGINT NOT NULL, part INTEGER NOT NULL, usd DOUBLE PRECISION, model TEXT",
        ("CREATE UNIQUE INDEX one ON calls (call, part)", "CREATE UNIQUE INDEX two ON calls (part, at)"),
    ),
    "nothing is": ("call TEXT, at BIGINT NOT NULL, usd DOUBLE PRECISION, model TEXT", ()),
    "a partial index is none": (
        "call TEXT, at BIGINT NOT NULL, usd DOUBLE PRECISION, model TEXT",
        ("CREATE UNIQUE INDEX dear ON calls (call) WHERE usd > 1000",),
    ),
}  # fmt: skip
NONE = ("nothing is", "a partial index is none")


def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(MAPPING)
    return path


def totals(source, now: datetime) -> tuple[int, int]:
    mirror = read_period(source, RateBook.load(None), None, Period(now - timedelta(days=20), now + timedelta(days=1)))
    try:
        found = mirror.report(ReportQuery(now - timedelta(days=20), now + timedelta(days=1)), now).totals
        return found.request_count, found.total_cost // 10**9
    finally:
        mirror.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path):
    """Runs a statement on a database; `run.location` is where it is."""
    if request.param == "sqlite":
        connection = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
        location, mark = str(tmp_path / "own.db"), "?"
    else:
        location, mark = request.getfixturevalue("postgres_url"), "%s"
        connection = psycopg.connect(location, autocommit=True)
        connection.execute("DROP TABLE IF EXISTS calls")

    def statement(sql: str, values=()) -> None:
        connection.execute(sql.replace("?", mark), values)
        if mark == "%s":  # a session of PostgreSQL tells what it wrote within ten seconds, which no test's clock knows
            connection.execute("SELECT pg_stat_force_next_flush()")

    statement.location = location
    yield statement
    connection.close()


@pytest.mark.parametrize("name", KEYS)
def test_every_paid_call_counts_once(run, tmp_path: Path, name: str) -> None:
    columns, indexes = KEYS[name]
    run(f"CREATE TABLE calls ({columns})")
    for sql in indexes:
        run(sql)
    now = datetime.now(UTC)
    added = 0

    def add(call: str, age: timedelta, usd: float) -> None:
        nonlocal added
        added += 1
        at = int((now - age).timestamp() * 1000)
        extra = {"a number is the key": "number, ", "a unique index is the key": "part, "}.get(name, "")
        values = (*((added,) if extra else ()), call, at, usd, "m")
        marks = ", ".join("?" * len(values))
        run(f"INSERT INTO calls ({extra}call, at, usd, model) VALUES ({marks})", values)

    unique = name == "the id is the key"
    for place, days in enumerate((0.01, 0.02, 0.03, 3, 3.1, 5)):
        add(f"c{place}" if unique else "None", timedelta(days=days), 0.001)
    twin = timedelta(minutes=20)
    for _ in range(3 if name in NONE else 0):  # equal in all that is known of them
        add("None", twin, 0.001)
    source = open_log(run.location, mapping(tmp_path))
    expected = 9 if name in NONE else 6
    assert totals(source, now) == (expected, expected)
    watched = Followed(source, tmp_path / "cache")
    try:
        assert watched.differences() == []
        for call, age in (("new", timedelta(0)), ("late", timedelta(minutes=40)), ("old", timedelta(days=2))):
            add(call if unique else "None", age, 0.5)
        if name in NONE:
            add("None", twin, 0.001)
        watched.until_right(300.0)
        run("DELETE FROM calls WHERE usd = 0.5")
        run("UPDATE calls SET usd = 0.25 WHERE usd = 0.001")
        watched.until_right(300.0)
    finally:
        watched.close()
    told = any("nothing in calls is unique" in note for note in source.notes)
    assert told == (name in NONE)
