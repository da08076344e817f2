"""Temporary files go with the process, whatever its threads are doing."""

from __future__ import annotations

import itertools
import tempfile
import threading

import pytest

from cost_top.model import files


def test_a_thread_that_goes_on_making_files_keeps_no_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(files, "_TEMPORARY", [])
    folder = files.temporary_file(".db").parent
    at_work = threading.Event()

    def write() -> None:
        for number in itertools.count():
            try:
                (folder / f"{number}-wal").touch()
            except OSError:
                return
            if number == 100:
                at_work.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    at_work.wait()
    files.remove_temporary()
    writer.join(10)
    assert not writer.is_alive()
    assert not [*tmp_path.iterdir()]


def test_a_file_that_was_not_finished_goes_with_the_process(tmp_path):
    partial, whole = tmp_path / ".partial", tmp_path / "whole"
    partial.write_text("x")
    with files.unfinished(partial):
        files.remove_temporary()
        assert not partial.exists()
        partial.write_text("y")
        partial.replace(whole)
    assert whole.read_text() == "y"
    partial.write_text("z")
    with pytest.raises(RuntimeError), files.unfinished(partial):
        raise RuntimeError
    assert not partial.exists()
