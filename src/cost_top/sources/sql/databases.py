"""Which database a location means; the driver of each is imported when it is used."""

from __future__ import annotations

from pathlib import Path

from cost_top.model.errors import UserError, one_line
from cost_top.sources.sql.session import Database


def database_at(location: str, statement_timeout: float) -> Database:
    """The database at a URL or a SQLite file's path; nothing is opened yet but the file's header."""
    scheme, separator, rest = location.partition("://")
    kind = scheme.lower().split("+", 1)[0]
    if separator and kind in ("postgresql", "postgres"):
        from cost_top.sources.sql.postgres import PostgresDatabase

        return PostgresDatabase(location, statement_timeout)
    if separator and kind in ("mysql", "mariadb"):
        from cost_top.sources.sql.mysql import MysqlDatabase

        return MysqlDatabase(location, statement_timeout)
    if separator and kind in ("clickhouse", "clickhouses"):
        from cost_top.sources.clickhouse.database import ClickhouseDatabase

        return ClickhouseDatabase(location, statement_timeout)
    from cost_top.sources.sql.sqlite import SqliteDatabase

    if separator and kind == "sqlite":
        # As SQLAlchemy writes it: three slashes before a relative path, four before an absolute one.
        return SqliteDatabase(Path(rest.removeprefix("/").split("?", 1)[0]))
    if separator:
        raise UserError(
            f"{one_line(scheme, 30)}:// is no database cost-top reads; give postgresql://…, mysql://…, clickhouse://…, "
            "sqlite:///… or the path of a SQLite file"
        )
    return SqliteDatabase(Path(location))
