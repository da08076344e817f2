"""Few rows of a log as the normal form and the rates make them in Python: of so few it is planning that costs.

What is odd in a row is not told here: such rows go through `Database.incoming`, which knows what to make of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cost_top.mirror.names import NAMED, Names
from cost_top.mirror.schema import WITNESSED
from cost_top.pricing.amount import Request
from cost_top.pricing.cost import price
from cost_top.sources.base import LogReader, ReadsPackedRows, ReadsPlainRows

if TYPE_CHECKING:
    import duckdb

    from cost_top.mirror.database import Database
    from cost_top.pricing.book import RateBook

Row = dict[str, Any]  # by the names of `WITNESSED`
MOST_AT_ONCE = 2000  # rows: the first statements of the database on them cost as much
MOST_TAKEN = 500  # rows that are in the normal form already, whose prices are still to come
_EPOCH = datetime(1970, 1, 1)
_QUARTER = timedelta(minutes=15)


class FewRows:
    """Reads through a reader, with statements of its own connection to the mirror's DuckDB. Used by one thread."""

    def __init__(self, database: Database, reader: LogReader) -> None:
        """Opens nothing before it is asked."""
        self._database = database
        self._reader = reader
        self.plain = reader.plain if isinstance(reader, ReadsPlainRows) else None  # None: no row is told here
        # Packed rows have few columns, and it is those that a statement of a few rows takes.
        self._packing = reader if isinstance(reader, ReadsPackedRows) and reader.packed is not None else None
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._parsed: dict[str, duckdb.Statement] = {}

    def close(self) -> None:
        """Have done with the connection."""
        if self._duck is not None:
            self._duck.close()
            self._duck = None

    @property
    def are_packed(self) -> bool:
        """Whether `since` gives packed rows."""
        return self._packing is not None

    @cached_property
    def _select(self) -> str:
        assert self.plain is not None
        return self.plain.select("log_stream")

    @cached_property
    def _since_select(self) -> str:
        assert self.plain is not None
        return self.plain.packed_select("log_stream") if self.are_packed else self._select

    @cached_property
    def fingerprint_select(self) -> str:
        """Raw id, raw time and fingerprint of the stream of `fingerprints`."""
        assert self.plain is not None
        return self._packed_fingerprints or self.plain.fingerprints("log_stream")

    @cached_property
    def _packed_fingerprints(self) -> str | None:
        return self.plain.packed_fingerprints("log_stream") if self.are_packed and self.plain else None

    def within(self, start: datetime, end: datetime | None, details: bool = True) -> list[Row] | None:
        """The priced rows of `[start, end)` (naive UTC); None where they are many or odd, two of one id among them."""
        if self.plain is None or (self._count(start, end) or 0) > MOST_AT_ONCE:
            return None
        found = self.since(start, MOST_AT_ONCE + 1, end, details)
        if len(found) > MOST_AT_ONCE or len({values[0] for values in found}) < len(found):
            return None
        rows = self.read(found, self.are_packed)
        if rows is not None:
            self._reader.took(len(found))
            price_rows(self._database.book, rows)
        return rows

    def _count(self, start: datetime, end: datetime | None) -> int | None:
        """Rows of a period: not every driver breaks off an answer that is too long."""
        return self._reader.count(start.replace(tzinfo=UTC), (end or datetime.max).replace(tzinfo=UTC))

    def since(
        self, start: datetime, limit: int, end: datetime | None = None, details: bool = True
    ) -> list[tuple[Any, ...]]:
        """So many raw rows since an instant (naive UTC), packed where they come so."""
        rows = self._packing.packed_rows if self._packing is not None else self._reader.rows
        answer = rows(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end else None, details)
        return self.fetch(answer, f"{self._since_select} LIMIT {limit}")

    def at(self, times: Sequence[datetime]) -> list[tuple[Any, ...]]:
        """The raw rows at some times, not packed; rows next to them may be among them."""
        found = self.fetch(self._reader.rows_at(times), self._select)
        self._reader.took(len(found))
        return found

    def fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        """The stream that `fingerprint_select` is of."""
        lower, upper = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end is not None else None
        if self._packing is not None and self._packed_fingerprints is not None:
            return self._packing.packed_rows(lower, upper, True)
        return self._reader.fingerprints(lower, upper)

    def fetch(self, answer: AbstractContextManager[Any], select: str) -> list[tuple[Any, ...]]:
        """A statement over the log's answer, `log_stream`: parsed once, and on this connection nothing is optimized."""
        if self._duck is None:
            self._duck = self._database.cursor()
            self._duck.execute("PRAGMA disable_optimizer")
        if select not in self._parsed:
            self._parsed[select] = self._duck.extract_statements(select)[0]
        with answer as log_stream:  # noqa: F841 - DuckDB reads the variable by its name
            return self._duck.execute(self._parsed[select]).fetchall()

    def read(self, found: Sequence[Sequence[Any]], packed: bool) -> list[Row] | None:
        """Raw rows in the normal form, with the names beside the log; None where one of them is odd."""
        assert self.plain is not None
        rows = self.plain.read(found, packed)
        for row in rows or ():
            self._database.fill(row)
        return rows


def price_rows(book: RateBook, rows: Iterable[Row]) -> None:
    """Add to rows of the normal form what the rates make of them; none came late."""
    for row in rows:
        priced = price(book, Request._make(map(row.get, Request._fields)))
        row |= {
            "cost": priced.cost, "market_cost": priced.market_cost, "saved_by_cache": priced.saved_by_cache,
            "prompt_cache_savings": priced.prompt_cache_savings, "price_status": priced.status,
            "doubt": priced.doubt, "late": False, "quarter": (row["time"] - _EPOCH) // _QUARTER,
        }  # fmt: skip


def priced_rows(connection: duckdb.DuckDBPyConnection, table: str, book: RateBook) -> list[Row]:
    """The rows of a table of the normal form, priced."""
    names = [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]
    rows = [dict(zip(names, values, strict=True)) for values in connection.execute(f"FROM {table}").fetchall()]
    price_rows(book, rows)
    return rows


def hear(names: Names, connection: duckdb.DuckDBPyConnection, rows: Iterable[Row]) -> None:
    """As `Names.learn`, of rows at hand."""
    said = sorted((row["time"], field, row[field], row[column]) for row in rows for field, column in NAMED.items()
                  if row.get(field) is not None and row.get(column) is not None)  # fmt: skip
    names.hear(connection, [(field, key, name, time) for time, field, key, name in said])


def put(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]],
    held: Iterable[tuple[str, str]] = WITNESSED,
) -> None:  # fmt: skip
    """Insert rows into a table that has the columns `held`, in one statement."""
    if not rows:
        return
    # A column that no row knows is left out: planning and binding each takes longer than the rows do.
    columns = [
        (name, kind, values) for name, kind in held if (values := [row[name] for row in rows]).count(None) < len(values)
    ]
    unnested = ", ".join(f'unnest(${n}::{kind}[]) AS "{name}"' for n, (name, kind, _) in enumerate(columns, 1))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT {unnested}", [values for _, _, values in columns])


def digests_of(rows: Iterable[Mapping[str, Any]]) -> dict[date, tuple[str, str]]:
    """Of each day: how many rows and the sums of what shows their changes, as a statement makes them."""
    sums: dict[date, list[int | None]] = {}
    for row in rows:
        of_day = sums.setdefault(row["time"].date(), [0, None, None])
        for place, value in enumerate((1, row["fingerprint"], row["content"])):
            if value is not None:  # not every database makes a hash of every row
                of_day[place] = (of_day[place] or 0) + value
    return {day: (f"{count} {plain}", f"{count} {content}") for day, (count, plain, content) in sums.items()}
