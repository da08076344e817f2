"""One HTTP POST to an address that was checked: resolved once, connected to as checked, no redirects, no proxies."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from cost_top.model.errors import one_line

# A receiver that has not answered by then may still have taken it: it is sent again under the same id.
TIMEOUT_SECONDS = 20.0
_LARGEST_ANSWER = 65_536
_LONGEST_WAIT = 24 * 3600.0
Address = tuple[str, int]
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `status` None: no answer, `error` says why. `retry_after` is in seconds."""

    status: int | None
    error: str = ""
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Only 2xx is success: a redirect is not followed."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """410: the receiver wants nothing more."""
        return self.status == 410

    @property
    def told(self) -> str:
        """For people."""
        return f"answered {self.status}" if self.status is not None else self.error


class Refused(Exception):
    """An address that must not be connected to."""


def addresses_of(host: str, port: int) -> list[str]:
    """All addresses of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(url: httpx.URL, allow_private: bool, insecure: bool, resolve: Resolve) -> Sequence[str]:
    """Where to connect; `Refused` for what a webhook must not reach: this machine, private networks, plain HTTP."""
    if url.scheme not in ("https", "http") or not url.host:
        raise Refused("the URL must begin with https://")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = resolve(url.host, port)
    except (OSError, UnicodeError) as error:
        raise ConnectionError(f"its name has no address ({_reason(error)})") from None
    if not found:
        raise ConnectionError("its name has no address")
    parsed = [ipaddress.ip_address(address.partition("%")[0]) for address in found]
    plain = [_mapped(one) for one in parsed]
    loopback = all(one.is_loopback for one in plain)
    if url.scheme == "http" and not (insecure and (loopback or allow_private)):
        raise Refused("plain http is for receivers on this machine, with insecure = true; use https")
    if not allow_private and not (insecure and loopback):
        for one in plain:
            if not one.is_global or one.is_multicast:
                raise Refused("its name leads to a private address; allow_private = true permits that")
    return found


def _reason(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or error, 80)


def _mapped(one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside an IPv6 one that leads to it."""
    if isinstance(one, ipaddress.IPv6Address):
        if one.ipv4_mapped is not None:
            return one.ipv4_mapped
        if one.sixtofour is not None:
            return one.sixtofour
        if one in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(one) & 0xFFFFFFFF)
    return one


def post(
    url: str, headers: dict[str, str], body: bytes, *, allow_private: bool = False, insecure: bool = False,
    timeout: float = TIMEOUT_SECONDS, resolve: Resolve = addresses_of, verify: Any = True,
) -> Outcome:  # fmt: skip
    """Send a body; never raises. All checked addresses are tried until one takes the connection."""
    try:
        target = httpx.URL(url)
        found = checked_addresses(target, allow_private, insecure, resolve)
    except (Refused, ConnectionError) as error:
        return Outcome(None, str(error))
    except (httpx.InvalidURL, ValueError):
        return Outcome(None, "the URL cannot be read")
    outcome = Outcome(None, "no address")
    deadline = time.monotonic() + timeout
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout, verify=verify) as client:
        for address in found:
            try:
                return _send(client, target, address, headers, body, deadline)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                outcome = Outcome(None, f"cannot be connected to ({one_line(error, 100)})")
            except httpx.TimeoutException:
                return Outcome(None, f"did not answer within {timeout:g} s")
            except (httpx.HTTPError, OSError) as error:
                return Outcome(None, f"broke the connection ({type(error).__name__})")
    return outcome


def _send(
    client: httpx.Client, url: httpx.URL, address: str, headers: dict[str, str], body: bytes, deadline: float
) -> Outcome:
    """One attempt at one address, the name kept in Host and in TLS."""
    host = url.host if ":" not in url.host else f"[{url.host}]"
    shown = host if url.port is None else f"{host}:{url.port}"
    request = client.build_request(
        "POST", url.copy_with(host=address), content=body,
        headers={"User-Agent": "cost-top", **headers, "Host": shown}, extensions={"sni_hostname": url.host},
    )  # fmt: skip
    request.extensions["timeout"] = httpx.Timeout(max(0.1, deadline - time.monotonic())).as_dict()
    with _cut_off(deadline) as request.extensions["trace"]:
        answer = client.send(request, stream=True)
        try:
            size = 0
            for part in answer.iter_raw():
                size += len(part)
                if size > _LARGEST_ANSWER:
                    break
        finally:
            answer.close()
    return Outcome(answer.status_code, retry_after=_retry_after(answer.headers.get("retry-after")))


@contextmanager
def _cut_off(deadline: float) -> Iterator[Callable[[str, Any], None]]:
    """Shut the connection at the deadline: an answer that trickles in is no silence, and would hold us for ever.

    Gives what is to hear of httpcore's steps.
    """
    sockets: list[socket.socket] = []
    over = threading.Event()

    def heard(step: str, told: Any) -> None:
        if step.endswith(("connect_tcp.complete", "start_tls.complete")):
            sockets.append(told["return_value"].get_extra_info("socket"))

    def cut() -> None:
        over.set()
        for each in sockets[-1:]:  # over TLS the first one is inside the last
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.1, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield heard
    except httpx.HTTPError:
        if over.is_set():
            raise httpx.ReadTimeout("the answer takes too long") from None
        raise
    finally:
        timer.cancel()


def _retry_after(spelled: str | None) -> float | None:
    """Seconds, or a date; None for nonsense."""
    if spelled is None:
        return None
    try:
        plain = re.fullmatch(r"\s*[+-]?\d+\s*", spelled, re.ASCII)  # however long: a float has no end
        seconds = float(spelled) if plain else parsedate_to_datetime(spelled).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT)
