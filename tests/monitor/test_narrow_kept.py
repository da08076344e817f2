"""What a report keeps that reads only what it is made of: used while nothing is written; then days are kept whole."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.mirror import backfill
from cost_top.mirror.kept import damaged
from cost_top.model.query import MEASURES, Report, ReportQuery
from cost_top.monitor.log import narrow
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import SqlLog, SqlLogReader, open_log
from support.followed import Followed

NOW = datetime.now(UTC)
ROWS = 30


def moment_of(number: int) -> datetime:
    return NOW - timedelta(hours=5 * number + 1)


class Asked:
    """Reports on a log of some days, and how many of its rows they read."""

    def __init__(self, log: Any, folder: Path) -> None:
        self.log, self.cache = log, folder / "cache"
        self.overrides: Path | None = None
        for number in range(ROWS):
            self.add(number)
        self.settle()

    def add(self, number: int) -> None:
        self.log.add(
            id=f"r{number}", time_ms=int(moment_of(number).timestamp() * 1000), provider="a", model=f"m{number % 3}",
            user_id=f"u{number % 4}", input_tokens=100 + number, output_tokens=number, latency_ms=number,
            cost_pico_usd=None if number % 5 == 0 else 10**9 + number,
        )  # fmt: skip

    def settle(self) -> None:
        """As if it had been written a while ago: then the file itself says so."""
        for path in (self.log.path, Path(f"{self.log.path}-wal")):
            if path.exists():
                os.utime(path, (time.time(), time.time() - 10))

    def _asked(self, cache: Path | None, query: ReportQuery, verify: bool = False) -> tuple[Report, int]:
        readers: list[SqlLogReader] = []

        def opened() -> SqlLog:
            source = open_log(str(self.log.path))
            assert isinstance(source, SqlLog)

            def connect() -> SqlLogReader:
                readers.append(SqlLogReader(source))
                return readers[-1]

            source.connect = connect  # type: ignore[method-assign]
            return source

        found = LogAnswers(opened, lambda: RateBook.load(self.overrides), cache, verify, asks_once=True).report(query)
        return found, sum(reader.statistics.rows_read for reader in readers)

    def rows_read(self, dimension: str = "model", days: int = 9, until: datetime = NOW + timedelta(minutes=1)) -> int:
        """Rows of the log that a report reads, whose figures are those of whole rows."""
        query = ReportQuery(NOW - timedelta(days=days), until, (dimension,), measures=MEASURES)
        report, rows = self._asked(self.cache, query)
        whole, _ = self._asked(None, query, verify=True)
        assert (report.rows, report.totals) == (whole.rows, whole.totals)
        # Days that are kept count as read where a month's end is told.
        notes, others = (
            [note.partition(", by the ")[0] for note in found.notes if "compared" not in note]
            for found in (report, whole)
        )
        assert notes == others
        return rows

    def kept(self, suffix: str) -> list[Path]:
        return sorted(self.cache.glob(f"*/[!.]*{suffix}"))


@pytest.fixture
def asked(sqlite_log, tmp_path: Path) -> Asked:
    return Asked(sqlite_log(wal=False), tmp_path)


def test_nothing_is_read_again_while_nothing_is_written(asked: Asked) -> None:
    assert asked.rows_read() >= ROWS
    assert asked.rows_read() == 0
    assert asked.rows_read(days=4) == 0
    assert {path.stat().st_mode & 0o777 for path in asked.kept(".narrow")} == {0o600}
    assert asked.kept(".parquet") == [], "nobody pays for whole days who asks once"


@pytest.mark.parametrize("lengths", [(9, 4), (4, 9)])
def test_files_of_more_and_of_fewer_days_are_told_apart(asked: Asked, lengths: tuple[int, int]) -> None:
    for length in lengths:
        for note in asked.cache.glob("*/narrow.json"):
            note.unlink()  # as by a report that was broken off before it, or beside another
        asked.rows_read(until=NOW - timedelta(days=9 - length) + timedelta(minutes=1))
    names = [path.name.rsplit(".", 2)[0] for path in asked.kept(".narrow")]
    assert len(names) > 1
    assert len({*names}) == len(names)
    asked.rows_read()


def test_how_much_is_read_at_once_is_told_by_a_day_that_is_over(asked: Asked, monkeypatch) -> None:
    monkeypatch.setattr(narrow, "_TOGETHER", (40, 1000))
    monkeypatch.setattr(backfill, "READERS", 1)
    for number in range(24):  # the newest day has few rows whenever it began
        for day in range(1, 9):
            asked.log.add(id=f"d{day}-{number}", time_ms=int((NOW - timedelta(days=day)).timestamp() * 1000))
    asked.settle()
    asked.rows_read()
    assert len(asked.kept(".narrow")) >= 6


def test_other_columns_are_read_by_themselves(asked: Asked) -> None:
    asked.rows_read()
    assert asked.rows_read("user") >= ROWS
    assert (asked.rows_read("user"), asked.rows_read("model")) == (0, 0)


@pytest.mark.parametrize("change", ["row", "value"])
def test_who_asks_again_of_a_log_that_was_written_to_has_days_kept_whole(asked: Asked, change: str) -> None:
    asked.rows_read()
    if change == "row":
        asked.add(ROWS)
    else:
        asked.log.run("UPDATE cost_top_requests SET cost_pico_usd = 77, model = 'other' WHERE id = 'r7'")
    asked.settle()
    assert asked.rows_read() >= ROWS
    assert asked.kept(".narrow") == [], "what the log no longer says is on no disk"
    assert len(asked.kept(".parquet")) > 3
    assert asked.rows_read("user") == 0


def test_who_asks_several_questions_reads_whole_rows(asked: Asked) -> None:
    query = ReportQuery(NOW - timedelta(days=9), NOW, ("model",))
    answers = LogAnswers(lambda: open_log(str(asked.log.path)), lambda: RateBook.load(None), asked.cache)
    answers.report(query)
    assert (asked.kept(".narrow"), len(asked.kept(".parquet")) > 3) == ([], True)


def test_other_days_are_read_as_if_for_the_first_time(asked: Asked) -> None:
    asked.rows_read(days=2, until=NOW - timedelta(minutes=30))  # of what is over no month end is told
    kept_from = (NOW - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert asked.rows_read() >= sum(moment_of(number) < kept_from for number in range(ROWS)) > 0
    assert asked.kept(".parquet") == []


def test_days_that_are_not_over_are_kept_of_a_log_that_follows_a_write_at_once_alone(asked: Asked, monkeypatch) -> None:
    said = SqlLogReader.evidence
    monkeypatch.setattr(SqlLogReader, "evidence", lambda reader: replace(said(reader), at_once=False))
    before = NOW - timedelta(days=2)
    assert (asked.rows_read() >= ROWS, asked.rows_read() >= ROWS) == (True, True)
    assert (asked.rows_read(until=before) > 0, asked.rows_read(until=before)) == (True, 0)


def test_what_is_kept_of_other_days_goes_when_the_log_was_written_to(asked: Asked) -> None:
    asked.rows_read(days=2, until=NOW - timedelta(minutes=30))
    before = {*asked.kept(".narrow")}
    asked.add(ROWS)
    asked.settle()
    asked.rows_read(until=NOW - timedelta(days=4))
    assert before
    assert before.isdisjoint(asked.kept(".narrow")), "what the log no longer says is on no disk"


def test_other_rates_price_the_rows_anew(asked: Asked, tmp_path: Path) -> None:
    asked.rows_read()
    asked.overrides = tmp_path / "prices.toml"
    asked.overrides.write_text('[[price]]\nmodel = "m0"\ninput = "3"\noutput = "9"\n')
    assert asked.rows_read() >= ROWS
    assert asked.rows_read() == 0


@pytest.mark.parametrize("harm", ["cut off", "flipped", "gone"])
def test_a_damaged_file_is_told_and_read_again(asked: Asked, harm: str) -> None:
    asked.rows_read()
    path = asked.kept(".narrow")[0]
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "cut off" else data[:200] + b"x" + data[201:])
        assert damaged(asked.cache) == [path]
    assert asked.rows_read() > 0
    assert asked.rows_read() == 0
    assert damaged(asked.cache) == []


def test_a_log_that_is_followed_keeps_none(asked: Asked) -> None:
    asked.rows_read()
    followed = Followed(open_log(str(asked.log.path)), asked.cache)
    try:
        followed.run(4)
        assert asked.kept(".narrow") == []
    finally:
        followed.close()
    assert asked.rows_read("user") < ROWS, "closed days are kept whole"
