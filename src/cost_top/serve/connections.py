"""How many connections there may be, and which one goes when another comes.

A connection that waits (for its head, or idle between two requests) gives way, the oldest first, so that any number
of half-open ones shuts nobody out. One whose request is being answered stays.
"""

from __future__ import annotations

import asyncio
import errno
import sys
from collections import Counter, OrderedDict
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cost_top.serve.admission import network_of

HEAD_SECONDS = 10.0  # from a connection's first moment, or its first byte after an answer, to a whole head
MOST = 1000
_SHARE = 2  # one address may hold this part of all
BACKLOG = 128
# Files that a server needs beside its connections: the log, the cache, the libraries; and what is accepted at once.
_RESERVED = 128 + BACKLOG
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SAY_SECONDS = 60.0


class Connections:
    """The connections of a server. Used on its event loop."""

    def __init__(self, most: int) -> None:
        """`most` at a time."""
        self.most = most
        self._waiting: OrderedDict[Connection, None] = OrderedDict()
        self._by_address: Counter[str] = Counter()
        self._count = 0

    def enter(self, one: Connection) -> None:
        """Count it in; where there are too many, the one that waited longest goes, in the end this one."""
        self._count += 1
        self._by_address[one.address] += 1
        self._waiting[one] = None
        if self._by_address[one.address] > max(1, self.most // _SHARE):
            self._drop(one.address)
        if self._count > self.most:
            self._drop(None)

    def leave(self, one: Connection) -> None:
        """It is gone."""
        self._count -= 1
        self._waiting.pop(one, None)
        self._by_address[one.address] -= 1
        if not self._by_address[one.address]:
            del self._by_address[one.address]

    def waits(self, one: Connection, waits: bool) -> None:
        """Whether it waits for its peer."""
        if not waits:
            self._waiting.pop(one, None)
        elif one not in self._waiting:
            self._waiting[one] = None

    def _drop(self, address: str | None) -> None:
        for one in self._waiting:
            if address is None or one.address == address:
                del self._waiting[one]
                one.drop()
                return


class Connection(H11Protocol):
    """uvicorn's connection, with a bound on its head's time and a place among all. Use a subclass with `places`."""

    places: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As of uvicorn, counted."""
        super().connection_made(transport)
        self.address = network_of(self.client[0] if self.client else "")
        self._late = self.loop.call_later(HEAD_SECONDS, self.drop)
        self.places.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """As of uvicorn, its place given back."""
        self._late.cancel()
        self.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As of uvicorn; the time for the head begins with its first byte."""
        if self.cycle is not None and self.cycle.response_complete and self._late.cancelled():
            self._late = self.loop.call_later(HEAD_SECONDS, self.drop)
        super().data_received(data)
        self._tell()

    def on_response_complete(self) -> None:
        """As of uvicorn; then the connection waits again."""
        super().on_response_complete()
        self._tell()

    def _tell(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering:
            self._late.cancel()
        self.places.waits(self, not answering)

    def drop(self) -> None:
        """Close it at once."""
        if not self.transport.is_closing():
            self.transport.abort()


def connection_class(most: int) -> type[Connection]:
    """The class of one server's connections."""
    return type("PlacedConnection", (Connection,), {"places": Connections(most)})


def room_for_connections() -> int:
    """How many connections the limit of open files leaves room for; the limit is raised where that is allowed."""
    try:
        import resource
    except ImportError:
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + _RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
        except (OSError, ValueError):
            pass
    return MOST if soft == resource.RLIM_INFINITY else max(16, min(MOST, soft - _RESERVED))


def silence_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """A server that cannot accept says so once a minute, instead of a traceback for each try."""
    said = [-_SAY_SECONDS]

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _FULL:
            loop.default_exception_handler(context)
        elif loop.time() - said[0] >= _SAY_SECONDS:
            said[0] = loop.time()
            print(f"cost-top serve: no connection can be accepted: {error.strerror}", file=sys.stderr, flush=True)

    loop.set_exception_handler(handle)
