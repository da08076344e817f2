"""API keys, which must never be stored: a short public prefix and a hash stand for them (see `model.secret`).

What is recorded is judged more strictly than what a log holds already: also what merely looks like a key is one.
"""

from __future__ import annotations

import re

from cost_top.model.secret import public_key

_KNOWN = re.compile(
    r"(?:sk|pk|rk|gsk|xai|vck|key|api|pplx|tgp|hf|pg|ak|nvapi|fw|csk|token|secret)[-_].{6}|AIza.{10}|AKIA.{10}|eyJ.{10}"
)
# An unbroken run of letters and digits mixed, as random keys have and names do not.
_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{12}")
_HEX_HASH = re.compile(r"[0-9a-f]{64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def looks_secret(token: str) -> bool:
    """True when `token` may be a key itself. A SHA-256 in hex (as LiteLLM keeps) and readable names are not.

    >>> looks_secret("sk-proj-abc123def456"), looks_secret("team-billing"), looks_secret("0f" * 32)
    (True, False, False)
    """
    if _HEX_HASH.fullmatch(token):
        return False
    return bool(_KNOWN.match(token) or _RANDOM.search(token) or _UUID.search(token)) or len(token) > 128


def public_token(token: str, is_key: bool = False) -> str:
    """`token` as it may be stored: itself when it is a public id, else its kind and hash.

    `is_key` says that it is known to be a key, whatever it looks like.

    >>> public_token("sk-ant-abc123def456ghi789"), public_token("team-billing")
    ('sk-ant-…af7dd544ddaa', 'team-billing')
    """
    if not is_key and not looks_secret(token):
        return token
    return public_key(token)


def header_token(headers: dict[str, str]) -> str | None:
    """The public form of the key in a request's headers, or None when they carry none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    key = value.strip() if value else "" if scheme.lower() in ("bearer", "basic") else scheme
    for name in ("x-api-key", "api-key", "x-goog-api-key"):
        key = key or headers.get(name, "")
    return public_token(key, is_key=True) if key else None
