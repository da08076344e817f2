"""Closed days as integers, so that a filter need not read texts: a file a day beside the day itself.

Texts are numbered once for each distinct value (`fact_values`); a filter becomes sets of such numbers. Files are made
when nothing else is to do, and only ever read from then on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.fact_sums import Found, Question
from cost_top.mirror.fact_values import KIND, NUMBERS, UNITS, FactValues, units_of
from cost_top.mirror.kept import FACTS
from cost_top.mirror.measures import ADDITIVE_NAMES, row_parts
from cost_top.mirror.schema import first_row, quoted
from cost_top.mirror.slices import Slice
from cost_top.model.files import remove
from cost_top.model.filter import Filter
from cost_top.model.hashed_file import put

_DAY = timedelta(days=1)
_VERSION = 3
_BLOCK = 65536  # bytes: with greater ones a small day would take megabytes
# What is read of the files is kept in memory up to this, and let go of when no filter was asked for so long.
_MEMORY, _REST_SECONDS = "192MB", 60.0


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's file, and the units it has no numbers of: they had too many values."""

    reading: str
    path: Path
    without: frozenset[str]


class FactsLost(Exception):
    """What was held could not be read; it is held no more."""


class Facts:
    """The files of closed days. Used by the mirror's thread; `connection` is the mirror's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, days: Days) -> None:
        """Opens nothing before it is asked."""
        self.connection = connection
        self.values = FactValues(connection)
        self._days = days
        self.held: dict[date, _Day] = {}
        self._refused: dict[date, str] = {}  # readings of which no file could be made
        self.reader: duckdb.DuckDBPyConnection | None = None
        self._attached: dict[Path, str] = {}
        self._numbers = itertools.count(1)
        self._used = 0.0
        self.version = 0  # rises when other days are held
        self.asked = 0  # so many questions were answered

    def close(self) -> None:
        """Free the memory; files are opened again when they are asked for."""
        if self.reader is not None:
            self.reader.close()
        self.reader = None
        self._attached.clear()

    def rest(self) -> None:
        """Free the memory where nothing was asked for a while."""
        if self.reader is not None and time.monotonic() - self._used > _REST_SECONDS:
            self.close()

    def give_up(self) -> None:
        """Hold nothing any more: what is asked is answered from the rows."""
        self.close()
        self._refused |= {day: held.reading for day, held in self.held.items()}
        for day in list(self.held):
            self.forget(day)

    # Files

    def has(self, day: ClosedDay, needed: frozenset[str] = frozenset()) -> bool:
        """Whether a reading of a day is held as integers, of these units all."""
        held = self.held.get(day.day)
        return held is not None and held.reading == _name(day) and not needed & held.without

    def keep(self, day: ClosedDay) -> bool:
        """Hold a day as integers, from its file or made anew; whether that was something to do."""
        if self._days.files is None or day.path is None or not day.row_count:
            return False
        if self.has(day) or self._refused.get(day.day) == _name(day):
            return False
        self.forget(day.day)
        try:
            path = self._days.files.find(_name(day), FACTS)
            if (path is None or not self._take(day, path)) and self._days.is_noted(day):
                self._take(day, self._make(day))
        except (OSError, duckdb.Error, FactsLost):
            pass
        if not self.has(day):
            self._refused[day.day] = _name(day)
        return True

    def forget(self, day: date) -> None:
        """Have done with a day's file."""
        held = self.held.pop(day, None)
        if held is None:
            return
        self.version += 1
        name = self._attached.pop(held.path, None)
        if name is not None and self.reader is not None:
            self.reader.execute(f"DETACH {name}")
        self._days.release_file(held.path)

    def _take(self, day: ClosedDay, path: Path) -> bool:
        """Hold a file; False where its numbers mean other values than those in use."""
        own = self._days.hold_file(path)
        if own is None:
            return False
        name = self._open(own)
        assert self.reader is not None
        present = {unit for (unit,) in self.reader.execute(f"SELECT unit FROM {name}.units").fetchall()}
        told = {unit: self.reader.execute(f"SELECT * FROM {name}.values_{unit}").fetchall() for unit in present}
        if not self.values.agree(told):
            self.reader.execute(f"DETACH {self._attached.pop(own)}")
            self._days.release_file(own)
            return False
        self.version += 1
        self.held[day.day] = _Day(_name(day), own, frozenset(UNITS) - present)
        return True

    def _open(self, path: Path) -> str:
        """The name under which a file is read."""
        if self.reader is None:
            self.reader = duckdb.connect(
                ":memory:",
                config={
                    "threads": 2, "async_threads": 0, "temp_directory": "", "memory_limit": _MEMORY,
                    "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                    "preserve_insertion_order": False,
                },
            )  # fmt: skip
        if path not in self._attached:
            name = f"day_{next(self._numbers)}"
            text = str(path).replace("'", "''")
            self.reader.execute(f"ATTACH '{text}' AS {name} (READ_ONLY)")
            self._attached[path] = name
        return self._attached[path]

    def _make(self, day: ClosedDay) -> Path:
        """Write a day's file."""
        assert self._days.files is not None
        connection = self.connection
        derived = ", ".join(f"{sql} AS {name}" for name, sql in KIND.items())
        texts = quoted(tuple(dict.fromkeys(name for unit in UNITS if unit != "kind" for name in UNITS[unit])))
        (rows,) = first_row(
            connection,
            f"CREATE OR REPLACE TEMP TABLE fact_rows AS SELECT time, quarter, {texts}, {derived}, latency_ms, "
            f"{row_parts()} FROM {day.relation}",
        )
        try:
            present = [unit for unit in UNITS if self.values.learn(unit, "fact_rows", day.row_count)]

            def fill(made: Path) -> None:
                made.unlink()
                text = str(made).replace("'", "''")
                connection.execute(f"ATTACH '{text}' AS new_facts (BLOCK_SIZE {_BLOCK})")
                try:
                    self._write(present, rows)
                finally:
                    connection.execute("DETACH new_facts")
                    made.with_name(f"{made.name}.wal").unlink(missing_ok=True)
                made.chmod(0o600)

            path = put(self._days.files.folder, fill, _name(day), FACTS)
            for other in path.parent.glob(f"{_name(day).rpartition('.')[0]}.*{FACTS}"):  # whose numbers mean others
                if other != path:
                    remove(other)
            return path
        finally:
            connection.execute("DROP TABLE IF EXISTS fact_rows")

    def _write(self, present: Sequence[str], rows: int) -> None:
        joins = " ".join(
            f"JOIN {self.values.table(unit)} v_{unit} ON "
            + " AND ".join(f'v_{unit}."{name}" IS NOT DISTINCT FROM r."{name}"' for name in UNITS[unit])
            for unit in present
        )
        ids = "".join(f", CAST(v_{unit}.id AS USMALLINT) AS {unit}_id" for unit in present)
        sums = ", ".join(
            f"CAST(coalesce(r.{name}, 0) AS {'UTINYINT' if name.endswith('_count') else 'BIGINT'}) AS sum_{name}"
            for name in ADDITIVE_NAMES
        )
        (written,) = first_row(
            self.connection,
            f"CREATE TABLE new_facts.facts AS SELECT r.time, r.quarter{ids}, r.latency_ms, {sums} "
            f"FROM fact_rows r {joins} ORDER BY r.time",
        )
        if written != rows:
            raise FactsLost(f"{rows - written} of {rows} rows have a value without a number")
        units = ", ".join(f"('{unit}')" for unit in present)
        self.connection.execute(f"CREATE TABLE new_facts.units AS FROM (VALUES {units}) v(unit)")
        for unit in present:
            self.connection.execute(
                f"CREATE TABLE new_facts.values_{unit} AS SELECT * FROM {self.values.table(unit)} "
                f"WHERE id IN (SELECT {unit}_id FROM new_facts.facts)"
            )

    # Questions

    def ask(
        self, where: Filter, question: Question, parts: Mapping[Slice, int], closed: Iterable[ClosedDay]
    ) -> dict[int, Found]:
        """The sums of slices by their numbers. Every slice lies in days that are held, of all units it needs."""
        self._used = time.monotonic()
        self.asked += 1
        found = {number: Found() for number in parts.values()}
        matching = self.values.condition(where)
        if matching is None:
            return found
        columns = quoted(tuple(dict.fromkeys((*question.columns, *self._compared(where)))))
        selects = []
        for day in closed:
            for part, number in parts.items():
                if part.start < day.start + _DAY and part.end > day.start:
                    within = [f"time >= TIMESTAMP '{part.start}'"] if part.start > day.start else []
                    within += [f"time < TIMESTAMP '{part.end}'"] if part.end < day.start + _DAY else []
                    cut = f" WHERE {' AND '.join(within)}" if within else ""
                    selects.append(
                        f"SELECT {number} AS slice, {columns} FROM {self._open(self.held[day.day].path)}.facts{cut}"
                    )
        if not selects:
            return found
        sql, parameters = matching
        assert self.reader is not None
        select = question.select(" UNION ALL ".join(selects), sql)
        try:
            groups = self.reader.execute(select, parameters).fetchall()
        except duckdb.Error as error:
            self.give_up()
            raise FactsLost(str(error)) from error
        question.read(groups, self.values, found)
        return found

    def _compared(self, where: Filter) -> Iterable[str]:
        """The columns that a filter is about."""
        units = (f"{unit}_id" for unit in sorted(units_of(where) or ()))
        return (*units, *(NUMBERS[term.field] for term in where.terms if term.field in NUMBERS))


def _name(day: ClosedDay) -> str:
    assert day.path is not None
    return f"{day.path.stem.rpartition('.')[0]}.{_VERSION}-{duckdb.__version__.replace('.', '-')}"
