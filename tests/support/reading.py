"""Records read through a reader, as dictionaries in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from cost_top.model.record import FIELD_NAMES, FIELDS
from cost_top.sources.base import LogReader, LogSource

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


def records(
    source: LogSource, start: datetime = LONG_AGO, end: datetime | None = None, details: bool = True
) -> list[dict[str, Any]]:
    """All rows of a period in the normal form."""
    with source.connect() as reader, reader.rows(start, end, details) as stream:
        return normal(reader, stream)


def records_at(source: LogSource, times: Sequence[datetime]) -> list[dict[str, Any]]:
    """The rows at some times in the normal form."""
    with source.connect() as reader, reader.rows_at(times) as stream:
        return normal(reader, stream)


def normal(reader: LogReader, stream: Any) -> list[dict[str, Any]]:
    """A stream in the normal form; the types are checked too."""
    with duckdb.connect() as duck:
        duck.execute(f"CREATE TABLE normal AS {reader.normalise_sql('stream')}")
        described = duck.execute("SELECT column_name, column_type FROM (DESCRIBE normal)").fetchall()
        assert tuple(described) == FIELDS
        rows = duck.execute("SELECT * FROM normal ORDER BY id").fetchall()
    return [dict(zip(FIELD_NAMES, row, strict=True)) for row in rows]


def fingerprints(source: LogSource, start: datetime = LONG_AGO) -> dict[str, tuple[datetime, int]]:
    """Time and fingerprint by id."""
    with source.connect() as reader, reader.fingerprints(start, None) as stream, duckdb.connect() as duck:
        found = duck.execute(f"SELECT id, time, fingerprint FROM ({reader.fingerprint_sql('stream')})").fetchall()
    assert stream is not None
    return {identity: (moment, figure) for identity, moment, figure in found}
