"""Sessions of coding agents: each request once, at its final figures, whatever the files repeat."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from cost_top.model.errors import UserError
from cost_top.sources.files.claude_code import ClaudeCode
from cost_top.sources.files.codex import Codex
from cost_top.sources.files.found import agent_folders, files_of
from cost_top.sources.files.index import FileIndex
from cost_top.sources.files.log import open_files
from support.session_files import add_text, claude_line, codex_meta, codex_totals, codex_turn, write_lines


class Watched:
    """An index over a folder, and what it holds."""

    def __init__(self, folder: Path, kind: Any) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.index = FileIndex(folder / "index.db", kind)

    def rows(self, columns: str = "id, output_tokens") -> list[tuple[Any, ...]]:
        self.index.refresh(files_of((str(self.folder),)))
        with sqlite3.connect(self.index.path) as database:
            return database.execute(f"SELECT {columns} FROM cost_top_requests ORDER BY time_ms, id").fetchall()


@pytest.fixture
def claude(tmp_path: Path) -> Watched:
    return Watched(tmp_path, ClaudeCode())


@pytest.fixture
def codex(tmp_path: Path) -> Watched:
    return Watched(tmp_path, Codex())


def test_the_line_of_a_message_with_the_most_output_is_its_figure(claude: Watched):
    write_lines(claude.folder / "p" / "s-1.jsonl", claude_line("m1", 3), claude_line("m1", 250), claude_line("m1", 7))
    assert claude.rows() == [("m1:req-1", 250)]


def test_input_holds_the_cache_and_both_lifetimes(claude: Watched):
    split = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20}
    line = claude_line("m1", 5, cache_read_input_tokens=100, cache_creation_input_tokens=50, cache_creation=split)
    write_lines(claude.folder / "s.jsonl", line)
    columns = "input_tokens, cached_input_tokens, cache_creation_input_tokens, cache_creation_1h_tokens, cost_pico_usd"
    assert claude.rows(columns) == [(160, 100, 50, 20, None)]


def test_project_session_user_and_agents_are_told(claude: Watched):
    write_lines(claude.folder / "s.jsonl", claude_line("m1", 5, cwd="/home/dev/two words/shop", agent="a7"))
    found = claude.rows("endpoint, token, token_name, session, tags, provider")
    assert found == [
        ("/home/dev/two words/shop", "s-1", "shop", "s-1", '["agent:claude-code", "agent:a7"]', "anthropic")
    ]


def test_answers_of_no_model_and_other_lines_are_no_requests(claude: Watched):
    lines = [
        '{"type":"summary","summary":"x"}',
        "",
        '{"type":"user","message":{"content":"\\"usage\\" \\"assistant\\""}}',
    ]
    write_lines(claude.folder / "s.jsonl", *lines, claude_line("m0", 0, model="<synthetic>"), claude_line("m1", 5))
    assert claude.rows() == [("m1:req-1", 5)]


@pytest.mark.parametrize("parent_first", [True, False])
def test_a_resumed_session_counts_what_it_repeats_once_and_for_its_first_session(claude: Watched, parent_first: bool):
    names = ("a", "b") if parent_first else ("b", "a")
    parent = [claude_line("m1", 5, time="2026-11-20T10:00:00Z"), claude_line("m2", 6, time="2026-11-20T10:05:00Z")]
    resumed = [
        *(line.replace('"s-1"', '"s-2"') for line in parent),
        claude_line("m3", 7, session="s-2", time="2026-11-20T11:00:00Z"),
    ]
    write_lines(claude.folder / f"{names[0]}.jsonl", *parent)
    write_lines(claude.folder / f"{names[1]}.jsonl", *resumed)
    assert claude.rows("id, session") == [("m1:req-1", "s-1"), ("m2:req-1", "s-1"), ("m3:req-1", "s-2")]


def test_a_fork_cut_in_mid_answer_does_not_take_output_away(claude: Watched):
    write_lines(claude.folder / "a.jsonl", claude_line("m1", 3), claude_line("m1", 250))
    write_lines(claude.folder / "b.jsonl", claude_line("m1", 3, session="s-2"))
    assert claude.rows("output_tokens, session") == [(250, "s-1")]


def test_rows_that_two_files_have_stay_when_one_file_goes(claude: Watched):
    write_lines(claude.folder / "a.jsonl", claude_line("m1", 5), claude_line("m2", 6, time="2026-11-20T10:05:00Z"))
    write_lines(claude.folder / "b.jsonl", claude_line("m1", 5, session="s-2"))
    assert len(claude.rows()) == 2
    (claude.folder / "a.jsonl").unlink()
    assert claude.rows("id, session") == [("m1:req-1", "s-2")]


def test_only_what_grew_is_read_and_a_line_in_the_writing_is_waited_for(
    claude: Watched, monkeypatch: pytest.MonkeyPatch
):
    path = write_lines(claude.folder / "s.jsonl", claude_line("m1", 5))
    later = claude_line("m2", 6, time="2026-11-20T10:05:00Z")
    assert len(claude.rows()) == 1
    offsets: list[int] = []
    read = ClaudeCode.read
    monkeypatch.setattr(
        ClaudeCode, "read", lambda self, path, offset, state: offsets.append(offset) or read(self, path, offset, state)
    )
    size = path.stat().st_size
    add_text(path, later[:40])
    assert len(claude.rows()) == 1
    add_text(path, later[40:])
    assert len(claude.rows()) == 2
    assert offsets == [size, size]
    assert claude.index.unreadable() == 0


def test_a_line_that_stays_torn_is_told(claude: Watched):
    write_lines(
        claude.folder / "s.jsonl", '{"type":"assistant","message":{"id":"m9","usage":{"out', claude_line("m1", 5)
    )
    assert claude.rows() == [("m1:req-1", 5)]
    assert claude.index.unreadable() == 1


def test_a_file_that_another_took_the_place_of_is_read_anew(claude: Watched):
    path = write_lines(claude.folder / "s.jsonl", claude_line("m1", 5), claude_line("m2", 6))
    assert len(claude.rows()) == 2
    write_lines(path, claude_line("m3", 7), claude_line("m4", 8), claude_line("m5", 9))
    assert [row[0] for row in claude.rows()] == ["m3:req-1", "m4:req-1", "m5:req-1"]
    write_lines(path, claude_line("m3", 7))
    assert claude.rows() == [("m3:req-1", 7)]


def test_a_renamed_file_is_not_read_again(claude: Watched, monkeypatch: pytest.MonkeyPatch):
    path = write_lines(claude.folder / "s.jsonl", claude_line("m1", 5))
    assert len(claude.rows()) == 1
    monkeypatch.setattr(ClaudeCode, "read", lambda *_: pytest.fail("read again"))
    path.rename(claude.folder / "old.jsonl")
    assert claude.rows() == [("m1:req-1", 5)]


def test_no_text_of_a_conversation_is_kept(claude: Watched):
    write_lines(claude.folder / "s.jsonl", claude_line("m1", 5))
    claude.rows()
    assert b"never be kept" not in claude.index.path.read_bytes()


def test_an_index_that_is_damaged_or_of_another_version_is_made_anew(claude: Watched):
    write_lines(claude.folder / "s.jsonl", claude_line("m1", 5))
    claude.rows()
    with sqlite3.connect(claude.index.path) as database:
        database.execute("UPDATE made_by SET version = -1")
        database.execute("UPDATE cost_top_requests SET output_tokens = 999")
    database.close()
    assert claude.rows() == [("m1:req-1", 5)]
    for name in claude.folder.parent.glob("index.db-*"):
        name.unlink()
    claude.index.path.write_bytes(b"no database at all" * 100)
    assert claude.rows() == [("m1:req-1", 5)]


def test_a_packed_file_is_read(claude: Watched):
    (claude.folder / "s.jsonl.gz").write_bytes(gzip.compress(f"{claude_line('m1', 5)}\n".encode()))
    assert claude.rows() == [("m1:req-1", 5)]


T = "2026-11-20T10:00:{:02}.000Z".format


def test_codex_requests_are_the_steps_of_its_totals(codex: Watched):
    write_lines(
        codex.folder / "2026" / "11" / "20" / "rollout-1.jsonl",
        codex_meta("c-1", T(0)), codex_turn(T(1), "gpt-5.1-codex"), codex_totals(T(2), None),
        codex_totals(T(3), (100, 40, 20, 5)), codex_totals(T(4), (100, 40, 20, 5)),
        codex_turn(T(5), "gpt-5-mini"), codex_totals(T(6), (300, 140, 50, 5), (200, 100, 30, 0)),
    )  # fmt: skip
    columns = (
        "id, model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, session, endpoint, token_name"
    )
    where = ("c-1", "/home/dev/work/shop", "shop")
    assert codex.rows(columns) == [
        ("c-1:1", "gpt-5.1-codex", 100, 40, 20, 5, *where),
        ("c-1:2", "gpt-5-mini", 200, 100, 30, 0, *where),
    ]


def test_a_codex_turn_has_its_tier_and_totals_over_several_requests_say_so(codex: Watched):
    write_lines(
        codex.folder / "rollout-1.jsonl", codex_meta("c-1", T(0)),
        codex_turn(T(1), "gpt-5.5", service_tier="fast"), codex_totals(T(3), (100, 40, 20, 5)),
        codex_turn(T(4), "gpt-5.5", service_tier="flex"), codex_totals(T(5), (200, 40, 40, 5), (100, 0, 20, 0)),
        codex_turn(T(6), "gpt-5.5"), codex_totals(T(7), (300, 40, 60, 5), (100, 0, 20, 0)),
        codex_totals(T(8), (300_300, 40, 60, 5), (140_000, 0, 0, 0)),
        codex_totals(T(9), (600_300, 40, 60, 5), (300_000, 0, 0, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens, mode") == [
        (100, "priority"), (100, "flex"), (100, None), (300_000, "rounds"), (300_000, None),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["cache_write_input_tokens", "cache_creation_input_tokens"])
def test_codex_tells_what_was_written_to_the_cache_and_who_was_called(codex: Watched, name: str):
    meta, turn = codex_meta("c-1", T(0), model_provider="azure"), codex_turn(T(1), "gpt-5.6-sol")
    write_lines(
        codex.folder / "rollout-1.jsonl", meta, turn, codex_totals(T(3), (100, 40, 20, 5), **{name: 50}),
        codex_totals(T(4), (300, 140, 30, 5), (200, 100, 10, 0), **{name: 90}),
        codex_totals(T(5), (400, 230, 40, 5), **{name: 190}),
    )  # fmt: skip
    told = "provider, input_tokens, cached_input_tokens, cache_creation_input_tokens"
    assert codex.rows(told) == [("azure", 100, 40, 50), ("azure", 200, 100, 40), ("azure", 100, 90, 10)]


def test_a_session_that_grows_goes_on_from_its_totals(codex: Watched):
    path = write_lines(
        codex.folder / "r.jsonl",
        codex_meta("c-1", T(0)),
        codex_turn(T(1), "gpt-5"),
        codex_totals(T(3), (100, 0, 20, 0)),
    )
    assert codex.rows() == [("c-1:1", 20)]
    add_text(path, codex_totals(T(9), (150, 0, 21, 0)) + "\n")
    assert codex.rows("id, input_tokens, output_tokens") == [("c-1:1", 100, 20), ("c-1:2", 50, 1)]


def test_the_parent_s_history_in_a_sub_agent_s_file_is_not_counted_again(codex: Watched):
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-2", T(0)),
        codex_totals(T(0), (900, 0, 90, 0)), codex_totals(T(0), (1000, 0, 100, 0)),
        codex_turn(T(2), "gpt-5"), codex_totals(T(5), (1010, 0, 101, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens, output_tokens") == [(10, 1)]


def test_a_session_that_names_no_model_has_requests_of_an_unknown_one(codex: Watched):
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-1", T(0)), codex_totals(T(3), (500, 0, 50, 0)),
        codex_totals(T(5), (580, 0, 58, 0)),
    )  # fmt: skip
    assert codex.rows("id, model, input_tokens, output_tokens") == [
        ("c-1:1", None, 500, 50), ("c-1:2", None, 80, 8),
    ]  # fmt: skip


def test_a_long_history_of_a_parent_is_none_of_the_session_s_own(codex: Watched):
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-2", T(0), forked_from_id="c-1"),
        codex_totals(T(2), (900, 0, 90, 0)), codex_totals(T(3), (1000, 0, 100, 0)),
        codex_turn(T(3), "gpt-5"), codex_totals(T(5), (1010, 0, 101, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens, output_tokens") == [(10, 1)]


def test_a_history_that_takes_seconds_to_copy_is_none_of_the_fork_s_own(codex: Watched):
    """Its turns are copied too; the fork's own come after a pause, whatever they repeat."""
    copied = [
        line
        for step in range(30)
        for line in (
            codex_turn(f"2026-11-20T10:00:{step / 10:06.3f}Z", "gpt-5"),
            codex_totals(f"2026-11-20T10:00:{step / 10 + 0.05:06.3f}Z", (100 * step, 0, 10 * step, 0)),
        )
    ]
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-2", "2026-11-20T10:00:00Z", forked_from_id="c-1"), *copied,
        codex_turn("2026-11-20T10:00:03.100Z", "gpt-5"),
        codex_totals("2026-11-20T10:00:05.0Z", (2910, 0, 291, 0)),
        codex_totals("2026-11-20T10:00:05.1Z", (2930, 0, 293, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens, output_tokens") == [(10, 1), (20, 2)]


def test_a_session_that_codex_packed_is_the_same_session(codex: Watched):
    lines = (codex_meta("c-1", T(0)), codex_turn(T(1), "gpt-5"), codex_totals(T(3), (500, 0, 50, 0)))
    plain = write_lines(codex.folder / "archived_sessions" / "rollout-1.jsonl", *lines)
    before = codex.rows("id, model, input_tokens, output_tokens")
    packed = plain.with_name("rollout-1.jsonl.zst")
    packed.write_bytes(zstd.compress(plain.read_bytes()))
    both = codex.rows("id, model, input_tokens, output_tokens")
    plain.unlink()
    assert codex.rows("id, model, input_tokens, output_tokens") == both == before == [("c-1:1", "gpt-5", 500, 50)]
    packed.write_bytes(packed.read_bytes()[:-9])
    assert codex.rows() == []
    assert codex.index.unreadable() == 1


def test_totals_that_begin_anew_count_from_there(codex: Watched):
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-1", T(0)), codex_turn(T(1), "gpt-5"),
        codex_totals(T(3), (500, 0, 50, 0)), codex_totals(T(5), (80, 0, 8, 0), (80, 0, 8, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens") == [(500,), (80,)]


def test_the_usual_folders_are_found_and_named_when_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(UserError, match="no sessions found"):
        agent_folders("claude-code", {})
    (tmp_path / ".claude" / "projects").mkdir(parents=True)
    (tmp_path / "other" / "projects").mkdir(parents=True)
    (tmp_path / "cx" / "sessions").mkdir(parents=True)
    assert agent_folders("claude-code", {}) == (str(tmp_path / ".claude" / "projects"),)
    assert agent_folders("claude-code", {"CLAUDE_CONFIG_DIR": str(tmp_path / "other")}) == (
        str(tmp_path / "other" / "projects"),
    )
    assert agent_folders("codex", {"CODEX_HOME": str(tmp_path / "cx")}) == (str(tmp_path / "cx" / "sessions"),)


def test_the_log_says_that_its_dollars_are_notional_and_leaves_nothing_without_a_cache(tmp_path: Path):
    write_lines(tmp_path / "projects" / "s.jsonl", claude_line("m1", 5))
    log = open_files(str(tmp_path / "projects"), None, None)
    assert log.label == "claude-code@projects"
    assert any("notional" in note for note in log.notes)
    index = log.index.path
    assert index.exists()
    del log
    assert not index.exists()


def test_a_command_without_a_cache_leaves_no_index_behind(tmp_path: Path):
    write_lines(tmp_path / "projects" / "s.jsonl", claude_line("m1", 5))
    (tmp_path / "tmp").mkdir()
    command = [
        sys.executable,
        "-m",
        "cost_top",
        "report",
        str(tmp_path / "projects"),
        "--since",
        "2026-11-01",
        "--no-cache",
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "anthropic" in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []
