"""What can be said about a log without reading it: for `cost-top doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cost_top.gateways.normalise import text_select
from cost_top.gateways.preset import Expression
from cost_top.model.text import clean
from cost_top.sources.sql_log import SqlLog, SqlLogReader

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ModelCount:
    """Rows of one provider and model in the last days; `without_cost` of them carry no reported cost."""

    provider: str | None
    model: str | None
    rows: int
    without_cost: int


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
    costly: tuple[str, ...]
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
    grants: tuple[str, ...]  # all that a user of cost-top needs


def tail_plan(reader: SqlLogReader, newest: datetime | None = None) -> tuple[bool, str]:
    """Whether the database serves the tail by an index, and its own plan for it."""
    source = reader.source
    start = (newest or datetime.now(UTC)) - source.overlap
    return source.database.plan(reader.session, source.statements.fingerprints(start, None))


def inspect(source: SqlLog, days: int = 7) -> Inspection:
    """Look at a log: its catalog, both ends of its index, and the models of its last days (a statement a day)."""
    columns, preset, database = source.columns, source.columns.preset, source.database
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
            time=f"{preset.time_column} ({preset.time_unit})",
            mapped=tuple((name, _spelled(columns.alternatives(name))) for name in columns.mapped),
            missing=columns.missing,
            costly=columns.costly,
            names=tuple(item.table for item in source.lookup_tables),
            no_names=tuple(item.table for item in preset.lookups if item not in source.lookup_tables),
            read_only=database.read_only(reader.session),
            uses_index=uses_index,
            plan=plan,
            newest=newest,
            oldest=reader.oldest(),
            row_estimate=database.estimate(reader.session, columns.schema, preset.table),
            untimed=reader.untimed(),
            models=_models(reader, newest, days) if newest else (),
            advice=dict(preset.advice),
            grants=_grants(source) if database.name != "sqlite" else (),
        )


def _models(reader: SqlLogReader, newest: datetime, days: int) -> tuple[ModelCount, ...]:
    statements = reader.source.statements
    texts = text_select(reader.source.columns.shape, ("provider", "model"))
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for back in range(days):
        end = newest + timedelta(microseconds=1) - back * _DAY
        for provider, model, rows, reported in reader.session.values(
            statements.models(end - _DAY, end), f'{texts}, "rows", reported'
        ):
            if not rows:
                continue
            pair = clean(provider).lower(), clean(model)
            before = found.get(pair, (0, 0))
            found[pair] = before[0] + rows, before[1] + rows - reported
    ordered = sorted(found.items(), key=lambda item: -item[1][0])
    return tuple(ModelCount(pair[0] or None, pair[1] or None, *counts) for pair, counts in ordered)


def _spelled(items: tuple[Expression, ...]) -> str:
    return ", else ".join(
        item.value or (".".join((item.column, *item.path)) if item.column else "an expression") for item in items
    )


def _grants(source: SqlLog) -> tuple[str, ...]:
    preset, schema = source.columns.preset, source.columns.schema
    where = f'"{schema}".' if schema else ""
    wanted = [name for name in source.columns.columns if name not in preset.never]
    columns = ", ".join(f'"{name}"' for name in wanted if name in source.columns.read_columns)
    names = [
        f'GRANT SELECT ("{item.id}", "{item.name}") ON {where}"{item.table}" TO cost_top' for item in preset.lookups
    ]
    usage = [f'GRANT USAGE ON SCHEMA "{schema}" TO cost_top'] if schema else []
    return (*usage, f'GRANT SELECT ({columns}) ON {where}"{preset.table}" TO cost_top', *names)
