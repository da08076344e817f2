"""What a route draws from: who calls, how large, how slow and how it ends.

Drawing from pools made once costs a tenth of drawing each figure anew, and nobody can tell.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from random import Random
from statistics import NormalDist

from cost_top.demo.rhythm import HOUR_MS
from cost_top.demo.world import Route, Token, World

POOL = 512
_NORMAL = tuple(NormalDist().inv_cdf((i + 0.5) / POOL) for i in range(POOL))
WITHOUT_USER, WITHOUT_TAGS = 0.06, 0.08
_ZIPF_SHIFT = 8  # Zipf-Mandelbrot: the busiest user is not a tenth of the company
_COLD_CACHE = 0.12  # of the calls with prompt caching: the prefix has expired and is written anew
_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737: for documentation

# How a request ends: an HTTP status, or, with status 200, from the response cache or cut off before its first token.
OK, HIT, CUT = 200, 304, 299
LOST = 502  # the provider answered, and was paid; its answer never came
SENT_AGAIN = frozenset({500, 503, 529})  # seconds later, by the gateway
_CUT_OFF, _PAID_FAILURES = 0.006, 0.15  # of what is streamed; of the failures
_USER = 2  # its place in the columns of a caller
_FAILURES = {"anthropic": (429, 429, 529, 529, 500), "openai": (429, 429, 500, 503)}

# Per mille: cached and created of the input, one-hour of the created, reasoning of the output.
Mix = tuple[int, int, int, int]
Homes = dict[str, list[int]]  # users of a key, by rank


@dataclass(frozen=True, slots=True)
class Caller:
    """The columns `token` to `credential_type` of a request, those of where it comes from, and who pays."""

    columns: tuple[str | None, ...]
    origin: tuple[str, str]  # client_ip, user_agent
    byok: bool
    session: str | None = None  # that all its requests are of

    def session_at(self, time_ms: int, hours: int | None) -> str | None:
        """The session that a request is of, where its endpoint has sessions of so many `hours`."""
        if self.session is not None or hours is None or self.columns[_USER] is None:
            return self.session
        return session_id(self.columns[0], self.columns[_USER], time_ms // (hours * HOUR_MS))


def session_id(*facts: object) -> str:
    """The id of an agent's session; of the same facts the same."""
    return f"ses_{sha256(repr(facts).encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of one route; `outcomes` holds HTTP statuses, `HIT` and `CUT`, weighted by `outcome_weights`."""

    callers: list[Caller]
    inputs: list[int]
    outputs: list[int]
    mixes: list[Mix]
    slowness: list[float]
    outcomes: tuple[int, ...]
    outcome_weights: tuple[float, ...]


def make_pools(world: World, homes: Homes, route: Route, random: Random) -> Pools:
    """The pools of `route`, drawn with `random`; `homes` says which users belong to which key."""
    failures = _FAILURES.get(route.provider, (429, 500))
    cut, lost = route.streamed * _CUT_OFF, route.failures * _PAID_FAILURES
    good = 1 - route.hits - cut - route.failures
    weights = (good, route.hits, cut, lost, *((route.failures - lost) / len(failures) for _ in failures))
    return Pools(
        callers=_callers(world, homes, route, random),
        inputs=_log_normal(route.input, 0.55),
        outputs=_log_normal(route.output, 0.6) if route.output else [0],
        mixes=_mixes(route, random),
        slowness=[math.exp(0.38 * z) for z in _NORMAL],
        outcomes=(OK, HIT, CUT, LOST, *failures),
        outcome_weights=tuple(accumulate(weights)),
    )


def _log_normal(median: int, sigma: float) -> list[int]:
    return [max(1, round(median * math.exp(sigma * z))) for z in _NORMAL]


def _mixes(route: Route, random: Random) -> list[Mix]:
    def vary(share: float) -> float:
        return min(share * math.exp(random.gauss(0, 0.18)), 0.94 * share + 0.06)

    mixes: list[Mix] = []
    for _ in range(POOL):
        cached, created = vary(route.cached), vary(route.created)
        if cached and created and random.random() < _COLD_CACHE:
            cached, created = 0.0, min(cached + created, 0.9)
        hour = route.created_1h if random.random() < 0.5 else 2 * route.created_1h
        mixes.append(
            (
                int(1000 * cached),
                int(1000 * min(created, 1 - cached)),
                int(1000 * min(hour, 1)),
                int(1000 * vary(route.reasoning)),
            )
        )
    return mixes


def _callers(world: World, homes: Homes, route: Route, random: Random) -> list[Caller]:
    """Keys by their weight, users of a key by Zipf's law; some without a user, some without tags."""
    endpoint = world.endpoints[route.endpoint]
    tokens = [token for token in world.tokens if token.serves(route.endpoint, endpoint)]
    zipf = {key: list(accumulate((rank + _ZIPF_SHIFT) ** -1.0 for rank in ranks)) for key, ranks in homes.items()}
    drawn = random.choices(tokens, [token.weight for token in tokens], k=POOL)
    callers = []
    for token in drawn:
        ranks = homes[token.id]
        user = None
        if ranks and random.random() >= WITHOUT_USER:
            user = world.users[random.choices(ranks, cum_weights=zipf[token.id])[0]]
        tagged = random.random() >= WITHOUT_TAGS
        callers.append(make_caller(world, route, token, user, tagged=tagged))
    return callers


def make_caller(world: World, route: Route, token: Token, user: str | None, *, tagged: bool = True) -> Caller:
    """A caller of `route` with this key; `user` is the part of the address before the @."""
    endpoint = world.endpoints[route.endpoint]
    domain = world.company_domain if token.kind == "internal" else f"{token.name}.example"
    tags = [f"env:{token.env}", f"plan:{token.plan}", f"feature:{endpoint.feature}"]
    byok = route.provider in token.byok
    place = sum((user or token.id).encode()) * 7
    return Caller(
        columns=(
            token.id,
            token.name,
            user and f"{user}@{domain}",
            f"{token.owner}@{world.company_domain}",
            token.team,
            json.dumps(tags, separators=(",", ":")) if tagged else None,
            "byok" if byok else "system",
        ),
        origin=(f"{_NETWORKS[place % 3]}{place % 253 + 1}", endpoint.agent),
        byok=byok,
    )


def homes_of_users(world: World) -> Homes:
    """Which users (ranks, the busiest first) belong to each key, shared out by the keys' weights."""
    homes: Homes = {token.id: [] for token in world.tokens}
    open_tokens = [token for token in world.tokens if not token.anonymous and token.id != world.loop.token]
    for rank in range(len(world.users)):
        # The key that is furthest below its share of users gets the next one.
        token = min(open_tokens, key=lambda each: (len(homes[each.id]) + 1) / each.weight)
        homes[token.id].append(rank)
    return homes
