"""What a preset file may say of tables beside the log: joined ones, names, budgets and ledgers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from cost_top.gateways.preset import JoinedTable, KeptBudgetTable, LedgerPart, LookupTable
from cost_top.gateways.preset_source import some
from cost_top.model.declared import SETTINGS, Name, Rule, Wrong, one_of
from cost_top.model.record import FIELD_NAMES, FIELDS

MAPPED_FIELDS = tuple(name for name in FIELD_NAMES if name not in ("id", "time"))
BUDGETED = (*MAPPED_FIELDS, "organization", "team member")
LOOKUP_FIELDS = tuple(name for name, kind in FIELDS if kind == "VARCHAR" and name != "id")


def _word(value: str) -> str:
    if not re.fullmatch(r"[a-z_]\w*", value):
        raise Wrong("must be a word: SQL calls the table so")
    return value


@dataclass(frozen=True, slots=True)
class JoinEntry:
    """`[[joins]]`."""

    __pydantic_config__ = SETTINGS
    name: Annotated[str, Rule("a word", _word)]
    table: Name
    on: Annotated[Mapping[str, Name], Rule("columns of the table, each with the log's", some)]
    newest: Name
    columns: Annotated[tuple[str, ...], Rule("a list of columns", some)]

    def joined(self) -> JoinedTable:
        """The same as a value."""
        return JoinedTable(self.name, self.table, self.on, self.newest, self.columns)


@dataclass(frozen=True, slots=True)
class LookupEntry:
    """`[[lookups]]`."""

    __pydantic_config__ = SETTINGS
    field: Annotated[str, one_of(LOOKUP_FIELDS)]
    by: Annotated[str, one_of(MAPPED_FIELDS)]
    table: Name
    id: Name
    name: Name
    otherwise: Name | None = None
    values: Mapping[str, Name] = dataclasses.field(default_factory=dict)

    def lookup(self) -> LookupTable:
        """The same as a value."""
        return LookupTable(self.field, self.by, self.table, self.id, self.name, self.otherwise, self.values)


@dataclass(frozen=True, slots=True)
class BudgetEntry:
    """`[[budgets]]`."""

    __pydantic_config__ = SETTINGS
    of: Annotated[str, one_of(BUDGETED)]
    table: Name
    id: Name
    limit: Name
    spent: Name
    name: Name | None = None
    period: Name | None = None
    resets_at: Name | None = None
    limits_table: Name | None = None
    limits_id: Name | None = None
    limits_by: Name | None = None
    period_unit: Name | None = None
    started_at: Name | None = None
    state: Name | None = None
    otherwise: Name | None = None
    within: Name | None = None
    names: Annotated[str, one_of(LOOKUP_FIELDS)] | None = None
    within_names: Annotated[str, one_of(LOOKUP_FIELDS)] | None = None
    raised: Name | None = None
    raised_until: Name | None = None
    raised_in: Name | None = None
    soft: bool = False

    def __post_init__(self) -> None:
        if len({bool(self.limits_table), bool(self.limits_id), bool(self.limits_by)}) > 1:
            raise Wrong("needs limits_table, limits_id and limits_by together")
        if bool(self.raised) != bool(self.raised_until) or (self.raised_in and not self.raised):
            raise Wrong("needs raised and raised_until together")

    def budgets(self) -> KeptBudgetTable:
        """The same as a value."""
        return KeptBudgetTable(
            self.of, self.table, self.id, self.limit, self.spent, self.name, self.period, self.resets_at,
            self.limits_table, self.limits_id, self.limits_by, self.period_unit, self.started_at, self.state,
            self.otherwise, self.within, self.names, self.within_names,
            self.raised, self.raised_until, self.raised_in, self.soft,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerEntryTable:
    """`[[ledger]]`."""

    __pydantic_config__ = SETTINGS
    name: Name
    sql: Name
    reads: Mapping[str, tuple[Name, ...]]
    time_unit: Annotated[str, one_of(("epoch_s", "epoch_ms", "naive_utc"))]

    def part(self) -> LedgerPart:
        """The same as a value."""
        return LedgerPart(self.name, self.sql, self.reads, self.time_unit)
