"""`python -m tests.benchmarks`: the figures of the design beside what they are to reach, as ratios in one run."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks import behind_screen, on_screen
from tests.benchmarks.request_log import sqlite_log
from tests.benchmarks.table import Figure, head, measured

Benchmark = Callable[[str, Path], list[Figure]]
ON_SQLITE: dict[str, Benchmark] = {
    "frame": on_screen.first_frame,
    "cold": partial(behind_screen.cold_history, limit=0.7, name="SQLite"),
    "warm": on_screen.warm_start,
    "ticks": behind_screen.ticks,
    "idle": on_screen.idle,
    "repaint": on_screen.repaint,
    "demo": on_screen.demo_memory,
    "pricing": behind_screen.pricing,
}


def main() -> None:
    """Make the log, or take the one of an earlier run, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows over 60 days (default 10 million)")
    parser.add_argument("--postgres-rows", type=int, help="of these in PostgreSQL (default: 2 million at most)")
    parser.add_argument("--folder", type=Path, help="where the log is kept (default: a folder beside temporary files)")
    parser.add_argument("--only", nargs="+", choices=[*ON_SQLITE, "postgres"], metavar="NAME",
                        help=f"some of: {', '.join([*ON_SQLITE, 'postgres'])}")  # fmt: skip
    given = parser.parse_args()
    folder: Path = given.folder or Path(tempfile.gettempdir()) / "cost-top-benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = given.only or [*ON_SQLITE, "postgres"]
    on_sqlite = [name for name in ON_SQLITE if name in wanted]
    if on_sqlite:
        source, cache = str(sqlite_log(folder, given.rows)), folder / f"cache-{given.rows}"
        if "cold" not in on_sqlite and not cache.exists():
            shutil.rmtree(cache, ignore_errors=True)
        head(f"SQLite, {given.rows / 1e6:g} M rows over 60 days; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for name in on_sqlite:
            own = folder / "cache-frame" if name == "frame" else cache
            measured(name, partial(ON_SQLITE[name], source, own))
    if "postgres" in wanted:
        from tests.benchmarks.postgres import compare

        compare(folder, given.postgres_rows or min(given.rows, 2_000_000))


if __name__ == "__main__":
    main()
