# ruff: noqa: D102 - the methods are documented where the protocols are
"""A ClickHouse database as a log's place: read-only statements with limits, over its HTTP interface."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cost_top.gateways.detect import FoundTable, UniqueKey
from cost_top.gateways.dialects.clickhouse import quoted_text
from cost_top.model.errors import SourceDenied, SourceError, UserError, one_line
from cost_top.sources.base import Evidence
from cost_top.sources.clickhouse.connection import LOG_COMMENT, ClickhouseConnection
from cost_top.sources.sql.connection import Connection

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect
    from cost_top.sources.sql.session import Session

_PORTS = {"clickhouse": 8123, "clickhouses": 8443}
_CONNECT_SECONDS = 5
# What one statement may take of the server, unless the URL says otherwise.
LIMITS: Mapping[str, int] = {"max_threads": 8, "max_memory_usage": 4 * 2**30, "max_result_rows": 2_000_000}
# Bytes that are worked on at once: by a megabyte, as is usual, what each block costs beside its rows is a third of all.
_READ_BYTES = 16 * 2**20
# What the statements are written for: otherwise old versions would count, and parts would pass for a whole.
MEANT: Mapping[str, object] = {
    "final": 1, "join_use_nulls": 1, "cast_keep_nullable": 1, "prefer_column_name_to_alias": 1,
    "session_timezone": "UTC", "result_overflow_mode": "throw", "timeout_overflow_mode": "throw",
    "read_overflow_mode": "throw", "group_by_overflow_mode": "throw", "sort_overflow_mode": "throw",
}  # fmt: skip
# So many requests of a period are read one by one where something needs them so.
MOST_SINGLE = 500_000
_KEYS = (*LIMITS, "max_execution_time", "ca_cert", "verify")
_DENIED = (192, 193, 194, 195, 291, 492, 497, 516)
_SLOW, _MEMORY, _RESULT = (159, 160), (241,), (396,)
_CODE = re.compile(r"[Cc]ode: (\d+)")
_WORDS = re.compile(r"(?:DB::Exception: )+(.*?)(?: \(for url .*\))?$", re.DOTALL)


class ClickhouseDatabase:
    """`session.Database` for `clickhouse://USER@HOST:8123/DATABASE`, `clickhouses://` with TLS.

    User and password also from CLICKHOUSE_USER and CLICKHOUSE_PASSWORD.
    """

    name = "clickhouse"

    def __init__(self, url: str, statement_timeout: float = 60.0) -> None:
        scheme = url.partition("://")[0].lower().partition("+")[0]
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[scheme]
        except (KeyError, ValueError):
            told = "the URL cannot be read; write clickhouse://USER@HOST:8123/DATABASE"
            raise UserError(f"clickhouse://: {told}") from None
        self.database = unquote(parts.path.strip("/")) or "default"
        given = {key.lower(): value for key, value in parse_qsl(parts.query)}
        unknown = sorted(set(given) - set(_KEYS))
        if unknown:
            known = ", ".join(_KEYS)
            raise UserError(f"clickhouse://: {one_line(unknown[0], 30)} is not known here; known are {known}")
        host = parts.hostname or "localhost"
        password = unquote(parts.password) if parts.password is not None else os.environ.get("CLICKHOUSE_PASSWORD", "")
        self._secrets = tuple(secret for secret in (password, parts.password) if secret)
        self._where = f"{host}:{port}"
        self._host = "" if host in ("localhost", "127.0.0.1", "::1") else host
        verify = given.get("verify", "true").lower() not in ("false", "0", "no")
        seconds = max(1, round(_number(given, "max_execution_time", statement_timeout)))
        self._arguments: dict[str, Any] = {
            "host": host, "port": port, "interface": "https" if scheme == "clickhouses" else "http",
            "username": unquote(parts.username or "") or os.environ.get("CLICKHOUSE_USER", "default"),
            "password": password, "database": self.database, "connect_timeout": _CONNECT_SECONDS,
            "send_receive_timeout": seconds + _CONNECT_SECONDS, "client_name": "cost-top", "query_limit": 0,
            "autogenerate_session_id": False, "query_retries": 0, "compress": False, "verify": verify,
            "ca_cert": given.get("ca_cert"),
        }  # fmt: skip
        self.settings: dict[str, object] = {
            "readonly": 1, "max_execution_time": seconds, "log_comment": LOG_COMMENT,
            "cancel_http_readonly_queries_on_client_close": 1,
            **{name: int(_number(given, name, usual)) for name, usual in LIMITS.items()},
            **MEANT,
            "preferred_block_size_bytes": _READ_BYTES, "max_query_size": 16 * 2**20, "max_ast_elements": 1_000_000,
            "max_expanded_ast_elements": 5_000_000,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"ClickhouseDatabase({self.place})"

    @property
    def place(self) -> str:
        return one_line(self._host or self.database, 60)

    @property
    def limits(self) -> tuple[str, ...]:
        """What is not asked of a log here, and how each statement is bounded, for people."""
        given = self.settings
        return (
            "it is answered where it lives: not which requests came late (late:), and incidents and waste of at most "
            f"{MOST_SINGLE:,} requests",
            f"a statement takes {given['max_execution_time']} s, {given['max_threads']} threads, "
            f"{int(str(given['max_memory_usage'])) / 2**30:g} GiB and {given['max_result_rows']:,} rows at most; "
            "?max_execution_time= and the like at the end of the URL change it",
        )

    @property
    def is_far(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return f"clickhouse:{self._where}|{self.database}"

    def label(self, preset: str) -> str:
        return f"{preset}@{self.place}"

    def connect(self) -> tuple[Connection, object]:
        return self.open(), None

    def open(self) -> ClickhouseConnection:
        """A connection of its own."""
        return ClickhouseConnection(self._client, self.settings)

    def is_current(self, opened_on: object) -> bool:  # noqa: ARG002 - each statement is a request of its own
        return True

    def confirm(self, opened_on: object) -> None:
        pass

    def raised(self, error: BaseException) -> bool:
        return type(error).__module__.startswith(("clickhouse_connect", "urllib3")) or isinstance(error, OSError)

    def failure(self, error: BaseException) -> SourceError:
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        found = _CODE.search(text)
        code = int(found[1]) if found else 0
        if code in _SLOW:
            return SourceError(f"{self.place}: the statement took longer than the statement timeout")
        if code in _MEMORY:
            least = self.settings["max_memory_usage"]
            return SourceError(f"{self.place}: the statement needs more memory than max_memory_usage={least} allows")
        if code in _RESULT:
            most = self.settings["max_result_rows"]
            return SourceError(f"{self.place}: the answer has more than max_result_rows={most} rows; ask for less")
        words = _WORDS.search(text)
        told = one_line(words[1] if words else text or type(error).__name__, 240)
        if not code and ("Max retries exceeded" in text or "Connection" in text or "timed out" in text):
            told = "no answer from the server"
        kind = SourceDenied if code in _DENIED else SourceError
        return kind(f"{self.place}: {told}")

    def survives(self, error: BaseException) -> bool:  # noqa: ARG002
        return True

    def traits(self, session: Session) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def spelling(self, session: Session) -> Dialect:  # noqa: ARG002
        from cost_top.gateways.dialects.clickhouse import ClickhouseSpelling

        return ClickhouseSpelling()

    def tables(self, session: Session, names: set[str]) -> list[FoundTable]:
        wanted = ", ".join(map(quoted_text, sorted(names)))
        rows = session.values(
            f"SELECT table AS t, name AS c, type AS d FROM system.columns WHERE {self._here()} "
            f"AND table IN ({wanted}) ORDER BY table, position"
        )
        columns: dict[str, dict[str, str]] = {}
        for table, column, declared in rows:
            columns.setdefault(table, {})[column] = declared
        return [FoundTable(None, table, found) for table, found in columns.items()]

    def keys(self, session: Session, schema: str | None, table: str) -> list[UniqueKey]:  # noqa: ARG002
        # Only where newer versions replace older ones is anything unique: what the table is sorted by.
        rows = session.values(
            "SELECT sorting_key AS k FROM system.tables "
            f"WHERE {self._here()} AND name = {quoted_text(table)} AND engine LIKE '%ReplacingMergeTree'"
        )
        if not rows or not rows[0][0]:
            return []
        found = next((table_ for table_ in self.tables(session, {table})), None)
        columns = found.columns if found is not None else {}
        named = [name for name in re.findall(r"\w+", str(rows[0][0])) if name in columns]
        return [UniqueKey(tuple(dict.fromkeys(named)))] if named else []

    def evidence(self, session: Session, schema: str | None, table: str) -> tuple[Evidence, str]:  # noqa: ARG002
        rows = session.values(
            "SELECT toString(uuid) AS u, sorting_key AS k, engine AS e FROM system.tables "
            f"WHERE {self._here()} AND name = {quoted_text(table)}"
        )
        found = self.tables(session, {table})
        if not rows or not found:
            return Evidence(""), ""
        return Evidence(str(rows[0][0])), repr((rows[0][1:], sorted(found[0].columns.items())))

    def read_only(self, session: Session) -> bool:
        return session.values("SELECT toString(getSetting('readonly')) AS v")[0][0] in ("1", "2")

    def version(self, session: Session) -> str:
        return f"ClickHouse {session.values('SELECT version() AS v')[0][0]}"

    def estimate(self, session: Session, schema: str | None, table: str) -> int | None:  # noqa: ARG002
        rows = session.values(
            "SELECT toInt64(total_rows) AS n FROM system.tables "
            f"WHERE {self._here()} AND name = {quoted_text(table)} AND total_rows IS NOT NULL"
        )
        return int(rows[0][0]) if rows else None

    def plan(self, session: Session, sql: str) -> tuple[bool, str]:
        lines = [str(row[0]) for row in session.values(f"EXPLAIN indexes = 1 {sql}", query=False)]
        told = [line for line in lines if "Condition:" in line]
        narrows = any("Condition: true" not in line for line in told)
        # A table of other engines, or one that is empty, has no key to speak of.
        return narrows or not any("ReadFromMergeTree" in line for line in lines), "\n".join(lines)

    @staticmethod
    def _here() -> str:
        return "database = currentDatabase()"

    def _client(self) -> Any:
        try:
            import clickhouse_connect
            from clickhouse_connect import common
        except ImportError:
            raise UserError(
                "clickhouse://: the ClickHouse driver is not installed; run: pip install 'cost-top[clickhouse]'"
            ) from None
        # A role that may not set a limit is bound by its own.
        common.set_setting("invalid_setting_action", "drop")
        logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # each would be said on the screen
        client = clickhouse_connect.get_client(**self._arguments)
        known = client.server_settings
        fixed = [name for name, wanted in MEANT.items()
                 if name in known and known[name].readonly and known[name].value != str(wanted)]  # fmt: skip
        if fixed:
            client.close()
            raise SourceDenied(
                f"{self.place}: this user may not set {', '.join(fixed)}, without which figures would be wrong; "
                "give its profile readonly = 2, not 1"
            )
        return client


def _number(given: Mapping[str, str], name: str, usual: float) -> float:
    try:
        value = float(given.get(name, usual))
    except ValueError:
        value = 0
    if not value >= 1:
        raise UserError(f"clickhouse://: {name} must be a number from 1 on")
    return value
