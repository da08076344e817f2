"""SQLite used from another process, as a gateway does: one process must not use two copies of the library on a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RUN = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for sql in sys.argv[2:]:
    print(connection.execute(sql).fetchall())
connection.commit()
connection.close()
"""
_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for sql in sys.argv[2:]:
    connection.execute(sql)
print("ready", flush=True)
sys.stdin.readline()
connection.close()
"""


def run_sql(path: Path, *statements: str) -> list[str]:
    """Run and commit statements; what each returned, as text."""
    command = [sys.executable, "-c", _RUN, str(path), *statements]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@contextmanager
def holding(path: Path, *statements: str) -> Iterator[None]:
    """Run statements and keep the connection (its transaction, its locks) until the block ends."""
    command = [sys.executable, "-c", _HOLD, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(90)
