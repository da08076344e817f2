"""From addresses to a running server: sockets, TLS, signals, and what is printed."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from cost_top.model.errors import UserError, one_line
from cost_top.serve.admission import LARGEST_HEADERS, LONGEST_URL
from cost_top.serve.connections import BACKLOG, connection_class, room_for_connections, silence_accept_errors
from cost_top.serve.serving import Serving

_LAST_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to listen: what a host name stands for."""

    host: str
    port: int
    found: tuple[tuple[socket.AddressFamily, str], ...]

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for _, address in self.found)

    def bind(self) -> list[socket.socket]:
        """Listening sockets; `UserError` when a port is taken or not allowed. Port 0 takes any that is free."""
        bound: list[socket.socket] = []
        port = self.port
        try:
            for family, address in self.found:
                both = family == socket.AF_INET6 and address == "::" and socket.has_dualstack_ipv6()
                bound.append(
                    socket.create_server(
                        (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=both, reuse_port=False
                    )
                )
                # Connections inherit it: an answer's body must not wait for the client to confirm its head.
                bound[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                port = port or bound[0].getsockname()[1]
        except OSError as error:
            for one in bound:
                one.close()
            reason = os.strerror(error.errno) if error.errno else one_line(error)
            raise UserError(
                f"port {port} of {self.host} cannot be used ({reason}); choose another with --port"
            ) from None
        return bound


def resolve_host(host: str, port: int) -> Addresses:
    """The addresses of a host name; `UserError` when it has none."""
    name = host.removeprefix("[").removesuffix("]")
    try:
        answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = one_line(getattr(error, "strerror", None) or error)
        raise UserError(f"--host {one_line(host, 80)}: no such address of this machine ({reason})") from None
    found = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in answers)
    usable = [one for one in found if one[0] in (socket.AF_INET, socket.AF_INET6)]
    return Addresses(name, port, tuple((socket.AddressFamily(family), address) for family, address in usable))


def check_tls(cert: Path | None, key: Path | None) -> None:
    """`UserError` when the files are no certificate and its key."""
    if cert is None:
        if key is not None:
            raise UserError("--tls-key: needs --tls-cert as well")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = one_line(getattr(error, "strerror", None) or error, 100)
        raise UserError(f"--tls-cert {cert}: no certificate with its key can be read ({reason})") from None


class _Server(uvicorn.Server):
    """Tells live streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, serving: Serving) -> None:
        super().__init__(config)
        self._serving = serving
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        silence_accept_errors(self._loop)
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.end()

    def end(self) -> None:
        """End soon; from any thread."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._serving.stopping.set)


class Running:
    """A server on sockets that are bound already."""

    def __init__(self, app: FastAPI, sockets: list[socket.socket], cert: Path | None, key: Path | None) -> None:
        config = uvicorn.Config(
            app, http=connection_class(room_for_connections()), ws="none",
            lifespan="off", log_config=None, log_level="critical", access_log=False,
            server_header=False, proxy_headers=False, backlog=BACKLOG,
            timeout_keep_alive=30, timeout_graceful_shutdown=_LAST_SECONDS,
            h11_max_incomplete_event_size=2 * (LONGEST_URL + LARGEST_HEADERS),
            ssl_certfile=cert, ssl_keyfile=key,
        )  # fmt: skip
        self._server = _Server(config, app.state.serving)
        self._sockets = sockets

    def run(self) -> None:
        """Until SIGTERM, Ctrl-C or `end`; returns within two seconds of it."""
        # Also before uvicorn listens to signals and after, when it raises them again: to be asked to end is no failure.
        before = {number: signal.signal(number, self._asked) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._server.run(sockets=self._sockets)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.end()

    def end(self) -> None:
        """End soon; from any thread."""
        self._server.end()


def url_of(addresses: Addresses, sockets: list[socket.socket], secure: bool) -> str:
    """Where it listens, as a URL to open."""
    port = sockets[0].getsockname()[1]
    host = f"[{addresses.host}]" if ":" in addresses.host else addresses.host
    return f"{'https' if secure else 'http'}://{host}:{port}"
