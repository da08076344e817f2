"""What a log says of one day now, to be held against what it said when the day was read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from cost_top.mirror.database import take
from cost_top.mirror.schema import first_row
from cost_top.sources.base import LogReader, ReadsPackedRows, SpellsRows

_DAY = timedelta(days=1)


def midnight(day: date) -> datetime:
    """Its first instant."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def check_of(reader: LogReader, day: date) -> str:
    """The count of a day's rows and its sums; empty where the log has none."""
    return next((f"{count.row_count} {count.check}" for count in reader.day_counts(day, day + _DAY)), "")


class Looks:
    """Questions about one day; each text starts with the count of rows."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, reader: LogReader, day: date) -> None:
        self._connection = connection
        self._reader = reader
        self._day = day
        self._period = midnight(day), midnight(day) + _DAY

    def check(self) -> str:
        """See `check_of`."""
        return check_of(self._reader, self._day)

    def spelled(self) -> str:
        """What follows every change of a cheap column at the least cost; empty where the log has no such thing."""
        reader = self._reader
        answer = reader.spelled(*self._period) if isinstance(reader, SpellsRows) else None
        if answer is None or not isinstance(reader, SpellsRows):
            return ""
        return self._summed(answer, reader.spelled_sum("log_stream"))

    def plain(self) -> str:
        """The sum of the fingerprints, made by the log's database or here: packed, rows cost half as much."""
        reader = self._reader
        made = reader.digest(*self._period)
        if made is not None:
            return made
        if isinstance(reader, ReadsPackedRows) and (form := reader.packed) is not None:
            found = form.witnesses_select(f"({form.real_select('log_stream')})")
            return self._summed(reader.packed_rows(*self._period, False), _sum("fingerprint", found))
        return self._summed(
            reader.fingerprints(*self._period), _sum("fingerprint", reader.fingerprint_sql("log_stream"))
        )

    def content(self) -> str:
        """The sum of what follows the costly columns too."""
        reader = self._reader
        return self._summed(reader.rows(*self._period, True), _sum("content", reader.content_sql("log_stream")))

    def _summed(self, answer: Any, sums: str) -> str:
        take(self._connection, self._reader, answer, f"summed AS {sums}")
        count, digest = first_row(self._connection, "SELECT n, digest FROM summed")
        self._reader.took(max(0, int(count) - 1))  # one row was taken of what they made
        return f"{count} {digest}"


def _sum(column: str, relation: str) -> str:
    return f"SELECT count(*) AS n, coalesce(sum({column}), 0) AS digest FROM ({relation})"
