"""MySQL and MariaDB: `||` may be OR, a backslash escapes, and JSON is text with functions."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
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
from sqlalchemy.dialects.mysql.base import MySQLDialect

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    MICROS_PER_UNIT,
    TRUE_WORDS,
    USABLE_FROM,
    USABLE_UNTIL,
    Cell,
    TimeColumn,
    iso,
    micros,
    number,
    render,
)  # fmt: skip

Element = ColumnElement[Any]
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_DATES = ("datetime", "timestamp")
_DIGITS = "^[0-9]{1,15}([.][0-9]*)?$"
_DECIMAL = "^-?[0-9]{1,30}([.][0-9]{0,30})?([eE][-+]?[0-9]{1,2})?$"
_ISO_SHAPE = (
    "^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    "([.][0-9]+)?(Z|[+]00:00)?$"
)
# As wide as a sum of any log's figures, and exact.
_WIDE = Numeric(65, 18)


class MysqlSpelling:
    """`Dialect` for MySQL 8 and MariaDB 10.4 or newer. The session's time zone is UTC and its charset utf8mb4."""

    name = "mysql"
    text_is_blob = False
    types_from_rows = False

    def __init__(self) -> None:
        self._dialect = MySQLDialect(paramstyle="named")

    def text(self, cell: Cell) -> Element:
        return func.nullif(self.as_text(cell.value), self.literal(""))

    def only_text(self, cell: Cell) -> Element:
        return self.as_text(cell.value)

    def tags(self, cell: Cell) -> Element:
        return self.only_text(cell)

    def integer(self, cell: Cell) -> Element:
        if cell.typed or _kind(cell.declared) in _INTEGERS:
            return cast(cell.value, BigInteger)
        text = self.as_text(cell.value)
        whole = func.truncate(cast(text, Numeric(40, 10)), number(0))
        return case((text.op("REGEXP")(self.literal(_DIGITS)), cast(whole, BigInteger)))

    def boolean(self, cell: Cell) -> Element:
        if cell.typed or _kind(cell.declared) in (*_INTEGERS, "bit"):
            return case((cell.value.op("<>")(number(0)), number(1)), (cell.value == number(0), number(0)))
        word = func.lower(self.as_text(cell.value))
        return case(
            (word.in_([self.literal(text) for text in TRUE_WORDS]), number(1)),
            (word.in_([self.literal(text) for text in FALSE_WORDS]), number(0)),
        )

    def decimal(self, cell: Cell) -> Element:
        text = self.as_text(cell.value)
        return case((text.op("REGEXP")(self.literal(_DECIMAL)), text.op("+")(literal_column("0.0e0"))))

    def money(self, cell: Cell, whole: bool) -> tuple[Element, str]:
        if _kind(cell.declared) in _INTEGERS or (whole and cell.typed):
            return cast(cell.value, BigInteger), "integer"
        if _kind(cell.declared) == "double":
            return cell.value, "double"
        return func.coalesce(self.money_text(cell), self.literal("")), "text"

    def money_text(self, cell: Cell) -> Element:
        return self.text(cell)

    def json(self, cell: Cell, path: Sequence[str]) -> Element | None:
        place = self.literal("$" + "".join(f'."{key}"' for key in path))
        # As text, so that JSON's null is told from the text "null", which keeps its quotes here.
        found = func.nullif(self.as_text(func.json_extract(cell.value, place)), self.literal("null"))
        return case((func.json_valid(cell.value) == number(1), func.json_unquote(found)))

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:  # noqa: ARG002
        return None

    def finish_text(self, value: Element | None) -> Element:
        return self.literal("") if value is None else func.coalesce(value, self.literal(""))

    def time_kind(self, time: TimeColumn) -> str | None:
        kind = _kind(time.declared)
        if time.unit in MICROS_PER_UNIT:
            return "micros" if kind in (*_INTEGERS, "double", "float", "decimal") else None
        if kind in _DATES:
            return "micros"
        return "iso" if "char" in kind or "text" in kind else None

    def time(self, time: TimeColumn) -> Element:
        if _kind(time.declared) in _DATES:
            return func.timestampdiff(literal_column("MICROSECOND"), _timestamp(_EPOCH), time.value)
        if time.unit not in MICROS_PER_UNIT:
            return self.as_text(time.value)
        scaled = time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(scaled if _kind(time.declared) in _INTEGERS else func.floor(scaled), BigInteger)

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[Any]:
        if _kind(time.declared) in _DATES:
            return [time.value >= _timestamp(start), time.value < _timestamp(end)]
        if time.unit in MICROS_PER_UNIT:
            return [time.value >= _epoch(start, time), time.value < _epoch(end, time)]
        plain = self._plain(time.value)
        return [
            time.value.op("REGEXP")(self.literal(_ISO_SHAPE)),
            plain >= self.literal(iso(start)), plain < self.literal(iso(end)),
        ]  # fmt: skip

    def beyond(self, time: TimeColumn) -> list[Any]:
        if _kind(time.declared) in _DATES:
            low, high = _timestamp(USABLE_FROM), _timestamp(USABLE_UNTIL)
        elif time.unit in MICROS_PER_UNIT:
            low, high = _epoch(USABLE_FROM, time), _epoch(USABLE_UNTIL, time)
        else:
            return [time.value.is_(null()), not_(time.value.op("REGEXP")(self.literal(_ISO_SHAPE)))]
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> Any:
        instants = sorted(set(times))
        if _kind(time.declared) in _DATES:
            return time.value.in_([_timestamp(instant) for instant in instants])
        if time.unit in MICROS_PER_UNIT and _kind(time.declared) in _INTEGERS:
            size = MICROS_PER_UNIT[time.unit]
            return time.value.in_([number(value) for value in sorted({micros(instant) // size for instant in times})])
        around = timedelta(microseconds=3) if time.unit in MICROS_PER_UNIT else timedelta(seconds=1)
        return or_(*(and_(*self.within(time, t - around, t + around)) for t in instants))

    def row_hash(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # its only hashes are cryptographic, which costs the server more than sending the row

    def total(self, cell: Cell) -> Element:
        kind = _kind(cell.declared)
        number_like = kind in (*_INTEGERS, "double", "float", "decimal")
        summed = cast(cell.value, _WIDE) if number_like else func.length(self.as_text(cell.value))
        return self.as_text(func.sum(summed))

    def spell(self, value: Element) -> str:
        return render(value, self._dialect)

    def render(self, statement: Select[*tuple[Any, ...]]) -> str:
        return render(statement, self._dialect)

    def literal(self, text: str) -> ColumnElement[str]:
        escaped = text.replace("\x00", "").replace("\\", "\\\\").replace("'", "''")
        return literal_column(f"'{escaped}'")

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def concatenated(self, parts: Sequence[Element]) -> ColumnElement[str]:
        return func.concat(*parts)

    def packed(self, parts: Sequence[Element]) -> Element:
        return self.concatenated(parts)

    def as_text(self, value: Element) -> ColumnElement[str]:
        return cast(value, Text)

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, BigInteger)

    def _plain(self, column: Element) -> Element:
        literal = self.literal
        spaced = func.replace(func.replace(column, literal("T"), literal(" ")), literal("Z"), literal(""))
        return func.replace(spaced, literal("+00:00"), literal(""))


_EPOCH = datetime(1970, 1, 1)


def _kind(declared: str) -> str:
    """The type without its length.

    >>> _kind("bigint(20) unsigned"), _kind("decimal(20,10)"), _kind("datetime(6)"), _kind("real")
    ('bigint', 'decimal', 'datetime', 'double')
    """
    kind = declared.lower().partition("(")[0].partition(" ")[0]
    return {"integer": "int", "real": "double", "numeric": "decimal"}.get(kind, kind)


def _timestamp(instant: datetime) -> Element:
    return literal_column(f"TIMESTAMP'{iso(instant)}'")


def _epoch(instant: datetime, time: TimeColumn) -> Element:
    value, size = micros(instant), MICROS_PER_UNIT[time.unit]
    if _kind(time.declared) in _INTEGERS:
        return number(-(-value // size))  # the next whole unit bounds whole numbers exactly and keeps the index
    whole, rest = divmod(value, size)
    return literal_column(f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0')}") if rest else number(whole)
