"""Requests as the demo gateway logs them: pure, from a seed, as tuples in the order of `native.COLUMNS`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from random import Random
from typing import Any

from ..model.native import COLUMNS
from .costs import Prices
from .pools import HIT, OK, Caller, Pools, make_caller, make_pools
from .rhythm import DAY_MS, HOUR_MS, Span, level
from .world import Route, World, load_world

Row = tuple[Any, ...]

TIME = COLUMNS.index("time_ms")
LATENCY = COLUMNS.index("latency_ms")
# Who says how much of the input was read from, and written to, the prompt cache; others leave it unknown.
_TELL_CACHED = frozenset({"anthropic", "openai", "google"})
_TELL_CREATED = frozenset({"anthropic", "openai"})
_OPENAI_BLOCK = 128  # OpenAI caches prompts in steps of 128 tokens


class Traffic:
    """The requests of the demo. The same seed and the same end give the same history.

    A history holds `days` days and, before them, as many days again, so that a period has one to be compared
    with; the company grows, so the earlier one has fewer requests. No request ends after the end.
    """

    def __init__(self, seed: int, world: World | None = None) -> None:
        self.world = world or load_world()
        self.random = Random(f"cost-top demo {seed}")
        self._prices = Prices(self.world.unreported_providers)
        self._pools: dict[Route, Pools] = {
            route: make_pools(self.world, route, self.random) for route in self.world.routes
        }
        loop = self.world.loop
        self._loop_route = Route(
            loop.endpoint, loop.provider, loop.model, 0, loop.input, loop.output, 1000, 11, failures=0.01
        )
        caller = make_caller(self.world, self._loop_route, self.world.token(loop.token), loop.user)
        self._loop_caller = replace(caller, origin=(loop.client_ip, loop.agent))
        self._serial = 0

    def history(self, end_ms: int, days: int) -> list[Row]:
        """All requests of the `2 * days` days before `end_ms`, sorted by start time."""
        first_ms, middle_ms = end_ms - 2 * days * DAY_MS, end_ms - days * DAY_MS
        total = sum(route.requests for route in self.world.routes)
        scale = self.world.requests_per_30_days / total * days / 30
        rows: list[Row] = []
        spans: dict[tuple[str, int | None], Span] = {}
        for route in self.world.routes:
            key = (route.profile, route.since_days)
            if key not in spans:
                start_ms = max(first_ms, end_ms - (route.since_days or 2 * days) * DAY_MS)
                profile = self.world.profiles[route.profile]
                spans[key] = Span(profile, start_ms, end_ms, self.world.growth_per_30_days)
            count = round(route.requests * scale * spans[key].per_recent(middle_ms))
            rows += self.requests(route, spans[key].draw(self.random, count))
        start_ms = loop_start(self.world, end_ms)
        rows += self.loop_calls(start_ms, max(start_ms, first_ms), end_ms)
        done = [row for row in rows if row[TIME] + row[LATENCY] <= end_ms]
        done.sort(key=itemgetter(TIME, 0))
        return done

    def requests(self, route: Route, times: list[int]) -> list[Row]:
        """One request of `route` for each start time."""
        pools, count, draw = self._pools[route], len(times), self.random.choices
        rows = []
        for time_ms, caller, size, output, mix, slow, outcome in zip(
            times,
            draw(pools.callers, k=count),
            draw(pools.inputs, k=count),
            draw(pools.outputs, k=count),
            draw(pools.mixes, k=count),
            draw(pools.slowness, k=count),
            draw(pools.outcomes, cum_weights=pools.outcome_weights, k=count),
            strict=True,
        ):
            # The odd milliseconds keep the sizes of a pool from showing as a comb.
            rows.append(self._row(route, time_ms, caller, size + time_ms % 61, output, mix, slow, outcome))
        return rows

    def _row(
        self,
        route: Route,
        time_ms: int,
        caller: Caller,
        size: int,
        output: int,
        mix: tuple[int, int, int, int],
        slow: float,
        outcome: int,
    ) -> Row:
        provider = route.provider
        reasoning = output * mix[3] // 1000 if route.reasoning else None
        cached = created = created_1h = 0
        cost: int | None = 0
        if outcome == OK:
            cached = size * mix[0] // 1000
            created = size * mix[1] // 1000
            created_1h = created * mix[2] // 1000
            if provider == "openai":
                cached -= cached % _OPENAI_BLOCK
            if not caller.byok:
                cost = self._prices.cost(
                    provider, route.model, route.mode, time_ms, size, cached, created, created_1h, output
                )
            latency = int((route.first_ms + output * route.token_ms) * slow)
        elif outcome == HIT:
            latency = int(6 * slow) + 2
        else:
            latency = int(route.first_ms * slow / (6 if outcome == 429 else 1))
        failed = outcome not in (OK, HIT)
        self._serial += 1
        return (
            f"req_{time_ms:011x}{self._serial & 0xFFFFF:05x}",
            time_ms,
            provider,
            route.model,
            route.endpoint,
            *caller.columns,
            None if failed else size,
            None if failed or provider not in _TELL_CACHED else cached,
            None if failed or provider not in _TELL_CREATED else created,
            None if failed or provider != "anthropic" else created_1h,
            None if failed else output,
            None if failed else reasoning,
            cost,
            route.mode,
            int(outcome == HIT),
            latency,
            outcome if failed else 200,
            int(time_ms % 997 < route.streamed * 997),
            *caller.origin,
        )

    def loop_calls(self, started_ms: int, since_ms: int, until_ms: int) -> list[Row]:
        """The calls in `[since, until)` of the agent that loops since `started_ms`."""
        loop, random = self.world.loop, self.random
        rows = []
        first = -(-(since_ms - started_ms) // loop.every_ms)
        for number in range(max(first, 0), -(-(until_ms - started_ms) // loop.every_ms)):
            due_ms = started_ms + number * loop.every_ms
            size = loop.input + loop.input_per_hour * (due_ms - started_ms) // HOUR_MS
            outcome = 429 if random.random() < self._loop_route.failures else OK
            rows.append(
                self._row(
                    self._loop_route,
                    due_ms + random.randrange(loop.jitter_ms),
                    self._loop_caller,
                    min(size, loop.input_limit) + random.randrange(40),
                    loop.output + random.randrange(-9, 10),
                    (0, 0, 0, 0),
                    0.9 + 0.2 * random.random(),
                    outcome,
                )
            )
        return rows

    def live_route(self) -> Route:
        """The route of the next live request."""
        routes = self.world.routes
        return self.random.choices(routes, [route.requests for route in routes])[0]

    def requests_per_minute(self, time_ms: int) -> float:
        """How many requests a minute the rhythm of the history has at this time of the week."""
        mean = self.world.requests_per_30_days / (30 * 24 * 60)
        return mean * level(self.world.profiles["office"], time_ms)


def loop_start(world: World, end_ms: int) -> int:
    """When the agent began to loop: yesterday evening, seen from `end_ms`."""
    yesterday = datetime.fromtimestamp(end_ms / 1000, UTC).date() - timedelta(days=1)
    started = datetime.combine(yesterday, time.fromisoformat(world.loop.starts), UTC)
    return int(started.timestamp()) * 1000
