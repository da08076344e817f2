"""What a raw stream's columns are in DuckDB: its times, its texts, and which of its rows are real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cost_top.gateways.secrets import public_text_sql
from cost_top.gateways.shape import RawShape
from cost_top.model.text import TEXT_LIMIT, UNSAFE_RE2

if TYPE_CHECKING:
    from cost_top.gateways.dialects.base import Dialect


def time_select(kind: str) -> str:
    """The raw column `time` as a TIMESTAMP in UTC."""
    if kind == "micros":
        return 'make_timestamp("time")'
    if kind == "timestamp":
        return '"time"'
    text = "replace(CAST(\"time\" AS VARCHAR), 'T', ' ')"
    # The shape was checked by the log's database; a day that no month has falls back to the first of the month.
    return f"coalesce(TRY_CAST({text} AS TIMESTAMP), TRY_CAST(left({text}, 8) || '01' AS TIMESTAMP))"


def text_select(shape: RawShape | Dialect, names: tuple[str, ...]) -> str:
    """Raw text columns as VARCHAR, not cleaned."""
    return ", ".join(
        f"{decoded_text(quoted(name)) if shape.text_is_blob else quoted(name)} AS {name}" for name in names
    )


def decoded_text(column: str) -> str:
    """The text of bytes. Invalid UTF-8 keeps its row: such bytes are spelled as escapes."""
    return f"coalesce(TRY(decode({column})), CAST({column} AS VARCHAR))"


def printable_text(column: str) -> str:
    """A text without control characters."""
    return f"regexp_replace({column}, '{UNSAFE_RE2}', '', 'g')"


def safe_text(column: str) -> str:
    """A text as it may be shown."""
    return f"trim(left({public_text_sql(printable_text(column))}, {TEXT_LIMIT}))"


def real_rows(shape: RawShape) -> str:
    """Leaves out the row that only gives a stream its types."""
    return {"micros": '"time" >= 0', "iso": "\"time\" <> ''", "timestamp": "true"}[shape.time_kind]


def quoted(name: str) -> str:
    """A column's name."""
    return f'"{name}"'
