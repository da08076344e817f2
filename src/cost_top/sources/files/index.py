"""The index of files: a private SQLite database with their rows, brought up to date by reading only what grew.

A row belongs to one file, its owner. Where another file has a row of the same id (a session that was resumed, an
export that overlaps) the row counts once, and `also` remembers the other file, so that nothing is lost when the
owner goes. A file that shrank, or whose beginning is another, is read anew; one that was only renamed is not. One that
was read when it had just been written to is looked at once more: a further write may have left the same times.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cost_top.model.errors import SourceDenied, SourceError, one_line
from cost_top.model.files import remove_database
from cost_top.sources.files.found import FoundFile
from cost_top.sources.files.index_file import (
    check,
    connected,
    indexes_of,
    is_as_sealed,
    is_damage,
    quoted,
    seal,
    writing,
)
from cost_top.sources.files.lines import is_packed
from cost_top.sources.files.records import Kind, Row
from cost_top.sources.files.repeats import newest, without_repeats
from cost_top.sources.files.waiting import is_followed, looked_at, ripe, waiting_for
from cost_top.sources.files.witness import stands, witness

_AT_ONCE = 400  # bound parameters of one statement
_AGAIN = "UPDATE files SET read_until = 0, witness = '', state = '{}', unreadable = 0, failed = NULL WHERE number = ?"


@dataclass(slots=True)
class _Did:
    """What a look at the files did to the rows."""

    added: bool = False
    changed: bool = False


class FileIndex:
    """One index. `refresh` may be called by any thread and any process; readers open `path` for themselves."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self.kind = kind
        self._columns = tuple(kind.columns)
        self._table, self._key = quoted(kind.table), quoted(kind.key)
        self._indexes = indexes_of(kind)
        self._filled: set[str] | None = None  # while the index is first filled: the ids of its rows
        self._repeated: list[tuple[int, Sequence[Row]]] = []  # and what further files say of these
        self._after = 0  # the place of the last row before this look, as far as it says which rows are new
        self._did = _Did()
        self._is_checked = False  # whether it was whole when this process began
        self._is_sealed = False  # by this process

    def refresh(self, files: Sequence[FoundFile]) -> bool:
        """Take over what changed; whether anything did. `SourceError` when the index cannot be written."""
        present = {file.path: file for file in files}
        try:
            try:
                changed = self._refreshed(present)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                remove_database(self.path)
                changed = self._refreshed(present)
            if not self._is_sealed:
                self._is_sealed = True
                seal(self.path)
            return changed
        except sqlite3.Error as error:
            raise SourceError(f"the index of files {self.path.name}: {one_line(error)}") from None

    def _refreshed(self, present: Mapping[str, FoundFile]) -> bool:
        is_known = self._is_checked or is_as_sealed(self.path)
        with connected(self.path, self.kind) as database:
            if not is_known:
                check(database)
            self._is_checked = True
            known = {path: row[1:] for path, row in self._known(database).items()}
            if known == {path: _state_of(file) for path, file in present.items()} and not ripe(database):
                return False
            with writing(database):
                return self._bring_up(database, present)

    def unreadable(self) -> int:
        """Lines that are no records though they should be."""
        with connected(self.path, self.kind) as database:
            found: tuple[int] = database.execute("SELECT coalesce(sum(unreadable), 0) FROM files").fetchone()
            return found[0]

    def left_out(self) -> tuple[str, ...]:
        """The files that could not be read, each with the reason."""
        with connected(self.path, self.kind) as database:
            rows = database.execute("SELECT path, failed FROM files WHERE failed IS NOT NULL ORDER BY path").fetchall()
        return tuple(one_line(f"{os.fsdecode(path)}: {failed}", 300) for path, failed in rows)

    def waiting(self) -> tuple[str, ...]:
        """The files whose last row may still be in the writing, and is not there yet."""
        with connected(self.path, self.kind) as database:
            rows = database.execute("SELECT path FROM files WHERE waits > 0 ORDER BY path").fetchall()
        return tuple(one_line(os.fsdecode(path), 200) for (path,) in rows)

    def _bring_up(self, database: sqlite3.Connection, present: Mapping[str, FoundFile]) -> bool:
        self._did, self._after = _Did(), newest(database, self.kind)
        if not self._known(database):
            self._fill(database, present.values())
        else:
            self._follow(database, present)
        self._did.changed |= without_repeats(database, self.kind, self._after)
        self._none_read(database)
        database.execute(
            "UPDATE made_by SET changes = changes + ?, inserts = inserts + ?", (self._did.changed, self._did.added)
        )
        return self._did.changed or self._did.added

    def _none_read(self, database: sqlite3.Connection) -> None:
        """One file that fails is left out and told; where all do, the log cannot be read."""
        rows = database.execute("SELECT path, failed FROM files ORDER BY failed IS NOT NULL, path").fetchall()
        if rows and rows[0][1] is not None:
            path, failed = one_line(os.fsdecode(rows[0][0]), 200), rows[0][1]
            denied = failed == os.strerror(errno.EACCES)
            raise SourceDenied(f"{path}: permission denied") if denied else SourceError(f"{path}: {failed}")

    def _follow(self, database: sqlite3.Connection, present: Mapping[str, FoundFile]) -> None:
        self._follow_names(database, present)
        known = self._known(database)
        gone = [number for path, (number, *_) in known.items() if path not in present]
        due = ripe(database)
        fresh = [file for path, file in present.items() if known.get(path, ())[1:] != _state_of(file) or path in due]
        again = {other for number in gone for other in self._forget(database, number)}
        again |= {other for file in fresh for other in self._take(database, file)}
        paths = {number: path for path, (number, *_) in self._known(database).items()}
        for number in again:
            if number in paths:
                database.execute(_AGAIN, (number,))
                self._read(database, number, present[paths[number]], 0, {})

    def _fill(self, database: sqlite3.Connection, files: Iterable[FoundFile]) -> None:
        """Read every file into an empty index, made when all rows are there; what several files have comes after."""
        self._filled, self._repeated = set(), []
        try:
            for name in self._indexes:
                database.execute(f"DROP INDEX {name}")
            for file in files:
                self._take(database, file)
            for statement in self._indexes.values():
                database.execute(statement)
            self._filled = None
            for number, rows in self._repeated:
                self._insert(database, number, rows)
        finally:
            self._filled, self._repeated = None, []

    def _known(self, database: sqlite3.Connection) -> dict[str, tuple[int, ...]]:
        """Number, device, inode, size and times of each file, by its path."""
        rows = database.execute("SELECT path, number, device, inode, size, mtime_ns, ctime_ns FROM files")
        return {os.fsdecode(row[0]): row[1:] for row in rows}

    def _follow_names(self, database: sqlite3.Connection, present: Mapping[str, FoundFile]) -> None:
        """A file that was renamed keeps its rows."""
        known = self._known(database)
        lost = {row[1:3]: row[0] for path, row in known.items() if path not in present}
        for path, file in present.items():
            number = lost.get((file.device, file.inode)) if path not in known else None
            if number is not None and self._same(database, number, file):
                database.execute("UPDATE files SET path = ? WHERE number = ?", (os.fsencode(path), number))

    @staticmethod
    def _same(database: sqlite3.Connection, number: int, file: FoundFile, **how: bool) -> bool:
        """Whether what was read of a file still stands at its beginning."""
        seen = _witness_of(database, number)
        try:
            return bool(seen) and stands(file.path, seen, **how)
        except OSError:
            return False

    def _still_stands(self, database: sqlite3.Connection, number: int, file: FoundFile) -> bool:
        """Whether all of a file that is as large and as old as it was is what was read of it. That is noted then."""
        row = database.execute(
            "SELECT device, inode, size, mtime_ns, failed, waits, read_until FROM files WHERE number = ?", (number,)
        ).fetchone()
        *state, failed, waits, until = row
        if tuple(state) != _state_of(file)[:-1] or failed is not None or waits or 0 < until < file.size:
            return False
        if not self._same(database, number, file, whole=True):
            return False
        database.execute("UPDATE files SET ctime_ns = ?, looked = 0 WHERE number = ?", (file.ctime_ns, number))
        return True

    def _take(self, database: sqlite3.Connection, file: FoundFile) -> set[int]:
        """Read what is new in a file; gives files that must be read again because this one lost its rows."""
        path = os.fsencode(file.path)  # a name may be no text
        found = database.execute(
            "SELECT number, read_until, state, inode, size FROM files WHERE path = ?", (path,)
        ).fetchone()
        again: set[int] = set()
        offset, state = 0, {}
        if found is None:
            insert = "INSERT INTO files (path, read_until, witness, state, unreadable) VALUES (?, 0, '', '{}', 0)"
            number = database.execute(insert, (path,)).lastrowid or 0
        else:
            number = found[0]
            if self._still_stands(database, number, file):
                return again
            # What did not grow, or is another file, was written anew, whatever its ends look like.
            grew = file.inode == found[3] and file.size > (found[4] or 0) > 0
            grows = file.form == "jsonl" and not is_packed(file.path)
            if grew and found[1] > 0 and grows and self._same(database, number, file, grown=True):
                offset, state = found[1], json.loads(found[2])
            else:
                if file.form == "csv":
                    state = {"grew": grew or json.loads(found[2]).get("grew", False)}
                again = self._forget(database, number, keep=True)
        self._read(database, number, file, offset, state)
        return again - {number}

    def _read(
        self, database: sqlite3.Connection, number: int, file: FoundFile, offset: int, state: Mapping[str, Any]
    ) -> None:
        seen, waits, before = "", 0, _witness_of(database, number)
        try:
            if file.failed:
                raise OSError(errno.EIO, file.failed)
            if file.form == "csv" and not is_packed(file.path):
                waits = waiting_for(file, bool(state.get("grew")))
                state = {**state, "waits": waits}
            part = self.kind.read(file.path, offset, state)
            read = file.size if is_packed(file.path) else part.read_until or file.size
            seen = witness(file.path, read, before if offset else "", followed=is_followed(file))
        except FileNotFoundError:
            return  # gone since it was looked for; the next look knows
        except OSError as error:
            database.execute(
                "UPDATE files SET device = ?, inode = ?, size = ?, mtime_ns = ?, ctime_ns = ?, failed = ?, looked = 0 "
                "WHERE number = ?",
                (*_state_of(file), error.strerror or one_line(error), number),
            )
            return
        for row in part.rows:
            if not row.get(self.kind.key):
                part.state["rows"] = part.state.get("rows", 0) + 1
                row[self.kind.key] = f"{number}:{part.state['rows']}"
        self._insert(database, number, part.rows)
        database.execute(
            "UPDATE files SET device = ?, inode = ?, size = ?, mtime_ns = ?, ctime_ns = ?, read_until = ?, "
            "witness = ?, state = ?, unreadable = unreadable + ?, failed = NULL, waits = ?, looked = ? "
            "WHERE number = ?",
            (*_state_of(file), part.read_until, seen, json.dumps(part.state), part.unreadable, waits, looked_at(file),
             number),
        )  # fmt: skip

    def _insert(self, database: sqlite3.Connection, number: int, rows: Sequence[Row]) -> None:
        if not rows:
            return
        key = self.kind.key
        told = set().union(*rows)
        columns = [name for name in self._columns if name in told]
        names, places = ", ".join(map(quoted, columns)), ", ".join("?" * (len(columns) + 1))
        insert = f"INSERT INTO {self._table} ({names}, file) VALUES ({places})"
        owners = self._owners(database, [row[key] for row in rows])
        fresh = {row[key]: row for row in rows if row[key] not in owners}
        database.executemany(insert, _values(fresh.values(), columns, number))
        self._did.added |= bool(fresh)
        seen = [row for row in rows if row[key] in owners]
        if self._filled is not None:
            self._filled.update(fresh)
            if seen:
                self._repeated.append((number, seen))
        elif seen:
            self._update(database, number, insert, columns, seen, owners)

    def _update(
        self, database: sqlite3.Connection, number: int, insert: str, columns: Sequence[str], seen: Sequence[Row],
        owners: Mapping[str, int],
    ) -> None:  # fmt: skip
        """Take over rows whose ids are known, where they have more to say."""
        self._did.changed = True
        table, key = self._table, self.kind.key
        kept = (key, self.kind.repeats, *self.kind.mergeable, *((self.kind.time,) if self.kind.weight else ()))
        weight = quoted(self.kind.weight) if self.kind.weight else "NULL"
        heavier = f"coalesce(excluded.{weight}, -1) >= coalesce({table}.{weight}, -1)" if self.kind.weight else "true"
        update = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name not in kept)
        if self.kind.repeats is not None:
            mark = quoted(self.kind.repeats)
            update += f", {mark} = min({table}.{mark}, excluded.{mark})"
        database.executemany(
            f"{insert} ON CONFLICT ({self._key}) DO UPDATE SET {update} WHERE {heavier}",
            _values(seen, columns, number),
        )
        shared = [row for row in seen if owners[row[key]] != number]
        database.executemany("INSERT OR IGNORE INTO also VALUES (?, ?)", [(row[key], number) for row in shared])
        if self.kind.mergeable:
            for other in {owners[row[key]] for row in shared}:
                theirs = [row for row in shared if owners[row[key]] == other]
                if self._is_older(database, number, other):
                    self._hand_over(database, number, other, theirs)

    def _is_older(self, database: sqlite3.Connection, number: int, other: int) -> bool:
        """Whether this file went on by itself before the other did: the other is then the copy."""
        own = f"file = ? AND {self._key} NOT IN (SELECT id FROM also)"
        rows = f"SELECT min({quoted(self.kind.time)}) FROM {self._table} WHERE {own}"
        mine, theirs = (database.execute(rows, (each,)).fetchone()[0] for each in (number, other))
        return theirs is not None and (mine is None or mine < theirs)

    def _hand_over(self, database: sqlite3.Connection, number: int, other: int, rows: Sequence[Row]) -> None:
        table, key = self._table, self.kind.key
        update = ", ".join(f"{quoted(name)} = ?" for name in self.kind.mergeable)
        for row in rows:
            values = [row.get(name) for name in self.kind.mergeable]
            database.execute(
                f"UPDATE {table} SET {update}, file = ? WHERE {self._key} = ?", (*values, number, row[key])
            )
            database.execute("DELETE FROM also WHERE id = ? AND file = ?", (row[key], number))
            database.execute("INSERT OR IGNORE INTO also VALUES (?, ?)", (row[key], other))

    def _owners(self, database: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = {}
        if (filled := self._filled) is not None:
            return {each: 0 for each in ids if each in filled}
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            owners |= database.execute(
                f"SELECT {self._key}, file FROM {self._table} WHERE {self._key} IN ({marks})", some
            )
        return owners

    def _forget(self, database: sqlite3.Connection, number: int, keep: bool = False) -> set[int]:
        """Drop a file's rows; gives the files that have some of them too."""
        table = self._table
        self._did.changed, self._after = True, 0  # places become free
        owned = f"SELECT {self._key} FROM {table} WHERE file = ?"
        others = {
            row[0] for row in database.execute(f"SELECT DISTINCT file FROM also WHERE id IN ({owned})", (number,))
        }
        database.execute(f"DELETE FROM also WHERE file = ? OR id IN ({owned})", (number, number))
        database.execute(f"DELETE FROM {table} WHERE file = ?", (number,))
        if keep:
            database.execute(_AGAIN, (number,))
        else:
            database.execute("DELETE FROM files WHERE number = ?", (number,))
        return others


def _values(rows: Iterable[Row], columns: Sequence[str], number: int) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield (*map(row.get, columns), number)


def _state_of(file: FoundFile) -> tuple[int, ...]:
    return file.device, file.inode, file.size, file.mtime_ns, file.ctime_ns


def _witness_of(database: sqlite3.Connection, number: int) -> str:
    found: tuple[str] = database.execute("SELECT witness FROM files WHERE number = ?", (number,)).fetchone()
    return found[0]
