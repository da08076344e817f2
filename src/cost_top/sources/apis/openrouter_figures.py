"""What OpenRouter's answers mean: amounts, counts and names of its fields as measures and buckets. Asks nothing.

OpenRouter tells two kinds of money in USD: what it charges to the account's credits (`credits_usage`, `usage`; with
own keys that is its fee alone) and what a provider charges to an own key (`byok_usage`, `byok_usage_inference`).
`total_cost` is the first, `market_cost` the sum of both, which OpenRouter itself calls `total_usage`.
Input tokens hold the cached ones, output tokens the reasoning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cost_top.model.errors import SourceError
from cost_top.model.query import Measures, add_measures, known_measures
from cost_top.model.text import clean
from cost_top.sources.apis.openrouter_shapes import ActivityRow, Key, QueryRow
from cost_top.sources.report_api import Bucket

# Metrics of /analytics/query by our measures; money apart. All reach a year back.
COUNT_METRICS: Mapping[str, str] = {
    "request_count": "request_count",
    "input_tokens": "tokens_prompt",
    "output_tokens": "tokens_completion",
    "reasoning_tokens": "reasoning_tokens",
    "cached_input_tokens": "cached_tokens",
}
MONEY_METRICS = ("credits_usage", "byok_usage", "total_usage")
# Fields of a row of /activity by our measures.
ACTIVITY_COUNTS: Mapping[str, str] = {
    "request_count": "requests",
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "cached_input_tokens": "cached_tokens",
}


def analytics_measures(row: QueryRow) -> tuple[Measures | None, bool]:
    """Measures of a row of /analytics/query, and whether own keys had to be counted as charged.

    None for a row of no requests that tells no amounts. `SourceError` where requests have no cost at all.
    """
    credits, own, both = row.credits_usage, row.byok_usage, row.total_usage
    counts = {measure: getattr(row, metric) for measure, metric in COUNT_METRICS.items()}
    mixed = credits is None and own is None and both is not None
    if credits is None and both is not None:
        credits = both - (own or 0)
    if both is None and credits is not None and own is not None:
        both = credits + own
    if credits is None:
        if counts["request_count"] == 0:
            return None, False
        raise SourceError("openrouter: its analytics name no cost; try again later")
    return known_measures(credits, unpriced_count=0, market_cost=both, **counts), mixed


def activity_measures(row: ActivityRow) -> Measures:
    """Measures of a row of /activity. `SourceError` where it names no cost."""
    counts = {measure: getattr(row, name) for measure, name in ACTIVITY_COUNTS.items()}
    return _charged("its activity", row.usage, row.byok_usage_inference, counts)


def key_measures(key: Key, suffix: str) -> Measures:
    """What a key has used: `suffix` is "" (ever), "_daily", "_weekly" or "_monthly". Requests and tokens are unknown.

    `SourceError` where it is not told.
    """
    used, own = getattr(key, f"usage{suffix}"), getattr(key, f"byok_usage{suffix}")
    return _charged(f"usage{suffix} of a key", used, own, {})


def _charged(what: str, credits: int | None, own: int | None, counts: Mapping[str, int | None]) -> Measures:
    if credits is None:
        raise SourceError(f"openrouter: {what} names no cost; try again later")
    both = None if own is None else credits + own
    return known_measures(credits, unpriced_count=0, market_cost=both, **counts)


def count(value: Any) -> int | None:
    """A count as a number or numeric text; None where it is none.

    >>> count("1523"), count(Decimal("7.0")), count("many"), count(-1)
    (1523, 7, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        number = Decimal(value)
        whole = int(number) if number.is_finite() and number.adjusted() < 20 else -1
    except (InvalidOperation, ValueError):
        return None
    return whole if whole >= 0 and whole == number else None


def name(value: Any) -> str | None:
    """A dimension's value as clean text; None where there is none.

    >>> name("a\\x1bb"), name(" "), name(12), name(None)
    ('ab', None, '12', None)
    """
    if value is None or isinstance(value, (bool, list, dict)):
        return None
    return clean(str(value)) or None


def instant(value: Any) -> datetime | None:
    """The start of a bucket: a date, an hour or a full time, in UTC; None where it is none.

    >>> instant("2026-05-19"), instant("2026-05-19T13"), instant("2026-05-19 13:05:00")
    ... # doctest: +NORMALIZE_WHITESPACE
    (datetime.datetime(2026, 5, 19, 0, 0, tzinfo=datetime.timezone.utc),
     datetime.datetime(2026, 5, 19, 13, 0, tzinfo=datetime.timezone.utc),
     datetime.datetime(2026, 5, 19, 13, 5, tzinfo=datetime.timezone.utc))
    """
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def cached_at(value: Any, now: datetime) -> datetime:
    """When an answer was made, from `cachedAt` in milliseconds since 1970; now where it tells nothing usable."""
    milliseconds = count(value)
    if milliseconds is None:
        return now
    try:
        return min(datetime.fromtimestamp(milliseconds / 1000, UTC), now)
    except (ValueError, OverflowError, OSError):
        return now


def merged(buckets: Iterable[Bucket]) -> tuple[Bucket, ...]:
    """Each (start, key) once: rows that say the same name after cleaning, or parts of one bucket, are added."""
    found: dict[tuple[datetime | None, tuple[str | None, ...]], Bucket] = {}
    for bucket in buckets:
        place = (bucket.start, bucket.key)
        known = found.get(place)
        measures = bucket.measures if known is None else add_measures(known.measures, bucket.measures)
        found[place] = Bucket(bucket.start, bucket.key, measures)
    return tuple(found.values())


def rows_of(value: Any, what: str) -> list[Mapping[str, Any]]:
    """A list of objects; `SourceError` for anything else."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise SourceError(f"openrouter: {what} is not the documented list")
    return value


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """An object; `SourceError` for anything else."""
    if not isinstance(value, dict):
        raise SourceError(f"openrouter: {what} is not the documented object")
    return value
