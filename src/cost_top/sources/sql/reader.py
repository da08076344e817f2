"""A recognised request log in an SQL database, and its readers: statements from its preset, a connection each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cost_top.gateways.normalise import normalise_select
from cost_top.gateways.packed import PackedForm
from cost_top.gateways.plain_rows import PlainRows
from cost_top.gateways.raw_columns import time_select
from cost_top.gateways.shape import RawShape
from cost_top.gateways.texts import narrow_head
from cost_top.gateways.witnesses import spelled_sum
from cost_top.model.errors import SourceError, SourceReplaced
from cost_top.model.notes import MOST_UNTIMED
from cost_top.sources.base import DayCount, Evidence, LogReader, Lookup, PresetId, ReadsRows, Statistics
from cost_top.sources.shaped import ShapedReader
from cost_top.sources.sql.kept_log import KeptLog
from cost_top.sources.sql.name_texts import read_names
from cost_top.sources.sql.session import NOTHING_WITHHELD, Database, Session, Withheld

if TYPE_CHECKING:
    from cost_top.gateways.columns import LogColumns
    from cost_top.gateways.mapping import LogStatements
    from cost_top.model.budgets import KeptBudgets
    from cost_top.model.ledger import Ledger, LedgerQuery
    from cost_top.sources.sql.names import NameTables
    from cost_top.sources.sql.recognition import Recognised

_SAMPLE_ROWS = 200


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A table as it was when it was opened: which one, its columns and keys as one text, whether time has an index."""

    place: str
    shape: str
    indexed: bool
    notes: tuple[str, ...] = ()  # of other tables that it might have been
    withheld: Withheld = NOTHING_WITHHELD


class SqlLog:
    """`LogSource` over an SQL database."""

    def __init__(
        self, database: Database, kept: KeptLog, found: FoundLog, compiled: Callable[[], Recognised],
    ) -> None:  # fmt: skip
        """`compiled` is asked where more than what is kept is needed."""
        self.found = found
        self.database = database
        self.kept = kept
        self.facts = kept.facts
        self._compiled = compiled
        self._recognised: Recognised | None = None
        self.last_names: tuple[Lookup, ...] = ()  # from a database of their own
        self.row_width: float | None = None  # bytes of a row's texts, once a reader has looked at some

    def __repr__(self) -> str:
        return f"SqlLog({self.label})"

    @property
    def recognised(self) -> Recognised:
        """The log recognised and compiled, as far as that was not kept. May raise what opening it raises."""
        if self._recognised is None:
            self._recognised = self._compiled()
        return self._recognised

    @property
    def statements(self) -> LogStatements:
        """Every statement there is on the log."""
        return self.recognised.statements

    @property
    def columns(self) -> LogColumns:
        """What its statements are compiled from."""
        return self.recognised.statements.columns

    @property
    def names(self) -> NameTables:
        """The tables of names and settings."""
        return self.recognised.names

    @property
    def label(self) -> str:
        """See `LogSource`."""
        return self.database.label(self.facts.preset)

    @property
    def identity(self) -> str:
        """See `LogSource`."""
        where = f"{self.database.identity}|{self.facts.schema or ''}|{self.facts.table}"
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    @property
    def place(self) -> str:
        """See `LogSource`."""
        return self.found.place

    @property
    def preset(self) -> PresetId:
        """See `LogSource`."""
        return PresetId(self.facts.preset, self.facts.version)

    @property
    def overlap(self) -> timedelta:
        """See `LogSource`."""
        return self.facts.overlap

    @property
    def overlap_share(self) -> float:
        """See `LogSource`: the rows that came last are looked at again with each poll in any case."""
        return 0.001

    @property
    def costly(self) -> tuple[str, ...]:
        """See `LogSource`."""
        return self.facts.costly

    @property
    def untold(self) -> frozenset[str]:
        """See `LogSource`."""
        return self.facts.shape.untold

    @property
    def rows_unique(self) -> bool:
        """See `LogSource`."""
        return self.facts.is_unique

    @property
    def indexed(self) -> bool:
        """See `LogSource`."""
        return self.found.indexed

    @property
    def reads_whole(self) -> bool:
        """See `LogSource`."""
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        """See `LogSource`."""
        missing = self.facts.missing
        withheld = self.found.withheld
        lacks = "has no columns for, or none that this user may read" if withheld.columns else "has no columns for"
        notes = [*([f"the log {lacks}: {', '.join(missing)}"] if missing else []), *self.found.notes]
        if withheld.rows:
            notes.append(
                f"row security of {self.facts.table} holds for this user: rows that its policies hide are in no figure"
            )
        if not self.indexed:
            notes.append(
                f"no index of {self.facts.table} serves its time: every look reads the whole table, "
                "so new rows and changes are looked for less often"
            )
        if not self.rows_unique:
            notes.append(
                f"nothing in {self.facts.table} is unique: every row counts, also where an id repeats; "
                "a primary key or a unique index tells a request from its copy"
            )
        return tuple(notes)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the log could not be read and is not in its figures, each with the reason."""
        return ()

    def narrow_rows(self, shape: RawShape, start: datetime, end: datetime | None, packed: bool) -> str:
        """The statement that reads rows for the fields of a narrowed shape."""
        kept = self.kept.texts
        texts = kept if kept.head(narrow_head(shape, packed)) is not None else self.statements
        return texts.narrow_rows(shape, start, end, packed)

    def connect(self) -> SqlLogReader:
        """See `LogSource`."""
        return SqlLogReader(self)


class SqlLogReader(ShapedReader):
    """`LogReader` over an SQL database."""

    def __init__(self, source: SqlLog) -> None:
        self.source = source
        self.statistics = Statistics()
        self.session = Session(source.database, self.statistics)
        self._statements = source.kept.texts
        self._shape = source.facts.shape
        self.plain = PlainRows.of(self._shape)  # see `ReadsPlainRows`
        self.packed = PackedForm(self._shape) if self._shape.packs else None  # see `ReadsPackedRows`

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        return self.session.stream(self._statements.rows(start, end, details))

    def packed_rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """See `ReadsPackedRows`."""
        return self.session.stream(self._statements.packed_rows(start, end, details))

    def narrow_rows(
        self, shape: RawShape, start: datetime, end: datetime | None, packed: bool
    ) -> AbstractContextManager[Any]:  # fmt: skip
        """The raw rows of a period for the fields of a narrowed shape."""
        return self.session.stream(self.source.narrow_rows(shape, start, end, packed))

    def narrowed(self, names: Collection[str]) -> ReadsRows:
        """See `ReadsNarrowRows`."""
        return _Narrow(self, self._shape.narrowed(names))

    def rows_at(self, times: Sequence[datetime], details: bool = True) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        if not times:
            raise ValueError("rows_at needs at least one time")
        return self.session.stream(self._statements.rows_at(times, details))

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """See `LogReader`."""
        return self.session.stream(self._statements.fingerprints(start, end))

    def spelled(self, start: datetime, end: datetime) -> AbstractContextManager[Any] | None:
        """See `SpellsRows`."""
        sql = self._statements.spelled(start, end)
        return self.session.stream(sql) if sql is not None else None

    def spelled_sum(self, relation: str) -> str:
        """See `SpellsRows`."""
        return spelled_sum(relation)

    def digest(self, start: datetime, end: datetime) -> str | None:
        """See `LogReader`."""
        sql = self._statements.digest(start, end)
        if sql is None:
            return None
        count, total = self.session.values(sql)[0]
        return f"{count} {total}"

    def evidence(self) -> Evidence:
        """See `LogReader`."""
        source = self.source
        table = source.facts.table
        evidence, shape = source.database.evidence(self.session, source.facts.schema, table)
        if not shape:
            raise SourceError(f"{source.database.place}: the table {table} is gone")
        if (evidence.place, shape) != (source.found.place, source.found.shape):
            what = "other columns or keys" if evidence.place == source.place else "another file or table"
            raise SourceReplaced(f"{source.database.place}: {table} is {what} now; reading it anew")
        return evidence

    def newest(self) -> datetime | None:
        """See `LogReader`."""
        return self._edge(self._statements.newest())

    def oldest(self) -> datetime | None:
        """See `LogReader`."""
        return self._edge(self._statements.oldest())

    def count(self, start: datetime, end: datetime) -> int | None:
        """See `LogReader`."""
        if not self.source.indexed:
            return None
        return int(self.session.values(self._statements.period_count(start, end))[0][0])

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """See `LogReader`."""
        for offset in range((end - start).days):
            day = start + timedelta(days=offset)
            count, check = self.session.values(self._statements.day_count(day))[0]
            yield DayCount(day, int(count), str(check))

    def untimed(self) -> int:
        """See `LogReader`."""
        return min(int(self.session.values(self._statements.untimed())[0][0]), MOST_UNTIMED)

    def lookups(self) -> tuple[Lookup, ...]:
        """See `LogReader`."""
        keys, kept = dict(self._shape.keys), self.source.kept
        if kept.names_database is None:
            return read_names(self.session, kept.names, keys)
        session = Session(kept.names_database, self.statistics)
        try:
            self.source.last_names = read_names(session, kept.names, keys)
        except SourceError:
            pass  # the log can be read without the names' database: those that were read last hold
        finally:
            session.close()
        return self.source.last_names

    def kept_budgets(self) -> KeptBudgets:
        """The budgets that the gateway itself keeps, from its tables."""
        names = self.source.names
        keys = dict(self._shape.keys)
        if names.database is self.source.database:
            return names.read_budgets(self.session, keys)
        session = Session(names.database, self.statistics)
        try:
            return names.read_budgets(session, keys)
        finally:
            session.close()

    def rolled_up(self, first: date, last: date) -> Mapping[date, int]:
        """LiteLLM's own sums of days."""
        from cost_top.sources.sql.drift import rolled_up

        return rolled_up(self, first, last)

    def ledger(self, query: LedgerQuery) -> Ledger | None:
        """The ledger beside the log: a native log's, or what the gateway's own books say."""
        from cost_top.sources.sql.ledger import read_ledger

        return read_ledger(self, query)

    def took(self, rows: int) -> None:
        """See `LogReader`."""
        width = self.source.row_width
        if width is None:
            width = self.source.row_width = self._sampled_width()
        self.statistics.rows_read += rows
        self.statistics.bytes_read += int(rows * width)

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


class _Narrow:
    """`ReadsRows` of some fields, by a reader's connection."""

    def __init__(self, reader: SqlLogReader, shape: RawShape) -> None:
        self._reader, self._shape = reader, shape
        self.packed = PackedForm(shape) if shape.packs else None  # see `ReadsPackedRows`

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:  # noqa: ARG002
        """See `ReadsRows`; with details in any case."""
        return self._reader.narrow_rows(self._shape, start, end, packed=False)

    def packed_rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:  # noqa: ARG002
        """See `ReadsPackedRows`; with details in any case."""
        return self._reader.narrow_rows(self._shape, start, end, packed=True)

    def taken_sql(self, relation: str) -> str:
        """See `ReadsRows`."""
        return normalise_select(self._shape, relation)

    def took(self, rows: int) -> None:
        """See `ReadsRows`."""
        self._reader.statistics.rows_read += rows
