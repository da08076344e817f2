"""What an API or the way to it says when it does not answer, as one clean line and the right kind of error."""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from socket import gaierror
from typing import Any
from urllib.parse import quote, urlsplit

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, one_line

_DAY = 86400.0
_YEAR = 366 * _DAY
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_MESSAGE_LIMIT = 240
_MESSAGE_NAMES = ("error", "detail", "errors", "message", "msg", "code", "type")  # where to look, in this order
_DEEPEST = 6
_SHORTEST_SECRET = 6  # shorter ones would blot out words
_SECRET_HEADERS = ("authorization", "x-api-key", "proxy-authorization", "cookie")

_LATER = (408, 409, 425)  # client errors that pass by themselves
_HEADS: Mapping[int, str] = {
    400: "refuses the question (400)",
    401: "refuses the key (401)",
    402: "asks for payment (402)",
    403: "does not allow this with this key (403)",
    404: "knows nothing at this address (404)",
    422: "refuses the question (422)",
    429: "asks to wait (429)",
}


class Redactor:
    """Blots secrets out of texts."""

    def __init__(self, secrets: Sequence[str], headers: Mapping[str, str]) -> None:
        """`secrets`, and what the headers that carry keys hold."""
        carried = [value.split()[-1] for name, value in headers.items() if name.lower() in _SECRET_HEADERS and value]
        spellings = {text for secret in (*secrets, *carried) for text in (secret, quote(secret, safe=""))}
        self._secrets = sorted((text for text in spellings if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """`text` as one clean line without secrets, cut to what a message holds."""
        # Control characters go first: one inside a key would hide it from the comparison.
        line = one_line("".join(c for c in text if c.isprintable() or c.isspace()), 10**6)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return one_line(line, _MESSAGE_LIMIT)


def refusal(place: str, status: int, headers: Mapping[str, str], body: bytes, redact: Redactor) -> SourceError:
    """The error for an answer that is not 2xx. `headers` are looked up by lower-case names."""
    if 300 <= status < 400:
        return SourceError(_redirect(place, status, headers, redact))
    said = redact(error_text(body))
    text = f"{place}: {_head(status)}" + (f": {said}" if said else "")
    if status == 429 or (status in (503, 529) and "retry-after" in headers):
        return SourceThrottled(text, wait_seconds(headers))
    if status in (401, 402, 403):
        return SourceDenied(text, final=True)
    if 400 <= status < 500 and status not in _LATER:
        return SourceRefused(text)
    return SourceError(text)


def transport_failure(place: str, error: Exception, redact: Redactor) -> SourceError:
    """The error for a connection that could not be made or broke."""
    return SourceError(f"{place}: {_what_broke(error, redact) or _how_it_ended(error, redact)}")


def _what_broke(error: Exception, redact: Redactor) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            advice = "SSL_CERT_FILE can name the file of your own authorities"
            return f"its certificate is not trusted: {redact(cause.verify_message)}; {advice}"
        if isinstance(cause, ssl.SSLError):
            return f"no secure connection: {redact(cause.reason or 'TLS failed')}"
        if isinstance(cause, gaierror):
            return "there is no host of this name, or no name server answers"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused: nothing listens there"
    return None


def _how_it_ended(error: Exception, redact: Redactor) -> str:
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        return "cannot be reached in time"
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time"
    if isinstance(error, httpx.RemoteProtocolError):
        return "broke off its answer, or does not speak HTTP"
    if isinstance(error, httpx.LocalProtocolError):
        return "the question cannot be sent"  # its own text repeats the header it objects to
    text = redact(str(error))
    return "the connection failed" + (f": {text}" if text else "")


def error_text(body: bytes) -> str:
    """What an error body says, whichever shape it has; "" when it says nothing to people. Not cleaned.

    >>> error_text(b'{"error": {"message": "no such plan"}}'), error_text(b'{"detail": [{"msg": "bad", "loc": ["q"]}]}')
    ('no such plan', 'q: bad')
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.startswith(("<", "{", "[")) else text
    return "; ".join(list(_said(value))[:3])


def wait_seconds(headers: Mapping[str, str]) -> float | None:
    """How long to wait, at least 1 s and at most a day; None where no usable time is named."""
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    named = headers.get("retry-after", "").strip()
    if named:
        if _NUMBER.fullmatch(named):
            return _bounded(float(named))
        until = _date(named)
        return None if until is None else _bounded(max(0.0, (until - now).total_seconds()))
    reset = headers.get("x-ratelimit-reset", "").strip()
    if not _NUMBER.fullmatch(reset):
        return None
    seconds = float(reset)
    if seconds > 1e11:  # a time in milliseconds
        seconds /= 1000
    return _bounded(max(0.0, seconds - now.timestamp()) if seconds > 1e9 else seconds)


def _bounded(seconds: float) -> float | None:
    if not math.isfinite(seconds) or seconds > _YEAR:
        return None
    return min(max(seconds, 1.0), _DAY)


def _date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _said(value: Any, place: str = "", depth: int = 0) -> Iterator[str]:
    """The messages in an error body: of Vercel, LiteLLM, FastAPI, OpenRouter, OpenAI, Anthropic, Cloudflare."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        if value.strip():
            yield f"{place}: {value}" if place else value
    elif isinstance(value, list):
        for item in value[:10]:
            yield from _said(item, "", depth + 1)
    elif isinstance(value, dict):
        for name in _MESSAGE_NAMES:
            found = list(_said(value.get(name), _location(value), depth + 1))
            if found:
                yield from found
                return


def _location(value: Mapping[str, Any]) -> str:
    """Which parameter a validation error is about: the last text of FastAPI's `loc`."""
    parts = value.get("loc")
    names = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
    return names[-1] if names else ""


def _head(status: int) -> str:
    if status in _HEADS:
        return _HEADS[status]
    if status >= 500:
        return f"failed ({status})"
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _redirect(place: str, status: int, headers: Mapping[str, str], redact: Redactor) -> str:
    try:
        host = urlsplit(headers.get("location", "")).hostname or ""
    except ValueError:
        host = ""
    to = f" to {redact(host)}" if host else ""
    return f"{place}: redirects{to} ({status}), which is not followed with a key: give the API's own address"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 10:
        yield error
        error = error.__cause__ or error.__context__
        seen += 1
