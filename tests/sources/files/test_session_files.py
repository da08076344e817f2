"""Sessions of coding agents: each request once, at its final figures, whatever the files repeat."""

from __future__ import annotations

import gzip
import json
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
from support.session_files import add_text, claude_line, codex_meta, codex_record, codex_totals, codex_turn, write_lines


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


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a")])
def test_an_aside_that_repeats_its_parent_under_other_request_ids_counts_its_own_alone(
    claude: Watched, names: tuple[str, str, str]
):
    parent, aside, other = (claude.folder / f"{name}.jsonl" for name in names)
    write_lines(parent, claude_line("m1", 5), claude_line("m2", 6))
    repeated = [claude_line(f"m{n}", 9, request="req-7", agent="a7", cache_read_input_tokens=500) for n in (1, 2)]
    write_lines(aside, *repeated, claude_line("m3", 7, request="req-8", agent="a7"))
    write_lines(other, *(line.replace("req-7", "req-9") for line in repeated), claude_line("m1", 4, request=""))
    rows = [("m1:req-1", 5), ("m2:req-1", 6), ("m3:req-8", 7)]
    assert claude.rows() == rows
    add_text(parent, claude_line("m4", 8) + "\n")
    assert claude.rows() == [*rows, ("m4:req-1", 8)]
    add_text(aside, claude_line("m4", 8, request="req-10", agent="a7") + "\n")
    assert claude.rows() == [*rows, ("m4:req-1", 8)]
    parent.unlink()
    left = claude.rows()
    assert [(row[0].split(":")[0], row[1]) for row in left] == [("m1", 9), ("m2", 9), ("m3", 7), ("m4", 8)]
    write_lines(parent, claude_line("m1", 5), claude_line("m2", 6))
    assert claude.rows() == [*rows, ("m4:req-10", 8)]


def test_two_requests_of_one_message_id_are_two(claude: Watched):
    write_lines(claude.folder / "s.jsonl", claude_line("m1", 5), claude_line("m1", 6, request="req-2"))
    assert claude.rows() == [("m1:req-1", 5), ("m1:req-2", 6)]


def test_the_progress_of_an_agent_is_what_its_own_file_tells(claude: Watched):
    told = json.loads(claude_line("m1", 5))
    for name in ("sessionId", "cwd", "isSidechain"):
        del told[name]
    lines = [
        {"type": "progress", "sessionId": "s-1", "cwd": "/home/dev/work/shop", "uuid": "u",
         "data": {"type": "agent_progress", "agentId": "a7", "message": {**told, **more}}}
        for more in ({}, {"requestId": None})
    ]  # fmt: skip
    path = write_lines(claude.folder / "s.jsonl", *map(json.dumps, lines))
    assert claude.rows("id, output_tokens, session, endpoint") == [("m1:req-1", 5, "s-1", "/home/dev/work/shop")]
    write_lines(path.parent / "agent-a7.jsonl", claude_line("m1", 5, agent="a7"))
    assert claude.rows() == [("m1:req-1", 5)]


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


def test_a_fork_without_its_parent_s_history_begins_with_what_its_first_event_used(codex: Watched):
    forks = ({"forked_from_id": "c-1"}, {"parent_thread_id": "c-1"}, {"history_base": {"end_ordinal_exclusive": 9}})
    for number, fork in enumerate(forks):
        write_lines(
            codex.folder / f"r{number}.jsonl", codex_meta(f"c-{number + 2}", T(0), **fork), codex_turn(T(3), "gpt-5"),
            codex_totals(T(5), (9010, 0, 901, 0), (10, 0, 1, 0)), codex_totals(T(8), (9030, 0, 903, 0), (20, 0, 2, 0)),
        )  # fmt: skip
    assert codex.rows("input_tokens, output_tokens") == [(10, 1)] * 3 + [(20, 2)] * 3


@pytest.mark.parametrize("starts", [3, "3"])
def test_the_ordinal_that_a_sub_agent_names_tells_its_parent_s_history(codex: Watched, starts: int | str):
    lines = [
        codex_meta("c-2", T(0), subagent_history_start_ordinal=starts, parent_thread_id="c-1"),
        codex_meta("c-1", T(10)), codex_totals(T(20), (900, 0, 90, 0)), codex_turn(T(20), "gpt-5"),
        codex_totals(T(20), (910, 0, 91, 0), (10, 0, 1, 0)),
    ]  # fmt: skip
    write_lines(
        codex.folder / "r.jsonl",
        *(json.dumps({**json.loads(line), "ordinal": number}) for number, line in enumerate(lines)),
    )
    assert codex.rows("id, input_tokens, session") == [("c-2:1", 10, "c-2")]


@pytest.mark.parametrize("record_first", [True, False])
def test_a_record_of_usage_and_the_totals_of_the_same_response_are_one_request(codex: Watched, record_first: bool):
    """What compacted the session is in no total; an older version that goes on writes totals alone."""
    write_lines(codex.folder / "r.jsonl", codex_meta("c-1", T(0)), codex_turn(T(1), "gpt-5"))
    pair = [
        codex_record(T(4), "resp-2", (50, 0, 5, 0), thread_id="c-1"),
        codex_totals(T(4), (150, 0, 25, 0), (50, 0, 5, 0)),
    ]
    for line in (
        codex_totals(T(3), (100, 0, 20, 0)), *(pair if record_first else reversed(pair)),
        codex_record(T(5), "resp-3", (70, 0, 7, 0)), codex_totals(T(5), (150, 0, 25, 0), (0, 0, 0, 0)),
        codex_record(T(6), "resp-4", (60, 0, 6, 0)), codex_totals(T(6), (210, 0, 31, 0), (60, 0, 6, 0)),
        codex_totals(T(7), (290, 0, 39, 0), (80, 0, 8, 0)),
        codex_record(T(8), "resp-0", (999, 0, 99, 0), thread_id="c-0"),
    ):  # fmt: skip
        add_text(codex.folder / "r.jsonl", line + "\n")
        codex.rows()
    whole = codex.rows("input_tokens, output_tokens")
    assert whole == [(100, 20), (50, 5), (70, 7), (60, 6), (80, 8)]
    (codex.folder / "copy.jsonl").write_bytes((codex.folder / "r.jsonl").read_bytes())
    assert codex.rows("input_tokens, output_tokens") == whole


def test_a_session_that_went_back_goes_on_in_another_file(codex: Watched):
    first, second = ("01a00602-1e1e-7d4d-8c8c-3b3b3b3b3b3b", "01a00602-1e1e-7d4d-8c8c-3b3b3b3b3b3c")
    write_lines(
        codex.folder / f"rollout-2026-11-20T10-00-00-{first}.jsonl", codex_meta(first, T(0)), codex_turn(T(1), "gpt-5"),
        codex_totals(T(3), (100, 0, 10, 0)), codex_totals(T(4), (150, 0, 15, 0), (50, 0, 5, 0)),
    )  # fmt: skip
    write_lines(
        codex.folder / f"rollout-2026-11-20T10-00-10-{second}.jsonl",
        codex_meta(first, T(10), history_base={"thread_id": first, "end_ordinal_exclusive": 3}),
        codex_turn(T(11), "gpt-5"), codex_totals(T(13), (130, 0, 13, 0), (30, 0, 3, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens, session") == [(100, first), (50, first), (30, first)]


def test_settings_that_a_session_took_over_hold_until_a_turn_names_others(codex: Watched):
    settings = {"model": "gpt-5.5", "service_tier": "fast", "cwd": "/home/dev/work/till", "model_provider_id": "azure"}
    applied = {"type": "thread_settings_applied", "thread_settings": settings}
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-1", T(0)),
        json.dumps({"timestamp": T(1), "type": "event_msg", "payload": applied}),
        codex_turn(T(2), "gpt-5.5", cwd=""), codex_totals(T(3), (100, 0, 20, 0)),
        codex_turn(T(4), "gpt-5.5", service_tier="flex"), codex_totals(T(5), (200, 0, 40, 0)),
    )  # fmt: skip
    assert codex.rows("provider, endpoint, mode") == [
        ("azure", "/home/dev/work/till", "priority"), ("azure", "/home/dev/work/shop", "flex"),
    ]  # fmt: skip


def test_a_quick_first_answer_is_the_session_s_own(codex: Watched):
    write_lines(
        codex.folder / "r.jsonl", codex_meta("c-1", T(0)), codex_turn(T(0), "gpt-5"),
        codex_totals("2026-11-20T10:00:00.700Z", (100, 0, 20, 0)),
    )  # fmt: skip
    assert codex.rows("input_tokens") == [(100,)]


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
    both = {"CODEX_HOME": f"{tmp_path / 'cx'}, ~/cx/sessions,,/none"}
    assert agent_folders("codex", both) == (str(tmp_path / "cx" / "sessions"),)
    (tmp_path / "set" / "claude" / "projects").mkdir(parents=True)
    assert agent_folders("claude-code", {"XDG_CONFIG_HOME": str(tmp_path / "set")}) == (
        str(tmp_path / "set" / "claude" / "projects"), str(tmp_path / ".claude" / "projects"),
    )  # fmt: skip


def test_what_else_an_agent_s_folder_holds_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path))
    write_lines(tmp_path / "projects" / "p" / "s.jsonl", claude_line("m1", 5))
    write_lines(tmp_path / "projects" / "p" / "s" / "tool-results" / "a.json", codex_meta("c-1", T(0)))
    assert open_files("claude-code", None, None).index.kind.name == "claude-code"


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
