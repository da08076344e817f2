"""Which table of a database is probably a request log, with a few rows of each looked at."""

from __future__ import annotations

from cost_top.gateways.detect import FoundTable
from cost_top.gateways.dialects.base import Cell, Dialect
from cost_top.gateways.propose import Column, Proposal, propose, usage_column
from cost_top.model.errors import SourceError, UserError
from cost_top.sources.base import Statistics
from cost_top.sources.sql.databases import database_at
from cost_top.sources.sql.session import Database, Session

_ROWS = 50
_SHOWN, _USAGE = 80, 4000  # characters of a value
_TABLES_READ = 5


def best_proposal(location: str, statement_timeout: float = 60.0) -> Proposal:
    """The likeliest log of a database; `UserError` where no table looks like one."""
    database = database_at(location, statement_timeout)
    session = Session(database, Statistics())
    try:
        session.open()
        return _best(database, session)
    except SourceError as error:
        raise UserError(f"{error}; check that the database can be reached and read") from None
    finally:
        session.close()


def _best(database: Database, session: Session) -> Proposal:
    names = {str(name) for (name,) in session.values(_TABLES[database.name])}
    tables = database.tables(session, names) if names else []
    plain = sorted((_named_only(table), place) for place, table in enumerate(tables))
    dialect = database.spelling(session)
    looked = [_with_values(session, dialect, tables[place]) for _, place in plain[:_TABLES_READ]]
    usable = [proposal for proposal in looked if proposal.usable]
    if not usable:
        seen = ", ".join(sorted(table.name for table in tables)[:8]) or "none that may be read"
        raise UserError(
            f"{database.place}: no table looks like a request log (tables: {seen}); "
            "write a mapping by hand: cost-top help mapping"
        )
    return max(usable, key=lambda proposal: proposal.score)


def _named_only(table: FoundTable) -> float:
    columns = [Column(name, declared) for name, declared in table.columns.items()]
    return -propose(table.name, table.schema, columns).score


def _with_values(session: Session, dialect: Dialect, table: FoundTable) -> Proposal:
    """Only columns whose names may mean something are read."""
    bare = [Column(name, declared) for name, declared in table.columns.items()]
    wanted = [guess.column.name for guess in propose(table.name, table.schema, bare).guesses]
    wanted += [item.name for item in bare if item.name not in wanted and usage_column(item.name)]
    values: dict[str, tuple[str, ...]] = {}
    if wanted:
        from sqlalchemy import column as sql_column
        from sqlalchemy import literal_column, select
        from sqlalchemy import table as sql_table
        from sqlalchemy.sql import quoted_name

        schema = quoted_name(table.schema, quote=True) if table.schema else None
        relation = sql_table(
            quoted_name(table.name, quote=True), *(sql_column(quoted_name(name, quote=True)) for name in wanted),
            schema=schema,
        )  # fmt: skip
        read = [dialect.as_text(dialect.text(Cell(relation.c[name]))).label(f"c{n}") for n, name in enumerate(wanted)]
        rows = session.values(dialect.render(select(*read).limit(literal_column(str(_ROWS)))))
        for place, name in enumerate(wanted):
            longest = _USAGE if usage_column(name) else _SHOWN
            values[name] = tuple(str(row[place])[:longest] for row in rows if row[place] not in (None, ""))
    filled = [Column(item.name, item.declared, values.get(item.name, ())) for item in bare]
    return propose(table.name, table.schema, filled)


_TABLES = {
    "sqlite": "SELECT CAST(name AS text) AS t FROM sqlite_master WHERE type IN ('table', 'view') "
    "AND name NOT LIKE 'sqlite_%'",
    "postgresql": "SELECT DISTINCT c.relname::text AS t FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition "
    "AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    "mysql": "SELECT TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
    "clickhouse": "SELECT name AS t FROM system.tables WHERE database = currentDatabase()",
}
