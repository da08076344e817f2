"""Dollars for usage that an API reports without any: its tokens at the rates of the moment their bucket begins.

Sums of many requests cannot be priced like one request: where longer requests cost more per token, the sum says
nothing of their length. It is told by `Usage.context`, or the lowest price that may hold is taken and marked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cost_top.model.modes import mode_word, region_word
from cost_top.pricing.amount import Tokens, prompt_savings, rounded
from cost_top.pricing.book import RateBook
from cost_top.pricing.rates import Quote, Rates


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the requests of one model in one bucket of time. Parts are inside their wholes, None is unknown.

    `context` bounds the input of each single request as far as the API tells: more than the first, at most the
    second. `audio_input_tokens` are those that were not read from the cache.
    """

    model: str | None
    time: datetime
    mode: str | None = None
    region: str | None = None
    context: tuple[int, int | None] = (0, None)
    request_count: int | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_1h_tokens: int | None = None
    output_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_cached_tokens: int | None = None
    audio_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Valued:
    """What usage costs, in pico-dollars; None without a rate.

    `longer` is set where requests of more input tokens than that cost more and may be among these: then `cost` is
    the least they cost.
    """

    cost: int | None
    prompt_cache_savings: int | None = None
    longer: int | None = None


def value_usage(book: RateBook, provider: str, usage: Usage) -> Valued:
    """What usage costs by our rates. Never raises, whatever the API says."""
    entry = book.entry(provider, usage.model)
    quote = entry.timeline.at(usage.time, mode_word(usage.mode), region_word(usage.region)) if entry else None
    if quote is None or usage.input_tokens is None or usage.output_tokens is None:
        return Valued(None)
    over, up_to = usage.context
    rates = quote.rates(over + 1)
    amount, savings = _amount(rates, usage)
    if amount is None:
        return Valued(None)
    longer = next((start for start in quote.starts if over < start and (up_to is None or start < up_to)), None)
    return Valued(_paid(quote, amount), savings, longer)


def _amount(rates: Rates, usage: Usage) -> tuple[int | None, int | None]:
    """The list price (None where a kind of token has no rate) and the prompt cache's discount less its premium."""
    cached = usage.cached_input_tokens or 0
    write_1h = usage.cache_creation_1h_tokens or 0
    write = max(usage.cache_creation_input_tokens or 0, write_1h)
    fresh = max((usage.input_tokens or 0) - cached - write, 0)
    output = usage.output_tokens or 0
    audio_input = min(usage.audio_input_tokens or 0, fresh)
    audio_cached = min(usage.audio_cached_tokens or 0, cached)
    audio_output = min(usage.audio_output_tokens or 0, output)
    lines = (
        (fresh - audio_input, rates.input),
        (cached - audio_cached, rates.cached),
        (write - write_1h, rates.write),
        (write_1h, rates.write_1h),
        (output - audio_output, rates.output),
        (audio_input, rates.audio_input),
        (audio_cached, rates.audio_cached),
        (audio_output, rates.audio_output),
        (usage.request_count or 0, rates.request),
    )
    unrated = any(count and rate is None for count, rate in lines)
    amount = None if unrated else sum(count * (rate or 0) for count, rate in lines)
    tokens = Tokens(True, usage.input_tokens or 0, cached, write, write_1h, output, 0)
    return amount, prompt_savings(rates, tokens, audio_cached)


def _paid(quote: Quote, amount: int) -> int:
    return amount if quote.paid is None else rounded(amount * quote.paid[0], quote.paid[1])
