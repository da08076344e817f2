"""MySQL and MariaDB: `||` may be OR, a backslash escapes, and JSON is text with functions."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

from collections.abc import Sequence
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
    null,
)  # fmt: skip
from sqlalchemy.dialects.mysql.base import MySQLDialect

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    NO_COUNT_WORDS,
    TRUE_WORDS,
    Cell,
    InstantsAsText,
    JsonKeepsBooleans,
    TimeColumn,
    number,
    render,
    spelled,
    text_count,
    whole_count,
)
from cost_top.gateways.instants import (
    MICROS_PER_UNIT,
    MYSQL_DATES,
    MYSQL_INTEGERS,
    USABLE_FROM,
    USABLE_UNTIL,
    iso,
    mysql_epoch,
    mysql_kind,
    mysql_zoned,
    outside,
)
from cost_top.gateways.shape import INTEGER_LIMIT

Element = ColumnElement[Any]
_DIGITS = "^[0-9]{1,15}([.][0-9]*)?$"
_FRACTIONS = ("double", "float", "decimal")
_DECIMAL = "^-?[0-9]{1,30}([.][0-9]{0,30})?([eE][-+]?[0-9]{1,2})?$"
# As wide as a sum of any log's figures, and exact.
_WIDE = Numeric(65, 18)


class MysqlSpelling(JsonKeepsBooleans, InstantsAsText):
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
        if cell.typed or mysql_kind(cell.declared) in MYSQL_INTEGERS:
            return cast(cell.value, BigInteger)
        if mysql_kind(cell.declared) in _FRACTIONS:
            # As a text a large one has an exponent.
            within = and_(cell.value >= number(0), cell.value < number(INTEGER_LIMIT))
            return case((within, cast(func.truncate(cell.value, number(0)), BigInteger)))
        text = self.as_text(cell.value)
        whole = func.truncate(cast(text, Numeric(40, 10)), number(0))
        return case((text.op("REGEXP")(self.literal(_DIGITS)), cast(whole, BigInteger)))

    def count(self, cell: Cell) -> Element:
        if cell.typed:
            # Of numbers without a sign the largest have no place among those with one.
            return cast(func.least(cell.value, number(INTEGER_LIMIT)), BigInteger)
        if mysql_kind(cell.declared) in MYSQL_INTEGERS:
            return whole_count(cell.value)
        if mysql_kind(cell.declared) in _FRACTIONS:
            return whole_count(cell.value, cast(func.truncate(cell.value, number(0)), BigInteger))
        text = self.as_text(cell.value)
        whole = cast(func.truncate(cast(text, Numeric(40, 10)), number(0)), BigInteger)
        words = [self.literal(word) for word in NO_COUNT_WORDS]
        return text_count(text, text.op("REGEXP")(self.literal(_DIGITS)), whole, words)

    def boolean(self, cell: Cell) -> Element:
        if cell.typed or mysql_kind(cell.declared) in (*MYSQL_INTEGERS, "bit"):
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
        if mysql_kind(cell.declared) in MYSQL_INTEGERS or (whole and cell.typed):
            return cast(cell.value, BigInteger), "integer"
        if mysql_kind(cell.declared) == "double":
            return cell.value, "double"
        return func.coalesce(self.money_text(cell), self.literal("")), "text"

    def money_text(self, cell: Cell) -> Element:
        return self.text(cell)

    def readable_money(self, cell: Cell) -> Element:
        return case((func.abs(self.decimal(cell)) < number(INTEGER_LIMIT), self.money_text(cell)))

    def json(
        self, cell: Cell, path: Sequence[str], beside: Sequence[Sequence[str]] = (),  # noqa: ARG002
    ) -> Element | None:  # fmt: skip
        place = self.literal("$" + "".join(f'."{key}"' for key in path))
        # As text, so that JSON's null is told from the text "null", which keeps its quotes here.
        found = func.nullif(self.as_text(func.json_extract(cell.value, place)), self.literal("null"))
        return case((func.json_valid(cell.value) == number(1), func.json_unquote(found)))

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:  # noqa: ARG002
        return None

    def finish_text(self, value: Element | None) -> Element:
        return self.literal("") if value is None else func.coalesce(value, self.literal(""))

    def time_kind(self, time: TimeColumn) -> str | None:
        kind = mysql_kind(time.declared)
        if time.unit in MICROS_PER_UNIT:
            return "micros" if kind in (*MYSQL_INTEGERS, *_FRACTIONS) else None
        if kind in MYSQL_DATES:
            return "micros"
        return "iso" if "char" in kind or "text" in kind else None

    def time(self, time: TimeColumn) -> Element:
        if mysql_kind(time.declared) in MYSQL_DATES:
            return func.timestampdiff(
                literal_column("MICROSECOND"), literal_column("TIMESTAMP'1970-01-01 00:00:00'"), time.value
            )
        if time.unit == "iso_zoned":
            return spelled(f"({mysql_zoned(self.spell(time.value))})")
        if time.unit not in MICROS_PER_UNIT:
            return self.as_text(time.value)
        scaled = time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(scaled if mysql_kind(time.declared) in MYSQL_INTEGERS else func.floor(scaled), BigInteger)

    def beyond(self, time: TimeColumn) -> list[Any]:
        if mysql_kind(time.declared) in MYSQL_DATES:
            edges = [f"TIMESTAMP'{iso(edge)}'" for edge in (USABLE_FROM, USABLE_UNTIL)]
        elif time.unit in MICROS_PER_UNIT:
            edges = [mysql_epoch(edge, time.declared, time.unit) for edge in (USABLE_FROM, USABLE_UNTIL)]
        else:
            return [time.value.is_(null()), spelled(outside(self.name, self._text(time)))]
        low, high = map(spelled, edges)
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def row_hash(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # its only hashes are cryptographic, which costs the server more than sending the row

    def wide(self, value: Element) -> Element:
        return value  # sums are wide in any case

    def spelled(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # sending them costs the most, in whatever form

    def total(self, cell: Cell) -> Element:
        kind = mysql_kind(cell.declared)
        number_like = kind in (*MYSQL_INTEGERS, *_FRACTIONS)
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

    def part_text(self, value: Element) -> Element:
        return self.finish_text(value)

    def as_text(self, value: Element) -> ColumnElement[str]:
        return cast(value, Text)

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, BigInteger)
