"""What each kind of logged row costs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.pricing.amount import Request, rounded
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import Priced, price
from cost_top.pricing.rates import Schedule

BOOK = RateBook.load()
NOON = datetime(2025, 11, 15, 12, tzinfo=UTC)
# 1000 x 2.5 + 100 x 10 = 3.5 milli-USD
GPT = Request("openai", "gpt-4o", NOON, 1000, 0, 0, 0, 100)
MARKET = 3_500_000_000
OLLAMA = Request("ollama", "llama3", NOON, 1000, output_tokens=100)
UNKNOWN = Request("openai", "gpt-9-ultra", NOON, 1000, output_tokens=100)

CASES = [
    ("tokens", GPT, ("priced", MARKET, MARKET, 0, 0)),
    ("no tokens cost nothing", GPT._replace(input_tokens=0, output_tokens=0), ("priced", 0, 0, 0, 0)),
    ("an unknown model", UNKNOWN, ("unpriced", None, None, None, None)),
    ("no usage", Request("openai", "gpt-4o", NOON), ("no_usage", None, None, None, None)),
    ("an unknown time", GPT._replace(time=None), ("unpriced", None, None, None, None)),
    ("a model of one's own machine", OLLAMA, ("free", 0, 0, 0, 0)),
    ("reported stays as paid", GPT._replace(reported_cost=5), ("reported", 5, MARKET, 0, 0)),
    ("reported without a rate", UNKNOWN._replace(reported_cost=5), ("reported", 5, 5, 0, None)),
    (
        "reported without tokens",
        GPT._replace(input_tokens=None, cached_input_tokens=None, cache_creation_input_tokens=None,
                cache_creation_1h_tokens=None, output_tokens=None, reported_cost=5),
        ("reported", 5, 5, 0, None),
    ),
    ("reported for something else than tokens", GPT._replace(input_tokens=0, output_tokens=0, reported_cost=5),
     ("reported", 5, 5, 0, 0)),
    ("a refund", GPT._replace(reported_cost=-5), ("reported", -5, -5, 0, 0)),
    ("a hit", GPT._replace(cache_hit=True), ("cache_hit", 0, MARKET, MARKET, 0)),
    ("a hit that was charged", GPT._replace(cache_hit=True, reported_cost=500_000_000),
     ("cache_hit", 500_000_000, MARKET, 3_000_000_000, 0)),
    ("a hit on an unknown model", UNKNOWN._replace(cache_hit=True), ("unpriced", 0, None, None, None)),
    ("a hit without usage", Request("openai", "gpt-4o", NOON, cache_hit=True), ("cache_hit", 0, None, None, None)),
    ("a hit on a free model", OLLAMA._replace(cache_hit=True), ("cache_hit", 0, 0, 0, 0)),
    ("a zero nobody explains", GPT._replace(reported_cost=0), ("unpriced", 0, MARKET, 0, 0)),
    ("a zero for an unknown model", UNKNOWN._replace(reported_cost=0), ("unpriced", 0, None, 0, None)),
    ("a zero for an own key", GPT._replace(reported_cost=0, credential_type="BYOK"), ("reported", 0, MARKET, 0, 0)),
    ("a zero for an error", GPT._replace(reported_cost=0, status=429), ("reported", 0, 0, 0, 0)),
    ("a zero for a free model", OLLAMA._replace(reported_cost=0), ("free", 0, 0, 0, 0)),
    ("a zero for no tokens", GPT._replace(input_tokens=0, output_tokens=0, reported_cost=0), ("reported", 0, 0, 0, 0)),
    ("negative tokens", GPT._replace(input_tokens=-5), ("priced", 1_000_000_000, 1_000_000_000, 0, 0)),
    ("an amount beyond 64 bits", GPT._replace(input_tokens=10**15), ("unpriced", None, None, None, None)),
    # 400 read at 1.25 instead of 2.5, in an input that is taken to be exclusive: 100 + 400.
    ("parts beyond the whole", GPT._replace(input_tokens=100, cached_input_tokens=400, output_tokens=0),
     ("priced", 750_000_000, 750_000_000, 0, 500_000_000)),
]  # fmt: skip


def amounts(priced: Priced) -> tuple[object, ...]:
    return (priced.status, priced.cost, priced.market_cost, priced.saved_by_cache, priced.prompt_cache_savings)


@pytest.mark.parametrize(("request_", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_semantics(request_: Request, expected: tuple[object, ...]) -> None:
    assert amounts(price(BOOK, request_)) == expected


def test_a_zero_with_an_override_is_priced(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[alias]\n"openai/gpt-4o" = "openai/gpt-4o"\n[[price]]\nmodel = "gpt-9-*"\ninput = "1"\n'
        '[[free]]\nprovider = "openai"\nmodels = ["o3*"]\n'
    )
    book = RateBook.load(own)
    assert amounts(price(book, GPT._replace(reported_cost=0))) == ("priced", MARKET, MARKET, 0, 0)
    assert amounts(price(book, UNKNOWN._replace(reported_cost=0))) == ("priced", 10**9, 10**9, 0, 0)
    assert amounts(price(book, GPT._replace(model="o3-pro", reported_cost=0))) == ("free", 0, 0, 0, 0)


def test_a_zero_at_ones_own_price_is_a_lower_bound_without_a_count_of_the_input(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[price]]\nmodel = "gpt-9-*"\ninput = "1"\noutput = "2"\n')
    uncounted = UNKNOWN._replace(input_tokens=None, reported_cost=0)
    answer = price(RateBook.load(own), uncounted)
    assert (answer.status, answer.cost, answer.doubt) == ("unpriced", 100 * 2_000_000, "input")
    counted = price(RateBook.load(own), uncounted._replace(input_tokens=0))
    assert (counted.status, counted.cost, counted.doubt) == ("priced", 100 * 2_000_000, None)


UNCOUNTED = Request("openai", "gpt-4o", NOON, output_tokens=100)
UNRATED = GPT._replace(audio_output_tokens=50)


@pytest.mark.parametrize("lacking", [UNCOUNTED, UNRATED])
@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ({"cache_hit": True}, "list_price"),
        ({"cache_hit": True, "reported_cost": 5}, "list_price"),
        ({"credential_type": "byok"}, "list_price"),
        ({"credential_type": "byok", "reported_cost": 0}, "list_price"),
        ({"credential_type": "byok", "reported_cost": -5}, "list_price"),
        ({"reported_cost": 0, "zero_is_price": True}, "list_price"),
        # Somebody tells the list price, or there is none to lack a part.
        ({"credential_type": "byok", "reported_cost": 5}, None),
        ({"credential_type": "byok", "reported_market_cost": 5}, None),
        ({"reported_cost": 0, "zero_is_price": True, "reported_market_cost": 5}, None),
        ({"reported_cost": 5}, None),
        ({"reported_cost": -5}, None),
        ({"reported_cost": 0, "status": 500}, None),
        ({"reported_cost": 0}, "zero"),
    ],
)
def test_list_price_and_savings_without_a_part_say_so(
    lacking: Request, said: dict[str, Any], doubt: str | None
) -> None:
    assert price(BOOK, lacking._replace(**said)).doubt == doubt
    whole = price(BOOK, GPT._replace(**said)).doubt
    assert whole == (doubt if doubt == "zero" else None)


def test_what_does_not_fit_is_unknown_not_an_error() -> None:
    huge = Request("openai", "o1-pro", NOON, 2**63 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1, 2**63 - 1)
    assert price(BOOK, huge).status == "unpriced"
    assert price(BOOK, huge._replace(reported_cost=0)).cost == 0
    assert price(BOOK, huge._replace(cache_hit=True)).saved_by_cache is None


def test_audio_tokens_have_their_own_rate() -> None:
    spoken = Request("google", "gemini-2.5-flash", datetime(2026, 1, 1, tzinfo=UTC), 1000, audio_input_tokens=400)
    # 600 x 0.30 + 400 x 1.00
    assert price(BOOK, spoken).cost == 580_000_000


def test_cached_speech_saves_what_speech_costs() -> None:
    # All 80 of 100 tokens that are speech: 50 of them fresh, 30 of the 50 that were cached.
    spoken = Request("google", "gemini-2.5-flash", datetime(2026, 11, 1, tzinfo=UTC), 100, 50, audio_input_tokens=80)
    # 20 x (0.30 - 0.03) + 30 x (1.00 - 0.10)
    assert price(BOOK, spoken).prompt_cache_savings == 20 * 270_000 + 30 * 900_000


def test_the_parts_add_up_and_the_source_is_named() -> None:
    request = Request("anthropic", "claude-sonnet-4-20250514", NOON, 250_000, 10_000, 5_000, 2_000, 2_000)
    priced = price(BOOK, request)
    assert sum(part.amount for part in priced.parts) == priced.cost
    assert [part.name for part in priced.parts] == [
        "input", "cached input", "cache creation", "cache creation 1h", "output",
    ]  # fmt: skip
    assert priced.rate_source.startswith("correction sonnet-4-long-context (V, https://")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-4"),
        ("anthropic", "claude-4-sonnet-20250514"),
        ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("bedrock", "global.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("vertex_ai", "claude-sonnet-4@20250514"),
        ("openrouter", "anthropic/claude-sonnet-4"),
        ("azure", "claude-sonnet-4"),
    ],
)
def test_the_long_context_tier_of_sonnet_4_holds_everywhere(provider: str, model: str) -> None:
    request = Request(provider, model, datetime(2025, 9, 15, tzinfo=UTC), 250_000, output_tokens=2_000)
    assert price(BOOK, request).cost == 1_545_000_000_000


@pytest.mark.parametrize(
    ("provider", "model", "at", "mode", "expected"),
    [
        # 1000 in, 1000 out, in micro-USD
        ("openai", "o3", "2025-06-01", "batch", 25_000),
        ("openai", "o3", "2025-07-01", "batch", 5_000),
        ("openai", "o3", "2025-07-01", "priority", 17_500),
        ("openai", "o1-mini", "2024-12-01", "standard", 15_000),
        ("openai", "o1-mini", "2024-12-01", "batch", 7_500),
        ("openai", "gpt-4o", "2024-09-01", "standard", 20_000),
        ("openai", "gpt-4o", "2024-10-03", "standard", 12_500),
        ("openai", "gpt-5", "2025-09-01", "flex", 5_625),
        ("openai", "gpt-5", "2025-09-01", "priority", 22_500),
        ("anthropic", "claude-3-5-sonnet", "2025-01-15", "batch", 9_000),
        ("anthropic", "claude-3-5-haiku-20241022", "2024-11-10", "batch", 3_000),
        ("anthropic", "claude-sonnet-4-6", "2026-03-01", "batch", 9_000),
        ("google", "gemini-2.0-flash", "2025-08-01", "batch", 250),
        ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", "2024-11-10", "standard", 6_000),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "2025-11-01", "batch", 9_900),
        ("vertex_ai", "claude-sonnet-4-5@20250929", "2025-11-01", "batch", 9_000),
        ("azure", "gpt-4o", "2025-05-01", "batch", 6_250),
        ("azure", "o3", "2025-06-01", "standard", 50_000),
        ("mistral", "mistral-large-latest", "2025-11-01", "batch", 4_000),
        ("mistral", "mistral-large-latest", "2026-05-01", "batch", 1_000),
        ("deepseek", "deepseek-chat", "2025-01-10", "standard", 420),
        ("deepseek", "deepseek-reasoner", "2025-09-10", "standard", 2_240),
        ("deepseek", "deepseek-reasoner", "2025-12-01", "standard", 700),
        ("deepseek", "deepseek-chat", "2026-05-01", "standard", 420),
        ("deepseek", "deepseek-v4-pro", "2026-04-25", "standard", 5_220),
        ("deepseek", "deepseek-v4-pro", "2026-04-26", "standard", 1_305),
        ("google", "gemini-3.6-flash", "2026-08-12", "standard", 9_000),
        ("google", "gemini-3.6-flash", "2026-08-13", "standard", 4_500),
        ("google", "gemini-3.7-flash", "2026-09-01", "batch", 2_250),
        ("google", "gemini-3.8-flash", "2026-10-01", "priority", 8_100),
        ("bedrock", "us.amazon.nova-pro-v1:0", "2026-11-01", "flex", 2_000),
        ("bedrock", "openai.gpt-oss-120b-1:0", "2026-11-01", "priority", 1_312.5),
        ("bedrock", "jp.amazon.nova-2-lite-v1:0", "2026-11-01", "standard", 3_707),
        ("openrouter", "openai/o3", "2025-06-01", "standard", 50_000),
        ("groq", "llama-3.3-70b-versatile", "2025-03-15", "batch", 1_035),
        ("groq", "llama-3.3-70b-versatile", "2025-09-01", "batch", 690),
        ("anthropic", "claude-opus-4-6", "2026-03-10", "fast", 180_000),
        ("openai", "gpt-5", "2026-11-01", "fast", 22_500),
    ],
)
def test_history_of_every_mode(provider: str, model: str, at: str, mode: str, expected: float) -> None:
    moment = datetime.fromisoformat(at).replace(hour=12, tzinfo=UTC)
    request = Request(provider, model, moment, 1000, output_tokens=1000, mode=mode)
    assert price(BOOK, request).cost == expected * 10**6


@pytest.mark.parametrize(
    ("at", "peak"),
    [
        ("2026-08-16T02:00", None),
        ("2026-08-16T15:59:59", None),
        ("2026-08-16T16:00", False),
        ("2026-08-17T00:59:59", False),
        ("2026-08-17T01:00", True),
        ("2026-08-17T04:00", False),
        ("2026-08-17T06:00", True),
        ("2026-08-17T09:59:59", True),
        ("2026-08-17T10:00", False),
        ("2026-08-22T02:00", True),  # a Saturday, before weekends became off-peak
        ("2026-08-23T02:00", False),
        ("2026-08-24T02:00", True),
        ("2026-09-25T02:00", False),  # a Friday, Mid-Autumn
        ("2026-10-02T02:00", False),  # a Friday, National Day
        ("2026-10-08T02:00", True),
        ("2026-11-21T02:00", False),
    ],
)
def test_deepseek_peak_hours(at: str, peak: bool | None) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    request = Request("deepseek", "deepseek-v4-pro", moment, 1000)
    assert price(BOOK, request).cost == {None: 435, False: 660, True: 1320}[peak] * 10**6


@pytest.mark.parametrize(
    ("model", "at", "expected"),
    [
        # 1000 cached tokens, in micro-USD
        ("claude-sonnet-5-5", "2026-10-06T23:59:59", 200),
        ("claude-sonnet-5-5", "2026-10-07T00:00", 100),
        ("deepseek-v4-flash", "2026-04-25T12:00", 28),
        ("deepseek-v4-flash", "2026-04-26T00:00", 2.8),
        ("deepseek-v4-flash", "2026-09-10T03:59:59", 14),
        ("deepseek-v4-flash", "2026-09-10T04:00", 3),
    ],
)
def test_history_of_cached_input(model: str, at: str, expected: float) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert price(BOOK, Request(None, model, moment, 1000, 1000)).cost == expected * 10**6


def test_an_inclusive_threshold() -> None:
    below = Request("xai", "grok-4.3", datetime(2026, 6, 1, tzinfo=UTC), 199_999)
    assert price(BOOK, below).cost == 199_999 * 1_250_000
    assert price(BOOK, below._replace(input_tokens=200_000)).cost == 200_000 * 2_500_000


def test_a_schedule_in_a_zone_follows_its_clock() -> None:
    night = Schedule("Europe/Berlin", ((23 * 60, 60),), (0,))
    assert night.active(datetime(2026, 7, 6, 21, 30, tzinfo=UTC))  # Monday 23:30 there
    assert not night.active(datetime(2026, 1, 5, 21, 30, tzinfo=UTC))  # Monday 22:30 there
    assert not night.active(datetime(2026, 7, 6, 22, 30, tzinfo=UTC))  # Tuesday 00:30 there


def test_halves_go_to_even() -> None:
    assert [rounded(number, 10) for number in (5, 15, 25, 26, 24)] == [0, 2, 2, 3, 2]


tokens = st.integers(0, 90_000)


@given(tokens, tokens, tokens, tokens, st.sampled_from(["claude-sonnet-4-5", "gpt-4o", "gemini-2.5-pro"]))
def test_additive_and_monotone_within_a_tier(first: int, second: int, cached: int, output: int, model: str) -> None:
    def cost(total: int, read: int, written: int) -> int:
        found = price(BOOK, Request(None, model, NOON, total, min(read, total), 0, 0, written)).cost
        assert found is not None
        return found

    read, rest = min(cached, first), min(cached, second)
    assert cost(first + second, read + rest, 2 * output) == cost(first, read, output) + cost(second, rest, output)
    assert cost(first + 1, read, output) >= cost(first, read, output)
    assert cost(first, read, output + 1) >= cost(first, read, output)


@given(tokens, tokens, tokens, st.sampled_from([("openai", "gpt-4o"), ("ollama", "x"), ("deepseek", "deepseek-chat")]))
def test_a_hit_pays_nothing_and_saves_the_market_cost(a: int, b: int, c: int, pair: tuple[str, str]) -> None:
    request = Request(*pair, NOON, a + b, a, 0, 0, c)
    hit = price(BOOK, request._replace(cache_hit=True))
    assert (hit.cost, hit.saved_by_cache) == (0, price(BOOK, request).cost)
