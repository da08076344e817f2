"""The file of an index: how its tables are laid out, and a connection to it that makes it where it is not there."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from cost_top.model.code import code_hash
from cost_top.model.files import blocks_of, held, lock_of, read_sealed, remove, remove_database, replace_sealed
from cost_top.sources.files.records import Kind

VERSION = 5  # of the tables
# An index that other code has filled is made anew.
_ROOMS = ("sources/files", "usage")
# `changes` stays while no row is changed or removed, `inserts` while none is added.
MADE_BY = "SELECT identity, CAST(changes AS TEXT) AS changes, CAST(inserts AS TEXT) AS inserts FROM made_by"
_BUSY_SECONDS = 30.0
_CACHE_KB = 20_000
_FILES = """\
CREATE TABLE files (
  number INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, device INTEGER, inode INTEGER, size INTEGER, mtime_ns INTEGER,
  ctime_ns INTEGER, looked REAL NOT NULL DEFAULT 0,
  read_until INTEGER NOT NULL, witness TEXT NOT NULL, state TEXT NOT NULL, unreadable INTEGER NOT NULL,
  failed TEXT, waits INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE also (id TEXT NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (id, file)) WITHOUT ROWID;
CREATE TABLE made_by (version INTEGER, kind TEXT, identity TEXT, changes INTEGER, inserts INTEGER);
"""


def code_version() -> str:
    """Which code fills an index."""
    return f"{VERSION}-{code_hash(*_ROOMS)}"


def indexes_of(kind: Kind) -> Mapping[str, str]:
    """The statements that make the indexes of a kind's table, by name."""
    table, key = quoted(kind.table), quoted(kind.key)
    return {
        "of_id": f"CREATE UNIQUE INDEX of_id ON {table} ({key})",
        "of_file": f"CREATE INDEX of_file ON {table} (file)",
        "of_time": f"CREATE INDEX of_time ON {table} ({quoted(kind.time)}, {key})",
    }


@contextmanager
def connected(path: Path, kind: Kind) -> Iterator[sqlite3.Connection]:
    """As `opened`. What was written is copied into the file itself that readers see at the end, while none opens it."""
    database = opened(path, kind)
    try:
        yield database
    except BaseException:
        with held(lock_of(path), alone=True, seconds=_BUSY_SECONDS):
            database.close()  # the last one to close copies too
        raise
    with held(lock_of(path), alone=True, seconds=_BUSY_SECONDS), closing(database):
        database.execute("PRAGMA wal_checkpoint").fetchall()


def opened(path: Path, kind: Kind) -> sqlite3.Connection:
    """A connection to the index of a kind, private to the user. One that is damaged is made anew."""
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        remove(path)
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")  # it can always be made anew
        database.execute("PRAGMA wal_autocheckpoint = 0")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KB}")  # ids come in no order
        _make(database, kind)
    except sqlite3.DatabaseError as error:
        database.close()
        if fresh or not is_damage(error):
            raise
        remove_database(path)
        return opened(path, kind)
    return database


def check(database: sqlite3.Connection) -> None:
    """`sqlite3.DatabaseError` where pages or rows of an index are not as SQLite writes them."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _damage(str(found))


def is_as_sealed(path: Path) -> bool:
    """Whether an index is what was sealed; False of one that others write, or that nobody sealed.

    `sqlite3.DatabaseError` where its bytes are others. Not to be asked while this process has a connection to it: that
    would lose its locks.
    """
    state, sealed = _written(path), read_sealed(_seal_of(path))
    if state is None or not isinstance(sealed, dict) or sealed.get("state") != state:
        return False
    try:
        is_same = sealed.get("hash") == _hash(path)
    except OSError:  # a link, or gone meanwhile
        return False
    if not is_same and state == _written(path):
        raise _damage("other bytes than were written")
    return is_same


def _damage(found: str) -> sqlite3.DatabaseError:
    damage = sqlite3.DatabaseError(found)
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damage


def seal(path: Path) -> None:
    """Note a hash of an index that nobody has open for writing, for the next process. Asked for as `is_as_sealed`."""
    state = _written(path)
    known = read_sealed(_seal_of(path))
    if state is None or os.path.exists(f"{path}-wal") or (isinstance(known, dict) and known.get("state") == state):
        return
    with suppress(OSError):
        document = {"state": state, "hash": _hash(path)}
        if state == _written(path):
            replace_sealed(_seal_of(path), document)


def _seal_of(path: Path) -> Path:
    return path.with_suffix(".seal")


def _written(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for block in blocks_of(path):
        digest.update(block)
    return digest.hexdigest()


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an index is to be made anew; one that is locked, or on a disk that is full or fails, is not."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    # An error of SQL is one of a table that is not as it was made.
    return primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR) or (
        primary is None and not isinstance(error, sqlite3.OperationalError)
    )


def _make(database: sqlite3.Connection, kind: Kind) -> None:
    made = (VERSION, f"{kind.name} {json.dumps(dict(kind.columns))} {code_version()}")
    known = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'made_by'").fetchone()
    if known and database.execute("SELECT version, kind FROM made_by").fetchone() == made:
        return
    if known:
        raise sqlite3.DatabaseError("an index of another version")
    with writing(database):
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'made_by'").fetchone():
            return  # by another process, meanwhile
        columns = ", ".join(
            f"{quoted(name)} {declared}{' NOT NULL' if name == kind.key else ''}"
            for name, declared in kind.columns.items()
        )
        table = f"CREATE TABLE {quoted(kind.table)} ({columns}, file INTEGER NOT NULL)"
        for statement in (*(part for part in _FILES.split(";\n") if part), table, *indexes_of(kind).values()):
            database.execute(statement)
        database.execute("INSERT INTO made_by VALUES (?, ?, ?, 0, 0)", (*made, secrets.token_hex(8)))


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """A transaction that alone writes: as a whole or not at all."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def quoted(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'
