"""Where a log is answered without a copy: how its database is asked, and how it spells what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cost_top.gateways.dialects.postgresql import PostgresSpelling
from cost_top.model.errors import UserError
from cost_top.monitor.cluster.spelled_clickhouse import ClickhouseStatements
from cost_top.monitor.cluster.spelled_postgresql import PostgresStatements
from cost_top.monitor.cluster.spelling import Spelling
from cost_top.sources.base import Statistics
from cost_top.sources.clickhouse.database import ClickhouseDatabase
from cost_top.sources.sql.reader import SqlLog
from cost_top.sources.sql.session import Database, Session

_OLDEST = 120000  # whose doubles are told as short as can be


class Asked(Protocol):
    """A connection for statements with small answers."""

    def rows(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """A statement's rows."""

    def cancel(self) -> None:
        """Break off the statement under way, from any thread."""

    def close(self) -> None:
        """Release the connection."""


class AskedSession:
    """`Asked` over a session of the database's own."""

    def __init__(self, database: Database) -> None:
        self._session = Session(database, Statistics())

    def rows(self, sql: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """See `Asked`; values stand in the statement."""
        assert not parameters
        return self._session.values(sql)

    def cancel(self) -> None:
        """See `Asked`."""
        self._session.cancel()

    def close(self) -> None:
        """See `Asked`."""
        self._session.close()


def asked_at(log: SqlLog) -> Asked:
    """A connection of its own to the log's database."""
    if isinstance(log.database, ClickhouseDatabase):
        return log.database.open()
    return AskedSession(log.database)


def spelling_of(log: SqlLog) -> Spelling:
    """How its database spells statements. `UserError` where a log of this kind cannot be answered there."""
    if isinstance(log.database, ClickhouseDatabase):
        return ClickhouseStatements()
    shape, dialect = log.columns.shape, log.columns.dialect
    if not isinstance(dialect, PostgresSpelling) or dialect.version < _OLDEST:
        raise UserError(f"{log.label}: only PostgreSQL 12 or newer answers a log itself: leave out --no-mirror")
    if shape.time_kind == "iso":
        raise UserError(f"{log.label}: its times are texts, which are not summed where they are: leave out --no-mirror")
    if shape.text_is_blob:
        raise UserError(f"{log.label}: its database is in SQL_ASCII, whose texts are read here: leave out --no-mirror")
    return PostgresStatements()
