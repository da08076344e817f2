"""The exact price of one request, in integer pico-dollars. `rate_join` is the same arithmetic over many rows."""

from __future__ import annotations

from typing import NamedTuple

from cost_top.model.modes import UNREADABLE_COUNT, mode_word, region_word
from cost_top.pricing.amount import MOST, Market, Part, Request, Tokens, market_of, tokens_of
from cost_top.pricing.book import Entry, RateBook
from cost_top.pricing.match import Match

# Nobody heard the answer to the end, which the provider may have given and billed all the same.
TIMEOUTS = (408, 499, 504, 524, 598, 599)
# A reported cost is beyond belief when it is more than this many times the list price, and by more than ten cents.
BELIEVABLE_TIMES, BELIEVABLE_MARGIN = 100, 10**11


class Priced(NamedTuple):
    """The answer. Amounts in pico-dollars; None is unknown.

    `cost` is what is paid. `market_cost` is the list price of the tokens; for a response-cache hit that of the tokens
    avoided, so that `market_cost - cost - saved_by_cache` is what was paid below market. `status` is one of reported,
    priced, free, cache_hit, unpriced, no_usage. An `unpriced` request may have a `cost`: what of it is known.
    `doubt` says why a request is unpriced, or why its reported cost is not believed: a key of `model.doubts.WORDS`.
    """

    status: str
    cost: int | None
    market_cost: int | None
    saved_by_cache: int | None
    prompt_cache_savings: int | None
    match: Match | None = None
    parts: tuple[Part, ...] = ()
    rate_source: str = ""
    doubt: str | None = None


def price(book: RateBook, request: Request) -> Priced:
    """What a request costs. Never raises, whatever the log says."""
    entry = book.entry(request.provider, request.model)
    tokens = tokens_of(request)
    market = market_of(entry, request, tokens)
    match = entry.match if entry else None
    status, cost, list_price, saved, prompt = _verdict(request, tokens, market)
    own = request.reported_market_cost or 0
    if status == "reported" and (own < 0 if (cost or 0) < 0 else own > 0 and not _bought_nothing(request, tokens)):
        list_price = own  # the gateway knows its list price better than the released rates
    source = "reported by the log" if status == "reported" else market.quote.source if market else ""
    parts = market.parts if market else ()
    doubt = _doubt(status, entry, request, tokens, market)
    return Priced(status, cost, list_price, saved, prompt, match, parts, source, doubt)


def _bought_nothing(request: Request, tokens: Tokens) -> bool:
    """A failure whose tokens cost nothing."""
    explained = request.zero_is_price or _own_key(request) or not _used(request, tokens)
    return request.reported_cost == 0 and _failed(request) and not explained


def _doubt(status: str, entry: Entry | None, request: Request, tokens: Tokens, market: Market | None) -> str | None:
    if request.cache_hit or status == "reported":
        return _doubt_of_known_cost(request, tokens, market)
    if status != "unpriced":
        return None
    if request.reported_cost == 0 and not (market is not None and market.quote.override and market.missing):
        return "zero"
    return market.missing if market is not None else _unrated(entry, request, tokens)


def _doubt_of_known_cost(request: Request, tokens: Tokens, market: Market | None) -> str | None:
    if _lacks_a_part(request, tokens, market):
        return "list_price"
    if request.cache_hit:
        return None
    if _unheard(request, tokens):
        return "timeout"
    if request.mode == UNREADABLE_COUNT:
        return "count"
    return "cost" if market is not None and _beyond_belief(request.reported_cost, market) else None


def _lacks_a_part(request: Request, tokens: Tokens, market: Market | None) -> bool:
    """Whether list price or savings are those of the rates, which leave a part of the request out."""
    if market is None or market.missing is None:
        return False
    if request.cache_hit:
        return True
    if (request.reported_cost or 0) > 0 or (request.reported_market_cost or 0) > 0:
        return False
    given = request.reported_cost == 0 and request.zero_is_price is True and _used(request, tokens)
    return given or _own_key(request)


def _used(request: Request, tokens: Tokens) -> bool:
    return tokens.any or (request.web_search_count or 0) > 0


def _unheard(request: Request, tokens: Tokens) -> bool:
    """Whether it timed out at a price of zero that nobody vouches for."""
    explained = request.zero_is_price or _own_key(request)
    return request.reported_cost == 0 and request.status in TIMEOUTS and _used(request, tokens) and not explained


def _unrated(entry: Entry | None, request: Request, tokens: Tokens) -> str:
    if entry is None:
        return "model"
    if request.time is None or tokens.input > MOST:
        return "time"
    mode, region, timeline = mode_word(request.mode), region_word(request.region), entry.timeline
    quote = timeline.at(request.time, mode, region)
    if quote is not None and not quote.is_sure(tokens.input):
        return "rounds"
    rated = [timeline.at(request.time, *asked) is not None for asked in ((), (mode,), (mode, region))]
    return no_rate(entry.match, *rated)


def no_rate(match: Match, at_all: bool, in_mode: bool, in_region: bool) -> str:
    """Why a known model has no rate: an unknown tail of its name, the time, the mode or the region."""
    if not at_all:
        return "name" if match.unsure else "time"
    return "mode" if not in_mode else "region" if not in_region else "time"


def _beyond_belief(reported: int | None, market: Market) -> bool:
    if reported is None or market.amount <= 0 or market.missing:
        return False
    return reported // BELIEVABLE_TIMES > market.amount and reported - market.amount > BELIEVABLE_MARGIN


_Verdict = tuple[str, int | None, int | None, int | None, int | None]


def _verdict(request: Request, tokens: Tokens, market: Market | None) -> _Verdict:
    """Status, cost, market cost, saved by the response cache, saved by the prompt cache."""
    reported = request.reported_cost
    if request.cache_hit:
        return _hit(request, tokens, market)
    if _own_key(request) and (reported is not None or tokens.known):
        return _by_its_owner(reported, market)
    if reported is None:
        return _not_reported(tokens, market)
    if reported < 0:
        # A refund or correction takes back as much of the list price as of the cost.
        return "reported", reported, reported, 0, 0
    if reported != 0 or not _used(request, tokens):
        return _charged(reported, request, market)
    return _zero(request, market)


def _by_its_owner(reported: int | None, market: Market | None) -> _Verdict:
    """The provider bills the key's owner: nothing was charged here, and what is reported is what that bill says."""
    amount = market.amount if market else None
    list_price = reported if reported is not None and reported > 0 else amount
    return "reported", 0, list_price, 0, market.prompt_cache_savings if market else None


def _charged(reported: int, request: Request, market: Market | None) -> _Verdict:
    """A reported cost with a reason: an amount, or a zero without tokens."""
    if reported == 0 and request.zero_is_price is False and not _failed(request):
        return "no_usage", None, None, None, None
    amount = market.amount if market else None
    # Something was charged that tokens do not explain: market is at least unknown, not nothing.
    unexplained = reported > 0 and (not amount or (market is not None and market.missing is not None))
    prompt = market.prompt_cache_savings if market else None
    return "reported", reported, reported if unexplained else amount, 0, prompt


def _not_reported(tokens: Tokens, market: Market | None) -> _Verdict:
    """The log says nothing of the cost: it comes from the rates."""
    if not tokens.known:
        return "no_usage", None, None, None, None
    paid = market.paid if market else None
    if market is None or paid is None:
        return "unpriced", None, None, None, None
    status = "unpriced" if market.missing else "free" if market.quote.free else "priced"
    return status, paid, market.amount, 0, market.prompt_cache_savings


def _hit(request: Request, tokens: Tokens, market: Market | None) -> _Verdict:
    """The gateway answered: paid is what it reports, saved is the list price less that."""
    paid = 0 if _own_key(request) else request.reported_cost or 0
    if market is not None:
        return "cache_hit", paid, market.amount, market.amount - max(paid, 0), 0
    # A hit whose avoided tokens have no price is to be counted: its saving is unknown, not nothing.
    status = "unpriced" if tokens.known else "cache_hit"
    return status, paid, paid if paid > 0 else None, None, None


def _zero(request: Request, market: Market | None) -> _Verdict:
    """Zero was reported for tokens: believable where the log says so, for free models and for errors."""
    amount = market.amount if market else None
    prompt = market.prompt_cache_savings if market else None
    if market is not None and market.quote.free:
        return "free", 0, 0, 0, 0
    if request.zero_is_price:
        return "reported", 0, amount, 0, prompt
    if _failed(request):
        return "reported", 0, 0, 0, 0
    if market is not None and market.quote.override and (paid := market.paid) is not None:
        return "unpriced" if market.missing else "priced", paid, amount, 0, prompt
    return "unpriced", 0, amount, 0, prompt


def _failed(request: Request) -> bool:
    return request.status is not None and request.status >= 400


def _own_key(request: Request) -> bool:
    return (request.credential_type or "").strip(" ").lower() == "byok"
