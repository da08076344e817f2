"""A native request log in a SQLite file, written by the test as a gateway would."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cost_top.model import native

START = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


class NativeLog:
    """The file at `path`; `add` writes a row and commits. WAL and open for writing until `close`."""

    def __init__(self, path: Path, wal: bool = True) -> None:
        self.path = path
        self.connection = sqlite3.connect(path)
        self.connection.execute("PRAGMA synchronous = off")  # nobody pulls the plug
        if wal:
            self.connection.execute("PRAGMA journal_mode = wal")
        self.connection.executescript(native.DDL)
        self._count = 0

    def add(self, **columns: Any) -> str:
        """Insert a row; `id` and `time_ms` have defaults that rise."""
        self._count += 1
        row = {"id": f"r{self._count}", "time_ms": START_MS + self._count, **columns}
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO {native.TABLE} ({names}) VALUES ({marks})", list(row.values()))
        self.connection.commit()
        return str(row["id"])

    def run(self, sql: str, values: Iterable[Any] = ()) -> None:
        """Any statement."""
        self.connection.execute(sql, tuple(values))
        self.connection.commit()

    def close(self) -> None:
        """Stop writing; SQLite removes what it keeps beside the file."""
        self.connection.close()
