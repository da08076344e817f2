"""SQLite: any column may hold any type, so every expression fixes it."""

# ruff: noqa: D102 - the methods are documented where the protocol is
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
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
    INTEGER_LIMIT,
    MICROS_PER_UNIT,
    TRUE_WORDS,
    UNKNOWN_MONEY,
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
_NUMERIC = ("integer", "real", "numeric")
_ISO_SHAPE = "[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]*"


def affinity(declared: str) -> str:
    """SQLite's own rule from declared type to `integer`, `text`, `blob` (also none), `real` or `numeric`.

    >>> affinity("BIGINT"), affinity("VARCHAR(20)"), affinity(""), affinity("DOUBLE"), affinity("BOOLEAN")
    ('integer', 'text', 'blob', 'real', 'numeric')
    """
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not name or "BLOB" in name:
        return "blob"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"


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
        digits = and_(cell.value != constant(""), cell.value.op("NOT GLOB")(constant("*[^0-9]*")))
        return case(
            (func.typeof(cell.value) == constant("integer"), cell.value),
            (func.typeof(cell.value) == constant("real"), cast(cell.value, Integer)),
            (and_(func.typeof(cell.value) == constant("text"), digits), cast(cell.value, Integer)),
        )

    def boolean(self, cell: Cell) -> Element:
        word = func.lower(cast(cell.value, Text))
        return case(
            (cell.value == number(1), number(1)),
            (cell.value == number(0), number(0)),
            (cell.value.is_(null()), null()),
            (word.in_([constant(text) for text in TRUE_WORDS]), number(1)),
            (word.in_([constant(text) for text in FALSE_WORDS]), number(0)),
        )

    def decimal(self, cell: Cell) -> Element:
        plain = func.replace(
            func.replace(func.trim(cell.value), constant("."), constant("")), constant("-"), constant("")
        )
        digits = and_(plain != constant(""), plain.op("NOT GLOB")(constant("*[^0-9eE]*")))
        return case(
            (func.typeof(cell.value).in_([constant("integer"), constant("real")]), cast(cell.value, REAL)),
            (and_(func.typeof(cell.value) == constant("text"), digits), cast(cell.value, REAL)),
        )

    def money(self, cell: Cell, whole: bool) -> tuple[Element, str]:
        if affinity(cell.declared) not in _NUMERIC and not (whole and cell.typed):
            return func.coalesce(self.money_text(cell), constant("")), "text"
        if whole:
            small = cell.value < number(9_200_000_000_000_000_000)
            return case((small, cell.value.op("|")(number(0))), else_=number(UNKNOWN_MONEY)), "integer"
        amount: Element = cast(cell.value, REAL)
        return case((cell.value < literal_column("1e300"), amount), else_=literal_column("9e99")), "double"

    def money_text(self, cell: Cell) -> Element:
        # A plain cast gives 15 digits; '!' lets printf give the 17 that hold a double exactly.
        exact = func.printf(constant("%!.17g"), cell.value)
        return func.nullif(
            case((func.typeof(cell.value) == constant("real"), exact), else_=cast(cell.value, Text)), constant("")
        )

    def json(self, cell: Cell, path: Sequence[str]) -> Element | None:
        keys = "".join(f'."{key}"' for key in path)
        return case((func.json_valid(cell.value) == number(1), func.json_extract(cell.value, constant(f"${keys}"))))

    def json_source(self, cell: Cell, keys: Sequence[str], name: str) -> FromClause | None:  # noqa: ARG002
        return None  # SQLite keeps the last JSON texts parsed

    def finish_text(self, value: Element | None) -> Element:
        if not self.text_is_blob:
            return constant("") if value is None else func.coalesce(value, constant(""))
        empty: Element = literal_column("x''")
        return empty if value is None else func.coalesce(cast(value, BLOB), empty)

    def packed(self, parts: Sequence[Element]) -> Element:
        # Bytes that are put together become text, whatever they are.
        joined = self.concatenated(parts)
        return cast(joined, BLOB) if self.text_is_blob else joined

    def time_kind(self, time: TimeColumn) -> str | None:
        return "micros" if time.unit in MICROS_PER_UNIT else "iso"

    def time(self, time: TimeColumn) -> Element:
        if time.unit not in MICROS_PER_UNIT:
            return cast(time.value, Text)
        scaled = time.value if time.unit == "epoch_us" else time.value.op("*")(number(MICROS_PER_UNIT[time.unit]))
        return cast(scaled, Integer)

    def within(self, time: TimeColumn, start: datetime, end: datetime) -> list[Any]:
        if time.unit in MICROS_PER_UNIT:
            return [time.value >= self._epoch(start, time.unit), time.value < self._epoch(end, time.unit)]
        plain = _plain(time.value)
        # The first two are served by an index whichever separator is used; the others are exact.
        return [
            time.value >= constant(iso(start)), time.value < constant(iso(end, "T")),
            plain >= constant(iso(start)), plain < constant(iso(end)), *_valid(time.value),
        ]  # fmt: skip

    def beyond(self, time: TimeColumn) -> list[Any]:
        if time.unit in MICROS_PER_UNIT:
            low, high = self._epoch(USABLE_FROM, time.unit), self._epoch(USABLE_UNTIL, time.unit)
        else:
            low, high = constant(iso(USABLE_FROM)), constant(iso(USABLE_UNTIL))
        return [time.value.is_(null()), time.value < low, time.value >= high]

    def at(self, time: TimeColumn, times: Sequence[datetime]) -> Any:
        if time.unit not in MICROS_PER_UNIT:
            seconds = sorted({instant.replace(microsecond=0) for instant in times})
            return or_(*(and_(*self.within(time, s, s + timedelta(seconds=1))) for s in seconds))
        size = MICROS_PER_UNIT[time.unit]
        values = sorted({micros(instant) for instant in times})
        whole = [value // size for value in values if value % size == 0] if affinity(time.declared) != "real" else []
        loose = [value for value in values if value % size or affinity(time.declared) == "real"]
        # A real number's microseconds are rounded, so a little around them is read too.
        ranges = [and_(time.value >= _decimal(v - 2, size), time.value < _decimal(v + 3, size)) for v in loose]
        return or_(*([time.value.in_([number(value) for value in whole])] if whole else []), *ranges)

    def row_hash(self, values: Sequence[Element]) -> Element | None:  # noqa: ARG002
        return None  # SQLite has no hash

    def total(self, cell: Cell) -> Element:
        # Integers are summed exactly, in two parts that do not overflow. total() of the others never fails, and nine
        # digits of it do not depend on the order of the rows.
        whole = case((func.typeof(cell.value) == constant("integer"), cell.value), else_=number(0))
        loose = case((func.typeof(cell.value) != constant("integer"), cell.value))
        parts = (func.sum(whole.op("/")(number(10**12))), func.sum(whole.op("%")(number(10**12))))
        return func.printf(constant("%d/%d/%.9g"), *parts, func.total(loose))

    def integer_sum(self, value: Element) -> ColumnElement[int]:
        return cast(value, Integer)

    def _epoch(self, instant: datetime, unit: str) -> Element:
        return _decimal(micros(instant), MICROS_PER_UNIT[unit])


def _decimal(value: int, size: int) -> Element:
    whole, rest = divmod(value, size)
    if not rest:
        return number(whole)
    return literal_column(f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0')}")


def _plain(column: Element) -> Element:
    spaced = func.rtrim(func.replace(column, constant("T"), constant(" ")), constant("Z"))
    return func.replace(spaced, constant("+00:00"), constant(""))


def _valid(column: Element) -> list[Any]:
    zone = func.substr(column, number(20))
    return [
        column.op("GLOB")(constant(_ISO_SHAPE)),
        or_(not_(zone.op("GLOB")(constant("*[-+]*"))), zone.op("GLOB")(constant("*+00:00"))),
        func.julianday(column).is_not(null()),
    ]
