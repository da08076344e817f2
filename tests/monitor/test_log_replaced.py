"""A log that becomes another one under a hub's eyes: rotated, restored, with other columns, with damaged kept files."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cost_top.mirror.tail import Tail
from cost_top.model.errors import SourceChanged, SourceError
from cost_top.model.query import Report, ReportQuery
from cost_top.monitor.log.history import History
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

PATIENCE = 120.0


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[[Path], LogHub]]:
    opened: list[LogHub] = []

    def start(path: Path) -> LogHub:
        hub = LogHub(lambda: open_log(str(path)), lambda: RateBook.load(None), interval=0.1, cache=tmp_path / "cache")
        hub.start()
        opened.append(hub)
        return hub

    yield start
    for hub in opened:
        hub.close()


def until(hub: LogHub, is_right: Callable[[Report], bool]) -> Report:
    now = datetime.now(UTC)
    query = ReportQuery(now - timedelta(days=20), now + timedelta(hours=1), group_by=("model",))
    deadline, last = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        try:
            last = hub.report(query)
        except SourceError as error:
            last = error
        if isinstance(last, Report) and is_right(last):
            return last
        time.sleep(0.05)
    raise AssertionError(f"never came right: {last}")


def counts(expected: int) -> Callable[[Report], bool]:
    return lambda report: report.totals.request_count == expected


def fill(log, rows: int) -> None:
    now = datetime.now(UTC)
    for number in range(rows):
        log.add(
            time_ms=int((now - timedelta(hours=12 * number, minutes=1)).timestamp() * 1000), model=f"m{number % 2}",
            cost_pico_usd=1,
        )  # fmt: skip


def test_another_file_takes_the_name(sqlite_log, watch) -> None:
    log, other = sqlite_log(), sqlite_log("other.db", wal=False)
    fill(log, 12)
    hub = watch(log.path)
    until(hub, counts(12))
    fill(other, 3)
    other.close()
    log.close()
    other.path.replace(log.path)
    until(hub, counts(3))


def test_the_file_is_emptied_and_filled_again(sqlite_log, watch) -> None:
    log, backup = sqlite_log(wal=False), sqlite_log("backup.db", wal=False)
    fill(log, 12)
    fill(backup, 5)
    hub = watch(log.path)
    until(hub, counts(12))
    log.close()
    backup.close()
    log.path.write_bytes(b"")
    deadline = time.monotonic() + PATIENCE
    while hub.health().state is None or "is gone" not in getattr(hub.health().state, "error", ""):
        assert time.monotonic() < deadline, hub.health()
        time.sleep(0.05)
    log.path.write_bytes(backup.path.read_bytes())
    until(hub, counts(5))


def test_a_column_is_dropped_while_it_is_watched(sqlite_log, watch) -> None:
    log = sqlite_log()
    fill(log, 4)
    hub = watch(log.path)
    until(hub, counts(4))
    log.connection.execute("ALTER TABLE cost_top_requests DROP COLUMN model")
    report = until(hub, lambda report: any("no columns for: model" in note for note in report.notes))
    assert [row.key[0] for row in report.rows] == [None]


def test_a_kept_file_is_damaged_while_it_is_served(sqlite_log, watch, tmp_path: Path) -> None:
    log = sqlite_log()
    fill(log, 12)
    hub = watch(log.path)
    until(hub, counts(12))
    for path in (tmp_path / "cache").rglob("*.parquet"):
        path.write_bytes(b"PAR1 nonsense")
    assert until(hub, counts(12)).totals.total_cost == 12


@pytest.mark.parametrize(("times", "told"), [(3, 0), (4, 1)])
def test_a_log_that_is_written_under_a_look_is_looked_at_again(sqlite_log, watch, monkeypatch, times, told) -> None:
    log = sqlite_log()
    fill(log, 3)
    look, failures, left = History.step, [], [times]

    def step(history: History, now: datetime, clock: float) -> bool:
        if left[0]:
            left[0] -= 1
            raise SourceChanged("was written while it was read")
        return look(history, now, clock)

    monkeypatch.setattr(History, "step", step)
    failed = LogHub.failed
    monkeypatch.setattr(LogHub, "failed", lambda hub, *given: failures.append(given) or failed(hub, *given))
    until(watch(log.path), counts(3))
    assert len(failures) == told


def test_rows_that_were_not_compared_for_long_are_told(sqlite_log, watch, monkeypatch) -> None:
    log = sqlite_log()
    fill(log, 2)
    hub = watch(log.path)
    assert not any("compared" in note for note in until(hub, counts(2)).notes)
    monkeypatch.setattr(Tail, "seen", property(lambda _: time.monotonic() - 90.0))
    told = until(hub, counts(2)).notes
    assert [note for note in told if re.fullmatch(r"today's rows compared \d\d:\d\d:\d\d", note)]
