"""Every lens of `cost-top report` equals the same figure computed by an independent SQL statement."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.native import COLUMNS, DDL
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

ROWS = 110_000  # more than are read at once
KINDS = 20_000  # of requests, each of which comes several times, at another moment
DAYS = 12
# Prices of the test's own, so that the independent statement needs no rate table: pico-dollars per token.
INPUT_RATE, OUTPUT_RATE = 3_000_000, 15_000_000
OVERRIDES = """
[[price]]
provider = "acme"
model = "acme-1"
input = "3"
output = "15"
"""
# Session, prompt, region, and what is counted beside text.
BESIDE = [None] * (len(COLUMNS) - COLUMNS.index("session"))
PLACES = ", ".join("?" for _ in COLUMNS)


def many_rows(count: int, end: datetime) -> Iterator[tuple[Any, ...]]:
    """As `rows`, in less time."""
    draw = random.Random(3)
    last = int(end.timestamp() * 1000)
    kinds = list(rows(KINDS, end))
    for number in range(count):
        yield (f"r1-{number}", last - draw.randrange(DAYS * 86_400_000), *kinds[number % KINDS][2:])


def rows(count: int, end: datetime, seed: int = 1) -> Iterator[tuple[Any, ...]]:
    """Random requests of the last `DAYS` days: every kind of row whose cost SQL can tell by itself."""
    draw = random.Random(seed)
    last = int(end.timestamp() * 1000)
    for number in range(count):
        kind = draw.random()
        hit = kind < 0.05
        failed = 0.05 <= kind < 0.08
        priced = 0.08 <= kind < 0.3
        unpriced = 0.3 <= kind < 0.31
        byok = draw.random() < 0.1
        provider, model = ("acme", "acme-1") if priced else ("nowhere", "unheard-of") if unpriced else (
            draw.choice(["openai", "anthropic", "google"]), f"model-{draw.randrange(9)}")  # fmt: skip
        tokens = 0 if failed else draw.randrange(1, 50_000)
        output = 0 if failed else draw.randrange(1, 5_000)
        cost = None if priced or unpriced else 0 if hit or failed or byok else draw.randrange(1, 10**12)
        yield (
            f"r{seed}-{number}", last - draw.randrange(DAYS * 86_400_000), provider, model,
            draw.choice(["/chat", "/agent", None]), token := draw.choice(["k1", "k2", "k3", None]),
            token and f"name of {token}", draw.choice([f"u{draw.randrange(200)}", None]), draw.choice(["ann", "bob"]),
            draw.choice(["red", "blue", None]),
            json.dumps(draw.sample(["prod", "dev", "été"], draw.randrange(3))) if draw.random() < 0.9 else None,
            "byok" if byok else "system", tokens, None if draw.random() < 0.5 else tokens // 3, None, None, output,
            draw.choice([None, output // 2]), cost, None, hit, draw.randrange(20, 9_000),
            draw.choice([429, 500]) if failed else 200, draw.random() < 0.5, "192.0.2.1", "agent/1", *BESIDE,
        )  # fmt: skip


# total_cost of a row: an own key adds nothing, whatever its cost says; then what was reported; a hit or an unpriced row
# adds nothing; else our price.
PAID = f"""CASE WHEN credential_type = 'byok' THEN 0 WHEN cost_pico_usd IS NOT NULL THEN cost_pico_usd
  WHEN provider = 'acme' THEN input_tokens * {INPUT_RATE} + output_tokens * {OUTPUT_RATE} ELSE 0 END"""
SENT = "NOT coalesce(cache_hit, false)"
MEASURES = {
    "total_cost": f"sum({PAID})",
    "input_tokens": f"sum(CASE WHEN {SENT} THEN input_tokens ELSE 0 END)",
    "output_tokens": f"sum(CASE WHEN {SENT} THEN output_tokens ELSE 0 END)",
    "cached_input_tokens": f"sum(CASE WHEN {SENT} THEN coalesce(cached_input_tokens, 0) ELSE 0 END)",
    "reasoning_tokens": f"sum(CASE WHEN {SENT} THEN coalesce(reasoning_tokens, 0) ELSE 0 END)",
    "request_count": "count(*)",
    "cache_hit_count": "sum(CASE WHEN cache_hit THEN 1 ELSE 0 END)",
    "error_count": "sum(CASE WHEN status >= 400 THEN 1 ELSE 0 END)",
    "unpriced_count": "sum(CASE WHEN provider = 'nowhere' AND credential_type <> 'byok' THEN 1 ELSE 0 END)",
}
LENSES = {
    "provider": "provider", "model": "model", "endpoint": "endpoint", "token": "token", "user": "user_id",
    "owner": "owner", "team": "team", "credential_type": "credential_type", "status": "status",
}  # fmt: skip


def expected(ask: Callable[[str], list[tuple[Any, ...]]], key: str, start: int, end: int) -> dict[Any, dict[str, int]]:
    """The figures of a lens by plain SQL on the log."""
    found = ask(
        f"SELECT {key}, {', '.join(MEASURES.values())} FROM cost_top_requests "
        f"WHERE time_ms >= {start} AND time_ms < {end} GROUP BY {key}"
    )
    return {
        (None if row[0] is None else str(row[0])): dict(zip(MEASURES, (int(value) for value in row[1:]), strict=True))
        for row in found
    }


def pico(text: str) -> int:
    """A decimal string in USD as pico-dollars, by shifting digits."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(12, "0"))


def report(source: str, cache: Path, *arguments: str, overrides: Path | None = None) -> dict[str, Any]:
    """`cost-top report` as a user calls it."""
    command = [sys.executable, "-m", "cost_top", "report", source, "--format", "json", "--tz", "UTC", *arguments]
    if overrides:
        command += ["--overrides", str(overrides)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(cache), timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def environment(cache: Path) -> dict[str, str]:
    """The environment of a user without a config file."""
    return {**os.environ, "COST_TOP_CACHE": str(cache), "XDG_CONFIG_HOME": str(cache / "config")}


def check_every_lens(
    source: str,
    cache: Path,
    overrides: Path,
    ask: Callable[[str], list[tuple[Any, ...]]],
    period: tuple[datetime, datetime],
) -> None:
    """Compare each lens of a report with SQL, pico by pico."""
    start, end = (int(instant.timestamp() * 1000) for instant in period)
    answers = LogAnswers(lambda: open_log(source), lambda: RateBook.load(overrides), cache)
    with answers.held(Period(*period)):
        for lens, key in LENSES.items():
            told = answers.report(ReportQuery(*period, group_by=(lens,)))
            rows = {row.key[0]: {name: getattr(row.measures, name) for name in MEASURES} for row in told.rows}
            assert_same(rows, expected(ask, key, start, end), lens)
            assert told.totals.total_cost == sum(row["total_cost"] for row in rows.values())


def check_command(log: Log, lens: str, cache: Path, overrides: Path, period: tuple[datetime, datetime]) -> None:
    """Compare what the command prints of a lens with SQL."""
    start, end = (int(instant.timestamp() * 1000) for instant in period)
    since = ["--since", period[0].isoformat(), "--until", period[1].isoformat()]
    answer = report(log.source, cache, "--group-by", lens, *since, overrides=overrides)
    figures = {
        row[lens]: {name: pico(row[name]) if name == "total_cost" else row[name] for name in MEASURES}
        for row in answer["results"]
    }
    assert_same(figures, expected(log.ask, LENSES[lens], start, end), lens)
    assert pico(answer["totals"]["total_cost"]) == sum(row["total_cost"] for row in figures.values())


def assert_same(figures: dict[Any, dict[str, int]], by_sql: dict[Any, dict[str, int]], lens: str) -> None:
    """Equal, and if not, which figure of which row."""
    assert figures.keys() == by_sql.keys()
    wrong = {
        (lens, key, name): (figures[key][name], value)
        for key, row in by_sql.items()
        for name, value in row.items()
        if figures[key][name] != value
    }
    assert not wrong


class Log:
    """A native log that can be asked and written with plain SQL."""

    def __init__(self, source: str, connect: Callable[[], Any], place: str) -> None:
        self.source = source
        self.connect = connect
        self.place = place

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()
        finally:
            connection.close()

    def write(self, records: list[tuple[Any, ...]]) -> None:
        connection = self.connect()
        cursor = connection.cursor()
        places = ", ".join([self.place] * len(COLUMNS))
        if self.place == "%s":
            with cursor.copy(f"COPY cost_top_requests ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                for record in records:
                    copy.write_row(record)
        else:
            cursor.executemany(f"INSERT INTO cost_top_requests ({', '.join(COLUMNS)}) VALUES ({places})", records)
        connection.commit()
        connection.close()

    def change(self, sql: str) -> None:
        connection = self.connect()
        connection.cursor().execute(sql)
        connection.commit()
        connection.close()


def sqlite_native(tmp_path: Path) -> Log:
    path = tmp_path / "gateway.db"
    log = Log(str(path), lambda: sqlite3.connect(path, timeout=180), "?")
    connection = log.connect()
    connection.executescript("PRAGMA journal_mode=WAL;" + DDL)
    connection.close()
    return log


def postgres_native(url: str) -> Log:
    import psycopg

    log = Log(url, lambda: psycopg.connect(url), "%s")
    log.change("DROP TABLE IF EXISTS cost_top_requests")
    log.change(DDL)
    return log


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    if request.param == "sqlite":
        return sqlite_native(tmp_path)
    return postgres_native(request.getfixturevalue("postgres_url"))


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    path = tmp_path / "overrides.toml"
    path.write_text(OVERRIDES)
    return path


def test_every_lens_is_exact(log: Log, tmp_path: Path, overrides: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0)
    period = (end - timedelta(days=DAYS, hours=5), end)
    log.write(list(many_rows(ROWS, end)))
    cache = tmp_path / "cache"
    check_command(log, "model", cache, overrides, period)
    # Rows that come late, out of order, change and go, in days that are already kept.
    log.write(list(rows(5_000, end - timedelta(days=1), seed=2)))
    log.change(
        "UPDATE cost_top_requests SET cost_pico_usd = cost_pico_usd + 1 WHERE id LIKE 'r1-%7' AND cost_pico_usd > 0"
    )
    log.change("UPDATE cost_top_requests SET input_tokens = input_tokens + 3 WHERE id LIKE 'r1-%11'")
    log.change("DELETE FROM cost_top_requests WHERE id LIKE 'r1-%13'")
    check_command(log, "user", cache, overrides, period)
    check_every_lens(log.source, cache, overrides, log.ask, period)


def test_tags_overlap_and_none_is_a_row(log: Log, tmp_path: Path, overrides: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0)
    log.write(list(rows(20_000, end)))
    expected_costs: dict[str | None, int] = defaultdict(int)
    for tags, paid in log.ask(f"SELECT tags, {PAID} FROM cost_top_requests"):
        for tag in json.loads(tags or "[]") or [None]:
            expected_costs[tag] += int(paid)
    answer = report(log.source, tmp_path / "cache", "--group-by", "tag", "--since", "30d", overrides=overrides)
    assert {row["tag"]: pico(row["total_cost"]) for row in answer["results"]} == dict(expected_costs)
    assert any("tags overlap" in note for note in answer["notes"])


def test_a_killed_reader_and_two_at_once_leave_the_figures_right(log: Log, tmp_path: Path, overrides: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0)
    log.write(list(rows(60_000, end)))
    cache = tmp_path / "cache"
    command = [
        sys.executable,
        "-m",
        "cost_top",
        "report",
        log.source,
        "--format",
        "json",
        "--overrides",
        str(overrides),
    ]
    for patience in (0.5, 0.8, 1.1):
        process = subprocess.Popen(
            command, env=environment(cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(patience)
        process.send_signal(signal.SIGKILL)
        process.wait()
    both = [subprocess.Popen(command, env=environment(cache), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    total = int(log.ask(f"SELECT sum({PAID}) FROM cost_top_requests")[0][0])
    for process in both:
        out, _ = process.communicate(timeout=180)
        assert pico(json.loads(out)["totals"]["total_cost"]) == total


def test_while_a_writer_inserts(log: Log, tmp_path: Path, overrides: Path) -> None:
    end = datetime.now(UTC).replace(microsecond=0)
    log.write(list(rows(8_000, end)))
    stop = threading.Event()

    def write() -> None:
        seed = 10
        while not stop.is_set():
            log.write(list(rows(200, end, seed)))
            log.change(
                f"UPDATE cost_top_requests SET cost_pico_usd = cost_pico_usd + {seed} WHERE id LIKE 'r1-%{seed}'"
            )
            seed += 1
            stop.wait(0.1)  # what is written is read and summed over and over: a few times a report is enough

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            report(log.source, tmp_path / "cache", "--group-by", "model", overrides=overrides)
    finally:
        stop.set()
        writer.join()
    period = (end - timedelta(days=DAYS, hours=5), end)
    check_every_lens(log.source, tmp_path / "cache", overrides, log.ask, period)
