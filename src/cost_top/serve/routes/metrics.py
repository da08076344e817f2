"""`GET /metrics`: the same figures for Prometheus, with a bounded number of series."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from starlette.responses import Response

from cost_top import __version__
from cost_top.guard.guard import Guard
from cost_top.model.errors import SourceError, UserError
from cost_top.model.money import PICO_PER_USD
from cost_top.model.query import Report, ReportQuery
from cost_top.model.snapshot import Live
from cost_top.model.windows import local_midnight, utc_now
from cost_top.serve import shapes
from cost_top.serve.counters import Counters
from cost_top.serve.errors import Problem
from cost_top.serve.labels import Pairs
from cost_top.serve.parameters import only
from cost_top.serve.routes.health import lag_seconds
from cost_top.serve.serving import Serving, TheAsker

router = APIRouter(tags=["operation"])
_HOUR, _DAY, _SOON = timedelta(hours=1), timedelta(days=1), timedelta(days=1)
# Questions of one round.
_ROUND = 4
_TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached_input": "cached_input_tokens",
    "cache_creation": "cache_creation_input_tokens",
    "reasoning": "reasoning_tokens",
}
# name of the metric -> (measure, help)
_GAUGES = {
    "cost_top_window_requests": ("request_count", "Requests in the window."),
    "cost_top_window_errors": ("error_count", "Requests in the window that ended with an error status."),
    "cost_top_window_unpriced_requests": ("unpriced_count", "Requests in the window whose cost is not known."),
}


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    dependencies=[Depends(only())],
    responses=shapes.answers("Prometheus text format.", shapes.Nothing, media="text/plain"),
    response_class=Response,
)
async def metrics(request: Request, asker: TheAsker) -> Response:
    """Cost, requests, tokens, errors by provider and model over three windows, and counters since the start."""
    asker.demand_everything("/metrics")
    scrape: Scrape = request.app.state.scrape
    text = await scrape.text()
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class Scrape:
    """What Prometheus is answered, kept for a while: many scrapes ask the source once."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._pairs = Pairs()
        self._counters = Counters(utc_now())
        self._lock = asyncio.Lock()
        self._reports: dict[str, Report] = {}
        self._due: dict[str, float] = {}

    async def text(self) -> bytes:
        """The metrics now. Windows that the source cannot answer at the moment are left out."""
        async with self._lock:
            now = utc_now()
            await self._renew(now)
            registry = CollectorRegistry(auto_describe=False)
            families = [*self._health(now), *guard_families(self._serving.guard), *self._windows()]
            registry.register(_Families([*families, *self._counters.families()]))
            return generate_latest(registry)

    async def _renew(self, now: datetime) -> None:
        hub, zone = self._serving.hub, self._serving.settings.zone
        midnight = local_midnight(now.astimezone(zone).date(), zone)
        # Where asking is slow, a round of four questions costs as much as one question per interval.
        keep = max(self._serving.settings.scrape_seconds, _ROUND * hub.interval, 2 * _ROUND * hub.repeat_seconds)
        dimensions: tuple[str, ...]
        if hub.knows.totals != "instant":
            # What report APIs tell: whole days, by one dimension.
            dimensions, starts = ("provider",), {"today": midnight, "30d": midnight - 29 * _DAY}
        else:
            dimensions = ("provider", "model")
            starts = {"1h": now - _HOUR, "today": midnight, "30d": now - 30 * _DAY}
        clock = asyncio.get_running_loop().time()
        for window, start in starts.items():
            if clock < self._due.get(window, 0.0):
                continue
            query = ReportQuery(start, now + _SOON, dimensions)
            try:
                self._reports[window] = await self._ask(query)
            except (Problem, SourceError, UserError):
                self._reports.pop(window, None)
            # A month changes little in a minute, and is the dearest question.
            self._due[window] = clock + keep * (6 if window == "30d" else 1)
        # Sums of whole days do not tell what came since the start.
        if hub.knows.totals == "instant" and clock >= self._due.get("counters", 0.0):
            self._due["counters"] = clock + keep
            try:
                await self._counters.renew(self._ask, now)
            except (Problem, SourceError, UserError):
                return

    async def _ask(self, query: ReportQuery) -> Report:
        return await self._serving.asking.ask(lambda: self._serving.hub.report(query))

    def _health(self, now: datetime) -> Iterable[Metric]:
        health = self._serving.hub.health()
        build = GaugeMetricFamily("cost_top_build_info", "The version that serves.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield GaugeMetricFamily("cost_top_source_up", "Whether the source answers.", isinstance(health.state, Live))
        yield GaugeMetricFamily("cost_top_ready", "Whether history is complete.", health.ready)
        lag = lag_seconds(health, now)
        if lag is not None:
            yield GaugeMetricFamily("cost_top_lag_seconds", "Since the source last answered.", lag)
        if health.newest is not None:
            newest = health.newest.timestamp()
            yield GaugeMetricFamily("cost_top_newest_request_timestamp_seconds", "The newest request's time.", newest)

    def _windows(self) -> Iterable[Metric]:
        names = ["window", "provider", "model"]
        cost = GaugeMetricFamily("cost_top_window_cost_usd", "Cost of the window in USD.", labels=names)
        tokens = GaugeMetricFamily("cost_top_window_tokens", "Tokens of the window.", labels=[*names, "kind"])
        gauges = {name: GaugeMetricFamily(name, told, labels=names) for name, (_, told) in _GAUGES.items()}
        for window, report in self._reports.items():
            for pair, sums in self._by_pair(report).items():
                labels = [window, *pair]
                cost.add_metric(labels, sums["total_cost"] / PICO_PER_USD)
                for name, (measure, _) in _GAUGES.items():
                    if measure in sums:
                        gauges[name].add_metric(labels, sums[measure])
                for kind, measure in _TOKENS.items():
                    if measure in sums:
                        tokens.add_metric([*labels, kind], sums[measure])
        return [cost, tokens, *gauges.values()]

    def _by_pair(self, report: Report) -> dict[tuple[str, str], dict[str, int]]:
        """The sums of each pair that has series; those that are not known are left out."""
        measures = ("total_cost", *(measure for measure, _ in _GAUGES.values()), *_TOKENS.values())
        found: dict[tuple[str, str], dict[str, int]] = {}
        for row in report.rows:
            model = row.key[1] if len(row.key) > 1 else None
            sums = found.setdefault(self._pairs.labels(row.key[0], model), {})
            for name in measures:
                value = getattr(row.measures, name)
                if value is not None:
                    sums[name] = sums.get(name, 0) + value
        return found


def guard_families(guard: Guard) -> Iterable[Metric]:
    """What the guard answered, what it has set aside, and whether its figures are fresh; nothing without budgets."""
    if not guard.budgets:
        return
    asked = CounterMetricFamily("guard_requests", "Questions to the guard.", labels=["answer"])
    for answer in ("allowed", "refused"):
        asked.add_metric([answer], guard.answers[answer])
    reserved, count, dropped = guard.totals()
    yield asked
    yield GaugeMetricFamily("guard_reserved_usd", "Set aside for calls under way.", reserved / PICO_PER_USD)
    yield GaugeMetricFamily("guard_reservations", "Calls under way that something is set aside for.", count)
    yield CounterMetricFamily("guard_reservations_dropped", "Reservations dropped for want of room.", dropped)
    yield GaugeMetricFamily("guard_stale", "Whether the guard's figures are too old.", not guard.is_fresh())


class _Families:
    """Metrics as prometheus_client collects them."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
