"""Ordinary traffic of a shop: sessions of calls, heavy tails, days and hours that differ, and one launch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from cost_top.bench.shops import DAYS, FIRST_DAY, RATES, Key, Route, Shop

MILLISECONDS_A_DAY = 86_400_000


class Row(NamedTuple):
    """One request. `cost` in pico-dollars."""

    time_ms: int
    model: str
    endpoint: str
    token: str
    token_name: str
    user: str | None
    input: int
    cached: int
    output: int
    cost: int
    status: int = 200


def day_start(shop: Shop, day: int) -> int:
    """Unix milliseconds of a local midnight."""
    midnight = datetime.combine(FIRST_DAY + timedelta(days=day), datetime.min.time(), shop.zone)
    return int(midnight.timestamp() * 1000)


def cost_of(model: str, into: int, cached: int, out: int, scale: float = 1.0) -> int:
    """Pico-dollars at the model's rates."""
    fresh, again, output = RATES[model]
    return round(((into - cached) * fresh + cached * again + out * output) * scale * 1e6)


def call(draw: random.Random, route: Route, into: float, cached: float) -> tuple[int, int, int]:
    """Tokens of one call: input, cached, output."""
    tokens = max(20, int(into))
    hit = int(tokens * min(0.98, max(0.0, draw.gauss(cached, 0.06)))) if cached else 0
    return tokens, hit, max(1, int(route.output * draw.lognormvariate(-0.25, 0.7)))


def session(
    draw: random.Random,
    shop: Shop,
    key: Key,
    route: Route,
    start: int,
    second: float,
    calls: int | None = None,
    user: str | None = None,
) -> Iterator[Row]:
    """The calls of one session, the context growing."""
    deep = draw.random() < shop.kind.deep
    count = calls or max(
        1, min(36, int(draw.expovariate(1 / max(0.2, route.calls - 0.5))) + 1 if not deep else draw.randint(12, 36))
    )
    user = user or draw.choice(key.users)
    model = route.models[draw.random() < second]
    into = first = route.input * draw.lognormvariate(-0.1, shop.kind.tail)
    time = start
    for _ in range(count):
        tokens, hit, out = call(draw, route, into, route.cached)
        yield Row(
            time, model, route.name, key.token, key.name, user, tokens, hit, out, cost_of(model, tokens, hit, out)
        )
        time += int(draw.lognormvariate(3.3, 0.9) * 1000)
        into = min(first * 4, into * (1 + (route.growth - 1) * draw.uniform(0.3, 2)))


def pick(draw: random.Random, key: Key) -> Route:
    """A route of a key."""
    return draw.choices([route for route, _ in key.routes], [share for _, share in key.routes])[0]


def ordinary(shop: Shop) -> list[Row]:
    """56 days without incidents; decoys are in it."""
    draw = shop.draw
    rows: list[Row] = []
    weight = sum(key.weight for key in shop.keys)
    calls = sum(route.calls for route in shop.routes) / len(shop.routes) * (1 + shop.kind.deep * 3)
    sessions = shop.rows / DAYS / calls / (sum(shop.weekdays) / 7) * 0.7
    launched = draw.choice(shop.keys[1:])
    launch, climb = draw.randint(12, 30), draw.uniform(1.9, 2.6)
    fresh = [f"user-{draw.getrandbits(24):06x}" for _ in range(max(3, shop.kind.users[0] // 12))]
    hour_noise = draw.uniform(0.1, 0.25)
    for day in range(DAYS):
        start, weekday = day_start(shop, day), day % 7
        level = shop.weekdays[weekday] * (0.45 if day in shop.holidays else 1) * draw.lognormvariate(0, 0.08)
        level *= (1 + shop.growth) ** day
        hours = [share * draw.lognormvariate(0, hour_noise) for share in shop.hours]
        for key in shop.keys:
            amount = (
                sessions * key.weight / weight * level * (1 + key.growth) ** day * draw.lognormvariate(0, key.noise)
            )
            new_users = 0.0
            if key is launched and day >= launch:
                grown = 1 + (climb - 1) * min(1, (day - launch) / 21)
                amount, new_users = amount * grown, 1 - 1 / grown
            second = min(0.9, max(0.0, draw.gauss(key.second, 0.05)))
            for _ in range(_poisson(draw, amount)):
                hour = draw.choices(range(24), hours)[0]
                at = start + int((hour + draw.random()) * 3_600_000)
                user = draw.choice(fresh) if draw.random() < new_users else None
                rows += session(draw, shop, key, pick(draw, key), at, second, user=user)
    return rows


def _poisson(draw: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(draw.gauss(mean, mean**0.5)))
    count, left = 0, draw.expovariate(1)
    while left < mean:
        count, left = count + 1, left + draw.expovariate(1)
    return count
