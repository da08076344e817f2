"""The one question and its answer: `ReportQuery` in, `Report` out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar, cast

from cost_top.model.dimensions import EVERY_DIMENSION, EVERY_MEASURE
from cost_top.model.errors import UserError, one_line
from cost_top.model.filter import Filter, Term
from cost_top.model.nearest import choices

T = TypeVar("T")
DIMENSIONS = tuple(each.name for each in EVERY_DIMENSION)
TIME_DIMENSIONS = tuple(each.name for each in EVERY_DIMENSION if each.kind == "time")
# Those whose values are looked for.
VALUE_DIMENSIONS = tuple(each.name for each in EVERY_DIMENSION if each.kind not in ("time", "source"))
SYNONYMS = {"api_key_name": "token_name"}
# What a report may be sorted by beside its measures: input and output tokens together.
TOKENS = "tokens"
# What a question may group by, as spelled on the wire.
GROUPINGS = (*DIMENSIONS, *SYNONYMS.values(), *SYNONYMS)
_NAME_FIELDS = {each.name: each.name_field for each in EVERY_DIMENSION if each.name_field}

MEASURES = tuple(each.name for each in EVERY_MEASURE)
AMOUNTS = (*MEASURES, TOKENS)  # what is sorted by largest first
MONEY_MEASURES = tuple(each.name for each in EVERY_MEASURE if each.kind == "money")
COUNT_MEASURES = tuple(each.name for each in EVERY_MEASURE if each.kind == "count")
LATENCY_MEASURES = tuple(each.name for each in EVERY_MEASURE if each.kind == "latency")
# What adds up over disjoint requests; a quantile of latency does not, so it is told only where it is asked for.
SUMMED_MEASURES = tuple(each.name for each in EVERY_MEASURE if each.kind != "latency")


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
    return Measures(**{name: added((getattr(first, name), getattr(second, name))) for name in SUMMED_MEASURES})  # type: ignore[arg-type]


def added(figures: Iterable[int | None]) -> int | None:
    """The sum of figures; unknown when one of them is.

    >>> added([1, 2]), added([1, None]), added([])
    (3, None, 0)
    """
    known = tuple(figures)
    return None if None in known else sum(cast("tuple[int, ...]", known))


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One group: its dimension values in the query's order (None is not attributed) and its measures."""

    key: tuple[str | None, ...]
    measures: Measures


def figure(measures: Measures, name: str) -> int | None:
    """A measure by its name, or `TOKENS`.

    >>> figure(Measures(input_tokens=3, output_tokens=2), TOKENS), figure(known_measures(5), TOKENS)
    (5, None)
    """
    if name == TOKENS:
        return added((measures.input_tokens, measures.output_tokens))
    return getattr(measures, name)  # type: ignore[no-any-return]


def in_order(
    items: Iterable[T], place: Callable[[T], Any], key: Callable[[T], Iterable[str | None]], descending: bool
) -> tuple[T, ...]:  # fmt: skip
    """The one order of groups: by their place, those without one last; equal ones by their keys, unattributed last."""
    ordered = sorted(items, key=lambda item: [(part is None, part or "") for part in key(item)])
    known = [item for item in ordered if place(item) is not None]
    known.sort(key=place, reverse=descending)
    return (*known, *(item for item in ordered if place(item) is None))


def order_rows(rows: Iterable[ReportRow], columns: Sequence[str], sort: str, descending: bool) -> tuple[ReportRow, ...]:
    """Rows by a measure or one of the `columns` of their key; a `sort` that is neither is by cost, dearest first."""
    if sort not in (*columns, *MEASURES, TOKENS):
        sort, descending = "total_cost", True

    def place(row: ReportRow) -> Any:
        return row.key[columns.index(sort)] if sort in columns else figure(row.measures, sort)

    return in_order(rows, place, lambda row: row.key, descending)


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Requests in `[start, end)` that match `where`, grouped. Instants are aware; days are cut in `zone`.

    An answer may hold other measures than those that are asked for, but latencies only when one of them is.
    """

    start: datetime
    end: datetime
    group_by: tuple[str, ...] = ()
    where: Filter = field(default_factory=Filter)
    zone: tzinfo = UTC
    sort: str = "total_cost"
    descending: bool = True
    limit: int | None = None
    measures: tuple[str, ...] = SUMMED_MEASURES

    @property
    def latency(self) -> bool:
        """Whether a quantile of latency is asked for."""
        return any(name in LATENCY_MEASURES for name in self.told)

    @property
    def told(self) -> tuple[str, ...]:
        """The measures that are asked for, be it to sort by one."""
        return self.measures if self.sort not in MEASURES else (*self.measures, self.sort)

    @property
    def order(self) -> tuple[str, bool]:
        """The measure or column that rows are in the order of, and whether the largest is first."""
        known = self.sort in (*MEASURES, TOKENS, *key_columns(self.group_by))
        return (self.sort, self.descending) if known else ("total_cost", True)


def unpriced_query(query: ReportQuery, limit: int) -> ReportQuery:
    """The question for the (provider, model) pairs of a query's unpriced requests, most tokens first."""
    where = query.where.both(Filter((Term("unpriced", ("yes",)),)))
    return replace(
        query, group_by=("provider", "model"), where=where, sort="input_tokens", descending=True, limit=limit
    )


@dataclass(frozen=True, slots=True)
class TrustSums:
    """How the cost of a query's requests is known. Money in pico-dollars; every figure adds up over disjoint parts.

    A report that is read by itself knows what its notes are made of; what it does not ask for is None.
    """

    reported_cost: int | None = 0
    priced_cost: int | None = 0
    zero_cost_count: int | None = 0
    no_usage_count: int = 0
    unrated_count: int = 0
    doubtful_count: int = 0
    refund_count: int = 0
    refunded_cost: int = 0
    with_user: int | None = 0
    with_tag: int | None = 0
    with_token: int | None = 0
    below_market: int | None = 0
    byok_market_cost: int | None = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. `columns` names each part of a row's key; grouping by token gives `token` and `token_name`."""

    columns: tuple[str, ...]
    rows: tuple[ReportRow, ...]
    totals: Measures
    row_count: int  # groups before the limit
    as_of: datetime = field(compare=False)
    notes: tuple[str, ...] = ()
    trust: TrustSums | None = None  # where it was asked for and is known


def key_columns(group_by: tuple[str, ...]) -> tuple[str, ...]:
    """The key columns a grouping yields: a dimension such as `token` is followed by its display name.

    >>> key_columns(("provider", "token"))
    ('provider', 'token', 'token_name')
    """
    columns: list[str] = []
    for name in group_by:
        columns.append(name)
        name_field = _NAME_FIELDS.get(name)
        if name_field is not None and name_field not in group_by:
            columns.append(name_field)
    return tuple(columns)


# Measures by the titles of their columns.
_TITLES = {
    "cost": "total_cost", "spend": "total_cost", "requests": "request_count", "input": "input_tokens",
    "output": "output_tokens", "errors": "error_count", "unpriced": "unpriced_count", "p95": "latency_p95",
    "p50": "latency_p50", "saved": "saved_by_cache",
}  # fmt: skip


def without_untold(report: Report, untold: Collection[str]) -> Report:
    """A report in which measures that the source does not tell are unknown."""
    if not untold:
        return report
    unknown: dict[str, Any] = dict.fromkeys(untold)
    rows = tuple(replace(row, measures=replace(row.measures, **unknown)) for row in report.rows)
    return replace(report, rows=rows, totals=replace(report.totals, **unknown))


def measure_named(name: str) -> str:
    """A measure or dimension by its name, a synonym or its column's title; what is none comes back as it is.

    >>> measure_named("cost"), measure_named("total_cost")
    ('total_cost', 'total_cost')
    """
    name = name.strip()
    return SYNONYMS.get(name) or _TITLES.get(name) or name


def parse_group_by(text: str) -> tuple[str, ...]:
    """`provider,model` as dimensions; `UserError` for a name that is none.

    >>> parse_group_by("provider, api_key_name")
    ('provider', 'token_name')
    """
    names: list[str] = []
    for part in text.split(","):
        name = part.strip().lower()
        name = SYNONYMS.get(name, name)
        if name not in GROUPINGS:
            raise UserError(f"unknown dimension {one_line(part, 40)!r}: {choices(name, GROUPINGS)}")
        if name not in names:
            names.append(name)
    return tuple(names)
