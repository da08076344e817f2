"""A gateway: 100 rows at a time into the log, every so many seconds, until its input ends."""

from __future__ import annotations

import itertools
import json
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cost_top.model.native import COLUMNS, TABLE

ROWS = 100


def rows(draw: random.Random, batch: int) -> list[tuple[Any, ...]]:
    """Requests of the last two seconds."""
    now = time.time_ns() // 1_000_000
    made = []
    for number in range(ROWS):
        row = {
            "id": f"tick{now}-{batch}-{number}", "time_ms": now - draw.randrange(2000), "provider": "openai",
            "model": "gpt-5", "endpoint": f"/v1/feature-{draw.randrange(25)}",
            "token": f"key_{draw.randrange(200):012d}",
            "token_name": "customer", "user_id": f"user-{draw.randrange(5000)}",
            "tags": json.dumps(["prod", "plan:pro"]),
            "credential_type": "system", "input_tokens": draw.randrange(9000), "output_tokens": draw.randrange(900),
            "cost_pico_usd": draw.randrange(10**10), "cache_hit": False, "latency_ms": draw.randrange(9000),
            "status": 200, "streamed": True,
        }  # fmt: skip
        made.append(tuple(row.get(name) for name in COLUMNS))
    return made


def connect(source: str) -> tuple[Any, str]:
    """A connection and the statement that inserts."""
    if "://" in source:
        import psycopg

        mark = "%s"
        connection: Any = psycopg.connect(source)
    else:
        import sqlite3

        mark = "?"
        connection = sqlite3.connect(source, timeout=30)
        connection.execute("PRAGMA journal_mode = wal")
    marks = ", ".join([mark] * len(COLUMNS))
    return connection, f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({marks})"


@contextmanager
def writing(source: str, interval: float = 2.0) -> Iterator[None]:
    """Such a gateway at work, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.writer", source, str(interval)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    try:
        yield
    finally:
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    opened, insert = connect(sys.argv[1])
    randomly = random.Random(1)
    for batch_number in itertools.count():
        opened.cursor().executemany(insert, rows(randomly, batch_number))
        opened.commit()
        if select.select([sys.stdin], [], [], float(sys.argv[2]))[0] and not sys.stdin.read(1):
            break
