"""What can be said about a log without reading it: for `cost-top doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from cost_top.gateways.columns import LogColumns
from cost_top.gateways.detect import FoundTable
from cost_top.gateways.preset import Expression
from cost_top.gateways.raw_columns import text_select
from cost_top.model.text import clean
from cost_top.sources.base import COSTLY_SHARE
from cost_top.sources.sql.log import SqlLog, SqlLogReader
from cost_top.sources.sql.session import Session, Withheld

_DAY = timedelta(days=1)


@runtime_checkable
class TellsAllColumns(Protocol):
    """A database that also names the columns that its user may not read."""

    def tables(self, session: Session, names: set[str], readable: bool = True) -> list[FoundTable]:
        """See `Database`."""

    def withheld(self, session: Session, schema: str | None, table: str) -> Withheld:
        """What of a table its user may not see."""


@dataclass(frozen=True, slots=True)
class ModelCount:
    """Rows of one provider and model in the last days: how many lack a reported cost, and of how many 0 is no price."""

    provider: str | None
    model: str | None
    rows: int
    without_cost: int
    zeros: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """One log as found. Instants are aware and UTC."""

    label: str
    gateway: str
    database: str  # product and version
    hints: tuple[str, ...]  # what its columns say of the gateway's version
    table: str
    time: str  # the time column and its unit
    mapped: tuple[tuple[str, str], ...]  # field and where it comes from
    missing: tuple[str, ...]  # fields the gateway has, but not this table
    costly: tuple[str, ...]  # none of a log that is answered where it lives
    costly_round: float | None  # seconds in which all costly columns of a window are compared once; None where none are
    key: str  # what tells rows apart; '' where nothing does
    names: tuple[str, ...]  # tables that names are read from
    no_names: tuple[str, ...]  # those that are absent or may not be read
    read_only: bool
    uses_index: bool
    plan: str
    newest: datetime | None
    oldest: datetime | None
    row_estimate: int | None
    untimed: int
    models: tuple[ModelCount, ...]
    advice: dict[str, str]
    cannot_tell: tuple[str, ...]  # what the gateway's log does not hold
    limits: tuple[
        str, ...
    ]  # of a log that is answered where it lives: what it is not asked, and how statements are bounded
    grants: tuple[str, ...]  # all that a user of cost-top needs
    left_out: tuple[str, ...] = ()  # files that could not be read, each with the reason
    hides_rows: bool = False  # whether policies keep rows from this user


def tail_plan(reader: SqlLogReader, newest: datetime | None = None) -> tuple[bool, str]:
    """Whether the database serves the tail by an index, and its own plan for it."""
    source = reader.source
    start = (newest or datetime.now(UTC)) - source.overlap
    return source.database.plan(reader.session, source.statements.fingerprints(start, None))


def inspect(source: SqlLog, days: int = 7) -> Inspection:
    """Look at a log: its catalog, both ends of its index, and the models of its last days (a statement a day)."""
    columns, preset, database = source.columns, source.columns.preset, source.database
    # Nothing of such a log is copied, so nothing is read later than the rest.
    limits: tuple[str, ...] = getattr(database, "limits", ())
    costly = () if limits else columns.costly
    with source.connect() as opened:
        assert isinstance(opened, SqlLogReader)
        reader = opened
        newest = reader.newest()
        uses_index, plan = tail_plan(reader, newest)
        return Inspection(
            label=source.label,
            gateway=preset.name,
            database=database.version(reader.session),
            hints=tuple(text for name, text in preset.hints.items() if name in columns.columns),
            table=f"{columns.schema}.{preset.table}" if columns.schema else preset.table,
            time=f"{preset.time_column or 'an expression'} ({preset.time_unit})",
            mapped=tuple((name, _spelled(columns.alternatives(name))) for name in columns.mapped),
            missing=columns.missing,
            costly=costly,
            costly_round=_costly_round(reader, newest) if costly and newest else None,
            key=_key(source),
            names=tuple(item.table for item in source.names.tables),
            no_names=tuple(
                item.table
                for item in preset.lookups
                if item.by in columns.mapped and item.table not in {found.table for found in source.names.tables}
            ),
            read_only=database.read_only(reader.session),
            uses_index=uses_index,
            plan=plan,
            newest=newest,
            oldest=reader.oldest(),
            row_estimate=database.estimate(reader.session, columns.schema, preset.table),
            untimed=reader.untimed(),
            models=_models(reader, newest, days) if newest else (),
            advice=dict(preset.advice),
            cannot_tell=preset.cannot_tell,
            limits=limits,
            grants=_grants(source, _with_all_columns(reader)) if database.name != "sqlite" else (),
            left_out=source.left_out,
            hides_rows=source.found.withheld.rows,
        )


def _key(source: SqlLog) -> str:
    identity = source.columns.preset.id.column or "the id"
    return "" if source.columns.key is None else ", ".join((identity, *source.columns.key))


def _costly_round(reader: SqlLogReader, newest: datetime) -> float:
    """How long a round over 31 days takes at its share of the time, judged by the newest hour and the catalog."""
    source, end = reader.source, newest + timedelta(microseconds=1)
    before, duck = reader.statistics.database_ms, reader.session.scratch
    with reader.rows(end - timedelta(hours=1), end, True) as answer:  # noqa: F841 - DuckDB reads the variable
        rows = duck.execute("SELECT count(*) FROM answer").fetchall()[0][0]
    spent = (reader.statistics.database_ms - before) / 1000
    oldest = reader.oldest() or newest
    days = max(1.0, (newest - oldest) / _DAY)
    held = source.database.estimate(reader.session, source.columns.schema, source.columns.preset.table) or rows
    return float(spent / max(1, rows) * held * min(1.0, 31 / days) / COSTLY_SHARE)


def _models(reader: SqlLogReader, newest: datetime, days: int) -> tuple[ModelCount, ...]:
    statements = reader.source.statements
    texts = text_select(reader.source.columns.shape, ("provider", "model"))
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    names = {key: name for item in reader.lookups() if item.field == "provider" for key, name in item.names.items()}
    for back in range(days):
        end = newest + timedelta(microseconds=1) - back * _DAY
        for provider, model, rows, reported, zeros in reader.session.values(
            statements.models(end - _DAY, end), f'{texts}, "rows", reported, zeros'
        ):
            if rows <= 0:  # the row that stands for nothing
                continue
            spelled = clean(provider)
            pair = names.get(spelled, spelled).lower(), clean(model)
            before = found.get(pair, (0, 0, 0))
            found[pair] = before[0] + rows, before[1] + rows - reported, before[2] + zeros
    ordered = sorted(found.items(), key=lambda item: -item[1][0])
    return tuple(ModelCount(pair[0] or None, pair[1] or None, *counts) for pair, counts in ordered)


def _spelled(items: tuple[Expression, ...]) -> str:
    return ", else ".join(
        item.value or (".".join((item.column, *item.path)) if item.column else "an expression") for item in items
    )


def _with_all_columns(reader: SqlLogReader) -> LogColumns:
    """The log's columns, with those too that this user may not read, where the database tells them."""
    columns, database = reader.source.columns, reader.source.database
    if not reader.source.found.withheld.columns or not isinstance(database, TellsAllColumns):
        return columns
    tables = database.tables(reader.session, {columns.preset.table}, readable=False)
    declared = next(table.columns for table in tables if table.schema == columns.schema)
    return LogColumns(columns.preset, declared, columns.dialect, columns.schema)


def _grants(source: SqlLog, columns: LogColumns) -> tuple[str, ...]:
    preset, schema = columns.preset, columns.schema
    quoted = columns.dialect.quoted
    where = f"{quoted(schema)}." if schema else ""
    wanted = [name for name in columns.columns if name not in preset.never]
    read = {*columns.read_columns, *source.columns.read_columns}
    needed = {preset.table: [name for name in wanted if name in read]}
    for item in preset.lookups:
        needed.setdefault(item.table, []).extend(filter(None, (item.id, item.name, item.otherwise)))
    for kept in preset.budgets:
        needed.setdefault(kept.table, []).extend(kept.own_columns)
        if kept.limits_table is not None:
            needed.setdefault(kept.limits_table, []).extend(kept.limit_columns)
    for part in {each.name: each for each in reversed(preset.ledger)}.values():
        for table, names in part.reads.items():
            needed.setdefault(table, []).extend(names)
    for table, names in preset.also_reads.items():
        needed.setdefault(table, []).extend(names)
    if preset.cost_setting:
        needed[preset.cost_setting.table] = [preset.cost_setting.key, preset.cost_setting.value]
    usage = [f"GRANT USAGE ON SCHEMA {quoted(schema)} TO cost_top"] if schema else []
    return (
        *usage,
        *(
            f"GRANT SELECT ({', '.join(map(quoted, dict.fromkeys(columns)))}) ON {where}{quoted(table)} TO cost_top"
            for table, columns in needed.items()
        ),
    )
