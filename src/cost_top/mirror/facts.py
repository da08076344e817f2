"""Closed days as integers, so that a filter need not read texts: a file a day beside the day itself.

Texts are numbered once for each distinct value (`fact_values`); a filter becomes sets of such numbers. Files are made
behind the screen's back (`fact_maker`), and only ever read from then on.
"""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.fact_maker import FactMaker, Made, reading_of
from cost_top.mirror.fact_sums import Found, Question
from cost_top.mirror.fact_values import NUMBERS, FactValues, units_of
from cost_top.mirror.measures import fetch_sums
from cost_top.mirror.names import Names
from cost_top.mirror.schema import quoted
from cost_top.mirror.slices import Slice, in_a_row, number_sql
from cost_top.model.filter import Filter

_DAY = timedelta(days=1)
# What is read of the files is kept in memory up to this, and let go of when no filter was asked for so long.
_MOST_CONDITIONS = 60
_MEMORY, _REST_SECONDS = "192MB", 60.0


class FactsLost(Exception):
    """What was held could not be read; it is held no more."""


class Facts:
    """The files of closed days. Used by the mirror's thread; `connection` is the mirror's own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, days: Days, names: Names) -> None:
        """Opens nothing before it is asked. `names` are what people call the values."""
        self._names = names
        self.connection = connection
        self.values = FactValues(connection)
        self._days = days
        self.held: dict[date, Made] = {}
        self._maker = FactMaker(connection, days, self.values)
        self._asked: dict[date, str] = {}  # readings that are being made
        self._refused: dict[date, str] = {}  # readings of which no file could be made
        self.reader: duckdb.DuckDBPyConnection | None = None
        self._attached: dict[Path, str] = {}
        self._conditions: dict[Filter, tuple[tuple[int, ...], tuple[str, list[object]] | None]] = {}
        self._numbers = itertools.count(1)
        self._used = 0.0
        self.version = 0  # rises when other days are held
        self.asked = 0  # so many questions were answered

    def close(self) -> None:
        """End the maker's thread and free the memory."""
        self._maker.stop()
        self._close_reader()

    def _close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader = None
        self._attached.clear()

    def rest(self) -> None:
        """Free the memory where nothing was asked for a while."""
        if self.reader is not None and time.monotonic() - self._used > _REST_SECONDS:
            self._close_reader()

    def give_up(self) -> None:
        """Hold nothing any more: what is asked is answered from the rows."""
        self._close_reader()
        self._refused |= {day: held.reading for day, held in self.held.items()}
        for day in list(self.held):
            self.forget(day)

    # Files

    def has(self, day: ClosedDay, needed: frozenset[str] = frozenset()) -> bool:
        """Whether a reading of a day is held as integers, of these units all."""
        held = self.held.get(day.day)
        if held is None or day.path is None:
            return False
        return held.reading == reading_of(day) and not needed & held.without

    def want(self, days: Iterable[ClosedDay]) -> None:
        """Ask for days to be held as integers, in this order, those apart that are or cannot be."""
        if self._days.files is None:
            return
        wanted = [
            day for day in days
            if day.path is not None and day.row_count and not self.has(day)
            and self._refused.get(day.day) != reading_of(day) and self._asked.get(day.day) != reading_of(day)
        ]  # fmt: skip
        if wanted:
            self._asked |= {day.day: reading_of(day) for day in wanted}
            self._maker.ask(wanted)

    def collect(self, closed: Mapping[date, ClosedDay], wait: float = 0.0) -> bool:
        """Hold the days that are ready, as far as they are closed as they were read; whether others are to come."""
        while self._asked:
            try:
                made = self._maker.results.get(timeout=wait) if wait else self._maker.results.get_nowait()
            except queue.Empty:
                break
            if self._asked.get(made.day) == made.reading:
                del self._asked[made.day]
            day = closed.get(made.day)
            if made.path is None:
                self._refused[made.day] = made.reading
            elif day is None or day.path is None or reading_of(day) != made.reading or self.has(day):
                self._days.release_file(made.path)
            else:
                self.forget(made.day)
                self.version += 1
                self.held[made.day] = made
        return bool(self._asked)

    def forget(self, day: date) -> None:
        """Have done with a day's file."""
        held = self.held.pop(day, None)
        if held is None or held.path is None:
            return
        self.version += 1
        name = self._attached.pop(held.path, None)
        if name is not None and self.reader is not None:
            self.reader.execute(f"DETACH {name}")
        self._days.release_file(held.path)

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

    # Questions

    def ask(
        self, where: Filter, question: Question, parts: Mapping[Slice, int], closed: Iterable[ClosedDay]
    ) -> dict[int, Found]:
        """The sums of slices by their numbers. Every slice lies in days that are held, of all units it needs."""
        self._used = time.monotonic()
        self.asked += 1
        found = {number: Found() for number in parts.values()}
        matching = self._condition(where)
        if matching is None:
            return found
        columns = quoted(tuple(dict.fromkeys((*question.columns, *self._compared(where)))))
        sql, parameters = matching
        try:
            selects = [
                f"SELECT {number} AS slice, {columns} FROM {self._open(self._path_of(day))}.facts{cut}"
                for day in closed
                for number, cut in _cuts(day, parts)
            ]
            if not selects:
                return found
            assert self.reader is not None
            groups = fetch_sums(self.reader, question.select(" UNION ALL ".join(selects), sql), parameters)
        except duckdb.Error as error:
            self.give_up()
            raise FactsLost(str(error)) from error
        question.read(groups, self.values, found)
        return found

    def _condition(self, where: Filter) -> tuple[str, list[object]] | None:
        """As the values have it, which are asked once for all slices: again when there are more, or other names."""
        known = (self._names.version, *map(len, self.values.of.values()))
        if self._conditions.get(where, ((), None))[0] != known:
            while len(self._conditions) >= _MOST_CONDITIONS:
                del self._conditions[next(iter(self._conditions))]
            self._conditions[where] = known, self.values.condition(where)
        return self._conditions[where][1]

    def _path_of(self, day: ClosedDay) -> Path:
        path = self.held[day.day].path
        assert path is not None
        return path

    def _compared(self, where: Filter) -> Iterable[str]:
        """The columns that a filter is about."""
        units = (f"{unit}_id" for unit in sorted(units_of(where) or ()))
        return (*units, *(NUMBERS[term.field] for term in where.terms if term.field in NUMBERS))


def _cuts(day: ClosedDay, parts: Mapping[Slice, int]) -> Iterator[tuple[str, str]]:
    """SQL of the number of a slice's rows in a day, and of the condition on them.

    Parts of the day that have one length and follow one another are taken together.
    """
    by_length: dict[timedelta, dict[Slice, int]] = {}
    for part, number in parts.items():
        if part.start < day.start + _DAY and part.end > day.start:
            by_length.setdefault(part.end - part.start, {})[part] = number
    for length, alike in by_length.items():
        for group in in_a_row(alike) if length < _DAY else [[part] for part in alike]:
            yield number_sql({part: alike[part] for part in group}), _within(day, group[0].start, group[-1].end)


def _within(day: ClosedDay, start: datetime, end: datetime) -> str:
    within = [f"time >= TIMESTAMP '{start}'"] if start > day.start else []
    within += [f"time < TIMESTAMP '{end}'"] if end < day.start + _DAY else []
    return f" WHERE {' AND '.join(within)}" if within else ""
