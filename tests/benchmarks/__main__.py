"""`python -m tests.benchmarks`: the figures of the design beside what they are to reach, as ratios in one run."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks import behind_screen, many, on_screen
from tests.benchmarks.request_log import sqlite_log
from tests.benchmarks.table import Figure, head, measured, show

Benchmark = Callable[[str, Path], list[Figure]]
ON_SQLITE: dict[str, Benchmark] = {
    "frame": on_screen.first_frame,
    "cold": partial(behind_screen.cold_history, limit=0.7, name="SQLite"),
    "warm": on_screen.warm_start,
    "ticks": behind_screen.ticks,
    "idle": on_screen.idle,
    "bytes": on_screen.bytes_per_key,
    "repaint": on_screen.repaint,
    "report": behind_screen.report,
    "demo": on_screen.demo_memory,
    "pricing": behind_screen.pricing,
    "filters": many.filters,
    "growth": many.growth,
    "users": many.users,
}
QUICK_ROWS = 1_000_000
# The same with fewer runs and shorter spans, in four minutes on a machine that has nothing else to do.
QUICK: dict[str, Benchmark] = {
    "frame": partial(on_screen.first_frame, runs=2),
    "cold": partial(behind_screen.cold_history, limit=0.7, name="SQLite", plain_runs=1),
    "warm": partial(on_screen.warm_start, runs=3),
    "ticks": partial(behind_screen.ticks, seconds=12),
    "idle": partial(on_screen.idle, ticks=8),
    "bytes": on_screen.bytes_per_key,
    "report": behind_screen.report,
}
NOT_QUICK = (
    (
        "repaint: a key until the screen is right",
        "left out of --quick; `ticks` has filters and drills without a screen",
    ),
    ("memory of the demo after a minute", "left out of --quick"),
    ("pricing in the mirror", "left out of --quick"),
    ("50 different filters on one `serve`", "left out of --quick"),
    ("growth: the same traffic on 1 M and 10 M rows", "left out of --quick"),
    ("many users, and one a request", "left out of --quick"),
    ("cold history, PostgreSQL", "left out of --quick"),
    ("a refresh, against LiteLLM's spend by six dimensions", "left out of --quick"),
)


def main() -> None:
    """Make the log, or take the one of an earlier run, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["forecast", "clickhouse"],
                        help="the back-test of the forecast, or a log in ClickHouse, alone")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="the most of it on 1 million rows, in a few minutes")
    parser.add_argument("--rows", type=int, help="rows over 60 days (default 10 million)")
    parser.add_argument("--postgres-rows", type=int, help="of these in PostgreSQL (default: 2 million at most)")
    parser.add_argument("--folder", type=Path, help="where the log is kept (default: a folder beside temporary files)")
    parser.add_argument("--only", nargs="+", choices=[*ON_SQLITE, "postgres"], metavar="NAME",
                        help=f"some of: {', '.join([*ON_SQLITE, 'postgres'])}")  # fmt: skip
    given = parser.parse_args()
    if given.what == "forecast":
        from tests.benchmarks import forecast

        forecast.show()
        return
    if given.what == "clickhouse":
        from tests.benchmarks import clickhouse

        clickhouse.compare(given.rows or clickhouse.ROWS)
        return
    folder: Path = given.folder or Path(tempfile.gettempdir()) / "cost-top-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    benchmarks = {**ON_SQLITE, **QUICK} if given.quick else ON_SQLITE
    rows: int = given.rows or (QUICK_ROWS if given.quick else 10_000_000)
    wanted = given.only or [*(QUICK if given.quick else benchmarks), *(() if given.quick else ("postgres",))]
    on_sqlite = [name for name in benchmarks if name in wanted]
    if on_sqlite:
        source, cache = str(sqlite_log(folder, rows)), folder / f"cache-{rows}"
        head(f"SQLite, {rows / 1e6:g} M rows over 60 days; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        if (load := os.getloadavg()[0]) > (os.cpu_count() or 1) / 2:
            print(
                f"The machine is busy (load {load:.1f}): seconds are no measure, CPU and ratios hardly one; repeat.\n"
            )
        for name in on_sqlite:
            own = folder / "cache-frame" if name == "frame" else cache
            measured(name, partial(benchmarks[name], source, own))
    if given.quick and not given.only:
        for what, why in NOT_QUICK:
            show(Figure(what, f"not measured: {why}"))
    if "postgres" in wanted:
        from tests.benchmarks.postgres import compare

        compare(folder, given.postgres_rows or min(rows, 2_000_000))


if __name__ == "__main__":
    main()
