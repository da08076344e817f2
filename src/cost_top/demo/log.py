"""The demo's request log: a SQLite file in the native schema, marked as ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from cost_top.demo.traffic import Row
from cost_top.model.errors import UserError
from cost_top.model.native import COLUMNS, DDL, TABLE

# SQLite's application_id tells a demo log from the log of a real gateway, which must never get invented rows.
APPLICATION_ID = 0x43545044  # "CTPD"
# What the demo's traffic tells of each request: the columns up to the session.
_TOLD = COLUMNS[: COLUMNS.index("session") + 1]
_INSERT = f"INSERT OR IGNORE INTO {TABLE} ({', '.join(_TOLD)}) VALUES ({', '.join('?' * len(_TOLD))})"


def is_demo_log(path: Path) -> bool:
    """Whether a demo log is at `path`; False when nothing is there.

    Raises `UserError` when something else is there.
    """
    if not path.exists():
        return False
    if path.is_dir():
        raise UserError(f"{path}: is a directory; give the path of a file")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            (mark,) = connection.execute("PRAGMA application_id").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        reason = "is not a SQLite database" if "not a database" in str(error) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; give another path, the demo overwrites nothing") from error
    if mark != APPLICATION_ID:
        raise UserError(f"{path}: is not a demo log; give another path, the demo overwrites nothing")
    return True


def create_log(path: Path, rows: Iterable[Row]) -> None:
    """Write a new demo log with `rows` at `path`, whole or not at all.

    Raises `UserError` when the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            # Nobody reads the file before it is renamed, so it needs no journal and no waiting for the disk.
            connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {DDL}")
            connection.execute("BEGIN")
            connection.executemany(_INSERT, rows)
            connection.execute("COMMIT")
            connection.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        os.replace(unfinished, path)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"{path}: cannot be written ({error}); give a path in a writable folder") from error
    finally:
        unfinished.unlink(missing_ok=True)


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection for live rows, to be used in the thread that opens it. It waits briefly for a lock."""
    connection = sqlite3.connect(path, timeout=0.25, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def append(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Add `rows` in one transaction; `sqlite3.OperationalError` when the log is locked, and nothing is added."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_INSERT, rows)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def count_rows(path: Path) -> int:
    """The number of requests in the log."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=2)
    try:
        (count,) = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()
    finally:
        connection.close()
    return int(count)


def first_call(connection: sqlite3.Connection, token: str, user: str) -> int | None:
    """Start of the earliest request of `user` with `token`, in milliseconds; None when there is none."""
    statement = f"SELECT min(time_ms) FROM {TABLE} WHERE token = ? AND user_id = ?"
    (time_ms,) = connection.execute(statement, (token, user)).fetchone()
    return None if time_ms is None else int(time_ms)
