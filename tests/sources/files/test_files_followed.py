"""Files are followed by what grew: what is opened and read, what the index says of itself, and lines at any border."""

from __future__ import annotations

import builtins
import io
import os
import random
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.mirror.days import Days
from cost_top.model.files import held, lock_of
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.files import index_file, lines
from cost_top.sources.files.claude_code import ClaudeCode
from cost_top.sources.files.found import files_of
from cost_top.sources.files.index import FileIndex
from cost_top.sources.files.log import open_files
from support.session_files import add_text, claude_line, write_lines

DAY = datetime(2026, 11, 20, tzinfo=UTC)


class Opened:
    """Which files were opened to be read, in the order of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        monkeypatch.setattr(lines, "open", self._open, raising=False)

    def _open(self, path: str, *arguments: Any, **named: Any) -> Any:
        self.names.append(Path(path).name)
        return builtins.open(path, *arguments, **named)


def sessions(folder: Path, count: int) -> Path:
    for number in range(count):
        write_lines(folder / f"s{number:03}.jsonl", claude_line(f"m{number}", number, session=f"s-{number}"))
    return folder


def test_a_look_at_files_that_did_not_change_opens_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = sessions(tmp_path / "logs", 60)
    assert FileIndex(tmp_path / "index.db", ClaudeCode()).refresh(files_of((str(folder),)))
    opened = Opened(monkeypatch)
    again = FileIndex(tmp_path / "index.db", ClaudeCode())
    assert not again.refresh(files_of((str(folder),)))
    assert opened.names == []
    add_text(folder / "s007.jsonl", claude_line("more", 5) + "\n")
    assert again.refresh(files_of((str(folder),)))
    assert set(opened.names) == {"s007.jsonl"}


def test_nothing_is_copied_into_an_index_while_somebody_opens_it(tmp_path: Path):
    folder, path = sessions(tmp_path / "logs", 3), tmp_path / "index.db"
    index = FileIndex(path, ClaudeCode())
    index.refresh(files_of((str(folder),)))
    add_text(folder / "s001.jsonl", claude_line("more", 5) + "\n")
    before, ahead = path.read_bytes(), Path(f"{path}-wal")
    writer = threading.Thread(target=index.refresh, args=(files_of((str(folder),)),))
    with held(lock_of(path), alone=False, seconds=0):
        writer.start()
        while writer.is_alive() and not (ahead.exists() and ahead.stat().st_size):
            writer.join(0.005)
        writer.join(0.05)
        assert path.read_bytes() == before
    writer.join(10)
    assert path.read_bytes() != before


def test_each_version_of_the_code_has_an_index_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, cache = sessions(tmp_path / "logs", 3), tmp_path / "cache"
    ours = open_files(str(folder), None, cache).index.path
    made = ours.stat()
    monkeypatch.setattr(index_file, "VERSION", 99)
    theirs = open_files(str(folder), None, cache).index.path
    assert theirs != ours
    assert (ours.stat().st_ino, ours.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    os.utime(ours, (0, 0))
    open_files(str(folder), None, cache)
    assert {each.name.partition(".")[0] for each in (cache / "files").iterdir()} == {theirs.stem}


def test_a_warm_start_reads_the_beginnings_of_a_few_files_and_no_day_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = sessions(tmp_path / "logs", 100)
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)

    def totals() -> tuple[int, int | None]:
        answers = LogAnswers(lambda: open_files(str(folder), None, cache), RateBook.load, cache)
        try:
            found = answers.report(ReportQuery(DAY, DAY + timedelta(days=1), ("model",), parse_filter(""))).totals
        finally:
            answers.close()
        return found.request_count, found.total_cost

    cold = totals()
    opened = Opened(monkeypatch)
    monkeypatch.setattr(Days, "compare", lambda *_, **__: pytest.fail("a day was compared"))
    monkeypatch.setattr(Days, "read", lambda *_, **__: pytest.fail("a day was read"))
    assert totals() == cold
    assert cold[0] == 100
    assert len(opened.names) == len(set(opened.names)) <= 25


def test_the_index_tells_what_was_added_from_what_was_changed_and_at_once(tmp_path: Path):
    folder = sessions(tmp_path / "logs", 2)
    log = open_files(str(folder), None, tmp_path / "cache")

    def evidence() -> tuple[str | None, str | None]:
        log._looked -= 10  # as if half a second had passed
        with log.connect() as reader:
            found = reader.evidence()
        assert found.at_once
        return found.changes, found.inserts

    first = evidence()
    assert None not in first
    assert evidence() == first
    add_text(folder / "s000.jsonl", claude_line("new", 5, request="r2") + "\n")
    added = evidence()
    assert (added[0] == first[0], added[1] == first[1]) == (True, False)
    add_text(folder / "s000.jsonl", claude_line("new", 9, request="r2") + "\n")
    changed = evidence()
    assert (changed[0] == added[0], changed[1] == added[1]) == (False, True)
    (folder / "s001.jsonl").unlink()
    assert evidence()[0] != changed[0]


def test_a_reader_that_stays_sees_every_line_that_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cost_top.sources.files.log._AGAIN_SECONDS", 0.0)
    folder = sessions(tmp_path / "logs", 2)
    log = open_files(str(folder), None, tmp_path / "cache")
    with log.connect() as reader:
        told = [(reader.newest(), reader.evidence())]
        for hour in range(1, 5):
            moment = f"2026-11-20T{12 + hour}:00:00.000Z"
            add_text(folder / "s000.jsonl", claude_line(f"n{hour}", hour, time=moment, request=f"r{hour}") + "\n")
            told.append((reader.newest(), reader.evidence()))
        assert [newest and newest.hour for newest, _ in told[1:]] == [13, 14, 15, 16]
        assert len({evidence.text for _, evidence in told}) == 5


def test_nothing_is_taken_over_under_a_reading(tmp_path: Path):
    folder = sessions(tmp_path / "logs", 2)
    log = open_files(str(folder), None, tmp_path / "cache")
    with log.connect() as reader, log.connect() as other:
        before = other.evidence()
        with reader.rows(DAY, None, True):
            add_text(folder / "s000.jsonl", claude_line("new", 5, request="r2") + "\n")
            log._looked -= 10
            assert other.evidence() == before
        assert other.evidence() != before


@pytest.mark.parametrize("block", [1, 2, 7, 64, 4096])
def test_marked_lines_are_those_of_all_lines_that_hold_a_mark(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "_BLOCK", block)
    chance = random.Random(block)
    marks = (b'"usage"', b'"turn"')
    pieces = (*marks, b"\n", b"\n", b"", b"x", b"\r", b'"usag', b"y" * 20)
    for _ in range(200):
        text = b"".join(chance.choice(pieces) for _ in range(chance.randrange(25)))
        found = list(lines.marked_lines(io.BytesIO(text), 100, marks))  # type: ignore[arg-type]
        whole = list(lines.lines_from(io.BytesIO(text), 100))
        expected = [
            (end, line) for end, line in whole if not line.endswith(b"\n") or any(mark in line for mark in marks)
        ]
        assert [each for each in found if each[1]] == expected
        assert max((end for end, _ in found), default=100) == max((end for end, _ in whole), default=100)


def test_a_line_too_long_to_be_held_is_counted_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "_BLOCK", 100)
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    long = claude_line("long", 1, cwd="/" + "y" * 5000)
    path = write_lines(tmp_path / "s.jsonl", claude_line("m1", 1), long, claude_line("m2", 2))
    part = ClaudeCode().read(str(path), 0, {})
    assert [row["id"] for row in part.rows] == ["m1:req-1", "m2:req-1"]
    assert (part.unreadable, part.read_until) == (1, path.stat().st_size)
    with lines.open_at(str(path), 0) as file:
        assert [line for _, line in lines.lines_from(file, 0)].count(lines.TOO_LONG) == 1
