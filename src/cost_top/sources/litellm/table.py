"""Rows of an API as a table of raw columns in a private DuckDB, handed on as an Arrow stream without pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cost_top.sources.litellm.rows import Value

if TYPE_CHECKING:
    import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


class ArrowStream:
    """The answer to one statement as an Arrow C stream, to be scanned once."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """See the Arrow PyCapsule interface."""
        return self._relation.__arrow_c_stream__(requested_schema)


class RawTable:
    """One table of raw rows, used by one thread; `fill` replaces what it held."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = tuple(columns)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def fill(self, pages: Iterable[Sequence[tuple[Value, ...]]]) -> None:
        """Take over the rows of these pages; of an id and time that come twice the row that came last."""
        duck = self._opened()
        self._make(duck)
        places = ", ".join(f"unnest($c{place}::{kind}[])" for place, (_, kind) in enumerate(self._columns))
        for page in pages:
            if page:
                lists = {f"c{place}": list(column) for place, column in enumerate(zip(*page, strict=True))}
                duck.execute(f"INSERT INTO raw SELECT {places}", lists)
        if duck.execute("SELECT count(*) - count(DISTINCT (id, time)) FROM raw").fetchall() != [(0,)]:
            duck.execute(
                "CREATE OR REPLACE TABLE raw AS SELECT * FROM raw "
                "QUALIFY row_number() OVER "
                "(PARTITION BY id, time, CASE WHEN id = '' THEN CAST(raw AS VARCHAR) END ORDER BY rowid DESC) = 1"
            )

    @contextmanager
    def stream(self, start: int, end: int) -> Iterator[ArrowStream]:
        """The rows of `[start, end)`, in microseconds since the epoch."""
        with self._streaming() as duck:
            sql = "SELECT * FROM raw WHERE time >= $start AND time < $end"
            yield ArrowStream(duck.sql(sql, params={"start": start, "end": end}))

    @contextmanager
    def stream_at(self, times: Sequence[int]) -> Iterator[ArrowStream]:
        """The rows at these times."""
        with self._streaming() as duck:
            sql = "SELECT * FROM raw WHERE time IN (SELECT unnest($times::BIGINT[]))"
            yield ArrowStream(duck.sql(sql, params={"times": list(times)}))

    def empty(self) -> None:
        """Give the rows' memory back."""
        if self._connection is not None:
            self._make(self._connection)

    def close(self) -> None:
        """Give everything back; the table may be filled again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make(self, duck: duckdb.DuckDBPyConnection) -> None:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self._columns)
        duck.execute(f"CREATE OR REPLACE TABLE raw ({columns})")

    @contextmanager
    def _streaming(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, so that a stream nobody read to its end is in nobody's way."""
        if self._connection is None:
            raise ValueError("the table was never filled")
        connection = self._connection.cursor()
        try:
            yield connection
        finally:
            connection.close()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect(":memory:", config=_CONFIG)
        return self._connection
