"""Closed days made into integers, a file a day beside the day itself, on a thread of their own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.fact_values import KIND, UNITS, FactValues
from cost_top.mirror.kept import FACTS
from cost_top.mirror.measures import ADDITIVE_NAMES, row_parts
from cost_top.mirror.schema import first_row, quoted
from cost_top.model.files import remove
from cost_top.model.hashed_file import put

_VERSION = 3
_STOP_SECONDS = 2.0
_BLOCK = 65536  # bytes: with greater ones a small day would take megabytes


@dataclass(frozen=True, slots=True)
class Made:
    """A day's file, and the units it has no numbers of: they had too many values. No `path`: none can be made."""

    day: date
    reading: str
    path: Path | None = None
    without: frozenset[str] = frozenset()


class FactMaker:
    """Holds days as integers, from their files or made anew, one after another. `results` is its owner's to drain."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, days: Days, values: FactValues) -> None:
        """`connection` is to the mirror's database; the thread begins with the first day that is asked for."""
        self.results: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._owners = connection
        self._days = days
        self._values = values
        self._wanted: queue.SimpleQueue[ClosedDay | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None  # the thread's own
        self._stopping = threading.Event()

    def ask(self, days: Iterable[ClosedDay]) -> None:
        """Queue days; each has one result."""
        for day in days:
            self._wanted.put(day)
        if self._thread is None:
            self._connection = self._owners.cursor()
            self._values.make_tables(self._connection)
            self._thread = threading.Thread(target=self._run, name="facts", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Break off and end the thread."""
        self._stopping.set()
        if self._thread is None or self._connection is None:
            return
        self._wanted.put(None)
        until = time.monotonic() + _STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            self._connection.interrupt()  # again and again: each breaks off one statement
            self._thread.join(timeout=0.05)
        if not self._thread.is_alive():
            self._connection.close()

    def _run(self) -> None:
        assert self._connection is not None
        while (day := self._wanted.get()) is not None and not self._stopping.is_set():
            try:
                made = self._found(self._connection, day) or self._made(self._connection, day)
            except Exception:  # the day is gone meanwhile, the disk is full: filters are answered from its rows
                made = None
            self.results.put(made or Made(day.day, reading_of(day)))

    def _found(self, connection: duckdb.DuckDBPyConnection, day: ClosedDay) -> Made | None:
        """The file of an earlier run; None where there is none, or its numbers mean other values than those in use."""
        files = self._days.files
        path = files.find(reading_of(day), FACTS) if files is not None else None
        return self._held(connection, day, path) if path is not None else None

    def _held(self, connection: duckdb.DuckDBPyConnection, day: ClosedDay, path: Path) -> Made | None:
        own = self._days.hold_file(path)
        if own is None:
            return None
        agreed = False
        try:
            text = str(own).replace("'", "''")
            connection.execute(f"ATTACH '{text}' AS kept_facts (READ_ONLY)")
            try:
                present = [unit for (unit,) in connection.execute("SELECT unit FROM kept_facts.units").fetchall()]
                told = {
                    unit: connection.execute(f"SELECT * FROM kept_facts.values_{unit}").fetchall() for unit in present
                }
            finally:
                connection.execute("DETACH kept_facts")
            agreed = self._values.agree(connection, told)
        finally:
            if not agreed:
                self._days.release_file(own)
        return Made(day.day, reading_of(day), own, frozenset(UNITS).difference(present)) if agreed else None

    def _made(self, connection: duckdb.DuckDBPyConnection, day: ClosedDay) -> Made | None:
        """Write a day's file and hold it."""
        files = self._days.files
        if files is None or not self._days.is_noted(day):
            return None
        derived = ", ".join(f"{sql} AS {name}" for name, sql in KIND.items())
        texts = quoted(tuple(dict.fromkeys(name for unit in UNITS if unit != "kind" for name in UNITS[unit])))
        (rows,) = first_row(
            connection,
            f"CREATE OR REPLACE TEMP TABLE fact_rows AS SELECT time, quarter, {texts}, {derived}, latency_ms, "
            f"{row_parts()} FROM {day.relation}",
        )
        try:
            present = [unit for unit in UNITS if self._values.learn(connection, unit, "fact_rows", day.row_count)]

            def fill(made: Path) -> None:
                made.unlink()
                text = str(made).replace("'", "''")
                connection.execute(f"ATTACH '{text}' AS new_facts (BLOCK_SIZE {_BLOCK})")
                try:
                    self._write(connection, present, rows)
                finally:
                    connection.execute("DETACH new_facts")
                    made.with_name(f"{made.name}.wal").unlink(missing_ok=True)
                made.chmod(0o600)

            path = put(files.folder, fill, reading_of(day), FACTS)
            if not self._days.is_noted(day):  # it was read anew meanwhile
                remove(path)
                return None
            for other in path.parent.glob(f"{reading_of(day).rpartition('.')[0]}.*{FACTS}"):
                if other != path:  # its numbers mean others
                    remove(other)
            own = self._days.hold_file(path)
            return Made(day.day, reading_of(day), own, frozenset(UNITS).difference(present)) if own else None
        finally:
            connection.execute("DROP TABLE IF EXISTS fact_rows")

    def _write(self, connection: duckdb.DuckDBPyConnection, present: Sequence[str], rows: int) -> None:
        joins = " ".join(
            f"JOIN {self._values.table(unit)} v_{unit} ON "
            + " AND ".join(f'v_{unit}."{name}" IS NOT DISTINCT FROM r."{name}"' for name in UNITS[unit])
            for unit in present
        )
        ids = "".join(f", CAST(v_{unit}.id AS USMALLINT) AS {unit}_id" for unit in present)
        sums = ", ".join(
            f"CAST(coalesce(r.{name}, 0) AS {'UTINYINT' if name.endswith('_count') else 'BIGINT'}) AS sum_{name}"
            for name in ADDITIVE_NAMES
        )
        (written,) = first_row(
            connection,
            f"CREATE TABLE new_facts.facts AS SELECT r.time, r.quarter{ids}, r.latency_ms, {sums} "
            f"FROM fact_rows r {joins} ORDER BY r.time",
        )
        if written != rows:
            raise ValueError(f"{rows - written} of {rows} rows have a value without a number")
        units = ", ".join(f"('{unit}')" for unit in present)
        connection.execute(f"CREATE TABLE new_facts.units AS FROM (VALUES {units}) v(unit)")
        for unit in present:
            connection.execute(
                f"CREATE TABLE new_facts.values_{unit} AS SELECT * FROM {self._values.table(unit)} "
                f"WHERE id IN (SELECT {unit}_id FROM new_facts.facts)"
            )


def reading_of(day: ClosedDay) -> str:
    """The name of a day's file without its hash: which reading of the day it holds, and who can read it."""
    assert day.path is not None
    return f"{day.path.stem.rpartition('.')[0]}.{_VERSION}-{duckdb.__version__.replace('.', '-')}"
