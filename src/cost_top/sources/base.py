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

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cost_top.model.budgets import KeptBudgets


# The share of a log's time that may go into comparing its costly columns.
COSTLY_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class PresetId:
    """Which mapping a source is read with. `version` changes whenever the mapping's figures could."""

    name: str
    version: str  # hash of the mapping and of the columns found in the table


@dataclass(slots=True)
class Statistics:
    """What reading has cost the log since a reader was opened.

    `database_ms` is the time from sending a statement until its last row was taken, ours included, without the time
    on the way that a statement takes which asks nothing.
    `bytes_read` is an estimate: rows taken times the mean width of a row in a sample; a driver tells no more.
    """

    queries: int = 0
    database_ms: float = 0.0
    rows_read: int = 0
    bytes_read: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a log says of itself without a row being read. All texts are opaque and compared for equality only.

    `place` is the very file or table behind the name. `changes` stays equal while no row is changed or removed, and
    `inserts` while none is added; None where the database cannot tell (a standby, a view, a write just now).
    """

    place: str
    changes: str | None = None
    inserts: str | None = None
    at_once: bool = False  # it follows a write at once, not seconds later

    @property
    def text(self) -> str | None:
        """Equal as long as nothing at all is written; None where that cannot be told."""
        return None if self.changes is None or self.inserts is None else f"{self.changes}|{self.inserts}"


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


@runtime_checkable
class KeepsBudgets(Protocol):
    """A reader of a log, or a report API, whose gateway keeps budgets itself."""

    def kept_budgets(self) -> KeptBudgets:
        """Those that may be read, empty where there are none, and which could not be. May raise `SourceError`."""


@runtime_checkable
class KeepsRollups(Protocol):
    """A reader of a log whose gateway may add up its days in tables of their own."""

    def rolled_up(self, first: date, last: date) -> Mapping[date, int]:
        """What they say was spent on each UTC day of `[first, last)`, pico-dollars; empty where there are none.

        Raises `SourceError`.
        """


class PlainForm(Protocol):
    """The normal form of rows that need no cleaning, without a statement."""

    def select(self, relation: str) -> str:
        """The DuckDB SELECT over a stream of `rows` whose rows `read` takes."""

    def packed_select(self, relation: str) -> str:
        """The same over a stream of `packed_rows`."""

    def fingerprints(self, relation: str) -> str:
        """The DuckDB SELECT over a stream of `fingerprints`: raw id, raw time, and `fingerprint`."""

    def packed_fingerprints(self, relation: str) -> str | None:
        """The same over a stream of `packed_rows`; None where fingerprints are to be had for less."""

    def fingerprint(self, values: Sequence[Any]) -> int:
        """The fingerprint of a row of `select` or `packed_select`, whose first values are raw id and raw time."""

    def time(self, raw: Any) -> datetime:
        """A raw time, naive UTC."""

    def key(self, raw: Any) -> str | None:
        """The key of a raw id; None of one that is not plain."""

    def read(self, rows: Sequence[Sequence[Any]], packed: bool = False) -> list[dict[str, Any]] | None:
        """Rows of `select` or `packed_select` as `LogReader.taken_sql` gives them, by name.

        None where one of them has to go there.
        """


@runtime_checkable
class ReadsPlainRows(Protocol):
    """A reader of a log whose rows are mostly plain. `key` is the id there, and unique."""

    @property
    def plain(self) -> PlainForm | None:
        """None where they never are."""


class PackedForm(Protocol):
    """The DuckDB SELECTs over a packed stream of rows: texts that go together come in one column.

    `values` is a table of `values_select`, `relation` one of `real_select`; see `gateways.packed`.
    """

    @property
    def packs(self) -> tuple[tuple[str, ...], ...]:
        """The fields of each pack."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The packed fields that are texts."""

    @property
    def absent(self) -> tuple[str, ...]:
        """Text fields that no row has."""

    def real_select(self, relation: str) -> str:
        """The raw rows of a stream."""

    def values_select(self, relation: str) -> str:
        """The distinct packs of raw rows: `place, pack, parts, texts`; what a pack was made of, and its fields."""

    def odd_select(self, relation: str, values: str) -> str:
        """One number: of what only `LogReader.taken_sql` reads."""

    def pack_select(self, place: int, values: str, kinds: Mapping[str, str], unknown: Collection[str] = ()) -> str:
        """The packs of a place with their fields as columns, each of a kind of its own where `kinds` has one.

        Those that are `unknown` in every row are left out.
        """

    def bounds_select(self, relation: str, packs: Sequence[str], unknown: Collection[str]) -> str:
        """One row: the first and the last time, and the most input tokens in all, as requests are priced."""

    def tags_select(self, relation: str) -> str | None:
        """The distinct raw texts of tags with `all_tags` and `final_tags`; None of a log without."""

    def witnesses_select(self, relation: str) -> str:
        """`time, fingerprint, content` of `LogReader.taken_sql`."""

    def rows_select(
        self, relation: str, packs: Collection[str], tags: str, alike: Collection[int], absent: Mapping[str, str],
        unknown: Mapping[str, str], beside: Collection[str] = (),
    ) -> str:  # fmt: skip
        """What `LogReader.normalise_sql` gives, by a table for each pack and one of tags.

        `alike` packs are all rows' the same; `absent` has other types for fields that no row of the log has, `unknown`
        the types of those that none of these rows has. Columns `beside` the fields of the packs' tables are kept.
        """


class ReadsRows(Protocol):
    """The part of a `LogReader` that reads rows in full, or for some of their fields."""

    def rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """The raw rows of a period, in no order. `details` False leaves `LogSource.costly` fields unread (NULL)."""

    def taken_sql(self, relation: str) -> str:
        """As `normalise_sql`, and beside the fields `key VARCHAR, fingerprint BIGINT, content BIGINT`.

        `key` tells rows apart as the table's own key does. `fingerprint` follows every shown or priced column that is
        cheap, and is equal in every stream of a row; `content` follows the costly ones too, where `details` were read.
        All are opaque: compare them only with those of the same preset version. Of rows that are read for some of
        their fields there are those fields alone.
        """

    def took(self, rows: int) -> None:
        """Tell how many rows were taken from the last stream; the statistics follow it."""


@runtime_checkable
class ReadsNarrowRows(Protocol):
    """A reader of a log that can be asked for some fields of its rows alone."""

    def narrowed(self, names: Collection[str]) -> ReadsRows:
        """The same connection, for fields of `model.record` without `id`."""


@runtime_checkable
class ReadsPackedRows(Protocol):
    """A reader of a log whose rows may come packed, which many rows do at a fraction of the work."""

    @property
    def packed(self) -> PackedForm | None:
        """None where they never do."""

    def packed_rows(self, start: datetime, end: datetime | None, details: bool) -> AbstractContextManager[Any]:
        """As `LogReader.rows`, packed."""


@runtime_checkable
class SpellsRows(Protocol):
    """A reader of a log that can tell whether a period changed for less than its fingerprints."""

    def spelled(self, start: datetime, end: datetime) -> AbstractContextManager[Any] | None:
        """The cheap columns of a period's rows as the log spells them; None where the log does not."""

    def spelled_sum(self, relation: str) -> str:
        """The DuckDB SELECT over that stream: `n`, the count of rows, and `digest`, which follows their changes.

        Compare it only with those of the same preset version; equal rows may give another one after an update of ours.
        """


class LogReader(ReadsRows, Protocol):
    """One connection to a log, read-only, used only by the thread that opened it (`cancel` apart).

    Every method raises `SourceError` (gone, slow, locked, cancelled) or `SourceDenied`. After either the reader may
    be used again if the log is back; a connection that broke is opened anew by itself.
    Instants given are aware; instants returned are aware and UTC; `TIMESTAMP` columns are naive UTC.
    Periods are half-open; `end` None means everything newer, requests stamped in the future included.
    No period ever holds a row without a usable time; `untimed` counts those.
    """

    statistics: Statistics

    def rows_at(self, times: Sequence[datetime], details: bool = True) -> AbstractContextManager[Any]:
        """The raw rows at these times (as `time` of a record or fingerprint; naive is UTC), perhaps some more.

        For rows that are new or changed: a few hundred times in one call.
        """

    def normalise_sql(self, relation: str) -> str:
        """The DuckDB SELECT that turns a stream of `rows` or `rows_at` into `model.record.FIELDS`, row for row."""

    def content_sql(self, relation: str) -> str:
        """The `content` alone of `taken_sql`, for a stream that is only compared."""

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """The raw ids, times and what follows changes of a period: cheap columns only."""

    def fingerprint_sql(self, relation: str) -> str:
        """The DuckDB SELECT over a `fingerprints` stream: `key VARCHAR, time TIMESTAMP, fingerprint BIGINT`.

        A key that is new or whose fingerprint is not that of `taken_sql` is to be read again with `rows_at`.
        """

    def digest(self, start: datetime, end: datetime) -> str | None:
        """Count and sum of the fingerprints of a period as `"7 1234"`, made by the database; None where it cannot."""

    def evidence(self) -> Evidence:
        """Taken before rows are read, it proves them as long as it stays what it was.

        Raises `SourceReplaced` when the log is no longer the file or table that the source was opened on, or has other
        columns.
        """

    def newest(self) -> datetime | None:
        """Time of the newest row, from the end of the index; None for an empty log."""

    def oldest(self) -> datetime | None:
        """Time of the oldest row; None for an empty log."""

    def count(self, start: datetime, end: datetime) -> int | None:
        """The rows of a period; None where counting takes as long as reading."""

    def day_counts(self, start: date, end: date) -> Iterator[DayCount]:
        """One statement per UTC day in `[start, end)`, sent as the iterator is advanced: throttle by pausing."""

    def untimed(self) -> int:
        """Rows whose time is missing or unusable, at most 10,000: they belong to no period and are only counted."""

    def lookups(self) -> tuple[Lookup, ...]:
        """Names of keys and teams; a few indexed or small tables, meant for every few minutes."""

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
    def place(self) -> str:
        """The file or table behind the name: another one of the same name has another place."""

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
    def untold(self) -> frozenset[str]:
        """Measures that no column tells: the errors of a log without a status are not none, they are unknown."""

    @property
    def rows_unique(self) -> bool:
        """Whether something in the table tells every row from every other; otherwise copies count as requests."""

    @property
    def indexed(self) -> bool:
        """Whether an index serves a period of time; otherwise every look reads the whole table."""

    @property
    def reads_whole(self) -> bool:
        """Whether even a fingerprint costs what its row costs: history is then held against sums where it can be."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know: one clean line each."""

    def connect(self) -> LogReader:
        """A reader of its own connection, for the calling thread; at most three at a time."""
