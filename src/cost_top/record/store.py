"""Where rows go: SQLite by the standard library, PostgreSQL by psycopg. Both create the native table."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from cost_top.model.errors import UserError
from cost_top.model.native import COLUMN_TYPES, COLUMNS, DDL, TABLE
from cost_top.record.row import Row

_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
_CONFLICT = f"ON CONFLICT (id) DO UPDATE SET {_UPDATES}"
_VALUES = f"({', '.join('?' * len(COLUMNS))})"
# Few sizes, largest first, so that the driver's statement cache holds them all.
_INSERTS = {
    size: f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES {', '.join([_VALUES] * size)} {_CONFLICT}"
    for size in (1000, 100, 10, 1)
}
BUSY_SECONDS = 1.0


class RefusedError(Exception):
    """The database takes no such row; trying again will not help."""


class Store(Protocol):
    """A place for rows. A write is all or nothing; it raises `RefusedError`, anything else when it may work later."""

    name: str

    def write(self, rows: Sequence[Row]) -> None:
        """Append or replace `rows` in one transaction."""

    def close(self) -> None:
        """Let the connection go; the next write makes a new one."""


class SQLiteStore:
    """A SQLite file: created for its owner only, WAL, reopened when it is moved away."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.name = f"sqlite:///{path}"
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def write(self, rows: Sequence[Row]) -> None:
        """Append or replace `rows` in one transaction."""
        connection = self._open()
        try:
            with connection:
                self._insert(connection, rows)
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, ValueError) as error:
            raise RefusedError(type(error).__name__) from error
        except OverflowError as error:
            raise RefusedError("a number beyond 64 bits") from error
        except sqlite3.Error:
            self.close()  # the next try sees the file as it is by then
            raise

    @staticmethod
    def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Many rows in one statement: each statement gives up the interpreter's lock once, and a busy program may
        take milliseconds to give it back.
        """
        most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(COLUMNS)
        done = 0
        for size, statement in _INSERTS.items():
            while size <= min(most, len(rows) - done):
                connection.execute(statement, list(chain.from_iterable(rows[done : done + size])))
                done += size

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._identity == self._stat():
            return self._connection
        self.close()
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(DDL)
            there = {row[1] for row in connection.execute(f"PRAGMA table_info({TABLE})")}
            for name in COLUMNS:
                if name not in there:  # a log of an earlier version
                    connection.execute(f"ALTER TABLE {TABLE} ADD COLUMN {name} {COLUMN_TYPES[name]}")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity = connection, self._stat()
        return connection

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Let the connection go; the next write makes a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


class PostgresStore:
    """A PostgreSQL table, one statement and one round trip per batch."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise UserError(
                "recording to PostgreSQL: psycopg is not installed; run pip install 'cost-top[record]'"
            ) from None
        self._driver = psycopg
        self._url = url
        parts = urlsplit(url)
        self.name = f"postgresql://{parts.hostname or ''}{parts.path}"
        self._connection: Any = None
        self._insert = _insertion(COLUMNS)

    def write(self, rows: Sequence[Row]) -> None:
        """Append or replace `rows` in one statement."""
        newest = {row[0]: row for row in rows}  # one statement may touch an id only once
        batch = json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in newest.values()])
        try:
            connection = self._open()
            connection.execute(self._insert, [batch])
        except (self._driver.DataError, self._driver.IntegrityError) as error:
            raise RefusedError(type(error).__name__) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> Any:
        if self._connection is None:
            connection = self._driver.connect(
                self._url, autocommit=True, connect_timeout=5, application_name="cost-top recorder", prepare_threshold=1
            )
            try:
                connection.execute("SET statement_timeout = '10s'")
                connection.execute("SET synchronous_commit = off")
                if connection.execute("SELECT to_regclass(%s)", [TABLE]).fetchone() == (None,):
                    connection.execute(DDL)
                self._complete(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _complete(self, connection: Any) -> None:
        """Add the columns that a log of an earlier version lacks; without the right to, they are left out."""
        asked = connection.execute(f"SELECT * FROM {TABLE} LIMIT 0").description
        missing = [name for name in COLUMNS if name not in {column.name for column in asked}]
        if missing:
            added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {COLUMN_TYPES[name]}" for name in missing)
            try:
                connection.execute(f"ALTER TABLE {TABLE} {added}")
            except self._driver.errors.InsufficientPrivilege:
                self._insert = _insertion([name for name in COLUMNS if name not in missing])
                return
        self._insert = _insertion(COLUMNS)

    def close(self) -> None:
        """Let the connection go; the next write makes a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


def _insertion(columns: Sequence[str]) -> str:
    """One statement that appends or replaces rows given as JSON."""
    listed = ", ".join(columns)
    newer = ", ".join(f"{name} = excluded.{name}" for name in columns if name != "id")
    return (
        f"INSERT INTO {TABLE} ({listed}) SELECT {listed} FROM json_populate_recordset(NULL::{TABLE}, %s::json) "
        f"ON CONFLICT (id) DO UPDATE SET {newer}"
    )


def open_store(url: str) -> Store:
    """The store at `url`, not yet connected: `sqlite:///file.db`, `sqlite:////dir/file.db` or `postgresql://…`.

    Raises `UserError` for any other address or a missing driver.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        return SQLiteStore(unquote(rest[1:]))
    if scheme in ("postgresql", "postgres") and rest:
        return PostgresStore(url)
    raise UserError(
        f"recorder address with scheme {scheme[:20]!r}: not one to write to; use sqlite:///requests.db or postgresql://…"
    )
