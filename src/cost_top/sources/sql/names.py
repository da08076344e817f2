"""Names and settings that a gateway keeps beside its log, in the same database or in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cost_top.gateways.beside import KEPT, budget_statement, fraction, lookup_statement, setting_statement
from cost_top.gateways.detect import FoundTable
from cost_top.gateways.dialects.base import Dialect
from cost_top.gateways.preset import KeptBudgetTable, LookupTable, Preset
from cost_top.gateways.raw_columns import text_select
from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.sources.base import Statistics
from cost_top.sources.sql.kept_budget import kept_budget
from cost_top.sources.sql.name_texts import NameText, read_names
from cost_top.sources.sql.session import Database, Session


@dataclass(frozen=True, slots=True)
class NameTables:
    """Where names are: the tables that may be read, of a database that may be the log's own."""

    database: Database
    dialect: Dialect
    schema: str | None
    tables: tuple[LookupTable, ...]
    budgets: tuple[KeptBudgetTable, ...] = ()
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # declared types, by table and column

    def read_budgets(self, session: Session, keys: Mapping[str, str]) -> KeptBudgets:
        """The budgets the gateway keeps itself, as far as its tables can be read."""
        columns = text_select(self.dialect, KEPT)
        found: list[KeptBudget] = []
        missing = []
        for table in self.budgets:
            try:
                sql = budget_statement(self.dialect, self.schema, table, self.kinds.get(table.table, {}))
                rows = session.values(sql, columns)
            except SourceError as error:
                missing.append(f"budgets of {table.table} are not known: {one_line(error)}")
                continue
            # A limit of its own goes before one that it shares.
            known = {_whose(one) for one in found} if table.limits_table else set()
            read = (kept_budget(table, row, keys.get(table.of)) for row in rows)
            new = [one for one in read if one is not None and _whose(one) not in known]
            found += self._named(session, keys, table, new)
        return KeptBudgets(tuple(found), tuple(missing))

    def _named(
        self, session: Session, keys: Mapping[str, str], table: KeptBudgetTable, budgets: list[KeptBudget]
    ) -> list[KeptBudget]:  # fmt: skip
        """The budgets of a table that has ids alone, by the names that other tables have."""
        if not budgets or not (table.names or table.within_names):
            return budgets
        naming = [text for text in self.texts if text.field in (table.names, table.within_names)]
        names = {one.field: one.names for one in read_names(session, naming, keys)}
        own, around = names.get(table.names or "", {}), names.get(table.within_names or "", {})
        return [
            replace(one, name=one.name or own.get(one.value), within_name=around.get(one.within or ""))
            for one in budgets
        ]

    @property
    def texts(self) -> tuple[NameText, ...]:
        """How names are read."""
        columns = text_select(self.dialect, ("id", "name", "otherwise"))
        return tuple(
            NameText(table.field, table.by, table.values or {}, bool(table.otherwise),
                     lookup_statement(self.dialect, self.schema, table), columns)
            for table in self.tables
        )  # fmt: skip


def _whose(kept: KeptBudget) -> tuple[str, str, str | None, bool]:
    return kept.of, kept.value, kept.within, kept.is_soft


def name_tables(
    database: Database, dialect: Dialect, schema: str | None, preset: Preset, found: list[FoundTable]
) -> NameTables:
    """The preset's tables of names among those found."""
    readable = {table.name: table.columns for table in found if table.schema == schema}
    wanted = tuple(
        replace(item, otherwise=item.otherwise if item.otherwise in readable[item.table] else None)
        for item in preset.lookups
        if {item.id, item.name} <= set(readable.get(item.table, ()))
    )

    def is_readable(kept: KeptBudgetTable) -> bool:
        limits = kept.limits_table is None or set(kept.limit_columns) <= set(readable.get(kept.limits_table, ()))
        return limits and set(kept.own_columns) <= set(readable.get(kept.table, ()))

    kept = tuple(
        next(form for form in (each, each.without_rises()) if is_readable(form))
        for each in preset.budgets
        if is_readable(each.without_rises())
    )
    return NameTables(database, dialect, schema, wanted, kept, readable)


def beside_tables(preset: Preset) -> set[str]:
    """The tables a preset reads beside the log."""
    setting = {preset.cost_setting.table} if preset.cost_setting else set()
    named = {item.table for item in preset.lookups}
    named |= {table for item in preset.budgets for table in (item.table, item.limits_table) if table}
    return named | setting | set(preset.also_reads)


def open_names(database: Database, preset: Preset) -> tuple[NameTables, Preset]:
    """The names and settings kept in a database of their own; the preset with those settings."""
    session = Session(database, Statistics())
    try:
        session.open()
        found = database.tables(session, beside_tables(preset))
        dialect = database.spelling(session)
        schemas = [table.schema for table in found]
        schema = schemas[0] if schemas else None
        return (
            name_tables(database, dialect, schema, preset, found),
            with_setting(session, dialect, schema, preset, found),
        )
    except SourceError as error:
        raise UserError(f"{error}; check names_url") from None
    finally:
        session.close()


def setting_question(
    dialect: Dialect, schema: str | None, preset: Preset, found: list[FoundTable]
) -> tuple[str, str] | None:
    """What asks the gateway's own table for its setting, as `Session.values` takes it; None where it has none."""
    setting = preset.cost_setting
    if setting is None:
        return None
    columns = {table.name: table.columns for table in found if table.schema == schema}.get(setting.table, {})
    if not {setting.key, setting.value} <= set(columns):
        return None
    return setting_statement(dialect, schema, setting), text_select(dialect, ("value",))


def with_setting(
    session: Session, dialect: Dialect, schema: str | None, preset: Preset, found: list[FoundTable]
) -> Preset:
    """The preset with the divisor that the gateway's own table of settings gives."""
    setting = preset.cost_setting
    if setting is None:
        return preset
    question = setting_question(dialect, schema, preset, found)
    if question is not None:
        rows = session.values(*question)
        values = [fraction(text) for (text,) in rows if text]
        if values and values[0]:
            return replace(preset, cost_divisor=values[0])
        if values:
            raise UserError(
                f"{session.database.place}: {setting.name} in {setting.table} is no positive number; "
                "give cost.divisor in a mapping file"
            )
    if setting.default is None:
        raise UserError(
            f"{session.database.place}: {setting.table} has no {setting.name} that may be read; GRANT SELECT on it, "
            "or give cost.divisor in a mapping file"
        )
    return preset
