"""The hot end of the log: the rows that may still change, in memory, changed by id."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from cost_top.mirror.schema import COLUMN_NAMES, create_table, first_row, quoted

TABLE = "hot"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Upserted:
    """What an upsert did: rows never seen before, rows seen again, and the hours (naive UTC) they touch."""

    new: int
    repeated: int
    late: int
    hours: frozenset[datetime]


NOTHING = Upserted(0, 0, 0, frozenset())


class Hot:
    """The table `hot` and what is known of each of its rows' state in the log (`seen`)."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables."""
        self._connection = connection
        self._newest: datetime | None = None
        self._newest_known = True
        connection.execute(create_table(TABLE))
        connection.execute("CREATE TABLE seen (id VARCHAR, time TIMESTAMP, fingerprint UBIGINT)")

    def upsert(self, relation: str, passed: datetime | None) -> Upserted:
        """Take over rows by id. A new row older than `passed` (naive UTC) came late."""
        connection = self._connection
        known = f"SELECT id, late FROM {TABLE} WHERE id IN (SELECT id FROM {relation})"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE known AS {known}")
        late = "FALSE" if passed is None else f"(i.time < TIMESTAMP '{passed}')"
        new, repeated, late_count = first_row(
            connection,
            f"SELECT count(*) FILTER (k.id IS NULL), count(k.id), count(*) FILTER (k.id IS NULL AND {late}) "
            f"FROM {relation} i LEFT JOIN known k ON k.id = i.id",
        )
        hours = self._hours(f"SELECT quarter FROM {relation} UNION SELECT quarter FROM {TABLE} "
                            "WHERE id IN (SELECT id FROM known)")  # fmt: skip
        if repeated:
            connection.execute(f"DELETE FROM {TABLE} WHERE id IN (SELECT id FROM known)")
        names = quoted(tuple(name for name in COLUMN_NAMES if name != "late"))
        connection.execute(
            f"INSERT INTO {TABLE} BY NAME SELECT {', '.join(f'i.{name}' for name in names.split(', '))}, "
            f"coalesce(k.late, {late}) AS late FROM {relation} i LEFT JOIN known k ON k.id = i.id"
        )
        return Upserted(int(new), int(repeated), int(late_count), hours)

    def replace(self, relation: str, start: datetime, end: datetime | None) -> frozenset[datetime]:
        """Make the rows of `[start, end)` those of `relation`; the hours that held or hold rows there."""
        upper = f" AND time < TIMESTAMP '{end}'" if end else ""
        span = f"time >= TIMESTAMP '{start}'{upper}"
        hours = self._hours(f"SELECT quarter FROM {relation} UNION SELECT quarter FROM {TABLE} WHERE {span} "
                            f"OR id IN (SELECT id FROM {relation})")  # fmt: skip
        self._connection.execute(f"DELETE FROM {TABLE} WHERE ({span}) OR id IN (SELECT id FROM {relation})")
        self._connection.execute(f"INSERT INTO {TABLE} BY NAME SELECT * FROM {relation}")
        return hours

    def remove(self, ids_sql: str) -> frozenset[datetime]:
        """Drop the rows whose id the statement yields: the log no longer has them."""
        hours = self._hours(f"SELECT quarter FROM {TABLE} WHERE id IN ({ids_sql})")
        if hours:
            self._connection.execute(f"DELETE FROM {TABLE} WHERE id IN ({ids_sql})")
        return hours

    def drop_before(self, start: datetime) -> None:
        """Forget rows older than `start`: a closed day holds them now."""
        self._newest_known = False
        self._connection.execute(f"DELETE FROM {TABLE} WHERE time < TIMESTAMP '{start}'")
        self._connection.execute(f"DELETE FROM seen WHERE time < TIMESTAMP '{start}'")

    def newest(self) -> datetime | None:
        """Time of the newest row, naive UTC."""
        if not self._newest_known:
            self._newest = first_row(self._connection, f"SELECT max(time) FROM {TABLE}")[0]
            self._newest_known = True
        return self._newest

    def count(self) -> int:
        """Rows held."""
        return int(first_row(self._connection, f"SELECT count(*) FROM {TABLE}")[0])

    def _hours(self, sql: str) -> frozenset[datetime]:
        """The hours of rows that are about to change."""
        self._newest_known = False
        rows = self._connection.execute(f"SELECT DISTINCT quarter // 4 FROM ({sql})").fetchall()
        return frozenset(datetime(1970, 1, 1) + int(hour) * _HOUR for (hour,) in rows if hour is not None)
