"""A log in SQLite, and a real PostgreSQL where there is one."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from cost_top.record import Recorder

POSTGRES_VARIABLE = "COST_TOP_TEST_POSTGRES"


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


@pytest.fixture(scope="session")
def postgres_url():
    """The address in `COST_TOP_TEST_POSTGRES`, else a server of our own on a socket in a temporary folder."""
    pytest.importorskip("psycopg")
    if given := os.environ.get(POSTGRES_VARIABLE):
        yield given
        return
    if shutil.which("initdb") is None:
        if os.environ.get("COST_TOP_REQUIRE_SERVERS") == "1":
            pytest.fail("no PostgreSQL: initdb is not on the path")
        pytest.skip("no PostgreSQL here")
    with tempfile.TemporaryDirectory() as folder:
        demote = {"user": "nobody"} if os.geteuid() == 0 else {}
        if demote:
            shutil.chown(folder, "nobody")
        data = f"{folder}/data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **demote}
        subprocess.run(["initdb", "-D", data, "-A", "trust", "-U", "recorder", "--no-sync"], check=True, **quiet)
        options = f"-c listen_addresses='' -k {folder}"
        subprocess.run(["pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start"], check=True, **quiet)
        try:
            yield f"postgresql://recorder@/postgres?host={folder}"
        finally:
            subprocess.run(["pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, **quiet)
