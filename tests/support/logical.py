"""The same requests for every gateway: what happened, before any of them wrote it down its own way."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.model.query import Report

# Names as strangers choose them: quotes, escapes, wildcards, formulas, signs of every dialect, letters of four bytes.
HOSTILE = (
    "o'Neil", 'say "hi"', "back\\slash", "back\\' OR 1=1 --x", "100%_x", "a||b", "=1+1", "`tick`", ":name", "%s %(x)s",
    "näme", "日本語", "\U0001f600 smile", "$$dollar$$", "new {brace}", "</b>", "[red]x[/]", "null", "0", "true",
)  # fmt: skip
MEASURES = (
    "total_cost", "input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens",
    "reasoning_tokens", "request_count", "cache_hit_count", "error_count",
)  # fmt: skip
LENSES = (
    "provider", "model", "endpoint", "token", "token_name", "user", "team", "tag", "credential_type", "day", "hour",
)  # fmt: skip
# What a request costs is a whole number of points, so that every unit of money holds it exactly.
POINTS_PER_DOLLAR = 500_000


@dataclass(frozen=True, slots=True)
class Named:
    """A person, key or team: its id and the name it is shown by."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Logical:
    """One request. Input holds its cached parts, output its reasoning; `points` of which 500,000 are a dollar."""

    number: int
    time: datetime
    provider: int  # the number of a channel
    model: str
    endpoint: str
    key: Named
    user: Named
    team: Named
    input: int
    cached: int
    written: int
    output: int
    reasoning: int
    points: int
    hit: bool
    status: int
    latency_ms: int
    streamed: bool
    tag: str

    @property
    def id(self) -> str:
        """An id no other request has."""
        return f"req-{self.number:06d}"


@dataclass(slots=True)
class Seen:
    """What a gateway's log can tell of a request: the value of each lens, and its figures."""

    provider: str | None = None
    model: str | None = None
    endpoint: str | None = None
    token: str | None = None
    token_name: str | None = None
    user: str | None = None
    team: str | None = None
    tags: tuple[str, ...] = ()
    credential_type: str | None = "system"
    cached: bool = True
    written: bool = True
    reasoning: bool = True
    hits: bool = True
    statuses: bool = True
    counted: bool = True
    also: dict[str, Any] = field(default_factory=dict)


def requests(count: int, end: datetime, days: int = 3, seed: int = 5) -> list[Logical]:
    """Requests of the days before `end`, at whole seconds, in no order."""
    draw = random.Random(seed)
    names = [f"{name} {place}" if place >= len(HOSTILE) else name for place, name in enumerate(HOSTILE * 2)]
    people = [Named(place + 1, name) for place, name in enumerate(names[:20])]
    return [
        _one(draw, number, end - timedelta(seconds=draw.randrange(1, days * 86400)), people) for number in range(count)
    ]


def _one(draw: random.Random, number: int, time: datetime, people: list[Named]) -> Logical:
    kind = draw.random()
    hit, failed = kind < 0.06, 0.06 <= kind < 0.1
    whole = 0 if failed else draw.randrange(10, 60_000)
    cached = draw.choice([0, whole // 3])
    written = draw.choice([0, 0, whole // 5])
    output = 0 if failed else draw.randrange(1, 4000)
    return Logical(
        number, time.replace(microsecond=0), draw.randrange(4), f"made-up-{draw.randrange(6)}",
        draw.choice(["/v1/chat", "/v1/messages"]), draw.choice(people), draw.choice(people), draw.choice(people[:7]),
        whole, cached, written, output, draw.choice([0, output // 2]),
        0 if failed or hit else draw.randrange(1, 900_000), hit, draw.choice([429, 500]) if failed else 200,
        draw.randrange(20, 9000), draw.random() < 0.5, draw.choice(["prod", "dev: x", "été"]),
    )  # fmt: skip


def expected(found: Iterable[tuple[Logical, Seen]], lens: str) -> dict[str | None, dict[str, int]]:
    """The figures of each group of a lens."""
    groups: dict[str | None, dict[str, int]] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for request, seen in found:
        for key in _keys(request, seen, lens):
            figures = groups[key]
            hit = request.hit and seen.hits
            sent = 0 if hit else 1
            figures["total_cost"] += request.points * 10**12 // POINTS_PER_DOLLAR
            figures["input_tokens"] += sent * request.input
            figures["output_tokens"] += sent * request.output
            figures["cached_input_tokens"] += sent * request.cached * seen.cached
            figures["cache_creation_input_tokens"] += sent * request.written * seen.written
            figures["reasoning_tokens"] += sent * request.reasoning * seen.reasoning
            figures["request_count"] += seen.counted
            figures["cache_hit_count"] += hit and seen.counted
            figures["error_count"] += request.status >= 400 and seen.statuses and seen.counted
    return dict(groups)


def told(report: Report, place: int = 0) -> dict[str | None, dict[str, int | None]]:
    """The figures of a report in one of its dimensions, in the same form; a figure that is unknown of a row, of all."""
    groups: dict[str | None, dict[str, int | None]] = {}
    for row in report.rows:
        figures = groups.setdefault(row.key[place], dict.fromkeys(MEASURES, 0))
        for name, before in figures.items():
            figure = getattr(row.measures, name)
            figures[name] = None if before is None or figure is None else before + figure
    return groups


def _keys(request: Logical, seen: Seen, lens: str) -> list[str | None]:
    if lens == "day":
        return [request.time.astimezone(UTC).strftime("%Y-%m-%d")]
    if lens == "hour":
        return [request.time.astimezone(UTC).replace(minute=0, second=0).isoformat()]
    if lens == "tag":
        return list(seen.tags) or [None]
    return [getattr(seen, lens)]


Shape = Callable[[Logical], tuple[dict[str, Any], Seen]]
