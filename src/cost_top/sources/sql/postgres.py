# ruff: noqa: D102 - the methods are documented where the protocol is
"""A PostgreSQL database as a log: read-only sessions with short timeouts, addressed as libpq addresses them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.gateways.instants import text_literal
from cost_top.model.errors import SourceDenied, SourceError, UserError, one_line
from cost_top.sources.base import Evidence
from cost_top.sources.sql.adbc import AdbcConnection, is_adbc_error
from cost_top.sources.sql.connection import Connection
from cost_top.sources.sql.pooled import PooledConnection, pooler_refusal
from cost_top.sources.sql.session import Withheld

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect
    from cost_top.sources.sql.session import Session

# A statement that is no query cannot be read by COPY.
_NO_COPY = {"adbc.postgresql.use_copy": "false"}
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
# What the catalog knows of a table and its partitions: which it is, its columns and unique indexes, and how many rows
# were ever changed, removed and added. From version 15 on these counts are ten seconds late, or as late as the end of
# what the session that wrote does next. A standby, a view, a server that does not count and a policy that hides rows
# tell nothing. A truncated table has another file; no row is written where a column is dropped and added again, where
# two exchange their names, and where a value of an enumeration is renamed.
_EVIDENCE = """\
WITH RECURSIVE log AS (
  SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relname = {table} AND n.nspname = {schema}
), parts AS (
  SELECT oid FROM log UNION ALL SELECT i.inhrelid FROM parts p JOIN pg_inherits i ON i.inhparent = p.oid
), counted AS (
  SELECT string_agg(concat(c.oid, ':', c.relfilenode), ',' ORDER BY c.oid) AS files,
    bool_and(c.relkind IN ('r', 'p')) AS tables,
    sum(pg_stat_get_tuples_updated(c.oid)) AS updated, sum(pg_stat_get_tuples_deleted(c.oid)) AS deleted,
    sum(pg_stat_get_tuples_inserted(c.oid)) AS inserted
  FROM parts p JOIN pg_class c ON c.oid = p.oid
), columns AS (
  SELECT string_agg(concat(a.attname, ' ', format_type(a.atttypid, NULL)), ',' ORDER BY a.attnum) AS names,
    string_agg(concat(a.attnum, ' ', a.atttypid, ' ', a.atttypmod, (SELECT string_agg(e.enumlabel, ' ' ORDER BY e.oid)
      FROM pg_enum e WHERE e.enumtypid = a.atttypid)), ',' ORDER BY a.attnum) AS kinds
  FROM pg_attribute a, log
  WHERE a.attrelid = log.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND has_column_privilege(log.oid, a.attnum, 'SELECT')
)
SELECT (SELECT concat(d.oid, '/', log.oid) FROM pg_database d WHERE d.datname = current_database())::text AS place,
  concat(names, '|', (SELECT string_agg(i.indexrelid::text, ',' ORDER BY i.indexrelid) FROM pg_index i
     WHERE i.indrelid = log.oid AND i.indisunique AND i.indisvalid))::text AS shape,
  (tables AND NOT row_security_active(log.oid) AND NOT pg_is_in_recovery() AND current_setting('track_counts')::boolean
    AND current_setting('server_version_num')::int >= 150000) AS told,
  concat(md5(concat(names, '|', kinds)), '|', files, '|', updated, '|', deleted, '|', pg_postmaster_start_time(), '|',
    (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), '|',
    (SELECT stats_reset FROM pg_stat_bgwriter))::text AS changes,
  inserted::text AS inserts
FROM log, counted, columns"""


class PostgresDatabase:
    """`session.Database` for a libpq URL; PGPASSWORD, .pgpass and services work as they do for psql."""

    name = "postgresql"

    def __init__(self, url: str, statement_timeout: float = 60.0) -> None:
        try:
            parts = urlsplit(url)
            parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
            for each in parts.netloc.rpartition("@")[2].split(","):  # libpq tries several hosts in turn
                urlsplit(f"//{each}").port  # noqa: B018 - raises when it is no number
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
        self._guards = _guards(statement_timeout)
        self._url = _session_url(parts, parameters, self._guards)
        self._pooled_url = _session_url(parts, parameters, None)
        self._pooled = False

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.place})"

    @property
    def place(self) -> str:
        local = not self._host or self._host.startswith("/") or self._host in ("localhost", "127.0.0.1", "::1")
        return one_line(self._database_name or self._service or "postgresql" if local else self._host, 60)

    @property
    def is_far(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        user = os.environ.get("PGDATABASE", "") if not self._database_name else ""
        return f"postgresql:{self._where}|{self._host}|{self._service}|{self._database_name}{user}"

    def label(self, preset: str) -> str:
        return f"{preset}@{self.place}"

    def connect(self) -> tuple[Connection, object]:
        try:
            import adbc_driver_postgresql.dbapi  # type: ignore[import-untyped]
        except ImportError:
            raise UserError(
                "postgresql://: the PostgreSQL driver is not installed; run: pip install 'cost-top[postgres]'"
            ) from None
        connect = adbc_driver_postgresql.dbapi.connect
        if not self._pooled:
            try:
                connection = connect(self._url, autocommit=True)
            except Exception as error:
                if "unsupported startup parameter" not in str(error):
                    raise
                self._pooled = True
            else:
                guarded = False
                try:
                    guarded = _guarded(connection)
                finally:
                    if not guarded:
                        connection.close()
                if guarded:
                    return AdbcConnection(connection, _NO_COPY), None
                # A pooler that swallows the options of a connection.
                self._pooled = True
        connection = connect(self._pooled_url, autocommit=True)
        return PooledConnection(connection, _NO_COPY, self._guards), None

    def is_current(self, opened_on: object) -> bool:  # noqa: ARG002 - a broken connection says so itself
        return True

    def confirm(self, opened_on: object) -> None:
        pass

    def failure(self, error: BaseException) -> SourceError:
        state = _sqlstate(error)
        text = self._without_secrets(_message(error))
        if state in _DENIED or any(words in text for words in _DENIED_WORDS):
            return SourceDenied(f"{self.place}: {text}")
        refused = pooler_refusal(text)
        if refused is not None:
            return SourceError(f"{self.place}: {refused}")
        if "due to statement timeout" in text:
            return SourceError(f"{self.place}: the statement took longer than the statement timeout")
        if "certificate verify failed" in text:
            text += ": name the certificate of who signed the server's with ?sslrootcert=FILE"
        return SourceError(f"{self.place}: {text}")

    def raised(self, error: BaseException) -> bool:
        return is_adbc_error(error)

    def survives(self, error: BaseException) -> bool:
        state = _sqlstate(error)
        return bool(state) and not state.startswith(_LOST)

    def traits(self, session: Session) -> tuple[str, ...]:
        return tuple(map(str, session.values(
            "SELECT current_setting('server_version_num') AS v, current_setting('server_encoding') AS e"
        )[0]))  # fmt: skip

    def spelling(self, session: Session) -> Dialect:
        from cost_top.gateways.dialects.postgresql import PostgresSpelling

        version, encoding = self.traits(session)
        return PostgresSpelling(int(version), encoding)

    def tables(self, session: Session, names: set[str], readable: bool = True) -> list[FoundTable]:
        """See `Database`; with those columns too that this user may not read, unless only the `readable` are wanted."""
        allowed = "AND has_column_privilege(c.oid, a.attnum, 'SELECT') " if readable else ""
        wanted = ", ".join(text_literal(name) for name in sorted(names))
        rows = session.values(
            "SELECT n.nspname::text AS s, c.relname::text AS t, a.attname::text AS c, "
            "format_type(a.atttypid, NULL)::text AS d, pg_table_is_visible(c.oid) AS v "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
            f"WHERE c.relname IN ({wanted}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 "
            "AND NOT a.attisdropped AND has_schema_privilege(n.oid, 'USAGE') "
            f"{allowed}ORDER BY n.nspname, c.relname, a.attnum"
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

    def keys(self, session: Session, schema: str | None, table: str) -> list[UniqueKey]:
        wanted = f"c.relname = {text_literal(table)} AND n.nspname = {text_literal(schema or 'public')}"
        rows = session.values(
            "SELECT i.indexrelid::bigint AS i, a.attname::text AS c, a.attnotnull AS filled FROM pg_index i "
            "JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) ON k.place <= i.indnkeyatts "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum "
            f"WHERE {wanted} AND i.indisunique AND i.indisvalid AND i.indimmediate "
            "AND i.indpred IS NULL AND i.indexprs IS NULL "
            # A key of a parent does not bind the tables that inherit from it.
            "AND (c.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid)) "
            "ORDER BY i.indexrelid, k.place"
        )
        found: dict[int, list[tuple[str, bool]]] = {}
        for index, column, filled in rows:
            found.setdefault(int(index), []).append((str(column), bool(filled)))
        return [
            UniqueKey(tuple(column for column, _ in key), nullable=not all(filled for _, filled in key))
            for key in found.values()
        ]

    def evidence(self, session: Session, schema: str | None, table: str) -> tuple[Evidence, str]:
        rows = session.values(_EVIDENCE.format(table=text_literal(table), schema=text_literal(schema or "public")))
        if not rows:
            return Evidence(""), ""
        place, shape, told, changes, inserts = rows[0]
        return Evidence(str(place), str(changes) if told else None, str(inserts) if told else None), str(shape)

    def forbidden(self, session: Session, names: set[str]) -> tuple[str, ...]:
        """Those of the tables that are there but of which nothing may be read."""
        wanted = ", ".join(text_literal(name) for name in sorted(names))
        rows = session.values(
            "SELECT DISTINCT c.relname::text AS t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE c.relname IN ({wanted}) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT ("
            "has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')) ORDER BY 1"
        )
        return tuple(one_line(row[0], 80) for row in rows)

    def withheld(self, session: Session, schema: str | None, table: str) -> Withheld:
        """What of the table this user may not see."""
        rows = session.values(
            "SELECT coalesce(bool_or(NOT has_column_privilege(c.oid, a.attnum, 'SELECT')), FALSE) AS c, "
            "coalesce(bool_or(row_security_active(c.oid)), FALSE) AS r FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
            f"WHERE c.relname = {text_literal(table)} AND n.nspname = {text_literal(schema or 'public')} "
            "AND a.attnum > 0 AND NOT a.attisdropped"
        )
        return Withheld(bool(rows[0][0]), bool(rows[0][1]))

    def read_only(self, session: Session) -> bool:
        return session.values("SELECT current_setting('transaction_read_only') AS v") == [("on",)]

    def version(self, session: Session) -> str:
        return f"PostgreSQL {session.values('SELECT current_setting($$server_version$$) AS v')[0][0]}"

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:
        wanted = f"c.relname = {text_literal(table)} AND n.nspname = {text_literal(schema or 'public')}"
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
        if self._pooled:
            return False, text  # what a planner without scans would do cannot be asked here
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
        return "\n".join(str(row[0]) for row in session.values(f"EXPLAIN {sql}", query=False))

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _guards(statement_timeout: float) -> dict[str, str]:
    """The settings that every statement runs under."""
    return {
        "default_transaction_read_only": "on",
        "statement_timeout": str(max(1, int(statement_timeout * 1000))),
        "lock_timeout": str(_LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(_IDLE_TIMEOUT_MS),
        "TimeZone": "UTC",
        "client_encoding": "UTF8",
        # libpq writes what is less to this process's errors, as the server sent it.
        "client_min_messages": "error",
    }


def _guarded(connection: Any) -> bool:
    # Told by how many rows there are: the driver's own rows would need PyArrow, and a DuckDB takes 25 ms to start.
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**_NO_COPY)
        cursor.execute("SELECT 1 WHERE current_setting('transaction_read_only') = 'on'")
        return bool(cursor.rowcount == 1)


def _session_url(parts: SplitResult, parameters: dict[str, str], guards: dict[str, str] | None) -> str:
    """The URL with every guard of the session in it, so that no statement ever runs without them; none for a pooler."""
    own = parameters.get("options") or os.environ.get("PGOPTIONS", "")
    # Later options win: ours come last.
    given = guards or {}
    options = " ".join(filter(None, [own, *(f"-c {name}={value}" for name, value in given.items())]))
    kept = {key: value for key, value in parameters.items() if key not in _PRISMA}
    kept |= {"options": options, "application_name": "cost-top"}
    if guards is None:
        # An empty text keeps libpq from taking PGOPTIONS, and is not sent.
        kept["options"] = ""
    kept.setdefault("connect_timeout", os.environ.get("PGCONNECT_TIMEOUT", _CONNECT_SECONDS))
    # libpq decodes %20 but not +.
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in kept.items())
    # Without a host too: `urlunsplit` would leave the slashes out.
    return f"postgresql://{parts.netloc}{parts.path}?{query}"


def _sqlstate(error: BaseException) -> str:
    state = str(getattr(error, "sqlstate", None) or "")
    return state.rstrip("\x00").strip() if state.strip("\x00 0") else ""


_ENDS = re.compile(r"\n(?!\s)|\s+Is the server running|\. SQLSTATE|\nLINE|\n?Query:")
_REACHED = re.compile(
    r'connection to server (?:at "([^"]*)"(?: \([^)]*\))?, port (\d+)|on socket "([^"]*)") failed: ', re.IGNORECASE
)


def _message(error: BaseException) -> str:
    """The server's own words: without the driver's frame, the statement and the address."""
    text = re.sub(r"\w+://\S*", "the URL", str(error))
    for mark in ("FATAL:", "ERROR:"):
        if mark in text:
            text = text.split(mark, 1)[1]
            break
    else:
        text = re.sub(r"^.*?\[libpq\] ", "", text, flags=re.DOTALL).removeprefix("Failed to connect: ")
        text = _REACHED.sub(lambda found: f"{':'.join(filter(None, found.groups()))}: ", text)
    return one_line(_ENDS.split(text, maxsplit=1)[0], 240)


def _by_index(plan: str) -> bool:
    """Whether a plan reads by an index, or nothing at all: of a partitioned table none that holds the time."""
    return "Seq Scan" not in plan and ("Index" in plan or "Scan" not in plan)
