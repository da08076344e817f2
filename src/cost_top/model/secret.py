"""API keys, session tokens and JWTs in texts of a log: a kind and a hash stand for them, everywhere.

A key is known by its prefix and its length, never by looking random: UUIDs, e-mails and ids stay as they are. Where
a whole column may hold keys of any look, its preset says so. The hash is the first 12 hex digits of the key's
SHA-256, so that an owner can find a key's rows: `printf %s "$KEY" | sha256sum | cut -c1-12`.

The same rules are spelled for DuckDB (RE2), which reads a log's rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

# What a key begins with, and what follows it: 20 characters and more in all. No single quotes, no groups of their own.
_KEYS = (
    ("sk[-_]", "[A-Za-z0-9_-]{17,}"),  # OpenAI, Anthropic, OpenRouter, LiteLLM, Langfuse, Stripe, ...
    ("AIza|github_pat_|glpat-|xox[abeprs]-|xapp-|rk_live_|rk_test_|nvapi-|tgp_v1_|lsv2_pt_|lsv2_sk_|pcsk_|tvly-",
     "[A-Za-z0-9_-]{16,}"),
    # These begin names of models and servers too, whose words are joined by dashes.
    ("hf_|fw_|r8_", "[A-Za-z0-9]{17,}"),
    ("AKIA|ASIA|gh[pousr]_|dapi|npm_|gsk_|xai-|vck_|jina_|pplx-|csk-", "[A-Za-z0-9]{16,}"),
    ("SG[.]|ya29[.]|ABSK|bedrock-api-key-|IQoJb3JpZ2lu|FwoGZXIvYXdz", "[A-Za-z0-9_+/=.~-]{17,}"),
    ("sess-", "[A-Za-z0-9]{30,}"),  # OpenAI's sessions; shorter ones are ids
    ("eyJ", "[A-Za-z0-9_-]+[.][A-Za-z0-9_.-]{8,}"),  # JWT, JWE
)  # fmt: skip
_START = "^|[^A-Za-z0-9]"  # where no word goes on: `task-…` holds no key
KEY_RE2 = f"({_START})({'|'.join(f'(?:{start}){rest}' for start, rest in _KEYS)})"
# Finds every text with a key and a few others, in a quarter of the time.
MAYBE_KEY_RE2 = f"(?:{_START})(?:{'|'.join(start for start, _ in _KEYS)})[A-Za-z0-9]"
# "sk-", "sk-ant-", "corp-": what kind of key it is, never a part of the secret.
KIND_RE2 = "AIza|AKIA|ASIA|eyJ|[A-Za-z]{1,6}(?:[-_](?:ant|proj|or|live|test|proxy|svcacct|admin))?[-_]"
BEARER_RE2 = "^[Bb][Ee][Aa][Rr][Ee][Rr] +"
_SHA256 = "[0-9a-fA-F]{64}"
_PUBLIC = "[A-Za-z_-]{0,16}…[0-9a-f]{12}"
# Bumped by any change of a rule: what was kept by other rules is then read again.
RULES = sha256("\n".join((KEY_RE2, KIND_RE2, BEARER_RE2, _PUBLIC)).encode()).hexdigest()[:16]

_KEY = re.compile(KEY_RE2)
_MAYBE = re.compile(MAYBE_KEY_RE2)
_KIND = re.compile(KIND_RE2)
_BEARER = re.compile(BEARER_RE2)


def public_key(key: str) -> str:
    """The kind and hash that stand for a key; `Bearer ` before it is no part of it.

    >>> public_key("sk-ant-abc123def456ghi789"), public_key("Bearer maxkey123")
    ('sk-ant-…af7dd544ddaa', '…89da5c5ebcf8')
    """
    key = _BEARER.sub("", key)
    kind = _KIND.match(key)
    prefix = kind[0] if kind and len(key) >= 3 * len(kind[0]) else ""
    return f"{prefix}…{_digest(key)[:12]}"


def public_text(text: str) -> str:
    """`text` with every key in it replaced by its kind and hash.

    >>> public_text("key:sk-proj-abcdefghij0123456789"), public_text("pg_live_xy7k2mq9")
    ('key:sk-proj-…ee70464b4bd9', 'pg_live_xy7k2mq9')
    """
    return _KEY.sub(lambda match: match[1] + public_key(match[2]), text)


def public_value(text: str, public: str | None) -> str:
    """A text as it may be shown; in a column of keys `public` is the pattern of `public_re2`."""
    return text if public is None or not text or re.fullmatch(public, text) else public_key(text)


def key_forms(text: str) -> tuple[str, ...]:
    """How a log's column of keys may spell the key `text`: as it is, as its public form, by its SHA-256."""
    if re.fullmatch(f"{_SHA256}|{_PUBLIC}", text):
        return (text,)
    return (text, public_key(text), _digest(_BEARER.sub("", text)))


def has_key(text: str) -> bool:
    """Whether there is a key in `text`."""
    return _KEY.search(text) is not None


def maybe_key(text: str) -> bool:
    """Whether something in `text` begins as a key does, however short it is."""
    return _MAYBE.search(text) is not None


def public_re2(markers: Iterable[str]) -> str:
    """What a column of keys may show: a SHA-256, a public form, or one of the gateway's own `markers`.

    `{sha256}` in a marker stands for 64 hex digits.
    """
    known = (re.escape(marker).replace(re.escape("{sha256}"), _SHA256) for marker in markers)
    return "|".join((_SHA256, _PUBLIC, *known))


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
