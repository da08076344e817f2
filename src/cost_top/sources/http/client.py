"""The one way to ask an HTTP API: bounded in time and size, TLS verified, no redirects, every failure a `SourceError`.

client = ApiClient("https://ai-gateway.vercel.sh", name="vercel", headers={"Authorization": f"Bearer {key}"},
                   secrets=(key,))
answer = client.get("/v1/report", {"start_date": "2026-11-01", "end_date": "2026-11-25"})
answer.value["results"][0]["total_cost"]     # a Decimal: JSON numbers with a fraction are never floats

Certificates are checked against certifi's authorities; SSL_CERT_FILE or SSL_CERT_DIR in the environment name others.
A proxy of the environment (HTTPS_PROXY, NO_PROXY) is used, but never for loopback addresses.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cost_top import __version__
from cost_top.model.errors import SourceError, SourceRefused, UserError
from cost_top.sources.base import Statistics
from cost_top.sources.http.address import check_address, check_headers
from cost_top.sources.http.body import encoding_of, unpack
from cost_top.sources.http.events import EventParser
from cost_top.sources.http.failures import Redactor, refusal, transport_failure
from cost_top.sources.http.numbers import parse_json

if TYPE_CHECKING:
    import ssl

    import httpx

# A parameter may be given several times: `[("group_by[]", "model"), ("group_by[]", "project_id")]`.
Parameters = Mapping[str, str] | Sequence[tuple[str, str]]

_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 45.0  # between two pieces of a live stream; servers send a comment every 15 s or so
_IDLE_SECONDS = 4.0  # a connection kept open for the next question; common servers close theirs after 5
_ERROR_BYTES = 64 * 1024
_EVENT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A 2xx answer: its JSON (fractions as Decimal) and its headers by lower-case name."""

    value: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Flight:
    """One request under way. `broken_off` says why it was ended from outside."""

    broken_off: str | None = None


class ApiClient:
    """One connection to one API, one request at a time. `cancel` may be called from any thread."""

    def __init__(
        self, base_url: str, *, name: str, headers: Mapping[str, str], secrets: Sequence[str] = (),
        timeout: float = 20.0, max_bytes: int = 64 * 1024 * 1024,
    ) -> None:  # fmt: skip
        """`UserError` for a URL that is neither https nor loopback http, or that holds a user or a password.

        `timeout` bounds a whole request in seconds, from connecting to the last byte (a live stream: to its first).
        `max_bytes` bounds an answer, unpacked. `secrets` never appear in a message.
        """
        self._address = check_address(base_url, name)
        self._headers = {"User-Agent": f"cost-top/{__version__}", **check_headers(headers, name)}
        self._redact = Redactor(secrets, headers)
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._busy = threading.Lock()
        self._guard = threading.Lock()  # over what `cancel` and the watchdog touch
        self._flight: _Flight | None = None
        self._wire: socket.socket | None = None  # the connection's second handle, which TLS does not take over
        self._closing = False
        self._client: httpx.Client | None = None
        self._tls: ssl.SSLContext | None = None
        self.statistics = Statistics()
        self.status: int | None = None  # of the last answer, which may have been a refusal; None without one

    def get(self, path: str, parameters: Parameters = ()) -> ApiAnswer:
        """Ask with GET. Raises `SourceThrottled`, `SourceDenied`, `SourceRefused`, `SourceError`."""
        return self._ask("GET", path, parameters, None)

    def post(self, path: str, body: object, parameters: Parameters = ()) -> ApiAnswer:
        """Ask with POST and a JSON body."""
        return self._ask("POST", path, parameters, body)

    def events(self, path: str, body: object) -> Iterator[tuple[str, str]]:
        """Ask with POST for a live stream (text/event-stream): pairs of an event's name and its data.

        A comment, sent to keep the connection alive, is `("", "")`; an event without a name is a `message`.
        The stream ends when the server ends it; `SourceError` after 45 s of silence, when it breaks or on `cancel`.
        The client is taken until the iterator is exhausted or closed: use one client for each stream.
        """
        with self._response("POST", path, (), body, live=True) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "text/event-stream" or encoding_of(response.headers) != "identity":
                raise SourceError(f"{self._address.place}: did not answer with a live stream")
            parser = EventParser(min(self._max_bytes, _EVENT_BYTES))
            for chunk in self._counted(response):
                try:
                    yield from parser.feed(chunk)
                except ValueError as error:
                    raise SourceError(f"{self._address.place}: {error}") from None

    def cancel(self) -> None:
        """Break off the request under way; it ends as `SourceError`. Harmless otherwise."""
        self._break_off(self._flight, "asking was broken off")

    def close(self) -> None:
        """Release the connection; what is under way is broken off."""
        self._closing = True
        self.cancel()
        # A live stream whose reader stands still cannot be waited for: it disconnects when its iterator is closed.
        if self._busy.acquire(timeout=0.5):
            try:
                self._disconnect()
            finally:
                self._busy.release()

    def _ask(self, method: str, path: str, parameters: Parameters, body: object) -> ApiAnswer:
        with self._response(method, path, parameters, body, live=False) as response:
            content = self._content(response, self._max_bytes)
            headers = dict(response.headers)
        try:
            return ApiAnswer(parse_json(content), headers)
        except ValueError as error:
            raise SourceError(f"{self._address.place}: {error}") from None

    @contextmanager
    def _response(
        self, method: str, path: str, parameters: Parameters, body: object, *, live: bool
    ) -> Iterator[httpx.Response]:
        """A 2xx answer whose body is still to be read. Whatever fails leaves as `SourceError`, disconnected."""
        with self._busy:
            flight = self._flight = _Flight()
            self._closing = False
            self.status = None
            watchdog = threading.Timer(
                self._timeout, self._break_off, (flight, f"no whole answer within {self._timeout:g} s")
            )
            watchdog.daemon = True
            watchdog.start()
            started = time.monotonic()
            whole = False
            try:
                response = self._send(flight, method, path, parameters, body, live)
                self.status = response.status_code
                if live and response.is_success:
                    watchdog.cancel()
                try:
                    if not response.is_success:
                        raise self._refusal(response)
                    yield response
                finally:
                    response.close()
                if flight.broken_off:
                    # An answer without a length ends the same way when it is whole.
                    raise SourceError(flight.broken_off)
                whole = True
            except Exception as error:
                raise self._failure(error, flight) from None
            finally:
                watchdog.cancel()
                with self._guard:
                    self._flight = None
                self.statistics.database_ms += (time.monotonic() - started) * 1000
                if not whole or self._closing:
                    self._disconnect()

    def _send(
        self, flight: _Flight, method: str, path: str, parameters: Parameters, body: object, live: bool
    ) -> httpx.Response:
        import httpx

        client = self._connection()
        client.cookies.clear()
        read = _SILENCE_SECONDS if live else self._timeout
        headers = {"Accept": "text/event-stream" if live else "application/json"}
        headers["Accept-Encoding"] = "identity" if live else "gzip"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, allow_nan=False).encode()
        request = client.build_request(
            method,
            self._address.base + path,
            params=httpx.QueryParams(list(parameters.items()) if isinstance(parameters, Mapping) else list(parameters)),
            headers=headers,
            content=content,
            timeout=httpx.Timeout(read, connect=min(_CONNECT_SECONDS, self._timeout)),
            extensions={"trace": lambda event, facts: self._follow(flight, event, facts)},
        )
        try:
            response = client.send(request, stream=True, follow_redirects=False)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError):
            raise
        except Exception:
            self.statistics.queries += 1
            raise
        self.statistics.queries += 1
        return response

    def _connection(self) -> httpx.Client:
        import httpx

        if self._client is None:
            self._tls = self._tls or self._authorities()
            try:
                self._client = httpx.Client(
                    headers=self._headers,
                    verify=self._tls,
                    trust_env=not self._address.loopback,
                    limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_SECONDS),
                )
            except (httpx.InvalidURL, ValueError, ImportError):
                # Not repeated: the proxy's address may hold a password.
                raise UserError("HTTPS_PROXY or ALL_PROXY: names no usable http proxy") from None
        return self._client

    def _authorities(self) -> ssl.SSLContext:
        import ssl

        import httpx

        if self._address.base.startswith("http:"):
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and costs no reading of authorities
        try:
            return httpx.create_ssl_context()
        except (OSError, ValueError):
            raise UserError("SSL_CERT_FILE or SSL_CERT_DIR: holds no readable certificates") from None

    def _follow(self, flight: _Flight, event: str, facts: Mapping[str, Any]) -> None:
        """Keep a handle of the connection: shut down, it wakes a thread that waits for a byte, TLS or not."""
        if event != "connection.connect_tcp.complete":
            return
        wire = facts["return_value"].get_extra_info("socket").dup()
        with self._guard:
            previous, self._wire = self._wire, wire
            if flight.broken_off:
                _shut(wire)
        if previous is not None:
            previous.close()

    def _break_off(self, flight: _Flight | None, reason: str) -> None:
        with self._guard:
            if flight is None or flight is not self._flight or flight.broken_off:
                return
            flight.broken_off = reason
            if self._wire is not None:
                _shut(self._wire)

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()
        with self._guard:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _counted(self, response: httpx.Response) -> Iterator[bytes]:
        for chunk in response.iter_raw():
            self.statistics.bytes_read += len(chunk)
            yield chunk

    def _content(self, response: httpx.Response, limit: int) -> bytes:
        """The body, unpacked, of at most `limit` bytes."""
        encoding = encoding_of(response.headers)
        if encoding not in ("identity", "gzip"):
            raise SourceError(f"{self._address.place}: answered in an encoding that was not asked for")
        try:
            content, cut = unpack(self._counted(response), encoding == "gzip", limit)
        except zlib.error:
            raise SourceError(f"{self._address.place}: the answer cannot be unpacked") from None
        if len(content) > limit:
            raise SourceError(f"{self._address.place}: the answer is larger than {limit // 1024:,} KiB")
        if cut and content:
            raise SourceError(f"{self._address.place}: the answer was cut off")
        return content

    def _refusal(self, response: httpx.Response) -> SourceError:
        try:
            body = self._content(response, _ERROR_BYTES)
        except SourceError:
            body = b""
        return refusal(self._address.place, response.status_code, response.headers, body, self._redact)

    def _failure(self, error: Exception, flight: _Flight) -> Exception:
        import httpx

        if flight.broken_off:
            return SourceError(f"{self._address.place}: {flight.broken_off}")
        if isinstance(error, (SourceError, UserError)):
            return error
        if isinstance(error, (httpx.InvalidURL, UnicodeError)):
            return SourceRefused(f"{self._address.place}: the question holds characters that cannot be sent")
        if isinstance(error, (httpx.HTTPError, httpx.StreamError, OSError)):
            return transport_failure(self._address.place, error, self._redact)
        return error


def _shut(wire: socket.socket) -> None:
    with suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
