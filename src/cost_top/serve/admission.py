"""Who may ask and how often: tokens, the names this server is called by, rates, and the size of requests."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import Scope

from cost_top.model.errors import one_line
from cost_top.model.filter import Filter
from cost_top.serve.errors import Problem
from cost_top.serve.tokens import LONGEST, PERMISSIONS, Token, TokenSource, find_token

LONGEST_URL = 8_192
LARGEST_HEADERS = 16_384
MOST_HEADERS = 100
# Answers that tell nothing about the source are for everyone.
OPEN_PATHS = ("/healthz", "/docs", "/openapi.json")
_FAILURES_PER_MINUTE = 30
# A gateway asks before each call; the answer comes from memory.
GUARD_PATH = "/v1/guard"
_GUARD_PER_SECOND = 2_000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `scope` is added to every question; `known` is False for one who showed no token where some are."""

    name: str
    scope: Filter
    known: bool = True
    who: str = ""  # whose bounds it is held to: its token's, or its address's
    permissions: tuple[str, ...] = PERMISSIONS

    @property
    def sees_everything(self) -> bool:
        """Whether the asker is held to no scope."""
        return self.known and not self.scope

    def demand_everything(self, what: str) -> None:
        """Refuse an asker with a scope what is about the whole source."""
        if not self.sees_everything:
            raise Problem(403, f"{what} is about the whole source; this token sees only a part of it")


class Admission:
    """Admits requests or raises the `Problem` to answer with. Used on the event loop."""

    def __init__(self, tokens: tuple[Token, ...] | TokenSource, rate: int, hosts: Iterable[str] = ()) -> None:
        """`rate` is in requests a minute of one token, or of one address without tokens.

        `hosts` are the names a server without tokens answers to: a page of a stranger's that has its own name point
        to this machine (DNS rebinding) sends that name.
        """
        self._tokens = tokens
        self.hosts = frozenset(host.lower() for host in hosts)
        self._rate = RateLimitItemPerMinute(rate)
        self._failures = RateLimitItemPerMinute(min(rate, _FAILURES_PER_MINUTE))
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._guard_rate = RateLimitItemPerSecond(_GUARD_PER_SECOND)
        self._guard_limiter = FixedWindowRateLimiter(MemoryStorage())

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Those in force."""
        return self._tokens.now() if isinstance(self._tokens, TokenSource) else self._tokens

    async def admit(self, scope: Scope) -> Asker:
        """Who asks."""
        headers = Headers(scope=scope)
        _check_size(scope)
        tokens = self.tokens
        if not tokens:
            self._check_host(headers.get("host", ""))
        _check_origin(scope["method"], scope["path"], headers)
        token = None
        presented = _bearer(headers)
        if tokens and presented is not None:
            token = find_token(tokens, presented)
        open_path = scope["path"] in OPEN_PATHS
        peer = _peer(scope)
        if tokens and token is None and not open_path:
            # A token that is right is never refused for others' wrong ones, which may come by the same proxy;
            # guessing one of at least 16 characters is hopeless at any rate.
            await self._hit(self._failures, "failed", peer, "too many requests with a wrong token or none")
            raise _unauthenticated(presented)
        permission = "guard" if is_guard(scope["path"]) else "read"
        if token is not None and not open_path and permission not in token.permissions:
            raise Problem(403, f"this token has not the permission {permission!r}; its `permissions` are in the file")
        if permission == "guard":
            asks = token.name if token else peer
            if not await self._guard_limiter.hit(self._guard_rate, "guard", asks):
                raise Problem(429, f"more than {_GUARD_PER_SECOND} questions in a second", retry_after=1)
        who = _who(token) if token else f"peer {peer}"
        if permission != "guard" and scope["path"] != "/healthz":
            await self._hit(self._rate, "asked", who, f"more than {self._rate.amount} requests in a minute")
        if token is not None:
            return Asker(token.name, token.scope, who=who, permissions=token.permissions)
        return Asker("", Filter(), known=not tokens, who=who)

    def admits_still(self, asker: Asker) -> bool:
        """Whether one who was admitted would be, and would see as much: tokens may be taken away meanwhile."""
        tokens = self.tokens
        if not tokens:
            return asker.known and not asker.name
        return any(
            asker.who == _who(token) and (asker.scope, asker.permissions) == (token.scope, token.permissions)
            for token in tokens
        )

    async def _hit(self, item: RateLimitItem, kind: str, who: str, message: str) -> None:
        if not await self._limiter.hit(item, kind, who):
            reset, _ = await self._limiter.get_window_stats(item, kind, who)
            raise Problem(429, f"{message}; wait and ask less often", retry_after=max(1.0, reset - time.time()))

    def _check_host(self, host: str) -> None:
        if self.hosts and not is_local_name(host, self.hosts):
            raise Problem(403, f"not a name of this server: {one_line(host, 80)!r}; a token would open it to others")


def _who(token: Token) -> str:
    return f"token {token.digest.hex()}"


def is_guard(path: str) -> bool:
    """Whether a path is the guard's."""
    return path == GUARD_PATH or path.startswith(GUARD_PATH + "/")


def is_local_name(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names this machine by a loopback name or one of `names`.

    >>> [is_local_name(host, frozenset({"box"})) for host in ("localhost:8377", "[::1]:1", "127.0.0.9", "box", "a.b")]
    [True, True, True, True, False]
    >>> [is_local_name(host, frozenset()) for host in ("localhost:1.evil.example", "[::1]:x", "localhost:", "::1")]
    [False, False, False, False]
    """
    name = host.lower()
    if name.startswith("["):
        name, bracket, port = name[1:].partition("]")
        if not bracket:
            return False
    else:
        name, colon, port = name.partition(":")
        port = f"{colon}{port}"
    if port and not re.fullmatch(":[0-9]{1,5}", port):
        return False
    name = name.removesuffix(".")
    if name == "localhost" or name in names:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_size(scope: Scope) -> None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_URL:
        raise Problem(414, f"the URL is longer than {LONGEST_URL} bytes")
    headers = scope["headers"]
    names = {name for name, _ in headers}
    if b"content-length" in names and b"transfer-encoding" in names:
        raise Problem(400, "a body has a length or an encoding, not both")
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
        raise Problem(431, "the headers are too many or too long")


def _check_origin(method: str, path: str, headers: Headers) -> None:
    """A page of another site may make a browser send a POST, and ask the guard, which sets amounts aside; it says so.

    A proxy passes on what a browser said of its own page; it adds headers that a page cannot.
    """
    origin = headers.get("origin")
    if method in ("GET", "HEAD"):
        other = is_guard(path) and headers.get("sec-fetch-site") in ("cross-site", "same-site")
        other = other and not any(name.startswith("x-") for name in headers)
    else:
        other = origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()
    if other:
        raise Problem(403, "the page that asks is of another site")


def _bearer(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    return token if kind.lower() == "bearer" and 0 < len(token) <= LONGEST else None


def _unauthenticated(presented: str | None) -> Problem:
    told = "no bearer token; send Authorization: Bearer TOKEN" if presented is None else "the bearer token is not known"
    problem = Problem(401, told)
    problem.headers["WWW-Authenticate"] = 'Bearer realm="cost-top"'
    return problem


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return network_of(client[0]) if client else "unknown"


def network_of(peer: str) -> str:
    """The address asked from; of IPv6 the network, for one machine has very many addresses."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return str(peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
