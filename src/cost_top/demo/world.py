"""The company the demo plays: its keys, endpoints, routes and people, read from `world.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Token:
    """An API key. `byok` names the providers its customer pays itself."""

    id: str
    name: str
    kind: str
    plan: str
    team: str
    owner: str
    weight: int
    byok: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    env: str = "prod"
    anonymous: bool = False

    def serves(self, path: str, endpoint: Endpoint) -> bool:
        """Whether requests to the endpoint at `path` may come with this key."""
        return endpoint.customers if self.kind == "customer" else path in self.endpoints


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the company's product; `agent` is the user agent of what calls it.

    What works in sessions has those of a user by so many hours.
    """

    feature: str
    customers: bool
    agent: str
    session_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one endpoint to one model: how many in 30 days, how large, how fast, how reliable.

    Sizes are median tokens; `cached created reasoning hits failures streamed` are shares from 0 to 1.
    """

    endpoint: str
    provider: str
    model: str
    requests: int
    input: int
    output: int
    first_ms: int
    token_ms: int
    profile: str = "office"
    mode: str | None = None
    cached: float = 0.0
    created: float = 0.0
    created_1h: float = 0.0
    reasoning: float = 0.0
    hits: float = 0.0
    failures: float = 0.0
    streamed: float = 0.0
    since_days: int | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """The agent that calls again and again since `starts` (UTC) of yesterday, its input growing every hour."""

    token: str
    user: str
    endpoint: str
    provider: str
    model: str
    starts: str
    every_ms: int
    jitter_ms: int
    input: int
    input_per_hour: int
    input_limit: int
    cached: float
    output: int
    agent: str
    client_ip: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is different for some hours, from `starts` (UTC) on, in the requests of an endpoint; None: as always."""

    endpoint: str
    starts: str
    hours: float
    provider: str | None = None
    model: str | None = None
    cached: float | None = None

    def of(self, route: Route) -> Route:
        """The route as it is meanwhile."""
        cached = route.cached if self.cached is None else self.cached
        return replace(
            route, provider=self.provider or route.provider, model=self.model or route.model, cached=cached,
            created=route.created if cached else 0.0, mode=None if self.model else route.mode,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leak:
    """Requests that strangers sent with a key, in some hours from `starts` (UTC) on."""

    token: str
    endpoint: str
    provider: str
    model: str
    starts: str
    hours: float
    requests: int
    input: int
    output: int
    agent: str
    client_ip: str


@dataclass(frozen=True, slots=True)
class Doubled:
    """Some minutes from `starts` (UTC) on, so many days before, in which each request was logged twice."""

    days_before: int
    starts: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The rhythm of a kind of traffic: a weight per hour of the day (UTC) and one for weekend days."""

    hours: tuple[int, ...]
    weekend: float


@dataclass(frozen=True, slots=True)
class World:
    """Everything fixed about the demo; the seed decides only what happens in it."""

    requests_per_30_days: int
    growth_per_30_days: float
    unreported_providers: frozenset[str]
    company_domain: str
    profiles: dict[str, Profile]
    tokens: tuple[Token, ...]
    endpoints: dict[str, Endpoint]
    routes: tuple[Route, ...]
    loop: Loop
    changes: tuple[Change, ...]
    leak: Leak
    doubled: Doubled
    users: tuple[str, ...]

    def token(self, token_id: str) -> Token:
        """The key with this id; `KeyError` when there is none."""
        return {token.id: token for token in self.tokens}[token_id]


@cache
def load_world() -> World:
    """The world of `world.toml`."""
    data = tomllib.loads(resources.files(__package__).joinpath("world.toml").read_text("utf-8"))
    return World(
        requests_per_30_days=data["requests_per_30_days"],
        growth_per_30_days=data["growth_per_30_days"],
        unreported_providers=frozenset(data["unreported_providers"]),
        company_domain=data["company_domain"],
        profiles={
            name: Profile(tuple(profile["hours"]), profile["weekend"]) for name, profile in data["profiles"].items()
        },
        tokens=tuple(Token(**_tuples(entry)) for entry in data["tokens"]),
        endpoints={path: Endpoint(**entry) for path, entry in data["endpoints"].items()},
        routes=tuple(Route(**entry) for entry in data["routes"]),
        loop=Loop(**data["loop"]),
        changes=tuple(Change(**entry) for entry in data["changes"]),
        leak=Leak(**data["leak"]),
        doubled=Doubled(**data["doubled"]),
        users=_names(data["people"]),
    )


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _names(people: dict[str, Any]) -> tuple[str, ...]:
    first, last = people["first"], people["last"]
    # Shifting the last names by one with each round of first names gives every pair once.
    size = len(first)
    return tuple(f"{first[i % size]}.{last[(i // size + i % size) % len(last)]}" for i in range(people["count"]))
