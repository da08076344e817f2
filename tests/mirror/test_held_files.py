"""A kept file that one reader replaces is not taken from another, in this process or another one."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cost_top.mirror.held import HeldFiles
from cost_top.mirror.store import Mirror
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog

NOW = datetime.now(UTC)
PERIOD = Period(NOW - timedelta(days=20), NOW)
DAYS = range(3, 7)


@pytest.fixture
def log(sqlite_log) -> NativeLog:
    log = sqlite_log()
    for day in DAYS:
        time_ms = int((NOW - timedelta(days=day)).timestamp() * 1000)
        log.add(id=f"r{day}", time_ms=time_ms, cost_pico_usd=1, user_id=f"u{day}")
    return log


def read(log: NativeLog, folder: Path, book: RateBook) -> Mirror:
    return read_period(open_log(str(log.path)), book, folder / "cache", PERIOD)


def total(mirror: Mirror) -> int | None:
    return mirror.report(ReportQuery(PERIOD.start, PERIOD.end, group_by=("user",)), NOW).totals.total_cost


def correct(log: NativeLog) -> None:
    log.connection.execute("UPDATE cost_top_requests SET cost_pico_usd = 5 WHERE id = 'r4'")
    log.connection.commit()


def on_disk(folder: Path) -> int:
    """How many files of days there are, by whatever names."""
    return len({path.stat().st_ino for path in (folder / "cache").rglob("*.parquet")})


def test_what_another_process_replaced_is_still_read(log, tmp_path: Path, book) -> None:
    first = read(log, tmp_path, book)
    days = on_disk(tmp_path)
    correct(log)
    second = read(log, tmp_path, book)
    try:
        assert (total(first), total(second)) == (4, 8)
    finally:
        first.close()
        second.close()
    assert on_disk(tmp_path) == days, "and neither leaves what it held"


def test_a_day_that_is_read_again_behind_a_mirrors_back_stays_until_it_is_taken_over(log, tmp_path: Path, book) -> None:
    mirror = read(log, tmp_path, book)
    days = on_disk(tmp_path)
    try:
        correct(log)
        with open_log(str(log.path)).connect() as reader:
            day = (NOW - timedelta(days=4)).date()
            cursor = mirror.database.cursor()
            replaced = [mirror.days.read(cursor, reader, [day], True)[0] for _ in range(2)]
            cursor.close()
        assert total(mirror) == 4
        for one in replaced:
            mirror.adopt(one)
            assert total(mirror) == 8
        assert on_disk(tmp_path) == days, "no row of before is on disk"
    finally:
        mirror.close()


def test_what_a_reader_that_died_held_is_removed_and_what_a_living_one_holds_is_not(tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    file.write_text("rows")
    left = tmp_path / ".held-left"
    left.mkdir()
    os.link(file, left / "0.parquet")
    living = HeldFiles(tmp_path)
    held = living.hold(file)
    assert held is not None
    for folder in (left, held.parent):
        os.utime(folder, (1_000_000_000, 1_000_000_000))
    file.unlink()
    other = HeldFiles(tmp_path)
    assert not left.exists()
    assert held.read_text() == "rows"
    assert other.hold(file) is None
    living.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_where_the_disk_knows_no_second_name_a_file_is_read_under_its_own(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_) -> None:
        raise PermissionError

    file = tmp_path / "day.parquet"
    file.write_text("rows")
    monkeypatch.setattr(os, "link", refuse)
    files = HeldFiles(tmp_path)
    assert files.hold(file) == file
    files.release(file)
    files.close()
    assert list(tmp_path.iterdir()) == [file]
