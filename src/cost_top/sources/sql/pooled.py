"""PostgreSQL through a pooler that hands out a server for a transaction: each statement is one, with its own guards."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cost_top.sources.sql.adbc import AdbcConnection

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi


class PooledConnection(AdbcConnection):
    """A connection whose settings are said anew in each transaction: what is set for a session stays in the pool."""

    def __init__(self, connection: dbapi.Connection, plain: dict[str, str], guards: Mapping[str, str]) -> None:
        super().__init__(connection, plain)
        local = (f"SET LOCAL {name} = '{value}'" for name, value in guards.items())
        self._begin = "; ".join(("BEGIN READ ONLY", *local))
        self._begun = False

    def run(self, sql: str, query: bool = True) -> Any:
        """See `connection.Connection`."""
        self.finish()
        self._begun = True
        self._say(self._begin)
        return self._ask(sql, query)

    def finish(self) -> None:
        """See `connection.Connection`."""
        super().finish()
        if self._begun:
            self._begun = False
            with suppress(Exception):
                self._say("ROLLBACK")

    def _say(self, statements: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.executescript(statements)


def pooler_refusal(text: str) -> str | None:
    """What a pooler's refusal means; None where the text is none.

    >>> pooler_refusal("transaction blocks not allowed in statement pooling mode")[:40]
    'the pooler shares servers by the stateme'
    >>> pooler_refusal("permission denied") is None
    True
    """
    if "statement pooling" in text or "transaction blocks not allowed" in text:
        return "the pooler shares servers by the statement; cost-top needs pool_mode = transaction or session"
    if "unsupported startup parameter" in text:
        return f"the pooler refuses the connection: {text}"
    if "pgbouncer" in text.lower() or "no such database" in text or "query_wait_timeout" in text:
        return f"the pooler says: {text}"
    return None
