"""LiteLLM's own daily sums, which it feeds apart from its log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from cost_top.model.text import clean

if TYPE_CHECKING:
    from cost_top.sources.sql.log import SqlLog, SqlLogReader

ROLLUPS = ("LiteLLM_DailyGlobalSpend", "LiteLLM_DailyUserSpend")
_COLUMNS = {"date", "model", "spend", "api_requests"}
_COUNTS = ("api_requests", "failed_requests", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What a rollup says of a day and a model or provider; a count that it does not keep is None."""

    usd: Decimal
    requests: int
    failed: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


Rolled = dict[tuple[str, str], RolledUp]  # by the day, as ISO text, and the model or provider


def has_rollups(source: SqlLog) -> bool:
    """Whether the log's gateway keeps any."""
    return source.facts.preset == "litellm" and source.database.name == "postgresql"


def rolled(reader: SqlLogReader, first: date, last: date, by: str = "model") -> tuple[list[str], Rolled]:
    """The rollups used and their sums of the UTC days `[first, last)`, by `model` or `custom_llm_provider`.

    Of each day those of the first rollup that knows it, since one of them is younger. Raises `SourceError`.
    """
    found = reader.source.database.tables(reader.session, set(ROLLUPS))
    usable = {
        name: table.columns
        for name in ROLLUPS
        for table in found
        if table.name == name and table.schema == reader.source.columns.schema and set(table.columns) >= {*_COLUMNS, by}
    }
    used: list[str] = []
    sums, days = Rolled(), set[str]()
    for number, (rollup, columns) in enumerate(usable.items()):
        if len(days) == (last - first).days:
            break
        told = _read(reader, rollup, columns, first, last, by)
        begun = min((day for day, _ in told), default="")
        # A rollup that began within the period may have half of its first day; the last of them is the oldest.
        half = begun if number < len(usable) - 1 and begun > first.isoformat() else None
        known = {key: figures for key, figures in told.items() if key[0] not in days and key[0] != half}
        if known:
            used.append(rollup)
        sums |= known
        days |= {day for day, _ in known}
    return used or list(usable)[-1:], sums


def _read(
    reader: SqlLogReader, rollup: str, columns: Iterable[str], first: date, last: date, by: str
) -> Rolled:  # fmt: skip
    known = set(columns)
    counts = ", ".join(
        f"{f'sum({name})' if name in known else 'NULL'}::bigint AS c{place}" for place, name in enumerate(_COUNTS)
    )
    rows = reader.session.values(
        f"SELECT date::text AS d, coalesce({by}, '')::text AS m, sum(spend)::numeric::text AS s, {counts} "
        f"FROM {qualified(reader.source, rollup)} WHERE date >= '{first}' AND date < '{last}' GROUP BY 1, 2"
    )
    return {
        (day, clean(key)): RolledUp(Decimal(spend or 0), int(requests or 0), *(_count(each) for each in others))
        for day, key, spend, requests, *others in rows
    }


def _count(value: object) -> int | None:
    return int(str(value)) if value is not None else None


def qualified(source: SqlLog, table: str) -> str:
    """A table beside the log, quoted."""
    quoted = source.columns.dialect.quoted
    schema = source.columns.schema
    return f"{quoted(schema)}.{quoted(table)}" if schema else quoted(table)
