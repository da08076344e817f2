"""The readers of history among themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cost_top.mirror import backfill as module
from cost_top.mirror.backfill import Backfill, Work
from cost_top.mirror.database import Database
from cost_top.pricing.book import RateBook
from cost_top.sources.base import DayCount, Statistics

DAY = (datetime.now(UTC) - timedelta(days=4)).date()
PATIENCE = 120.0


class Reader:
    statistics = Statistics()
    rows_a_day = 1_000_000

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        yield DayCount(start, self.rows_a_day, "")

    def close(self) -> None:
        pass

    def cancel(self) -> None:
        pass


class SlowDays:
    """Days whose first reading waits a little for the second to begin."""

    def __init__(self) -> None:
        self.second = threading.Event()

    def read(self, _connection: Any, _reader: Any, days: list[date], details: bool) -> list[Any]:
        if not details:
            self.second.wait(0.3)
        else:
            self.second.set()
        return [SimpleNamespace(day=day, details=details, row_count=1) for day in days]


def test_of_two_readings_of_a_day_the_one_asked_for_last_ends_last() -> None:
    source: Any = SimpleNamespace(costly=("tags",), indexed=True, reads_whole=False, connect=Reader)
    database: Any = SimpleNamespace(cursor=lambda: SimpleNamespace(close=lambda: None), working=nullcontext)
    days: Any = SlowDays()
    backfill = Backfill(source, database, days, patient=False)
    backfill.ask(Work.READ, [DAY])
    backfill.ask(Work.DETAILS, [DAY])
    backfill.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while backfill.pending:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        backfill.stop()
    assert [backfill.results.get_nowait().day.details for _ in range(2)] == [False, True]
    assert backfill.results.empty()


def test_a_reading_that_breaks_is_a_failure_and_nobody_waits_for_it(monkeypatch) -> None:
    def read(*_: Any) -> Any:
        raise AttributeError("of ours")

    monkeypatch.setattr(module, "_RETRY_SECONDS", (0.0,))
    source: Any = SimpleNamespace(costly=(), indexed=True, reads_whole=False, connect=Reader)
    database: Any = SimpleNamespace(cursor=lambda: SimpleNamespace(close=lambda: None), working=nullcontext)
    days: Any = SimpleNamespace(read=read)
    backfill = Backfill(source, database, days, patient=False)
    backfill.ask(Work.READ, [DAY])
    backfill.start()
    try:
        failed = backfill.results.get(timeout=PATIENCE)
    finally:
        backfill.stop()
    assert "AttributeError: of ours" in str(failed.error)


@pytest.mark.parametrize(("rows", "together"), [(25_000, 2), (1_000, 5), (200_000, 1)])
def test_the_first_reading_takes_as_many_days_as_those_after_it(rows: int, together: int, monkeypatch) -> None:
    monkeypatch.setattr(Reader, "rows_a_day", rows)
    read: list[int] = []

    def noted(_connection: Any, _reader: Any, days: list[date], _details: bool) -> list[Any]:
        read.append(len(days))
        return [SimpleNamespace(day=day, row_count=rows) for day in days]

    source: Any = SimpleNamespace(costly=(), indexed=False, reads_whole=False, connect=Reader)
    database: Any = SimpleNamespace(cursor=lambda: SimpleNamespace(close=lambda: None), working=nullcontext)
    days: Any = SimpleNamespace(read=noted)
    backfill = Backfill(source, database, days, patient=False)
    backfill.ask(Work.READ, [DAY - timedelta(days=number) for number in range(5)])
    backfill.start()
    try:
        backfill.wait()
    finally:
        backfill.stop()
    assert read[0] == together
    assert sum(read) == 5


def test_statements_share_no_threads_while_two_readers_are_at_work() -> None:
    database = Database(RateBook.load(None))
    try:

        def threads() -> int:
            found = database.cursor().execute("SELECT current_setting('threads')").fetchall()
            return int(found[0][0])

        assert threads() == 2
        with database.working():
            assert threads() == 2
            with database.working():
                assert threads() == 1
                database.use_threads(2)
                assert threads() == 1
            assert threads() == 2
            database.use_threads(1)
        assert threads() == 1
    finally:
        database.close()
