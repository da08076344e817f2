"""The tables that sums per slice stand in, one a lens: how they are filled and read. A slice is known by its number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import duckdb

from cost_top.mirror.added import COLUMNS_SQL, SummedRow
from cost_top.mirror.groups import DATED_SQL, Group
from cost_top.mirror.measures import ADDITIVE_NAMES, SUMMED, TRUST, fetch_sums, order_sql, part_sums, row_parts
from cost_top.model.dimensions import EVERY_DIMENSION
from cost_top.model.query import TOKENS

TRUST_LENS = "trust"
_FEW_ROWS = 1000  # are summed one by one in less time than a statement that sums them is planned in
# Key columns of each lens. The provider lens keeps quarters of an hour, so it also answers totals, bars and trends.
LENSES: dict[str, tuple[str, ...]] = {
    **{each.name: (f'"{each.name}"',) for each in EVERY_DIMENSION if each.summed and each.kind != "time"},
    "provider": ("provider", "quarter"),
    TRUST_LENS: (),
}
# What a bar of the chart shows.
BAR_SUMS = ("total_cost", "request_count", "saved_by_cache", "unpriced_count", "input_tokens", "output_tokens",
            "error_count")  # fmt: skip


class RollupTables:
    """Used by one thread, on one connection. Sources are SELECTs of the mirror's rows and `slice`, their number."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """A lens's table is made when something is to be in it."""
        self.connection = connection
        self._made: set[str] = set()

    def of(self, lens: str) -> str:
        """The table that holds a lens's sums."""
        name = f"rollup_{lens}"
        if lens not in self._made:
            self._made.add(lens)
            self.connection.execute(_create(name, "INTEGER" if lens == "provider" else "VARCHAR"))
        return name

    def fill(self, lenses: Sequence[str], source: str, parameters: list[object]) -> dict[int, tuple[int, ...]]:
        """Sum the rows of slices by lenses (not tags, not trust) in one pass; the additive measures of each slice."""
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE grouped AS {_grouping_select(lenses, source, 'HUGEINT')}", parameters
        )
        for lens in lenses:
            second = {"provider": "quarter", "token": "newest_name"}.get(lens, "NULL")
            self.connection.execute(
                f"INSERT INTO {self.of(lens)} SELECT slice, CAST({LENSES[lens][0]} AS VARCHAR), {second}, newest, "
                f"{', '.join(ADDITIVE_NAMES)} FROM grouped WHERE is_{lens} = 0"
            )
        whole = " AND ".join(f"is_{lens} = 1" for lens in lenses)
        totals = self.connection.execute(f"SELECT slice, {', '.join(ADDITIVE_NAMES)} FROM grouped WHERE {whole}")
        found = {row[0]: row[1:] for row in totals.fetchall()}
        self.connection.execute("DROP TABLE grouped")
        return found

    def fill_tags(self, source: str, parameters: list[object]) -> None:
        """Sum the rows of slices by tag."""
        self.connection.execute(f"INSERT INTO {self.of('tag')} {_tag_select(source, 'HUGEINT')}", parameters)

    def delete(self, lens: str, numbers: Iterable[int]) -> None:
        """Drop the sums of slices."""
        self.connection.execute(f"DELETE FROM {self.of(lens)} WHERE slice IN ({_in(numbers)})")

    def few_rows(self, source: str, parameters: list[object]) -> list[tuple[int, SummedRow]] | None:
        """The rows of slices with the number of each, in the order of time; None where there are many."""
        found = self.connection.execute(
            f"SELECT slice, {COLUMNS_SQL} FROM ({source}) LIMIT {_FEW_ROWS + 1}", parameters
        ).fetchall()
        if len(found) > _FEW_ROWS:
            return None
        return sorted(((number, SummedRow(*values)) for number, *values in found), key=lambda told: told[1].time)

    def summed(
        self, lenses: Sequence[str], source: str, parameters: list[object]
    ) -> Iterable[tuple[int, str | None, Group]]:
        """As `fill`, without keeping: (slice, lens, group), the lens None of a slice's totals."""
        width = len(ADDITIVE_NAMES)
        select = _grouping_select(lenses, source, SUMMED)
        for number, *values in fetch_sums(self.connection, select, parameters):
            sums, newest, name = tuple(values[-width:]), values[-width - 1], values[-width - 2]
            flags = values[-width - 2 - len(lenses) : -width - 2]
            if all(flags):
                yield number, None, (None, None, newest, *sums)
                continue
            place = flags.index(0)
            lens = lenses[place]
            at = sum(len(LENSES[before]) for before in lenses[:place])
            key = values[at]
            second = values[at + 1] if lens == "provider" else name if lens == "token" else None
            yield number, lens, (key if key is None else str(key), second, newest, *sums)

    def summed_tags(self, source: str, parameters: list[object]) -> Iterable[tuple[int, Group]]:
        """As `fill_tags`, without keeping: (slice, group)."""
        for number, *group in fetch_sums(self.connection, _tag_select(source, SUMMED), parameters):
            yield number, tuple(group)

    def trust(self, source: str, parameters: list[object]) -> dict[int, tuple[int, ...]]:
        """The sums behind the trust line, of each slice."""
        sums = ", ".join(f"coalesce({expression}, 0)::{SUMMED}" for expression in TRUST.values())
        found = fetch_sums(self.connection, f"SELECT slice, {sums} FROM ({source}) GROUP BY slice", parameters)
        return {row[0]: row[1:] for row in found}

    def top(
        self, lens: str, numbers: Collection[int], measure: str, descending: bool, limit: int
    ) -> tuple[list[Group], int]:
        """The first groups of a lens over slices by a measure, and how many groups there are."""
        if not numbers:
            return [], 0
        places = {"key": "key", "newest": "max(newest)", TOKENS: "sum(input_tokens) + sum(output_tokens)"}
        place = places.get(measure) or f"sum({_measure(measure)})"
        rows = fetch_sums(
            self.connection,
            f"SELECT key, {_second(lens)}, max(newest), {part_sums(SUMMED)}, count(*) OVER () FROM {self.of(lens)} "
            f"WHERE slice IN ({_in(numbers)}) GROUP BY key "
            f"ORDER BY {order_sql(place, descending, ['key'])} LIMIT {int(limit)}",
        )
        return [row[:-1] for row in rows], int(rows[0][-1]) if rows else 0

    def groups(self, lens: str, numbers: Collection[int], limit: int) -> list[Group]:
        """Groups of a lens over slices, in no order."""
        if not numbers:
            return []
        return fetch_sums(
            self.connection,
            f"SELECT key, {_second(lens)}, max(newest), {part_sums(SUMMED)} FROM {self.of(lens)} "
            f"WHERE slice IN ({_in(numbers)}) GROUP BY key LIMIT {int(limit)}",
        )

    def groups_of(self, lens: str, numbers: Collection[int], keys: Sequence[str | None]) -> list[Group]:
        """As `groups`, of these keys alone."""
        if not keys or not numbers:
            return []
        return fetch_sums(
            self.connection,
            f"SELECT key, {_second(lens)}, max(newest), {part_sums(SUMMED)} FROM {self.of(lens)} "
            f"WHERE slice IN ({_in(numbers)}) AND (key IN (SELECT unnest($1::VARCHAR[])) OR key IS NULL AND $2) "
            "GROUP BY key",
            [[key for key in keys if key is not None], None in keys],
        )

    def costs(self, lens: str, numbers: Collection[int]) -> dict[str | None, int]:
        """The cost of every group of a lens over slices."""
        if not numbers:
            return {}
        return dict(
            fetch_sums(
                self.connection,
                f"SELECT key, sum(total_cost)::{SUMMED} FROM {self.of(lens)} "
                f"WHERE slice IN ({_in(numbers)}) GROUP BY key",
            )
        )

    def bars(self, numbers: Collection[int], first: int, last: int, cuts: Sequence[int]) -> list[tuple[Any, ...]]:
        """Rows `(bar, provider, *BAR_SUMS)` of slices in the quarters `[first, last)`, at which bars are cut too."""
        first, last = max(first, cuts[0]), min(last + 1, cuts[-1])
        if first >= last or not numbers:
            return []
        # The bar of every quarter: looked up for each row, where a join would try every bar.
        bars = [bisect_right(cuts, quarter) - 1 for quarter in range(first, last)]
        return fetch_sums(
            self.connection,
            f"SELECT list_extract($1::INTEGER[], second - {first} + 1) AS bar, key, {_bar_sums()} "
            f"FROM {self.of('provider')} WHERE slice IN ({_in(numbers)}) AND second >= {first} AND second < {last} "
            "GROUP BY bar, key",
            [bars],
        )

    def by_provider(self, numbers: Collection[int]) -> list[tuple[Any, ...]]:
        """Rows `(slice, provider, *BAR_SUMS)`."""
        if not numbers:
            return []
        return fetch_sums(
            self.connection,
            f"SELECT slice, key, {_bar_sums()} FROM {self.of('provider')} WHERE slice IN ({_in(numbers)}) "
            "GROUP BY slice, key",
        )

    def quarters(self, numbers: Iterable[int], beside: Iterable[Group]) -> tuple[str, list[object]]:
        """SQL of the sums of slices by `provider` and `quarter`, with its parameters; `beside` are groups more."""
        summed = (f"SELECT key AS provider, second AS quarter, {', '.join(ADDITIVE_NAMES)} "
                  f"FROM {self.of('provider')} WHERE slice IN ({_in(numbers)})")  # fmt: skip
        added = [(provider, quarter, *map(str, values)) for provider, quarter, _, *values in beside]
        if not added:
            return summed, []
        columns = ", ".join(["unnest(?::VARCHAR[])", "unnest(?::INTEGER[])",
                             *(f"unnest(?::VARCHAR[])::HUGEINT AS {name}" for name in ADDITIVE_NAMES)])  # fmt: skip
        return f"{summed} UNION ALL SELECT {columns}", [list(column) for column in zip(*added, strict=True)]


def _create(table: str, second: str) -> str:
    columns = ", ".join(f"{name} HUGEINT" for name in ADDITIVE_NAMES)
    return f"CREATE TABLE {table} (slice INTEGER, key VARCHAR, second {second}, newest TIMESTAMP, {columns})"


def _grouping_select(lenses: Sequence[str], source: str, kind: str) -> str:
    """Sums, of that type, of each slice and of each group of each lens.

    The columns: slice, keys, which keys are none, name, newest, sums.
    """
    keys = [column for lens in lenses for column in LENSES[lens]]
    sets = ", ".join(["(slice)", *(f"(slice, {', '.join(LENSES[lens])})" for lens in lenses)])
    flags = ", ".join(f"grouping({LENSES[lens][0]}) AS is_{lens}" for lens in lenses)
    name = DATED_SQL if "token" in lenses else "NULL"
    columns = ", ".join(dict.fromkeys(("slice", *keys, "token_name", "time")))
    return (
        f"SELECT slice, {', '.join(keys)}, {flags}, {name} AS newest_name, max(time) AS newest, {_sums(kind)} "
        f"FROM (SELECT {columns}, {row_parts()} FROM ({source})) GROUP BY GROUPING SETS ({sets})"
    )


def _tag_select(source: str, kind: str) -> str:
    tag = "unnest(CASE WHEN len(tags) > 0 THEN tags ELSE [NULL] END) AS tag"
    return (
        f"SELECT slice, tag, NULL, max(time), {_sums(kind)} "
        f"FROM (SELECT slice, time, {tag}, {row_parts()} FROM ({source})) GROUP BY slice, tag"
    )


def _sums(kind: str) -> str:
    return ", ".join(f"coalesce(sum({name}), 0)::{kind} AS {name}" for name in ADDITIVE_NAMES)


def _bar_sums() -> str:
    return ", ".join(f"sum({name})::{SUMMED}" for name in BAR_SUMS)


def _second(lens: str) -> str:
    return "max(second)" if lens == "token" else "NULL"


def _measure(name: str) -> str:
    if name not in ADDITIVE_NAMES:
        raise ValueError(f"no additive measure: {name}")
    return name


def _in(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers) or "NULL"
