"""What a face asks besides the snapshot: values for a picker, and the models behind what is unpriced."""

from __future__ import annotations

from dataclasses import replace

from cost_top.mirror.store import Mirror
from cost_top.model.feed import Found, UnpricedModel, unpriced_model
from cost_top.model.query import ReportQuery, unpriced_query
from cost_top.pricing.unpriced import toml_lines

_LIMIT = 100


def find(mirror: Mirror, query: ReportQuery, dimension: str, text: str) -> tuple[Found, ...]:
    """Values of a dimension whose value or display name contains `text`, dearest first."""
    report = mirror.report(replace(query, group_by=(dimension,), limit=None), query.end)
    needle = text.casefold()
    found = []
    for row in report.rows:
        value = row.key[0]
        name = row.key[1] if len(row.key) > 1 else None
        if needle in (value or "").casefold() or needle in (name or "").casefold():
            found.append(Found(value, name, row.measures.total_cost, row.measures.request_count))
    return tuple(found[:_LIMIT])


def unpriced_models(mirror: Mirror, query: ReportQuery) -> tuple[UnpricedModel, ...]:
    """The (provider, model) pairs of unpriced requests, most tokens first."""
    book = mirror.database.book
    return tuple(
        unpriced_model(row.key[0], row.key[1], row.measures, "\n".join(toml_lines(book, *row.key)))
        for row in mirror.report(unpriced_query(query, _LIMIT), query.end).rows
    )
