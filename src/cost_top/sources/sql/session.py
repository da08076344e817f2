"""One database connection: statements in, streams and small answers out, every failure a `SourceError`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.model.errors import SourceChanged, SourceError
from cost_top.sources.base import Evidence, Statistics
from cost_top.sources.sql.connection import Connection

if TYPE_CHECKING:
    import duckdb

    from cost_top.gateways.dialects.base import Dialect


# How DuckDB words it when a stream it scans fails.
_STREAM_BROKE = "reading the stream of the Python object"


class Withheld(NamedTuple):
    """Whether there are columns of a table that its reader may not see, and whether rows are kept from it."""

    columns: bool = False
    rows: bool = False


NOTHING_WITHHELD = Withheld()


class Database(Protocol):
    """Where a log is and how to reach it; holds the password, shows it nowhere."""

    @property
    def name(self) -> str:
        """`sqlite`, `postgresql` or `mysql`: the name of its dialect."""

    @property
    def place(self) -> str:
        """A short name for the header: the host, or the file's name."""

    @property
    def is_far(self) -> bool:
        """Whether statements travel to a server."""

    @property
    def identity(self) -> str:
        """Where it is, in full and without secrets."""

    def label(self, preset: str) -> str:
        """The header's name for a log of that preset here."""

    def connect(self) -> tuple[Connection, object]:
        """A new read-only connection, and what it was opened on; raises the driver's errors and `SourceError`."""

    def raised(self, error: BaseException) -> bool:
        """Whether an error is the driver's own."""

    def is_current(self, opened_on: object) -> bool:
        """Whether a connection opened on that still sees the log as it is now."""

    def confirm(self, opened_on: object) -> None:
        """`SourceError` when what was just read may have changed under the reader."""

    def failure(self, error: BaseException) -> SourceError:
        """What the driver's error means, in one line without secrets."""

    def survives(self, error: BaseException) -> bool:
        """Whether the connection can be used again after this error."""

    def traits(self, session: Session) -> tuple[str, ...]:
        """What its dialect follows: its version and encoding, where they matter."""

    def spelling(self, session: Session) -> Dialect:
        """The dialect of this database's version and encoding."""

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        """The tables of these names, with the columns that may be read."""

    def keys(self, session: Session, schema: str | None, table: str) -> list[UniqueKey]:
        """What is unique in a table, by its primary key and its unique indexes."""

    def evidence(self, session: Session, schema: str | None, table: str) -> tuple[Evidence, str]:
        """What proves that rows are what they were, and the table's columns and keys as one text ('': it is gone)."""

    def read_only(self, session: Session) -> bool:
        """What the database itself says about this connection."""

    def version(self, session: Session) -> str:
        """Product and version, for people."""

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:
        """Rows of a table as the catalog has it, never counted."""

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        """Whether the database answers by an index, and its plan."""


_SCRATCH_LOCK = threading.Lock()


def scratch() -> duckdb.DuckDBPyConnection:
    """A connection to a DuckDB that holds nothing, for the sessions of every log: each starts longer than they ask.

    There is one, and nothing frees it while a session's thread is inside it.
    """
    with _SCRATCH_LOCK:
        return _scratch().cursor()


@cache
def _scratch() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1, "async_threads": 0})


class Session:
    """A connection that opens itself when needed, used by one thread; `cancel` is for any."""

    def __init__(self, database: Database, statistics: Statistics) -> None:
        self.database = database
        self.statistics = statistics
        self._connection: Connection | None = None
        self._opened_on: object = None
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._way_ms = 0.0  # what a statement that asks nothing takes: the network's time, not the database's

    def open(self) -> None:
        """Connect now, if it is not."""
        if self._connection is None:
            try:
                self._connection, self._opened_on = self._connected()
                if self.database.is_far:
                    self._way_ms = min(self._empty_statement() for _ in range(2))
            except Exception as error:
                failure = self._failure(error)
                if failure is error:
                    raise
                raise failure from None

    def _connected(self) -> tuple[Connection, object]:
        try:
            return self.database.connect()
        except SourceChanged:  # it was written while it was opened
            return self.database.connect()

    @contextmanager
    def stream(self, sql: str, query: bool = True) -> Iterator[Any]:
        """The answer as a stream, valid inside the block; what fails there for the log's sake is translated.

        `query` False is for statements that are no queries (EXPLAIN, SHOW).
        """
        self._cancelled.clear()
        started = time.perf_counter()
        try:
            yield self._execute(sql, query)
            self.database.confirm(self._opened_on)
        except Exception as error:
            failure = self._failure(error)
            if failure is error:
                raise
            raise failure from None
        finally:
            self._finish()
            self.statistics.database_ms += max(0.0, (time.perf_counter() - started) * 1000 - self._way_ms)

    def _empty_statement(self) -> float:
        """Milliseconds of a statement without work, through the same driver and on the same way."""
        assert self._connection is not None
        duck = self.scratch
        started = time.perf_counter()
        answer = self._connection.run("SELECT 1 AS one")  # noqa: F841 - DuckDB reads the variable by its name
        duck.execute("SELECT one FROM answer").fetchall()
        self._connection.finish()
        return (time.perf_counter() - started) * 1000

    def values(self, sql: str, take: str = "*", query: bool = True) -> list[tuple[Any, ...]]:
        """A small answer as Python values; `take` is a DuckDB select list over it."""
        duck = self.scratch

        def ask() -> list[tuple[Any, ...]]:
            with self.stream(sql, query) as answer:  # noqa: F841 - DuckDB reads the variable by its name
                return duck.execute(f"SELECT {take} FROM answer").fetchall()

        try:
            return ask()
        except SourceChanged:
            return ask()

    def run(self, sql: str) -> None:
        """A statement without an answer, about the session itself."""
        with self.stream(sql, query=False):
            pass

    def cancel(self) -> None:
        """Break off the statement under way, where the driver can."""
        self._cancelled.set()
        with self._lock:
            connection = self._connection
        if connection is not None:
            connection.cancel()

    def close(self) -> None:
        """Release the connection; the session may be used again."""
        self._drop()
        if self._duck is not None:
            self._duck.close()
            self._duck = None

    def _execute(self, sql: str, query: bool) -> Any:
        if self._connection is not None and not self.database.is_current(self._opened_on):
            self._drop()
        self.open()
        assert self._connection is not None
        self.statistics.queries += 1
        return self._connection.run(sql, query)

    @property
    def scratch(self) -> duckdb.DuckDBPyConnection:
        """A connection to DuckDB to take small answers with."""
        if self._duck is None:
            self._duck = scratch()
        return self._duck

    def _failure(self, error: Exception) -> Exception:
        """The error as it should leave: a `SourceError` when the log is to blame."""
        if isinstance(error, SourceError):
            return error
        if not self.database.raised(error) and not _broken_stream(error):
            return error
        if self._cancelled.is_set():
            return SourceError("reading was broken off")
        if self._connection is not None:
            try:
                self.database.confirm(self._opened_on)
            except SourceError as changed:  # which is what went wrong
                self._drop()
                return changed
        failure = self.database.failure(error)
        if not self.database.survives(error):
            self._drop()
        return failure

    def _finish(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.finish()

    def _drop(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _broken_stream(error: Exception) -> bool:
    """DuckDB's own error when the stream it scanned broke."""
    return type(error).__module__.startswith(("duckdb", "_duckdb")) and _STREAM_BROKE in str(error)
