"""The state file: whole, private, one owner, and never in the way of a start."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from cost_top.model.errors import UserError
from cost_top.state.state_file import StateFile


def test_what_was_saved_is_there_and_only_its_owner_reads_it(tmp_path):
    state = StateFile(tmp_path / "deep" / "watch.json")
    assert state.open() == {}
    state.save({"a": [1, "é"]})
    state.close()
    again = StateFile(state.path)
    assert again.open() == {"a": [1, "é"]}
    again.close()
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    assert [path.name for path in state.path.parent.iterdir() if path.name.startswith(".new")] == []


def test_a_second_watcher_is_refused_and_the_lock_of_a_dead_one_is_free(tmp_path):
    state = StateFile(tmp_path / "watch.json")
    state.open()
    with pytest.raises(UserError, match=r"watch\.json: another cost-top watch uses it"):
        StateFile(state.path).open()
    state.close()
    program = (
        "from pathlib import Path; from cost_top.state.state_file import StateFile; import os\n"
        f"StateFile(Path({str(state.path)!r})).open(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    other = StateFile(state.path)
    other.open()
    other.close()


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_broken_one_is_set_aside_and_said(tmp_path, capsys, content):
    path = tmp_path / "watch.json"
    path.write_bytes(content)
    state = StateFile(path)
    assert state.open() == {}
    state.close()
    assert (tmp_path / "watch.broken.json").read_bytes() == content
    assert "beginning anew" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="give another with --state"):
        StateFile(tmp_path / "file" / "watch.json").open()


@pytest.mark.parametrize(
    "content", [b"SQLite format 3\x00" + bytes(90), b'{"name": "another\'s"}', b"[1]", b"a line\n"]
)
def test_a_file_of_another_kind_that_was_named_is_left_alone(tmp_path, content):
    path = tmp_path / "gateway.db"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"gateway\.db: is no state of cost-top watch; give another with --state"):
        StateFile(path, named_by_user=True).open()
    assert path.read_bytes() == content
    assert not (tmp_path / "gateway.broken.json").exists()


@pytest.mark.parametrize("content", [b"", bytes(4096), b'{"ver', b'{"version":1,"said":['])
def test_a_state_that_was_cut_off_is_begun_anew_where_it_was_named(tmp_path, content):
    path = tmp_path / "watch.json"
    path.write_bytes(content)
    state = StateFile(path, named_by_user=True)
    assert state.open() == {}
    state.save({"version": 1})
    state.close()
    again = StateFile(path, named_by_user=True)
    assert again.open() == {"version": 1}
    again.close()
