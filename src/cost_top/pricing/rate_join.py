"""The prices of many rows at once: two joins and integer arithmetic in DuckDB, equal to `cost.price` on every row.

A logged pair finds one row of the pair table, once per distinct pair resolved by the book. That row turns a request's
time, mode, total input and hour into the number of a slot, and the slot table holds the rates of that moment. No row
is lost or doubled: both joins are left joins on unique keys.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress, product

import duckdb

from cost_top.model.modes import STANDARD
from cost_top.pricing.book import Entry, RateBook
from cost_top.pricing.cost import no_rate
from cost_top.pricing.rate_sql import SLOT_MODES, rated_statement, statement
from cost_top.pricing.rates import Quote, Schedule, Timeline

# Context thresholds of one price; the build of rates.json checks that there are no more.
_TIERS = 2
_MOST = 2**63 - 1
_RATES = (
    "input", "cached", "write", "write_1h", "output", "reasoning", "request", "audio_input", "audio_cached",
    "audio_output", "image_output", "web_search",
)  # fmt: skip
# A word that no mode and no region is: it stands for all that have no rate.
_OTHER = "?"
# Two threads that prepare the same pair at the same time would double its rows.
_PREPARING = threading.Lock()
_Pair = tuple[str | None, str | None]
_Row = tuple[object, ...]
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Within:
    """What some requests have in common: the first and the last instant (naive UTC), and the most input tokens."""

    first: datetime
    last: datetime
    most_input: int


class RateJoin:
    """The rates of one book as two ordinary tables. Several threads may use it, each with a cursor of its own."""

    def __init__(self, book: RateBook) -> None:
        self.book = book
        self._pairs = f"cost_top_pairs_{book.version}"
        self._slots = f"cost_top_slots_{book.version}"
        self._edges = book.most_edges
        self._numbered: dict[_Pair, _Numbered | None] = {}
        self._pair_columns = {
            "provider": "VARCHAR",
            "model": "VARCHAR",
            "first": "INTEGER",
            "segment_step": "INTEGER",
            "mode_step": "INTEGER",
            "region_step": "INTEGER",
            "scheduled": "BOOLEAN",
            **{f"edge{number}": "TIMESTAMP" for number in range(self._edges)},
            **{f"start{number}": "BIGINT" for number in range(_TIERS)},
            **{f"phase{number}": "INTEGER" for number in range(len(book.schedules))},
        }
        self._slot_columns = {
            "slot": "INTEGER",
            **dict.fromkeys(_RATES, "BIGINT"),
            "free": "BOOLEAN",
            "override": "BOOLEAN",
            "paid_of": "BIGINT",
            "paid_per": "BIGINT",
            "doubt": "VARCHAR",
        }

    def prepare(self, connection: duckdb.DuckDBPyConnection, models: Iterable[_Pair]) -> None:
        """Add the rates of distinct pairs to the tables, which are created when missing. Idempotent.

        A pair that was never prepared is priced as unknown, so prepare the distinct pairs of a relation first.
        """
        with _PREPARING:
            _create(connection, self._pairs, self._pair_columns)
            _create(connection, self._slots, self._slot_columns)
            known = set(connection.execute(f"SELECT provider, model FROM {self._pairs}").fetchall())
            wanted = [pair for pair in dict.fromkeys(models) if pair not in known]
            if wanted:
                self._add(connection, wanted)

    def drop(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remove the tables, as when a new book has replaced this one."""
        connection.execute(f"DROP TABLE IF EXISTS {self._pairs}; DROP TABLE IF EXISTS {self._slots}")

    def select(self, relation: str, pairs: str = "", slots: str = "") -> str:
        """SQL that gives the rows of `relation` (a name or a parenthesised query) with the priced columns added.

        `pairs` and `slots` are the tables' names where they are not those of `prepare`.
        """
        book = self.book
        return statement(
            relation, pairs or self._pairs, slots or self._slots, self._edges, _TIERS, book.schedules, book.regions,
            book.discounts,
        )  # fmt: skip

    def select_rated(self, relation: str) -> str:
        """As `select`, of rows that bring their rates; see `pack_rates`.

        Its rows are to be written before they are summed: DuckDB plans a sum right over it for seconds, as it spells
        out every price in terms of all it is made of.
        """
        return rated_statement(relation, [*self.rate_columns], self.book.discounts)

    @property
    def rate_columns(self) -> dict[str, str]:
        """What a slot holds, and the types in DuckDB."""
        return {name: kind for name, kind in self._slot_columns.items() if name != "slot"}

    def constant(self, pair: _Pair, mode: int, region: int, within: Within) -> _Row | None:
        """The rates of a pair in a mode and a region (by their places) if all requests `within` have the same.

        Without a rate every column is None. None where they depend on the request's instant or input.
        """
        if pair not in self._numbered:
            entry = self.book.entry(*pair)
            self._numbered[pair] = _Numbered(entry, 0, self.book.regions) if entry is not None else None
        numbered = self._numbered[pair]
        if numbered is None:
            return (None,) * len(self.rate_columns)
        found = numbered.within(mode, region, within)
        return found.pop() if len(found) == 1 else None

    @property
    def columns(self) -> tuple[dict[str, str], dict[str, str]]:
        """The columns of both tables and their types in DuckDB."""
        return self._pair_columns, self._slot_columns

    def rows(self, wanted: Iterable[_Pair], first: int = 0) -> tuple[list[_Row], list[_Row]]:
        """The rows of both tables for distinct pairs, slots numbered from `first`; edges in microseconds or None."""
        pairs: list[_Row] = []
        slots: list[_Row] = []
        for provider, model in wanted:
            entry = self.book.entry(provider, model)
            if entry is None:
                pairs.append((provider, model, *[None] * (len(self._pair_columns) - 2)))
                continue
            numbered = _Numbered(entry, first, self.book.regions)
            slots += numbered.rows()
            pairs.append((provider, model, *self._pair(numbered)))
            first += numbered.size
        return pairs, slots

    def _add(self, connection: duckdb.DuckDBPyConnection, wanted: list[_Pair]) -> None:
        found = connection.execute(f"SELECT coalesce(max(slot), -1) + 1 FROM {self._slots}").fetchone()
        pairs, slots = self.rows(wanted, found[0] if found else 0)
        # Slots first: a pair must not be seen before its rates.
        _insert_slots(connection, self._slots, self._slot_columns, slots)
        _insert(connection, self._pairs, self._pair_columns, pairs)

    def _pair(self, numbered: _Numbered) -> _Row:
        timeline = numbered.timeline
        # The query asks `time > edge`, so that an edge that is missing can be infinity.
        edges = [edge * 1_000_000 - 1 for edge in timeline.edges]
        phases = [
            numbered.phase_step << timeline.schedules.index(schedule) if schedule in timeline.schedules else 0
            for schedule in self.book.schedules
        ]
        return (
            numbered.first,
            numbered.segment_step,
            numbered.mode_step,
            numbered.region_step,
            bool(timeline.schedules),
            *edges,
            *[None] * (self._edges - len(edges)),
            *numbered.starts,
            *[_MOST] * (_TIERS - len(numbered.starts)),
            *phases,
        )


class _Numbered:
    """The slots of one timeline: one for every segment, set of schedules, region, mode and context tier."""

    def __init__(self, entry: Entry, first: int, regions: Sequence[str]) -> None:
        self.entry = entry
        self.timeline: Timeline = entry.timeline
        self.first = first
        self.segments = range(len(self.timeline.edges) + 1)
        count = len(self.timeline.schedules)
        # The set number has bit i for schedule i, as the query adds up the phases.
        self.sets = [
            tuple(compress(self.timeline.schedules, (number >> bit & 1 for bit in range(count))))
            for number in range(2**count)
        ]
        self.modes = (*SLOT_MODES, _OTHER)
        self.regions = ("", *regions, _OTHER)
        self.cells = list(product(self.segments, self.sets, self.regions, self.modes))
        self.quotes = [
            self.timeline.cell(segment, mode, active, region) for segment, active, region, mode in self.cells
        ]
        self.found = dict(zip(self.cells, self.quotes, strict=True))
        self.starts = sorted({start for quote in self.quotes if quote is not None for start in quote.starts})
        self.mode_step = len(self.starts) + 1
        self.region_step = self.mode_step * len(self.modes)
        self.phase_step = self.region_step * len(self.regions)
        self.segment_step = self.phase_step * len(self.sets)
        self.size = self.segment_step * len(self.segments)

    def rows(self) -> list[_Row]:
        """Every slot: its rates, or why it has none."""
        cells = zip(self.quotes, self.cells, strict=True)
        numbers = product(cells, (0, *(start + 1 for start in self.starts)))
        return [
            (self.first + number, *(_rates(quote, total) if quote is not None else self._doubtful(*cell)))
            for number, ((quote, cell), total) in enumerate(numbers)
        ]

    def within(self, mode: int, region: int, within: Within) -> set[_Row]:
        """The different rates of requests in a mode and a region, by their places."""
        first, last = ((moment - _EPOCH) // timedelta(seconds=1) for moment in (within.first, within.last))
        edges = self.timeline.edges
        segments = range(bisect_right(edges, first), bisect_right(edges, last) + 1)
        totals = (0, *(start + 1 for start in self.starts if start < within.most_input))
        found: set[_Row] = set()
        for segment, active in product(segments, self.sets):
            cell = segment, active, self.regions[region], self.modes[mode]
            quote = self.found[segment, active, cell[2], cell[3]]
            found |= {_rates(quote, total) if quote is not None else self._doubtful(*cell) for total in totals}
        return found

    def _doubtful(self, segment: int, active: tuple[Schedule, ...], region: str, mode: str) -> _Row:
        def rated(*asked: str) -> bool:
            return self.found[segment, active, asked[1], asked[0]] is not None

        doubt = no_rate(self.entry.match, rated(STANDARD, ""), rated(mode, ""), rated(mode, region))
        return _without(doubt)


def _without(doubt: str) -> _Row:
    return (*[None] * len(_RATES), None, None, None, None, doubt)


def _rates(quote: Quote, total_input: int) -> _Row:
    if not quote.is_sure(total_input):
        return _without("rounds")
    rates = quote.rates(total_input)
    prices = (getattr(rates, name) for name in _RATES)
    return (*prices, quote.free, quote.override, *(quote.paid or (None, None)), None)


def _create(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> None:
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({listed})")


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], rows: list[_Row]) -> None:
    """Insert rows as one list per column: one statement, no row loop, nothing spliced into the text."""
    if not rows:
        return
    unnested = []
    for number, kind in enumerate(columns.values(), 1):
        if kind == "TIMESTAMP":
            item = f"unnest(${number}::BIGINT[])"
            unnested.append(f"coalesce(make_timestamp({item}), 'infinity'::TIMESTAMP)")
        else:
            unnested.append(f"unnest(${number}::{kind}[])")
    connection.execute(
        f"INSERT INTO {table} SELECT {', '.join(unnested)}", [list(column) for column in zip(*rows, strict=True)]
    )


def _insert_slots(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], rows: list[_Row]) -> None:
    """As `_insert`, of rows that mostly differ in their number alone: what many share is handed over once."""
    if not rows:
        return
    shared: dict[_Row, int] = {}
    places = [shared.setdefault(row[1:], len(shared)) for row in rows]
    number, *rates = columns
    unnested = ", ".join(f"unnest(${at}::{columns[name]}[]) AS {name}" for at, name in enumerate(rates, 4))
    connection.execute(
        f"INSERT INTO {table} SELECT {number}, {', '.join(rates)} "
        f"FROM (SELECT unnest($1::{columns[number]}[]) AS {number}, unnest($2::INTEGER[]) AS place) "
        f"JOIN (SELECT unnest($3::INTEGER[]) AS place, {unnested}) USING (place)",
        [[row[0] for row in rows], places, [*shared.values()], *map(list, zip(*shared, strict=True))],
    )
