"""The exact price of one request, in integer pico-dollars. `rate_join` is the same arithmetic over many rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cost_top.pricing.book import Entry, RateBook
from cost_top.pricing.match import Match
from cost_top.pricing.rates import MODE_NUMBER, STANDARD, Quote, Rates

# An amount of one request that does not fit a BIGINT is no amount: the row is unpriced, in both engines.
MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """What a log says about one request. Tokens are nested (parts inside wholes), None is unknown.

    Audio tokens are parts of input, cached input and output; few logs carry them.
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
    audio_input_tokens: int = 0
    audio_cached_tokens: int = 0
    audio_output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a price: tokens, pico-dollars per token, and their product."""

    name: str
    tokens: int
    rate: int
    amount: int


@dataclass(frozen=True, slots=True)
class Priced:
    """The answer. Amounts in pico-dollars; None is unknown.

    `cost` is what is paid. `market_cost` is the list price of the tokens; for a response-cache hit that of the tokens
    avoided, so that `market_cost - cost - saved_by_cache` is what was paid below market. `status` is one of reported,
    priced, free, cache_hit, unpriced, no_usage.
    """

    status: str
    cost: int | None
    market_cost: int | None
    saved_by_cache: int | None
    prompt_cache_savings: int | None
    match: Match | None = None
    parts: tuple[Part, ...] = ()
    rate_source: str = ""


@dataclass(frozen=True, slots=True)
class _Tokens:
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
        return self.input > 0 or self.output > 0


@dataclass(frozen=True, slots=True)
class _Market:
    """The list price of a request's tokens and the provider's cache discount in it."""

    quote: Quote
    amount: int
    prompt_cache_savings: int | None
    parts: tuple[Part, ...]

    @property
    def paid(self) -> int | None:
        """What the user pays of it, rounded half-even once."""
        if self.quote.paid is None:
            return self.amount
        numerator, denominator = self.quote.paid
        return _fitting(rounded(self.amount * numerator, denominator))


def price(book: RateBook, request: Request) -> Priced:
    """What a request costs. Never raises, whatever the log says."""
    entry = book.entry(request.provider, request.model)
    tokens = _tokens(request)
    market = _market(entry, request, tokens)
    match = entry.match if entry else None
    status, cost, list_price, saved, prompt = _verdict(request, tokens, market)
    source = "reported by the log" if status == "reported" else market.quote.source if market else ""
    return Priced(status, cost, list_price, saved, prompt, match, market.parts if market else (), source)


def rounded(numerator: int, denominator: int) -> int:
    """A fraction rounded to the nearest integer, halves to even.

    >>> rounded(5, 2), rounded(7, 2), rounded(8, 3)
    (2, 4, 3)
    """
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole % 2 == 1))


def mode_of(text: str | None) -> str:
    """A logged service tier as one of the modes of the rates; anything else is standard.

    >>> mode_of(" Batch"), mode_of("default"), mode_of(None)
    ('batch', 'standard', 'standard')
    """
    mode = (text or "").strip(" ").lower()
    return mode if mode in MODE_NUMBER else STANDARD


def _tokens(request: Request) -> _Tokens:
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
    known = any(value is not None for value in given)
    return _Tokens(known, total, cached, write, write_1h, output, min(reasoning, output))


def _market(entry: Entry | None, request: Request, tokens: _Tokens) -> _Market | None:
    """The list price, or None when the model, its price then, the usage or the time is unknown."""
    if entry is None or request.time is None or not tokens.known or tokens.input > MOST:
        return None
    quote = entry.timeline.at(request.time, mode_of(request.mode))
    if quote is None:
        return None
    rates = quote.rates(tokens.input)
    parts = _parts(rates, request, tokens)
    amount = _fitting(sum(part.amount for part in parts))
    return None if amount is None else _Market(quote, amount, _prompt_savings(rates, tokens), parts)


def _parts(rates: Rates, request: Request, tokens: _Tokens) -> tuple[Part, ...]:
    audio_cached = min(max(request.audio_cached_tokens, 0), tokens.cached)
    fresh = tokens.input - tokens.cached - tokens.write
    audio_input = min(max(request.audio_input_tokens - audio_cached, 0), fresh)
    audio_output = min(max(request.audio_output_tokens, 0), tokens.output - tokens.reasoning)
    lines = (
        ("input", fresh - audio_input, rates.input),
        ("cached input", tokens.cached - audio_cached, rates.cached),
        ("cache creation", tokens.write - tokens.write_1h, rates.write),
        ("cache creation 1h", tokens.write_1h, rates.write_1h),
        ("output", tokens.output - tokens.reasoning - audio_output, rates.output),
        ("reasoning", tokens.reasoning, rates.reasoning),
        ("audio input", audio_input, rates.audio_input),
        ("cached audio input", audio_cached, rates.audio_cached),
        ("audio output", audio_output, rates.audio_output),
        ("request", 1, rates.request),
    )
    return tuple(
        Part(name, count, rate, count * rate) for name, count, rate in lines if count and (rate or name != "request")
    )


def _prompt_savings(rates: Rates, tokens: _Tokens) -> int | None:
    """The cache discount less the write premium; negative when writes are not read again."""
    total = 0
    for count, gain in (
        (tokens.cached, rates.input - rates.cached),
        (tokens.write - tokens.write_1h, rates.input - rates.write),
        (tokens.write_1h, rates.input - rates.write_1h),
    ):
        total += count * gain
        if _fitting(count * gain) is None or _fitting(total) is None:
            return None
    return total


_Verdict = tuple[str, int | None, int | None, int | None, int | None]


def _verdict(request: Request, tokens: _Tokens, market: _Market | None) -> _Verdict:
    """Status, cost, market cost, saved by the response cache, saved by the prompt cache."""
    reported = request.reported_cost
    if request.cache_hit:
        return _hit(reported, tokens, market)
    if reported is None:
        return _not_reported(request, tokens, market)
    if reported != 0 or not tokens.any:
        amount = market.amount if market else None
        # Something was charged that tokens do not explain: market is at least unknown, not nothing.
        list_price = reported if reported > 0 and not amount else amount
        return "reported", reported, list_price, 0, market.prompt_cache_savings if market else None
    return _zero(request, market)


def _not_reported(request: Request, tokens: _Tokens, market: _Market | None) -> _Verdict:
    """The log says nothing of the cost: it comes from the rates, but for what was not charged here."""
    if not tokens.known:
        return "no_usage", None, None, None, None
    if _own_key(request):
        # The provider bills the key's owner: nothing was charged here.
        return "reported", 0, market.amount if market else None, 0, market.prompt_cache_savings if market else None
    paid = market.paid if market else None
    if market is None or paid is None:
        return "unpriced", None, None, None, None
    status = "free" if market.quote.free else "priced"
    return status, paid, market.amount, 0, market.prompt_cache_savings


def _hit(reported: int | None, tokens: _Tokens, market: _Market | None) -> _Verdict:
    """The gateway answered: paid is what it reports, saved is the list price less that."""
    paid = reported or 0
    if market is not None:
        return "cache_hit", paid, market.amount, market.amount - max(paid, 0), 0
    # A hit whose avoided tokens have no price is to be counted: its saving is unknown, not nothing.
    status = "unpriced" if tokens.known else "cache_hit"
    return status, paid, paid if paid > 0 else None, None, None


def _zero(request: Request, market: _Market | None) -> _Verdict:
    """Zero was reported for tokens: believable for free models, own keys and errors, else a price nobody knew."""
    amount = market.amount if market else None
    prompt = market.prompt_cache_savings if market else None
    if market is not None and market.quote.free:
        return "free", 0, 0, 0, 0
    if _own_key(request):
        return "reported", 0, amount, 0, prompt
    if request.status is not None and request.status >= 400:
        return "reported", 0, 0, 0, 0
    if market is not None and market.quote.override and (paid := market.paid) is not None:
        return "priced", paid, amount, 0, prompt
    return "unpriced", 0, amount, 0, prompt


def _own_key(request: Request) -> bool:
    return (request.credential_type or "").strip(" ").lower() == "byok"


def _fitting(amount: int) -> int | None:
    return amount if -MOST - 1 <= amount <= MOST else None
