"""A recorder on a log in SQLite, and a server that speaks the vendors' wire formats."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sqlite3
from pathlib import Path

import pytest

from cost_top.record import Recorder


class Log:
    """A recorder and what it wrote."""

    def __init__(self, path: Path, **options) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.recorder = Recorder(self.url, **options)

    def rows(self) -> list[dict]:
        assert self.recorder.flush(20), self.recorder.last_error
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM cost_top_requests ORDER BY time_ms, id").fetchall()
        return [{**row, "tags": json.loads(row["tags"]) if row["tags"] else None} for row in found]

    def row(self) -> dict:
        (only,) = self.rows()
        return only

    def bytes(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.path.parent.glob(f"{self.path.name}*"))


@pytest.fixture
def log(tmp_path):
    made = Log(tmp_path / "requests.db")
    yield made
    made.recorder.close()


@pytest.fixture(scope="session")
def wire():
    """The module `wire_server` beside this one; skips where its libraries are missing."""
    for library in ("starlette", "uvicorn"):
        pytest.importorskip(library)
    spec = importlib.util.spec_from_file_location("wire_server", Path(__file__).with_name("wire_server.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
