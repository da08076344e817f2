"""What falls out of a mapping: its fields over the newest rows of the log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select

from cost_top.gateways.dialects.base import Cell, number
from cost_top.gateways.instants import USABLE_FROM, USABLE_UNTIL
from cost_top.gateways.shape import field_kind
from cost_top.model.text import clean
from cost_top.sources.sql.log import SqlLog, SqlLogReader

ROWS = 1000


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """One field: rows where it is known, and rows whose column holds something that could not be read as one."""

    field: str
    known: int
    unread: int
    example: str  # of what could not be read


@dataclass(frozen=True, slots=True)
class MappingCheck:
    """Up to `ROWS` of the newest rows, all of them, and how many the filter leaves out."""

    rows: int
    left_out: int
    untimed: int
    fields: tuple[FieldCheck, ...]


def check_mapping(source: SqlLog) -> MappingCheck:
    """Read the newest rows through the mapping, in a few statements; raises `SourceError`."""
    with source.connect() as reader:
        assert isinstance(reader, SqlLogReader)
        columns = source.columns
        names = list(columns.mapped)
        known = [_known(source, name) for name in names]
        unread = [_unread(source, name, each) for name, each in zip(names, known, strict=True)]
        counts = reader.session.values(_newest(source, [*known, *unread]))[0]
        rows, found, failed = counts[0], counts[1 : 1 + len(names)], counts[1 + len(names) :]
        checks = [
            FieldCheck(
                name, int(found[n] or 0), int(failed[n] or 0), _example(source, reader, name, unread[n], failed[n])
            )
            for n, name in enumerate(names)
        ]
        left = reader.session.values(_left_out(source))[0][0] if columns.filter() else 0
        return MappingCheck(int(rows), int(left or 0), reader.untimed(), tuple(checks))


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, number(1)), else_=number(0))


def _known(source: SqlLog, name: str) -> ColumnElement[int]:
    columns, kind = source.columns, field_kind(name)
    value = columns.raw(name, details=True)
    known: ColumnElement[bool] = value.not_in([literal_column(text) for text in columns.unknown(kind)])
    if kind == "money" and columns.cost_kind == "text":
        known = and_(known, columns.dialect.readable_money(Cell(value)).is_not(None))
    return _flag(known)


def _unread(source: SqlLog, name: str, known: ColumnElement[int]) -> ColumnElement[int]:
    """A column that holds something while the field is unknown."""
    plain = [item.column for item in source.columns.alternatives(name) if item.column and not item.path]
    if not plain:
        return number(0)
    dialect = source.columns.dialect
    held = or_(
        *(
            and_(
                source.columns.column(column).is_not(None),
                dialect.as_text(source.columns.column(column)) != dialect.literal(""),
            )
            for column in plain
        )
    )
    return _flag(and_(known == number(0), held))


def _newest(source: SqlLog, flags: list[ColumnElement[int]]) -> str:
    columns = source.columns
    labelled = [flag.label(f"f{place}") for place, flag in enumerate(flags)]
    newest = (
        select(*labelled, number(1).label("one"))
        .select_from(columns.source(details=True))
        .where(*columns.within(USABLE_FROM, USABLE_UNTIL), *columns.filter())
        .order_by(columns.time.value.desc())
        .limit(literal_column(str(ROWS)))
        .subquery("newest")
    )
    sums = [func.coalesce(func.sum(newest.c[f"f{place}"]), number(0)) for place in range(len(flags))]
    totals = [columns.dialect.integer_sum(each).label(f"s{place}") for place, each in enumerate(sums)]
    return columns.dialect.render(select(func.count().label("n"), *totals).select_from(newest))


def _left_out(source: SqlLog) -> str:
    columns = source.columns
    chosen = and_(*columns.filter())
    newest = (
        select(_flag(func.coalesce(chosen, literal_column("1 = 0"))).label("chosen"))
        .select_from(columns.source(details=True))
        .where(*columns.within(USABLE_FROM, USABLE_UNTIL))
        .order_by(columns.time.value.desc())
        .limit(literal_column(str(ROWS)))
        .subquery("newest")
    )
    count = func.count().filter(newest.c.chosen == number(0)) if columns.dialect.name != "mysql" else func.coalesce(
        func.sum(number(1) - newest.c.chosen), number(0))  # fmt: skip
    return columns.dialect.render(select(columns.dialect.integer_sum(count).label("n")))


def _example(source: SqlLog, reader: SqlLogReader, name: str, unread: ColumnElement[int], failed: object) -> str:
    columns = [item.column for item in source.columns.alternatives(name) if item.column and not item.path]
    if not failed or not columns:
        return ""
    dialect = source.columns.dialect
    value = dialect.as_text(source.columns.column(columns[0])).label("value")
    found = (
        select(value)
        .select_from(source.columns.source(details=True))
        .where(unread == number(1), *source.columns.filter())
        .limit(literal_column("1"))
    )
    rows = reader.session.values(dialect.render(found))
    return clean(str(rows[0][0]))[:40] if rows else ""
