"""A SQLite file as a log: opened read-only, and without leaving a trace beside it where that can be avoided."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.gateways.instants import text_literal
from cost_top.model.errors import SourceChanged, SourceDenied, SourceError, UserError, one_line
from cost_top.model.files import held, lock_of
from cost_top.sources.base import Evidence
from cost_top.sources.sql.adbc import AdbcConnection, is_adbc_error
from cost_top.sources.sql.connection import Connection

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect
    from cost_top.sources.sql.session import Session

_BUSY_MS = 2000
# File systems note the time of a write no finer than this.
_SETTLED_NS = 2_100_000_000
# A file of ours is opened when it was left alone for so long, or after so many seconds.
_QUIET_NS, _REST_SECONDS = 30_000_000, 1.0
_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class _State:
    """A file as it was when it was opened."""

    file: tuple[int, int]  # device and inode
    ahead: int  # inode of the write-ahead log, 0 without one
    content: tuple[int, int, int, int]  # size, times of the last write and change, size of the write-ahead log
    immutable: bool


class SqliteDatabase:
    """`session.Database` for one file.

    A reader of a write-ahead-logged file makes SQLite create `-wal` and `-shm` beside it. While no writer has it
    open (there is no `-wal`), it is therefore opened as immutable and watched: once it changes, it is opened again
    as a file that is in use, and what was read meanwhile counts as failed.

    The heads of the file and of `-shm` are read through descriptors that are never closed: closing any descriptor of a
    file makes a process forget the locks it holds on it, those of SQLite's own readers among them.

    A file that this process also writes through another copy of SQLite (`ours`) is only ever opened as immutable: the
    two would take no notice of each other's locks, and remove each other's write-ahead log.
    """

    name = "sqlite"

    def __init__(self, path: Path, ours: bool = False) -> None:
        self.path = path.expanduser()
        self._ours = ours
        self._written = False  # since it was first opened: a writer comes and goes
        self._header: tuple[int, tuple[int, int]] | None = None  # an open descriptor, and the file it is of
        self._index: tuple[int, int] | None = None  # an open descriptor of `-shm`, and its inode
        self._shapes: dict[str, tuple[tuple[str, str | None], str]] = {}  # of tables, as last seen
        self._check()

    @property
    def place(self) -> str:
        return one_line(self.path.name, 60)

    @property
    def is_far(self) -> bool:
        return False

    @property
    def identity(self) -> str:
        return f"sqlite:{self.path.resolve()}"

    def label(self, preset: str) -> str:  # noqa: ARG002 - a file's name says enough
        return self.place

    def connect(self) -> tuple[Connection, object]:
        import adbc_driver_sqlite.dbapi

        state = self._at_rest() if self._ours else self._settled()
        mode = "mode=ro&immutable=1" if state.immutable else "mode=ro"
        # Without autocommit the first read would begin a transaction that sees no later row and stops checkpoints.
        location = f"file:{quote(str(self.path.resolve()))}?{mode}"
        connection = adbc_driver_sqlite.dbapi.connect(location, autocommit=True)
        try:
            with connection.cursor() as cursor:
                for pragma in (f"busy_timeout = {_BUSY_MS}", "query_only = 1", "cache_size = -16384"):
                    cursor.executescript(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            self.confirm(state)
            raise
        return AdbcConnection(connection), state

    def _at_rest(self) -> _State:
        """The file's state while nobody copies into it, and so long after the last time that the next one shows."""
        with held(lock_of(self.path), alone=False, seconds=_REST_SECONDS) as at_rest:
            if not at_rest:
                raise SourceChanged(f"{self.place}: is being written; reading again")
            return self._settled()

    def _settled(self) -> _State:
        """The file's state; where it is read without a lock, so long after the last write that the next one shows."""
        until = time.monotonic() + _REST_SECONDS
        while (state := self._state()).immutable and time.monotonic() < until:
            if not 0 <= time.time_ns() - state.content[1] < _QUIET_NS:
                break
            time.sleep(_QUIET_NS / 10**9)
        return state

    def is_current(self, opened_on: object) -> bool:
        now = self._state()
        if not isinstance(opened_on, _State) or opened_on.file != now.file:
            return False  # another file has taken the name
        is_whole = opened_on.content[:3] == now.content[:3]
        if self._ours:
            return is_whole
        if not opened_on.immutable:
            # A writer that starts anew makes a new write-ahead log, which is not seen yet. A reader goes by the index
            # of that alone: the pages that it holds it would keep when another file is copied over this one, and when
            # the log it was opened on was removed and another came and went.
            return opened_on.ahead == now.ahead and (is_whole or not self._write_ahead_logged(now.file))
        self._written = self._written or opened_on != now
        return not self._written

    def confirm(self, opened_on: object) -> None:
        if isinstance(opened_on, _State) and opened_on.immutable and not self.is_current(opened_on):
            raise SourceChanged(f"{self.place}: was written while it was read; reading again")

    def failure(self, error: BaseException) -> SourceError:
        text = one_line(re.sub(r"^.*?(\[SQLite\]|Failed to step query:) ?|\nquery:.*", "", str(error), flags=re.DOTALL))
        if unreadable := self._unreadable():
            return unreadable
        text = text.removeprefix("Failed to prepare query: ")
        if missing := re.fullmatch(r"no such table: (\S+)", text):
            return SourceError(f"{self.place}: the table {missing[1]} is not there any more")
        if text.startswith("Failed to prepare"):
            return SourceError(f"{self.place}: the table or a column of it is not there any more")
        if self._ours and "malformed" in text:  # it was opened in the middle of a write
            return SourceChanged(f"{self.place}: was written while it was read; reading again")
        if "locked" in text or "busy" in text:
            return SourceError(f"{self.place}: is locked by a writer")
        if "readonly" in text and Path(f"{self.path}-journal").exists():
            text = "a writer was stopped in the middle of a write; open it once with a program that may write to it"
        wal, index = (Path(f"{self.path}-{kind}") for kind in ("wal", "shm"))
        if "unable to open" in text and wal.exists() and not index.exists():
            text = "a -wal without its -shm can only be read where that may be made; copy both files to such a place"
        return SourceError(f"{self.place}: {text}")

    def raised(self, error: BaseException) -> bool:
        return is_adbc_error(error)

    def survives(self, error: BaseException) -> bool:
        return "locked" in str(error)

    def traits(self, session: Session) -> tuple[str, ...]:
        return (str(session.values("PRAGMA encoding")[0][0]),)

    def spelling(self, session: Session) -> Dialect:
        from cost_top.gateways.dialects.sqlite import SqliteSpelling

        return SqliteSpelling(*self.traits(session))

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        wanted = ", ".join(text_literal(name) for name in sorted(names))
        rows = session.values(
            "SELECT CAST(t.name AS text) AS t, CAST(c.name AS text) AS c, coalesce(CAST(c.type AS text), '') AS d "
            f"FROM sqlite_master AS t JOIN pragma_table_xinfo(t.name) AS c ON c.hidden <> 1 "
            f"WHERE t.type IN ('table', 'view') AND t.name IN ({wanted}) ORDER BY t.name, c.cid"
        )
        columns: dict[str, dict[str, str]] = {}
        for table, column, declared in rows:
            columns.setdefault(table, {})[column] = declared
        return [FoundTable(None, table, found) for table, found in columns.items()]

    def keys(self, session: Session, schema: str | None, table: str) -> list[UniqueKey]:  # noqa: ARG002
        name = text_literal(table)
        columns = session.values(
            'SELECT CAST(name AS text) AS n, "notnull" AS filled, pk AS place '
            f"FROM pragma_table_xinfo({name}) WHERE hidden <> 1 ORDER BY pk, cid"
        )
        filled = {column for column, is_filled, _ in columns if is_filled}
        primary = tuple(column for column, _, place in columns if place)
        rows = session.values(
            "SELECT CAST(i.name AS text) AS i, coalesce(CAST(c.name AS text), '') AS c "
            f"FROM pragma_index_list({name}) AS i JOIN pragma_index_info(i.name) AS c "
            'WHERE i."unique" AND NOT i.partial ORDER BY i.name, c.seqno'
        )
        found: dict[str, tuple[str, ...]] = {"": primary} if primary else {}
        for index, column in rows:
            found[index] = (*found.get(index, ()), column)
        # An expression has no name.
        return [
            UniqueKey(key, nullable=key != primary and not set(key) <= filled)
            for key in found.values()
            if "" not in key
        ]

    def evidence(self, session: Session, schema: str | None, table: str) -> tuple[Evidence, str]:  # noqa: ARG002
        state, written = self._written_state()
        place = f"{state.file[0]}:{state.file[1]}"
        known = self._shapes.get(table)
        if known is not None and written is not None and known[0] == (place, written):
            return Evidence(place, written, written, at_once=True), known[1]
        name = text_literal(table)
        rows = session.values(
            f"SELECT coalesce(CAST(name AS text), '') AS n, coalesce(CAST(type AS text), '') AS t "
            f"FROM pragma_table_xinfo({name}) UNION ALL "
            f"SELECT CAST(name AS text), 'unique' FROM pragma_index_list({name}) WHERE \"unique\""
        )
        shape = repr(rows) if rows else ""
        self._shapes[table] = ((place, written), shape)
        return Evidence(place, written, written, at_once=True), shape

    def _written_state(self) -> tuple[_State, str | None]:
        """The file's state, and what changes with every write to it; None while the last one is too near to tell."""
        state = self._state()
        assert self._header is not None
        counter = os.pread(self._header[0], 4, 24).hex() if self._header[1] == state.file else ""
        try:
            ahead = os.stat(f"{self.path.resolve()}-wal").st_mtime_ns if state.ahead else 0
            visible = self._index_head() if state.ahead else ""
        except OSError:
            return state, None
        size, written, changed, log_size = state.content
        if max(written, ahead) > time.time_ns() - _SETTLED_NS:
            return state, None  # a further write might leave the same time
        return state, f"{size}:{written}:{changed}:{counter}:{state.ahead}:{log_size}:{ahead}:{visible}"

    def _index_head(self) -> str:
        """What a commit changes when readers see it, which may be long after it was written to the write-ahead log."""
        path = f"{self.path.resolve()}-shm"
        try:
            inode = os.stat(path).st_ino
            if self._index is None or self._index[1] != inode:
                self._index = (os.open(path, os.O_RDONLY), inode)
        except FileNotFoundError:
            return ""
        return os.pread(self._index[0], 48, 0).hex()

    def read_only(self, session: Session) -> bool:
        return session.values("PRAGMA query_only") == [(1,)]

    def version(self, session: Session) -> str:
        return f"SQLite {session.values('SELECT sqlite_version()')[0][0]}"

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:  # noqa: ARG002
        quoted = table.replace('"', '""')
        try:
            # The last row's number: one step in the tree; more than the rows where some were deleted.
            found = session.values(f'SELECT coalesce(max(_rowid_), 0) AS n FROM "{quoted}"')
        except SourceError:
            return None  # a view, or a table without row numbers
        return int(found[0][0])

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        session.values("SELECT count(*) FROM sqlite_master")  # a plan alone would not notice a new schema
        rows = session.values(f"EXPLAIN QUERY PLAN {sql}")
        lines = [str(row[-1]) for row in rows]
        scans = (line for line in lines if line.startswith(("SEARCH", "SCAN")))
        searches = [line for line in scans if line != "SCAN CONSTANT ROW"]
        return bool(searches) and all(line.startswith("SEARCH") for line in searches), "\n".join(lines)

    def _stat(self) -> os.stat_result:
        try:
            return os.stat(self.path)
        except FileNotFoundError:
            raise SourceError(f"{self.place}: the file is gone") from None
        except OSError as error:
            raise SourceDenied(f"{self.place}: {error.strerror or 'cannot be read'}") from None

    def _unreadable(self) -> SourceError | None:
        """Why the file cannot be read: SQLite has many words for it, by what of the file it missed first."""
        try:
            self._stat()
        except SourceError as reason:
            return reason
        return None if os.access(self.path, os.R_OK) else SourceDenied(f"{self.place}: permission denied")

    def _state(self) -> _State:
        here = self._stat()
        try:
            log = os.stat(f"{self.path.resolve()}-wal")
            ahead, size = log.st_ino, log.st_size
        except OSError:
            ahead = size = 0
        content = (here.st_size, here.st_mtime_ns, here.st_ctime_ns, size)
        file = (here.st_dev, here.st_ino)
        immutable = self._ours or (not size and not self._written and self._write_ahead_logged(file))
        return _State(file, ahead, content, immutable)

    def _write_ahead_logged(self, file: tuple[int, int]) -> bool:
        if self._header is None or self._header[1] != file:
            self._header = (os.open(self.path, os.O_RDONLY), file)
        return os.pread(self._header[0], 20, 0)[18:20] == b"\x02\x02"

    def _check(self) -> None:
        shown = one_line(self.path, 200)
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
            here = os.fstat(descriptor)
            self._header = (descriptor, (here.st_dev, here.st_ino))
            head = None if stat.S_ISFIFO(here.st_mode) else os.pread(descriptor, 16, 0)
        except FileNotFoundError:
            raise UserError(f"{shown}: there is no such file; give the path of a gateway's SQLite log") from None
        except IsADirectoryError:
            raise UserError(f"{shown}: is a folder; give the path of a gateway's SQLite log") from None
        except OSError as error:
            raise UserError(f"{shown}: {error.strerror}; give a file that this user may read") from None
        if head != _MAGIC:
            what = "is a pipe" if head is None else "is no SQLite database" if head else "is empty"
            raise UserError(f"{shown}: {what}; give the path of a gateway's SQLite log") from None
