"""The mirror's DuckDB: in memory, two threads, no downloads, no files but those asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import duckdb

from cost_top.mirror.schema import QUARTER, create_table, first_row
from cost_top.pricing.book import RateBook
from cost_top.pricing.rate_join import RateJoin
from cost_top.sources.base import LogReader, Lookup

THREADS = 2


class Database:
    """One in-memory DuckDB with the rates in it. `cursor()` gives a connection for another thread."""

    def __init__(self, book: RateBook) -> None:
        """Open it and load the rates."""
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "threads": THREADS,
                "temp_directory": "",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": False,
                "allocator_background_threads": True,
                "allocator_flush_threshold": "1MB",
                "allocator_bulk_deallocation_flush_threshold": "1MB",
            },
        )
        self.rates = RateJoin(book)
        self.book = book
        self._lock = threading.Lock()
        self._threads = THREADS
        self._lookups: tuple[Lookup, ...] = ()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection to the same data for another thread."""
        return self.connection.cursor()

    def close(self) -> None:
        """Free it."""
        self.connection.close()

    def use_threads(self, count: int) -> None:
        """How many threads a statement may use: small ones lose more by sharing than they gain."""
        if count != self._threads:
            self.connection.execute(f"SET threads = {int(count)}")
            self._threads = count

    def tidy(self) -> None:
        """Give back the memory of deleted rows."""
        with suppress(duckdb.TransactionException):  # another connection is at work; next time then
            self.connection.execute("CHECKPOINT")

    @contextmanager
    def ingested(
        self, connection: duckdb.DuckDBPyConnection, reader: LogReader, answer: AbstractContextManager[Any]
    ) -> Iterator[str]:
        """A temporary table of the mirror's columns from a raw stream: normalised, one row per id, priced.

        The statement on the log has ended when the table is there.
        """
        take(connection, reader, answer, f"incoming AS SELECT * FROM ({reader.normalise_sql('log_stream')})")
        try:
            self._one_row_per_id(connection)
            self._name(connection)
            self.price(connection, "incoming", "priced_rows")
            connection.execute("DROP TABLE incoming")
            yield "priced_rows"
        finally:
            connection.execute("DROP TABLE IF EXISTS incoming; DROP TABLE IF EXISTS priced_rows")

    def set_lookups(self, lookups: tuple[Lookup, ...]) -> None:
        """The names kept beside the log's rows: rows read from now on carry them."""
        self._lookups = lookups

    def _name(self, connection: duckdb.DuckDBPyConnection) -> None:
        for lookup in self._lookups:
            if lookup.names:
                connection.execute(
                    f'UPDATE incoming SET "{lookup.field}" = n.name FROM '
                    "(SELECT unnest($keys) AS key, unnest($names) AS name) n "
                    f'WHERE incoming."{lookup.by}" = n.key',
                    {"keys": list(lookup.names.keys()), "names": list(lookup.names.values())},
                )

    def price(self, connection: duckdb.DuckDBPyConnection, relation: str, target: str) -> None:
        """Make the temporary table `target` of the mirror's columns from rows of the normal form."""
        pairs = connection.execute(f"SELECT DISTINCT provider, model FROM {relation}").fetchall()
        with self._lock:
            self.rates.prepare(connection, pairs)
        connection.execute(create_table(target).replace("CREATE OR REPLACE TABLE", "CREATE OR REPLACE TEMP TABLE"))
        connection.execute(
            f"INSERT INTO {target} BY NAME SELECT *, FALSE AS late, {QUARTER} AS quarter "
            f"FROM ({self.rates.select(relation)})"
        )

    @staticmethod
    def _one_row_per_id(connection: duckdb.DuckDBPyConnection) -> None:
        """A log without a unique id may repeat one; its newest row counts."""
        if _count(connection, "SELECT count(*) - count(DISTINCT id) FROM incoming"):
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM incoming "
                "QUALIFY row_number() OVER (PARTITION BY id ORDER BY time DESC) = 1"
            )


def take(
    connection: duckdb.DuckDBPyConnection, reader: LogReader, answer: AbstractContextManager[Any], table: str
) -> int:
    """Make a temporary table from the log's answer, which `table` calls `log_stream`; its rows' number."""
    with answer as stream:
        connection.register("log_stream", stream)
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {table}")
        finally:
            connection.unregister("log_stream")
    count = _count(connection, f"SELECT count(*) FROM {table.split(maxsplit=1)[0]}")
    reader.took(count)
    return count


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(first_row(connection, sql)[0])
