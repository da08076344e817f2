"""The mirror's DuckDB: in memory, two threads, no downloads, no files but those asked for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb

from cost_top.mirror import few_rows
from cost_top.mirror.names import NAMED, Names, is_naming
from cost_top.mirror.packed import Incoming, packed_rows
from cost_top.mirror.schema import COLUMNS, QUARTER, create_table, first_row
from cost_top.pricing.book import RateBook
from cost_top.pricing.rate_join import RateJoin
from cost_top.sources.base import Lookup, PackedForm, ReadsPackedRows, ReadsRows

THREADS = 2
# From so many rows on it pays to read them packed.
_PACKED = 8_000

# Without these a join that stands in a condition looks at each pair of rows.
_OF_JOINS = ("filter_pushdown", "join_order", "deliminator", "in_clause", "unnest_rewriter")


class Database:
    """One in-memory DuckDB with the rates in it. `cursor()` gives a connection for another thread."""

    def __init__(self, book: RateBook) -> None:
        """Open it and load the rates."""
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "threads": THREADS,
                "async_threads": 0,
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
        self._threads = self._wanted_threads = THREADS
        self._at_work = 0
        self._settings = threading.Lock()
        self._lookups: tuple[Lookup, ...] = ()
        self.names = Names(self.connection)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection to the same data for another thread."""
        return self.connection.cursor()

    def close(self) -> None:
        """Free it."""
        self.connection.close()

    def use_threads(self, count: int) -> None:
        """How many threads a statement may use: small ones lose more by sharing than they gain."""
        with self._settings:
            self._wanted_threads = count
            self._set_threads()

    def plan_as_written(self) -> None:
        """Better plans of few rows' statements in nothing but their joins: it takes longer than it saves."""
        found = self.connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        others = ",".join(name for (name,) in found if name not in _OF_JOINS)
        self.connection.execute(f"SET disabled_optimizers = '{others}'")

    @contextmanager
    def working(self) -> Iterator[None]:
        """A thread of its own is at work: where there are as many as processors, statements share none."""
        with self._settings:
            self._at_work += 1
            self._set_threads()
        try:
            yield
        finally:
            with self._settings:
                self._at_work -= 1
                self._set_threads()

    def _set_threads(self) -> None:
        count = 1 if self._at_work >= THREADS else self._wanted_threads
        if count != self._threads:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SET threads = {int(count)}")
            self._threads = count

    def tidy(self) -> bool:
        """Pack the rows of tables and give back the memory of deleted ones; False where another connection writes."""
        try:
            self.connection.execute("CHECKPOINT")
        except duckdb.TransactionException:
            return False
        return True

    @contextmanager
    def incoming(
        self, connection: duckdb.DuckDBPyConnection, reader: ReadsRows, answer: AbstractContextManager[Any],
        told: Collection[str] | None = None,
    ) -> Iterator[Incoming]:  # fmt: skip
        """A temporary table of the normal form and witnesses from a raw stream, ready to be priced; few are priced too.

        Every row of the log is a row of it. The statement on the log has ended when the table is there. Where the
        reader's rows are not whole, `told` are their fields, and nothing shows their changes.
        """
        taken = f"incoming AS SELECT * FROM ({reader.taken_sql('log_stream')})"
        count = take(connection, reader, answer, taken)
        try:
            self._name(connection, told)
            few = None
            if count <= few_rows.MOST_TAKEN:
                few = few_rows.priced_rows(connection, "incoming", self.book)
                few_rows.hear(self.names, connection, few)
            else:
                self.names.learn(connection, "incoming", told)
                self.prepare(connection, "incoming")
            yield Incoming("incoming", "incoming", "incoming", few=few)
        finally:
            connection.execute("DROP TABLE IF EXISTS incoming")

    def period_incoming(
        self, connection: duckdb.DuckDBPyConnection, reader: ReadsRows, start: datetime, end: datetime, details: bool,
        count: int, told: Collection[str] | None = None,
    ) -> AbstractContextManager[Incoming]:  # fmt: skip
        """As `incoming`, of a period with about so many rows: few are read at once, many packed."""
        incoming = self.many_incoming if count >= _PACKED else self._few_incoming
        return incoming(connection, reader, start, end, details, told)

    @contextmanager
    def many_incoming(
        self, connection: duckdb.DuckDBPyConnection, reader: ReadsRows, start: datetime, end: datetime, details: bool,
        told: Collection[str] | None = None,
    ) -> Iterator[Incoming]:  # fmt: skip
        """As `incoming`, of a period with many rows: packed, where the log's rows come so."""
        if isinstance(reader, ReadsPackedRows) and (form := reader.packed) is not None:
            answer = reader.packed_rows(start, end, details)
            with packed_rows(connection, form, answer, self._filled, self.rates) as (count, found):
                reader.took(count)
                if found is not None:
                    with self._named(connection, form, found, told) as named:
                        if not named.rated:
                            self.prepare(connection, named.pairs)
                        yield named
                    return
        with self._few_incoming(connection, reader, start, end, details, told) as incoming:
            yield incoming

    @contextmanager
    def _few_incoming(
        self, connection: duckdb.DuckDBPyConnection, reader: ReadsRows, start: datetime, end: datetime, details: bool,
        told: Collection[str] | None = None,
    ) -> Iterator[Incoming]:  # fmt: skip
        """As `many_incoming`, not packed."""
        with self.incoming(connection, reader, reader.rows(start, end, details), told) as incoming:
            yield incoming

    @contextmanager
    def _named(
        self, connection: duckdb.DuckDBPyConnection, form: PackedForm, found: Incoming, told: Collection[str] | None
    ) -> Iterator[Incoming]:  # fmt: skip
        """Rows with the names beside the log; those that the rows tell themselves are learned."""
        rows = found.rows
        try:
            if any(lookup.names for lookup in self._filling(told)):
                rows = "incoming"
                connection.execute(f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM {found.rows}")
                self._name(connection, told)
            if rows == "incoming" or any(name in pack for pack in form.packs for name in NAMED.values()):
                self.names.learn(connection, rows, told)
            pairs = found.pairs if rows == found.rows else rows
            yield replace(found, rows=rows, pairs=pairs)
        finally:
            connection.execute("DROP TABLE IF EXISTS incoming")

    @property
    def _filled(self) -> frozenset[str]:
        """Fields that get names beside the log."""
        return frozenset(lookup.field for lookup in self._lookups)

    @contextmanager
    def ingested(
        self, connection: duckdb.DuckDBPyConnection, reader: ReadsRows, answer: AbstractContextManager[Any]
    ) -> Iterator[str]:
        """As `incoming`, of the mirror's columns and witnesses: priced."""
        try:
            with self.incoming(connection, reader, answer) as incoming:
                self._price(connection, incoming)
            yield "priced_rows"
        finally:
            connection.execute("DROP TABLE IF EXISTS priced_rows")

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """The names beside the log that fill fields of its rows."""
        return self._lookups

    def set_lookups(self, lookups: tuple[Lookup, ...]) -> bool:
        """The names kept beside the log's rows: rows read from now on carry them. Whether any is new."""
        self._lookups = tuple(lookup for lookup in lookups if not is_naming(lookup))
        return self.names.set_lookups(self.connection.cursor(), lookups)

    def _filling(self, told: Collection[str] | None) -> list[Lookup]:
        return [lookup for lookup in self._lookups if told is None or lookup.field in told]

    def _name(self, connection: duckdb.DuckDBPyConnection, told: Collection[str] | None = None) -> None:
        for lookup in self._filling(told):
            if lookup.names:
                connection.execute(
                    f'UPDATE incoming SET "{lookup.field}" = n.name FROM '
                    "(SELECT unnest($keys) AS key, unnest($names) AS name) n "
                    f'WHERE incoming."{lookup.by}" = n.key',
                    {"keys": list(lookup.names.keys()), "names": list(lookup.names.values())},
                )

    def fill(self, row: dict[str, Any]) -> None:
        """Give one row of the normal form the names that are kept beside the log, as rows that are read get them."""
        for lookup in self._lookups:
            row[lookup.field] = lookup.names.get(row[lookup.by], row[lookup.field])

    def prepare(self, connection: duckdb.DuckDBPyConnection, relation: str) -> None:
        """Have the rates ready of the models of rows of the normal form."""
        pairs = connection.execute(f"SELECT DISTINCT provider, model FROM {relation}").fetchall()
        with self._lock:
            self.rates.prepare(connection, pairs)

    def priced(
        self, relation: str, enumerated: Collection[str] = (), held: Collection[str] | None = None, rated: bool = False
    ) -> str:  # fmt: skip
        """A SELECT of the mirror's columns, or those that are `held`, over rows of the normal form with rates ready.

        Fields that are `enumerated` stay so; where rows are `rated` they bring their rates.
        """
        columns = ", ".join(
            f'"{name}"' if name in enumerated else f'CAST("{name}" AS {kind}) AS "{name}"'
            for name, kind in COLUMNS
            if held is None or name in held
        )
        rates = self.rates.select_rated(relation) if rated else self.rates.select(relation)
        return f"SELECT {columns} FROM (SELECT *, FALSE AS late, {QUARTER} AS quarter FROM ({rates}))"

    def _price(self, connection: duckdb.DuckDBPyConnection, incoming: Incoming) -> None:
        """Make the temporary table `priced_rows` from rows of the normal form and witnesses whose rates are ready."""
        connection.execute(create_table("priced_rows").replace("REPLACE TABLE", "REPLACE TEMP TABLE"))
        if incoming.few is not None:
            few_rows.put(connection, "priced_rows", incoming.few)
            return
        connection.execute(
            f"INSERT INTO priced_rows BY NAME SELECT *, FALSE AS late, {QUARTER} AS quarter "
            f"FROM ({self.rates.select(incoming.rows)})"
        )


def number_twins(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Give rows that share a key, in a log where nothing is unique, keys of their own; whether there were any.

    Twins are of one instant, so they come together. A further twin changes the keys of all.
    """
    if not _count(connection, f"SELECT count(*) - count(DISTINCT key) FROM {table}"):
        return False
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * EXCLUDE (twin, twins) "
        "REPLACE (CASE WHEN twins > 1 THEN concat(key, '#', twin, '/', twins) ELSE key END AS key) "
        "FROM (SELECT *, row_number() OVER (PARTITION BY key ORDER BY fingerprint) AS twin, "
        f"count(*) OVER (PARTITION BY key) AS twins FROM {table})"
    )
    return True


def take(
    connection: duckdb.DuckDBPyConnection, reader: ReadsRows, answer: AbstractContextManager[Any], table: str
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
