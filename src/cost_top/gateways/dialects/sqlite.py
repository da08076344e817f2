"""SQLite: any column may hold any type, so every expression fixes it."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BLOB,
    REAL,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    not_,
    null,
    or_,
)  # fmt: skip
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    NO_COUNT_WORDS,
    TRUE_WORDS,
    Cell,
    StandardSpelling,
    TimeColumn,
    constant,
    number,
)
from cost_top.gateways.instants import (
    MICROS_PER_UNIT,
    USABLE_FROM,
    USABLE_UNTIL,
    affinity,
    both,
    decimal_text,
    iso,
    micros,
    sqlite_readable,
    zoned_in_utc,
)
from cost_top.gateways.shape import (
    INTEGER_LIMIT,
    UNKNOWN_DOUBLE,
    UNKNOWN_MONEY,
    UNREADABLE_COUNT,
    UNREADABLE_DOUBLE,
    UNREADABLE_MONEY,
)
from cost_top.gateways.witnesses import SEPARATOR

Element = ColumnElement[Any]
_NUMERIC = ("integer", "real", "numeric")
_NO_AMOUNT = "?"


class SqliteSpelling(StandardSpelling):
    """`Dialect` for SQLite. Text comes as bytes, because SQLite stores invalid UTF-8 without complaint."""

    name = "sqlite"
    types_from_rows = True

    def __init__(self, encoding: str = "UTF-8") -> None:
        # A UTF-16 database is converted by SQLite itself when text is asked for.
        self.text_is_blob = encoding.upper() == "UTF-8"
        self._dialect = SQLiteDialect(paramstyle="named")

    def text(self, cell: Cell) -> Element:
        return func.nullif(cast(cell.value, Text), constant(""))

    def only_text(self, cell: Cell) -> Element:
        return cell.value if self.text_is_blob else cast(cell.value, Text)

    def tags(self, cell: Cell) -> Element:
        return self.only_text(cell)

    def integer(self, cell: Cell) -> Element:
        if affinity(cell.declared) in _NUMERIC:
            # Text and blobs are greater than every number, so this is false for them, and unknown for NULL.
            return case((cell.value < number(INTEGER_LIMIT), cell.value.op("|")(number(0))))
        kind, value = _parts(cell)
        whole = cast(value, Integer)
        return _by_kind(kind, integer=value, real=whole, text=case((_is_digits(value), whole)))

    def count(self, cell: Cell) -> Element:
        nothing = [constant(word) for word in NO_COUNT_WORDS]
        odd = number(UNREADABLE_COUNT)
        if affinity(cell.declared) in _NUMERIC:
            # Text and blobs are greater than every number.
            within = and_(cell.value >= number(0), cell.value < number(INTEGER_LIMIT))
            return case((within, cell.value.op("|")(number(0))), (cell.value.not_in(nothing), odd))
        kind, value = _parts(cell)
        whole = cast(value, Integer)
        integer = value if cell.typed else case((value >= number(0), value), else_=odd)
        real = case((and_(value >= number(0), value < number(INTEGER_LIMIT)), whole), else_=odd)
        text = case((_is_digits(value), whole), (value.in_(nothing), null()), else_=odd)
        others = dict.fromkeys(("true", "false", "array", "object", "blob"), odd)
        return _by_kind(kind, integer=integer, real=real, text=text, **others)

    def boolean(self, cell: Cell) -> Element:
        _, value = _parts(cell)
        word = func.lower(cast(value, Text))
        return case(
            (value == number(1), number(1)),
            (value == number(0), number(0)),
            (value.is_(null()), null()),
            (word.in_([constant(text) for text in TRUE_WORDS]), number(1)),
            (word.in_([constant(text) for text in FALSE_WORDS]), number(0)),
        )

    def decimal(self, cell: Cell) -> Element:
        kind, value = _parts(cell)
        plain = func.replace(func.replace(func.trim(value), constant("."), constant("")), constant("-"), constant(""))
        digits = and_(plain != constant(""), plain.op("NOT GLOB")(constant("*[^0-9eE]*")))
        amount = cast(value, REAL)
        return _by_kind(kind, integer=amount, real=amount, text=case((digits, amount)))

    def money(self, cell: Cell, whole: bool) -> tuple[Element, str]:
        if affinity(cell.declared) not in _NUMERIC and not (whole and cell.typed):
            return func.coalesce(self.money_text(cell), constant("")), "text"
        # Text and blobs are greater than every number; NULL is in no list and out of none.
        given = cell.value.not_in([constant(""), constant("null")])
        amount: Element
        if whole:
            small = cell.value < number(9_200_000_000_000_000_000)
            amount = cell.value.op("|")(number(0))
            return case((small, amount), (given, number(UNREADABLE_MONEY)), else_=number(UNKNOWN_MONEY)), "integer"
        unreadable: Element = literal_column(UNREADABLE_DOUBLE)
        amount = cast(cell.value, REAL)
        unknown: Element = literal_column(UNKNOWN_DOUBLE)
        return case((cell.value < unreadable, amount), (given, unreadable), else_=unknown), "double"

    def money_text(self, cell: Cell) -> Element:
        # A plain cast gives 15 digits; '!' lets printf give the 17 that hold a double exactly. Bytes, and texts with
        # other characters than a number's, which may be no UTF-8, are told as what is no amount.
        kind = func.typeof(cell.value)
        exact = func.printf(constant("%!.17g"), cell.value)
        other = cell.value.op("GLOB")(constant("*[^0-9eE.+ -]*"))
        text = case(
            (kind == constant("real"), exact), (kind == constant("integer"), cast(cell.value, Text)),
            (cell.value.in_([constant(""), constant("null")]), null()),
            (or_(kind == constant("blob"), other), constant(_NO_AMOUNT)),
            else_=cell.value,
        )  # fmt: skip
        return cast(text, Text)

    def readable_money(self, cell: Cell) -> Element:
        return case((func.abs(self.decimal(cell)) < number(INTEGER_LIMIT), self.money_text(cell)))

    def json(
        self, cell: Cell, path: Sequence[str], beside: Sequence[Sequence[str]] = (),  # noqa: ARG002
    ) -> Element | None:  # fmt: skip
        kind, value = self.json_parts(cell, path)
        return case(
            (literal_column("'true'"), constant("true")), (literal_column("'false'"), constant("false")),
            value=kind, else_=value,
        )  # fmt: skip

    def json_parts(self, cell: Cell, path: Sequence[str]) -> tuple[Element, Element]:
        place = constant("$" + "".join(f'."{key}"' for key in path))
        valid = func.json_valid(cell.value) == number(1)
        return case((valid, func.json_type(cell.value, place))), case((valid, func.json_extract(cell.value, place)))

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:  # noqa: ARG002
        return None  # SQLite keeps the last JSON texts parsed

    def finish_text(self, value: Element | None) -> Element:
        if not self.text_is_blob:
            return constant("") if value is None else func.coalesce(value, constant(""))
        empty: Element = literal_column("x''")
        return empty if value is None else func.coalesce(cast(value, BLOB), empty)

    def part_text(self, value: Element) -> Element:
        # It is put together with texts: bytes need not be made of each.
        return func.coalesce(value, constant(""))

    def packed(self, parts: Sequence[Element]) -> Element:
        # Bytes that are put together become text, whatever they are.
        joined = self.concatenated(parts)
        return cast(joined, BLOB) if self.text_is_blob else joined

    def time_kind(self, time: TimeColumn) -> str | None:
        return "micros" if time.unit in MICROS_PER_UNIT else "iso"

    def time(self, time: TimeColumn) -> Element:
        if time.unit == "iso_zoned":
            return literal_column(f"({zoned_in_utc(self.spell(time.value))})")
        if time.unit not in MICROS_PER_UNIT:
            return cast(time.value, Text)
        scaled = time.value if time.unit == "epoch_us" else time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(scaled, Integer)

    def beyond(self, time: TimeColumn) -> list[Any]:
        if time.unit in MICROS_PER_UNIT:
            low, high = self._epoch(USABLE_FROM, time.unit), self._epoch(USABLE_UNTIL, time.unit)
            return [time.value.is_(null()), time.value < low, time.value >= high]
        low, high = constant(iso(USABLE_FROM)), constant(iso(USABLE_UNTIL))
        readable: Element = literal_column(f"({both(sqlite_readable(self.spell(time.value), time.unit))})")
        odd = and_(time.value >= low, time.value < high, not_(readable))
        return [time.value.is_(null()), time.value < low, time.value >= high, odd]

    def row_hash(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # SQLite has no hash

    def spelled(self, values: Sequence[Element]) -> Element | None:
        apart = [part for value in values for part in (constant(SEPARATOR), value)]
        return cast(func.concat(*apart), BLOB)

    def total(self, cell: Cell) -> Element:
        # Integers are summed exactly, in two parts that do not overflow. total() never fails, and nine digits of it
        # tell what has a fraction. Asking each value for its type first would take half as long again.
        parts = (func.sum(cell.value.op(">>")(number(32))), func.sum(cell.value.op("&")(number(2**32 - 1))))
        return func.printf(constant("%d/%d/%.9g"), *parts, func.total(cell.value))

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, Integer)

    def _epoch(self, instant: datetime, unit: str) -> Element:
        return literal_column(decimal_text(micros(instant), MICROS_PER_UNIT[unit]))


def _parts(cell: Cell) -> tuple[Element, Element]:
    """The type of a value, and the value."""
    return cell.json_parts or (func.typeof(cell.value), cell.value)


def _is_digits(value: Element) -> Element:
    """Whether a text is a number that is not negative."""
    return and_(
        value.op("GLOB")(constant("[0-9]*")), value.op("NOT GLOB")(constant("*[^0-9.]*")),
        value.op("NOT GLOB")(constant("*.*.*")),
    )  # fmt: skip


def _by_kind(kind: Element, **kinds: Element) -> Element:
    """A value by its type, asked for once; NULL of another type, and where nothing is there."""
    return case(*((literal_column(f"'{name}'"), value) for name, value in kinds.items()), value=kind)
