"""Which JSON columns of a log are read at paths: for which fields, and for what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from cost_top.gateways.preset import PATH_IN_SQL, Expression, Preset
from cost_top.gateways.shape import field_kind

Path = tuple[str, ...]


def json_paths(item: Expression) -> list[tuple[str, Path]]:
    """The JSON columns an expression reads, each with the path into it."""
    return [(name, path) for _, name, path in _reads(item, item.sql)]


def paths_of(preset: Preset, fields: Collection[str], columns: Collection[str]) -> dict[str, list[Path]]:
    """By the name of a JSON column the paths at which some fields, and what any row is asked for, read it."""
    items = [item for name, items in preset.fields.items() if name in fields for item in items]
    found: dict[str, list[Path]] = {}
    for item in (*items, *preset.of_any_row):
        for name, path in json_paths(item):
            if name in columns and path not in found.setdefault(name, []):
                found[name].append(path)
    return found


def whole_numbers(
    preset: Preset, usable: Mapping[str, Sequence[Expression]], fields: Iterable[str], database: str
) -> dict[str, list[Path]]:  # fmt: skip
    """As `paths_of`, in one database's own words, the columns that are read for whole numbers alone.

    `usable` are the alternatives of each field that the table can answer.
    """
    items = [(item, field_kind(name) == "integer") for name in fields for item in usable.get(name, ())]
    items += [(item, False) for item in preset.of_any_row]
    found: dict[str, list[Path]] = {}
    others = set()
    for item, is_integer in items:
        for kind, name, path in _reads(item, (database,)):
            if kind == "int" or (is_integer and not item.sql):
                found.setdefault(name, []).append(path)
            else:
                others.add(name)
    return {name: list(dict.fromkeys(paths)) for name, paths in found.items() if name not in others}


def _reads(item: Expression, databases: Iterable[str]) -> list[tuple[str | None, str, Path]]:
    """What it reads in the words of some databases: the kind that its SQL says, the column, the path."""
    found: list[tuple[str | None, str, Path]] = []
    if item.column and item.path:
        found.append((None, item.column, item.path))
    for database in databases:
        for match in PATH_IN_SQL.finditer(item.sql.get(database, "")):
            name, *path = match[2].split(".")
            if path:
                found.append((match[1], name, tuple(path)))
    return found
