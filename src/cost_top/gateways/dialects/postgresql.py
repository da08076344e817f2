"""PostgreSQL: columns are typed, so a figure is read as it is where its type is right, and through text elsewhere."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    FromClause,
    LargeBinary,
    Numeric,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    NO_COUNT_WORDS,
    TRUE_WORDS,
    Cell,
    JsonKeepsBooleans,
    StandardSpelling,
    TimeColumn,
    constant,
    number,
    spelled,
    text_count,
    whole_count,
)
from cost_top.gateways.instants import (
    MICROS_PER_UNIT,
    POSTGRESQL_INTEGERS,
    USABLE_FROM,
    USABLE_UNTIL,
    outside,
    postgresql_epoch,
    postgresql_timestamp,
    postgresql_zoned,
)
from cost_top.gateways.shape import INTEGER_LIMIT

Element = ColumnElement[Any]
_DIGITS = r"^[0-9]{1,15}(\.[0-9]*)?$"
_DECIMAL = r"^-?[0-9]{1,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,2})?$"


class PostgresSpelling(JsonKeepsBooleans, StandardSpelling):
    """`Dialect` for PostgreSQL. `version` is `server_version_num`; `encoding` the server's."""

    name = "postgresql"
    types_from_rows = False

    def __init__(self, version: int = 150000, encoding: str = "UTF8") -> None:
        self.version = version
        # SQL_ASCII promises nothing about its bytes, so they are decoded here.
        self.text_is_blob = encoding.upper() == "SQL_ASCII"
        self._dialect = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]

    def text(self, cell: Cell) -> Element:
        return func.nullif(cast(cell.value, Text), constant(""))

    def only_text(self, cell: Cell) -> Element:
        return cast(cell.value, Text)

    def tags(self, cell: Cell) -> Element:
        return self.only_text(Cell(func.array_to_json(cell.value)) if cell.declared.endswith("[]") else cell)

    def integer(self, cell: Cell) -> Element:
        if cell.typed or cell.declared in POSTGRESQL_INTEGERS:
            return cast(cell.value, BigInteger)
        if _is_number(cell.declared):
            # As a text a large one has an exponent.
            within = and_(cell.value >= number(0), cell.value < number(INTEGER_LIMIT))
            return case((within, cast(func.trunc(cell.value), BigInteger)))
        text = cast(cell.value, Text)
        return case((text.op("~")(constant(_DIGITS)), cast(func.trunc(cast(text, Numeric)), BigInteger)))

    def count(self, cell: Cell) -> Element:
        if cell.typed:
            return cast(cell.value, BigInteger)
        if cell.declared in POSTGRESQL_INTEGERS:
            return whole_count(cell.value)
        if _is_number(cell.declared):
            return whole_count(cell.value, cast(func.trunc(cell.value), BigInteger))
        text = cast(cell.value, Text)
        whole = cast(func.trunc(cast(text, Numeric)), BigInteger)
        return text_count(text, text.op("~")(constant(_DIGITS)), whole, [constant(word) for word in NO_COUNT_WORDS])

    def boolean(self, cell: Cell) -> Element:
        if cell.typed or cell.declared == "boolean":
            truth = cast(cell.value, Boolean)
            return case((truth.is_(literal_column("true")), number(1)), (truth.is_(literal_column("false")), number(0)))
        word = func.lower(cast(cell.value, Text))
        return case(
            (word.in_([constant(text) for text in TRUE_WORDS]), number(1)),
            (word.in_([constant(text) for text in FALSE_WORDS]), number(0)),
        )

    def decimal(self, cell: Cell) -> Element:
        text = cast(cell.value, Text)
        return case((text.op("~")(constant(_DECIMAL)), cast(text, Numeric)))

    def money(self, cell: Cell, whole: bool) -> tuple[Element, str]:
        if cell.declared in POSTGRESQL_INTEGERS or (whole and cell.typed):
            return cast(cell.value, BigInteger), "integer"
        if cell.declared == "double precision":
            return cast(cell.value, Double), "double"
        return func.coalesce(self.money_text(cell), constant("")), "text"

    def money_text(self, cell: Cell) -> Element:
        return self.text(cell)

    def readable_money(self, cell: Cell) -> Element:
        return case((func.abs(self.decimal(cell)) < number(INTEGER_LIMIT), self.money_text(cell)))

    def json(
        self, cell: Cell, path: Sequence[str], beside: Sequence[Sequence[str]] = (),  # noqa: ARG002
    ) -> Element | None:  # fmt: skip
        if cell.declared not in ("json", "jsonb"):
            return self._scalar_in_text(cell.value, path) if path and self.version < 160000 else None
        value = cell.value
        for key in path[:-1]:
            value = value.op("->")(constant(key))
        return value.op("->>")(constant(path[-1])) if path else value.op("#>>")(constant("{}"))

    @staticmethod
    def _scalar_in_text(text: Element, path: Sequence[str]) -> Element:
        """The scalar at a path of JSON kept as text, by its shape: before version 16 a cast of broken JSON is an error.

        Objects on the way may hold no others before the key.
        """
        keys = [re.sub(r"(\W)", r"\\\1", key) for key in path]
        outer = "".join(f'"{key}"\\s*:\\s*\\{{[^{{}}]*' for key in keys[:-1])
        pattern = outer + f'"{keys[-1]}"' + r'\s*:\s*("(?:[^"\\]|\\.)*"|[^][{},\s]+)'
        found = func.nullif(func.substring(cast(text, Text), constant(pattern)), constant("null"))
        inside = func.substr(found, number(2), func.length(found).op("-")(number(2)))
        plain = func.replace(func.replace(inside, constant('\\"'), constant('"')), constant("\\\\"), constant("\\"))
        return case((found.op("LIKE")(constant('"%')), plain), else_=found)

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:
        # Gateways keep kilobytes of JSON in a row, compressed out of line: every operator on the column would
        # unpack it again, one function call unpacks it once.
        if cell.declared in ("json", "jsonb"):
            value: Element = cast(cell.value, JSONB)
        elif self.version >= 160000:
            value = case((cell.value.op("IS")(literal_column("JSON OBJECT")), cast(cell.value, JSONB)))
        else:
            return None
        parsed = case((func.jsonb_typeof(value) == constant("object"), value))
        columns = [column(quoted_name(key, quote=True), JSONB) for key in keys]
        record = func.jsonb_to_record(parsed).table_valued(*columns).render_derived(name="record", with_types=True)
        # Named so that no key is taken for a column of the table.
        keyed = [record.c[key].label(f"{name}.{key}") for key in keys]
        return select(*keyed).lateral(f"{name} json")

    def finish_text(self, value: Element | None) -> Element:
        text = cast(constant(""), Text) if value is None else func.coalesce(value, constant(""))
        if self.text_is_blob:
            return cast(func.convert_to(text, constant("SQL_ASCII")), LargeBinary)
        return text

    def part_text(self, value: Element) -> Element:
        return self.finish_text(value)

    def packed(self, parts: Sequence[Element]) -> Element:
        if not self.text_is_blob:
            return self.concatenated(parts)
        # What separates bytes is a text of ours.
        return self.concatenated(
            [part if place % 2 == 0 else cast(part, LargeBinary) for place, part in enumerate(parts)]
        )

    def time_kind(self, time: TimeColumn) -> str | None:
        numeric = time.declared in POSTGRESQL_INTEGERS or _is_number(time.declared)
        if time.unit in MICROS_PER_UNIT:
            return "micros" if numeric else None
        if time.declared.startswith("timestamp"):
            return "timestamp"
        return "iso" if time.declared.startswith(("text", "character")) else None

    def time(self, time: TimeColumn) -> Element:
        if time.declared.startswith("timestamp"):
            return func.timezone(constant("UTC"), time.value) if _zoned(time.declared) else time.value
        if time.unit == "iso_zoned":
            return spelled(f"({postgresql_zoned(self.spell(time.value))})")
        if time.unit not in MICROS_PER_UNIT:
            return cast(time.value, Text)
        if time.declared in POSTGRESQL_INTEGERS:
            return cast(time.value, BigInteger).op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(func.floor(time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))), BigInteger)

    def beyond(self, time: TimeColumn) -> list[Any]:
        if time.declared.startswith("timestamp"):
            edges = [postgresql_timestamp(edge, time.declared) for edge in (USABLE_FROM, USABLE_UNTIL)]
        elif time.unit in MICROS_PER_UNIT:
            edges = [postgresql_epoch(edge, time.declared, time.unit) for edge in (USABLE_FROM, USABLE_UNTIL)]
        else:
            return [time.value.is_(null()), spelled(outside(self.name, self._text(time)))]
        low, high = map(spelled, edges)
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def row_hash(self, values: Sequence[Element]) -> Element | None:
        if self.version >= 140000:
            return func.hash_record_extended(func.row(*values), number(0))
        if self.version >= 110000:
            return func.hashtextextended(cast(func.row(*values), Text), number(0))
        return None

    def spelled(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # it makes hashes of rows

    def total(self, cell: Cell) -> Element:
        # Numeric sums are exact whatever the order of the rows.
        number_like = cell.declared in POSTGRESQL_INTEGERS or _is_number(cell.declared)
        summed = cast(cell.value, Numeric) if number_like else func.length(cast(cell.value, Text))
        return cast(func.sum(summed), Text)

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, BigInteger)


def _zoned(declared: str) -> bool:
    return declared.endswith("with time zone")


def _is_number(declared: str) -> bool:
    """Whether a type is one of numbers that may have a fraction."""
    return declared in ("double precision", "real") or declared.startswith("numeric")
