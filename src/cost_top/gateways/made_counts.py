"""The counts of the normal form over a raw row's typed columns, where they depend on each other; what is no count."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from cost_top.gateways.raw_columns import quoted
from cost_top.gateways.shape import INTEGER_LIMIT, RawShape

_CACHED = ("cached_input_tokens", "cache_creation_input_tokens")
_NOT_READ = f"{quoted('input_tokens')} - {quoted('cached_input_tokens')}"


def odd_counts_sql(shape: RawShape, names: Collection[str] | None = None) -> str:
    """Whether any raw count, or of these, is there and no number; false or NULL where not."""
    odd = [is_odd_count(quoted(name)) for name in shape.counts if names is None or name in names]
    return f"({' OR '.join(odd)})" if odd else "false"


def is_odd_count(column: str) -> str:
    """Whether a raw count is there and none: too large, or negative."""
    return f"{column} < -1 OR {column} >= {INTEGER_LIMIT}"


def input_tokens_sql(shape: RawShape) -> str:
    """All input with its cached parts inside; where they cannot be inside, the source left them out."""
    parts = [f"coalesce({quoted(name)}, 0)" for name in _CACHED if name in shape.fields]
    column = quoted("input_tokens")
    if not parts:
        return column
    cached = " + ".join(parts)
    if shape.input_includes_cache is False:
        return f"{column} + {cached}"
    outside = f"{cached} > {column}"
    if overlap := _overlap(shape):
        outside = f"{outside} AND NOT ({overlap})"
    if shape.input_includes_cache is None:
        outside = f"NOT coalesce(inclusive, true) OR {outside}"
    return f"CASE WHEN {outside} THEN {column} + {cached} ELSE {column} END"


def written_tokens_sql(shape: RawShape) -> str:
    """Input written to the cache, without what of it was read from there."""
    column, cut = quoted("cache_creation_input_tokens"), _cut(shape)
    return f"CASE WHEN {cut} THEN {_NOT_READ} ELSE {column} END" if cut else column


def written_1h_tokens_sql(shape: RawShape) -> str:
    """Of these, what was written for an hour: no more than they are."""
    column, cut = quoted("cache_creation_1h_tokens"), _cut(shape)
    return f"CASE WHEN {cut} AND {column} > {_NOT_READ} THEN {_NOT_READ} ELSE {column} END" if cut else column


def _cut(shape: RawShape) -> str:
    """Whether a row's input holds what was written only as far as it was not read; '' where none does."""
    overlap = _overlap(shape)
    if not overlap or shape.input_includes_cache is False:
        return ""
    inside = "coalesce(inclusive, true) AND " if shape.input_includes_cache is None else ""
    return f"{inside}{quoted('cache_creation_input_tokens')} > {_NOT_READ} AND {overlap}"


def _overlap(shape: RawShape) -> str:
    """Whether of a row with more cached and written than input both are inside; '' where nothing tells.

    OpenAI counts a prefix as written that was read in part. Claude's never overlap: there the input leaves them out.
    """
    if not {*_CACHED, "input_tokens", "model"} <= set(shape.fields):
        return ""
    whole = quoted("input_tokens")
    claude = f"lower(CAST({quoted('model')} AS VARCHAR)) LIKE '%claude%'"
    within = (f"{quoted(name)} <= {whole}" for name in _CACHED)
    return f"{' AND '.join(within)} AND NOT coalesce({claude}, true)"


def output_tokens_sql(shape: RawShape) -> str:
    """All output with its reasoning inside; where it cannot be inside, the source left it out."""
    column, inside = quoted("output_tokens"), quoted("reasoning_tokens")
    if "reasoning_tokens" not in shape.fields:
        return column
    return f"CASE WHEN {inside} > {column} THEN {column} + {inside} ELSE {column} END"


# Counts that depend on others.
MADE_COUNTS: Mapping[str, Callable[[RawShape], str]] = {
    "input_tokens": input_tokens_sql,
    "cache_creation_input_tokens": written_tokens_sql,
    "cache_creation_1h_tokens": written_1h_tokens_sql,
    "output_tokens": output_tokens_sql,
}
