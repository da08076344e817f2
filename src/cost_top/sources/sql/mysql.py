# ruff: noqa: D102 - the methods are documented where the protocols are
"""A MySQL or MariaDB database as a log: read-only sessions in UTC and utf8mb4 with short timeouts."""

from __future__ import annotations

import getpass
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.model.errors import SourceDenied, SourceError, UserError, one_line
from cost_top.sources.base import Evidence
from cost_top.sources.sql.arrow import DOUBLE, INTEGER, TEXT, RowStream
from cost_top.sources.sql.connection import Connection

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect
    from cost_top.sources.sql.session import Session

_PORT = 3306
_CONNECT_SECONDS = 5
_LOCK_SECONDS = 2
_BATCH_ROWS = 5000
_FORMATS = {1: INTEGER, 2: INTEGER, 3: INTEGER, 8: INTEGER, 9: INTEGER, 13: INTEGER, 4: DOUBLE, 5: DOUBLE}
_DENIED = (1044, 1045, 1142, 1143, 1227, 1251, 1370, 1698)
_SLOW = (1969, 3024)
_UNKNOWN_VARIABLE = 1193
# Below this the planner may read the whole table, and rightly so.
_SMALL_ROWS = 10_000
_TLS: Mapping[str, dict[str, Any]] = {
    "disabled": {"ssl_disabled": True}, "preferred": {}, "required": {"ssl": {"check_hostname": False}},
    "verify_ca": {"ssl_verify_cert": True}, "verify_identity": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}  # fmt: skip
_KEYS = ("unix_socket", "socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "charset", "connect_timeout")


def is_mariadb(version: str) -> bool:
    """Whether a server's greeting is MariaDB's; its forks and MySQL's say so in their own ways.

    >>> is_mariadb("5.5.5-10.11.6-MariaDB-0+deb12u1"), is_mariadb("8.0.36"), is_mariadb("8.0.mysql_aurora.3.04.0")
    (True, False, False)
    """
    return "mariadb" in version.lower()


def statement_limit(mariadb: bool, seconds: float) -> str:
    """MariaDB counts seconds for every statement, MySQL whole milliseconds for those that read; 0 is no limit to both.

    >>> statement_limit(True, 0.5), statement_limit(False, 0.5)
    ('SET SESSION max_statement_time = 0.5', 'SET SESSION max_execution_time = 500')
    """
    if mariadb:
        return f"SET SESSION max_statement_time = {max(0.001, seconds):g}"
    return f"SET SESSION max_execution_time = {max(1, int(seconds * 1000))}"


class MysqlDatabase:
    """`session.Database` for `mysql://USER@HOST:PORT/DATABASE`, the password also from MYSQL_PWD."""

    name = "mysql"

    def __init__(self, url: str, statement_timeout: float = 60.0) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or _PORT
        except ValueError:
            raise UserError("mysql://: the URL cannot be read; write mysql://USER@HOST:3306/DATABASE") from None
        self._database_name = unquote(parts.path.strip("/"))
        if not self._database_name:
            raise UserError("mysql://: the URL names no database; write mysql://USER@HOST:3306/DATABASE")
        given = {key.lower().replace("-", "_"): value for key, value in parse_qsl(parts.query)}
        unknown = sorted(set(given) - set(_KEYS))
        if unknown:
            raise UserError(f"mysql://: {one_line(unknown[0], 30)} is not known here; known are {', '.join(_KEYS)}")
        socket = given.get("unix_socket") or given.get("socket")
        host = parts.hostname or "localhost"
        password = unquote(parts.password) if parts.password is not None else os.environ.get("MYSQL_PWD", "")
        self._secrets = tuple(secret for secret in (password, parts.password) if secret)
        self._where = socket or f"{host}:{port}"
        self._host = "" if socket or host in ("localhost", "127.0.0.1", "::1") else host
        self._arguments: dict[str, Any] = {
            "host": host, "port": port, "user": unquote(parts.username or "") or getpass.getuser(),
            "password": password, "database": self._database_name, "unix_socket": socket,
            "connect_timeout": int(given.get("connect_timeout", _CONNECT_SECONDS)), "charset": "utf8mb4",
            "program_name": "cost-top", "autocommit": True, **_tls(given),
        }  # fmt: skip
        self._timeout = statement_timeout
        self._is_mariadb = False

    def __repr__(self) -> str:
        return f"MysqlDatabase({self.place})"

    @property
    def place(self) -> str:
        return one_line(self._host or self._database_name, 60)

    @property
    def is_far(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return f"mysql:{self._where}|{self._database_name}"

    def label(self, preset: str) -> str:
        return f"{preset}@{self.place}"

    def connect(self) -> tuple[Connection, object]:
        return MysqlConnection(self._open), None

    def is_current(self, opened_on: object) -> bool:  # noqa: ARG002 - a broken connection says so itself
        return True

    def confirm(self, opened_on: object) -> None:
        pass

    def raised(self, error: BaseException) -> bool:
        return type(error).__module__.startswith("pymysql") or isinstance(error, OSError)

    def failure(self, error: BaseException) -> SourceError:
        code, text = _code(error)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if code in _SLOW:
            return SourceError(f"{self.place}: the statement took longer than the statement timeout")
        kind = SourceDenied if code in _DENIED else SourceError
        return kind(f"{self.place}: {one_line(text, 240)}")

    def survives(self, error: BaseException) -> bool:
        code, _ = _code(error)
        return 1000 <= code < 2000 and code not in (1053, 1927)  # 2000 and more are the client's: lost, gone away

    def traits(self, session: Session) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def spelling(self, session: Session) -> Dialect:  # noqa: ARG002
        from cost_top.gateways.dialects.mysql import MysqlSpelling

        return MysqlSpelling()

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        wanted = ", ".join("'" + name.replace("\\", "\\\\").replace("'", "''") + "'" for name in sorted(names))
        rows = session.values(
            "SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS d FROM information_schema.COLUMNS "
            f"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({wanted}) AND PRIVILEGES LIKE '%select%' "
            "ORDER BY TABLE_NAME, ORDINAL_POSITION"
        )
        columns: dict[str, dict[str, str]] = {}
        for table, column, declared in rows:
            columns.setdefault(table, {})[column] = declared
        return [FoundTable(None, table, found) for table, found in columns.items()]

    def keys(self, session: Session, schema: str | None, table: str) -> list[UniqueKey]:  # noqa: ARG002
        name = table.replace("\\", "\\\\").replace("'", "''")
        rows = session.values(
            "SELECT INDEX_NAME AS i, coalesce(COLUMN_NAME, '') AS c, coalesce(NULLABLE, '') AS n, "
            "CAST(SUB_PART IS NOT NULL AS SIGNED) AS p FROM information_schema.STATISTICS "
            f"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}' AND NON_UNIQUE = 0 "
            "ORDER BY INDEX_NAME, SEQ_IN_INDEX"
        )
        found: dict[str, list[tuple[str, bool]]] = {}
        for index, column, nullable, _ in rows:
            found.setdefault(str(index), []).append((str(column), nullable == "YES"))
        return [
            UniqueKey(tuple(column for column, _ in key), nullable=any(nullable for _, nullable in key))
            for key in found.values()
            if all(column for column, _ in key)  # an expression has no column
        ]

    def evidence(self, session: Session, schema: str | None, table: str) -> tuple[Evidence, str]:  # noqa: ARG002
        # A table that is made anew has another time of creation. Nothing tells of changes: what the server counts it
        # forgets at its next start.
        name = table.replace("\\", "\\\\").replace("'", "''")
        rows = session.values(
            "SELECT coalesce(CAST(t.CREATE_TIME AS CHAR), '') AS p, c.COLUMN_NAME AS c, c.COLUMN_TYPE AS d, "
            "c.COLUMN_KEY AS k FROM information_schema.COLUMNS c JOIN information_schema.TABLES t "
            "ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME "
            f"WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME = '{name}' AND c.PRIVILEGES LIKE '%select%' "
            "ORDER BY c.ORDINAL_POSITION"
        )
        return Evidence(str(rows[0][0]) if rows else ""), repr([row[1:] for row in rows]) if rows else ""

    def read_only(self, session: Session) -> bool:
        variable = "tx_read_only" if self._is_mariadb else "transaction_read_only"
        return session.values(f"SELECT @@SESSION.{variable} AS v") == [(1,)]

    def version(self, session: Session) -> str:
        text = str(session.values("SELECT VERSION() AS v")[0][0])
        return f"MariaDB {text.partition('-')[0]}" if self._is_mariadb else f"MySQL {text}"

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:  # noqa: ARG002
        name = table.replace("\\", "\\\\").replace("'", "''")
        rows = session.values(
            "SELECT CAST(TABLE_ROWS AS SIGNED) AS n FROM information_schema.TABLES "
            f"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}'"
        )
        return rows[0][0] if rows else None

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        rows = session.values(f"EXPLAIN {sql}", 'type, possible_keys, "key", "rows"', query=False)
        read = [row for row in rows if row[0] is not None]
        lines = [f"{kind} key={key} possible={possible} rows={count}" for kind, possible, key, count in rows]
        served = (
            kind not in ("ALL", "index") or (possible is not None and int(count or 0) < _SMALL_ROWS)
            for kind, possible, _, count in read
        )  # fmt: skip
        return bool(read) and all(served), "\n".join(lines)

    def _open(self) -> Any:
        try:
            import pymysql  # type: ignore[import-untyped]
        except ImportError:
            raise UserError("mysql://: the MySQL driver is not installed; run: pip install 'cost-top[mysql]'") from None
        try:
            connection = pymysql.connect(**self._arguments, conv={}, use_unicode=False)
        except RuntimeError as error:  # of a way to log in that needs another package
            if "package is required" not in str(error):
                raise
            raise UserError(
                f"{self.place}: this user's way to log in needs TLS or another package: add ?ssl-mode=REQUIRED to the "
                "URL, or run: pip install 'pymysql[rsa,ed25519]'"
            ) from None
        try:
            self._is_mariadb = is_mariadb(connection.server_version)
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION READ ONLY")
                cursor.execute(
                    "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT', time_zone = '+00:00', "
                    f"lock_wait_timeout = {_LOCK_SECONDS}"
                )
                try:
                    cursor.execute(statement_limit(self._is_mariadb, self._timeout))
                except pymysql.OperationalError as error:
                    if _code(error)[0] != _UNKNOWN_VARIABLE:
                        raise
                    # A MariaDB that was told to give MySQL's version, or the other way round.
                    self._is_mariadb = not self._is_mariadb
                    cursor.execute(statement_limit(self._is_mariadb, self._timeout))
        except BaseException:
            connection.close()
            raise
        return connection


class MysqlConnection:
    """`connection.Connection` over PyMySQL: rows come unbuffered and leave as Arrow."""

    def __init__(self, open_connection: Callable[[], Any]) -> None:
        self._open = open_connection
        self._connection: Any = open_connection()
        self._cursor: Any = None
        self._stream: RowStream | None = None
        self._lock = threading.Lock()

    def run(self, sql: str, query: bool = True) -> Any:  # noqa: ARG002 - one protocol for all of them
        from pymysql.cursors import SSCursor  # type: ignore[import-untyped]

        self.finish()
        if self._connection is None:
            self._connection = self._open()
        cursor = self._connection.cursor(SSCursor)
        with self._lock:
            self._cursor = cursor
        cursor.execute(sql)
        columns = [(str(item[0]), _FORMATS.get(item[1], TEXT)) for item in cursor.description or ()]
        self._stream = RowStream(columns, _batches(cursor))
        return self._stream

    def finish(self) -> None:
        with self._lock:
            cursor, self._cursor = self._cursor, None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if cursor is None:
            return
        result = getattr(cursor, "_result", None)
        if result is not None and result.unbuffered_active:
            # What is left of the answer would have to be read to its end: a new connection is cheaper.
            result.unbuffered_active, cursor.connection = False, None
            self._drop()
        else:
            with suppress(Exception):
                cursor.close()

    def cancel(self) -> None:
        connection = self._connection
        with self._lock:
            if self._cursor is None or connection is None:
                return
            with suppress(Exception):
                number = connection.thread_id()
                other = self._open()
                try:
                    other.cursor().execute(f"KILL QUERY {int(number)}")
                finally:
                    other.close()

    def close(self) -> None:
        self.finish()
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection._force_close()


def _batches(cursor: Any) -> Iterator[Any]:
    while rows := cursor.fetchmany(_BATCH_ROWS):
        yield rows


def _tls(given: dict[str, str]) -> dict[str, Any]:
    mode = given.get("ssl_mode", "").lower().replace("-", "_")
    if mode and mode not in _TLS:
        raise UserError(f"mysql://: ssl-mode must be one of {', '.join(name.upper() for name in _TLS)}")
    files: dict[str, Any] = {key: given[key] for key in ("ssl_ca", "ssl_cert", "ssl_key") if key in given}
    return {**files, **_TLS.get(mode, {})}


def _code(error: BaseException) -> tuple[int, str]:
    """The server's number and words; DuckDB passes on only the driver's text."""
    arguments: tuple[Any, ...] = getattr(error, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    found = re.search(r"\((\d+), [\"'](.*)[\"']\)", str(error), flags=re.DOTALL)
    return (int(found[1]), found[2]) if found else (0, str(error).rpartition("failed: ")[2])
