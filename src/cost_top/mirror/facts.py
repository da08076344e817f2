"""Closed days as integers, so that a filter need not read texts: a file of several days beside the days themselves.

Texts are numbered once for each distinct value (`fact_values`); a filter becomes sets of such numbers. Files are made
behind the screen's back (`fact_maker`), and only ever read from then on.
"""

from __future__ import annotations

import itertools
import queue
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.fact_maker import FactMaker, Made, reading_of
from cost_top.mirror.fact_pairs import Paired
from cost_top.mirror.fact_sums import Found, Question, Told
from cost_top.mirror.fact_values import Condition, FactValues
from cost_top.mirror.kept import first_of_run
from cost_top.mirror.measures import fetch_sums
from cost_top.mirror.names import Names
from cost_top.mirror.schema import quoted
from cost_top.mirror.slices import Slice, in_a_row
from cost_top.model.filter import Filter

_DAY = timedelta(days=1)
# What is read of the files is kept in memory up to this, and let go of when no filter was asked for so long.
_MOST_CONDITIONS = 60
_MEMORY, _REST_SECONDS = "96MB", 60.0
# Of days with fewer rows a statement takes longer to plan than to run: a second thread costs more than it gains.
_MANY_ROWS = 2_000_000


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
        self._refused: dict[date, str] = {}  # readings of which no integers could be made
        self.reader: duckdb.DuckDBPyConnection | None = None
        self._threads = 1
        self._attached: dict[Path, str] = {}
        self._conditions: dict[Filter, tuple[tuple[int, ...], Condition | None]] = {}
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
        self._refused |= {day: made.days[day] for day, made in self.held.items()}
        for day in list(self.held):
            self.forget(day)

    # Files

    def has(self, day: ClosedDay, needed: frozenset[str] = frozenset()) -> bool:
        """Whether a reading of a day is held as integers, of these units all."""
        held = self.held.get(day.day)
        if held is None or day.path is None:
            return False
        return held.days[day.day] == reading_of(day) and not needed & held.without[day.day]

    def want(self, days: Iterable[ClosedDay]) -> None:
        """Ask for days to be held as integers, in this order, those apart that are or cannot be."""
        if self._days.files is None:
            return
        runs: dict[date, list[ClosedDay]] = {}
        for day in days:
            if day.path is not None and day.row_count and self._refused.get(day.day) != reading_of(day):
                runs.setdefault(first_of_run(day.day), []).append(day)
        wanted = [
            run for run in runs.values()
            if any(not self.has(day) and self._asked.get(day.day) != reading_of(day) for day in run)
        ]  # fmt: skip
        if wanted:
            self._asked |= {day.day: reading_of(day) for run in wanted for day in run}
            self._maker.ask(wanted)

    def collect(self, closed: Mapping[date, ClosedDay], wait: float = 0.0) -> bool:
        """Hold the days that are ready, as far as they are closed as they were read; whether others are to come."""
        while self._asked:
            try:
                made = self._maker.results.get(timeout=wait) if wait else self._maker.results.get_nowait()
            except queue.Empty:
                break
            for day, reading in made.asked.items():
                if self._asked.get(day) == reading:
                    del self._asked[day]
                if made.days.get(day) != reading:
                    self._refused[day] = reading
            self._hold(made, closed)
        return bool(self._asked)

    def _hold(self, made: Made, closed: Mapping[date, ClosedDay]) -> None:
        days = [
            day for day, reading in made.days.items()
            if (there := closed.get(day)) is not None and there.path is not None and reading_of(there) == reading
        ]  # fmt: skip
        for day in days:
            self.forget(day)
        self.held.update(dict.fromkeys(days, made))
        self.version += 1
        if not days and made.path is not None:
            self._days.release_file(made.path)

    def forget(self, day: date) -> None:
        """Have done with a day, and with its file where no other day of it is held."""
        held = self.held.pop(day, None)
        if held is None or held.path is None:
            return
        self.version += 1
        if any(other is held for other in self.held.values()):
            return
        name = self._attached.pop(held.path, None)
        if name is not None and self.reader is not None:
            self.reader.execute(f"DETACH {name}")
        self._days.release_file(held.path)

    def _use_threads(self, count: int) -> None:
        """How many threads the next statements may use."""
        reader = self._opened()
        if count != self._threads:
            reader.execute(f"SET threads = {int(count)}")
            self._threads = count

    def _opened(self) -> duckdb.DuckDBPyConnection:
        if self.reader is None:
            self._threads = 1
            self.reader = duckdb.connect(
                ":memory:",
                config={
                    "threads": 1, "async_threads": 0, "temp_directory": "", "memory_limit": _MEMORY,
                    "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                    "preserve_insertion_order": False,
                },
            )  # fmt: skip
        return self.reader

    def _open(self, path: Path) -> str:
        """The name under which a file is read."""
        reader = self._opened()
        if path not in self._attached:
            name = f"days_{next(self._numbers)}"
            text = str(path).replace("'", "''")
            reader.execute(f"ATTACH '{text}' AS {name} (READ_ONLY)")
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
        days = tuple(closed)
        told: Told = {}
        try:
            self._use_threads(2 if sum(day.row_count for day in days) >= _MANY_ROWS else 1)
            whole = self._ask_pairs(matching, question, parts, days, told)
            rest = {part: number for part, number in parts.items() if part not in whole}
            self._ask_rows(matching, question, rest, days, told)
        except duckdb.Error as error:
            self.give_up()
            raise FactsLost(str(error)) from error
        question.put(told, self.values, found)
        return found

    def _ask_pairs(
        self, matching: Condition, question: Question, parts: Mapping[Slice, int], days: Sequence[ClosedDay], told: Told
    ) -> Collection[Slice]:
        """Ask sums of pairs of the slices of whole days, and rows of what they do not tell; the slices.

        Of no slices where a filter is about several units, or where they tell little of it.
        """
        whole = {part: number for part, number in parts.items() if part.is_of_days}
        asked = [column.removesuffix("_id") for column in matching.columns] or question.units[:1]
        within = [day for day in days if any(part.start <= day.start < part.end for part in whole)]
        if len(asked) > 1 or not within:
            return ()
        kept = frozenset.intersection(*(self.held[day.day].pairs for day in within))
        paired = Paired(asked[0], question.units, kept)
        shown = tuple(paired.units.values())
        if len(shown) * 2 < len(question.units):
            return ()
        # Days that providers' sums are cut inside of: those of other zones, and of the hours that are told apart.
        cut = [day for day in within if "provider" in shown and question.cuts_inside(day.start)]
        selects = [
            paired.rows(
                self._open(path), matching.sql, _within(part), number, question.bar(part), [day.start for day in cut]
            )
            for path, stretch in self._stretches(within)
            for number, part in _cuts(stretch, whole)
        ]
        assert self.reader is not None
        sums = fetch_sums(self.reader, paired.select(" UNION ALL ".join(selects)), matching.parameters)
        question.read_pairs(sums, paired.units, told)
        self._ask_rows(matching, question.only({*question.units}.difference(shown)), whole, within, told)
        self._ask_rows(matching, question.only(("provider",)), whole, cut, told)
        return whole

    def _ask_rows(
        self, matching: Condition, question: Question, parts: Mapping[Slice, int], days: Iterable[ClosedDay],
        told: Told,
    ) -> None:  # fmt: skip
        if not question.lenses:
            return
        columns = quoted(tuple(dict.fromkeys((*question.columns, *sorted(matching.columns)))))
        selects = [
            f"SELECT {number} AS slice, {question.bar(cut)} AS bar, {columns} "
            f"FROM {self._open(path)}.facts{_within(cut)}"
            for path, stretch in self._stretches(days)
            for number, cut in _cuts(stretch, parts)
        ]
        if selects:
            assert self.reader is not None
            sql = question.select(" UNION ALL ".join(selects), matching.sql)
            question.read(fetch_sums(self.reader, sql, matching.parameters), told)

    def _stretches(self, days: Iterable[ClosedDay]) -> Iterator[tuple[Path, Slice]]:
        """The files of days, and which days that follow one another are read of each."""
        last: tuple[Path, Slice] | None = None
        for day in sorted(days, key=lambda day: day.day):
            path = self.held[day.day].path
            assert path is not None
            if last is not None and last[0] == path and last[1].end == day.start:
                last = path, Slice(last[1].start, day.start + _DAY)
                continue
            if last is not None:
                yield last
            last = path, Slice(day.start, day.start + _DAY)
        if last is not None:
            yield last

    def _condition(self, where: Filter) -> Condition | None:
        """As the values have it, which are asked once for all slices: again when there are more, or other names."""
        known = (self._names.version, *map(len, self.values.of.values()))
        if self._conditions.get(where, ((), None))[0] != known:
            while len(self._conditions) >= _MOST_CONDITIONS:
                del self._conditions[next(iter(self._conditions))]
            self._conditions[where] = known, self.values.condition(where)
        return self._conditions[where][1]


def _cuts(stretch: Slice, parts: Mapping[Slice, int]) -> Iterator[tuple[str, Slice]]:
    """SQL of the number of a slice's rows in a stretch of days, and from when until when they are.

    Slices that follow one another are taken together: each more that is read of a file costs planning.
    """
    there = (part for part in parts if part.start < stretch.end and part.end > stretch.start)
    for row in in_a_row(there):
        cut = Slice(max(row[0].start, stretch.start), min(row[-1].end, stretch.end))
        yield _number_sql(row, parts), cut


def _number_sql(row: Sequence[Slice], numbers: Mapping[Slice, int]) -> str:
    """SQL of the number of a row's slice, of slices that follow one another."""
    if len(row) == 1:
        return str(numbers[row[0]])
    middle = len(row) // 2
    before, after = _number_sql(row[:middle], numbers), _number_sql(row[middle:], numbers)
    return f"CASE WHEN time < TIMESTAMP '{row[middle].start}' THEN {before} ELSE {after} END"


def _within(cut: Slice) -> str:
    return f" WHERE time >= TIMESTAMP '{cut.start}' AND time < TIMESTAMP '{cut.end}'"
