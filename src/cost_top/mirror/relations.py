"""SQL of the rows of several days as one relation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cost_top.mirror.days import ClosedDay

_DAY = timedelta(days=1)


def of_table(table: str, days: Sequence[ClosedDay]) -> str:
    """The rows of days that follow one another and stand in one table."""
    start, end = days[0].start, days[-1].start + _DAY
    return f"SELECT * FROM {table} WHERE time >= TIMESTAMP '{start}' AND time < TIMESTAMP '{end}'"


def relations(days: Iterable[ClosedDay]) -> list[str]:
    """What holds days that are in order: of those in one table that follow one another as one."""
    found: list[str] = []
    row: list[ClosedDay] = []
    for day in days:
        if row and (day.table != row[-1].table or day.start != row[-1].start + _DAY):
            found.append(f"({of_table(row[0].table, row)})")
            row = []
        if day.table:
            row.append(day)
        else:
            found.append(day.relation)
    return [*found, *([f"({of_table(row[0].table, row)})"] if row else [])]


def union(relations: Iterable[str]) -> str:
    """Several relations of the mirror's columns as one; files are scanned together."""
    files = []
    others = []
    for relation in relations:
        if relation.startswith("read_parquet("):
            files.append(relation.removeprefix("read_parquet(").removesuffix(")"))
        else:
            others.append(relation)
    parts = [f"read_parquet([{', '.join(files)}])"] if files else []
    parts += others
    if len(parts) == 1:
        return parts[0]
    return "(" + " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts) + ")"
