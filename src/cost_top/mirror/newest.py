"""The newest rows of a log, taken over in Python: what a look finds costs the mirror two or three small statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cost_top.mirror.added import COLUMNS, SummedRow, rows_of
from cost_top.mirror.database import Database
from cost_top.mirror.hot import Hot, Upserted, hour_of
from cost_top.mirror.names import NAMED
from cost_top.pricing.amount import Request
from cost_top.pricing.cost import price
from cost_top.sources.base import LogReader, ReadsPackedRows, ReadsPlainRows, SpellsRows

if TYPE_CHECKING:
    import duckdb

_EPOCH = datetime(1970, 1, 1)
_QUARTER = timedelta(minutes=15)
MANY = 300  # rows: more are taken over in one go by the database
MOST_AT_FIRST = 2000  # rows, of a hot end that holds none: the first statements of the database cost as much
_AGAIN = 100  # rows that a look sees again, so that those that came a little late are among it
_summed: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*COLUMNS)
_asked: Callable[[Mapping[str, Any]], tuple[Any, ...]] = itemgetter(*Request._fields)


class Newest:
    """Rows of the log's end as the normal form and the rates make them in Python. Used on the mirror's thread.

    What it cannot tell (odd rows, many at once, two of one id, rows that are gone) it leaves to the database.
    """

    def __init__(self, database: Database, hot: Hot, reader: LogReader, costly: bool) -> None:
        """`costly` rows are not read twice."""
        self._database = database
        self._hot = hot
        self._reader = reader
        self._plain = reader.plain if isinstance(reader, ReadsPlainRows) else None
        # Packed rows have few columns, and it is those that a statement of a few rows takes.
        self._packing = reader if isinstance(reader, ReadsPackedRows) and reader.packed is not None else None
        self._seen: dict[Any, int] = {}  # raw ids and fingerprints of the rows of the last look
        self._left: dict[Any, int] = {}  # the same, of one that was left to the database
        self._again: list[datetime] = []  # times of its newest rows
        self._costly = costly
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._parsed: dict[str, duckdb.Statement] = {}

    @cached_property
    def _select(self) -> str:
        assert self._plain is not None
        return self._plain.select("log_stream")

    @cached_property
    def _newest_select(self) -> str:
        assert self._plain is not None
        return self._plain.packed_select("log_stream") if self._packing is not None else self._select

    @cached_property
    def _fingerprint_select(self) -> str:
        assert self._plain is not None
        return self._packed_fingerprints or self._plain.fingerprints("log_stream")

    @cached_property
    def _packed_fingerprints(self) -> str | None:
        return self._plain.packed_fingerprints("log_stream") if self._packing is not None and self._plain else None

    @property
    def is_plain(self) -> bool:
        """Whether there are plain rows at all."""
        return self._plain is not None

    def forget(self) -> None:
        """The hot end changed otherwise: what was seen may not be there any more."""
        self._seen = {}

    def taken(self) -> None:
        """What the last look found was taken over otherwise, in its whole period."""
        self._seen, self._left = self._left, {}

    def start(self, newest: datetime, overlap: datetime) -> datetime:
        """Where a look begins that sees some of the newest rows again, all of them after `overlap`."""
        return newest if self._costly else max(min([newest, *self._again]), overlap)

    def take(self, start: datetime, late: datetime | None) -> Upserted | None:
        """Take over what came or changed since `start` (naive UTC); new rows older than `late` came late.

        None where that is not all: it is to be looked at by its fingerprints.
        """
        assert self._plain is not None
        seen, self._seen, self._left = self._seen, {}, {}
        found = self._since(start, MANY + _AGAIN + 1)
        self._reader.took(len(found))
        if len(found) > MANY + _AGAIN or len({values[0] for values in found}) < len(found):
            self._again = []
            return None
        self._left = {values[0]: self._plain.fingerprint(values) for values in found}
        came = [values for values in found if seen.get(values[0]) != self._left[values[0]]]
        result = self._taken(came, late, self._packing is not None)
        if result is not None:
            self.taken()
        self._again = sorted(self._plain.time(values[1]) for values in found)[-_AGAIN:]
        return result

    def begin(self, start: datetime) -> Upserted | None:
        """Take over everything since `start` (naive UTC) where nothing is held; None where it is too much, or odd."""
        found = self._since(start, MOST_AT_FIRST + 1)
        if len(found) > MOST_AT_FIRST or len({values[0] for values in found}) < len(found):
            return None
        self._reader.took(len(found))
        rows = self._read(found, self._packing is not None)
        if rows is None:
            return None
        said = sorted((row["time"], field, row[field], row[column]) for row in rows for field, column in NAMED.items()
                      if row[field] is not None and row[column] is not None)  # fmt: skip
        self._database.names.hear(
            self._database.connection, [(field, key, name, time) for time, field, key, name in said]
        )
        return self._keep(rows, {}, None)

    def digest(self, start: datetime, end: datetime | None) -> str:
        """Count and sum of the fingerprints of `[start, end)` (naive UTC) in the log, as `Hot.digest` gives them."""
        assert self._plain is not None
        select = f"SELECT count(*), coalesce(sum(fingerprint), 0) FROM ({self._fingerprint_select})"
        count, total = self._fetch(self._fingerprints(start, end), select)[0]
        self._reader.took(int(count))
        return f"{count} {total}"

    def spelled(self, start: datetime, end: datetime) -> str | None:
        """What follows every change of the rows of `[start, end)` (naive UTC) at a third of what their digest takes.

        It is compared with itself. None where the log has no such thing.
        """
        reader = self._reader
        if not isinstance(reader, SpellsRows):
            return None
        answer = reader.spelled(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
        if answer is None:
            return None
        count, total = self._fetch(answer, reader.spelled_sum("log_stream"))[0]
        self._reader.took(int(count))
        return f"{count} {total}"

    def compare(self, start: datetime, end: datetime | None, late: datetime | None) -> Upserted | None:
        """Take over what came or changed in `[start, end)`, told by fingerprints; None as `take`."""
        assert self._plain is not None
        found = self._fetch(self._fingerprints(start, end), self._fingerprint_select)
        self._reader.took(len(found))
        held = self._hot.witnesses_within(start, end)
        looked = {
            key: (self._plain.time(time), fingerprint, raw)
            for raw, time, fingerprint in found
            if (key := self._plain.key(raw)) is not None
        }
        if len(looked) < len(found) or not held.keys() <= looked.keys():
            return None
        differ = {raw: time for key, (time, fingerprint, raw) in looked.items() if held.get(key) != (time, fingerprint)}
        if len(differ) > MANY or not differ:
            return None
        times = sorted(set(differ.values()))
        rows = self._fetch(self._reader.rows_at(times), self._select)
        self._reader.took(len(rows))
        return self._taken([values for values in rows if values[0] in differ], late, False)

    def _since(self, start: datetime, limit: int) -> list[tuple[Any, ...]]:
        """So many raw rows since an instant (naive UTC), packed where they come so."""
        rows = self._packing.packed_rows if self._packing is not None else self._reader.rows
        return self._fetch(rows(start.replace(tzinfo=UTC), None, True), f"{self._newest_select} LIMIT {limit}")

    def _fingerprints(self, start: datetime, end: datetime | None) -> AbstractContextManager[Any]:
        lower, upper = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC) if end is not None else None
        if self._packing is not None and self._packed_fingerprints is not None:
            return self._packing.packed_rows(lower, upper, True)
        return self._reader.fingerprints(lower, upper)

    def _fetch(self, answer: AbstractContextManager[Any], select: str) -> list[tuple[Any, ...]]:
        """A statement over the log's answer, `log_stream`.

        Of a few rows it is the planning that costs: it is parsed once, and on this connection nothing is optimized.
        """
        if self._duck is None:
            self._duck = self._database.cursor()
            self._duck.execute("PRAGMA disable_optimizer")
        if select not in self._parsed:
            self._parsed[select] = self._duck.extract_statements(select)[0]
        with answer as log_stream:  # noqa: F841 - DuckDB reads the variable by its name
            return self._duck.execute(self._parsed[select]).fetchall()

    def _read(self, came: Sequence[Sequence[Any]], packed: bool) -> list[dict[str, Any]] | None:
        """Rows of the normal form; None where one of them is odd."""
        assert self._plain is not None
        rows = self._plain.read(came, packed)
        for row in rows or ():
            self._database.fill(row)
        return rows

    def _taken(self, came: Sequence[Sequence[Any]], late: datetime | None, packed: bool) -> Upserted | None:
        rows = self._read(came, packed)
        if rows is None or not all(self._database.names.knows(row) for row in rows):
            return None
        held = self._hot.witnesses([row["key"] for row in rows]) if rows else {}
        rows = [row for row in rows if held.get(row["key"]) != (row["time"], row["fingerprint"])]
        gone = self._hot.take_out([row["key"] for row in rows if row["key"] in held])
        return self._keep(rows, gone, late)

    def _keep(
        self, rows: list[dict[str, Any]], gone: dict[str, tuple[bool, SummedRow]], late: datetime | None
    ) -> Upserted:
        came_late = 0
        for row in rows:
            priced = price(self._database.book, Request._make(_asked(row)))
            if row["key"] in gone:
                is_late = gone[row["key"]][0]
            else:
                is_late = late is not None and row["time"] < late
                came_late += is_late
            row |= {
                "cost": priced.cost, "market_cost": priced.market_cost, "saved_by_cache": priced.saved_by_cache,
                "prompt_cache_savings": priced.prompt_cache_savings, "price_status": priced.status,
                "doubt": priced.doubt, "late": is_late, "quarter": (row["time"] - _EPOCH) // _QUARTER,
            }  # fmt: skip
        come = rows_of(map(_summed, rows))
        before = [row for _, row in gone.values()]
        self._hot.add(rows, come)
        new = [row["time"] for row in rows if row["key"] not in gone]
        hours = frozenset(hour_of(row.time) for row in (*come, *before))
        return Upserted(len(new), len(gone), came_late, hours, new, before, come)
