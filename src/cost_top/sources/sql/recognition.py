"""How a log is found among the tables of a database, and what its statements are compiled from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from cost_top.gateways.columns import LogColumns
from cost_top.gateways.detect import Candidate, FoundTable, UniqueKey, recognise
from cost_top.gateways.dialects.base import Dialect
from cost_top.gateways.fitted import without_unreadable
from cost_top.gateways.loader import builtin_presets, builtin_tables
from cost_top.gateways.mapping import LogStatements
from cost_top.gateways.preset import Preset
from cost_top.gateways.raw_columns import time_select
from cost_top.model.errors import SourceDenied, SourceError, UserError
from cost_top.sources.sql.names import (
    NameTables,
    beside_tables,
    name_tables,
    open_names,
    setting_question,
    with_setting,
)  # fmt: skip
from cost_top.sources.sql.session import Database, Session

_BEHIND = timedelta(hours=1)
_TABLE = "table "  # in front of the name of a table, a key of `Preset.advice`


@dataclass(frozen=True, slots=True)
class Choice:
    """The presets that a log may be read with. Those whose tables are not there need not be parsed."""

    tables: frozenset[str]  # of their logs
    presets: Callable[[Collection[str] | None], tuple[Preset, ...]]  # those for some tables; None: all of them

    @classmethod
    def ours(cls, table: str | None = None) -> Choice:
        """Those that come with cost-top, or of them those for one table."""
        tables = builtin_tables() if table is None else frozenset((table,))
        return cls(tables, lambda wanted: builtin_presets(tables if wanted is None else tables.intersection(wanted)))

    @classmethod
    def of(cls, *presets: Preset) -> Choice:
        """These."""
        return cls(
            frozenset(preset.table for preset in presets),
            lambda wanted: tuple(preset for preset in presets if wanted is None or preset.table in wanted),
        )


@dataclass(frozen=True, slots=True)
class Recognised:
    """A log that was found, and what of the database's catalog decided which."""

    statements: LogStatements
    names: NameTables
    notes: tuple[str, ...]  # of other tables that it might have been
    wanted: frozenset[str]  # the tables that were looked for
    tables: tuple[FoundTable, ...]
    keys: tuple[UniqueKey, ...]
    setting: tuple[str, str] | None  # what asks for the gateway's own setting
    is_only: bool  # no row decided between two tables


def recognised(
    database: Database, session: Session, choice: Choice, beside: Database | None, chosen: bool
) -> Recognised:
    """The one log of a choice of presets; `chosen` when a user named the preset. `UserError`, `SourceError`."""
    session.open()
    tables = database.tables(session, set(choice.tables))
    candidates = recognise(choice.presets({table.name for table in tables}), tables, database.name)
    if not candidates:
        forbidden = getattr(database, "forbidden", lambda *_: ())(session, set(choice.tables))
        if forbidden:
            raise UserError(
                f"{database.place}: no right to read {', '.join(forbidden)}; "
                "GRANT USAGE on its schema and SELECT on the table to this user"
            )
        presets = choice.presets(None)
        found = {table.name: set(table.columns) for table in tables}
        raise _before_its_log(database, session, presets) or _unrecognised(database, presets, found, chosen)
    spelling = database.spelling(session)
    is_only = len(candidates) == 1
    candidates, others = _written(session, spelling, candidates)
    candidate = _only(database, candidates)
    if more := beside_tables(candidate.preset) - choice.tables:
        tables += database.tables(session, more)
    fitting = without_unreadable(candidate.preset, tables, candidate.schema)
    if beside is None:
        preset = with_setting(session, spelling, candidate.schema, fitting, tables)
        names = name_tables(database, spelling, candidate.schema, preset, tables)
    else:
        names, preset = open_names(beside, fitting)
    keys = tuple(database.keys(session, candidate.schema, preset.table))
    statements = LogStatements(LogColumns(preset, candidate.columns, spelling, candidate.schema, keys))
    _probe(session, statements)
    setting = setting_question(spelling, candidate.schema, fitting, tables)
    return Recognised(
        statements, names, others, choice.tables | more, tuple(tables), keys, setting, is_only and beside is None
    )


def _written(
    session: Session, spelling: Dialect, candidates: list[Candidate]
) -> tuple[list[Candidate], tuple[str, ...]]:  # fmt: skip
    """Without those tables of a gateway that it no longer writes, or not yet: of two the one with the newer rows.

    With a note of each other table that holds rows as well.
    """
    left, notes = list(candidates), []
    for candidate in candidates:
        for older in candidates:
            if older.preset.name != candidate.preset.instead_of or older.schema != candidate.schema:
                continue
            newest, before = _newest(session, spelling, candidate), _newest(session, spelling, older)
            # Where both are written the newer table may be behind a little.
            is_written = before is None or (newest is not None and newest > before - _BEHIND)
            other, until = (older, before) if is_written else (candidate, newest)
            left.remove(other)
            if until is not None:
                table = other.preset.table
                notes.append(f"{table} has rows as well, until {until:%Y-%m-%d %H:%M} UTC: they are in no figure")
    return left, tuple(notes)


def _newest(session: Session, spelling: Dialect, candidate: Candidate) -> datetime | None:
    statements = LogStatements(LogColumns(candidate.preset, candidate.columns, spelling, candidate.schema))
    rows = session.values(statements.newest(), time_select(statements.columns.shape.time_kind))
    return rows[0][0] if rows else None


def _only(database: Database, candidates: list[Candidate]) -> Candidate:
    names = sorted({candidate.preset.name for candidate in candidates})
    if len(names) > 1:
        held = ", ".join(f"{candidate.preset.name} ({candidate.preset.table})" for candidate in candidates)
        raise UserError(f"{database.place}: holds several logs: {held}; choose one with --mapping {names[0]}")
    if len(candidates) > 1:
        schemas = ", ".join(sorted(candidate.schema or "" for candidate in candidates))
        raise UserError(
            f"{database.place}: holds {candidates[0].preset.table} in several schemas: {schemas}; "
            "choose one with ?schema=NAME at the end of the URL"
        )
    return candidates[0]


def _before_its_log(database: Database, session: Session, presets: tuple[Preset, ...]) -> UserError | None:
    """What to say of a gateway's database from before it had a log, known by another table of its."""
    told = {
        key.removeprefix(_TABLE): words
        for preset in presets
        for key, words in preset.advice.items()
        if key.startswith(_TABLE)
    }
    held = sorted(table.name for table in database.tables(session, set(told))) if told else []
    return UserError(f"{database.place}: holds no request log: {told[held[0]]}") if held else None


def _unrecognised(
    database: Database, presets: tuple[Preset, ...], found: dict[str, set[str]], chosen: bool
) -> UserError:
    """What to say; `found` holds the columns of the tables that carry a preset's name."""
    for preset in presets:
        if chosen and database.name not in preset.databases:
            return UserError(f"mapping {preset.origin}: is for {', '.join(preset.databases)}, not for {database.name}")
        if preset.table in found:
            lacking = ", ".join(name for name in preset.recognised_by if name not in found[preset.table])
            return UserError(
                f"{database.place}: the table {preset.table} lacks columns that a {preset.name} log has: {lacking}; "
                "map it with --mapping FILE, or GRANT SELECT on it"
            )
    tables = ", ".join(dict.fromkeys(preset.table for preset in presets))
    schema: str | None = getattr(database, "schema", None)
    where, remedy = (f" in the schema {schema}", "give another ?schema=NAME, or ") if schema else ("", "")
    return UserError(
        f"{database.place}: holds no request log that cost-top knows{where} (looked for {tables}); "
        f"{remedy}map your own table with --mapping FILE"
    )


def _probe(session: Session, statements: LogStatements) -> None:
    """Run what a mapping wrote as SQL once over no rows, so that a mistake is named now."""
    for name in statements.columns.mapped:
        for item in statements.columns.alternatives(name):
            sql = statements.expression_probe(name, item)
            if sql is None:
                continue
            try:
                session.values(sql)
            except SourceDenied:
                raise
            except SourceError as error:
                raise UserError(f"mapping {statements.columns.preset.origin}: fields.{name}: {error}") from None
