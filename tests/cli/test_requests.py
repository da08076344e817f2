"""`cost-top requests`: every request once, in order, exactly; what is told on follow."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click.testing import CliRunner

from cost_top.cli.follow import Arrivals, Unfollowed, first_told
from cost_top.cli.request_output import TableWriter
from cost_top.cli.requests import command
from cost_top.model.answers import Answers
from cost_top.model.errors import UserError
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.notes import untimed_notes
from cost_top.model.query import ReportQuery
from cost_top.model.request_row import RequestRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = ("=HYPERLINK(1)", "-5", "+1", "@x", "\u202eevil", "a\x1b[31mb")


def row(identity: str, minute: int, cost: int | None = 10**9) -> RequestRow:
    known = {"id": identity, "time": NOON + timedelta(minutes=minute), "tags": (), "cost": cost}
    return RequestRow(**{**dict.fromkeys(RequestRow.__dataclass_fields__), **known, "price_status": "reported"})


@pytest.fixture
def log(sqlite_log):
    log, noon = sqlite_log(), int(NOON.timestamp() * 1000)
    rows = (
        (f"r-{number:04}", noon + number * 1000, HOSTILE[number % len(HOSTILE)],
         -(10**10) if number == 7 else 10**9 + number)
        for number in range(2500)
    )  # fmt: skip
    with log.connection:
        log.connection.executemany(
            "INSERT INTO cost_top_requests (id, time_ms, user_id, cost_pico_usd) VALUES (?, ?, ?, ?)", rows
        )
    return log


def run(*arguments: str) -> str:
    period = ("--since", "2026-11-20", "--until", "2026-11-21", "--tz", "UTC", "--no-cache")
    return CliRunner().invoke(command, [*arguments, *period], catch_exceptions=False, standalone_mode=False).output


def test_the_source_is_a_column_of_the_name_that_the_config_gives_it(log, tmp_path):
    config = tmp_path / "named.toml"
    config.write_text(f'[sources."=prod"]\nurl = "{log.path}"\n')
    named = ("=prod", "--config", str(config), "--columns", "id,source", "--limit", "1")
    assert json.loads(run(*named, "--format", "jsonl")) == {"id": "r-2499", "source": "=prod"}
    assert run(*named, "--format", "csv", "--where", "source:*prod").splitlines() == ["id,source", "r-2499,'=prod"]
    assert run(*named, "--format", "csv", "--where", "-source:*prod").splitlines() == ["id,source"]
    assert "gateway.db" in run(str(log.path), "--columns", "source", "--limit", "1")


def test_every_request_of_the_period_once_newest_first(log):
    told = [json.loads(line) for line in run(str(log.path), "--format", "jsonl").splitlines()]
    assert [each["id"] for each in told] == [f"r-{number:04}" for number in reversed(range(2500))]
    assert told[-8]["cost"] == "-0.01"


def test_dearest_first_and_a_limit(log):
    told = json.loads(run(str(log.path), "--format", "json", "--sort", "cost", "--limit", "2", "--columns", "id,cost"))
    assert told["requests"] == [{"id": "r-2499", "cost": "0.001000002499"}, {"id": "r-2498", "cost": "0.001000002498"}]
    assert told["notes"] == ["there are more: raise --limit"]


def test_a_spreadsheet_runs_no_text_and_keeps_every_number(log):
    rows = list(csv.DictReader(io.StringIO(run(str(log.path), "--format", "csv"))))
    assert len(rows) == 2500
    assert {each["user"] for each in rows} == {"'=HYPERLINK(1)", "-5", "+1", "'@x", "evil", "a[31mb"}
    assert rows[-8]["cost"] == "-0.01"


def test_a_file_is_put_there_whole_and_private(log, tmp_path: Path):
    path = tmp_path / "out.csv"
    run(str(log.path), "--format", "csv", "--output", str(path))
    assert len(path.read_text().splitlines()) == 2501
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_what_is_no_file_is_written_to_as_it_is(log, tmp_path: Path):
    (tmp_path / "link.csv").symlink_to("out.csv")
    run(str(log.path), "--format", "csv", "--limit", "2", "--output", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run(str(log.path), "--format", "csv", "--limit", "2", "--output", str(tmp_path / "pipe"))
    assert len(os.read(reader, 100_000).splitlines()) == 3
    os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_followed_into_a_file_is_there_however_it_ends(log, tmp_path: Path, number):
    path = tmp_path / "out" / "followed.csv"
    path.parent.mkdir()
    words = [sys.executable, "-m", "cost_top", "requests", str(log.path), "--follow", "--format", "csv", "--no-cache",
             "--since", "2026-11-01", "--output", str(path)]  # fmt: skip
    process = subprocess.Popen(words)
    try:
        deadline = time.monotonic() + 60
        while not path.exists() or not path.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    finally:
        process.kill()
        process.wait()
    assert path.read_text().startswith("id,time,")
    assert [each.name for each in path.parent.iterdir()] == ["followed.csv"]
    assert path.stat().st_mode & 0o077 == 0


def test_what_stood_in_a_file_stays_where_the_source_tells_nothing(tmp_path: Path):
    (tmp_path / "broken.db").write_text("no database")
    kept, new = tmp_path / "kept.csv", tmp_path / "new.csv"
    kept.write_text("of last week")
    for path in (kept, new):
        with pytest.raises(UserError):
            run(str(tmp_path / "broken.db"), "--follow", "--format", "csv", "--output", str(path))
    assert kept.read_text() == "of last week"
    assert not new.exists()


def test_standard_output_by_its_name_stays_the_file_that_the_shell_opened(log, tmp_path: Path):
    command_line = (
        f"{sys.executable} -m cost_top requests {log.path} --since 2026-11-20 --limit 2 --format csv --no-cache"
    )
    line = f"(echo before; {command_line} --output /dev/stdout; echo after) > {tmp_path}/out"
    subprocess.run(["bash", "-c", line], check=True, timeout=120)
    told = (tmp_path / "out").read_text().splitlines()
    assert (told[0], len(told), told[-1]) == ("before", 5, "after")


@pytest.mark.parametrize("source", ["{}", "sqlite:///{}", "file:{}"])
def test_the_log_is_never_written_over(log, source):
    before = log.path.read_bytes()
    with pytest.raises(UserError, match="is the log itself; give another file"):
        run(source.format(log.path), "--output", str(log.path))
    assert log.path.read_bytes() == before


def test_focus_charges_add_up_to_the_log(log):
    rows = list(csv.DictReader(io.StringIO(run(str(log.path), "--format", "focus"))))
    total = sum(10**9 + number for number in range(2500)) - (10**9 + 7) - 10**10
    assert sum(Decimal(each["BilledCost"]) for each in rows) == Decimal(total) / 10**12
    assert sum(int(each["x_CostTopRequests"]) for each in rows) == 2500
    with pytest.raises(UserError, match="columns and an order of its own"):
        run(str(log.path), "--format", "focus", "--sort", "cost")


def test_a_table_tells_that_there_are_more(log):
    shown = run(str(log.path)).splitlines()
    assert len(shown) == 102
    assert shown[-1] == "note: there are more: raise --limit"
    assert all(len(line) <= 150 for line in shown)


def test_a_table_tells_keys_of_one_name_apart():
    out = io.StringIO()
    rows = [replace(row(str(minute), minute), token=f"key-{minute}", token_name="ci") for minute in (1, 2)]
    writer = TableWriter(out, ("token_name",), UTC)
    for one in rows:
        writer.meet([one])
        writer.add(one)
    writer.meet(rows)
    writer.add(rows[0])
    assert [line.rstrip() for line in out.getvalue().splitlines()] == ["ci", "ci …ey-2", "ci …ey-1"]


def test_wrong_columns_and_periods_are_one_line(log):
    with pytest.raises(UserError, match=r"'csot' is no field of a request: did you mean cost\?"):
        run(str(log.path), "--columns", "id,csot")
    with pytest.raises(UserError, match="leave out --until"):
        run(str(log.path), "--follow")


def test_a_reader_that_closes_early_ends_it_as_a_pipe_does(log):
    command_line = f"{sys.executable} -m cost_top requests {log.path} --since 2026-11-20 --format csv --no-cache"
    line = f"{command_line} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("141", "")


def test_follow_asks_for_what_is_new_and_once_a_minute_for_all_that_may_change():
    arrivals, now, hour = Arrivals(), NOON + timedelta(seconds=30), timedelta(hours=1)
    assert arrivals.wanted_from(now, 0.0) == now - hour
    arrivals.news([row("a", 0)])
    assert arrivals.wanted_from(now, 2.0) == NOON - timedelta(minutes=2)
    assert arrivals.wanted_from(now, 61.0) == now - hour
    assert arrivals.wanted_from(now, 62.0) > now - hour
    arrivals.missed()
    assert arrivals.wanted_from(now, 63.0) == now - hour
    # A clock that was ahead leaves no gap.
    arrivals.news([row("ahead", 24 * 60)])
    assert arrivals.wanted_from(now, 64.0) == now - timedelta(minutes=2)


def test_follow_tells_of_rows_without_a_time_once_they_are_counted_and_when_there_are_others():
    query = ReportQuery(NOON, NOON + timedelta(days=1), where=parse_filter("user:acme"))
    counts = chain([None, 0, 3, 3, 4, 4], repeat(4))
    asked: list[ReportQuery] = []

    class Counting:
        def report(self, query: ReportQuery) -> SimpleNamespace:
            asked.append(query)
            return SimpleNamespace(notes=("2 requests unpriced", *untimed_notes(next(counts))))

    unfollowed, counting = Unfollowed(), cast("Answers", Counting())
    told = {clock: note for clock in range(1, 64) if (note := unfollowed.news(counting, query, clock))}
    assert {clock: note[0] for clock, note in told.items()} == {4: "3", 16: "4"}
    assert len(asked) == 6
    for clock in range(64, 64 + 4 * 3600):
        assert not unfollowed.news(counting, query, clock)
    assert len(asked) < 6 + 5 + 16  # a report each time: as often as the rows are counted, and no more
    assert (asked[0].start, asked[0].where) == (NOON, Filter())


def test_follow_begins_with_the_last_few_and_with_all_that_came_since():
    news = Arrivals().news([row(f"r-{minute}", minute) for minute in range(8)])
    assert [one[0].id for one in first_told(news, 2, NOON + timedelta(minutes=3))] == [f"r-{n}" for n in range(1, 8)]
    assert [one[0].id for one in first_told(news, 2, NOON + timedelta(hours=1))] == ["r-6", "r-7"]


def test_follow_tells_each_request_once_and_again_only_when_it_changed():
    arrivals = Arrivals()
    assert arrivals.news([row("b", 2), row("a", 1)]) == [(row("a", 1), 1, False), (row("b", 2), 1, False)]
    assert arrivals.news([row("b", 2), row("a", 1)]) == []
    changed, late = row("b", 2, 5), row("c", 0)
    assert arrivals.news([changed, row("a", 1), late]) == [(late, 1, True), (changed, 2, False)]
    arrivals.forget(NOON + timedelta(minutes=2))
    assert arrivals.news([row("d", 3)]) == [(row("d", 3), 1, False)]


def test_follow_tells_each_of_several_requests_of_one_id_once():
    arrivals, tries = Arrivals(), [row("a", 1, 1), row("a", 1, 2), row("a", 1, 2)]
    assert [one[0].cost for one in arrivals.news(tries)] == [1, 2, 2]
    assert arrivals.news(tries) == []
    assert [one[0].cost for one in arrivals.news([*tries, row("a", 2, 3)])] == [3]


def test_the_memory_of_an_export_does_not_grow_with_its_rows(sqlite_log, tmp_path: Path) -> None:
    """Of periods with few and many days, and of a day that holds much more than the others; in real processes."""
    log, end = sqlite_log(), int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
    times = [end - 1 - number * 21_600 for number in range(28_000)]
    times += [end - 16 * 86_400_000 + number * 1_000 for number in range(30_000)]
    rows = ((f"request-{number:06}", time, 10**9 + number, f"user {number} {'x' * 200}")
            for number, time in enumerate(times))  # fmt: skip
    with log.connection:
        log.connection.executemany(
            "INSERT INTO cost_top_requests (id, time_ms, cost_pico_usd, user_id) VALUES (?, ?, ?, ?)", rows
        )
    peaks = {}
    for since, until, count in (("17", "20", 12_000), ("13", "20", 28_000), ("04", "05", 30_000)):
        out = tmp_path / f"{count}.jsonl"
        period = ("--since", f"2026-11-{since}", "--until", f"2026-11-{until}", "--tz", "UTC", "--no-cache")
        words = ("requests", str(log.path), *period, "--format", "jsonl", "--output", str(out))
        # A process is told the most memory that its parent had, too: this one's is much.
        between = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        told = subprocess.run(
            [sys.executable, "-c", between, sys.executable, "-m", "cost_top", *words],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        with out.open() as lines:
            assert len({hash(line) for line in lines}) == count
        peaks[count] = int(told.stdout)
    assert max(peaks.values()) < 1.15 * peaks[12_000]
