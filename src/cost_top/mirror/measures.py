"""The measures of design as SQL over the mirror's rows, and over sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from cost_top.model.doubts import OF_A_KNOWN_COST
from cost_top.model.query import COUNT_MEASURES, MONEY_MEASURES, Measures

_SENT = "cache_hit IS NOT TRUE"
_COUNTED = "counted IS NOT FALSE"

# A request whose cost is not known. A response-cache hit cost nothing, whatever its model would have.
UNPRICED = "price_status = 'unpriced' AND cache_hit IS NOT TRUE"

# What each row adds ('' one), and of which rows ('' of every).
_ADDS: dict[str, tuple[str, str]] = {
    "total_cost": ("cost", ""),
    "market_cost": ("market_cost", _SENT),
    "saved_by_cache": ("saved_by_cache", ""),
    "prompt_cache_savings": ("prompt_cache_savings", ""),
    "input_tokens": ("input_tokens", _SENT),
    "output_tokens": ("output_tokens", _SENT),
    "cached_input_tokens": ("cached_input_tokens", _SENT),
    "cache_creation_input_tokens": ("cache_creation_input_tokens", _SENT),
    "reasoning_tokens": ("reasoning_tokens", _SENT),
    "request_count": ("", _COUNTED),
    "cache_hit_count": ("", f"cache_hit AND {_COUNTED}"),
    "error_count": ("", f"status >= 400 AND {_COUNTED}"),
    "unpriced_count": ("", UNPRICED),
}
# Sums over rows; each may be summed again over disjoint parts.
ADDITIVE: dict[str, str] = {
    name: (f"sum({value})" if value else "count(*)") + (f" FILTER ({of})" if of else "")
    for name, (value, of) in _ADDS.items()
}
ADDITIVE_NAMES = tuple(ADDITIVE)
assert set(ADDITIVE) == {*MONEY_MEASURES, *COUNT_MEASURES}

LATENCY = {
    "latency_p50": "quantile_disc(latency_ms, 0.5)",
    "latency_p95": "quantile_disc(latency_ms, 0.95)",
}

# What the trust line needs, additive too; see `model.snapshot.Trust` and `Spend`.
TRUST: dict[str, str] = {
    "reported_cost": "sum(cost) FILTER (price_status IN ('reported', 'cache_hit'))",
    "priced_cost": "sum(cost) FILTER (price_status NOT IN ('reported', 'cache_hit'))",
    "zero_cost_count": f"count(*) FILTER ({UNPRICED} AND reported_cost = 0)",
    "no_usage_count": "count(*) FILTER (price_status = 'no_usage')",
    "with_user": 'sum(cost) FILTER ("user" IS NOT NULL)',
    "with_tag": "sum(cost) FILTER (len(tags) > 0)",
    "with_token": "sum(cost) FILTER (token IS NOT NULL)",
    "below_market": "sum(market_cost - cost) FILTER (cache_hit IS NOT TRUE AND price_status IN ('reported', 'priced') "
    "AND credential_type IS DISTINCT FROM 'byok' AND doubt IS NULL)",
    "unrated_count": f"count(*) FILTER ({UNPRICED} AND doubt NOT IN ('model', 'zero'))",
    "doubtful_count": f"count(*) FILTER (doubt IN {OF_A_KNOWN_COST})",
    "refund_count": "count(*) FILTER (cost < 0)",
    "refunded_cost": "sum(-cost) FILTER (cost < 0)",
    "byok_market_cost": "sum(market_cost) FILTER (cache_hit IS NOT TRUE AND credential_type = 'byok' AND cost = 0)",
}

# Both are kept in columns of the same number.
assert len(TRUST) <= len(ADDITIVE)


def row_sums(latency: bool = False) -> str:
    """The measures over rows, in the order of `measures_of`."""
    expressions = {**ADDITIVE, **(LATENCY if latency else {})}
    return ", ".join(f"coalesce({sql}, 0) AS {name}" if name in ADDITIVE else f"{sql} AS {name}"
                     for name, sql in expressions.items())  # fmt: skip


def row_parts() -> str:
    """What a row adds to each additive measure, for `part_sums`; NULL where nothing.

    Where rows are grouped in many ways at once this is half the work of sums that choose their rows by themselves.
    """
    return ", ".join(
        f"CASE WHEN {of} THEN {value or 1} END AS {name}" if of else f"{value or 1} AS {name}"
        for name, (value, of) in _ADDS.items()
    )


def sums_of_parts(latency: bool = False) -> str:
    """As `row_sums`, over rows with `row_parts` and their `latency_ms`: one list is made for both quantiles."""
    quantiles = ", quantile_disc(latency_ms, [0.5, 0.95])[{}] AS {}"
    told = "".join(quantiles.format(place, name) for place, name in enumerate(LATENCY, 1)) if latency else ""
    return ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in ADDITIVE_NAMES) + told


def part_sums(kind: str = "HUGEINT") -> str:
    """The additive measures over parts that hold them as columns."""
    return ", ".join(f"sum({name})::{kind} AS {name}" for name in ADDITIVE_NAMES)


# Stands for the type of sums in statements that `fetch_sums` runs.
SUMMED = "SUMMED"


def fetch_sums(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a statement that casts its sums to `SUMMED`.

    They are told as 64 bits, which takes a ninth of the time, or else as 128 where one does not fit.
    """
    try:
        return connection.execute(sql.replace(f"::{SUMMED}", "::BIGINT"), parameters).fetchall()
    except duckdb.ConversionException:
        return connection.execute(sql.replace(f"::{SUMMED}", "::HUGEINT"), parameters).fetchall()


def measures_of(values: Sequence[int | None], latency: bool = False) -> Measures:
    """A result row's measure columns as a value; NULL sums of nothing are zero."""
    named = dict(zip(ADDITIVE_NAMES, (int(value or 0) for value in values), strict=False))
    if not latency:
        return Measures(**named)
    p50, p95 = values[len(ADDITIVE_NAMES) :]
    return Measures(**named, latency_p50=p50, latency_p95=p95)


def order_sql(place: str, descending: bool, keys: Sequence[str]) -> str:
    """The order of groups as `model.query.in_order` has it."""
    direction = "DESC" if descending else "ASC"
    return ", ".join([f"{place} {direction} NULLS LAST", *(f"{key} NULLS LAST" for key in keys)])
