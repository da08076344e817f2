"""What a mapping needs of a database, as SQLAlchemy expressions.

Every raw column has one type whatever its rows hold, so that a stream's schema never depends on the data:
text is `''` where unknown, integers are negative where unknown, booleans are -1, 0 or 1.
Inside (before `finish_…`) unknown is NULL, so that alternatives can be coalesced.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, Text, and_, case, cast, literal_column, null
from sqlalchemy.engine import Dialect as SqlDialect

from cost_top.gateways.instants import TimeText, at_times, period_within, text_literal
from cost_top.gateways.shape import INTEGER_LIMIT, UNREADABLE_COUNT

TRUE_WORDS = ("true", "t", "yes", "y", "1")
FALSE_WORDS = ("false", "f", "no", "n", "0")
# Texts that say nothing where a count is read.
NO_COUNT_WORDS = ("", "null")


def number(value: int) -> ColumnElement[int]:
    """An integer of ours as SQL."""
    return literal_column(str(int(value)))


def spelled(sql: str) -> ColumnElement[Any]:
    """SQL of ours as an expression."""
    return literal_column(sql)


def constant(text: str) -> ColumnElement[str]:
    """A text of a preset as an SQL literal; never a text from a log."""
    return literal_column(text_literal(text))


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of the table. `declared` is its type as the catalog gives it, '' for an expression."""

    value: ColumnElement[Any]
    declared: str = ""
    typed: bool = False  # an expression that always has the type of its field
    # The type in its JSON and the value with a number for a truth, where these are cheaper to look at.
    json_parts: tuple[ColumnElement[str], ColumnElement[Any]] | None = None
    number: ColumnElement[int] | None = None  # it as a whole number, where `value` is NULL


def whole_count(value: ColumnElement[Any], whole: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """A number as a count, or as what is none; `whole` is the number without a fraction."""
    count = cast(value, BigInteger) if whole is None else whole
    within = and_(value >= number(0), value < number(INTEGER_LIMIT))
    return case((within, count), (value.is_not(null()), number(UNREADABLE_COUNT)))


def text_count(
    text: ColumnElement[Any], is_number: ColumnElement[bool], whole: ColumnElement[Any],
    words: Sequence[ColumnElement[Any]],
) -> ColumnElement[Any]:  # fmt: skip
    """A text as a count, or as what is none; one of `words` says nothing. Most texts are not there."""
    return case(
        (text.is_(null()), null()), (is_number, whole), (text.in_(words), null()), else_=number(UNREADABLE_COUNT)
    )


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """The column that says when; `unit` is one of `preset.TIME_UNITS`."""

    value: ColumnElement[Any]
    declared: str
    unit: str


class Dialect(Protocol):
    """One database's spelling."""

    name: str
    text_is_blob: bool  # text columns come as bytes and are decoded by DuckDB
    types_from_rows: bool  # the driver takes a column's type from its first rows, so an answer needs one

    def text(self, cell: Cell) -> ColumnElement[Any]:
        """As text, NULL where unknown or empty."""

    def only_text(self, cell: Cell) -> ColumnElement[Any]:
        """As text, NULL or empty where unknown: for a field with one alternative."""

    def tags(self, cell: Cell) -> ColumnElement[Any]:
        """A list of texts as the text of a JSON array."""

    def integer(self, cell: Cell) -> ColumnElement[Any]:
        """As a whole number, NULL where it is none."""

    def count(self, cell: Cell) -> ColumnElement[Any]:
        """As a whole number, NULL where nothing is said, `UNREADABLE_COUNT` where what is said is no count.

        One that is too large or, of an expression, negative may be itself: that is found later.
        """

    def boolean(self, cell: Cell) -> ColumnElement[Any]:
        """As 1 or 0, NULL where it is neither."""

    def decimal(self, cell: Cell) -> ColumnElement[Any]:
        """As a number with a fraction, NULL where it is none."""

    def money(self, cell: Cell, whole: bool) -> tuple[ColumnElement[Any], str]:
        """The amount and its kind: `integer`, `double` or `text`. `whole`: the unit has no fractions."""

    def money_text(self, cell: Cell) -> ColumnElement[Any]:
        """The amount as decimal text, for a list of alternatives."""

    def readable_money(self, cell: Cell) -> ColumnElement[Any]:
        """As `money_text`, but NULL where it is no amount."""

    def json(
        self, cell: Cell, path: Sequence[str], beside: Sequence[Sequence[str]] = (),
    ) -> ColumnElement[Any] | None:  # fmt: skip
        """The value at a path as the database's own type or text; None where this database cannot.

        `beside` are all paths that are read of the column in one statement.
        """

    def json_parts(
        self, cell: Cell, path: Sequence[str]
    ) -> tuple[ColumnElement[str], ColumnElement[Any]] | None:  # fmt: skip
        """`Cell.json_parts` of the value at a path; None where its own function gives a truth as a word."""

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:
        """A relation to join with a column `name.key` for each key of a JSON column, read only once a row.

        None where `json` on the column itself does.
        """

    def finish_text(self, value: ColumnElement[Any] | None) -> ColumnElement[Any]:
        """Unconditionally text, '' where unknown; None is a column that is always unknown."""

    def time_kind(self, time: TimeColumn) -> str | None:
        """How the raw time comes: `micros`, `timestamp` or `iso`; None when the column cannot hold such a time."""

    def time(self, time: TimeColumn) -> ColumnElement[Any]:
        """The raw time."""

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
        """The conditions of `[start, end)`, served by an index on the column."""

    def beyond(self, time: TimeColumn) -> list[ColumnElement[bool]]:
        """Conditions that, one at a time, select the rows without a usable time."""

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> ColumnElement[bool]:
        """Rows at any of these times; rows next to them may be among them."""

    def row_hash(self, values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any] | None:
        """64 bits that follow every one of these values, signed; None where the database has no such function."""

    def wide(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """A whole number of 64 bits in a type whose sums do not overflow."""

    def spelled(self, values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any] | None:
        """Values of any type as one text, kept apart; None where that costs no less than to send them one by one."""

    def total(self, cell: Cell) -> ColumnElement[Any]:
        """A sum as text that never fails and is equal for equal rows."""

    def spell(self, value: ColumnElement[Any]) -> str:
        """An expression as SQL text."""

    def render(self, statement: Select[*tuple[Any, ...]]) -> str:
        """The statement with its literals, as the driver takes it."""

    def literal(self, text: str) -> ColumnElement[str]:
        """A text of a preset, whatever it holds, as a literal; never a text from a log."""

    def quoted(self, name: str) -> str:
        """A column's or table's exact name as SQL text."""

    def concatenated(self, parts: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """Texts that are never NULL, one after the other."""

    def packed(self, parts: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
        """Parts of a pack and texts of ours, one after the other, as one finished text."""

    def part_text(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """A text as part of a pack, '' where unknown."""

    def as_text(self, value: ColumnElement[Any]) -> ColumnElement[str]:
        """Any value as text."""

    def integer_sum(self, value: ColumnElement[Any]) -> ColumnElement[int]:
        """A sum of small whole numbers as one."""


# SQLAlchemy notes what it found of an expression in the expression: two threads that compile one end the process.
_COMPILING = threading.RLock()


def render(statement: Select[*tuple[Any, ...]] | ColumnElement[Any], dialect: SqlDialect) -> str:
    """SQL text for a driver without bound parameters; a paramstyle of names keeps `%` as it is."""
    with _COMPILING:
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


@runtime_checkable
class ReadsJsonOnce(Protocol):
    """A dialect that reads all paths of a JSON text at once."""

    def read_once(
        self, table: str, columns: Mapping[str, str], counts: Mapping[str, Sequence[tuple[str, ...]]],
        paths: Mapping[str, Sequence[tuple[str, ...]]],
    ) -> tuple[FromClause, Mapping[tuple[str, tuple[str, ...]], Cell]] | None:  # fmt: skip
        """A relation of that name in the table's stead, and what is at the paths of its JSON columns.

        `columns` are those of the table that are read, with their declared types; `paths` are all that are read, of
        the columns in `counts` whole numbers alone. None where it is not worth it.
        """


class InstantsAsText:
    """Periods and single times where `gateways.instants` spells them."""

    name: str

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[ColumnElement[bool]]:
        """See `Dialect`."""
        return [literal_column(one) for one in period_within(self.name, self._text(time), start, end)]

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> ColumnElement[bool]:
        """See `Dialect`."""
        return literal_column(at_times(self.name, self._text(time), times))

    def _text(self, time: TimeColumn) -> TimeText:
        return TimeText(self.spell(time.value), time.declared, time.unit)

    def spell(self, value: ColumnElement[Any]) -> str:
        """See `Dialect`."""
        raise NotImplementedError


class JsonKeepsBooleans:
    """Of databases whose JSON gives a truth as the word that it is."""

    def json_parts(
        self, cell: Cell, path: Sequence[str]  # noqa: ARG002
    ) -> tuple[ColumnElement[str], ColumnElement[Any]] | None:  # fmt: skip
        """See `Dialect`."""
        return None


class StandardSpelling(InstantsAsText):
    """What databases that keep to the SQL standard spell alike; `_dialect` is SQLAlchemy's of that database."""

    _dialect: SqlDialect

    def spell(self, value: ColumnElement[Any]) -> str:
        """See `Dialect`."""
        return render(value, self._dialect)

    def render(self, statement: Select[*tuple[Any, ...]]) -> str:
        """See `Dialect`."""
        return render(statement, self._dialect)

    def literal(self, text: str) -> ColumnElement[str]:
        """See `Dialect`."""
        return constant(text)

    def quoted(self, name: str) -> str:
        """See `Dialect`."""
        return '"' + name.replace('"', '""') + '"'

    def concatenated(self, parts: Sequence[ColumnElement[Any]]) -> ColumnElement[str]:
        """See `Dialect`."""
        joined: ColumnElement[Any] = parts[0]
        for part in parts[1:]:
            joined = joined.op("||")(part)
        return joined

    def packed(self, parts: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
        """See `Dialect`."""
        return self.concatenated(parts)

    def as_text(self, value: ColumnElement[Any]) -> ColumnElement[str]:
        """See `Dialect`."""
        return cast(value, Text)

    def wide(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """See `Dialect`: sums are wide in any case."""
        return value
