"""ClickHouse: columns are typed, NULL has to be allowed, and a backslash escapes.

Sessions have `cast_keep_nullable`, `join_use_nulls` and `prefer_column_name_to_alias` on, and `session_timezone` UTC.
"""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal_column,
    not_,
    null,
    or_,
    text,
)  # fmt: skip
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    NO_COUNT_WORDS,
    TRUE_WORDS,
    Cell,
    JsonKeepsBooleans,
    TimeColumn,
    number,
    render,
    text_count,
    whole_count,
)
from cost_top.gateways.dialects.clickhouse_json import Path, number_at, read_at, read_once, together, tuple_of, value_at
from cost_top.gateways.instants import (
    ISO_IN_UTC,
    ISO_ZONED,
    MICROS_PER_UNIT,
    USABLE_FROM,
    USABLE_UNTIL,
    iso,
    micros,
)
from cost_top.gateways.shape import INTEGER_LIMIT

Element = ColumnElement[Any]
_WHOLE = tuple(f"{sign}Int{size}" for sign in ("", "U") for size in (8, 16, 32, 64))
_DIGITS = "^[0-9]{1,15}([.][0-9]*)?$"
_DECIMAL = "^-?[0-9]{1,30}([.][0-9]{0,30})?([eE][-+]?[0-9]{1,2})?$"


class ClickhouseSpelling(JsonKeepsBooleans):
    """`Dialect` for ClickHouse 24 or newer."""

    name = "clickhouse"
    text_is_blob = False
    types_from_rows = False

    def __init__(self) -> None:
        self._dialect = DefaultDialect(paramstyle="named")

    def text(self, cell: Cell) -> Element:
        return func.nullif(self.as_text(cell.value), self.literal(""))

    def only_text(self, cell: Cell) -> Element:
        return self.as_text(cell.value)

    def tags(self, cell: Cell) -> Element:
        kind = plain_kind(cell.declared)
        if kind.startswith(("Array(", "Map(")):
            return func.toJSONString(cell.value)
        return self.only_text(cell)

    def integer(self, cell: Cell) -> Element:
        if cell.typed or plain_kind(cell.declared) in _WHOLE:
            return cast(cell.value, BigInteger)
        text = self.as_text(cell.value)
        return self._or_number(cell, case((func.match(text, self.literal(_DIGITS)), self._whole(text))))

    def count(self, cell: Cell) -> Element:
        if cell.typed:
            # Of numbers without a sign the largest have no place among those with one.
            limit = number(INTEGER_LIMIT)
            return cast(func.if_(cell.value >= limit, limit, cell.value), BigInteger)
        if plain_kind(cell.declared) in _WHOLE:
            return whole_count(cell.value)
        text = self.as_text(cell.value)
        words = [self.literal(word) for word in NO_COUNT_WORDS]
        return self._or_number(
            cell, text_count(text, func.match(text, self.literal(_DIGITS)), self._whole(text), words)
        )

    def _whole(self, text: Element) -> Element:
        # What is no number is worked out as well at times, and a cast of NaN is an error.
        return func.accurateCastOrNull(func.trunc(func.toFloat64OrNull(text)), self.literal("Int64"))

    def _or_number(self, cell: Cell, count: Element) -> Element:
        """A text's count, or what was read as a number at once."""
        return count if cell.number is None else func.if_(cell.value.is_(null()), cell.number, count)

    def boolean(self, cell: Cell) -> Element:
        if cell.typed or plain_kind(cell.declared) in (*_WHOLE, "Bool"):
            return case((cell.value != number(0), number(1)), (cell.value == number(0), number(0)))
        word = func.lower(self.as_text(cell.value))
        return case(
            (word.in_([self.literal(text) for text in TRUE_WORDS]), number(1)),
            (word.in_([self.literal(text) for text in FALSE_WORDS]), number(0)),
        )

    def decimal(self, cell: Cell) -> Element:
        text = self.as_text(cell.value)
        return case((func.match(text, self.literal(_DECIMAL)), func.toFloat64OrNull(text)))

    def money(self, cell: Cell, whole: bool) -> tuple[Element, str]:
        kind = plain_kind(cell.declared)
        if kind in _WHOLE or (whole and cell.typed):
            return cast(cell.value, BigInteger), "integer"
        if kind == "Float64":
            return cell.value, "double"
        return func.coalesce(self.money_text(cell), self.literal("")), "text"

    def money_text(self, cell: Cell) -> Element:
        return self.text(cell)

    def readable_money(self, cell: Cell) -> Element:
        return case((func.abs(self.decimal(cell)) < number(INTEGER_LIMIT), self.money_text(cell)))

    def json(self, cell: Cell, path: Sequence[str], beside: Sequence[Sequence[str]] = ()) -> Element | None:
        kind = plain_kind(cell.declared)
        if kind.startswith("Map("):
            if len(path) != 1:
                return None
            key = self.literal(path[0])
            return case((func.mapContains(cell.value, key), self.as_text(func.arrayElement(cell.value, key))))
        text = func.toJSONString(cell.value) if kind.startswith("JSON") else cell.value
        paths = together(beside)
        if tuple(path) not in paths or len(paths) < 2:
            return self._at(text, path)
        # All paths in one reading: each by itself takes the whole text apart. A list would be told for an object.
        text, nothing = func.ifNull(self.as_text(text), self.literal("")), self.literal("")
        listed = func.position(text, self.literal("[")) > number(0)
        told = func.JSONExtract(func.if_(listed, nothing, text), self.literal(tuple_of(paths)))
        for part in path:
            told = func.tupleElement(told, self.literal(part))
        return func.coalesce(told, self._at(func.if_(listed, text, nothing), path))

    def _at(self, text: Element, path: Sequence[str]) -> Element:
        """A text as it is, of other values their JSON, NULL where it is null or not there."""
        return func.JSONExtract(text, *map(self.literal, path), self.literal("Nullable(String)"))

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:  # noqa: ARG002
        return None

    def read_once(
        self, table: str, columns: Mapping[str, str], counts: Mapping[str, Sequence[Path]],
        paths: Mapping[str, Sequence[Path]],
    ) -> tuple[FromClause, Mapping[tuple[str, Path], Cell]] | None:  # fmt: skip
        """See `ReadsJsonOnce`."""
        is_text = {name for name in columns if plain_kind(columns[name]) == "String"}
        texts = {
            name: together(every) for name, every in counts.items()
            if name in is_text and 1 < len(every) == len(together(every))
        }  # fmt: skip
        others = {
            name: found for name, every in paths.items()
            if name in is_text and name not in texts and len(found := together(every)) > 1
        }  # fmt: skip
        if not texts and not others:
            return None
        relation = read_once(self.quoted(table), list(columns), texts, others, self.quoted)
        cells = {
            (name, path): Cell(literal_column(value_at(place, number)), number=literal_column(number_at(place, path)))
            for place, (name, every) in enumerate(texts.items())
            for number, path in enumerate(every)
        }
        cells |= {
            (name, path): Cell(literal_column(read_at(place, number)))
            for place, (name, every) in enumerate(others.items())
            for number, path in enumerate(every)
        }
        names: list[ColumnElement[Any]] = [column(quoted_name(name, quote=True)) for name in columns]
        return text(relation.replace(":", "\\:")).columns(*names).subquery(quoted_name(table, quote=True)), cells

    def finish_text(self, value: Element | None) -> Element:
        return self.literal("") if value is None else func.coalesce(value, self.literal(""))

    def time_kind(self, time: TimeColumn) -> str | None:
        kind = plain_kind(time.declared)
        if time.unit in MICROS_PER_UNIT:
            return "micros" if kind in (*_WHOLE, "bigint", "Float64", "Float32") or _is_decimal(kind) else None
        if kind.startswith("DateTime"):
            return "micros"
        return "iso" if kind in ("String", "text") else None

    def time(self, time: TimeColumn) -> Element:
        kind = plain_kind(time.declared)
        if kind.startswith("DateTime"):
            return func.toUnixTimestamp64Micro(func.toDateTime64(time.value, number(6), self.literal("UTC")))
        if time.unit == "iso_zoned":
            return self._zoned(time.value)
        if time.unit not in MICROS_PER_UNIT:
            return self.as_text(time.value)
        scaled = cast(time.value, BigInteger) if kind in (*_WHOLE, "bigint") else time.value
        scaled = scaled.op("*")(number(MICROS_PER_UNIT[time.unit]))
        return scaled if kind in (*_WHOLE, "bigint") else cast(func.floor(scaled), BigInteger)

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[Any]:
        if plain_kind(time.declared).startswith("DateTime"):
            return [time.value >= self._instant(start, time), time.value < self._instant(end, time)]
        if time.unit in MICROS_PER_UNIT:
            return [time.value >= _epoch(start, time), time.value < _epoch(end, time)]
        if time.unit == "iso_zoned":
            utc = self._zoned(time.value)
            return [utc >= self.literal(iso(start)), utc < self.literal(iso(end))]
        plain = self._plain(time.value)
        return [
            func.match(time.value, self.literal(ISO_IN_UTC)) == number(1),
            plain >= self.literal(iso(start)), plain < self.literal(iso(end)),
        ]  # fmt: skip

    def beyond(self, time: TimeColumn) -> list[Any]:
        if plain_kind(time.declared).startswith("DateTime"):
            low, high = self._instant(USABLE_FROM, time), self._instant(USABLE_UNTIL, time)
        elif time.unit in MICROS_PER_UNIT:
            low, high = _epoch(USABLE_FROM, time), _epoch(USABLE_UNTIL, time)
        else:
            within = and_(*self.within(time, USABLE_FROM, USABLE_UNTIL))
            return [time.value.is_(null()), and_(time.value.is_not(null()), not_(func.coalesce(within, number(0))))]
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> Any:
        instants = sorted(set(times))
        size = MICROS_PER_UNIT.get(time.unit)
        if size is not None and plain_kind(time.declared) in (*_WHOLE, "bigint"):
            return time.value.in_([number(value) for value in sorted({micros(instant) // size for instant in times})])
        around = timedelta(microseconds=3) if size is not None else timedelta(seconds=1)
        return or_(*(and_(*self.within(time, t - around, t + around)) for t in instants))

    def row_hash(self, values: Sequence[Element]) -> Element | None:
        return func.reinterpretAsInt64(func.sipHash64(*values))

    def wide(self, value: Element) -> Element:
        return func.toInt128(value)

    def spelled(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # it makes hashes of rows

    def total(self, cell: Cell) -> Element:
        return self.as_text(func.sum(func.toInt128(func.reinterpretAsInt64(func.sipHash64(cell.value)))))

    def spell(self, value: Element) -> str:
        return render(value, self._dialect)

    def render(self, statement: Select[*tuple[Any, ...]]) -> str:
        return render(statement, self._dialect)

    def literal(self, text: str) -> ColumnElement[str]:
        return literal_column(quoted_text(text))

    def quoted(self, name: str) -> str:
        return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def concatenated(self, parts: Sequence[Element]) -> ColumnElement[str]:
        return func.concat(*parts)

    def packed(self, parts: Sequence[Element]) -> Element:
        return self.concatenated(parts)

    def part_text(self, value: Element) -> Element:
        return self.finish_text(value)

    def as_text(self, value: Element) -> ColumnElement[str]:
        return cast(value, Text)

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, BigInteger)

    def _instant(self, instant: datetime, time: TimeColumn) -> Element:
        """A bound in the column's own type, so that the table's key serves it."""
        kind = plain_kind(time.declared)
        if not kind.startswith("DateTime64"):
            whole = -(-micros(instant) // 1_000_000)
            # Its seconds are of 32 bits.
            return literal_column(f"toDateTime({min(max(whole, 0), 2**32 - 1)}, 'UTC')")
        digits = min(6, int(kind.partition("(")[2].partition(",")[0].strip(" )") or 6))
        unit = 10 ** (6 - digits)
        value = -(-micros(instant) // unit) * unit
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
        return literal_column(f"toDateTime64('{iso(moment)}', {digits}, 'UTC')")

    def _zoned(self, column: Element) -> Element:
        """A text with or without an offset as one in UTC, else NULL; whole seconds have a fraction of noughts."""
        read = func.parseDateTime64BestEffortOrNull(column, number(6), self.literal("UTC"))
        return case(
            (func.match(column, self.literal(ISO_IN_UTC)), self._plain(column)),
            (func.match(column, self.literal(ISO_ZONED)), func.toString(read)),
            else_=null(),
        )

    def _plain(self, column: Element) -> Element:
        literal = self.literal
        spaced = func.replaceAll(func.replaceAll(column, literal("T"), literal(" ")), literal("Z"), literal(""))
        return func.replaceAll(spaced, literal("+00:00"), literal(""))


def quoted_text(text: str) -> str:
    """A text as a literal.

    >>> quoted_text("o'Neil"), quoted_text("back\\\\slash")
    ("'o\\\\'Neil'", "'back\\\\\\\\slash'")
    """
    escaped = text.replace("\x00", "").replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def apart(select: str) -> str:
    """A SELECT as a relation that is taken apart on its own.

    Each column that a GROUP BY names of a subquery has the server walk the whole subquery again, which takes longer
    than to sum a million rows; of a view it sees the columns alone.

    >>> apart("SELECT 1 AS one")
    'view(SELECT 1 AS one)'
    """
    return f"view({select})"


def plain_kind(declared: str) -> str:
    """The type without what allows NULL or keeps a dictionary.

    >>> plain_kind("LowCardinality(Nullable(String))"), plain_kind("Nullable(DateTime64(3, 'UTC'))")
    ('String', "DateTime64(3, 'UTC')")
    """
    kind = declared.strip()
    for outer in ("LowCardinality(", "Nullable("):
        if kind.startswith(outer) and kind.endswith(")"):
            kind = kind[len(outer) : -1]
    return kind


def _is_decimal(kind: str) -> bool:
    return kind.startswith("Decimal")


def _epoch(instant: datetime, time: TimeColumn) -> Element:
    value, size = micros(instant), MICROS_PER_UNIT[time.unit]
    if plain_kind(time.declared) in (*_WHOLE, "bigint"):
        return number(-(-value // size))  # the next whole unit bounds whole numbers exactly and keeps the index
    whole, rest = divmod(value, size)
    return literal_column(f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0')}") if rest else number(whole)
