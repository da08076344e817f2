"""Where an API may be: https, or http on this very machine; and no secret in its address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from cost_top.model.errors import UserError, one_line
from cost_top.sources.credentials import KEY_VARIABLES

# What the keys of gateways and providers look like (`sk-…`, `vck_…`): nobody's path has such a part.
_KEY_LIKE = re.compile(r"(?:(?:sk|pk|rk|vck)[-_]|eyJ)[-_A-Za-z0-9.]{16,}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """`base` has no slash at its end; `place` is the host, with its port where one is given."""

    base: str
    place: str
    loopback: bool


def check_address(url: str, name: str) -> Address:
    """The address of an API; `UserError` without the secret for one that may not be asked.

    >>> check_address("https://gateway.example.com/proxy/", "litellm").base
    'https://gateway.example.com/proxy'
    """
    parts = _split(url, name)
    host = (parts.hostname or "").rstrip(".")
    place = _place(parts, host)
    variable = " or ".join(KEY_VARIABLES.get(name, ())[:2]) or "an environment variable"
    if "@" in parts.netloc:
        raise UserError(f"{place}: a user or password does not belong in a URL: give the key in {variable}")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UserError(f"{place}: a URL of an API ends with its path; a key is given in {variable}")
    if any(_KEY_LIKE.fullmatch(part) for part in parts.path.split("/")):
        raise UserError(f"{place}: the URL holds what looks like a key: give it in {variable}")
    loopback = _is_loopback(host)
    if parts.scheme == "http" and not loopback:
        raise UserError(f"{place}: http would send the key unprotected: write https://{place}")
    base = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return Address(base, place, loopback)


def check_headers(headers: Mapping[str, str], name: str) -> dict[str, str]:
    """The headers to send; `UserError` without the value for one that cannot be sent (a key with a line break)."""
    for header, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            raise UserError(f"{name}: the key or header {header} is empty or holds a character that cannot be sent")
    return dict(headers)


def _split(url: str, name: str) -> SplitResult:
    # Nothing of a malformed URL is repeated but its beginning: a password may be anywhere in it.
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        if host:
            host.encode("idna")
    except (ValueError, UnicodeError):
        raise UserError(f"{name}: not a URL: write https://HOST or https://HOST/PATH") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\x00-\x20\x7f\\]", url):
        begin = one_line(parts.scheme, 20)
        raise UserError(
            f"{name}: not a URL of an API ({begin or 'no scheme'}): write https://HOST or https://HOST/PATH"
        )
    return parts


def _place(parts: SplitResult, host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{parts.port}" if parts.port is not None else shown


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
