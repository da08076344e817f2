"""ADBC's drivers, which answer in Arrow themselves: SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi


class AdbcConnection:
    """`connection.Connection` over an ADBC connection. `plain` are the options of a statement that is no query."""

    def __init__(self, connection: dbapi.Connection, plain: dict[str, str] | None = None) -> None:
        self.connection = connection
        self._plain = plain or {}
        self._cursor: dbapi.Cursor | None = None
        self._lock = threading.Lock()

    def run(self, sql: str, query: bool = True) -> Any:
        """See `connection.Connection`."""
        self.finish()
        return self._ask(sql, query)

    def _ask(self, sql: str, query: bool) -> Any:
        with self._lock:
            self._cursor = self.connection.cursor()
        if not query and self._plain:
            self._cursor.adbc_statement.set_options(**self._plain)
        self._cursor.execute(sql)
        return self._cursor.fetch_arrow()

    def finish(self) -> None:
        """See `connection.Connection`."""
        with self._lock:
            cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with suppress(Exception):
                cursor.close()

    def cancel(self) -> None:
        """See `connection.Connection`; SQLite's driver cannot."""
        with self._lock:
            if self._cursor is not None:
                with suppress(Exception):
                    self._cursor.adbc_cancel()

    def close(self) -> None:
        """See `connection.Connection`."""
        self.finish()
        with suppress(Exception):
            self.connection.close()


def is_adbc_error(error: BaseException) -> bool:
    """Whether ADBC raised it."""
    return type(error).__module__.startswith("adbc_driver_manager")
