"""Figures of the monitor without a screen, each run in a process of its own."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.process import child, environment
from tests.benchmarks.screen import cost_top
from tests.benchmarks.table import Figure, at_least, at_most


def cold_history(source: str, cache: Path, limit: float, name: str, plain_runs: int = 2) -> list[Figure]:
    """Until the mirror holds 30 days, against the plain driver over the same rows, before and after."""
    ours = child("cold", source, cache)
    plain = statistics.mean(child("plain", source, ours["from"])["seconds"] for _ in range(plain_runs))
    beside = f"{ours['held']:.1f} s, driver {plain:.1f} s, {ours['rows'] / 1e6:.1f} M rows"
    return [
        at_most(f"cold history, {name}", ours["held"] / plain, limit, "×", beside, 2),
        at_most(f"memory while history is read, {name}", ours["memory"][1], 300, "MB at most", digits=0),
    ]


def report(source: str, cache: Path) -> list[Figure]:
    """`cost-top report` of 30 days by model with nothing cached, and again: CPU, beside iterating them."""
    since = datetime.now(UTC) - timedelta(days=30)
    own = cache.with_name(f"{cache.name}-report")
    shutil.rmtree(own, ignore_errors=True)
    command = cost_top("report", source, "--group-by", "model", "--since", "30d")
    first, again = (_cpu_of(command, own) for _ in range(2))
    shutil.rmtree(own, ignore_errors=True)
    plain = child("plain", source, since.timestamp())
    beside = f"{first:.2f} s, driver {plain['cpu']:.2f} s, {plain['rows'] / 1e6:.1f} M rows"
    return [
        at_most("report of 30 days by model, nothing cached, CPU", first / plain["cpu"], 1.0, "×", beside, 2),
        at_most("the same, cached and nothing written since", again, 0.4, "s of CPU", digits=2),
    ]


def _cpu_of(command: list[str], cache: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment(cache), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ticks(source: str, cache: Path, seconds: float = 40) -> list[Figure]:
    """A settled monitor: idle, with 100 new rows a tick, and asked for other views."""
    found = child("session", source, cache, seconds)
    idle, busy, looks = found["idle"], found["busy"], found["looks"]
    rows = f"{found['window_rows'] / 1e6:.1f} M rows in the window"
    figures = [
        at_most("tick with 100 new rows, monitor alone", busy["cpu_ms_per_tick"], 20, "ms of CPU", rows),
        at_most(
            "tick without news",
            idle["cpu_ms_per_tick"],
            1.5,
            "ms of CPU",
            f"{idle['snapshots']} snapshots in {idle['ticks']:.0f} ticks",
        ),
        Figure("the monitor while kept days are compared, CPU", found["compared"]),
        at_most(
            "idle monitor at a 2 s interval after that", idle["cpu_share"] * 100, 0.8, "% of a core", found["calm"], 2
        ),
        Figure(
            "statements' time per poll with 100 new rows, our reading included",
            f"{busy['database_ms']:.1f} ms, {busy['queries']:.1f} statements",
        ),
        Figure("the same without news", f"{idle['database_ms']:.1f} ms, {idle['queries']:.1f} statements"),
        at_most("memory of the monitor, settled", found["memory"][0], 280, "MB", f"most {found['memory'][1]:.0f}", 0),
    ]
    names = {
        "narrow": "narrow filter (1 of 200 keys)",
        "broad": "broad filter (all but a model)",
        "word": "a bare word, letter by letter",
        "drill": "drill into a provider",
        "again": "the same drill again",
    }
    for name, shown in names.items():
        first, whole = looks[name]
        limit = 250 if name in ("broad", "word") else 100
        figures.append(at_most(f"{shown}: whole", whole, limit, "ms", f"first answer {first:.0f} ms", 0))
    return figures


def pricing(_source: str, _cache: Path, rows: int = 10_000_000) -> list[Figure]:
    """The rate join over 10 million rows of the mirror."""
    found = child("pricing", rows, ".")
    return [
        at_least(
            "pricing in the mirror",
            found["rows_per_second"] / 1e6,
            1.0,
            "M rows/s",
            f"{rows / 1e6:.0f} M rows, {found['cpu']:.1f} s of CPU",
        )
    ]


def price_rows(rows: str, _: Any) -> dict[str, Any]:
    """In the child: price rows of thirty models, tokens and times drawn at random; read every result."""
    from tests.benchmarks.request_log import MODELS

    from cost_top.mirror.database import Database
    from cost_top.model.record import FIELDS
    from cost_top.pricing.book import RateBook

    database = Database(RateBook.load())
    duck = database.connection
    duck.execute("CREATE TABLE models (number BIGINT, provider VARCHAR, model VARCHAR)")
    duck.executemany("INSERT INTO models VALUES (?, ?, ?)", [(n, *pair) for n, pair in enumerate(MODELS)])
    given = {
        "id": "i::VARCHAR",
        "time": "TIMESTAMP '2026-01-01' + to_seconds((hash(i) % 20000000)::BIGINT)",
        "provider": "provider",
        "model": "model",
        "input_tokens": "(hash(i + 1) % 20000)::BIGINT",
        "output_tokens": "(hash(i + 2) % 2000)::BIGINT",
        "cached_input_tokens": "(hash(i + 3) % 300)::BIGINT",
        "cache_hit": "hash(i) % 25 = 0",
    }
    columns = ", ".join(f'CAST({given.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in FIELDS)
    duck.execute(f"CREATE TABLE given AS SELECT {columns} FROM range({rows}) r(i) JOIN models ON number = hash(i) % 30")
    began, cpu = time.perf_counter(), time.process_time()
    database.rates.prepare(duck, duck.execute("SELECT DISTINCT provider, model FROM given").fetchall())
    sums = "sum(cost), sum(market_cost), sum(saved_by_cache), sum(prompt_cache_savings), max(price_status)"
    duck.execute(f"SELECT {sums} FROM ({database.rates.select('given')})").fetchall()
    seconds = time.perf_counter() - began
    return {"rows_per_second": int(rows) / seconds, "cpu": time.process_time() - cpu}
