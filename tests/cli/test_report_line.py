"""`report --format line` over a SQLite log: what is kept is told only while the log says the same."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cost_top.cli import line_cache
from cost_top.cli.options import resolve
from cost_top.cli.report import command
from cost_top.model.filter import Filter
from cost_top.sources.files import log as files_log
from cost_top.sources.sql import log as sql_log

USD = 10**12
# One whose midnight is hours away.
ZONE = "UTC" if 6 <= datetime.now(UTC).hour < 20 else "Pacific/Kiritimati"


class Line:
    """The command over one log, and how often it opened it."""

    def __init__(self, log: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log, self.opened, self.later = log, 0, 0.0
        # When a file was changed cannot be set: the clock can.
        monkeypatch.setattr(line_cache, "time", SimpleNamespace(time=lambda: time.time() + self.later))
        monkeypatch.setenv("COST_TOP_CACHE", str(folder / "cache"))
        open_log = sql_log.open_log

        def counted(*arguments: Any, **named: Any) -> Any:
            self.opened += 1
            return open_log(*arguments, **named)

        monkeypatch.setattr(sql_log, "open_log", counted)

    def add(self, minutes: float, usd: float | None, **more: Any) -> None:
        moment = int((time.time() - minutes * 60) * 1000)
        cost = None if usd is None else int(usd * USD)
        self.later = 0.0
        self.log.add(
            id=f"{moment}-{os.urandom(4).hex()}", time_ms=moment, provider="x", model="m", cost_pico_usd=cost, **more
        )

    def settle(self) -> None:
        """As if the last write were long ago."""
        self.later = 10.0
        for suffix in ("", "-wal"):
            path = Path(f"{self.log.path}{suffix}")
            if path.exists():
                os.utime(path, ns=(time.time_ns(), time.time_ns() - 10**10))

    def told(self, *more: str) -> str:
        done = CliRunner().invoke(
            command,
            [str(self.log.path), "--format", "line", "--tz", ZONE, *more],
            standalone_mode=False,
        )
        assert done.exception is None, done.exception
        return done.stdout


@pytest.fixture
def line(sqlite_log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(sqlite_log(), tmp_path, monkeypatch)


def test_a_log_that_nobody_wrote_to_is_not_opened_again(line: Line) -> None:
    line.add(0.1, 2)
    line.add(0.2, None, input_tokens=5)
    line.settle()
    first = line.told()
    assert first == "≥ $2.00 today · ≥ $2.00/h\n"
    opened = line.opened
    assert line.told() == first
    assert line.opened == opened
    assert line.told("--where", "model:other").startswith("$0.00 today")
    assert line.told("--verify") == first
    assert line.opened > opened


def test_rows_of_no_time_are_told_by_a_kept_line_too(line: Line) -> None:
    line.add(0.1, 2)
    line.add(0.1, 7)
    line.log.connection.execute("UPDATE cost_top_requests SET time_ms = 5 WHERE cost_pico_usd = ?", (7 * USD,))
    line.log.connection.commit()
    line.settle()
    first = line.told()
    assert first == "$2.00 today · $2.00/h · 1 row has no usable time\n"
    opened = line.opened
    assert (line.told(), line.opened) == (first, opened)


def test_what_leaves_the_hour_leaves_the_kept_line(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.add(0.1, 2)
    line.add(50, 3)
    line.settle()
    assert line.told().endswith("$5.00/h\n")
    opened = line.opened
    monkeypatch.setattr(line_cache, "HOUR", timedelta(minutes=30))
    assert line.told().endswith("$2.00/h\n")
    assert line.opened == opened


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_every_write_is_seen(line: Line, mode: str) -> None:
    line.log.connection.execute(f"PRAGMA journal_mode={mode}")
    line.add(0.1, 2)
    line.settle()
    assert line.told().endswith("$2.00/h\n")
    line.add(0.1, 1)
    assert line.told().endswith("$3.00/h\n")
    line.add(0.1, 1)  # not settled: nothing was kept in between
    assert line.told().endswith("$4.00/h\n")
    with sqlite3.connect(line.log.path) as connection:
        connection.execute("UPDATE cost_top_requests SET cost_pico_usd = 7000000000000 WHERE cost_pico_usd > 1e12")
    assert line.told().endswith("$9.00/h\n")


def test_a_request_ahead_of_the_clock_is_not_missed_later(line: Line) -> None:
    line.add(0.1, 2)
    line.add(-1.0, 5)
    line.settle()
    line.told()
    assert not list(Path(os.environ["COST_TOP_CACHE"]).glob("line-*.json"))


def test_other_rates_make_another_line(line: Line, tmp_path: Path) -> None:
    line.add(0.1, None, input_tokens=1_000_000, output_tokens=0)
    line.settle()
    assert line.told() == "≥ $0.00 today · ≥ $0.00/h\n"
    overrides = tmp_path / "prices.toml"
    overrides.write_text('[[price]]\nmodel = "m"\ninput = "3"\noutput = "9"\n')
    line.settle()
    shown = CliRunner().invoke(
        command, [str(line.log.path), "--format", "line", "--tz", ZONE, "--overrides", str(overrides)],
        standalone_mode=False,
    )  # fmt: skip
    assert shown.exception is None, shown.exception
    assert shown.stdout == "$3.00 today · $3.00/h\n"


@pytest.mark.parametrize("other", ["mapping", "overrides", "rates"])
def test_the_line_of_another_mapping_or_other_prices_is_another(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    line.add(0.1, 2)
    line.settle()
    settings = resolve(str(line.log.path), None, None, ZONE, False, None)
    same = tmp_path / "same.toml"
    same.write_text("# one text")
    os.link(same, tmp_path / "beside.toml")

    midnight = datetime(2026, 11, 29, tzinfo=UTC)

    def path_of(**more: Any) -> Path | None:
        return line_cache.LineCache(replace(settings, **more), Filter(), midnight)._path

    before = path_of(mapping=same), path_of(overrides=same), path_of()
    assert len({*before}) == 3
    if other == "rates":
        monkeypatch.setattr(line_cache, "rates_path", lambda: same)
        assert path_of() not in before
    else:
        assert path_of(**{other: tmp_path / "beside.toml"}) not in before


def test_nothing_is_kept_without_a_cache(line: Line) -> None:
    line.add(0.1, 2)
    line.settle()
    line.told("--no-cache")
    assert not Path(os.environ["COST_TOP_CACHE"]).exists()


def test_a_damaged_file_is_read_over(line: Line) -> None:
    line.add(0.1, 2)
    line.settle()
    first = line.told()
    (kept,) = Path(os.environ["COST_TOP_CACHE"]).glob("line-*.json")
    assert kept.stat().st_mode & 0o077 == 0
    for text in ("", "{", '{"marks": 1}', kept.read_text().replace('"hour"', '"our"')):
        kept.write_text(text)
        assert line.told() == first
    assert datetime.now(UTC).timestamp() >= kept.stat().st_mtime


def test_a_commit_that_readers_see_long_after_it_was_written_is_seen(line: Line) -> None:
    line.add(0.1, 2)
    line.settle()
    before = line_cache._sqlite_marks(line.log.path)
    assert before == line_cache._sqlite_marks(line.log.path)
    line.add(0.1, 3)
    after = line_cache._sqlite_marks(line.log.path)
    assert before is not None
    assert after is not None
    assert before.told[-1] != after.told[-1], "also where file and write-ahead log had changed a while before"


def test_a_commit_to_a_log_behind_a_link_is_seen(line: Line, tmp_path: Path) -> None:
    line.log.connection.execute("PRAGMA journal_mode=WAL")
    line.log.connection.execute("PRAGMA wal_autocheckpoint=0")
    line.add(0.1, 2)
    line.settle()
    link = tmp_path / "link.db"
    link.symlink_to(line.log.path)
    before = line_cache._sqlite_marks(link)
    assert before == line_cache._sqlite_marks(line.log.path)
    line.add(0.1, 3)
    assert line_cache._sqlite_marks(link) != before


class Files:
    """The command over a folder of rows, and how often an index of them was opened."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.opened = folder / "rows", 0
        monkeypatch.setattr(line_cache, "time", SimpleNamespace(time=lambda: time.time() + 10))
        self.folder.mkdir()
        monkeypatch.setenv("COST_TOP_CACHE", str(folder / "cache"))
        open_files = files_log.open_files

        def counted(*arguments: Any) -> Any:
            self.opened += 1
            return open_files(*arguments)

        monkeypatch.setattr(files_log, "open_files", counted)

    def write(self, name: str, text: str, ago: float = 10.0) -> None:
        path = self.folder / name
        path.write_text(text)
        os.utime(path, (time.time(), time.time() - ago))

    def told(self) -> str:
        done = CliRunner().invoke(
            command, [str(self.folder), "--format", "line", "--tz", ZONE], standalone_mode=False
        )  # fmt: skip
        assert done.exception is None, done.exception
        return done.stdout


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    return Files(tmp_path, monkeypatch)


def row(number: int, usd: int) -> str:
    return json.dumps(dict(zip(COLUMNS, (f"r{number}", *values(usd)), strict=True))) + "\n"


COLUMNS = ("id", "created_at", "provider", "model", "tokens_in", "tokens_out", "success", "cached", "cost")


def values(usd: int) -> tuple[Any, ...]:
    moment = datetime.now(UTC) - timedelta(seconds=30)
    return moment.isoformat(), "openai", "m", 1, 1, True, False, usd


def test_files_that_nobody_wrote_to_are_not_opened_again(files: Files) -> None:
    files.write("a.jsonl", row(1, 2))
    files.write("b.jsonl", row(2, 3))
    first = files.told()
    assert first.endswith("$5.00/h\n")
    opened = files.opened
    assert files.told() == first
    assert files.opened == opened


@pytest.mark.parametrize("write", ["another file", "more of one", "one in place", "one less"])
def test_every_write_to_files_is_seen(files: Files, write: str) -> None:
    files.write("a.jsonl", row(1, 2))
    files.write("b.jsonl", row(2, 3))
    assert files.told().endswith("$5.00/h\n")
    if write == "another file":
        files.write("c.jsonl", row(3, 4))
    elif write == "more of one":
        files.write("b.jsonl", row(2, 3) + row(3, 4), ago=8)
    elif write == "one in place":
        files.write("b.jsonl", row(2, 7), ago=8)
    else:
        (files.folder / "a.jsonl").unlink()
    assert files.told().endswith("$3.00/h\n" if write == "one less" else "$9.00/h\n")


def test_what_rest_alone_may_change_is_not_kept(files: Files) -> None:
    rows = [COLUMNS, ("r1", *values(2)), ("r2", *values(3))]
    files.write("a.csv", "\n".join(",".join(map(str, row)) for row in rows))
    files.told()
    assert not list(Path(os.environ["COST_TOP_CACHE"]).glob("line-*.json"))
