"""A request log in an SQL database: found, recognised, and read through statements made from its preset."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from cost_top.gateways.columns import LogColumns
from cost_top.gateways.detect import Candidate, recognise
from cost_top.gateways.loader import builtin_presets, load_preset
from cost_top.gateways.mapping import LogStatements
from cost_top.gateways.normalise import fingerprint_select, normalise_select, text_select, time_select
from cost_top.gateways.preset import LookupTable, Preset
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.text import clean
from cost_top.sources.base import DayCount, LogReader, LogSource, Lookup, PresetId, SourceDenied, Statistics
from cost_top.sources.session import Database, Session

_UNTIMED_LIMIT = 10_000
_SAMPLE_ROWS = 200


def open_log(location: str, mapping: Path | str | None = None, *, statement_timeout: float = 60.0) -> LogSource:
    """Find and recognise the log at a database URL or a SQLite file's path.

    `mapping` is a mapping file, or the name of a built-in preset where a database holds several logs.
    `statement_timeout` is in seconds. Raises `UserError` for everything a user can mend; nothing is retried.
    """
    presets = _presets(mapping)
    database = _database(location, statement_timeout)
    session = Session(database, Statistics())
    try:
        return _recognised(database, session, presets, chosen=mapping is not None)
    except SourceError as error:
        raise UserError(f"{error}; check that the log can be reached and read") from None
    finally:
        session.close()


class SqlLog:
    """`LogSource` over an SQL database."""

    def __init__(self, database: Database, statements: LogStatements, lookups: tuple[LookupTable, ...]) -> None:
        self.database = database
        self.statements = statements
        self.columns = statements.columns
        self.lookup_tables = lookups

    def __repr__(self) -> str:
        return f"SqlLog({self.label})"

    @property
    def label(self) -> str:
        """See `LogSource`."""
        return self.database.label(self.columns.preset.name)

    @property
    def identity(self) -> str:
        """See `LogSource`."""
        preset = self.columns.preset
        where = f"{self.database.identity}|{self.columns.schema or ''}|{preset.table}"
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    @property
    def preset(self) -> PresetId:
        """See `LogSource`."""
        return PresetId(self.columns.preset.name, self.columns.version)

    @property
    def overlap(self) -> timedelta:
        """See `LogSource`."""
        return self.columns.preset.overlap

    @property
    def overlap_share(self) -> float:
        """See `LogSource`."""
        return 0.01

    @property
    def costly(self) -> tuple[str, ...]:
        """See `LogSource`."""
        return self.columns.costly

    @property
    def notes(self) -> tuple[str, ...]:
        """See `LogSource`."""
        missing = self.columns.missing
        return (f"the log has no columns for: {', '.join(missing)}",) if missing else ()

    def connect(self) -> SqlLogReader:
        """See `LogSource`."""
        return SqlLogReader(self)


class SqlLogReader:
    """`LogReader` over an SQL database."""

    def __init__(self, source: SqlLog) -> None:
        self.source = source
        self.statistics = Statistics()
        self.session = Session(source.database, self.statistics)
        self._statements = source.statements
        self._shape = source.columns.shape
        self._row_width: float | None = None

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        return self.session.stream(self._statements.rows(start, end, details))

    def rows_at(self, times: Sequence[datetime], details: bool = True) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        if not times:
            raise ValueError("rows_at needs at least one time")
        return self.session.stream(self._statements.rows_at(times, details))

    def normalise_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return normalise_select(self._shape, relation)

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        return self.session.stream(self._statements.fingerprints(start, end))

    def fingerprint_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return fingerprint_select(self._shape, relation)

    def newest(self) -> datetime | None:
        """See `LogReader`."""
        return self._edge(self._statements.newest())

    def oldest(self) -> datetime | None:
        """See `LogReader`."""
        return self._edge(self._statements.oldest())

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """See `LogReader`."""
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            count, check = self.session.values(self._statements.day_count(day))[0]
            yield DayCount(day, int(count), str(check))

    def untimed(self) -> int:
        """See `LogReader`."""
        found = self.session.values(self._statements.untimed(_UNTIMED_LIMIT))[0][0]
        return min(int(found), _UNTIMED_LIMIT)

    def lookups(self) -> tuple[Lookup, ...]:
        """See `LogReader`."""
        names: dict[tuple[str, str], dict[str, str]] = {}
        for table in self.source.lookup_tables:
            known = names.setdefault((table.field, table.by), {})
            try:
                rows = self.session.values(self._statements.lookup(table), text_select(self._shape, ("id", "name")))
            except SourceDenied:
                continue  # names are a comfort; the row's own name or its id is shown instead
            for key, name in rows:
                if key and (shown := clean(name)):
                    known.setdefault(clean(key), shown)
        return tuple(Lookup(field, by, found) for (field, by), found in names.items())

    def took(self, rows: int) -> None:
        """See `LogReader`."""
        if self._row_width is None:
            self._row_width = self._sampled_width()
        self.statistics.rows_read += rows
        self.statistics.bytes_read += int(rows * self._row_width)

    def cancel(self) -> None:
        """See `LogReader`."""
        self.session.cancel()

    def close(self) -> None:
        """See `LogReader`."""
        self.session.close()

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _edge(self, sql: str) -> datetime | None:
        rows = self.session.values(sql, time_select(self._shape.time_kind))
        moment = rows[0][0] if rows else None
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None

    def _sampled_width(self) -> float:
        texts = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in ("id", "time", *self._shape.fields))
        width = f"count(*), coalesce(sum(strlen(concat_ws('', {texts}))), 0)"
        count, size = self.session.values(self._statements.sample(_SAMPLE_ROWS), width)[0]
        return float(size) / count if count else 0.0


def _presets(mapping: Path | str | None) -> tuple[Preset, ...]:
    presets = builtin_presets()
    if mapping is None:
        return presets
    named = tuple(preset for preset in presets if preset.name == str(mapping))
    if named and not Path(mapping).exists():
        return named
    return (load_preset(Path(mapping)),)


def _database(location: str, statement_timeout: float) -> Database:
    scheme, separator, rest = location.partition("://")
    kind = scheme.lower().split("+", 1)[0]
    if separator and kind in ("postgresql", "postgres"):
        from cost_top.sources.postgres import PostgresDatabase

        return PostgresDatabase(location, statement_timeout)
    from cost_top.sources.sqlite import SqliteDatabase

    if separator and kind == "sqlite":
        # As SQLAlchemy writes it: three slashes before a relative path, four before an absolute one.
        return SqliteDatabase(Path(rest.removeprefix("/").split("?", 1)[0]))
    if separator:
        raise UserError(
            f"{one_line(scheme, 30)}:// is no database cost-top reads; give postgresql://…, sqlite:///… or the path "
            "of a SQLite file"
        )
    return SqliteDatabase(Path(location))


def _recognised(database: Database, session: Session, presets: tuple[Preset, ...], chosen: bool) -> SqlLog:
    session.open()
    wanted = {preset.table for preset in presets} | {item.table for preset in presets for item in preset.lookups}
    tables = database.tables(session, wanted)
    candidates = recognise(presets, tables, database.name)
    if not candidates:
        raise _unrecognised(database, presets, {table.name: set(table.columns) for table in tables}, chosen)
    candidate = _only(database, candidates)
    spelling = database.spelling(session)
    statements = LogStatements(LogColumns(candidate.preset, candidate.columns, spelling, candidate.schema))
    _probe(session, statements)
    if not database.read_only(session):
        raise UserError(f"{database.place}: the session is not read-only; connect to the database itself, not a pooler")
    readable = {table.name: table.columns for table in tables if table.schema == candidate.schema}
    lookups = tuple(
        item for item in candidate.preset.lookups if {item.id, item.name} <= set(readable.get(item.table, ()))
    )
    return SqlLog(database, statements, lookups)


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
    tables = ", ".join(preset.table for preset in presets)
    return UserError(
        f"{database.place}: holds no request log that cost-top knows (looked for {tables}); "
        "map your own table with --mapping FILE"
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
            except SourceError as error:
                raise UserError(f"mapping {statements.columns.preset.origin}: fields.{name}: {error}") from None
