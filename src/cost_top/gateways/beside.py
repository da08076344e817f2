"""Statements on the tables beside a log: names by id, and settings. They may be in another database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, TableClause, and_, column, select, table, text, true
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import Cell, Dialect
from cost_top.gateways.preset import KeptBudgetTable, LedgerPart, LookupTable, Setting
from cost_top.model.native import LEDGER


def lookup_statement(dialect: Dialect, schema: str | None, lookup: LookupTable) -> str:
    """`id`, `name` and `otherwise` of the rows of a table of names that may have one, all of them text."""
    read = {"id": lookup.id, "name": lookup.name, "otherwise": lookup.otherwise or lookup.name}
    return _texts(dialect, schema, lookup.table, read, lookup.id if lookup.otherwise else lookup.name, None)


# What is read of a budget that the gateway keeps: none of these is a word of SQL.
KEPT = ("id", "name", "most", "used", "span", "ends", "unit", "begun", "standing", "known_as", "inside", "more",
        "more_until")  # fmt: skip


def budget_statement(dialect: Dialect, schema: str | None, kept: KeptBudgetTable, kinds: Mapping[str, str]) -> str:
    """`KEPT` of the rows with a limit, all of them text, '' where the preset names no column.

    `kinds` are the declared types of the table's columns. Of its JSON only what is named is read: secrets stand in it.
    """
    own = _table(schema, kept.table, kept.own_columns)
    limits = own if kept.limits_table is None else _table(schema, kept.limits_table, kept.limit_columns)
    read = {
        "id": (own, kept.id), "name": (own, kept.name), "most": (limits, kept.limit), "used": (own, kept.spent),
        "span": (limits, kept.period), "ends": (limits, kept.resets_at), "unit": (own, kept.period_unit),
        "begun": (own, kept.started_at), "standing": (own, kept.state),
        "known_as": (own, kept.otherwise), "inside": (own, kept.within),
    }  # fmt: skip
    values: dict[str, ColumnElement[Any] | None] = {
        label: relation.c[name] if name else None for label, (relation, name) in read.items()
    }
    for label, name in (("more", kept.raised), ("more_until", kept.raised_until)):
        if kept.raised_in is not None and name is not None:
            values[label] = dialect.json(Cell(own.c[kept.raised_in], kinds.get(kept.raised_in, "")), (name,))
        else:
            values[label] = limits.c[name] if name else None
    chosen: ColumnElement[Any] = limits.c[kept.limit].is_not(None)
    if kept.limits_by is not None and kept.limits_id is not None:
        chosen = and_(own.c[kept.limits_by] == limits.c[kept.limits_id], chosen)
    return _rendered(dialect, values, chosen)


# What is read of a ledger: none of these is a word of SQL. `amount` is in USD, `points` in the log's own units: an
# entry has one or the other, and its balance is in the same. Those of the kind `balance` are none: they add up to what
# is left.
LEDGER_READ = ("id", "moment", "kind", "amount", "points", "balance", "token", "note")
NATIVE_LEDGER = LedgerPart(
    LEDGER,
    "SELECT id, time_ms AS moment, kind, NULL AS amount, amount_pico_usd AS points, {balance_pico_usd} AS balance, "
    f"{{token}} AS token, {{note}} AS note FROM {{{LEDGER}}} WHERE id IS NOT NULL",
    {LEDGER: ("id", "time_ms", "kind", "amount_pico_usd")},
    "epoch_ms",
)
_OPTIONAL_IN_LEDGER = ("balance_pico_usd", "token", "note")


def ledger_statement(dialect: Dialect, schema: str | None, part: LedgerPart, columns: Collection[str]) -> str:
    """`LEDGER_READ` of a part, all of them text; `columns` are those of its first table, for what may be missing."""
    before = f"{dialect.quoted(schema)}." if schema else ""
    names = {name: f"{before}{dialect.quoted(name)}" for name in part.reads}
    optional = {name: name if name in columns else "NULL" for name in _OPTIONAL_IN_LEDGER}
    entries = text(part.sql.format_map({**optional, **names})).columns(*map(column, LEDGER_READ)).subquery("entries")
    return _rendered(dialect, {label: entries.c[label] for label in LEDGER_READ}, true())


def setting_statement(dialect: Dialect, schema: str | None, setting: Setting) -> str:
    """`value` of a row in a table of settings."""
    return _texts(dialect, schema, setting.table, {"value": setting.value}, setting.key, setting.name)


def fraction(text: str) -> tuple[int, int] | None:
    """A positive number as numerator and denominator; None where the text is none.

    >>> fraction("500000"), fraction(" 2.5 "), fraction("1e6"), fraction("0"), fraction("many"), fraction("NaN")
    ((500000, 1), (5, 2), (1000000, 1), None, None, None)
    """
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value.as_integer_ratio() if value.is_finite() and value > 0 and abs(value.adjusted()) < 18 else None


def _texts(
    dialect: Dialect, schema: str | None, name: str, read: Mapping[str, str], key: str, equal_to: str | None
) -> str:
    relation = _table(schema, name, (*read.values(), key))
    chosen: ColumnElement[Any] = relation.c[key].is_not(None)
    if equal_to is not None:
        chosen = dialect.as_text(relation.c[key]) == dialect.literal(equal_to)
    return _rendered(dialect, {label: relation.c[item] for label, item in read.items()}, chosen)


def _table(schema: str | None, name: str, columns: Iterable[str]) -> TableClause:
    named: list[ColumnClause[Any]] = [column(_quoted(item)) for item in dict.fromkeys(columns)]
    return table(_quoted(name), *named, schema=_quoted(schema) if schema else None)


def _rendered(dialect: Dialect, read: Mapping[str, ColumnElement[Any] | None], chosen: ColumnElement[Any]) -> str:
    """The columns as text under their labels, None as ''."""
    values = {
        label: dialect.finish_text(None if item is None else dialect.only_text(Cell(item)))
        for label, item in read.items()
    }
    statement = dialect.render(select(*(value.label(label) for label, value in values.items())).where(chosen))
    if not dialect.types_from_rows:
        return statement
    # A driver that knows types only from rows is given one that stands for nothing.
    blank = dialect.spell(dialect.finish_text(None))
    return f"SELECT {', '.join(f'{blank} AS {dialect.quoted(label)}' for label in read)} UNION ALL {statement}"


def _quoted(name: str) -> quoted_name:
    return quoted_name(name, quote=True)
