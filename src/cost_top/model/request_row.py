"""A request as it is listed: a row of the log with what it cost and how that is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PricePart:
    """One line of a request's list price: so many tokens (or searches) of a kind at a rate, in pico-dollars.

    A `rate` of None is not known; such a part is not in the price.
    """

    name: str
    count: int
    rate: int | None
    amount: int


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request as listed. Money in pico-dollars; None is unknown."""

    id: str
    time: datetime
    provider: str | None
    model: str | None
    endpoint: str | None
    token: str | None
    token_name: str | None
    user: str | None
    owner: str | None
    team: str | None
    tags: tuple[str, ...]
    credential_type: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_creation_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost: int | None
    market_cost: int | None
    saved_by_cache: int | None
    prompt_cache_savings: int | None
    price_status: str
    cache_hit: bool | None
    latency_ms: int | None
    status: int | None
    streamed: bool | None
    client_ip: str | None
    user_agent: str | None
    session: str | None = None
    prompt: str | None = None
    mode: str | None = None
    region: str | None = None
    cache_creation_1h_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    web_search_count: int | None = None
    reported_cost: int | None = None
    doubt: str | None = None  # why it is unpriced or its reported cost not believed: a key of `doubts.WORDS`
    matched_model: str | None = None  # rate that priced it, and how its name matched
    price_parts: tuple[PricePart, ...] = ()  # the arithmetic of the list price, in short lists
