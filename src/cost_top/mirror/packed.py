"""Many rows of a log taken packed: a text is cleaned once for each pack, and stands in the table as a small number."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from cost_top.mirror.schema import first_row
from cost_top.pricing.pack_rates import RATED_BY, rated_select
from cost_top.pricing.rate_join import RateJoin, Within
from cost_top.sources.base import PackedForm

# A field has a type of its own where so many rows share a pack: otherwise numbers save nothing.
_SHARED = 4
_NO_WORDS, _TAG_WORDS = '"no words"', '"words of tags"'
_RATED = "rated_packs"
_TABLES = ("pack_rates", _RATED, "packed_tags", "packed_tags_read", "packed_words", "packed_values", "packed_raw")
_NO_FIGURE = "-1"  # in a pack
_PRICED_BY = ("provider", "model")  # every pair of them is looked for among the packs


@dataclass(frozen=True, slots=True)
class Incoming:
    """Rows that were just read, as relations: names of tables or queries in parentheses."""

    rows: str  # of the normal form
    witnesses: str  # `time` and the witnesses of each row
    pairs: str  # every provider and model among them
    enumerated: frozenset[str] = frozenset()  # fields of a type that ends with the reading
    rated: bool = False  # rows bring their rates; see `pricing.pack_rates`
    few: Sequence[Mapping[str, Any]] | None = None  # the rows themselves, priced, where they are few; by their columns


@contextmanager
def packed_rows(
    connection: duckdb.DuckDBPyConnection,
    form: PackedForm,
    answer: AbstractContextManager[Any],
    texts: Collection[str] = (),
    join: RateJoin | None = None,
) -> Iterator[tuple[int, Incoming | None]]:
    """What a packed stream holds, and how many rows it had. None where something is odd: it is to be read otherwise.

    Fields in `texts` are never enumerated. With `join` rows bring their rates, where each pack has one.
    """
    taken = _Taken(connection, form)
    try:
        count = taken.raw(answer)
        yield count, None if taken.is_odd() else taken.incoming(count, texts, join)
    finally:
        taken.drop()


class _Taken:
    """The temporary tables on the way."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, form: PackedForm) -> None:
        self._connection = connection
        self._form = form
        self._packs = [f"packs_{place}" for place in range(len(form.packs))]
        self._types: dict[str, str] = {}
        self._unknown: dict[str, str] = {}  # the types of fields that none of the rows has

    def raw(self, answer: AbstractContextManager[Any]) -> int:
        """Take the stream and its distinct packs; the statement on the log has ended then."""
        with answer as stream:
            self._connection.register("log_stream", stream)
            try:
                self._create("packed_raw", self._form.real_select("log_stream"))
            finally:
                self._connection.unregister("log_stream")
        self._create("packed_values", self._form.values_select("packed_raw"))
        return int(first_row(self._connection, "SELECT count(*) FROM packed_raw")[0])

    def is_odd(self) -> bool:
        """Whether something of it is to be read otherwise."""
        return bool(first_row(self._connection, self._form.odd_select("packed_raw", "packed_values"))[0])

    def incoming(self, count: int, texts: Collection[str], join: RateJoin | None) -> Incoming:
        """Make what the relations stand on."""
        self._make_types(count, texts)
        for place, name in enumerate(self._packs):
            self._create(name, self._form.pack_select(place, "packed_values", self._types, self._unknown))
        if (tags := self._form.tags_select("packed_raw")) is not None:
            self._create("packed_tags", tags)
            self._type_tags(count)
        alike = self._connection.execute("SELECT place FROM packed_values GROUP BY place HAVING count(*) = 1")
        places = [place for (place,) in alike.fetchall()]
        absent = {name: self._types[name] for name in self._form.absent if name in self._types}
        rates = self._rate(join) if join is not None and count and not {*texts} & {*RATED_BY} else ()
        select = self._form.rows_select("packed_raw", self._packs, "packed_tags", places, absent, self._unknown, rates)
        rows = f"({select})"
        packs = zip(self._packs, self._form.packs, strict=True)
        both = (name for name, pack in packs if {"provider", "model"} <= set(pack))
        witnesses = f"({self._form.witnesses_select('packed_raw')})"
        return Incoming(rows, witnesses, next(both, rows), frozenset(self._types), bool(rates))

    def _rate(self, join: RateJoin) -> tuple[str, ...]:
        """Put the rates beside what decides them, where that is in one pack; the new columns' names."""
        by = {name for pack in self._form.packs for name in pack}.intersection(RATED_BY)
        place = next((place for place, pack in enumerate(self._form.packs) if by and by <= {*pack}), None)
        if place is None:
            return ()
        bounds = self._form.bounds_select("packed_raw", self._packs, self._unknown)
        within = Within(*first_row(self._connection, bounds))
        given = by.difference(self._unknown)
        rated = rated_select(join, self._connection, self._packs[place], given, within)
        if rated is None:
            return ()
        self._create(_RATED, rated[0])
        self._create(self._packs[place], f"FROM {_RATED}")
        return rated[1]

    def drop(self) -> None:
        """Free everything."""
        for name in (*self._packs, *_TABLES):
            self._connection.execute(f"DROP TABLE IF EXISTS {name}")
        for kind in {_NO_WORDS, *(kind.removesuffix("[]") for kind in self._types.values())}:
            self._connection.execute(f"DROP TYPE IF EXISTS {kind}")

    def _make_types(self, count: int, texts: Collection[str]) -> None:
        """A type for each field of packs that many rows share; one for all those that say nothing."""
        shared = f"SELECT place FROM packed_values GROUP BY place HAVING count(*) * {_SHARED} <= {count}"
        said = "SELECT place, unnest(texts) AS text, unnest(range(1, len(texts) + 1)) AS part FROM packed_values"
        self._create(
            "packed_words", f"SELECT DISTINCT place, part, text FROM ({said} SEMI JOIN ({shared}) USING (place))"
        )
        self._connection.execute(f"CREATE TEMP TYPE {_NO_WORDS} AS ENUM ('')")
        self._types |= dict.fromkeys((name for name in self._form.absent if name not in texts), _NO_WORDS)
        found = self._connection.execute(
            f"SELECT place, part, count(nullif(text, '{_NO_FIGURE}')), count(text) FROM packed_words "
            "GROUP BY place, part"
        )
        for place, part, figures, words in found.fetchall():
            name = self._form.packs[place][part - 1]
            if name not in self._form.texts:
                if not figures:
                    self._unknown[name] = "BIGINT"
                continue
            if name in texts:
                continue
            self._types[name] = f'"words of {name}"' if words else _NO_WORDS
            if not words and name not in _PRICED_BY:
                self._unknown[name] = _NO_WORDS
            if words:
                self._connection.execute(
                    f"CREATE TEMP TYPE {self._types[name]} AS ENUM "
                    f"(SELECT text FROM packed_words WHERE place = {place} AND part = {part} AND text IS NOT NULL)"
                )

    def _type_tags(self, count: int) -> None:
        """A type for tags, where many rows share theirs."""
        words = "SELECT DISTINCT unnest(final_tags) AS tag FROM packed_tags"
        lists, told = first_row(
            self._connection, f"SELECT count(*), (SELECT count(tag) FROM ({words})) FROM packed_tags"
        )
        if lists * _SHARED > count or not told:
            return
        self._connection.execute(
            f"CREATE TEMP TYPE {_TAG_WORDS} AS ENUM (SELECT tag FROM ({words}) WHERE tag IS NOT NULL)"
        )
        self._types["tags"] = f"{_TAG_WORDS}[]"
        self._create("packed_tags_read", "FROM packed_tags")
        self._create(
            "packed_tags",
            f"SELECT * REPLACE (CAST(final_tags AS {_TAG_WORDS}[]) AS final_tags) FROM packed_tags_read",
        )

    def _create(self, table: str, select: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {select}")
