"""The rows of Vercel's report, read leniently: unknown fields are noted, missing figures are unknown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cost_top.model.errors import SourceError
from cost_top.model.query import Measures, add_measures, known_measures
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.shapes import NeededCount, Shape, Text, Unread
from cost_top.sources.report_api import ApiQuery, Bucket, Grain

K = TypeVar("K")

MEASURES = (
    "total_cost", "market_cost", "input_tokens", "output_tokens", "cached_input_tokens",
    "cache_creation_input_tokens", "reasoning_tokens", "request_count",
)  # fmt: skip
_COUNTS = MEASURES[2:]
_PLACE = "/v1/report"
# Documented are `2026-11-25` and `2026-11-25T14`, in UTC; the SDK says only that they are texts.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s?(Z|[+-]\d\d:?\d\d|UTC)?)?", re.ASCII
)


class ReportRow(Shape):
    """A row of `/v1/report`; which of its dimensions are there depends on the question."""

    total_cost: Unread = None
    market_cost: Unread = None
    input_tokens: NeededCount = None
    output_tokens: NeededCount = None
    cached_input_tokens: NeededCount = None
    cache_creation_input_tokens: NeededCount = None
    reasoning_tokens: NeededCount = None
    request_count: NeededCount = None
    day: Unread = None
    hour: Unread = None
    user: Text = None
    model: Text = None
    tag: Text = None
    provider: Text = None
    credential_type: Text = None
    api_key_name: Text = None
    zero_data_retention: Unread = None
    surcharge_cost: Unread = None
    gateway_cost: Unread = None


class CreditsAnswer(Shape):
    """`/v1/credits`."""

    balance: Unread = None
    total_used: Unread = None


class ReportRows:
    """The rows of one answer. `own_keys`: whether some of it was with the team's own provider keys."""

    def __init__(self, wire: Wire, value: object) -> None:
        """`SourceError` for an answer that is no report."""
        self._wire = wire
        results = value.get("results") if isinstance(value, dict) else None
        if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
            raise SourceError(f"vercel: {_PLACE} has changed: the answer has no list of results")
        self.rows = [wire.read(_PLACE, ReportRow, row) for row in results]
        self.own_keys = False

    def by_time(self, part: Grain, question: ApiQuery) -> tuple[Bucket, ...]:
        """The rows inside the question's period, summed to its grain."""
        buckets: dict[datetime | None, Measures] = {}
        seen: set[datetime] = set()
        for row in self.rows:
            start = self._start(row, part)
            if not question.start <= start < question.end:
                # Hours are asked for by whole days.
                if part == "day":
                    self._wire.differs(_PLACE, "days that were not asked for")
                continue
            if start in seen:
                self._wire.differs(_PLACE, f"several rows of one {part}; added")
            seen.add(start)
            _add(buckets, _cut(start, question.grain), self._measures(row))
        return tuple(Bucket(start, (), measures) for start, measures in buckets.items())

    def by_value(self, dimension: str, name: str) -> tuple[Bucket, ...]:
        """A bucket for each value of the field `name`."""
        buckets: dict[str | None, Measures] = {}
        if self.rows and not any(name in row.model_fields_set for row in self.rows):
            self._wire.differs(_PLACE, f"grouped by {name}, but no row has it")
        for row in self.rows:
            value: str | None = getattr(row, name)
            if value in buckets:
                self._wire.differs(_PLACE, f"several rows of one {name}; added")
            _add(buckets, value, self._measures(row))
        # Only the display name of a key is told: it stands for the key as well.
        width = 2 if dimension == "token" else 1
        return tuple(Bucket(None, (value,) * width, measures) for value, measures in buckets.items())

    def _measures(self, row: ReportRow) -> Measures:
        total = None if row.total_cost is None else self._money(row, "total_cost")
        if total is None:
            raise SourceError(f"vercel: {_PLACE} has changed: a row has no usable total_cost")
        if total < 0:
            self._wire.differs(_PLACE, "a negative total_cost")
        market = self._market(row)
        if total == 0 and market:
            self.own_keys = True
        counts = {name: getattr(row, name) for name in _COUNTS}
        return known_measures(total, 0, market_cost=market, **counts)

    def _money(self, row: ReportRow, name: str) -> int | None:
        return self._wire.money(f"{_PLACE} {name}", getattr(row, name), "usd")

    def _market(self, row: ReportRow) -> int | None:
        if row.market_cost is None:
            self._wire.differs(_PLACE, "no market_cost")
            return None
        market = self._money(row, "market_cost")
        if market is not None and market < 0:
            self._wire.differs(_PLACE, "a negative market_cost")
            return None
        return market

    def _start(self, row: ReportRow, part: Grain) -> datetime:
        named = getattr(row, part)
        spelled = named if named is not None else row.day
        found = _TIME.fullmatch(spelled.strip()) if isinstance(spelled, str) else None
        # A day where an hour was asked for would put its whole spend into the first hour.
        if found is not None and (part == "day" or found[2] is not None):
            try:
                return _cut_to(part, _instant(found))
            except (ValueError, OverflowError):
                pass
        raise SourceError(f"vercel: {_PLACE} has changed: a row has no usable {part}")


def _instant(found: re.Match[str]) -> datetime:
    day, hour, minute, second, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "UTC") else zone
    return datetime.fromisoformat(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{offset}").astimezone(UTC)


def _cut_to(grain: Grain, instant: datetime) -> datetime:
    hour = instant - timedelta(minutes=instant.minute, seconds=instant.second, microseconds=instant.microsecond)
    return hour.replace(hour=0) if grain == "day" else hour


def _cut(start: datetime, grain: Grain | None) -> datetime | None:
    return None if grain is None else _cut_to(grain, start)


def _add(buckets: dict[K, Measures], key: K, measures: Measures) -> None:
    held = buckets.get(key)
    buckets[key] = measures if held is None else add_measures(held, measures)
