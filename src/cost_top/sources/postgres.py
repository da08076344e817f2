# ruff: noqa: D102 - the methods are documented where the protocol is
"""A PostgreSQL database as a log: read-only sessions with short timeouts, addressed as libpq addresses them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

from cost_top.gateways.detect import FoundTable
from cost_top.gateways.dialects.base import Dialect, constant
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.sources.base import SourceDenied

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

    from cost_top.sources.session import Session

_LOCK_TIMEOUT_MS = 2000
_IDLE_TIMEOUT_MS = 60_000
_CONNECT_SECONDS = "5"
# What Prisma, LiteLLM's library, adds to a URL and libpq does not know.
_PRISMA = frozenset({
    "schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "statement_cache_size",
    "sslidentity", "sslpassword", "sslaccept",
})  # fmt: skip
_DENIED = ("28000", "28P01", "42501")
_DENIED_WORDS = ("password authentication failed", "no password supplied", "permission denied", "no pg_hba.conf entry")
_LOST = ("08", "57P")
# Below this an empty or small table is read as a whole whatever its indexes, and rightly so.
_SMALL_COST = 2000.0


class PostgresDatabase:
    """`session.Database` for a libpq URL; PGPASSWORD, .pgpass and services work as they do for psql."""

    name = "postgresql"

    def __init__(self, url: str, statement_timeout: float = 60.0) -> None:
        try:
            parts = urlsplit(url)
            parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
            parts.port  # noqa: B018 - raises when it is no number
            host = parts.hostname or parameters.get("host") or os.environ.get("PGHOST", "")
        except ValueError:
            raise UserError(
                "postgresql://: the URL cannot be read; write postgresql://USER@HOST:PORT/DATABASE"
            ) from None
        self._secrets = tuple(
            secret for secret in (parts.password, unquote(parts.password or ""), parameters.get("password")) if secret
        )
        self.schema = parameters.get("schema")
        self._database_name = unquote(parts.path.lstrip("/")) or parameters.get("dbname") or ""
        self._service = parameters.get("service") or os.environ.get("PGSERVICE", "")
        self._host = host
        self._where = f"{parts.netloc.rpartition('@')[2]}|{parameters.get('host')}|{parameters.get('port')}"
        self._url = _session_url(parts, parameters, statement_timeout)

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.place})"

    @property
    def place(self) -> str:
        local = not self._host or self._host.startswith("/") or self._host in ("localhost", "127.0.0.1", "::1")
        return one_line(self._database_name or self._service or "postgresql" if local else self._host, 60)

    @property
    def identity(self) -> str:
        user = os.environ.get("PGDATABASE", "") if not self._database_name else ""
        return f"postgresql:{self._where}|{self._host}|{self._service}|{self._database_name}{user}"

    def label(self, preset: str) -> str:
        return f"{preset}@{self.place}"

    def connect(self) -> tuple[dbapi.Connection, object]:
        try:
            import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
        except ImportError:
            raise UserError(
                "postgresql://: the PostgreSQL driver is not installed; run: pip install 'cost-top[postgres]'"
            ) from None
        connection = adbc_driver_postgresql.dbapi.connect(self._url, autocommit=True)
        return connection, None

    def is_current(self, opened_on: object) -> bool:  # noqa: ARG002 - a broken connection says so itself
        return True

    def confirm(self, opened_on: object) -> None:
        pass

    def failure(self, error: BaseException) -> SourceError:
        state = _sqlstate(error)
        text = self._without_secrets(_message(error))
        if state in _DENIED or any(words in text for words in _DENIED_WORDS):
            return SourceDenied(f"{self.place}: {text}")
        if "due to statement timeout" in text:
            return SourceError(f"{self.place}: the statement took longer than the statement timeout")
        return SourceError(f"{self.place}: {text}")

    def survives(self, error: BaseException) -> bool:
        state = _sqlstate(error)
        return bool(state) and not state.startswith(_LOST)

    def spelling(self, session: Session) -> Dialect:
        from cost_top.gateways.dialects.postgresql import PostgresSpelling

        version, encoding = session.values(
            "SELECT current_setting('server_version_num')::int AS v, current_setting('server_encoding') AS e"
        )[0]
        return PostgresSpelling(int(version), str(encoding))

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        wanted = ", ".join(str(constant(name)) for name in sorted(names))
        rows = session.values(
            "SELECT n.nspname::text AS s, c.relname::text AS t, a.attname::text AS c, "
            "format_type(a.atttypid, NULL)::text AS d, pg_table_is_visible(c.oid) AS v "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
            f"WHERE c.relname IN ({wanted}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 "
            "AND NOT a.attisdropped AND has_schema_privilege(n.oid, 'USAGE') "
            "AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY n.nspname, c.relname, a.attnum"
        )
        found: dict[tuple[str, str], dict[str, str]] = {}
        visible: set[tuple[str, str]] = set()
        for schema, table, column, declared, seen in rows:
            found.setdefault((schema, table), {})[column] = declared
            if seen:
                visible.add((schema, table))
        if self.schema:
            found = {key: columns for key, columns in found.items() if key[0] == self.schema}
        shadowed = {table for _, table in visible}
        return [
            FoundTable(schema, table, columns)
            for (schema, table), columns in found.items()
            if (schema, table) in visible or table not in shadowed or self.schema
        ]

    def read_only(self, session: Session) -> bool:
        return session.values("SELECT current_setting('transaction_read_only') AS v") == [("on",)]

    def version(self, session: Session) -> str:
        return f"PostgreSQL {session.values('SELECT current_setting($$server_version$$) AS v')[0][0]}"

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:
        wanted = f"c.relname = {constant(table)} AND n.nspname = {constant(schema or 'public')}"
        rows = session.values(
            "WITH RECURSIVE parts AS (SELECT c.oid, c.reltuples FROM pg_class c "
            f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {wanted} UNION ALL "
            "SELECT c.oid, c.reltuples FROM parts p JOIN pg_inherits i ON i.inhparent = p.oid "
            "JOIN pg_class c ON c.oid = i.inhrelid) "
            "SELECT sum(reltuples)::bigint AS n FROM parts WHERE reltuples >= 0"
        )
        return int(rows[0][0]) if rows and rows[0][0] is not None else None

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        text = self._explain(session, sql)
        if _by_index(text):
            return True, text
        cost = re.search(r"cost=[\d.]+\.\.([\d.]+)", text)
        if cost and float(cost[1]) < _SMALL_COST:
            # Too small for the planner to bother: ask whether there is an index it could use.
            session.run("SET enable_seqscan = off")
            try:
                return _by_index(self._explain(session, sql)), text
            finally:
                session.run("RESET enable_seqscan")
        return False, text

    def _explain(self, session: Session, sql: str) -> str:
        return "\n".join(str(row[0]) for row in session.values(f"EXPLAIN {sql}", copy=False))

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _session_url(parts: SplitResult, parameters: dict[str, str], statement_timeout: float) -> str:
    """The URL with every guard of the session in it, so that no statement ever runs without them."""
    guards = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(max(1, int(statement_timeout * 1000))),
        "lock_timeout": str(_LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(_IDLE_TIMEOUT_MS),
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
    }
    own = parameters.get("options") or os.environ.get("PGOPTIONS", "")
    # Later options win: ours come last.
    options = " ".join(filter(None, [own, *(f"-c {name}={value}" for name, value in guards.items())]))
    kept = {key: value for key, value in parameters.items() if key not in _PRISMA}
    kept |= {"options": options, "application_name": "cost-top"}
    kept.setdefault("connect_timeout", os.environ.get("PGCONNECT_TIMEOUT", _CONNECT_SECONDS))
    # libpq decodes %20 but not +.
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in kept.items())
    return urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))


def _sqlstate(error: BaseException) -> str:
    state = str(getattr(error, "sqlstate", None) or "")
    return state.rstrip("\x00").strip() if state.strip("\x00 0") else ""


def _message(error: BaseException) -> str:
    """The server's own words: without the driver's frame, the statement and the address."""
    text = re.sub(r"\w+://\S*", "the URL", str(error))
    for mark in ("FATAL:", "ERROR:"):
        if mark in text:
            text = text.split(mark, 1)[1]
            break
    else:
        text = re.sub(r"^.*?\[libpq\] ", "", text, flags=re.DOTALL).removeprefix("Failed to connect: ")
    return one_line(re.split(r"\n(?!\s)|\. SQLSTATE|\nLINE|\n?Query:", text, maxsplit=1)[0], 240)


def _by_index(plan: str) -> bool:
    return "Index" in plan and "Seq Scan" not in plan
