"""The exported rates and our arithmetic against genai-prices itself, wherever no correction says otherwise."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import Priced, price

genai_prices = pytest.importorskip("genai_prices", exc_type=ImportError)

BOOK = RateBook.load()
CASES = 20_000
CONTEXTS = {
    "standard": None,
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
# From this day on upstream knows every mode; before it, the day somebody checked a price hides it.
MODES_KNOWN = datetime(2026, 11, 5, tzinfo=UTC)


def theirs(request: Request, context: dict[str, str] | None) -> int | None:
    usage = genai_prices.Usage(
        input_tokens=request.input_tokens,
        cache_read_tokens=request.cached_input_tokens,
        cache_write_tokens=request.cache_creation_input_tokens,
        cache_write_1h_tokens=request.cache_creation_1h_tokens,
        output_tokens=request.output_tokens,
        output_reasoning_tokens=request.reasoning_tokens,
    )
    try:
        found = genai_prices.calc_price(
            usage,
            request.model,
            provider_id=request.provider,
            genai_request_timestamp=request.time,
            price_context=context,
        )
    except LookupError:
        return None
    scaled = found.total_price * 10**12
    # Upstream prices with float noise below a pico-dollar per token are rounded here.
    return int(scaled) if scaled == int(scaled) else None


def random_request(dice: random.Random, provider: str, model: str, mode: str) -> Request:
    start = MODES_KNOWN if mode != "standard" else datetime(2024, 1, 1, tzinfo=UTC)
    span = datetime(2027, 2, 1, tzinfo=UTC) - start
    total = dice.choice((dice.randrange(1, 2000), dice.randrange(1, 400_000), 200_000, 200_001, 199_999, 272_001))
    cached = dice.choice((0, dice.randrange(total + 1)))
    written = dice.choice((0, dice.randrange(total - cached + 1)))
    output = dice.randrange(20_000)
    return Request(
        provider,
        model,
        start + timedelta(seconds=dice.randrange(int(span.total_seconds()))),
        total,
        cached,
        written,
        dice.choice((0, dice.randrange(written + 1))),
        output,
        dice.choice((0, dice.randrange(output + 1))),
        mode=mode,
    )


def corrected(priced: Priced) -> bool:
    return priced.rate_source.startswith("correction")


def test_equals_genai_prices_where_it_is_right() -> None:
    dice = random.Random(20261121)
    models = [(provider, model) for provider, model, _ in BOOK.models() if provider != "deepseek"]
    compared = 0
    while compared < CASES:
        mode = dice.choice(("standard", "standard", "standard", "batch", "flex", "priority"))
        request = random_request(dice, *dice.choice(models), mode)
        priced = price(BOOK, request)
        expected = theirs(request, CONTEXTS[mode])
        if expected is None or priced.cost is None or corrected(priced):
            continue
        assert priced.cost == expected, (request, priced)
        compared += 1


def test_every_upstream_model_is_found() -> None:
    lost = [
        (provider.id, model.id)
        for provider in genai_prices.data_snapshot.get_snapshot().providers
        for model in provider.models
        if theirs_finds(provider.id, model.id) and BOOK.match(provider.id, model.id) is None
    ]
    assert lost == []


def theirs_finds(provider: str, model: str) -> bool:
    try:
        genai_prices.data_snapshot.get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return False
    return True
