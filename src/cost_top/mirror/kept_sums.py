"""The sums of closed days beside the days themselves, so that a restart need not sum them again.

A file belongs to one reading of its day: its name carries the rates and which reading that was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.kept import SUMS
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.names import NAMED, Names, said_names
from cost_top.mirror.relations import union
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.slices import Slice
from cost_top.model.filter import Filter

_TOTALS = "totals"
_SUMMED = "summed"  # a row for each lens that was summed, also where the day had no request
_NAMED = {f"names of {field}": field for field in NAMED}  # what rows call the values of a dimension
_VERSION = 4
# Read in a fraction of the time that 128 bits take; a day with a sum that does not fit is summed again.
_KEPT = "BIGINT"
_COLUMNS = [f"m{place}" for place in range(len(ADDITIVE_NAMES))]
_INTEGERS = ", ".join(f"CAST({column} AS HUGEINT)" for column in _COLUMNS)
_ZEROS = ", ".join([f"0::{_KEPT}"] * len(ADDITIVE_NAMES))
_EPOCH = date(1970, 1, 1).toordinal()


def sums_path(days: Days, day: ClosedDay) -> Path | None:
    """The file of the sums of a reading of a day; None where there is none, or a damaged one."""
    files = days.files
    return files.find(_name(day), SUMS) if files is not None and day.path is not None else None


def _name(day: ClosedDay) -> str:
    return f"{_reading(day)}.{_VERSION}"


def _reading(day: ClosedDay) -> str:
    assert day.path is not None
    return day.path.stem.rpartition(".")[0]


def keep(connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Days, day: ClosedDay, part: Slice) -> None:
    """Write the sums of a whole day without a filter, of every lens that is summed."""
    numbers = {lens: rollups.number(Filter(), lens, part) for lens in LENSES}
    provider, trusted = numbers["provider"], numbers[TRUST_LENS]
    files = days.files
    if files is None or day.path is None or provider is None or not days.is_noted(day):
        return
    names = ", ".join(f"CAST({name} AS {_KEPT}) AS m{place}" for place, name in enumerate(ADDITIVE_NAMES))
    selects = [
        f"SELECT '{lens}' AS lens, key, CAST(second AS VARCHAR) AS second, newest, {names} "
        f"FROM {rollups.tables.of(lens)} WHERE slice = {number}"
        for lens, number in numbers.items()
        if number is not None and lens != TRUST_LENS
    ]
    sums = {_TOTALS: rollups.totals_of(provider)}
    if trusted is not None:  # of days before the window nobody asks it
        sums[TRUST_LENS] = (*rollups.trust_of(trusted), *[0] * len(ADDITIVE_NAMES))[: len(ADDITIVE_NAMES)]
    for lens, values in sums.items():
        columns = ", ".join(f"CAST({int(value)}::HUGEINT AS {_KEPT})" for value in values)
        selects.append(f"SELECT '{lens}', NULL, NULL, NULL, {columns}")
    selects += [f"SELECT '{_SUMMED}', '{lens}', NULL, NULL, {_ZEROS}" for lens in numbers if numbers[lens] is not None]
    selects += [
        f"SELECT '{said}', id, name, time, {_ZEROS} FROM ({said_names(field, day.relation)})"
        for said, field in _NAMED.items()
    ]
    rows = f"SELECT {_number(day)} AS day, * FROM ({' UNION ALL '.join(selects)})"
    with suppress(OSError, duckdb.IOException, duckdb.ConversionException):  # what is not kept is summed again
        made = files.write(connection, rows, _name(day), SUMS)
        for other in made.parent.glob(f"{_reading(day)}.*{SUMS}"):  # of fewer lenses, or a former form
            if other != made:
                other.unlink(missing_ok=True)


def take_names(connection: duckdb.DuckDBPyConnection, names: Names, days: Days, of: Iterable[ClosedDay]) -> None:
    """Learn what rows of these days call the values of dimensions, from what is kept of it or else from the rows."""
    paths = {day: sums_path(days, day) for day in of}
    rest = [day.relation for day, path in paths.items() if path is None]
    kept = [path for path in paths.values() if path is not None]
    if kept:
        try:
            said = f"SELECT lens, key, second, newest FROM {_scan(kept)} WHERE lens IN ({_literals(_NAMED)})"
            names.hear(connection, [(_NAMED[lens], *said) for lens, *said in connection.execute(said).fetchall()])
        except duckdb.Error:
            rest = [day.relation for day in paths]
    if rest:
        names.learn(connection, union(rest))


def take_over(
    connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Days, parts: Iterable[tuple[ClosedDay, Slice]],
    wanted: Collection[str] = tuple(LENSES),
) -> dict[date, frozenset[str]]:  # fmt: skip
    """Load the `wanted` lenses of what is kept of these days; by day, which lenses are kept.

    What is damaged or missing is summed again when asked for.
    """
    found = {day.day: (path, part) for day, part in parts if (path := sums_path(days, day)) is not None}
    if not found:
        return {}
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM {_scan(path for path, _ in found.values())} "
            f"WHERE lens IN ({_literals((*wanted, _TOTALS, _SUMMED))})"
        )
        summed = connection.execute(f"SELECT day, key FROM kept WHERE lens = '{_SUMMED}'").fetchall()
    except duckdb.Error:
        return {}
    held: dict[date, set[str]] = {}
    for number, lens in summed:
        held.setdefault(date.fromordinal(_EPOCH + number), set()).add(lens)
    numbers = {
        day: rollups.announce(Filter(), found[day][1], lenses & LENSES.keys() & {*wanted})
        for day, lenses in held.items()
    }
    _insert(connection, rollups, numbers, set(wanted).intersection(set().union(*held.values())))
    connection.execute("DROP TABLE kept")
    return {day: frozenset(held.get(day, ())) for day in found}


def _literals(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _scan(paths: Iterable[Path]) -> str:
    return f"read_parquet([{_literals(str(path).replace(chr(39), chr(39) * 2) for path in paths)}])"


def _number(day: ClosedDay) -> int:
    """How many days after 1970-01-01."""
    return day.day.toordinal() - _EPOCH


def _insert(
    connection: duckdb.DuckDBPyConnection, rollups: Rollups, numbers: Mapping[date, int], wanted: Collection[str]
) -> None:
    if not numbers:
        return
    first, last = (edge(numbers).toordinal() for edge in (min, max))
    # A number's place in a list is found for each row in less time than a join takes.
    every = [numbers.get(date.fromordinal(day)) for day in range(first, last + 1)]
    slices = f"SELECT *, list_extract($1::INTEGER[], day - {first - _EPOCH - 1}) AS slice FROM kept"
    for lens in LENSES:
        if lens == TRUST_LENS or lens not in wanted:
            continue
        second = "CAST(second AS INTEGER)" if lens == "provider" else "second"
        connection.execute(
            f"INSERT INTO {rollups.tables.of(lens)} SELECT slice, key, {second}, newest, {_INTEGERS} "
            f"FROM ({slices}) WHERE lens = '{lens}'",
            [every],
        )
    rows = connection.execute(
        f"SELECT slice, lens, {', '.join(_COLUMNS)} FROM ({slices}) WHERE lens IN ('{_TOTALS}', '{TRUST_LENS}')",
        [every],
    ).fetchall()
    for number, lens, *values in rows:
        if lens == _TOTALS:
            rollups.set_totals(number, tuple(values))
        else:
            rollups.set_trust(number, tuple(values[: len(TRUST)]))
