"""Records read through a reader, as dictionaries in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cost_top.model.record import FIELD_NAMES, FIELDS
from cost_top.sources.base import LogReader, LogSource
from support.scratch import scratch

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
    with scratch() as duck:
        duck.execute(f"CREATE TABLE normal AS {reader.normalise_sql('stream')}")
        described = duck.execute("SELECT column_name, column_type FROM (DESCRIBE normal)").fetchall()
        assert tuple(described) == FIELDS
        rows = duck.execute("SELECT * FROM normal ORDER BY id").fetchall()
    return [dict(zip(FIELD_NAMES, row, strict=True)) for row in rows]


def fingerprints(source: LogSource, start: datetime = LONG_AGO) -> dict[str, tuple[datetime, int]]:
    """Time and fingerprint by id: each row's key is the one that the stream of rows gives it."""
    with source.connect() as reader, reader.rows(start, None, True) as stream, scratch() as duck:
        rows = duck.execute(f"SELECT key, id, fingerprint FROM ({reader.taken_sql('stream')})").fetchall()
    ids = {key: identity for key, identity, _ in rows}
    with source.connect() as reader, reader.fingerprints(start, None) as stream, scratch() as duck:
        found = duck.execute(f"SELECT key, time, fingerprint FROM ({reader.fingerprint_sql('stream')})").fetchall()
    assert stream is not None
    assert {(key, figure) for key, _, figure in found} == {(key, figure) for key, _, figure in rows}
    return {ids[key]: (moment, figure) for key, moment, figure in found}
