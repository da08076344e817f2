"""Closed days made into integers, a file of several days beside the days themselves, on a thread of their own."""

from __future__ import annotations

import hashlib
import math
import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.fact_pairs import kept_pairs, write_pairs
from cost_top.mirror.fact_values import KIND, UNITS, FactValues
from cost_top.mirror.hot import span
from cost_top.mirror.kept import FACTS, first_of_run
from cost_top.mirror.measures import ADDITIVE_NAMES, row_parts
from cost_top.mirror.schema import first_row, quoted
from cost_top.model.files import remove
from cost_top.model.hashed_file import put

_VERSION = 6
_STOP_SECONDS = 2.0
_ROWS_OF_PART = 90_000  # about so many are taken at once
_BLOCK = 65536  # bytes: with greater ones few rows would take megabytes
_KIND_OF_SUM = {name: "UTINYINT" if name.endswith("_count") else "BIGINT" for name in ADDITIVE_NAMES}


@dataclass(frozen=True, slots=True)
class Made:
    """A file of days: the reading of each, and the units it has no numbers of: they had too many values.

    `asked` are the readings that it was to hold; of those it does not, no integers can be made.
    """

    asked: Mapping[date, str]
    days: Mapping[date, str] = field(default_factory=dict)
    path: Path | None = None
    without: Mapping[date, frozenset[str]] = field(default_factory=dict)
    pairs: frozenset[int] = frozenset()  # that are summed up, by their number in `PAIRS`


class FactMaker:
    """Holds runs of days as integers, from their files or made anew, in turn. `results` is its owner's to drain."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, days: Days, values: FactValues) -> None:
        """`connection` is to the mirror's database; the thread begins with the first day that is asked for."""
        self.results: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._owners = connection
        self._days = days
        self._values = values
        self._wanted: queue.SimpleQueue[Sequence[ClosedDay] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None  # the thread's own
        self._stopping = threading.Event()

    def ask(self, runs: Iterable[Sequence[ClosedDay]]) -> None:
        """Queue days, those together whose integers stand in one file; each run has one result."""
        for days in runs:
            self._wanted.put(days)
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
        while (days := self._wanted.get()) is not None and not self._stopping.is_set():
            asked = {day.day: reading_of(day) for day in days}
            try:
                made = self._found(self._connection, asked) or self._made(self._connection, days)
            except Exception:  # a day is gone meanwhile, the disk is full: filters are answered from the rows
                made = None
            self.results.put(made or Made(asked))

    def _found(self, connection: duckdb.DuckDBPyConnection, asked: Mapping[date, str]) -> Made | None:
        """The file of an earlier run; None where it lacks a day, or its numbers mean other values than those in use."""
        files = self._days.files
        path = files.find(_name(asked, files.rates), FACTS) if files is not None else None
        own = self._days.hold_file(path) if path is not None else None
        if own is None:
            return None
        made = None
        try:
            connection.execute(f"ATTACH {_literal(own)} AS kept_facts (READ_ONLY)")
            try:
                days = dict(connection.execute("SELECT day, reading FROM kept_facts.days").fetchall())
                units = connection.execute("SELECT day, unit FROM kept_facts.units").fetchall()
                pairs = kept_pairs(connection, "kept_facts")
                told = {
                    unit: connection.execute(f"SELECT * FROM kept_facts.values_{unit}").fetchall() for unit in UNITS
                }
            finally:
                connection.execute("DETACH kept_facts")
            if asked.items() <= days.items() and self._values.agree(connection, told):
                made = Made(asked, days, own, _without(days, units), pairs)
        finally:
            if made is None:
                self._days.release_file(own)
        return made

    def _made(self, connection: duckdb.DuckDBPyConnection, days: Sequence[ClosedDay]) -> Made | None:
        """Write a file of days and hold it."""
        files = self._days.files
        if files is None:
            return None
        asked = {day.day: reading_of(day) for day in days}
        held: dict[date, str] = {}
        units: list[tuple[date, str]] = []
        pairs: list[int] = []

        def fill(made: Path) -> None:
            made.unlink()
            connection.execute(f"ATTACH {_literal(made)} AS new_facts (BLOCK_SIZE {_BLOCK})")
            try:
                self._create(connection)
                for day in days:
                    if self._days.is_noted(day) and (present := self._add(connection, day)) is not None:
                        units.extend((day.day, unit) for unit in present)
                        held[day.day] = asked[day.day]
                self._describe(connection, held, units)
                write_pairs(connection, "new_facts")
                pairs.extend(kept_pairs(connection, "new_facts"))
            finally:
                connection.execute("DROP TABLE IF EXISTS fact_rows")
                connection.execute("DETACH new_facts")
                made.with_name(f"{made.name}.wal").unlink(missing_ok=True)
            made.chmod(0o600)

        name = _name(asked, files.rates)
        path = put(files.folder, fill, f"{name}.{_digest(asked)}", FACTS)
        if not held or any(day.day in held and not self._days.is_noted(day) for day in days):
            remove(path)  # a day was read anew meanwhile
            return None
        for other in path.parent.glob(f"{name}.*{FACTS}"):
            if other != path:  # it holds fewer days, or its numbers mean others
                remove(other)
        own = self._days.hold_file(path)
        return Made(asked, held, own, _without(held, units), frozenset(pairs)) if own else None

    def _create(self, connection: duckdb.DuckDBPyConnection) -> None:
        ids = "".join(f", {unit}_id USMALLINT" for unit in UNITS)
        sums = ", ".join(f"sum_{name} {kind}" for name, kind in _KIND_OF_SUM.items())
        connection.execute(
            f"CREATE TABLE new_facts.facts (time TIMESTAMP, quarter INTEGER{ids}, latency_ms BIGINT, {sums})"
        )

    def _add(self, connection: duckdb.DuckDBPyConnection, day: ClosedDay) -> list[str] | None:
        """Add a day's rows; the units that all of them have numbers of, None where they cannot be read any more."""
        present = list(UNITS)
        parts = max(1, math.ceil(day.row_count / _ROWS_OF_PART))
        for number in range(parts):
            start, end = (day.start + timedelta(days=1) * edge / parts for edge in (number, number + 1))
            rows = self._take(connection, f"{day.relation} WHERE {span(start, end)}")
            if rows is None:
                return None
            numbered = self._write(connection, rows)
            present = [unit for unit in present if unit in numbered]
        return present

    def _take(self, connection: duckdb.DuckDBPyConnection, relation: str) -> int | None:
        """Take rows, with what each adds to sums; how many, None where they cannot be read any more."""
        derived = ", ".join(f"{sql} AS {name}" for name, sql in KIND.items())
        texts = quoted(tuple(dict.fromkeys(name for unit in UNITS if unit != "kind" for name in UNITS[unit])))
        try:
            (rows,) = first_row(
                connection,
                f"CREATE OR REPLACE TEMP TABLE fact_rows AS SELECT time, quarter, {texts}, {derived}, latency_ms, "
                f"{row_parts()} FROM {relation}",
            )
        except duckdb.Error:
            if self._stopping.is_set():
                raise
            return None
        return int(rows)

    def _write(self, connection: duckdb.DuckDBPyConnection, rows: int) -> list[str]:
        """Add rows that were taken; the units that they have numbers of."""
        present = [unit for unit in UNITS if self._values.learn(connection, unit, "fact_rows", rows)]
        joins = " ".join(
            f"JOIN {self._values.table(unit)} v_{unit} ON "
            + " AND ".join(f'v_{unit}."{name}" IS NOT DISTINCT FROM r."{name}"' for name in UNITS[unit])
            for unit in present
        )
        ids = "".join(f", v_{unit}.id AS {unit}_id" for unit in present)
        sums = ", ".join(f"coalesce(r.{name}, 0) AS sum_{name}" for name in ADDITIVE_NAMES)
        (written,) = first_row(
            connection,
            f"INSERT INTO new_facts.facts BY NAME SELECT r.time, r.quarter{ids}, r.latency_ms, {sums} "
            f"FROM fact_rows r {joins} ORDER BY r.time",
        )
        if written != rows:
            raise ValueError(f"{rows - written} of {rows} rows have a value without a number")
        return present

    def _describe(
        self, connection: duckdb.DuckDBPyConnection, days: Mapping[date, str], units: Sequence[tuple[date, str]]
    ) -> None:
        """Add which days the rows are of, of which units they have numbers, and what the numbers mean."""
        connection.execute("CREATE TABLE new_facts.days AS SELECT unnest($1::DATE[]) AS day, "
                           "unnest($2::VARCHAR[]) AS reading", [list(days), list(days.values())])  # fmt: skip
        told = [list(column) for column in zip(*units, strict=True)] or [[], []]
        connection.execute("CREATE TABLE new_facts.units AS SELECT unnest($1::DATE[]) AS day, "
                           "unnest($2::VARCHAR[]) AS unit", told)  # fmt: skip
        for unit in UNITS:
            connection.execute(
                f"CREATE TABLE new_facts.values_{unit} AS SELECT * FROM {self._values.table(unit)} "
                f"WHERE id IN (SELECT {unit}_id FROM new_facts.facts)"
            )


def reading_of(day: ClosedDay) -> str:
    """What tells a reading of a day from others: the name of its file without its hash."""
    assert day.path is not None
    return day.path.stem.rpartition(".")[0]


def _name(days: Iterable[date], rates: str) -> str:
    """The name of the files of a run without what says which readings they hold: who can read them."""
    return f"{first_of_run(min(days))}.days.{rates}.{_VERSION}-{duckdb.__version__.replace('.', '-')}"


def _digest(readings: Mapping[date, str]) -> str:
    return hashlib.sha256(" ".join(sorted(readings.values())).encode()).hexdigest()[:12]


def _without(days: Iterable[date], units: Iterable[tuple[date, str]]) -> dict[date, frozenset[str]]:
    present: dict[date, set[str]] = {day: set() for day in days}
    for day, unit in units:
        present[day].add(unit)
    return {day: frozenset(UNITS).difference(told) for day, told in present.items()}


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
