"""What a face asks besides the snapshot: values for a picker, and the models behind what is unpriced."""

from __future__ import annotations

from dataclasses import replace

from cost_top.mirror.store import Mirror
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.filter import Filter, Term
from cost_top.model.query import ReportQuery
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
    where = query.where.both(Filter((Term("unpriced", ("yes",)),)))
    report = mirror.report(
        replace(query, group_by=("provider", "model"), where=where, sort="input_tokens", descending=True, limit=_LIMIT),
        query.end,
    )
    return tuple(
        UnpricedModel(
            provider=row.key[0],
            model=row.key[1],
            request_count=row.measures.request_count,
            input_tokens=row.measures.input_tokens,
            output_tokens=row.measures.output_tokens,
            override="\n".join(toml_lines(mirror.database.book, row.key[0], row.key[1])),
        )
        for row in report.rows
    )
