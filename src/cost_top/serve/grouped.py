"""What answers of groups have in common: figures, and what an answer says of itself (`shapes.GroupedAnswer`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import simplejson  # type: ignore[import-untyped]

from cost_top.insight.view_table import Figures
from cost_top.model.notes import origin_of
from cost_top.model.query import ReportQuery
from cost_top.serve.errors import harmless
from cost_top.serve.exact import moment


def said_of(
    query: ReportQuery, as_of: str | None, source: str, notes: Iterable[str], row_count: int
) -> dict[str, object]:  # fmt: skip
    """Its period, how new it is, where it is from, and what a reader should know."""
    return {
        "since": moment(query.start.astimezone(query.zone)),
        "until": moment(query.end.astimezone(query.zone)),
        "as_of": as_of,
        "source": harmless(source),
        "notes": [harmless(note) if origin_of(note) == "source" else note for note in notes],
        "row_count": row_count,
    }


def figure_fields(figures: Figures, words: Collection[str] = ()) -> dict[str, object]:
    """Exact numbers, and those of `words` as texts; what is not known is left out."""
    return {
        name: simplejson.RawJSON(value) if isinstance(value, str) and name not in words else value
        for name, value in figures.items()
        if value is not None
    }
