"""What a database that answers a log where it lives spells its own way; what is asked is the same of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from cost_top.gateways.normalise_placed import Names, TagLists
from cost_top.gateways.shape import RawShape
from cost_top.monitor.cluster.sheet import Sheet

# Number, column, and the microseconds of the stretches that are told apart; 0: none are.
PlainKeys = Sequence[tuple[int, str, int]]


class PlainSpelling(Protocol):
    """How rows are priced by lists of rates (`sheet`)."""

    def sums(
        self, rows: str, fields: Collection[str], sheet: Sheet, piece: str, name: str | None, keys: PlainKeys,
        trust: bool,
    ) -> str:  # fmt: skip
        """As `Spelling.by_lens`, over rows of the normal form with these fields; those that the log does not have are
        left out. What `lenses` takes apart stands first. Behind the additive measures stand how many rows were added
        and how many are odd. With `trust` one number more, of the keys of `verdicts.trust_sums`; '' is no key. A key
        may come in several rows, the name of each in one of them.
        """

    def lenses(self, place: int, keys: PlainKeys, trust: bool) -> Sequence[tuple[int, int]]:
        """Of a row whose first column is `place`: the number of each lens it is of, and where in its second column that
        one's key is; all lenses of a row together have the number of each lens once for each request.
        """

    def odd(self, rows: str, fields: Collection[str], sheet: Sheet) -> str:
        """The odd rows of the normal form."""


class Spelling(Protocol):
    """One database's SQL. Columns are those of the normal form, priced."""

    latencies: str  # the measures of latencies, in the order of `measures_of`
    minute: str  # where the minute of a row begins
    tag: str  # each tag of a row; NULL where it has none
    days_at_once: int  # how many closed days one statement sums at most
    plans_long: bool  # whether a statement more costs more than the few rows it saves
    note: str  # what a report says of how it was answered
    plain: PlainSpelling | None  # None: rows are priced one by one
    takes_tag_lists: bool  # whether tags are taken apart by ourselves and sent along

    def sql(self, duckdb: str) -> str:
        """SQL of our own that is written for DuckDB."""

    def normal(
        self, shape: RawShape, raw: str, wanted: Collection[str], shown: Collection[str], names: Names,
        tags: TagLists | None,
    ) -> str:  # fmt: skip
        """The normal form of a raw statement."""

    def relation(self, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> str:
        """Rows sent along, their columns with their types in DuckDB; one that nothing matches where there are none."""

    def bound(self, sql: str, values: Sequence[object], parameters: dict[str, object]) -> str:
        """A filter's condition (DuckDB's) with its values: as literals, or added to `parameters`."""

    def literal(self, text: str) -> str:
        """A text, whatever it holds."""

    def newest(self, column: str) -> str:
        """The aggregate of a text that the newest row has, NULL left out."""

    def piece(self, edges: Sequence[int]) -> str:
        """The last of some edges that is not after `us`."""

    def text(self, column: str) -> str:
        """A column as text."""

    def money(self, column: str) -> str:
        """A single request's amount as the driver gives an integer for."""

    def by_lens(
        self, source: str, where: str, piece: str, name: str | None, keys: Sequence[tuple[int, str, bool]],
        parts: Mapping[str, str], trusted: Mapping[str, str],
    ) -> str:  # fmt: skip
        """See `Statements.lenses`; `keys` are number, column and whether quarters of hours are told apart.

        `parts` and `trusted` are what a row adds to each sum, worked out once for each row; `trusted` ones are of the
        first lens alone, names of that of tokens.
        """
