"""The one question and its answer: `ReportQuery` in, `Report` out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from cost_top.model.errors import UserError
from cost_top.model.filter import Filter, Term

DIMENSIONS: tuple[str, ...] = (
    "provider", "model", "endpoint", "token", "user", "owner", "team", "tag", "credential_type", "status",
    "day", "hour", "minute",
)  # fmt: skip
TIME_DIMENSIONS = ("day", "hour", "minute")
SYNONYMS = {"api_key_name": "token_name"}

MONEY_MEASURES = ("total_cost", "market_cost", "saved_by_cache", "prompt_cache_savings")
COUNT_MEASURES = (
    "input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens", "reasoning_tokens",
    "request_count", "cache_hit_count", "error_count", "unpriced_count",
)  # fmt: skip
LATENCY_MEASURES = ("latency_p50", "latency_p95")
MEASURES: tuple[str, ...] = (
    "total_cost", "market_cost", "input_tokens", "output_tokens", "cached_input_tokens",
    "cache_creation_input_tokens", "reasoning_tokens", "request_count", "saved_by_cache", "prompt_cache_savings",
    "cache_hit_count", "error_count", "unpriced_count", "latency_p50", "latency_p95",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measures:
    """What one group of requests amounts to. Money in pico-dollars, latency in milliseconds, None is unknown.

    Token counts and `market_cost` are of requests sent to a provider; what a response-cache hit avoided is in
    `saved_by_cache`, not in them.
    """

    total_cost: int = 0
    market_cost: int | None = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cached_input_tokens: int | None = 0
    cache_creation_input_tokens: int | None = 0
    reasoning_tokens: int | None = 0
    request_count: int | None = 0
    saved_by_cache: int | None = 0
    prompt_cache_savings: int | None = 0
    cache_hit_count: int | None = 0
    error_count: int | None = 0
    unpriced_count: int = 0
    latency_p50: int | None = None
    latency_p95: int | None = None


_UNKNOWN: dict[str, None] = dict.fromkeys(name for name in MEASURES if name not in ("total_cost", "unpriced_count"))


def known_measures(total_cost: int, unpriced_count: int = 0, **known: int | None) -> Measures:
    """The measures a report API tells; all others are unknown.

    >>> known_measures(5, request_count=2).request_count, known_measures(5).input_tokens
    (2, None)
    """
    return Measures(**{**_UNKNOWN, **known}, total_cost=total_cost, unpriced_count=unpriced_count)


def add_measures(first: Measures, second: Measures) -> Measures:
    """The sum over disjoint requests: what one part does not know, the sum does not. Latency is not additive.

    >>> add_measures(Measures(total_cost=1, request_count=2), known_measures(3)).request_count is None
    True
    """
    names = (*MONEY_MEASURES, *COUNT_MEASURES)
    return Measures(**{name: added((getattr(first, name), getattr(second, name))) for name in names})  # type: ignore[arg-type]


def added(figures: Iterable[int | None]) -> int | None:
    """The sum of figures; unknown when one of them is.

    >>> added([1, 2]), added([1, None]), added([])
    (3, None, 0)
    """
    total = 0
    for figure in figures:
        if figure is None:
            return None
        total += figure
    return total


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One group: its dimension values in the query's order (None is not attributed) and its measures."""

    key: tuple[str | None, ...]
    measures: Measures


def order_rows(rows: Iterable[ReportRow], columns: Sequence[str], sort: str, descending: bool) -> tuple[ReportRow, ...]:
    """Rows by a measure or one of the `columns` of their key: what is unknown last, equal ones by their keys.

    A `sort` that is neither is by cost, as in the mirror.
    """
    sort = sort if sort in (*columns, *MEASURES) else "total_cost"

    def place(row: ReportRow) -> Any:
        return row.key[columns.index(sort)] if sort in columns else getattr(row.measures, sort)

    ordered = sorted(rows, key=lambda row: [(part is None, part or "") for part in row.key])
    known = [row for row in ordered if place(row) is not None]
    known.sort(key=place, reverse=descending)
    return (*known, *(row for row in ordered if place(row) is None))


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Requests in `[start, end)` that match `where`, grouped. Instants are aware; days are cut in `zone`."""

    start: datetime
    end: datetime
    group_by: tuple[str, ...] = ()
    where: Filter = field(default_factory=Filter)
    zone: tzinfo = UTC
    sort: str = "total_cost"
    descending: bool = True
    limit: int | None = None


def unpriced_query(query: ReportQuery, limit: int) -> ReportQuery:
    """The question for the (provider, model) pairs of a query's unpriced requests, most tokens first."""
    where = query.where.both(Filter((Term("unpriced", ("yes",)),)))
    return replace(
        query, group_by=("provider", "model"), where=where, sort="input_tokens", descending=True, limit=limit
    )


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. `columns` names each part of a row's key; grouping by token gives `token` and `token_name`."""

    columns: tuple[str, ...]
    rows: tuple[ReportRow, ...]
    totals: Measures
    row_count: int  # groups before the limit
    as_of: datetime = field(compare=False)
    notes: tuple[str, ...] = ()


def key_columns(group_by: tuple[str, ...]) -> tuple[str, ...]:
    """The key columns a grouping yields: `token` is followed by its display name.

    >>> key_columns(("provider", "token"))
    ('provider', 'token', 'token_name')
    """
    columns: list[str] = []
    for name in group_by:
        columns.append(name)
        if name == "token" and "token_name" not in group_by:
            columns.append("token_name")
    return tuple(columns)


def parse_group_by(text: str) -> tuple[str, ...]:
    """`provider,model` as dimensions; `UserError` for a name that is none.

    >>> parse_group_by("provider, api_key_name")
    ('provider', 'token_name')
    """
    names: list[str] = []
    for part in text.split(","):
        name = part.strip().lower()
        name = SYNONYMS.get(name, name)
        if name not in DIMENSIONS and name != "token_name":
            raise UserError(
                f"unknown dimension {part.strip()!r}: choose from {', '.join((*DIMENSIONS, 'api_key_name'))}"
            )
        if name not in names:
            names.append(name)
    return tuple(names)
