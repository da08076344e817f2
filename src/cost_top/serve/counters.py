"""Counters since the start, by provider, out of sums that may also shrink."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from prometheus_client.core import CounterMetricFamily, Metric

from cost_top.model.money import PICO_PER_USD
from cost_top.model.query import Report, ReportQuery
from cost_top.serve.labels import OTHER, label

MOST_PROVIDERS = 50
# Requests that come late by no more than this are counted; those before it are not asked for again.
_LATE = timedelta(hours=1)
_SEGMENT = timedelta(hours=24)
_SOON = timedelta(days=1)
# measure -> (name of the counter, help)
_COUNTERS = {
    "total_cost": ("cost_top_cost_usd", "Cost in USD of requests since the start."),
    "request_count": ("cost_top_requests", "Requests since the start."),
    "error_count": ("cost_top_errors", "Requests since the start that ended with an error status."),
    "unpriced_count": ("cost_top_unpriced_requests", "Requests since the start whose cost is not known."),
    "input_tokens": ("cost_top_input_tokens", "Input tokens since the start."),
    "output_tokens": ("cost_top_output_tokens", "Output tokens since the start."),
}
Sums = dict[tuple[str, str], int]  # (measure, provider)


class Counters:
    """Sums of the requests made since `start`. What was told once is never taken back, as counters must not fall.

    The time since the start is asked for in segments: a question gets no longer with the server's age.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start  # of the open segment
        self._closed: Sums = {}
        self._told: Sums = {}
        self._providers: set[str] = set()

    async def renew(self, ask: Callable[[ReportQuery], Awaitable[Report]], now: datetime) -> None:
        """Ask for the open segment, and close it when it has become long."""
        if now - self._start > _SEGMENT:
            end = now - _LATE
            self._closed = _added(self._closed, self._sums(await ask(_query(self._start, end))))
            self._start = end
        total = _added(self._closed, self._sums(await ask(_query(self._start, now + _SOON))))
        for key, value in total.items():
            self._told[key] = max(value, self._told.get(key, 0))

    def families(self) -> Iterable[Metric]:
        """The counters as they stand."""
        for measure, (name, told) in _COUNTERS.items():
            family = CounterMetricFamily(name, told, labels=["provider"])
            for (of, provider), value in sorted(self._told.items()):
                if of == measure:
                    family.add_metric([provider], value / PICO_PER_USD if measure == "total_cost" else value)
            yield family

    def _sums(self, report: Report) -> Sums:
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for row in report.rows:
            provider = self._admitted(label(row.key[0]))
            for measure in _COUNTERS:
                value = getattr(row.measures, measure)
                if value is not None:
                    sums[measure, provider] += value
        return dict(sums)

    def _admitted(self, provider: str) -> str:
        if provider not in self._providers:
            if len(self._providers) >= MOST_PROVIDERS:
                return OTHER
            self._providers.add(provider)
        return provider


def _query(start: datetime, end: datetime) -> ReportQuery:
    return ReportQuery(start, end, ("provider",))


def _added(first: Sums, second: Sums) -> Sums:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}
