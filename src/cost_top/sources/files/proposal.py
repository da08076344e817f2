"""A mapping proposed for files of a shape nobody knows: their first records are looked at."""

from __future__ import annotations

from pathlib import Path

from cost_top.gateways.propose import Column, Proposal, propose
from cost_top.model.errors import UserError, one_line
from cost_top.sources.files.content import Record
from cost_top.sources.files.found import files_of, places_of
from cost_top.sources.files.kinds import heads_of
from cost_top.sources.files.mapped import as_text

_SHOWN = 4000  # characters of a value


def best_proposal(place: str) -> Proposal:
    """What the columns of these files probably are; `UserError` where they look like no request log."""
    files = files_of(places_of(place))
    records = [record for head in heads_of(files).values() for record in head]
    names = dict.fromkeys(name for record in records for name in record)
    found = propose(Path(place).name.partition(".")[0] or "requests", None, [_column(name, records) for name in names])
    if not found.usable:
        seen = ", ".join(one_line(name, 30) for name in list(names)[:12]) or "none"
        raise UserError(
            f"{one_line(place, 200)}: does not look like a request log (columns: {seen}); "
            "write a mapping by hand: cost-top help mapping"
        )
    return found


def _column(name: str, records: list[Record]) -> Column:
    values = [record[name] for record in records if record.get(name) not in (None, "")]
    is_number = bool(values) and all(isinstance(value, int | float) for value in values)
    texts = tuple(text[:_SHOWN] for value in values if (text := as_text(value)) is not None)
    return Column(name, "numeric" if is_number else "text", texts)
