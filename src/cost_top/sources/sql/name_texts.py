"""Names of ids from the tables that a gateway keeps beside its log, by statements that were compiled before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cost_top.model.errors import SourceDenied
from cost_top.model.record import LOWERED
from cost_top.model.secret import public_value
from cost_top.model.text import clean
from cost_top.sources.base import Lookup
from cost_top.sources.sql.session import Session


@dataclass(frozen=True, slots=True)
class NameText:
    """One table of names: `field` of a record is named by its `by`."""

    field: str
    by: str
    values: Mapping[str, str]  # what its words stand for; empty where they are the names
    has_otherwise: bool
    sql: str  # of `id`, `name` and `otherwise`
    columns: str  # the DuckDB select list over its answer


def read_names(session: Session, texts: Sequence[NameText], keys: Mapping[str, str]) -> tuple[Lookup, ...]:
    """Every name; a table that cannot be read is left out, since names are a comfort. `keys` as in `RawShape`."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for text in texts:
        known = found.setdefault((text.field, text.by), {})
        try:
            rows = session.values(text.sql, text.columns)
        except SourceDenied:
            continue
        for key, name, otherwise in rows:
            shown = clean(text.values.get(name, "") if text.values else name)
            if not shown and text.has_otherwise:
                shown = clean(otherwise)
            if key and shown:
                value = public_value(clean(key), keys.get(text.by))
                known.setdefault(_cased(text.by, value), _cased(text.field, shown))
    return tuple(Lookup(field, by, names) for (field, by), names in found.items())


def _cased(field: str, value: str) -> str:
    """A value as rows of the normal form spell it."""
    return value.lower() if field in LOWERED else value
