"""What no column of a log tells is unknown, and not none."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cost_top.cli.overview import overview_text, report_table
from cost_top.model.query import MEASURES, ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource
from cost_top.sources.sql.log import open_log

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
STATUS = 'status = "status"\n'
NOW = datetime.now(UTC)
QUERY = ReportQuery(NOW - timedelta(days=2), NOW + timedelta(hours=1))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    database = sqlite3.connect(tmp_path / "own.db", isolation_level=None)
    database.execute("CREATE TABLE calls (call TEXT PRIMARY KEY, at INTEGER, usd REAL, model TEXT, status INTEGER)")
    for place in range(5):
        database.execute("INSERT INTO calls VALUES (?, ?, 1, 'm', 200)", [f"c{place}", int(NOW.timestamp()) - place])
    yield tmp_path
    database.close()


@pytest.mark.parametrize(("more", "errors"), [("", None), (STATUS, 0)])
def test_errors_without_a_status(folder: Path, more: str, errors: int | None) -> None:
    (folder / "own.toml").write_text(MAPPING + more)

    def opened() -> LogSource:
        return open_log(str(folder / "own.db"), folder / "own.toml")

    answers = LogAnswers(opened, lambda: RateBook.load(None), None)
    for group_by in ((), ("model",), ("model", "hour"), ("day",)):
        for measures in (QUERY.measures, MEASURES):
            report = answers.report(replace(QUERY, group_by=group_by, measures=measures))
            found = [report.totals, *(row.measures for row in report.rows)]
            assert {each.error_count for each in found} == {errors}
            assert sum(row.measures.request_count or 0 for row in report.rows) == 5
            assert "errors" not in report_table(report)

    shown = whole(LogHub(opened, lambda: RateBook.load(None), interval=0.05, cache=None))
    assert shown.spend.measures.error_count == shown.burn.error_count == errors
    assert ("failed" in overview_text(shown, UTC)) == (errors is not None)


def whole(hub: LogHub) -> Snapshot:
    """The first snapshot that is."""
    found: list[Snapshot] = []
    done = threading.Event()

    def show(snapshot: Snapshot) -> None:
        if snapshot.filling is None and not snapshot.incomplete and snapshot.spend.measures.request_count == 5:
            found.append(snapshot)
            done.set()

    monitor = Monitor(hub, UTC)
    monitor.start(show, View())
    assert done.wait(120)
    monitor.stop()
    return found[-1]
