"""Rows that are requests, rows that are only money and rows that give money back, by the value of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cost_top.gateways.preset import DATABASES, Expression, Preset, RowKinds
from cost_top.model.errors import UserError

# Money that a refund takes back: a positive amount there, a negative one here.
_SIGNED = ("reported_cost", "reported_market_cost")


def with_row_kinds(preset: Preset, kinds: RowKinds) -> Preset:
    """The preset with its rows chosen, its refunds taken back and its requests told from mere money."""
    column = _quoted(kinds.column)
    every = (*kinds.requests, *kinds.money, *kinds.refunds)
    fields = dict(preset.fields)
    if kinds.refunds:
        refunded = f"{column} IN ({_listed(kinds.refunds)})"
        for name in _SIGNED:
            if name in fields:
                fields[name] = tuple(_signed(preset, item, refunded, kinds.column) for item in fields[name])
    if kinds.money or kinds.refunds:
        counted = f"{column} IN ({_listed(kinds.requests)})" if kinds.requests else "1 = 0"
        fields["counted"] = _both(counted, fields.get("counted", ()), kinds.column)
    chosen = f"{column} IN ({_listed(every)})"
    given = preset.row_filter
    both = {
        database: f"{chosen} AND ({given.sql[database]})" if given and database in given.sql else chosen
        for database in DATABASES
    }
    needs = (kinds.column, *(given.needs if given else ()))
    return replace(preset, fields=fields, row_filter=Expression(sql=both, needs=needs))


def _signed(preset: Preset, item: Expression, refunded: str, column: str) -> Expression:
    if item.column and not item.path:
        sql = dict.fromkeys(DATABASES, _quoted(item.column))
        needs: tuple[str, ...] = (item.column, column)
    elif item.sql:
        sql, needs = dict(item.sql), (*item.needs, column)
    else:
        raise UserError(f"mapping {preset.origin}: rows.refunds needs a cost that is a column or sql")
    signed = {database: f"CASE WHEN {refunded} THEN -({text}) ELSE {text} END" for database, text in sql.items()}
    typed = item.typed or preset.cost_unit != "usd"
    return Expression(sql=signed, needs=needs, costly=item.costly, typed=typed)


def _both(counted: str, given: Sequence[Expression], column: str) -> tuple[Expression, ...]:
    plain = Expression(sql=dict.fromkeys(DATABASES, counted), needs=(column,), typed=True)
    both = [
        Expression(
            sql={database: f"{counted} AND ({text})" for database, text in item.sql.items()},
            needs=(*item.needs, column), costly=item.costly, typed=True,
        )
        for item in given
        if item.sql
    ]  # fmt: skip
    return (*both, plain)


def _listed(values: Sequence[int | str]) -> str:
    return ", ".join(str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
