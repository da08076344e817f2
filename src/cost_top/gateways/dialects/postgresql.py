"""PostgreSQL: columns are typed, so a figure is read as it is where its type is right, and through text elsewhere."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
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
    or_,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import quoted_name

from cost_top.gateways.dialects.base import (
    FALSE_WORDS,
    MICROS_PER_UNIT,
    TRUE_WORDS,
    USABLE_FROM,
    USABLE_UNTIL,
    Cell,
    StandardSpelling,
    TimeColumn,
    constant,
    iso,
    micros,
    number,
)  # fmt: skip

Element = ColumnElement[Any]
_INTEGERS = ("smallint", "integer", "bigint")
_DIGITS = r"^[0-9]{1,15}(\.[0-9]*)?$"
_DECIMAL = r"^-?[0-9]{1,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,2})?$"
_ISO_SHAPE = (
    r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]+)?(Z|\+00:00)?$"
)


class PostgresSpelling(StandardSpelling):
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
        if cell.typed or cell.declared in _INTEGERS:
            return cast(cell.value, BigInteger)
        text = cast(cell.value, Text)
        return case((text.op("~")(constant(_DIGITS)), cast(func.trunc(cast(text, Numeric)), BigInteger)))

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
        if cell.declared in _INTEGERS or (whole and cell.typed):
            return cast(cell.value, BigInteger), "integer"
        if cell.declared == "double precision":
            return cast(cell.value, Double), "double"
        return func.coalesce(self.money_text(cell), constant("")), "text"

    def money_text(self, cell: Cell) -> Element:
        return self.text(cell)

    def json(self, cell: Cell, path: Sequence[str]) -> Element | None:
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

    def packed(self, parts: Sequence[Element]) -> Element:
        if not self.text_is_blob:
            return self.concatenated(parts)
        # What separates bytes is a text of ours.
        return self.concatenated(
            [part if place % 2 == 0 else cast(part, LargeBinary) for place, part in enumerate(parts)]
        )

    def time_kind(self, time: TimeColumn) -> str | None:
        numeric = time.declared in (*_INTEGERS, "double precision", "real") or time.declared.startswith("numeric")
        if time.unit in MICROS_PER_UNIT:
            return "micros" if numeric else None
        if time.declared.startswith("timestamp"):
            return "timestamp"
        return "iso" if time.declared.startswith(("text", "character")) else None

    def time(self, time: TimeColumn) -> Element:
        if time.declared.startswith("timestamp"):
            return func.timezone(constant("UTC"), time.value) if _zoned(time.declared) else time.value
        if time.unit not in MICROS_PER_UNIT:
            return cast(time.value, Text)
        if time.declared in _INTEGERS:
            return cast(time.value, BigInteger).op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(func.floor(time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))), BigInteger)

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[Any]:
        if time.declared.startswith("timestamp"):
            return [time.value >= _timestamp(start, time.declared), time.value < _timestamp(end, time.declared)]
        if time.unit in MICROS_PER_UNIT:
            return [
                time.value >= _epoch(start, time.declared, time.unit),
                time.value < _epoch(end, time.declared, time.unit),
            ]
        plain = _plain(time.value)
        return [
            time.value.op("~")(constant(_ISO_SHAPE)), plain >= constant(iso(start)), plain < constant(iso(end)),
        ]  # fmt: skip

    def beyond(self, time: TimeColumn) -> list[Any]:
        if time.declared.startswith("timestamp"):
            low, high = _timestamp(USABLE_FROM, time.declared), _timestamp(USABLE_UNTIL, time.declared)
        elif time.unit in MICROS_PER_UNIT:
            low, high = _epoch(USABLE_FROM, time.declared, time.unit), _epoch(USABLE_UNTIL, time.declared, time.unit)
        else:
            return [time.value.is_(null()), ~time.value.op("~")(constant(_ISO_SHAPE))]
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> Any:
        if time.declared.startswith("timestamp"):
            return time.value.in_([_timestamp(instant, time.declared) for instant in sorted(set(times))])
        if time.unit in MICROS_PER_UNIT and time.declared in _INTEGERS:
            size = MICROS_PER_UNIT[time.unit]
            return time.value.in_([number(value) for value in sorted({micros(instant) // size for instant in times})])
        around = timedelta(microseconds=3) if time.unit in MICROS_PER_UNIT else timedelta(seconds=1)
        return or_(*(and_(*self.within(time, t - around, t + around)) for t in sorted(set(times))))

    def row_hash(self, values: Sequence[Element]) -> Element | None:
        if self.version >= 140000:
            return func.hash_record_extended(func.row(*values), number(0))
        if self.version >= 110000:
            return func.hashtextextended(cast(func.row(*values), Text), number(0))
        return None

    def total(self, cell: Cell) -> Element:
        # Numeric sums are exact whatever the order of the rows.
        number_like = cell.declared in (*_INTEGERS, "double precision", "real") or cell.declared.startswith("numeric")
        summed = cast(cell.value, Numeric) if number_like else func.length(cast(cell.value, Text))
        return cast(func.sum(summed), Text)

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, BigInteger)


def _zoned(declared: str) -> bool:
    return declared.endswith("with time zone")


def _timestamp(instant: datetime, declared: str) -> Element:
    if _zoned(declared):
        return literal_column(f"TIMESTAMPTZ '{iso(instant)}+00'")
    return literal_column(f"TIMESTAMP '{iso(instant)}'")


def _epoch(instant: datetime, declared: str, unit: str) -> Element:
    value, size = micros(instant), MICROS_PER_UNIT[unit]
    if declared in _INTEGERS:
        return number(-(-value // size))  # the next whole unit bounds whole numbers exactly and keeps the index
    return literal_column(f"{value}::{'numeric' if declared.startswith('numeric') else 'float8'} / {size}")


def _plain(column: Element) -> Element:
    spaced = func.rtrim(func.replace(column, constant("T"), constant(" ")), constant("Z"))
    return func.replace(spaced, constant("+00:00"), constant("")).collate("C")
