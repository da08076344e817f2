"""Sums per slice of time, kept until the slice changes: what makes a tick cost what came in, not what is stored.

A slice is an interval that holds whole: a closed day, an hour of the hot end, the cut edge of a window. For each
(filter, lens, slice) the sums are computed once; a lens over a window is the sum over its slices.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from cost_top.mirror.measures import ADDITIVE, ADDITIVE_NAMES, TRUST, part_sums
from cost_top.mirror.schema import first_row
from cost_top.mirror.where import condition
from cost_top.model.filter import Filter

TRUST_LENS = "trust"
# Key columns of each lens. The provider lens keeps quarters of an hour, so it also answers totals, bars and trends.
LENSES: dict[str, tuple[str, ...]] = {
    "provider": ("provider", "quarter"),
    "model": ("model",),
    "endpoint": ("endpoint",),
    "token": ("token",),
    "user": ('"user"',),
    "owner": ("owner",),
    "team": ("team",),
    "tag": ("tag",),
    "credential_type": ("credential_type",),
    "status": ("status",),
    TRUST_LENS: (),
}


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """`[start, end)` in naive UTC, inside one relation of the mirror."""

    start: datetime
    end: datetime

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole hour or day, which any window may use again."""
        length = self.end - self.start
        aligned = self.start.minute == self.start.second == self.start.microsecond == 0
        return aligned and length in (timedelta(hours=1), timedelta(days=1))


def quarter_of(instant: datetime) -> int:
    """Quarters of an hour from 1970 to an instant (naive UTC)."""
    return int((instant - datetime(1970, 1, 1)) // timedelta(minutes=15))


def lens_table(lens: str) -> str:
    """The table that holds a lens's sums."""
    return f"rollup_{lens}"


class Rollups:
    """The memo of sums. Used by one thread, on one connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation_of: Callable[[Sequence[Slice]], str]) -> None:
        """`relation_of` gives the SQL relation that holds the rows of slices."""
        self._connection = connection
        self._relation_of = relation_of
        self._numbers = itertools.count(1)
        self._recent: list[str] = []
        self._known: dict[tuple[str, str], dict[Slice, int]] = {}
        # By slice number: one row each, read so often that a statement would cost more than the sum.
        self._totals: dict[int, tuple[int, ...]] = {}
        self._trust: dict[int, tuple[int, ...]] = {}
        for lens in LENSES:
            if lens != TRUST_LENS:
                connection.execute(_create(lens))

    def missing(self, where: Filter, lenses: Iterable[str], slices: Iterable[Slice]) -> list[Slice]:
        """The slices that some lens has no sums for, newest first."""
        known = [self._known.get((str(where), lens), {}) for lens in lenses]
        return sorted((part for part in slices if any(part not in done for done in known)), reverse=True)

    def build(self, where: Filter, lenses: Sequence[str], slices: Sequence[Slice]) -> None:
        """Compute what is missing for these slices in one pass over their rows (two with tags)."""
        text = str(where)
        for wanted, parts in _same_missing({lens: self._known.setdefault((text, lens), {}) for lens in lenses}, slices):
            numbered = {part: next(self._numbers) for part in parts}
            self._compute(where, wanted, numbered)
            for lens in wanted:
                self._known[text, lens].update(numbered)

    def _compute(self, where: Filter, lenses: Sequence[str], numbered: dict[Slice, int]) -> None:
        sql, parameters = condition(where)
        rows = self._relation_of(tuple(numbered))
        bounds = [min(part.start for part in numbered), max(part.end for part in numbered)]
        source = f"SELECT *, {_slice_number(numbered)} AS slice FROM {rows} WHERE time >= ? AND time < ? AND {sql}"
        if not _contiguous(numbered):
            source = f"SELECT * FROM ({source}) WHERE slice IS NOT NULL"
        grouped = [lens for lens in lenses if lens not in ("tag", TRUST_LENS)]
        if grouped:
            self._grouping_sets(grouped, source, [*bounds, *parameters])
        if "tag" in lenses:
            tagged = f"SELECT *, unnest(CASE WHEN len(tags) > 0 THEN tags ELSE [NULL] END) AS tag FROM ({source})"
            self._connection.execute(
                f"INSERT INTO {lens_table('tag')} SELECT slice, tag, NULL, max(time), {_sums()} FROM ({tagged}) "
                "GROUP BY slice, tag",
                [*bounds, *parameters],
            )
        if TRUST_LENS in lenses:
            sums = ", ".join(f"coalesce({expression}, 0)" for expression in TRUST.values())
            found = self._connection.execute(
                f"SELECT slice, {sums} FROM ({source}) GROUP BY slice", [*bounds, *parameters]
            ).fetchall()
            self._trust.update((row[0], row[1:]) for row in found)

    def _grouping_sets(self, lenses: Sequence[str], source: str, parameters: list[object]) -> None:
        keys = [column for lens in lenses for column in LENSES[lens]]
        sets = ", ".join(["(slice)", *(f"(slice, {', '.join(LENSES[lens])})" for lens in lenses)])
        flags = ", ".join(f"grouping({LENSES[lens][0]}) AS is_{lens}" for lens in lenses)
        name = "arg_max(token_name, time)" if "token" in lenses else "NULL"
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE grouped AS SELECT slice, {', '.join(keys)}, {flags}, "
            f"{name} AS newest_name, max(time) AS newest, {_sums()} FROM ({source}) GROUP BY GROUPING SETS ({sets})",
            parameters,
        )
        for lens in lenses:
            second = {"provider": "quarter", "token": "newest_name"}.get(lens, "NULL")
            self._connection.execute(
                f"INSERT INTO {lens_table(lens)} SELECT slice, CAST({LENSES[lens][0]} AS VARCHAR), {second}, newest, "
                f"{', '.join(ADDITIVE_NAMES)} FROM grouped WHERE is_{lens} = 0"
            )
        whole = " AND ".join(f"is_{lens} = 1" for lens in lenses)
        totals = self._connection.execute(f"SELECT slice, {', '.join(ADDITIVE_NAMES)} FROM grouped WHERE {whole}")
        self._totals.update((row[0], row[1:]) for row in totals.fetchall())
        self._connection.execute("DROP TABLE grouped")

    def number(self, where: Filter, lens: str, part: Slice) -> int | None:
        """The number of a slice, None where it is not summed."""
        return self._known.get((str(where), lens), {}).get(part)

    def announce(self, where: Filter, part: Slice, lenses: Iterable[str]) -> int:
        """A number for a slice whose sums are put into the tables from elsewhere."""
        number = next(self._numbers)
        for lens in lenses:
            self._known.setdefault((str(where), lens), {})[part] = number
        return number

    def totals_of(self, number: int) -> tuple[int, ...]:
        """The additive measures of one slice."""
        return self._totals.get(number, (0,) * len(ADDITIVE_NAMES))

    def trust_of(self, number: int) -> tuple[int, ...]:
        """The trust sums of one slice."""
        return self._trust.get(number, (0,) * len(TRUST))

    def set_totals(self, number: int, values: tuple[int, ...]) -> None:
        """Put the additive measures of one slice."""
        self._totals[number] = values

    def set_trust(self, number: int, values: tuple[int, ...]) -> None:
        """Put the trust sums of one slice."""
        self._trust[number] = values

    def numbers(self, where: Filter, lens: str, slices: Iterable[Slice]) -> list[int]:
        """The numbers of the slices that are known."""
        known = self._known.get((str(where), lens), {})
        return [known[part] for part in slices if part in known]

    def totals(self, where: Filter, slices: Iterable[Slice], lens: str = "provider") -> tuple[int, ...]:
        """The additive measures summed over slices that a lens has been computed for (not tags, which overlap)."""
        rows = [self._totals[number] for number in self.numbers(where, lens, slices) if number in self._totals]
        return tuple(map(sum, zip(*rows, strict=True))) if rows else (0,) * len(ADDITIVE_NAMES)

    def top(
        self, where: Filter, lens: str, slices: Iterable[Slice], measure: str, descending: bool, limit: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        """Rows `(key, second, newest, *additive measures)` of a lens over slices, and how many groups there are."""
        numbers = self.numbers(where, lens, slices)
        order = {"key": "lower(key)", "newest": "max(newest)"}.get(measure) or f"sum({_measure(measure)})"
        second = "arg_max(second, newest)" if lens == "token" else "NULL"
        rows = self._connection.execute(
            f"SELECT key, {second}, max(newest), {part_sums()}, count(*) OVER () FROM {lens_table(lens)} "
            f"WHERE slice IN ({_in(numbers)}) GROUP BY key "
            f"ORDER BY {order} {'DESC' if descending else 'ASC'} NULLS LAST, key NULLS LAST LIMIT {int(limit)}"
        ).fetchall()
        return [row[:-1] for row in rows], int(rows[0][-1]) if rows else 0

    def groups(self, where: Filter, lens: str, slices: Iterable[Slice], limit: int) -> list[tuple[Any, ...]]:
        """Groups of a lens over slices: `(key, second, newest, *additive measures)`, in no order."""
        numbers = self.numbers(where, lens, slices)
        second = "arg_max(second, newest)" if lens == "token" else "NULL"
        return self._connection.execute(
            f"SELECT key, {second}, max(newest), {part_sums()} FROM {lens_table(lens)} "
            f"WHERE slice IN ({_in(numbers)}) GROUP BY key LIMIT {int(limit)}"
        ).fetchall()

    def costs(self, where: Filter, lens: str, slices: Iterable[Slice]) -> dict[str | None, int]:
        """The cost of every group of a lens over slices."""
        numbers = self.numbers(where, lens, slices)
        return dict(
            self._connection.execute(
                f"SELECT key, sum(total_cost) FROM {lens_table(lens)} WHERE slice IN ({_in(numbers)}) GROUP BY key"
            ).fetchall()
        )

    def unpriced_groups(self, where: Filter, lens: str, slices: Iterable[Slice]) -> int:
        """How many groups of a lens hold an unpriced request."""
        numbers = self.numbers(where, lens, slices)
        row = first_row(
            self._connection,
            f"SELECT count(DISTINCT key) FROM {lens_table(lens)} "
            f"WHERE slice IN ({_in(numbers)}) AND unpriced_count > 0",
        )
        return int(row[0])

    def bars(
        self, where: Filter, slices: Iterable[Slice], cuts: Sequence[int]
    ) -> list[tuple[int, str | None, int, int, int, int]]:
        """Rows `(bar, provider, cost, requests, saved by cache, unpriced)`; bars are cut at quarters of an hour."""
        parts = list(slices)
        numbers = self.numbers(where, "provider", parts)
        first = min((quarter_of(part.start) for part in parts), default=0)
        last = max((quarter_of(part.end) for part in parts), default=0)
        bars = ", ".join(
            f"({place}, {start}, {end})"
            for place, (start, end) in enumerate(itertools.pairwise(cuts))
            if start <= last and end > first
        )
        if not bars:
            return []
        return self._connection.execute(
            "SELECT bar, key, sum(total_cost), sum(request_count), sum(saved_by_cache), sum(unpriced_count) "
            f"FROM {lens_table('provider')} JOIN (VALUES {bars}) b(bar, first, last) "
            f"ON second >= first AND second < last WHERE slice IN ({_in(numbers)}) GROUP BY bar, key"
        ).fetchall()

    def trust(self, where: Filter, slices: Iterable[Slice]) -> dict[str, int]:
        """The sums behind the trust line."""
        rows = [self._trust[number] for number in self.numbers(where, TRUST_LENS, slices) if number in self._trust]
        sums = map(sum, zip(*rows, strict=True)) if rows else (0,) * len(TRUST)
        return dict(zip(TRUST, sums, strict=True))

    def forget(self, touches: Callable[[Slice], bool]) -> None:
        """Drop the sums of slices whose rows changed."""
        for (_, lens), known in self._known.items():
            gone = [part for part in known if touches(part)]
            self._drop(lens, [known.pop(part) for part in gone])

    def forget_edges(self, used: set[Slice]) -> None:
        """Drop the cut edges of windows that have moved on."""
        self.forget(lambda part: part not in used and not part.is_whole)

    def keep_recent(self, where: Filter, kept: int = 6) -> None:
        """Note that a filter is looked at; drop the sums of those looked at longest ago (never of the empty one)."""
        text = str(where)
        if self._recent[-1:] == [text]:
            return
        self._recent = [*(other for other in self._recent if other != text), text][-kept:]
        for key in [key for key in self._known if key[0] and key[0] not in self._recent]:
            self._drop(key[1], list(self._known.pop(key).values()))

    def _drop(self, lens: str, numbers: Sequence[int]) -> None:
        if lens == TRUST_LENS:
            for number in numbers:
                self._trust.pop(number, None)
        elif numbers:
            self._connection.execute(f"DELETE FROM {lens_table(lens)} WHERE slice IN ({_in(numbers)})")
            held = {number for known in self._known.values() for number in known.values()}
            for number in set(numbers) - held:
                self._totals.pop(number, None)


def merge_groups(*parts: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups `(key, second, newest, *sums)` of several stretches as one; the newest `second` is kept."""
    merged: dict[str | None, tuple[Any, ...]] = {}
    for group in itertools.chain(*parts):
        known = merged.setdefault(group[0], group)
        if known is not group:
            later, earlier = (group, known) if group[2] >= known[2] else (known, group)
            sums = (a + b for a, b in zip(known[3:], group[3:], strict=True))
            merged[group[0]] = (group[0], later[1] or earlier[1], later[2], *sums)
    return list(merged.values())


def order_groups(groups: list[tuple[Any, ...]], measure: str, descending: bool) -> list[tuple[Any, ...]]:
    """Groups by a measure, their key or their newest row; equal ones by key, what is not attributed last."""
    place = 2 if measure == "newest" else 3 + ADDITIVE_NAMES.index(measure) if measure != "key" else 0
    ordered = sorted(groups, key=lambda group: (group[0] is None, group[0] or ""))
    if place:
        return sorted(ordered, key=lambda group: group[place], reverse=descending)
    named = sorted((g for g in ordered if g[0] is not None), key=lambda g: g[0].lower(), reverse=descending)
    return named + [group for group in ordered if group[0] is None]


def _create(lens: str) -> str:
    second = "INTEGER" if lens == "provider" else "VARCHAR"
    columns = ", ".join(f"{name} HUGEINT" for name in ADDITIVE_NAMES)
    return f"CREATE TABLE {lens_table(lens)} (slice INTEGER, key VARCHAR, second {second}, newest TIMESTAMP, {columns})"


def _sums() -> str:
    return ", ".join(f"coalesce({expression}, 0) AS {name}" for name, expression in ADDITIVE.items())


def _measure(name: str) -> str:
    if name not in ADDITIVE_NAMES:
        raise ValueError(f"no additive measure: {name}")
    return name


def _in(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers) or "NULL"


def _contiguous(parts: Iterable[Slice]) -> bool:
    ordered = sorted(parts)
    return all(before.end == after.start for before, after in itertools.pairwise(ordered))


def _slice_number(numbered: dict[Slice, int]) -> str:
    """The number of a row's slice; slices computed together have one length."""
    if len(numbered) == 1:
        return str(*numbered.values())
    first = min(numbered)
    step = (first.end - first.start) // timedelta(microseconds=1)
    count = (max(numbered).end - first.start) // (first.end - first.start)
    by_place = {(part.start - first.start) // (part.end - part.start): number for part, number in numbered.items()}
    places = ", ".join(str(by_place.get(place, "NULL")) for place in range(count))
    return f"[{places}][CAST(epoch_us(time - TIMESTAMP '{first.start}') // {step} AS INTEGER) + 1]"


def _same_missing(
    known: dict[str, dict[Slice, int]], slices: Sequence[Slice]
) -> list[tuple[tuple[str, ...], list[Slice]]]:
    """Slices of one length that lack the same lenses."""
    groups: dict[tuple[tuple[str, ...], timedelta], list[Slice]] = {}
    for part in slices:
        lacking = tuple(lens for lens, done in known.items() if part not in done)
        if lacking:
            groups.setdefault((lacking, part.end - part.start), []).append(part)
    return [(lacking, parts) for (lacking, _), parts in groups.items()]
