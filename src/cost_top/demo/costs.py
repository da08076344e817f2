"""What the demo gateway says a request cost: exact, at the rates of that instant."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from functools import cache

from cost_top.demo.world import Route
from cost_top.model.modes import STANDARD
from cost_top.pricing.book import RateBook
from cost_top.pricing.rates import Quote, Timeline

# Tokens: input, cached, created, created for an hour, output, reasoning; parts inside their wholes.
Usage = tuple[int, int, int, int, int, int]


@cache
def _released_rates() -> RateBook:
    return RateBook.load()


class Prices:
    """Costs in pico-dollars by the released rates; looks a route's rates up once per change of them."""

    def __init__(self, unreported_providers: frozenset[str]) -> None:
        self._unreported = unreported_providers
        self._timelines: dict[tuple[str, str], Timeline | None] = {}  # by provider and model
        self._quotes: dict[tuple[str, str, str, int], Quote | None] = {}

    def cost(self, route: Route, time_ms: int, usage: Usage) -> int | None:
        """What one request costs; None when the provider reports no cost or the rates have no price."""
        if route.provider in self._unreported:
            return None
        quote = self._quote(route, time_ms // 1000)
        if quote is None:
            return None
        size, cached, created, created_1h, output, reasoning = usage
        rates = quote.rates(size)
        return (
            (size - cached - created) * rates.input
            + cached * rates.cached
            + (created - created_1h) * rates.write
            + created_1h * rates.write_1h
            + (output - reasoning) * rates.output
            + reasoning * rates.reasoning
            + rates.request
        )

    def _quote(self, route: Route, second: int) -> Quote | None:
        # A route itself, with all it says, takes longer to find than to price.
        model = route.provider, route.model
        if model not in self._timelines:
            entry = _released_rates().entry(*model)
            self._timelines[model] = entry.timeline if entry else None
        timeline = self._timelines[model]
        if timeline is None:
            return None
        mode = route.mode or STANDARD
        if timeline.schedules:
            return timeline.at(datetime.fromtimestamp(second, UTC), mode)
        key = (*model, mode, bisect_right(timeline.edges, second))
        if key not in self._quotes:
            self._quotes[key] = timeline.cell(key[-1], mode, ())
        return self._quotes[key]
