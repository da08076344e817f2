"""Requests as the demo gateway logs them: pure, from a seed, as tuples in the order of `native.COLUMNS`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from random import Random
from typing import Any

from cost_top.demo.costs import Prices
from cost_top.demo.pools import (
    CUT,
    HIT,
    LOST,
    OK,
    SENT_AGAIN,
    Caller,
    Mix,
    Pools,
    homes_of_users,
    make_caller,
    make_pools,
    session_id,
)
from cost_top.demo.rhythm import DAY_MS, HOUR_MS, day_weights, level
from cost_top.demo.world import Change, Route, World, load_world
from cost_top.model.native import COLUMNS

Row = tuple[Any, ...]
Call = tuple[int, int, Mix, float, int]  # input, output, mix, slowness, outcome

TIME = COLUMNS.index("time_ms")
LATENCY = COLUMNS.index("latency_ms")
# Who says how much of the input was read from, and written to, the prompt cache; others leave it unknown.
_TELL_CACHED = frozenset({"anthropic", "openai", "google"})
_TELL_CREATED = frozenset({"anthropic", "openai"})
_DAILY_NOISE = 0.05  # no two Tuesdays are alike
_SALT = 61  # ms
_SENT_AGAIN_AFTER = 41 * _SALT
_OPENAI_BLOCK = 128  # OpenAI caches prompts in steps of 128 tokens


class Traffic:
    """The requests of the demo. The same seed and the same end give the same history.

    A history holds `days` days and, before them, as many days again and one more, so that a period has one to be
    compared with; the company grows, so the earlier one has fewer requests. No request ends after the end.
    """

    def __init__(self, seed: int, world: World | None = None) -> None:
        self.world = world or load_world()
        self.random = Random(f"cost-top demo {seed}")  # noqa: S311 - traffic, not secrets
        self._prices = Prices(self.world.unreported_providers)
        self._homes = homes_of_users(self.world)
        self._pools: dict[Route, Pools] = {}
        loop = self.world.loop
        self._loop_route = Route(
            loop.endpoint, loop.provider, loop.model, 0, loop.input, loop.output, 1000, 11, failures=0.01
        )
        caller = make_caller(self.world, self._loop_route, self.world.token(loop.token), loop.user)
        self._loop_caller = replace(
            caller, origin=(loop.client_ip, loop.agent), session=session_id(loop.token, loop.user)
        )  # fmt: skip
        self._serial = 0

    def history(self, end_ms: int, days: int) -> Iterator[Row]:
        """All requests of the days before `end_ms` that a history of `days` covers, in the order of their start."""
        covered = _covered(days)
        plan = [(route, *self._daily_counts(route, end_ms, days)) for route in self.world.routes]
        started_ms = loop_start(self.world, end_ms)
        looped = self.loop_calls(started_ms, max(started_ms, end_ms - covered * DAY_MS), end_ms)
        extra = [*looped, *self.leaked_calls(end_ms)]
        changes = changes_before(self.world, end_ms)
        for day in range(covered, 0, -1):
            start_ms = end_ms - day * DAY_MS
            mood = self.random.gauss(1, _DAILY_NOISE)
            rows = [row for row in extra if 0 <= row[TIME] - start_ms < DAY_MS]
            for route, counts, hours in plan:
                count = int(counts[day] * mood + self.random.random())
                rows += self._changing(route, self._start_times(start_ms, hours[day], count), changes)
            rows += _logged_again(rows, *doubled_before(self.world, end_ms))
            rows.sort(key=itemgetter(TIME, 0))
            until = min(start_ms + DAY_MS - 1, end_ms)
            yield from (row for row in rows if row[TIME] <= until and row[TIME] + row[LATENCY] <= end_ms)

    def _daily_counts(self, route: Route, end_ms: int, days: int) -> tuple[dict[int, float], dict[int, list[float]]]:
        """For each day before the end: the expected requests of `route`, and the weights of the hours."""
        covered = _covered(days)
        since = min(route.since_days or covered, covered)
        profile, growth = self.world.profiles[route.profile], self.world.growth_per_30_days
        hours = {
            day: day_weights(profile, end_ms - day * DAY_MS, end_ms, growth) if day <= since else []
            for day in range(1, covered + 1)
        }
        recent = sum(sum(hours[day]) for day in range(1, days + 1))
        total = sum(each.requests for each in self.world.routes)
        requests = route.requests * self.world.requests_per_30_days / total * days / 30
        return {day: requests * sum(weights) / recent for day, weights in hours.items()}, hours

    def _start_times(self, start_ms: int, weights: list[float], count: int) -> list[int]:
        if not count:
            return []
        hours = self.random.choices(range(24), weights, k=count)
        return [start_ms + int((hour + self.random.random()) * HOUR_MS) for hour in hours]

    def requests(self, route: Route, times: list[int]) -> list[Row]:
        """One request of `route` for each start time; what failed is sent again."""
        if route not in self._pools:
            self._pools[route] = make_pools(self.world, self._homes, route, self.random)
        pools, count, draw = self._pools[route], len(times), self.random.choices
        calls = zip(
            draw(pools.inputs, k=count),
            draw(pools.outputs, k=count),
            draw(pools.mixes, k=count),
            draw(pools.slowness, k=count),
            draw(pools.outcomes, cum_weights=pools.outcome_weights, k=count),
            strict=True,
        )
        rows = []
        for time_ms, caller, call in zip(times, draw(pools.callers, k=count), calls, strict=True):
            row = self._row(route, time_ms, caller, call)
            rows.append(row)
            if call[-1] in SENT_AGAIN:
                ended = row[LATENCY] - row[LATENCY] % _SALT
                rows.append(self._row(route, time_ms + ended + _SENT_AGAIN_AFTER, caller, (*call[:-1], OK)))
        return rows

    def _row(self, route: Route, time_ms: int, caller: Caller, call: Call) -> Row:
        size, output, mix, slow, outcome = call
        size += time_ms % _SALT  # keeps the sizes of a pool from showing as a comb
        cached = created = created_1h = 0
        if outcome == CUT:
            output = 0
        reasoning = output * mix[3] // 1000
        cost: int | None = 0
        if outcome in (OK, CUT, LOST):
            cached = size * mix[0] // 1000
            if route.provider == "openai":
                cached -= cached % _OPENAI_BLOCK
            created = size * mix[1] // 1000
            created_1h = created * mix[2] // 1000
            if not caller.byok:
                cost = self._prices.cost(route, time_ms, (size, cached, created, created_1h, output, reasoning))
            latency = int((route.first_ms + output * route.token_ms) * slow)
        elif outcome == HIT:
            latency = int(6 * slow) + 2
        else:
            latency = int(route.first_ms * slow / (6 if outcome == 429 else 1))
        tokens: tuple[int | None, ...] = (None,) * 6
        if outcome in SENT_AGAIN:
            tokens = (size, *tokens[1:])
        elif outcome in (OK, HIT, CUT, LOST):
            tokens = (
                size,
                cached if route.provider in _TELL_CACHED else None,
                created if route.provider in _TELL_CREATED else None,
                created_1h if route.provider == "anthropic" else None,
                output,
                reasoning if route.reasoning else None,
            )
        self._serial += 1
        return (
            f"req_{time_ms:011x}{self._serial & 0xFFFFF:05x}",
            time_ms,
            route.provider,
            route.model,
            route.endpoint,
            *caller.columns,
            *tokens,
            cost,
            route.mode,
            int(outcome == HIT),
            latency,
            200 if outcome in (HIT, CUT) else outcome,
            int(outcome == CUT or time_ms % 997 < route.streamed * 997),
            *caller.origin,
            caller.session_at(time_ms, self.world.endpoints[route.endpoint].session_hours),
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
            started = due_ms + random.randrange(loop.jitter_ms)
            output = loop.output + random.randrange(-9, 10)
            mix = (int(1000 * loop.cached), 0, 0, 0)
            call = (min(size, loop.input_limit), output, mix, 0.9 + 0.2 * random.random(), outcome)
            rows.append(self._row(self._loop_route, started, self._loop_caller, call))
        return rows

    def _changing(self, route: Route, times: list[int], changes: list[tuple[int, int, Change]]) -> list[Row]:
        """The requests of a route, those that start while something is different as they are then."""
        rows = []
        for start_ms, end_ms, change in changes:
            if change.endpoint == route.endpoint:
                inside = [time_ms for time_ms in times if start_ms <= time_ms < end_ms]
                times = [time_ms for time_ms in times if not start_ms <= time_ms < end_ms]
                rows += self.requests(change.of(route), inside) if inside else []
        return rows + self.requests(route, times)

    def leaked_calls(self, end_ms: int) -> list[Row]:
        """What strangers sent with a key of the company."""
        leak, random = self.world.leak, self.random
        route = Route(leak.endpoint, leak.provider, leak.model, 0, leak.input, leak.output, 900, 14)
        caller = make_caller(self.world, route, self.world.token(leak.token), None)
        caller = replace(caller, origin=(leak.client_ip, leak.agent))
        start_ms = at_of_day(end_ms, 1, leak.starts)
        times = sorted(start_ms + int(random.random() * leak.hours * HOUR_MS) for _ in range(leak.requests))
        return [
            self._row(route, time_ms, caller, (int(leak.input * random.uniform(0.4, 1.6)),
                      int(leak.output * random.uniform(0.5, 1.5)), (0, 0, 0, 0), random.uniform(0.8, 1.4), OK))
            for time_ms in times
        ]  # fmt: skip

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
    return at_of_day(end_ms, 1, world.loop.starts)


def changes_before(world: World, end_ms: int) -> list[tuple[int, int, Change]]:
    """Where each change begins and ends: on the last working day before that of `end_ms`."""
    weekday = datetime.fromtimestamp(end_ms / 1000, UTC).weekday()
    days = 1 if 1 <= weekday <= 5 else 3 if weekday == 0 else 2
    starts = [(at_of_day(end_ms, days, change.starts), change) for change in world.changes]
    return [(start, start + int(change.hours * HOUR_MS), change) for start, change in starts]


def doubled_before(world: World, end_ms: int) -> tuple[int, int]:
    """From when until when the gateway wrote each request twice."""
    start = at_of_day(end_ms, world.doubled.days_before, world.doubled.starts)
    return start, start + world.doubled.minutes * 60_000


def _logged_again(rows: list[Row], start_ms: int, end_ms: int) -> list[Row]:
    return [(f"{row[0]}b", *row[1:]) for row in rows if start_ms <= row[TIME] < end_ms]


def at_of_day(end_ms: int, days_before: int, at: str) -> int:
    """A time of the day (UTC) so many days before that of `end_ms`, in milliseconds."""
    day = datetime.fromtimestamp(end_ms / 1000, UTC).date() - timedelta(days=days_before)
    return int(datetime.combine(day, time.fromisoformat(at), UTC).timestamp()) * 1000


def _covered(days: int) -> int:
    """Days of history: the window, as many before it, and one, so that the earlier period is covered whole."""
    return 2 * days + 1
