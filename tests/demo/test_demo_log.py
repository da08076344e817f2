"""The demo's log file, its live traffic and its command."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from cost_top.cli.demo import command, demo_rules, gateway, write_history
from cost_top.config import parse_zone
from cost_top.demo.live import Arrivals, LiveTraffic
from cost_top.demo.log import append, count_rows, create_log, is_demo_log, open_writer
from cost_top.demo.traffic import Traffic
from cost_top.insight.levels import Rules
from cost_top.insight.live import LiveRules
from cost_top.model.errors import UserError
from cost_top.model.native import COLUMNS, DDL, TABLE
from cost_top.model.query import ReportQuery
from cost_top.model.waste import LINES
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.rules import budgets_of
from cost_top.sources.sql.log import open_log

END_MS = 1_795_096_800_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "demo.db"
    create_log(path, Traffic(1).history(END_MS, 1))
    return path


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_history_is_written_as_generated(log: Path) -> None:
    told = list(Traffic(1).history(END_MS, 1))
    names = ", ".join(COLUMNS[: len(told[0])])
    assert query(log, f"SELECT {names} FROM {TABLE} ORDER BY time_ms, id") == told
    assert query(log, "PRAGMA journal_mode") == [("wal",)]
    assert is_demo_log(log)
    assert [path.name for path in log.parent.iterdir() if path.suffix == ".new"] == []


def test_columns_are_those_of_the_native_log(log: Path) -> None:
    assert tuple(row[1] for row in query(log, f"PRAGMA table_info({TABLE})")) == COLUMNS


def test_nothing_at_the_path_is_no_demo_log(tmp_path: Path) -> None:
    assert not is_demo_log(tmp_path / "new.db")


def test_the_log_of_a_gateway_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    connection = sqlite3.connect(path)
    connection.executescript(DDL)
    connection.close()
    with pytest.raises(UserError, match=r"gateway\.db: is not a demo log"):
        is_demo_log(path)


@pytest.mark.parametrize("content", [b"hello, this is no database " * 100, b""])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    result = CliRunner().invoke(command, ["--no-app", "--rate", "0", "--db", str(path)])
    assert isinstance(result.exception, UserError)
    assert "notes.txt: is not a" in str(result.exception)
    assert path.read_bytes() == content


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a directory"):
        is_demo_log(tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        create_log(tmp_path / "missing" / "demo.db", [])


def test_an_unknown_zone_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--tz", "Mars/Olympus", "--db", str(tmp_path / "demo.db")])
    assert isinstance(result.exception, UserError)
    assert "Mars/Olympus" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_no_app_writes_history_once_and_continues(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    arguments = ["--no-app", "--rate", "0", "--days", "1", "--db", str(path)]
    first = CliRunner().invoke(command, arguments)
    assert (first.exit_code, first.exception) == (0, None)
    assert first.stdout.splitlines() == [str(path), f"{count_rows(path):,} requests"]
    again = CliRunner().invoke(command, arguments)
    assert again.stdout == first.stdout


def test_the_temporary_log_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = CliRunner().invoke(command, ["--no-app", "--rate", "0", "--days", "1"])
    assert result.exit_code == 0
    assert result.stdout.startswith(str(tmp_path))
    assert "--db PATH keeps it" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_log_in_which_nothing_more_is_written_stays_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("cost_top.cli.demo._import_the_app")  # there is no terminal to show it on
    folder = tmp_path / "cost-top-demo-1"
    folder.mkdir()
    with gateway(folder / "demo.db", 7, 1, 0, remove_folder=True) as process:
        assert count_rows(folder / "demo.db") > 100
        with pytest.raises(subprocess.TimeoutExpired):  # it would end at once
            process.wait(0.5)
        assert count_rows(folder / "demo.db") > 100
    assert list(tmp_path.iterdir()) == []


def test_why_its_process_could_not_write_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello, this is no database " * 100)
    with (
        pytest.raises(UserError, match=r"^\S+notes\.txt: is not a SQLite database; give another path, .*nothing$"),
        gateway(tmp_path / "notes.txt", 7, 1, 0, remove_folder=False),
    ):
        raise AssertionError("it is not there")


def test_a_history_whose_reader_is_gone_is_not_written_to_its_end(tmp_path: Path) -> None:
    live = LiveTraffic(tmp_path / "demo.db", 7)
    live.stop()
    with pytest.raises(SystemExit):
        write_history(live.path, 7, 1, live)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_live_traffic_until_interrupted(tmp_path: Path, stop: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cost_top", "demo", "--no-app", "--days", "1", "--rate", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    history = int(process.stdout.readline().split()[0].replace(",", ""))
    while count_rows(path) <= history:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(stop)
    _, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == []


def wait_for_rows(path: Path, more_than: int) -> int:
    deadline = time.monotonic() + 180
    while (count := count_rows(path)) <= more_than:
        assert time.monotonic() < deadline, "no live rows within a minute"
        time.sleep(0.05)
    return count


def test_the_live_thread_writes_survives_a_lock_and_stops(log: Path) -> None:
    history = count_rows(log)
    live = LiveTraffic(log, seed=1, rate=3000)
    live.start()
    try:
        wait_for_rows(log, history)
        other = sqlite3.connect(log, isolation_level=None, timeout=180)
        other.execute("BEGIN IMMEDIATE")
        held = count_rows(log)
        time.sleep(1.0)  # several of the writer's attempts fail
        assert count_rows(log) == held
        other.execute("ROLLBACK")
        other.close()
        wait_for_rows(log, held)
        assert not live.wait(0)
    finally:
        live.stop()
    assert live.wait(0)
    assert live.error is None
    stopped = count_rows(log)
    time.sleep(0.5)
    assert count_rows(log) == stopped
    now_ms = time.time_ns() // 1_000_000
    assert query(log, f"SELECT count(*) FROM {TABLE} WHERE time_ms + latency_ms > {now_ms}") == [(0,)]


def test_rate_zero_writes_nothing(log: Path) -> None:
    live = LiveTraffic(log, seed=1, rate=0)
    live.start()
    assert live.wait(0)
    live.stop()


def test_a_log_that_vanishes_ends_the_thread_with_its_error(tmp_path: Path) -> None:
    live = LiveTraffic(tmp_path / "missing" / "demo.db", seed=1, rate=60)
    live.start()
    assert live.wait(180)
    assert isinstance(live.error, sqlite3.OperationalError)


def test_arrivals_have_bursts_the_loop_hits_and_failures() -> None:
    traffic = Traffic(5)
    arrivals = Arrivals(traffic, 30.0, END_MS, END_MS - 3_600_000)
    minutes = 120
    rows = [row for minute in range(1, minutes + 1) for row in arrivals.until(END_MS + minute * 60_000)]
    requests = [dict(zip(COLUMNS, row, strict=False)) for row in rows]
    looped = [r for r in requests if (r["user_id"] or "").startswith(traffic.world.loop.user)]
    assert len(looped) in (342, 343)  # one in 21 s for two hours, none lost or doubled between the minutes
    assert any(request["cache_hit"] for request in requests)
    assert any(request["status"] != 200 for request in requests)
    ordinary = len(requests) - len(looped)
    assert 30 * minutes < ordinary < 30 * minutes + 3_600  # bursts come on top
    seconds = sorted(r["time_ms"] // 5_000 for r in requests)
    busiest = max(seconds.count(five) for five in set(seconds))
    assert busiest >= 10


def test_an_append_that_fails_adds_nothing(log: Path) -> None:
    before = count_rows(log)
    connection = open_writer(log)
    row = next(Traffic(2).history(END_MS, 1))
    with pytest.raises(sqlite3.ProgrammingError):
        append(connection, [("fresh", *row[1:]), ("short",)])
    connection.close()
    assert count_rows(log) == before


@pytest.mark.parametrize("weekday", [3, 6])
def test_the_rules_find_what_went_wrong_on_any_day_at_any_hour(tmp_path: Path, weekday: int) -> None:
    path, book = tmp_path / "demo.db", RateBook.load(None)
    midnight = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(days=weekday)
    hours = (0.1, 14.5, 23.9)
    ticks = [midnight + timedelta(seconds=hour * 3600 // 300 * 300) for hour in hours]
    create_log(path, Traffic(7).history(int(ticks[-1].timestamp() * 1000), 7))
    live = LiveRules(Rules(), UTC)
    mirror = read_period(open_log(str(path), None), book, None, Period(live.wanted_from(ticks[0]), ticks[-1]))
    for tick in ticks:
        found = live.take(mirror.features(ReportQuery(live.wanted_from(tick), tick), Rules().dimensions))
        told = {(one["kind"], one["value"]) for one in found}
        assert {("price", "/draft-reply"), ("price", "/agent-proxy-claude"), ("loop", "pg_live_t7b1jf8q")} <= told, tick
        leaks = [["token", "pg_test_c5w0ri3m"] in [[one["dimension"], one["value"]], *one["also"]] for one in found]
        assert sum(leaks) == 1, tick
        assert len(found) <= 6, tick
    mirror.close()


def test_a_budget_is_near_its_end_and_every_line_of_waste_has_requests(tmp_path: Path) -> None:
    path, end = tmp_path / "demo.db", datetime.fromtimestamp(END_MS / 1000, UTC)
    create_log(path, Traffic(7).history(END_MS, 15))
    budget = budgets_of(demo_rules(), UTC, parse_zone)[0]
    month = f"SELECT sum(cost_pico_usd) FROM {TABLE} WHERE time_ms >= {END_MS - 30 * 86_400_000}"
    ((spent,),) = query(path, month)
    assert 0.8 <= int(str(spent)) / budget.limit < 1
    mirror = read_period(open_log(str(path), None), RateBook.load(None), None, Period(end - timedelta(days=15), end))
    wasted = mirror.waste(ReportQuery(end - timedelta(days=15), end))
    mirror.close()
    assert {line.name for line in wasted.lines if line.cost > 0 and line.requests >= 2} == set(LINES)
