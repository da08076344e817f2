"""Which names beside the log filled fields of rows that are held, and whether the names of now would fill them so.

The log's rows do not change when a channel is renamed; what was made of them does. Names of keys, teams, users and
owners are not among these: they are put on when figures are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import duckdb

from cost_top.sources.base import Lookup

# By lookup: the ids that rows hold, each with its name or None.
Filled = Mapping[str, Sequence[Sequence[str | None]]]


def filling(lookups: Iterable[Lookup]) -> tuple[Lookup, ...]:
    """Those that fill fields when rows are read."""
    return tuple(lookup for lookup in lookups if (lookup.field, lookup.by) != ("token_name", "token"))


def filled_by_day(
    connection: duckdb.DuckDBPyConnection, relation: str, lookups: Sequence[Lookup], days: Iterable[date]
) -> dict[date, Filled]:
    """What filled the rows of each day, whose fields have their names already."""
    found: dict[date, dict[str, list[list[str | None]]]] = {
        day: {_key(lookup): [] for lookup in lookups} for day in days
    }
    for lookup in lookups:
        ids: dict[str, list[str]] = {}
        for each, name in lookup.names.items():
            ids.setdefault(name, []).append(each)
        rows = connection.execute(
            f'SELECT CAST(time AS DATE), list_sort(list(DISTINCT CAST("{lookup.by}" AS VARCHAR))) FROM {relation} '
            f'WHERE "{lookup.by}" IS NOT NULL GROUP BY 1'
        ).fetchall()
        for day, values in rows:
            if day in found:
                # A field that names itself holds the names; an id without one is there as it is.
                held = [each for value in values for each in ids.get(value, [value])] if _itself(lookup) else values
                found[day][_key(lookup)] = [[each, lookup.names.get(each)] for each in held]
    return dict(found)


def still_filled(filled: Filled, lookups: Iterable[Lookup]) -> bool:
    """Whether rows that were filled so would be filled so now."""
    for lookup in lookups:
        held = filled.get(_key(lookup))
        if held is None and lookup.names:
            return False
        if any(lookup.names.get(each or "") != name for each, name in held or ()):
            return False
    return True


def _itself(lookup: Lookup) -> bool:
    return lookup.field == lookup.by


def _key(lookup: Lookup) -> str:
    return f"{lookup.field} {lookup.by}"
