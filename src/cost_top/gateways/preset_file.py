"""What a preset file may say: one class for each table of it, read and checked by `model.toml_file`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from cost_top.gateways.preset import (
    CLICKHOUSE,
    COST_UNITS,
    DATABASES,
    TIME_UNITS,
    Expression,
    Preset,
    RowKinds,
    Setting,
)
from cost_top.gateways.preset_beside import MAPPED_FIELDS, BudgetEntry, JoinEntry, LedgerEntryTable, LookupEntry
from cost_top.gateways.preset_source import (
    WANTED,
    Alternatives,
    Source,
    Sql,
    alternatives_of,
    expression_of,
    some,
)
from cost_top.gateways.row_kinds import with_row_kinds
from cost_top.model.declared import SETTINGS, Name, Rule, Wrong, keys_among, one_of, within
from cost_top.model.record import FIELDS


@dataclass(frozen=True, slots=True)
class TimeTable:
    """`[time]`."""

    __pydantic_config__ = SETTINGS
    unit: Annotated[str, one_of(TIME_UNITS)]
    column: Name | None = None
    sql: Sql | None = None  # instead of a column
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.column is None) == (self.sql is None):
            raise Wrong("must have exactly one of column, sql")
        if self.sql is not None and self.unit in ("epoch_any", "declared"):
            raise Wrong(f"an expression has one unit; {self.unit} is for a column", "unit")

    def expression(self) -> Expression | None:
        """The time as SQL, where it is."""
        return None if self.sql is None else Source(sql=self.sql, needs=self.needs).expression()


@dataclass(frozen=True, slots=True)
class DivisorTable:
    """`divisor = {…}` of `[cost]`: where the gateway keeps the number."""

    __pydantic_config__ = SETTINGS
    table: Name
    key: Name  # the column of the settings' names
    is_: Name  # the name of the setting
    value: Name  # the column of the settings' values
    default: Annotated[int, within(1, 10**15)] | None = None  # without one the log is not read where it is missing

    def setting(self) -> Setting:
        """The same as a value."""
        default = None if self.default is None else (self.default, 1)
        return Setting(self.table, self.key, self.is_, self.value, default)


@dataclass(frozen=True, slots=True)
class CostTable:
    """`[cost]`."""

    __pydantic_config__ = SETTINGS
    unit: Annotated[str, one_of(tuple(COST_UNITS))] = "usd"
    divisor: Annotated[int | DivisorTable, Rule("a whole number of points per dollar, or where it is kept")] = 1
    per_usd: Annotated[int, within(1, 10**15)] | None = None  # another word for a divisor that is a number

    def __post_init__(self) -> None:
        if self.per_usd is not None:
            if self.divisor not in (1, self.per_usd):
                raise Wrong("says another number than divisor; give one of them", "per_usd")
            object.__setattr__(self, "divisor", self.per_usd)
        least = self.divisor if isinstance(self.divisor, int) else 2
        if least < 1 or (least != 1 and self.unit != "points"):
            raise Wrong("must be a whole number of points per dollar, with unit = 'points'", "divisor")

    @property
    def setting(self) -> Setting | None:
        """Where the log keeps the divisor."""
        return None if isinstance(self.divisor, int) else self.divisor.setting()

    @property
    def fraction(self) -> tuple[int, int]:
        """The divisor as far as the file knows it."""
        if isinstance(self.divisor, int):
            return self.divisor, 1
        return self.divisor.default or 1, 1


@dataclass(frozen=True, slots=True)
class TagsTable:
    """`[tags]`."""

    __pydantic_config__ = SETTINGS
    user_agent_prefix: Name | None = None


_Values = tuple[Annotated[str | int, Rule("a number or a text")], ...]


@dataclass(frozen=True, slots=True)
class RowsTable:
    """`[rows]`."""

    __pydantic_config__ = SETTINGS
    column: Name
    requests: _Values = ()
    money: _Values = ()
    refunds: _Values = ()

    def __post_init__(self) -> None:
        if not (self.requests or self.money or self.refunds):
            raise Wrong("needs requests, money or refunds: no row would be left")

    def kinds(self) -> RowKinds:
        """The same as a value."""
        return RowKinds(self.column, self.requests, self.money, self.refunds)


@dataclass(frozen=True, slots=True)
class PresetFile:
    """The whole file."""

    __pydantic_config__ = SETTINGS
    name: Name
    table: Name
    id: Alternatives
    time: TimeTable
    schema: Name | None = None
    databases: tuple[Annotated[str, one_of(DATABASES)], ...] = ()
    recognised_by: tuple[str, ...] = ()
    recognised_without: tuple[str, ...] = ()
    filter: Annotated[str | Source, Rule("SQL, or {sql = …}", some)] | None = None
    overlap_seconds: Annotated[int, within(1, 86400, "seconds")] = 300
    input_includes_cache: Annotated[bool | str | Source, Rule(f"true, false or {WANTED}")] = True
    never: tuple[str, ...] = ()
    also_reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # tables of an sql: their columns
    cost: CostTable = CostTable()
    tags: TagsTable = TagsTable()
    rows: RowsTable | None = None
    fields: Annotated[Mapping[str, Alternatives], keys_among(MAPPED_FIELDS)] = field(default_factory=dict)
    joins: tuple[JoinEntry, ...] = ()
    instead_of: Name | None = None
    lookups: tuple[LookupEntry, ...] = ()
    budgets: tuple[BudgetEntry, ...] = ()
    ledger: tuple[LedgerEntryTable, ...] = ()
    hints: Mapping[str, Name] = field(default_factory=dict)
    advice: Mapping[str, Name] = field(default_factory=dict)
    cannot_tell: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        if self.joins and self.databases != (CLICKHOUSE,):
            raise Wrong('are for databases = ["clickhouse"]; elsewhere a subquery in the sql does it', "joins")
        words = {column: re.compile(rf"(?<![\w]){re.escape(column)}(?![\w])") for column in self.never}
        for keys, expression in self._expressions():
            columns, statements = set(expression.columns), set(expression.sql.values())
            for column, word in words.items():
                if column in columns or any(word.search(sql) for sql in statements):
                    raise Wrong(f"reads the column {column!r}, which is listed under never", *keys)
            if expression.secret and (keys[0] != "fields" or dict(FIELDS)[keys[-1]] != "VARCHAR"):
                raise Wrong("holds no text of its own, so it cannot be secret", *keys)

    def _expressions(self) -> Iterator[tuple[tuple[str, ...], Expression]]:
        yield from ((("id",), expression) for expression in alternatives_of(self.id))
        time = self.time.expression()
        if time is not None:
            yield ("time", "sql"), time
        for joined in self.joins:
            for column in (*joined.on.values(), *joined.columns):
                yield ("joins",), Expression(column=column)
        for each in self.lookups:
            for column in filter(None, (each.id, each.name, each.otherwise)):
                yield ("lookups",), Expression(column=column)
        for name, given in self.fields.items():
            yield from ((("fields", name), expression) for expression in alternatives_of(given))
        if self.filter is not None:
            yield ("filter",), self._row_filter(self.filter)
        if not isinstance(self.input_includes_cache, bool):
            yield ("input_includes_cache",), expression_of(self.input_includes_cache)

    @staticmethod
    def _row_filter(given: str | Source) -> Expression:
        return Expression(sql=dict.fromkeys(DATABASES, given)) if isinstance(given, str) else given.expression()

    def preset(self, origin: str) -> Preset:
        """The preset; `origin` is the file it came from."""
        includes = self.input_includes_cache
        found = Preset(
            name=self.name,
            origin=origin,
            table=self.table,
            ids=alternatives_of(self.id),
            time_column=self.time.column or "",
            time_sql=self.time.expression(),
            time_unit=self.time.unit,
            fields={name: alternatives_of(given) for name, given in self.fields.items()},
            schema=self.schema,
            databases=self.databases or DATABASES,
            recognised_by=self.recognised_by,
            recognised_without=self.recognised_without,
            row_filter=None if self.filter is None else self._row_filter(self.filter),
            overlap=timedelta(seconds=self.overlap_seconds),
            cost_unit=self.cost.unit,
            cost_divisor=self.cost.fraction,
            cost_setting=self.cost.setting,
            input_includes_cache=includes if isinstance(includes, bool) else expression_of(includes),
            user_agent_tag=self.tags.user_agent_prefix,
            never=self.never,
            also_reads={**self.also_reads, **{j.table: (*j.on, j.newest, *j.columns) for j in self.joins}},
            joins=tuple(each.joined() for each in self.joins),
            instead_of=self.instead_of,
            lookups=tuple(each.lookup() for each in self.lookups),
            budgets=tuple(each.budgets() for each in self.budgets),
            ledger=tuple(each.part() for each in self.ledger),
            hints=self.hints,
            advice=self.advice,
            cannot_tell=self.cannot_tell,
        )
        return found if self.rows is None else with_row_kinds(found, self.rows.kinds())
