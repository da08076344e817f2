"""The hot end of the log: the rows that may still change, in memory, changed by their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cost_top.mirror.added import COLUMNS_SQL, SummedRow, rows_of
from cost_top.mirror.few_rows import put
from cost_top.mirror.schema import WITNESSED, create_table, first_row

_TABLE = "hot"
_HOUR = timedelta(hours=1)
_FEW = 500  # rows that are told one by one
_MOST_WAITING = 1000  # rows
_MOST_DIGESTS = 100
NOTHING = "0 0"  # the digest of no rows
_MOST_KEYS = 500_000  # more are looked for by a scan
_SAMPLE = 100  # of the newest new rows, to tell how late rows come


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did: rows never seen before, rows seen again, and the hours (naive UTC) they touch."""

    new: int
    repeated: int
    late: int
    hours: frozenset[datetime]
    newest: Sequence[datetime] = ()  # times of some of the new rows
    # The rows as they were and as they are, where there are few; None: sums of the hours are to be made anew.
    gone: Sequence[SummedRow] | None = None
    come: Sequence[SummedRow] = ()


class Hot:
    """The table `hot`: rows by `key`, each with what shows its changes in the log."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the table."""
        self._connection = connection
        self._newest: datetime | None = None
        self._newest_known = True
        self._count: int | None = 0
        # New rows by key that the table does not hold yet: many are put into it in little more time than few.
        self._waiting: dict[str, Mapping[str, Any]] = {}
        # Hashes of the keys that the table may hold, so that a new key is told without a scan; None: not counted out.
        self._keys: set[int] | None = None
        self._digests: dict[tuple[datetime, datetime], str] = {}  # of periods that are as they were
        connection.execute(create_table(_TABLE))

    def upsert(self, relation: str, passed: datetime | None) -> Upserted:
        """Take over rows by key. A new row older than `passed` (naive UTC) came late."""
        connection = self._connection
        known = f"SELECT key, late FROM {self.table} WHERE key IN (SELECT key FROM {relation})"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE known AS {known}")
        late = "FALSE" if passed is None else f"(i.time < TIMESTAMP '{passed}')"
        new, repeated, late_count, newest = first_row(
            connection,
            f"SELECT count(*) FILTER (k.key IS NULL), count(k.key), count(*) FILTER (k.key IS NULL AND {late}), "
            f"max(i.time, {_SAMPLE}) FILTER (k.key IS NULL) FROM {relation} i LEFT JOIN known k ON k.key = i.key",
        )
        of_known = "WHERE key IN (SELECT key FROM known)"
        hours: frozenset[datetime] = frozenset()
        gone, come = None, []
        if few := new + repeated <= _FEW:
            come = self._told(relation)
            gone = self._told(f"{self.table} {of_known}") if repeated else []
            hours = frozenset(hour_of(row.time) for row in (*gone, *come))
        else:
            hours = self._hours(f"SELECT quarter FROM {relation} UNION SELECT quarter FROM {self.table} {of_known}")
        self._changed(few and not repeated, come)
        if repeated:
            connection.execute(f"DELETE FROM {self.table} {of_known}")
        names = ", ".join(f'i."{name}"' for name, _ in WITNESSED if name != "late")
        connection.execute(
            f"INSERT INTO {self.table} BY NAME SELECT {names}, coalesce(k.late, {late}) AS late "
            f"FROM {relation} i LEFT JOIN known k ON k.key = i.key"
        )
        self._came(relation)
        return Upserted(int(new), int(repeated), int(late_count), hours, newest or (), gone, come)

    @property
    def table(self) -> str:
        """The table's name, for a statement that reads it: every row is in it then."""
        if self._waiting:
            put(self._connection, _TABLE, [*self._waiting.values()])
            if self._keys is not None:
                self._keys.update(map(hash, self._waiting))
            self._waiting = {}
        return _TABLE

    def add(self, rows: Sequence[Mapping[str, Any]], come: Sequence[SummedRow]) -> None:
        """Take in new rows by the names of `WITNESSED`, `come` as sums follow them; no key may be held yet."""
        self._waiting.update((row["key"], row) for row in rows)
        self._changed(True, come)
        if len(self._waiting) >= _MOST_WAITING:
            assert self.table

    def take_out(self, keys: Sequence[str]) -> dict[str, tuple[bool, SummedRow]]:
        """Remove the rows of these keys, which are about to come again, and tell them: late or not, and as summed."""
        if not keys:
            return {}
        of_keys = "WHERE key IN (SELECT unnest($1::VARCHAR[]))"
        found = self._connection.execute(
            f"SELECT key, late, {COLUMNS_SQL} FROM {self.table} {of_keys}", [keys]
        ).fetchall()
        self._connection.execute(f"DELETE FROM {self.table} {of_keys}", [keys])
        self._changed(False, ())
        return {key: (late, row) for (key, late, *_), row in zip(found, rows_of(f[2:] for f in found), strict=True)}

    def witnesses(self, keys: Sequence[str]) -> dict[str, tuple[datetime, int]]:
        """Time and fingerprint of the rows of these keys that are held."""
        waiting = {
            key: (row["time"], row["fingerprint"]) for key in keys if (row := self._waiting.get(key)) is not None
        }
        known = self._known_keys()
        rest = [key for key in keys if key not in waiting and (known is None or hash(key) in known)]
        return waiting | self._witnesses(_TABLE, "key IN (SELECT unnest($1::VARCHAR[]))", [rest]) if rest else waiting

    def _known_keys(self) -> set[int] | None:
        """Hashes of all keys of the table and of some that are gone; None where they would take too much memory."""
        if self.count() > _MOST_KEYS:
            self._keys = None
        elif self._keys is None:
            self._keys = {hash(key) for (key,) in self._connection.execute(f"SELECT key FROM {_TABLE}").fetchall()}
        return self._keys

    def _came(self, relation: str) -> None:
        if self._keys is not None:
            self._keys.update(
                hash(key) for (key,) in self._connection.execute(f"SELECT key FROM {relation}").fetchall()
            )

    def witnesses_within(self, start: datetime, end: datetime | None) -> dict[str, tuple[datetime, int]]:
        """Time and fingerprint of the rows of `[start, end)` by their keys."""
        return self._witnesses(self.table, span(start, end), [])

    def _witnesses(self, table: str, condition: str, parameters: list[object]) -> dict[str, tuple[datetime, int]]:
        found = self._connection.execute(
            f"SELECT key, time, fingerprint FROM {table} WHERE {condition}", parameters
        ).fetchall()
        return {key: (time, fingerprint) for key, time, fingerprint in found}

    def _told(self, relation: str) -> list[SummedRow]:
        return rows_of(self._connection.execute(f"SELECT {COLUMNS_SQL} FROM {relation}").fetchall())

    def _changed(self, only_new: bool, come: Sequence[SummedRow]) -> None:
        """Keep what is known of the table, where rows only came, or forget it."""
        if not only_new:
            self._newest_known, self._count = False, None
            self._digests.clear()
            return
        if come and self._digests:
            first = min(row.time for row in come)
            self._digests = {period: told for period, told in self._digests.items() if period[1] <= first}
        if self._count is not None:
            self._count += len(come)
        if self._newest_known and come:
            newest = max(row.time for row in come)
            self._newest = newest if self._newest is None else max(self._newest, newest)

    def replace(self, relation: str, start: datetime, end: datetime | None) -> frozenset[datetime]:
        """Make the rows of `[start, end)` those of `relation`; the hours that held or hold rows there."""
        within = span(start, end)
        hours = self._hours(f"SELECT quarter FROM {relation} UNION SELECT quarter FROM {self.table} WHERE {within} "
                            f"OR key IN (SELECT key FROM {relation})")  # fmt: skip
        self._connection.execute(f"DELETE FROM {self.table} WHERE ({within}) OR key IN (SELECT key FROM {relation})")
        self._connection.execute(f"INSERT INTO {self.table} BY NAME SELECT * FROM {relation}")
        self._came(relation)
        return hours

    def remove(self, keys_sql: str) -> frozenset[datetime]:
        """Drop the rows whose key the statement yields: the log no longer has them."""
        hours = self._hours(f"SELECT quarter FROM {self.table} WHERE key IN ({keys_sql})")
        if hours:
            self._connection.execute(f"DELETE FROM {self.table} WHERE key IN ({keys_sql})")
        return hours

    def digest(self, start: datetime, end: datetime | None) -> str:
        """Count and sum of the fingerprints of `[start, end)`, as `LogReader.digest` gives them."""
        if end is None or (start, end) not in self._digests:
            told = self._digest(start, end)
            if end is None:
                return told
            while len(self._digests) >= _MOST_DIGESTS:
                del self._digests[next(iter(self._digests))]
            self._digests[start, end] = told
        return self._digests[start, end]

    def _digest(self, start: datetime, end: datetime | None) -> str:
        count, total = first_row(
            self._connection,
            f"SELECT count(*), coalesce(sum(fingerprint), 0) FROM {_TABLE} WHERE {span(start, end)}",
        )
        for row in self._waiting.values():
            if start <= row["time"] and (end is None or row["time"] < end):
                count, total = count + 1, total + row["fingerprint"]
        return f"{count} {total}"

    def drop_before(self, start: datetime) -> None:
        """Forget rows older than `start`: a closed day holds them now."""
        self._changed(False, ())
        self._connection.execute(f"DELETE FROM {self.table} WHERE time < TIMESTAMP '{start}'")
        self._keys = None  # most of them are gone

    def newest(self) -> datetime | None:
        """Time of the newest row, naive UTC."""
        if not self._newest_known:
            self._newest = first_row(self._connection, f"SELECT max(time) FROM {self.table}")[0]
            self._newest_known = True
        return self._newest

    def count(self) -> int:
        """Rows held."""
        if self._count is None:
            self._count = int(first_row(self._connection, f"SELECT count(*) FROM {self.table}")[0])
        return self._count

    def _hours(self, sql: str) -> frozenset[datetime]:
        """The hours of rows that are about to change."""
        self._changed(False, ())
        rows = self._connection.execute(f"SELECT DISTINCT quarter // 4 FROM ({sql})").fetchall()
        return frozenset(datetime(1970, 1, 1) + int(hour) * _HOUR for (hour,) in rows if hour is not None)


def hour_of(time: datetime) -> datetime:
    """The hour an instant is in."""
    return time.replace(minute=0, second=0, microsecond=0)


def span(start: datetime, end: datetime | None) -> str:
    """The condition of `[start, end)` (naive UTC) on the hot table."""
    upper = f" AND time < TIMESTAMP '{end}'" if end else ""
    return f"time >= TIMESTAMP '{start}'{upper}"
