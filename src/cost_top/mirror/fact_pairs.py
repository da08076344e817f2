"""Sums of each two values that came together on a day, beside integer rows: they answer a filter about one dimension.

A day's requests fall into few of them, however many there are. Where they do not, the rows themselves are as quick.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

import duckdb

from cost_top.mirror.measures import ADDITIVE_NAMES, SUMMED
from cost_top.mirror.schema import first_row

# What a screen shows to begin with, with the trust line; and what it is asked about.
_SHOWN = ("provider", "model", "endpoint", "token", "kind")
_ASKED = (*_SHOWN, "owner", "team", "tag")
# What is asked about, and what is told of it. Two may be there both ways round, so that a filter's value is found in
# one place: `a` is sorted by.
PAIRS: tuple[tuple[str, str], ...] = tuple(
    (asked, shown) for asked in _ASKED for shown in dict.fromkeys((*_SHOWN, asked))
)
_FEWEST_ROWS = 2  # that a sum of those of all pairs has to stand for; half as many where each is kept one way round
_SUMS_AT_ONCE = 100_000  # so many are in memory
_TABLE = "pairs"
_DAY = 86_400_000_000  # microseconds


def write_pairs(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Add to the `facts` of a database what pairs of them sum up to: of the pairs with the fewest sums, so many."""
    rows = f"{database}.facts"
    sorts = tuple(dict.fromkeys(frozenset(pair) for pair in PAIRS))
    distinct = ", ".join(
        f"approx_count_distinct((epoch_us(time) // {_DAY} * 65536 + {min(sort)}_id) * 65536 + {max(sort)}_id)"
        for sort in sorts
    )
    count, *found = first_row(connection, f"SELECT count(*), {distinct} FROM {rows}")
    totals = itertools.accumulate(sorted(found))
    by_size = sorted(range(len(sorts)), key=found.__getitem__)
    sizes = dict(zip(sorts, found, strict=True))
    sums = dict(zip((sorts[number] for number in by_size), totals, strict=True))

    def is_kept(asked: str, shown: str) -> bool:
        sort = frozenset((asked, shown))
        if sums[sort] * _FEWEST_ROWS <= count:
            return True
        # The rows of one of many values are as few as its sums.
        is_of_many = (shown, asked) in PAIRS and sizes[frozenset((asked,))] > sizes[frozenset((shown,))]
        return sums[sort] * _FEWEST_ROWS <= 2 * count and not is_of_many

    kept = {number: sizes[frozenset(pair)] for number, pair in enumerate(PAIRS) if is_kept(*pair)}
    try:
        _write(connection, database, kept, "BIGINT")
    except duckdb.ConversionException:
        _write(connection, database, kept, "HUGEINT")


def _write(connection: duckdb.DuckDBPyConnection, database: str, kept: Mapping[int, int], kind: str) -> None:
    """`kept` are pairs by their numbers, each with about how many sums it has."""
    columns = ", ".join(f"sum_{name} {kind}" for name in ADDITIVE_NAMES)
    connection.execute(
        f"CREATE OR REPLACE TABLE {database}.{_TABLE} (pair UTINYINT, time TIMESTAMP, quarter INTEGER, "
        f"a USMALLINT, b USMALLINT, newest TIMESTAMP, n INTEGER, {columns})"
    )
    sums = ", ".join(f"sum(sum_{name})::{kind}" for name in ADDITIVE_NAMES)
    for asked, of_asked in itertools.groupby(kept, key=lambda number: PAIRS[number][0]):
        numbers = list(of_asked)
        for values in _parts(connection, database, asked, sum(kept[number] for number in numbers)):
            selects = (
                f"SELECT {number}, date_trunc('day', time) AS day, min(quarter) // 96 * 96, {asked}_id AS one, "
                f"{PAIRS[number][1]}_id AS other, max(time), count(*), {sums} FROM {database}.facts "
                f"WHERE one BETWEEN {values[0]} AND {values[-1]} AND other IS NOT NULL GROUP BY day, one, other"
                for number in numbers
            )
            connection.execute(f"INSERT INTO {database}.{_TABLE} {' UNION ALL '.join(selects)} ORDER BY one, other")


def _parts(connection: duckdb.DuckDBPyConnection, database: str, asked: str, sums: int) -> Iterator[list[int]]:
    """The values of a unit, in order, in parts that so many sums in all are made of one after the other."""
    found = connection.execute(
        f"SELECT DISTINCT {asked}_id AS one FROM {database}.facts WHERE one IS NOT NULL ORDER BY one"
    ).fetchall()
    values = [one for (one,) in found]
    size = -(-len(values) // (-(-sums // _SUMS_AT_ONCE) or 1)) or 1
    return (values[start : start + size] for start in range(0, len(values), size))


def kept_pairs(connection: duckdb.DuckDBPyConnection, database: str) -> frozenset[int]:
    """Numbers in `PAIRS` of those that a database has."""
    return frozenset(
        pair for (pair,) in connection.execute(f"SELECT DISTINCT pair FROM {database}.{_TABLE}").fetchall()
    )


class Paired:
    """A filter about one unit, asked of the sums of its pairs with the units that are shown."""

    def __init__(self, asked: str, shown: Iterable[str], kept: Collection[int]) -> None:
        """`kept` are the numbers of the pairs that every file has."""
        self._asked = asked
        wanted = {(asked, unit): unit for unit in shown}
        self.units: Mapping[int, str] = {
            number: wanted[pair] for number, pair in enumerate(PAIRS) if number in kept and pair in wanted
        }

    def rows(
        self, database: str, condition: str, within: str, slice_sql: str, bar_sql: str, cut: Iterable[datetime]
    ) -> str:  # fmt: skip
        """SQL of the sums of a file that match, each with its `slice` and, of providers, its `bar`.

        Providers are left out on the days that are `cut`.
        """
        bars = [number for number, unit in self.units.items() if unit == "provider"]
        bar = f"CASE WHEN pair IN ({_list(bars)}) THEN {bar_sql} END" if bars else "NULL::INTEGER"
        if bars and (days := ", ".join(f"TIMESTAMP '{day}'" for day in cut)):
            within += f" AND NOT (pair IN ({_list(bars)}) AND time IN ({days}))"
        sums = ", ".join(f"sum_{name}" for name in ADDITIVE_NAMES)
        return (
            f"SELECT {slice_sql} AS slice, pair, b AS id, {bar} AS bar, newest, n, {sums} "
            f"FROM (SELECT *, a AS {self._asked}_id FROM {database}.{_TABLE}{within} "
            f"AND pair IN ({_list(self.units)})) WHERE {condition}"
        )

    @staticmethod
    def select(rows: str) -> str:
        """The statement over such sums, for `fetch_sums`: slice, pair, id, bar, newest, count, sums."""
        sums = ", ".join(f"sum(sum_{name})::{SUMMED}" for name in ADDITIVE_NAMES)
        return f"SELECT slice, pair, id, bar, max(newest), sum(n)::BIGINT, {sums} FROM ({rows}) GROUP BY ALL"


def _list(numbers: Collection[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
