"""The sums of closed days beside the days themselves, so that a restart need not sum them again.

A file belongs to one reading of its day: its name carries the rates and which reading that was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.kept import SUMS
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS, lens_table
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.slices import Slice
from cost_top.model.filter import Filter

_TOTALS = "totals"
_SUMMED = "summed"  # a row for each lens that was summed, also where the day had no request
_VERSION = 3
_EXACT = "DECIMAL(38, 0)"
_INTEGERS = ", ".join(f"CAST(m{place} AS HUGEINT)" for place in range(len(ADDITIVE_NAMES)))


def sums_path(days: Days, day: ClosedDay) -> Path | None:
    """The file of the sums of a reading of a day; None where there is none, or a damaged one."""
    files = days.files
    return files.find(_name(day), SUMS) if files is not None and day.path is not None else None


def _name(day: ClosedDay) -> str:
    assert day.path is not None
    return f"{day.path.stem.rpartition('.')[0]}.{_VERSION}"


def keep(connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Days, day: ClosedDay, part: Slice) -> None:
    """Write the sums of a whole day without a filter, of every lens that is summed."""
    numbers = {lens: rollups.number(Filter(), lens, part) for lens in LENSES}
    provider, trusted = numbers["provider"], numbers[TRUST_LENS]
    files = days.files
    if files is None or day.path is None or provider is None or not days.is_noted(day):
        return
    # Parquet has no integer of 128 bits; DuckDB would write a double.
    names = ", ".join(f"CAST({name} AS {_EXACT}) AS m{place}" for place, name in enumerate(ADDITIVE_NAMES))
    selects = [
        f"SELECT '{lens}' AS lens, key, CAST(second AS VARCHAR) AS second, newest, {names} "
        f"FROM {lens_table(lens)} WHERE slice = {number}"
        for lens, number in numbers.items()
        if number is not None and lens != TRUST_LENS
    ]
    sums = {_TOTALS: rollups.totals_of(provider)}
    if trusted is not None:  # of days before the window nobody asks it
        sums[TRUST_LENS] = (*rollups.trust_of(trusted), *[0] * len(ADDITIVE_NAMES))[: len(ADDITIVE_NAMES)]
    for lens, values in sums.items():
        columns = ", ".join(f"{int(value)}::{_EXACT}" for value in values)
        selects.append(f"SELECT '{lens}', NULL, NULL, NULL, {columns}")
    zeros = ", ".join([f"0::{_EXACT}"] * len(ADDITIVE_NAMES))
    selects += [f"SELECT '{_SUMMED}', '{lens}', NULL, NULL, {zeros}" for lens in numbers if numbers[lens] is not None]
    with suppress(OSError, duckdb.IOException):  # without a place for them they are summed again
        made = files.write(connection, " UNION ALL ".join(selects), _name(day), SUMS)
        for other in made.parent.glob(f"{_name(day)}.*{SUMS}"):  # of fewer lenses
            if other != made:
                other.unlink(missing_ok=True)


def take_over(
    connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Days, parts: Iterable[tuple[ClosedDay, Slice]],
    wanted: Collection[str] = tuple(LENSES),
) -> dict[date, frozenset[str]]:  # fmt: skip
    """Load the `wanted` lenses of what is kept of these days; by day, which lenses are kept.

    What is damaged or missing is summed again when asked for.
    """
    found = {day.day: (path, part) for day, part in parts if (path := sums_path(days, day)) is not None}
    paths = {str(path): part for path, part in found.values()}
    if not paths:
        return {}
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM read_parquet([{files}], filename = true) "
            f"WHERE lens IN ({_literals((*wanted, _TOTALS, _SUMMED))})"
        )
        summed = connection.execute(f"SELECT filename, key FROM kept WHERE lens = '{_SUMMED}'").fetchall()
    except duckdb.Error:
        return {}
    numbers: list[tuple[str, int]] = []
    held: dict[str, set[str]] = {}
    for name, lens in summed:
        held.setdefault(name, set()).add(lens)
    for name, lenses in held.items():
        numbers.append((name, rollups.announce(Filter(), paths[name], lenses & LENSES.keys() & {*wanted})))
    _insert(connection, rollups, numbers, set(wanted).intersection(set().union(*held.values())))
    connection.execute("DROP TABLE kept")
    return {day: frozenset(held.get(str(path), ())) for day, (path, _) in found.items()}


def _literals(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _insert(
    connection: duckdb.DuckDBPyConnection, rollups: Rollups, numbers: list[tuple[str, int]], wanted: Collection[str]
) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE kept_numbers AS SELECT unnest($paths) AS filename, unnest($numbers) AS slice",
        {"paths": [path for path, _ in numbers], "numbers": [number for _, number in numbers]},
    )
    for lens in LENSES:
        if lens == TRUST_LENS or lens not in wanted:
            continue
        second = "CAST(second AS INTEGER)" if lens == "provider" else "second"
        connection.execute(
            f"INSERT INTO {lens_table(lens)} SELECT slice, key, {second}, newest, {_INTEGERS} "
            f"FROM kept JOIN kept_numbers USING (filename) WHERE lens = '{lens}'"
        )
    rows = connection.execute(
        f"SELECT slice, lens, {_INTEGERS} FROM kept JOIN kept_numbers USING (filename) "
        f"WHERE lens IN ('{_TOTALS}', '{TRUST_LENS}')"
    ).fetchall()
    connection.execute("DROP TABLE kept_numbers")
    for number, lens, *values in rows:
        if lens == _TOTALS:
            rollups.set_totals(number, tuple(values))
        else:
            rollups.set_trust(number, tuple(values[: len(TRUST)]))
