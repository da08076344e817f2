"""What the invented admin APIs of providers share: a loopback server, invented calls, and buckets of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import simplejson

from support.http_answer import send_answer

Parameters = list[tuple[str, str]]
WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refusal(Exception):
    """An answer that is an error: status and body."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass(frozen=True)
class Call:
    """One invented call of a model. `costs` is what the provider bills, in USD by kind of token."""

    time: datetime
    model: str
    key: str | None
    project: str | None
    user: str | None
    tier: str
    fresh: int
    cached: int
    write: int
    write_1h: int
    output: int
    costs: Mapping[str, Decimal]
    region: str | None = None

    @property
    def input(self) -> int:
        return self.fresh + self.cached + self.write + self.write_1h


@dataclass(frozen=True)
class Charge:
    """Something else on the bill: images, searches."""

    time: datetime
    item: str
    cost: Decimal
    key: str | None = None
    project: str | None = None
    user: str | None = None


@dataclass
class AdminServer:
    """A server on loopback. `seen` holds each path with its parameters; `fault`, once set, answers first."""

    key: str
    now: datetime
    calls: list[Call]
    charges: list[Charge] = field(default_factory=list)
    fault: Callable[[str], None] | None = None
    spoil: Callable[[str, Any], Any] | None = None
    names: bool = True
    seen: list[tuple[str, Parameters]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> AdminServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, parameters: Parameters, headers: Mapping[str, str]) -> Any:
        raise NotImplementedError

    def asked(self, path: str) -> list[Parameters]:
        """The parameters of each request of a path."""
        return [parameters for seen, parameters in self.seen if seen == path]


def _handler(owner: AdminServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            parameters = parse_qsl(url.query, keep_blank_values=True)
            owner.seen.append((url.path, parameters))
            status, headers = 200, {}
            try:
                if owner.fault:
                    owner.fault(url.path)
                body = owner.answer(url.path, parameters, {name.lower(): text for name, text in self.headers.items()})
                if owner.spoil:
                    body = owner.spoil(url.path, body)
            except Refusal as refusal:
                status, body, headers = refusal.status, refusal.body, refusal.headers
            send_answer(self, status, simplejson.dumps(body, use_decimal=True).encode(), headers)

        def log_message(self, *_: object) -> None:
            """No lines on stderr."""

    return Handler


def buckets(start: datetime, end: datetime, width: timedelta) -> list[datetime]:
    """The buckets that begin at or after the start, snapped, and before the end."""
    first = start - (start - EPOCH) % width
    return [first + number * width for number in range(max(0, -((first - end) // width)))]


def grouped(
    items: Iterable[Any], keys: Callable[[Any], tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], list[Any]]]:
    """Items by key, keys in the order of their first item."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for item in items:
        found.setdefault(keys(item), []).append(item)
    yield from found.items()


def by_bucket(items: Iterable[Any], width: timedelta, until: datetime) -> dict[datetime, list[Any]]:
    """Items that began by `until`, by the bucket they began in."""
    found: dict[datetime, list[Any]] = {}
    for item in items:
        if item.time <= until:
            found.setdefault(item.time - (item.time - EPOCH) % width, []).append(item)
    return found


def invent(
    seed: int,
    start: datetime,
    end: datetime,
    number: int,
    models: list[str],
    tiers: list[str],
    *,
    writes_1h: bool,
    most_cached: int,
) -> list[Call]:
    """Calls at random times, some without a key, project or user, with bills of odd fractions of a cent."""
    random = Random(seed)
    seconds = int((end - start).total_seconds())
    calls = []
    for _ in range(number):
        fresh, output = random.randrange(1, 60_000), random.randrange(1, 4_000)
        cached = random.choice((0, 0, random.randrange(1, most_cached)))
        write = random.choice((0, random.randrange(1, 9_000)))
        write_1h = random.choice((0, random.randrange(1, 9_000))) if writes_1h else 0
        who = random.randrange(5)
        calls.append(
            Call(
                time=start + timedelta(seconds=random.randrange(seconds)),
                model=random.choice(models),
                key=None if who == 0 else f"key_{random.randrange(4)}",
                project=None if who == 1 else f"proj_{random.randrange(3)}",
                user=None if who == 2 else f"user-{random.randrange(3)}",
                tier=random.choice(tiers),
                fresh=fresh,
                cached=cached,
                write=write,
                write_1h=write_1h,
                output=output,
                costs={
                    kind: Decimal(count) * random.randrange(1, 10**6) / 10**12
                    for kind, count in (("input", fresh), ("cached input", cached), ("output", output))
                },
            )
        )
    return sorted(calls, key=lambda call: call.time)
