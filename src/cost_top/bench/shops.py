"""Three kinds of shop as data, and one shop drawn from a seed. Nothing here is like the demo."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

FIRST_DAY = date(2026, 9, 14)
DAYS = 56
# (provider, model, USD per million input, cached input, output tokens)
MODELS = (
    ("openai", "gpt-5", 1.25, 0.125, 10.0),
    ("openai", "gpt-5-mini", 0.25, 0.025, 2.0),
    ("openai", "gpt-5-nano", 0.05, 0.005, 0.4),
    ("anthropic", "claude-opus-4-1", 15.0, 1.5, 75.0),
    ("anthropic", "claude-sonnet-4-5", 3.0, 0.3, 15.0),
    ("anthropic", "claude-haiku-4-5", 1.0, 0.1, 5.0),
    ("google", "gemini-2.5-pro", 1.25, 0.31, 10.0),
    ("google", "gemini-2.5-flash", 0.3, 0.075, 2.5),
)
RATES = {model: (into, cached, out) for _, model, into, cached, out in MODELS}
PROVIDERS = {model: provider for provider, model, *_ in MODELS}
# (cheap model, usual second one)
_PAIRS = (
    ("gpt-5-mini", "gpt-5"), ("gpt-5-nano", "gpt-5-mini"), ("claude-haiku-4-5", "claude-sonnet-4-5"),
    ("gemini-2.5-flash", "gemini-2.5-pro"), ("claude-sonnet-4-5", "gpt-5"), ("gpt-5-mini", "claude-haiku-4-5"),
)  # fmt: skip
_ROUTES = (
    "/answer", "/search", "/translate", "/outline", "/agent", "/review", "/extract", "/classify", "/chat", "/draft",
    "/caption", "/plan",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of shop. Ranges are (low, high) and drawn per seed; `night` is the share of an hour at night."""

    name: str
    zones: tuple[str, ...]
    spend: tuple[float, float]  # USD a day
    keys: tuple[int, int]
    users: tuple[int, int]
    rows: tuple[int, int]
    routes: tuple[int, int]
    night: tuple[float, float]
    weekend: tuple[float, float]
    monday: tuple[float, float]
    calls: tuple[float, float]  # mean calls of a session
    deep: float  # share of sessions that run to many calls
    input: tuple[float, float]
    batches: int  # nightly ones
    saturday: bool
    skew: float  # how unequal keys are
    tail: float  # spread of the size of sessions (of its logarithm)


KINDS = (
    Kind("kiosk", ("America/New_York", "Europe/London", "Asia/Kolkata"), (2.5, 10), (3, 6), (14, 40), (9_000, 17_000),
         (3, 5), (0.0, 0.02), (0.5, 1.0), (1.2, 1.5), (2, 5), 0.001, (600, 3000), 0, False, 0.9, 0.3),
    Kind("studio", ("Europe/Berlin", "America/Los_Angeles", "Australia/Sydney"), (120, 700), (10, 20), (90, 240),
         (60_000, 120_000), (6, 10), (0.05, 0.15), (0.2, 0.45), (1.0, 1.2), (3, 7), 0.03, (1200, 8000), 1, True, 1.0,
         0.45),
    Kind("works", ("UTC", "Asia/Tokyo", "America/Chicago"), (8_000, 40_000), (20, 34), (250, 500), (85_000, 130_000),
         (8, 12), (0.35, 0.6), (0.55, 0.8), (1.0, 1.15), (1.5, 3), 0.004, (6000, 60_000), 2, True, 0.8, 0.6),
)  # fmt: skip


@dataclass(slots=True)
class Route:
    """What a call of a route is like."""

    name: str
    models: tuple[str, str]
    input: float
    output: float
    cached: float
    growth: float  # of the context from call to call of a session
    calls: float


@dataclass(slots=True)
class Key:
    """Whose traffic it is, where it goes, and how much of all it makes."""

    token: str
    name: str
    weight: float
    routes: list[tuple[Route, float]]
    users: list[str]
    second: float  # usual share of the second model
    growth: float  # a day
    noise: float


@dataclass(slots=True)
class Shop:
    """One shop, all that its traffic is drawn from."""

    kind: Kind
    seed: int
    zone: ZoneInfo
    keys: list[Key]
    routes: list[Route]
    hours: list[float]
    weekdays: list[float]
    holidays: set[int]
    growth: float  # of the whole, a day
    spend: float  # USD a day
    rows: int
    draw: random.Random = field(repr=False)


def open_shop(kind: Kind, seed: int) -> Shop:
    """The shop of a kind and a seed."""
    draw = random.Random(f"{kind.name}-{seed}")  # noqa: S311
    count = draw.randint(*kind.routes)
    routes = []
    for name in draw.sample(_ROUTES, count):
        models = draw.choice(_PAIRS)
        into = draw.uniform(*kind.input)
        routes.append(
            Route(name, models, into, draw.uniform(80, 900), draw.choice((0.0, 0.3, 0.6, 0.75, 0.85)),
                  draw.uniform(1.01, 1.1), max(1.0, draw.uniform(*kind.calls)))
        )  # fmt: skip
    _level(routes)
    if all(route.cached < 0.6 for route in routes):
        routes[0].cached = 0.75
    users = [f"user-{draw.getrandbits(24):06x}" for _ in range(draw.randint(*kind.users))]
    keys = [_key(kind, draw, place, routes, users) for place in range(draw.randint(*kind.keys))]
    night = draw.uniform(*kind.night)
    noon, width = draw.uniform(12, 16), draw.uniform(3.2, 5)
    hours = [
        night + 2.718 ** (-((((hour - noon + 12) % 24) - 12) ** 2) / (2 * width * width)) * draw.uniform(0.85, 1.15)
        for hour in range(24)
    ]
    if kind.name == "kiosk":
        hours = [0.0 if hour < 7 else value for hour, value in enumerate(hours)]
    if kind.name == "studio":
        evening = draw.uniform(0.1, 0.5)
        hours = [value + (evening if 19 <= hour <= 22 else 0) for hour, value in enumerate(hours)]
    weekend = draw.uniform(*kind.weekend)
    weekdays = [draw.uniform(*kind.monday), 1.0, draw.uniform(0.95, 1.1), 1.0, draw.uniform(0.8, 1.0), weekend,
                weekend * draw.uniform(0.7, 1.1)]  # fmt: skip
    holiday = draw.choice((19, 28, 29, 39, 40))
    holidays = {holiday, holiday + draw.choice((0, 0, 1))}
    return Shop(kind, seed, ZoneInfo(draw.choice(kind.zones)), keys, routes, hours, weekdays, holidays,
                draw.uniform(-0.003, 0.008), draw.uniform(*kind.spend), draw.randint(*kind.rows), draw)  # fmt: skip


def _level(routes: list[Route]) -> None:
    """A dear model is asked less at once: calls of different routes cost the same within a small factor."""
    costs = [route.input * RATES[route.models[0]][0] + route.output * RATES[route.models[0]][2] for route in routes]
    middle = sorted(costs)[len(costs) // 2]
    for route, cost in zip(routes, costs, strict=True):
        factor = min(30.0, max(0.03, (middle / cost) ** 0.7))
        route.input, route.output = max(60.0, route.input * factor), max(10.0, route.output * factor)


def _key(kind: Kind, draw: random.Random, place: int, routes: list[Route], users: list[str]) -> Key:
    own = draw.sample(routes, min(len(routes), draw.choice((1, 2, 2, 3))))
    shares = [draw.uniform(0.2, 1) for _ in own]
    return Key(
        token=f"{kind.name[:2]}_{draw.getrandbits(40):010x}",
        name=f"{kind.name}-{place + 1:02d}",
        weight=(place + 1) ** -kind.skew * draw.uniform(0.6, 1.5),
        routes=list(zip(own, shares, strict=True)),
        users=[
            users[min(len(users) - 1, int(draw.expovariate(3 / len(users))))] for _ in range(max(6, len(users) // 3))
        ],
        second=draw.choice((0.0, 0.05, 0.15, 0.3)),
        growth=draw.uniform(-0.004, 0.012),
        noise=draw.uniform(0.08, 0.25),
    )
