"""The list price of one request: its tokens made consistent, a rate for each kind of them, the exact sum."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cost_top.model.modes import mode_word, region_word
from cost_top.pricing.book import Entry
from cost_top.pricing.rates import Quote, Rates

# An amount of one request that does not fit a BIGINT is no amount: the row is unpriced, in both engines.
MOST = 2**63 - 1


class Request(NamedTuple):
    """What a log says about one request. Tokens are nested (parts inside wholes), None is unknown.

    Audio tokens are parts of input and output, image tokens of output. Audio input counts as cached as far as it
    exceeds the input that is not. `zero_is_price` is the log's word on a reported cost of zero: True, it is the price;
    False, nobody knew one; None, not said. `reported_market_cost` is the list price as the gateway has it.
    """

    provider: str | None
    model: str | None
    time: datetime | None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    reported_cost: int | None = None
    mode: str | None = None
    cache_hit: bool | None = None
    credential_type: str | None = None
    status: int | None = None
    region: str | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_output_tokens: int | None = None
    web_search_count: int | None = None
    zero_is_price: bool | None = None
    reported_market_cost: int | None = None


class Part(NamedTuple):
    """One line of a price: tokens (or requests, searches), pico-dollars for each, and their product.

    A `rate` of None is unknown; such a part is not in the amount.
    """

    name: str
    tokens: int
    rate: int | None
    amount: int


class Tokens(NamedTuple):
    """Usage made consistent: nothing negative, parts inside their wholes, total input inclusive."""

    known: bool
    input: int
    cached: int
    write: int
    write_1h: int
    output: int
    reasoning: int

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return self.input > 0 or self.output > 0

    @property
    def too_many(self) -> bool:
        """Whether a count is beyond what is worked with."""
        return self.input > MOST or self.output > MOST


class Market(NamedTuple):
    """The list price of a request's tokens and the provider's cache discount in it."""

    quote: Quote
    amount: int
    prompt_cache_savings: int | None
    parts: tuple[Part, ...]
    input_known: bool = True  # False where an answer has a count and its question none
    output_known: bool = True  # False where it was not counted to its end

    @property
    def missing(self) -> str | None:
        """What is left out of the amount: what nobody counted, or the first kind of usage that has no rate."""
        if not (self.input_known and self.output_known):
            return "output" if self.input_known else "input"
        return next((part.name.replace(" ", "_") for part in self.parts if part.rate is None), None)

    @property
    def paid(self) -> int | None:
        """What the user pays of it, rounded half-even once."""
        if self.quote.paid is None:
            return self.amount
        numerator, denominator = self.quote.paid
        return _fitting(rounded(self.amount * numerator, denominator))


def rounded(numerator: int, denominator: int) -> int:
    """A fraction rounded to the nearest integer, halves to even.

    >>> rounded(5, 2), rounded(7, 2), rounded(8, 3)
    (2, 4, 3)
    """
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


def without_overlap(request: Request) -> Request:
    """A request whose written input is without what of it was read from the cache, as rows of logs are read.

    OpenAI counts a prefix as written that was read in part. Claude's never overlap.
    """
    total, cached = request.input_tokens or 0, request.cached_input_tokens or 0
    write, write_1h = request.cache_creation_input_tokens or 0, request.cache_creation_1h_tokens or 0
    inside = cached <= total and write <= total < cached + write
    if not inside or "claude" in (request.model or "claude").lower():
        return request
    rest = total - cached
    return request._replace(cache_creation_input_tokens=rest, cache_creation_1h_tokens=min(write_1h, rest))


def tokens_of(request: Request) -> Tokens:
    """The request's tokens, made consistent."""
    given = (
        request.input_tokens,
        request.cached_input_tokens,
        request.cache_creation_input_tokens,
        request.cache_creation_1h_tokens,
        request.output_tokens,
        request.reasoning_tokens,
    )
    total, cached, write, write_1h, output, reasoning = (max(value or 0, 0) for value in given)
    write = max(write, write_1h)
    # More in the parts than in the whole: the source does not count the parts as input.
    if cached + write > total:
        total += cached + write
    if reasoning > output:
        output += reasoning
    known = any(value is not None for value in given)
    return Tokens(known, total, cached, write, write_1h, output, reasoning)


def market_of(entry: Entry | None, request: Request, tokens: Tokens) -> Market | None:
    """The list price, or None when the model, its price then, the usage or the time is unknown."""
    if entry is None or request.time is None or not tokens.known or tokens.too_many:
        return None
    quote = entry.timeline.at(request.time, mode_word(request.mode), region_word(request.region))
    if quote is None or not quote.is_sure(tokens.input):
        return None
    rates = quote.rates(tokens.input)
    parts = _parts(rates, request, tokens)
    amount = _fitting(sum(part.amount for part in parts))
    known = request.input_tokens is not None or not tokens.output or not rates.input
    whole = not (quote.cut_off and rates.output)
    spoken = sum(part.tokens for part in parts if part.name == "cached audio input")
    savings = prompt_savings(rates, tokens, spoken)
    return None if amount is None else Market(quote, amount, savings, parts, known, whole)


def _parts(rates: Rates, request: Request, tokens: Tokens) -> tuple[Part, ...]:
    fresh = tokens.input - tokens.cached - tokens.write
    audio = max(request.audio_input_tokens or 0, 0)
    audio_input, spoken = min(audio, fresh), tokens.output - tokens.reasoning
    audio_cached = min(audio - audio_input, tokens.cached)
    audio_output = min(max(request.audio_output_tokens or 0, 0), spoken)
    image_output = min(max(request.image_output_tokens or 0, 0), spoken - audio_output)
    lines: tuple[tuple[str, int, int | None], ...] = (
        ("input", fresh - audio_input, rates.input),
        ("cached input", tokens.cached - audio_cached, rates.cached),
        ("cache creation", tokens.write - tokens.write_1h, rates.write),
        ("cache creation 1h", tokens.write_1h, rates.write_1h),
        ("output", spoken - audio_output - image_output, rates.output),
        ("reasoning", tokens.reasoning, rates.reasoning),
        ("audio input", audio_input, rates.audio_input),
        ("cached audio input", audio_cached, rates.audio_cached),
        ("audio output", audio_output, rates.audio_output),
        ("image output", image_output, rates.image_output),
        ("web search", max(request.web_search_count or 0, 0), rates.web_search),
        ("request", 1, rates.request),
    )
    return tuple(
        Part(name, count, rate, count * (rate or 0))
        for name, count, rate in lines
        if count and (rate or name != "request")
    )


def prompt_savings(rates: Rates, tokens: Tokens, spoken: int) -> int | None:
    """The cache discount, of `spoken` tokens that of audio, less the write premium; negative for writes nobody read."""
    if not (tokens.cached or tokens.write or spoken):
        return 0
    audio_input = rates.input if rates.audio_input is None else rates.audio_input
    audio_cached = rates.cached if rates.audio_cached is None else rates.audio_cached
    total = 0
    for count, gain in (
        (tokens.cached - spoken, rates.input - rates.cached),
        (spoken, audio_input - audio_cached),
        (tokens.write - tokens.write_1h, rates.input - rates.write),
        (tokens.write_1h, rates.input - rates.write_1h),
    ):
        total += count * gain
        if _fitting(count * gain) is None or _fitting(total) is None:
            return None
    return total


def _fitting(amount: int) -> int | None:
    return amount if -MOST - 1 <= amount <= MOST else None
