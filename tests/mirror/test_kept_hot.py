"""The hot end that was kept whole: used while nothing was written to the log since, and never else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.mirror.kept import damaged
from cost_top.mirror.kept_hot import keep_hot, take_hot
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.query import MEASURES, Report, ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.base import Evidence, Lookup
from cost_top.sources.sql.log import open_log
from support.followed import Followed

NOW = datetime.now(UTC)


class Asked:
    """A log of today and yesterday, asked again and again, and how often its hot end was read."""

    def __init__(self, log: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log, self.folder, self.read = log, folder, 0
        self.overrides: Path | None = None
        fill = Tail.fill

        def counted(tail: Tail, start: datetime, end: datetime | None) -> int:
            self.read += 1
            return fill(tail, start, end)

        monkeypatch.setattr(Tail, "fill", counted)
        for number in range(40):
            self.add(number)

    def add(self, number: int) -> None:
        moment = NOW - timedelta(hours=number)
        self.log.add(
            id=f"r{number}", time_ms=int(moment.timestamp() * 1000), provider="a", model=f"m{number % 3}", token="k",
            token_name=f"key {number % 2}", tags='["prod"]', input_tokens=100 + number, output_tokens=number,
            latency_ms=number, cost_pico_usd=None if number % 5 == 0 else 10**9 + number,
        )  # fmt: skip

    def settle(self, ago: float = 10.0) -> None:
        for suffix in ("", "-wal"):
            path = Path(f"{self.log.path}{suffix}")
            if path.exists():
                os.utime(path, (time.time(), time.time() - ago))

    def report(self, cache: bool = True) -> Report:
        answers = LogAnswers(
            lambda: open_log(str(self.log.path)), lambda: RateBook.load(self.overrides),
            self.folder / "cache" if cache else None,
        )  # fmt: skip
        query = ReportQuery(NOW - timedelta(days=3), NOW + timedelta(minutes=1), ("model",), measures=MEASURES)
        found = answers.report(query)
        if cache:
            again = self.report(cache=False)
            assert (found.rows, found.totals, found.trust) == (again.rows, again.totals, again.trust)
        return found

    @property
    def kept(self) -> list[Path]:
        return sorted((self.folder / "cache").glob("*/[!.]*.hot"))


@pytest.fixture
def asked(sqlite_log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(sqlite_log(wal=False), tmp_path, monkeypatch)


def reads(asked: Asked) -> bool:
    """Whether asking reads the hot end, but for the comparison without a cache."""
    before = asked.read
    asked.report()
    return asked.read - before > 1


def test_it_is_read_once_while_nothing_is_written(asked: Asked) -> None:
    asked.settle()
    assert (reads(asked), reads(asked)) == (True, False)
    (path,) = asked.kept
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_not_kept_of_a_log_that_was_written_to_just_now(asked: Asked) -> None:
    asked.settle(ago=-3600)
    assert (reads(asked), reads(asked)) == (True, True)
    assert asked.kept == []


@pytest.mark.parametrize("change", ["row", "value", "rates"])
def test_what_changed_is_read_again(asked: Asked, tmp_path: Path, change: str) -> None:
    asked.settle()
    assert (reads(asked), reads(asked)) == (True, False)
    if change == "row":
        asked.add(0.25)  # type: ignore[arg-type]
    elif change == "value":
        asked.log.run("UPDATE cost_top_requests SET cost_pico_usd = 77 WHERE id = 'r1'")
    else:
        asked.overrides = tmp_path / "prices.toml"
        asked.overrides.write_text('[[price]]\nmodel = "m0"\ninput = "3"\noutput = "9"\n')
    asked.settle()
    assert (reads(asked), reads(asked)) == (True, False)
    assert len(asked.kept) == 1


@pytest.mark.parametrize("harm", ["cut off", "flipped", "gone"])
def test_a_damaged_file_is_told_and_read_again(asked: Asked, tmp_path: Path, harm: str) -> None:
    asked.settle()
    asked.report()
    (path,) = asked.kept
    data = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "cut off" else data[:200] + b"x" + data[201:])
        assert damaged(tmp_path / "cache") == [path]
    assert (reads(asked), reads(asked)) == (True, False)
    assert damaged(tmp_path / "cache") == []


def test_what_a_followed_log_no_longer_says_is_on_no_disk(asked: Asked, tmp_path: Path) -> None:
    asked.settle()
    asked.report()
    assert asked.kept
    followed = Followed(open_log(str(asked.log.path)), tmp_path / "cache")
    try:
        assert asked.kept == []
        followed.run(4)
        asked.report()
        assert asked.kept
        asked.log.run("UPDATE cost_top_requests SET token = 'unnamed' WHERE id = 'r1'")
        followed.run(120)
        assert asked.kept == []
    finally:
        followed.close()


START = datetime(NOW.year, NOW.month, NOW.day)
SAID = Evidence("the place", "1", "1", at_once=True)
NAMED_OTHERWISE = (Lookup("provider", "provider", {"a": "alpha"}),)


@contextmanager
def opened(asked: Asked) -> Iterator[Mirror]:
    """A mirror that keeps in the log's folder and holds nothing."""
    mirror = Mirror(open_log(str(asked.log.path)), RateBook.load(None), asked.folder / "cache")
    mirror.hot_start = START + timedelta(days=1)
    try:
        yield mirror
    finally:
        mirror.close()


def keep(asked: Asked, evidence: Evidence = SAID, begins: datetime = START) -> None:
    """Keep a hot end of one row, which says what its team is called."""
    with opened(asked) as mirror:
        row = {"id": "'r'", "time": f"TIMESTAMP '{START}'", "key": "'r'", "team": "'t1'", "team_name": "'Team'"}
        columns = [name for (name,) in mirror.database.connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [mirror.hot.table.rpartition(".")[2]]
        ).fetchall()]  # fmt: skip
        values = ", ".join(row.get(name, "NULL") for name in columns)
        mirror.database.connection.execute(f"INSERT INTO {mirror.hot.table} VALUES ({values})")
        mirror.hot_start = begins
        keep_hot(mirror, START, evidence, ())


def test_it_is_taken_with_the_names_that_its_rows_say_and_not_with_others_beside_the_log(asked: Asked) -> None:
    keep(asked)
    with opened(asked) as mirror:
        assert not take_hot(mirror, START, SAID, NAMED_OTHERWISE)
        assert not take_hot(mirror, START, replace(SAID, changes="2"), ())
        assert not take_hot(mirror, START, replace(SAID, at_once=False), ())
        assert take_hot(mirror, START, SAID, ())
        assert mirror.database.names.label("team", "t1") == "Team"
        assert mirror.hot_start == START


def test_neither_a_part_is_kept_nor_what_a_log_tells_only_seconds_later(asked: Asked) -> None:
    keep(asked, begins=START + timedelta(hours=1))
    keep(asked, replace(SAID, at_once=False))
    assert asked.kept == []
    keep(asked)
    assert len(asked.kept) == 1
