"""The sums of closed days beside the days themselves, so that a restart need not sum them again.

A file belongs to one reading of its day: its name carries the rates and a hash of what the log said of the day then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import duckdb

from cost_top.mirror.days import ClosedDay, Days
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.rollups import LENSES, TRUST_LENS, Rollups, Slice, lens_table
from cost_top.model.filter import Filter

_TOTALS = "totals"
_SUMMED = "summed"  # a row for each lens that was summed, also where the day had no request
_VERSION = 2
_EXACT = "DECIMAL(38, 0)"
_INTEGERS = ", ".join(f"CAST(m{place} AS HUGEINT)" for place in range(len(ADDITIVE_NAMES)))


def sums_path(day: ClosedDay) -> Path | None:
    """Where the sums of a reading of a day are kept; None for a day in memory."""
    if day.path is None:
        return None
    said = hashlib.sha256(f"{day.row_count} {day.check}".encode()).hexdigest()[:12]
    return day.path.with_name(f"{day.path.stem}.{said}.{_VERSION}.sums")


def keep(connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Days, day: ClosedDay, part: Slice) -> None:
    """Write the sums of a whole day without a filter, of every lens that is summed."""
    path = sums_path(day)
    numbers = {lens: rollups.number(Filter(), lens, part) for lens in LENSES}
    provider, trusted = numbers["provider"], numbers[TRUST_LENS]
    if path is None or provider is None or trusted is None:
        return
    # Parquet has no integer of 128 bits; DuckDB would write a double.
    names = ", ".join(f"CAST({name} AS {_EXACT}) AS m{place}" for place, name in enumerate(ADDITIVE_NAMES))
    selects = [
        f"SELECT '{lens}' AS lens, key, CAST(second AS VARCHAR) AS second, newest, {names} "
        f"FROM {lens_table(lens)} WHERE slice = {number}"
        for lens, number in numbers.items()
        if number is not None and lens != TRUST_LENS
    ]
    trust = (*rollups.trust_of(trusted), *[0] * len(ADDITIVE_NAMES))[: len(ADDITIVE_NAMES)]
    for lens, values in ((_TOTALS, rollups.totals_of(provider)), (TRUST_LENS, trust)):
        columns = ", ".join(f"{int(value)}::{_EXACT}" for value in values)
        selects.append(f"SELECT '{lens}', NULL, NULL, NULL, {columns}")
    zeros = ", ".join([f"0::{_EXACT}"] * len(ADDITIVE_NAMES))
    selects += [f"SELECT '{_SUMMED}', '{lens}', NULL, NULL, {zeros}" for lens in numbers if numbers[lens] is not None]
    with suppress(OSError, duckdb.IOException, AssertionError):  # without a place for them they are summed again
        days.write(connection, " UNION ALL ".join(selects), path)


def take_over(connection: duckdb.DuckDBPyConnection, rollups: Rollups, days: Iterable[tuple[ClosedDay, Slice]]) -> None:
    """Load what is kept of these days; what is damaged or missing is summed again when it is asked for."""
    paths = {str(path): part for day, part in days if (path := sums_path(day)) is not None and path.exists()}
    if not paths:
        return
    files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM read_parquet([{files}], filename = true)"
        )
        found = connection.execute(f"SELECT filename, key FROM kept WHERE lens = '{_SUMMED}'").fetchall()
    except duckdb.Error:
        return
    numbers: list[tuple[str, int]] = []
    held: dict[str, set[str]] = {}
    for name, lens in found:
        held.setdefault(name, set()).add(lens)
    for name, lenses in held.items():
        numbers.append((name, rollups.announce(Filter(), paths[name], lenses & LENSES.keys())))
    _insert(connection, rollups, numbers)
    connection.execute("DROP TABLE kept")


def _insert(connection: duckdb.DuckDBPyConnection, rollups: Rollups, numbers: list[tuple[str, int]]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE kept_numbers AS SELECT unnest($paths) AS filename, unnest($numbers) AS slice",
        {"paths": [path for path, _ in numbers], "numbers": [number for _, number in numbers]},
    )
    for lens in LENSES:
        if lens == TRUST_LENS:
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
