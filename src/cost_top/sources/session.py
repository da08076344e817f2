"""One database connection: statements in, Arrow streams and small answers out, every failure a `SourceError`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from cost_top.gateways.detect import FoundTable
from cost_top.gateways.dialects.base import Dialect
from cost_top.model.errors import SourceError
from cost_top.sources.base import SourceChanged, Statistics

if TYPE_CHECKING:
    import duckdb
    from adbc_driver_manager import dbapi


# How DuckDB words it when a stream it scans fails.
_STREAM_BROKE = "reading the stream of the Python object"


class Database(Protocol):
    """Where a log is and how to reach it; holds the password, shows it nowhere."""

    @property
    def name(self) -> str:
        """`sqlite` or `postgresql`: the name of its dialect."""

    @property
    def place(self) -> str:
        """A short name for the header: the host, or the file's name."""

    @property
    def identity(self) -> str:
        """Where it is, in full and without secrets."""

    def label(self, preset: str) -> str:
        """The header's name for a log of that preset here."""

    def connect(self) -> tuple[dbapi.Connection, object]:
        """A new read-only connection, and what it was opened on; raises the driver's errors and `SourceError`."""

    def is_current(self, opened_on: object) -> bool:
        """Whether a connection opened on that still sees the log as it is now."""

    def confirm(self, opened_on: object) -> None:
        """`SourceError` when what was just read may have changed under the reader."""

    def failure(self, error: BaseException) -> SourceError:
        """What the driver's error means, in one line without secrets."""

    def survives(self, error: BaseException) -> bool:
        """Whether the connection can be used again after this error."""

    def spelling(self, session: Session) -> Dialect:
        """The dialect of this database's version and encoding."""

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        """The tables of these names, with the columns that may be read."""

    def read_only(self, session: Session) -> bool:
        """What the database itself says about this connection."""

    def version(self, session: Session) -> str:
        """Product and version, for people."""

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:
        """Rows of a table as the catalog has it, never counted."""

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        """Whether the database answers by an index, and its plan."""


class Session:
    """A connection that opens itself when needed, used by one thread; `cancel` is for any."""

    def __init__(self, database: Database, statistics: Statistics) -> None:
        self.database = database
        self.statistics = statistics
        self._connection: dbapi.Connection | None = None
        self._opened_on: object = None
        self._cursor: dbapi.Cursor | None = None
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def open(self) -> None:
        """Connect now, if it is not."""
        if self._connection is None:
            try:
                self._connection, self._opened_on = self.database.connect()
            except Exception as error:
                failure = self._failure(error)
                if failure is error:
                    raise
                raise failure from None

    @contextmanager
    def stream(self, sql: str, copy: bool = True) -> Iterator[Any]:
        """The answer as an Arrow stream, valid inside the block; what fails there for the log's sake is translated.

        `copy` False is for statements that are no queries (EXPLAIN, SHOW).
        """
        self._cancelled.clear()
        started = time.perf_counter()
        try:
            yield self._execute(sql, copy)
            self.database.confirm(self._opened_on)
        except Exception as error:
            failure = self._failure(error)
            if failure is error:
                raise
            raise failure from None
        finally:
            self._end_statement()
            self.statistics.database_ms += (time.perf_counter() - started) * 1000

    def values(self, sql: str, take: str = "*", copy: bool = True) -> list[tuple[Any, ...]]:
        """A small answer as Python values; `take` is a DuckDB select list over it."""
        duck = self._values_database()

        def ask() -> list[tuple[Any, ...]]:
            with self.stream(sql, copy) as answer:  # noqa: F841 - DuckDB reads the variable by its name
                return duck.execute(f"SELECT {take} FROM answer").fetchall()

        try:
            return ask()
        except SourceChanged:
            return ask()

    def run(self, sql: str) -> None:
        """A statement without an answer, about the session itself."""
        with self.stream(sql, copy=False):
            pass

    def cancel(self) -> None:
        """Break off the statement under way, where the driver can; SQLite's cannot."""
        self._cancelled.set()
        with self._lock:
            if self._cursor is not None:
                with suppress(Exception):
                    self._cursor.adbc_cancel()

    def close(self) -> None:
        """Release the connection; the session may be used again."""
        self._end_statement()
        self._drop()
        if self._duck is not None:
            self._duck.close()
            self._duck = None

    def _execute(self, sql: str, copy: bool) -> Any:
        if self._connection is not None and not self.database.is_current(self._opened_on):
            self._drop()
        self.open()
        assert self._connection is not None
        with self._lock:
            self._cursor = self._connection.cursor()
        if not copy:
            self._cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        self.statistics.queries += 1
        self._cursor.execute(sql)
        return self._cursor.fetch_arrow()

    def _values_database(self) -> duckdb.DuckDBPyConnection:
        if self._duck is None:
            import duckdb

            self._duck = duckdb.connect(":memory:", config={"threads": 1})
        return self._duck

    def _failure(self, error: Exception) -> Exception:
        """The error as it should leave: a `SourceError` when the log is to blame."""
        if isinstance(error, SourceError):
            return error
        if not _is_of_the_log(error):
            return error
        if self._cancelled.is_set():
            return SourceError("reading was broken off")
        failure = self.database.failure(error)
        if not self.database.survives(error):
            self._end_statement()
            self._drop()
        return failure

    def _end_statement(self) -> None:
        with self._lock:
            cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with suppress(Exception):
                cursor.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _is_of_the_log(error: Exception) -> bool:
    """The driver's own errors, and DuckDB's when the stream it scanned broke."""
    kind = type(error).__module__
    if kind.startswith("adbc_driver_manager"):
        return True
    return kind.startswith(("duckdb", "_duckdb")) and _STREAM_BROKE in str(error)
