"""What each command loads, seen in a process of its own: a command pays for what it uses, and for nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

# Not among them: numpy, pandas and pyarrow, which DuckDB and the drivers take up where they are installed.
HEAVY = frozenset({
    "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite", "clickhouse_connect", "duckdb", "fastapi",
    "httpx", "mcp", "plotext", "prometheus_client", "pydantic", "pymysql", "rich",
    "sqlalchemy", "standardwebhooks", "starlette", "textual", "uvicorn",
})  # fmt: skip
TELL = """
import atexit, json, os, sys
def tell():
    with open(os.environ["TOLD"], "w") as file:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), file)
leave = os._exit
def tell_and_leave(code):
    tell()
    leave(code)
os._exit = tell_and_leave
atexit.register(tell)
"""
RUN = "from cost_top.cli import main\nmain()\n"
# The way of `cost-top SOURCE` to the first screen; the source itself is opened by another thread meanwhile.
FIRST_FRAME = """
import asyncio
from cost_top.cli import app as opening
from cost_top.monitor.thread import HubThread
opening.is_terminal = lambda: True
HubThread.start = lambda hub: None
import cost_top.tui.leaving
cost_top.tui.leaving.watch_terminal = lambda *arguments: None
from cost_top.tui.app import CostTopApp
async def look(app):
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert app.screen.query("#spend")
        tell_and_leave(0)
def run(app, *arguments, **options):
    asyncio.run(look(app))
CostTopApp.run = run
opening.open_app(sys.argv[1], no_cache=True)
"""


def heavy(tmp_path, code, *arguments, exit_code=0):
    told = tmp_path / "modules.json"
    ran = subprocess.run(
        [sys.executable, "-c", TELL + code, *arguments],
        capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, cwd=tmp_path,
        env={**os.environ, "COST_TOP_CACHE": str(tmp_path / "cache"), "COST_TOP_CONFIG": str(tmp_path / "config.toml"),
             "TERM": "xterm-256color", "TOLD": str(told)},
    )  # fmt: skip
    assert ran.returncode == exit_code, ran.stderr
    loaded = set(json.loads(told.read_text()))
    assert "cost_top" in loaded
    return loaded & HEAVY


@pytest.fixture
def source(sqlite_log, tmp_path):
    log = sqlite_log()
    now = int(datetime.now(UTC).timestamp() * 1000)
    log.add(time_ms=now - 60_000, provider="openai", model="gpt-4o", input_tokens=10, cost_pico_usd=10**9)
    (tmp_path / "config.toml").write_text('tz = "UTC"\ninterval = 2\n[sources.prod]\nurl = "x.db"\n')
    return str(log.path)


READS_A_LOG = {"duckdb", "sqlalchemy"}
DRIVER = {"adbc_driver_manager", "adbc_driver_sqlite"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("config",), ("price", "--model", "gpt-4o"),
                                       ("help", "filters"), ("report", "--help")])  # fmt: skip
def test_what_asks_no_source_loads_nothing_heavy(tmp_path, source, arguments):
    assert heavy(tmp_path, RUN, *arguments) == set()


@pytest.mark.parametrize("arguments", [("report",), ("report", "--format", "csv"), ("doctor",)])
def test_a_report_and_the_doctor_load_the_engine_and_no_screen(tmp_path, source, arguments):
    loaded = heavy(tmp_path, RUN, arguments[0], source, *arguments[1:])
    assert loaded >= READS_A_LOG
    assert loaded <= READS_A_LOG | DRIVER
    if arguments[0] == "report":  # its statements are kept
        assert heavy(tmp_path, RUN, arguments[0], source, *arguments[1:]) <= {"duckdb"} | DRIVER


def test_the_line_of_a_log_that_nobody_wrote_to_loads_nothing_heavy(tmp_path, source):
    long_ago = time.time_ns() - 10**10
    for path in (source, f"{source}-wal"):
        os.utime(path, ns=(long_ago, long_ago))
    # When a file was changed cannot be set back.
    run = f"from cost_top.cli import line_cache\nline_cache._SETTLED = -60.0\n{RUN}"
    assert heavy(tmp_path, run, "report", source, "--format", "line") >= READS_A_LOG
    assert heavy(tmp_path, run, "report", source, "--format", "line") == set()


def test_the_overview_of_a_pipe_loads_no_screen(tmp_path, source):
    assert heavy(tmp_path, RUN, source) <= READS_A_LOG | DRIVER


def test_the_tools_for_an_assistant_load_no_screen_and_no_server(tmp_path, source):
    assert not heavy(tmp_path, RUN, "mcp", source) & {"textual", "fastapi", "prometheus_client", "plotext"}


def test_the_first_screen_is_drawn_before_any_engine_is_loaded(tmp_path, source):
    assert heavy(tmp_path, FIRST_FRAME, source) == {"textual", "rich"}


def test_a_file_that_is_wrong_is_told_with_the_help_of_pydantic_and_of_nothing_else(tmp_path, source):
    (tmp_path / "config.toml").write_text("intervall = 2\n")
    assert heavy(tmp_path, RUN, "report", source, exit_code=2) == {"pydantic"}
