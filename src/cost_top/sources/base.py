"""What a request log offers its reader: a source that is opened once, and readers that own a connection each.

    source = open_log("gateway.db", None)
    with source.connect() as reader:
        with reader.rows(start, end, details=False) as stream:
            duck.execute(f"CREATE TABLE hot AS {reader.normalise_sql('stream')}")

A stream is an Arrow C stream that DuckDB scans under the name of the local variable; it is read once, and the
reader must not be asked again before its `with` block is left. Whatever fails inside the block because the log
failed leaves it as `SourceError`; what was taken must then be dropped, so take it inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Any, Protocol

from cost_top.model.errors import SourceError


class SourceDenied(SourceError):
    """The log refuses: no permission, or a password that is no longer right. Trying again alone will not help.

    `final`: an HTTP API refused the key, and is not to be asked again and again with it.
    """

    def __init__(self, message: str, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class SourceRefused(SourceError):
    """The source says the question is wrong (400, 404, 422): asking the same again will not help."""


class SourceThrottled(SourceError):
    """The source asks for patience. `wait` is in seconds, None where it named no usable time."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class SourceChanged(SourceError):
    """The log changed under a statement in a way that voids its answer; asking again at once will do."""


@dataclass(frozen=True, slots=True)
class PresetId:
    """Which mapping a source is read with. `version` changes whenever the mapping's figures could."""

    name: str
    version: str  # hash of the mapping and of the columns found in the table


@dataclass(slots=True)
class Statistics:
    """What reading has cost the log since a reader was opened.

    `database_ms` is the time from sending a statement until its last row was taken, ours included.
    `bytes_read` is an estimate: rows taken times the mean width of a row in a sample; a driver tells no more.
    """

    queries: int = 0
    database_ms: float = 0.0
    rows_read: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class DayCount:
    """What the log holds of one UTC day. `check` is opaque: equal figures give equal text, from this preset version.

    It follows the row count, the sums of input and output tokens and the sum of the cost as the log spells them.
    """

    day: date
    row_count: int
    check: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """Names the log keeps beside its rows: `field` of a record is `names[record.by]` where that is known.

    A name found here goes before the one the row itself carries. Texts are clean. `by` may be the field itself
    (a team's id is replaced by its alias).
    """

    field: str
    by: str
    names: Mapping[str, str]


class LogReader(Protocol):
    """One connection to a log, read-only, used only by the thread that opened it (`cancel` apart).

    Every method raises `SourceError` (gone, slow, locked, cancelled) or `SourceDenied`. After either the reader may
    be used again if the log is back; a connection that broke is opened anew by itself.
    Instants given are aware; instants returned are aware and UTC; `TIMESTAMP` columns are naive UTC.
    Periods are half-open; `end` None means everything newer, requests stamped in the future included.
    No period ever holds a row without a usable time; `untimed` counts those.
    """

    statistics: Statistics

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """The raw rows of a period, in no order. `details` False leaves `LogSource.costly` fields unread (NULL)."""

    def rows_at(self, times: Sequence[datetime], details: bool = True) -> AbstractContextManager[Any]:
        """The raw rows at these times (as `time` of a record or fingerprint; naive is UTC), perhaps some more.

        For rows that are new or changed: a few hundred times in one call.
        """

    def normalise_sql(self, relation: str) -> str:
        """The DuckDB SELECT that turns a stream of `rows` or `rows_at` into `model.record.FIELDS`, row for row."""

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """The raw ids, times and changeable figures of a period: cheap columns only."""

    def fingerprint_sql(self, relation: str) -> str:
        """The DuckDB SELECT over a `fingerprints` stream: `id VARCHAR, time TIMESTAMP, fingerprint UBIGINT`.

        The fingerprint is opaque: compare it only with those of an earlier `fingerprints` of the same preset
        version. An id that is new or whose fingerprint changed is to be read again with `rows_at`.
        """

    def newest(self) -> datetime | None:
        """Time of the newest row, from the end of the index; None for an empty log."""

    def oldest(self) -> datetime | None:
        """Time of the oldest row; None for an empty log."""

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """One statement per UTC day in `[start, end)`, sent as the iterator is advanced: throttle by pausing."""

    def untimed(self) -> int:
        """Rows whose time is missing or unusable, at most 10,000: they belong to no period and are only counted."""

    def lookups(self) -> tuple[Lookup, ...]:
        """Names of keys and teams; a few indexed or small tables, meant for every few minutes."""

    def took(self, rows: int) -> None:
        """Tell how many rows were taken from the last stream; the statistics follow it."""

    def cancel(self) -> None:
        """Break off the statement under way, from any thread; it ends as `SourceError`. Harmless otherwise."""

    def close(self) -> None:
        """Release the connection."""

    def __enter__(self) -> LogReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LogSource(Protocol):
    """A request log that was found, recognised and may be read. Opening raises `UserError` for what a user can mend."""

    @property
    def label(self) -> str:
        """For the header: `litellm@prod-db`, `gateway.db`; no secrets."""

    @property
    def identity(self) -> str:
        """Stable hash of where the log is and which table: the cache key. No password goes into it."""

    @property
    def preset(self) -> PresetId:
        """The mapping in use."""

    @property
    def overlap(self) -> timedelta:
        """How late a row may come or change: the stretch to look at again with each poll."""

    @property
    def overlap_share(self) -> float:
        """The share of the time that may go into looking at the overlap again."""

    @property
    def costly(self) -> tuple[str, ...]:
        """Fields that are complete only in rows read with `details`; empty when nothing is costly."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know: one clean line each."""

    def connect(self) -> LogReader:
        """A reader of its own connection, for the calling thread; at most three at a time."""
