"""One row of the native log from what the caller knows and what request and answer tell."""

from __future__ import annotations

import itertools
import json
import os
import time
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from cost_top.model.modes import UNREADABLE_COST
from cost_top.model.native import COLUMNS
from cost_top.model.text import TEXT_LIMIT, clean
from cost_top.record.request import RequestFacts
from cost_top.usage.counts import Usage, mode_of, named_beside
from cost_top.usage.frames import signed_money

Row = tuple[Any, ...]
TAG_LIMIT = 64
_BIGINT = 2**63 - 1
_INTEGER = 2**31 - 1

# Who serves an API, where the API alone tells.
_PROVIDER_OF_API = {
    "anthropic.messages": "anthropic", "google.generateContent": "google", "cohere.v1": "cohere", "cohere.v2": "cohere",
    "groq.chat": "groq", "deepseek.chat": "deepseek", "xai.chat": "x-ai", "openrouter.chat": "openrouter",
    "bedrock.converse": "bedrock", "bedrock.invoke": "bedrock", "ollama.native": "ollama",
    "mistral.chat": "mistral", "together.chat": "together",
}  # fmt: skip
# Whose model it is, by the start of its name, for the APIs that many speak.
_PROVIDER_OF_MODEL = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("claude-", "anthropic"), ("gemini-", "google"), ("mistral-", "mistral"),
    ("ministral-", "mistral"), ("codestral-", "mistral"), ("magistral-", "mistral"), ("command-", "cohere"),
    ("deepseek-", "deepseek"), ("grok-", "x-ai"),
)  # fmt: skip
_PROVIDERS = {"openai", "anthropic", "google", "mistral", "cohere", "deepseek", "groq", "bedrock", "azure", "vertex"}


def compose(facts: RequestFacts, usage: Usage | None, api: str | None, known: dict[str, Any]) -> Row:
    """The values of `COLUMNS`; `known` holds what the caller said, which wins over what was read."""
    model = plain(known.get("model")) or (usage and plain(usage.model)) or plain(facts.model)
    latency = known.get("latency_ms")
    started = moment(known.get("started_at"), latency)
    hit = known.get("cache_hit")
    hit = hit if isinstance(hit, bool) else None
    streamed = known.get("streamed")
    cost, is_readable = _cost(known.get("cost_usd"), usage, hit)
    values = {
        "id": plain(known.get("id"))[:255] or _ids.new(started),
        "time_ms": started,
        "provider": plain(known.get("provider")) or provider_of(api, model) or None,
        "model": model or None,
        "endpoint": plain(known.get("endpoint")).partition("?")[0] or None,  # a query may carry a key
        "token": plain(known.get("token")) or None,
        "token_name": plain(known.get("token_name")) or None,
        "user_id": plain(known.get("user")) or plain(facts.user) or None,
        "owner": plain(known.get("owner")) or None,
        "team": plain(known.get("team")) or None,
        "tags": tags_json((*known.get("tags", ()), *facts.tags)),
        "credential_type": plain(known.get("credential_type")) or _credential(facts, usage),
        "cost_pico_usd": cost,
        "mode": _mode(known.get("mode"), usage, facts) if is_readable else UNREADABLE_COST,
        "session": plain(known.get("session")) or plain(usage and usage.session) or plain(facts.session) or None,
        "prompt": plain(known.get("prompt")) or plain(usage and usage.prompt) or plain(facts.prompt) or None,
        "region": plain(known.get("region")) or plain((usage and usage.region) or facts.region) or None,
        "cache_hit": hit,
        "latency_ms": whole(latency, _BIGINT),
        "status": whole(known.get("status"), _INTEGER),
        "streamed": streamed if isinstance(streamed, bool) else facts.streamed,
        "client_ip": plain(known.get("client_ip")) or None,
        "user_agent": plain(known.get("user_agent")) or None,
        **_tokens(usage),
    }
    row: Row = _in_order(values)
    return row


_in_order = itemgetter(*COLUMNS)
_UNKNOWN = dict.fromkeys(
    ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
     "output_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_output_tokens",
     "web_search_count")
)  # fmt: skip


def _tokens(usage: Usage | None) -> dict[str, int | None]:
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return _UNKNOWN
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_creation_1h_tokens": usage.cache_creation_1h_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_input_tokens": usage.audio_input_tokens or None,
        "audio_output_tokens": usage.audio_output_tokens or None,
        "image_output_tokens": usage.image_output_tokens or None,
        "web_search_count": usage.web_search_count or None,
    }


def _mode(said: object, usage: Usage | None, facts: RequestFacts) -> str | None:
    """What the caller or the answer says, else the request; what no count holds stays in it whoever speaks."""
    if usage is None or not usage.unrated:
        return plain(mode_of(said) or (usage and usage.mode) or facts.mode) or None
    if usage.mode == usage.unrated or said is not None:
        return plain(named_beside(mode_of(said) or facts.mode, usage.unrated))
    return plain(usage.mode)


def _credential(facts: RequestFacts, usage: Usage | None) -> str | None:
    """The answer says who paid where the provider tells; a request may only have asked for it."""
    if usage is not None and usage.byok is not None:
        return "byok" if usage.byok else "system"
    return "byok" if facts.byok else None


def _cost(said: object, usage: Usage | None, hit: bool | None) -> tuple[int | None, bool]:
    """What was charged, and whether what the caller said of it is an amount.

    An answer from the response cache repeats a cost that was charged once before.
    """
    if said is not None and said != "":
        cost = signed_money(said)
        return cost, cost is not None
    return None if usage is None or hit else usage.reported_cost, True


def plain(value: object) -> str:
    """Any value as short, clean, encodable text: '' for what is neither text nor a number.

    >>> plain("a\\x00b\\ud800"), plain(42), plain({"a": 1})
    ('ab', '42', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        if value.isascii() and value.isprintable() and len(value) <= TEXT_LIMIT:
            return value.strip()
        # Cut before cleaning, so that a megabyte costs no more than a line.
        return clean(value[: 4 * TEXT_LIMIT].encode("utf-8", "ignore").decode())
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if abs(value) < 10**30 else ""


def tags_json(tags: tuple[object, ...]) -> str | None:
    """Distinct tags in their order as a JSON array; None when there is none.

    >>> tags_json(("prod", "", "prod", "plan:pro"))
    '["prod", "plan:pro"]'
    """
    if not tags:
        return None
    kept = dict.fromkeys([text for tag in tags[: 4 * TAG_LIMIT] if (text := plain(tag))])
    return _array(tuple(kept)[:TAG_LIMIT]) if kept else None


_array = lru_cache(maxsize=256)(json.JSONEncoder(ensure_ascii=False).encode)


def whole(value: object, limit: int) -> int | None:
    """A number from 0 to `limit` as an integer; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= limit:
        return None
    return round(value)


def moment(started_at: object, latency_ms: object) -> int:
    """The start of the request in Unix milliseconds: what was said, else now less the latency."""
    if isinstance(started_at, datetime):
        started_at = (started_at if started_at.tzinfo else started_at.replace(tzinfo=UTC)).timestamp()
    if isinstance(started_at, int | float) and whole(started_at, 10**11) is not None:
        return round(started_at * 1000)
    return int(time.time() * 1000) - (whole(latency_ms, 10**10) or 0)


class _Ids:
    """Unique ids that sort by time, so that the key's index grows at one end.

    Random once per process and counted from there: asking the system for each would give up the interpreter's lock
    thousands of times a second, which keeps the writer's thread from ever getting it.
    """

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self._process = os.urandom(8).hex()
        self._number = itertools.count()

    def new(self, time_ms: int) -> str:
        return f"{time_ms & 0xFFFFFFFFFFFF:012x}{self._process}{next(self._number):010x}"


_ids = _Ids()


@lru_cache(maxsize=1024)
def provider_of(api: str | None, model: str) -> str:
    """Who was called, as far as API and model name tell; else ''.

    >>> provider_of("openai.chat", "anthropic/claude-sonnet-4.6"), provider_of("openai.chat", "gpt-4o")
    ('anthropic', 'openai')
    """
    if served := _PROVIDER_OF_API.get(api or ""):
        return served
    creator, slash, _ = model.partition("/")
    if slash and creator in _PROVIDERS:
        return creator
    return next((provider for start, provider in _PROVIDER_OF_MODEL if model.startswith(start)), "")
