"""Files that are cut off, rewritten, replaced or hostile: right figures or a told line, and the rest is read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.errors import SourceError, UserError
from cost_top.sources.files.claude_code import ClaudeCode
from cost_top.sources.files.content import parsed, records_of
from cost_top.sources.files.exports import EXPORTS
from cost_top.sources.files.found import files_of
from cost_top.sources.files.index import FileIndex
from cost_top.sources.files.log import open_files
from cost_top.sources.sql.inspect import inspect
from support.scratch import scratch
from support.session_files import claude_line, write_lines

KINDS = {kind.name: kind for kind in EXPORTS} | {"claude-code": ClaudeCode()}
TIME = "2026-11-20T10:00:00Z"


class Watched:
    """An index over a folder of one kind of files, and what it holds."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.index = FileIndex(folder / "index.db", KINDS[kind])

    def rows(self, columns: str = "input_tokens") -> list[Any]:
        self.index.refresh(files_of((str(self.folder),)))
        with sqlite3.connect(self.index.path) as database:
            found = database.execute(f"SELECT {columns} FROM cost_top_requests ORDER BY id").fetchall()
        return sorted(row[0] for row in found) if columns == "input_tokens" else found


@pytest.fixture
def audit(tmp_path: Path) -> Watched:
    return Watched(tmp_path, "audit-export")


@pytest.fixture
def cloudflare(tmp_path: Path) -> Watched:
    return Watched(tmp_path, "cloudflare")


@pytest.fixture
def claude(tmp_path: Path) -> Watched:
    return Watched(tmp_path, "claude-code")


def call(tokens: int, **more: Any) -> dict[str, Any]:
    """A row of an audit export, which has no id."""
    row = {"timestamp": TIME, "provider": "openai", "model": "gpt-x", "prompt_tokens": tokens, "completion_tokens": 1}
    return {**row, "cost": "0.1", **more}


def event(number: int, **more: Any) -> str:
    row = {"id": f"e{number}", "created_at": TIME, "provider": "openai", "model": "gpt-x", "tokens_in": number,
           "tokens_out": 1}  # fmt: skip
    return json.dumps({**row, **more})


def table(*rows: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_a_figure_that_is_changed_in_place_is_read_anew(cloudflare: Watched):
    path = write_lines(cloudflare.folder / "a.jsonl", *(event(number) for number in range(100, 140)))
    assert sum(cloudflare.rows()) == sum(range(100, 140))
    path.write_text(path.read_text().replace('"tokens_in": 120', '"tokens_in": 990'))
    assert sum(cloudflare.rows()) == sum(range(100, 140)) - 120 + 990


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz", "a.parquet"])
def test_a_file_that_is_changed_in_place_and_has_its_time_set_back_is_read_anew(audit: Watched, name: str) -> None:
    path, sizes = audit.folder / name, set[int]()
    for tokens in (111, 222):
        rows = [call(tokens), call(3)]
        if name.endswith("parquet"):
            columns = ", ".join(f"{value!r} AS {name}" for name, value in call(tokens).items())
            with scratch() as duck:
                duck.execute(f"COPY (SELECT {columns} UNION ALL SELECT * REPLACE (3 AS prompt_tokens) FROM (SELECT "
                             f"{columns})) TO '{audit.folder / 'made'}' (FORMAT parquet)").fetchall()  # fmt: skip
            data = (audit.folder / "made").read_bytes()
        elif name.endswith("csv"):
            data = table(*rows).encode()
        else:
            data = "".join(json.dumps(row) + "\n" for row in rows).encode()
            data = gzip.compress(data, 0, mtime=0) if name.endswith("gz") else data
        path.write_bytes(data)
        sizes.add(path.stat().st_size)
        os.utime(path, ns=(1, 10**18))
        assert audit.rows() == [3, tokens]
    assert len(sizes) == 1


class Stopped:
    """Files whose times stand still, as after writes within what a file system can tell apart."""

    def __init__(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        self.watched, self.now = watched, time.time()
        self.written = int(self.now * 10**9)
        monkeypatch.setattr("cost_top.sources.files.waiting.time.time", lambda: self.now)

    def rows(self) -> list[int]:
        found = files_of((str(self.watched.folder),))
        index = self.watched.index
        self.changed = index.refresh([replace(each, mtime_ns=self.written, ctime_ns=self.written) for each in found])
        with sqlite3.connect(index.path) as database:
            return sorted(row[0] for row in database.execute("SELECT input_tokens FROM cost_top_requests"))


@pytest.mark.parametrize("packed", [False, True])
def test_a_second_write_of_the_same_moment_and_size_is_seen(
    cloudflare: Watched, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    path = cloudflare.folder / f"a.jsonl{'.gz' if packed else ''}"

    def write(*tokens: int) -> None:
        data = "".join(event(number) + "\n" for number in tokens).encode()
        path.write_bytes(gzip.compress(data, 0, mtime=0) if packed else data)

    stopped = Stopped(cloudflare, monkeypatch)
    write(100, 101)
    assert stopped.rows() == [100, 101]
    write(100, 909)
    stopped.now += 1
    assert stopped.rows() == [100, 101], "too early to tell"
    stopped.now += 2
    assert stopped.rows() == [100, 909]
    stopped.now += 3
    assert stopped.rows() == [100, 909]
    assert not stopped.changed, "looked at once more, and no longer read"


def test_a_line_edited_in_the_middle_of_a_growing_file_is_found_when_it_rests(
    cloudflare: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cost_top.sources.files.witness._BLOCK", 4096)
    path = write_lines(cloudflare.folder / "a.jsonl", *(event(number) for number in range(100, 300)))
    stopped = Stopped(cloudflare, monkeypatch)
    right = sum(range(100, 300))
    assert sum(stopped.rows()) == right
    with path.open("r+") as file:
        file.seek(file.read().index('"tokens_in": 222'))
        file.write('"tokens_in": 922')
        file.seek(0, 2)
        file.write(event(1) + "\n")
    stopped.rows()
    stopped.now += 3
    assert sum(stopped.rows()) == right + 700 + 1


def test_a_longer_file_that_was_moved_over_another_is_read_whole(cloudflare: Watched):
    path = write_lines(cloudflare.folder / "a.jsonl", *(event(number) for number in range(100, 140)))
    cloudflare.rows()
    changed = path.read_text().replace('"tokens_in": 120', '"tokens_in": 990') + event(1) + "\n"
    (cloudflare.folder / "new").write_text(changed)
    os.replace(cloudflare.folder / "new", path)
    assert sum(cloudflare.rows()) == sum(range(100, 140)) - 120 + 990 + 1


def test_a_log_that_is_rotated_keeps_each_line_once(audit: Watched):
    path = write_lines(audit.folder / "app.jsonl", *(json.dumps(call(number)) for number in (1, 2, 3)))
    assert audit.rows() == [1, 2, 3]
    path.rename(audit.folder / "app.1.jsonl")
    write_lines(path, json.dumps(call(4)))
    assert audit.rows() == [1, 2, 3, 4]
    rotated = audit.folder / "app.1.jsonl"
    (audit.folder / "app.1.jsonl.gz").write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    assert audit.rows() == [1, 2, 3, 4]
    path.write_text("")
    assert audit.rows() == [1, 2, 3]


def test_a_list_that_is_written_anew_with_more_counts_each_row_once(audit: Watched):
    path = audit.folder / "export.json"
    path.write_text(json.dumps([call(1), call(2)], indent=1)[:-4])
    assert (audit.rows(), audit.index.unreadable()) == ([], 1)
    path.write_text(json.dumps([call(1), call(2)], indent=1))
    assert (audit.rows(), audit.index.unreadable()) == ([1, 2], 0)
    path.write_text(json.dumps([call(1), call(2), call(3)], indent=1))
    assert (audit.rows(), audit.index.unreadable()) == ([1, 2, 3], 0)


def test_a_row_of_a_table_in_the_writing_is_waited_for(audit: Watched):
    whole = table(call(1), call(2), call(3))
    path = audit.folder / "a.csv"
    path.write_text(whole[: whole.rindex("openai")])
    assert (audit.rows(), audit.index.unreadable()) == ([1, 2], 0)
    path.write_text(whole)
    assert audit.rows() == [1, 2, 3]


def test_the_last_row_of_a_table_without_the_end_of_its_line_is_waited_for_and_told(audit: Watched):
    path = audit.folder / "a.csv"
    path.write_text(table(call(1), call(2)) + table(call(30)).splitlines()[1][:-1])  # "0.1" as far as "0."
    assert (audit.rows(), audit.index.waiting()) == ([1, 2], (str(path),))
    written(path, 61)
    assert (audit.rows(), audit.index.waiting()) == ([1, 2, 30], ())
    path.write_text(path.read_text() + "1\n" + table(call(4)).splitlines()[1])
    written(path, 61)
    assert (audit.rows(), audit.index.waiting()) == ([1, 2, 30], (str(path),)), "it grew before, so it goes on"
    written(path, 3601)
    assert (audit.rows(), audit.index.waiting()) == ([1, 2, 4, 30], ())


def test_a_row_of_a_table_that_waited_long_enough_counts_though_nobody_writes(
    audit: Watched, monkeypatch: pytest.MonkeyPatch
):
    path = audit.folder / "a.csv"
    path.write_text(table(call(1), call(2)).rstrip("\n"))
    assert audit.rows() == [1]
    later = path.stat().st_mtime + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert audit.rows() == [1, 2]


def test_a_line_that_is_edited_in_the_middle_while_the_file_grows_is_read_anew(cloudflare: Watched):
    path = write_lines(cloudflare.folder / "a.jsonl", *(event(number) for number in range(100, 140)))
    assert sum(cloudflare.rows()) == sum(range(100, 140))
    with path.open("r+") as file:
        place = file.read().index('"tokens_in": 120')
        file.seek(place)
        file.write('"tokens_in": 820')
        file.seek(0, 2)
        file.write(event(200) + "\n")
    assert sum(cloudflare.rows()) == sum(range(100, 140)) + 700 + 200


def test_a_file_that_slept_for_a_day_and_grows_is_read_anew(cloudflare: Watched):
    path = write_lines(cloudflare.folder / "a.jsonl", *(event(number) for number in range(100, 140)))
    written(path, 2 * 86400)
    assert len(cloudflare.rows()) == 40
    text = path.read_text().replace('"tokens_in": 120', '"tokens_in": 820')
    with path.open("r+") as file:
        file.write(text + event(200) + "\n")
    assert sum(cloudflare.rows()) == sum(range(100, 140)) + 700 + 200


@contextmanager
def as_somebody(folder: Path) -> Iterator[None]:
    """Not as root, who may read everything."""
    if os.geteuid():
        yield
        return
    subprocess.run(["chown", "-R", "65534", folder], check=True)
    for parent in folder.parents:
        if not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_left_out_and_named_until_it_may(cloudflare: Watched):
    good, bad = (
        write_lines(cloudflare.folder / f"{name}.jsonl", event(number)) for name, number in (("a", 7), ("b", 8))
    )
    closed = cloudflare.folder / "closed"
    closed.mkdir()
    with as_somebody(cloudflare.folder.parent):
        bad.chmod(0)
        closed.chmod(0)
        assert cloudflare.rows() == [7]
        assert cloudflare.index.left_out() == (f"{bad}: Permission denied", f"{closed}: Permission denied")
        bad.chmod(0o600)
        closed.chmod(0o700)
        assert (cloudflare.rows(), cloudflare.index.left_out()) == ([7, 8], ())
        for path in (good, bad):
            path.chmod(0)
            os.utime(path)
        with pytest.raises(SourceError, match="permission denied"):
            cloudflare.rows()


def test_a_log_of_which_a_file_cannot_be_read_says_so_and_of_which_none_can_is_refused(tmp_path: Path):
    write_lines(tmp_path / "a.jsonl", event(7))
    os.symlink("loop.jsonl", tmp_path / "loop.jsonl")
    log = open_files(str(tmp_path), None, None)
    left = (f"{tmp_path / 'loop.jsonl'}: Too many levels of symbolic links",)
    assert (log.left_out, inspect(log).left_out) == (left, left)
    assert f"1 file left out: {left[0]}" in log.notes
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(UserError, match="Too many levels of symbolic links; give files that this user may read"):
        open_files(str(tmp_path), None, None)


def written(path: Path, seconds: int) -> None:
    """Make a file as old as that."""
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize(
    "name", ["cut.jsonl.gz", "cut.csv.gz", "cut.json.gz", "no.jsonl.gz", "no.csv.gz", "no.parquet"]
)
def test_a_file_that_is_cut_off_or_no_such_file_is_told_and_the_others_are_read(audit: Watched, name: str):
    write_lines(audit.folder / "a.jsonl", json.dumps(call(1)))
    text = table(*map(call, range(2, 900))) if ".csv" in name else "\n".join(json.dumps(call(n)) for n in range(2, 900))
    packed = gzip.compress(f"[{text}]".encode() if ".json." in name else text.encode())
    (audit.folder / name).write_bytes(packed[: len(packed) // 2] if name.startswith("cut") else b"no such file\n" * 20)
    assert audit.rows()[0] == 1
    assert audit.index.unreadable() == 1


def test_a_parquet_file_in_the_writing_is_read_when_it_is_whole(audit: Watched):
    with scratch() as duck:
        columns = ", ".join(f"{value!r} AS {name}" for name, value in call(7).items())
        duck.execute(f"COPY (SELECT {columns}) TO '{audit.folder / 'whole'}' (FORMAT parquet)").fetchall()
    whole = (audit.folder / "whole").read_bytes()
    (audit.folder / "a.parquet").write_bytes(whole[:-8])
    assert (audit.rows(), audit.index.unreadable()) == ([], 1)
    (audit.folder / "a.parquet").write_bytes(whole)
    assert (audit.rows(), audit.index.unreadable()) == ([7], 0)


@pytest.mark.parametrize("line", [
    '{"a": ' + "[" * 200_000 + "]" * 200_000 + "}", '{"created_at": 1' + "0" * 5000 + "}", "\x00\x00", '"\\ud800"',
])  # fmt: skip
def test_a_hostile_line_costs_itself_alone(cloudflare: Watched, line: str):
    write_lines(cloudflare.folder / "a.jsonl", event(1), line, event(2))
    assert (cloudflare.rows(), cloudflare.index.unreadable()) == ([1, 2], 1)


def test_half_a_surrogate_in_a_text_is_replaced(cloudflare: Watched):
    write_lines(cloudflare.folder / "a.jsonl", event(1, model="\ud800x", metadata={"user": "\udfff"}), event(2))
    assert cloudflare.rows("model, user_id") == [("?x", "?"), ("gpt-x", None)]
    assert parsed(b'["\\ud83d\\ude00", 1.50]') == ["\U0001f600", "1.50"]


def test_texts_of_a_session_that_are_no_texts_are_unknown(claude: Watched):
    odd = json.loads(claude_line("m1", 5))
    odd |= {"sessionId": ["s"], "cwd": {"a": 1}, "agentId": 7}
    odd["message"]["model"] = {"x": 1}
    write_lines(claude.folder / "s.jsonl", json.dumps(odd), claude_line("m2", 6))
    assert claude.rows("id, model, session, endpoint") == [
        ("m1:req-1", None, None, None),
        ("m2:req-1", "claude-sonnet-4-5-20250929", "s-1", "/home/dev/work/shop"),
    ]


def test_a_name_that_is_no_text_and_a_mark_of_byte_order(cloudflare: Watched):
    strange = os.fsdecode(os.fsencode(cloudflare.folder) + b"/\xff\xfe.jsonl")
    Path(strange).write_text(event(1) + "\n")
    (cloudflare.folder / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + event(2).encode() + b"\n")
    assert (cloudflare.rows(), cloudflare.index.unreadable()) == ([1, 2], 0)
    os.rename(strange, cloudflare.folder / "c.jsonl")
    assert cloudflare.rows() == [1, 2]


def test_a_pipe_is_no_file(cloudflare: Watched):
    os.mkfifo(cloudflare.folder / "pipe.jsonl")
    write_lines(cloudflare.folder / "a.jsonl", event(1))
    assert cloudflare.rows() == [1]


def test_sessions_that_were_cut_off_in_packing_are_told(claude: Watched):
    packed = gzip.compress("".join(f"{claude_line(f'm{number}', number)}\n" for number in range(900)).encode())
    (claude.folder / "s.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    assert 0 < len(claude.rows()) < 900
    assert claude.index.unreadable() == 1


def test_a_short_row_in_the_middle_of_a_table_without_a_last_newline_costs_no_other_row(tmp_path: Path):
    path = tmp_path / "export.csv"
    path.write_text("id,model,cost,note\na,m,1.0\nb,m,2.0,x\nc,m,3.0,y")
    assert [row and row["id"] for _, row in records_of(str(path))] == ["a", "b", "c"]
    path.write_text("id,model,cost,note\na,m,1.0\nb,m,2.0,x\nc,m,3")
    assert [row and row["id"] for _, row in records_of(str(path))] == ["a", "b"], "the last one is still being written"


def test_a_value_of_an_index_that_flips_on_disk_is_read_anew(audit: Watched) -> None:
    write_lines(audit.folder / "a.jsonl", *(json.dumps(call(number, model="gpt-x")) for number in range(1, 40)))
    right, path = audit.rows("model, input_tokens"), audit.index.path
    written = path.stat()
    path.write_bytes(path.read_bytes().replace(b"gpt-x", b"gpt-y", 3))
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))  # a disk that forgets notes no time
    audit.index = FileIndex(path, audit.index.kind)
    assert audit.rows("model, input_tokens") == right
    assert len(right) == 39


@pytest.mark.parametrize("damage", ["folder", "link", "pipe", "schema", "pages", "cut"])
def test_an_index_that_is_damaged_is_made_anew(audit: Watched, damage: str) -> None:
    write_lines(audit.folder / "a.jsonl", *(json.dumps(call(number)) for number in range(1, 400)))
    right, path = audit.rows(), audit.index.path
    assert len(right) == 399
    held = path.read_bytes()
    if damage in ("folder", "link", "pipe"):
        path.unlink()
        {"folder": os.mkdir, "link": lambda at: at.symlink_to("/nonexistent/x"), "pipe": os.mkfifo}[damage](path)
    else:
        half = len(held) // 2
        path.write_bytes({
            "schema": held.replace(b"size INTEGER", b"sise INTEGER"), "cut": held[:half],
            "pages": held[: half - 2048] + bytes(4096) + held[half + 2048 :],
        }[damage])  # fmt: skip
    again = Watched.__new__(Watched)
    again.folder, again.index = audit.folder, FileIndex(path, audit.index.kind)
    assert again.rows() == right
