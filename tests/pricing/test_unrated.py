"""What a price depends on and the rates do not say: unpriced or a lower bound, with the reason, never the text rate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.pricing.unpriced import toml_lines

BOOK = RateBook.load()
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
OPUS = Request("anthropic", "claude-opus-4-8", NOON, 100_000, output_tokens=1_000)
MILLION = 10**6


@pytest.mark.parametrize(
    ("request_", "usd"),
    [
        (OPUS._replace(mode="fast"), "1.05"),
        (OPUS._replace(model="claude-opus-5", mode="fast"), "1.05"),
        (OPUS._replace(model="claude-opus-5"), "0.525"),
        (OPUS._replace(model="claude-opus-4-6", mode="fast", time=datetime(2026, 3, 10, tzinfo=UTC)), "3.15"),
        (OPUS._replace(model="claude-opus-4-7", mode="fast"), "3.15"),
        (OPUS._replace(model="claude-sonnet-4-6", region="us"), "0.3465"),
        (OPUS._replace(model="claude-sonnet-4-6", region="US "), "0.3465"),
        (OPUS._replace(model="claude-sonnet-4-6", region="global"), "0.315"),
        (OPUS._replace(model="claude-sonnet-4-6", region="not_available"), "0.315"),
        (OPUS._replace(mode="fast", region="us"), "1.155"),
        (OPUS._replace(model="claude-sonnet-4-6", web_search_count=5), "0.365"),
        (OPUS._replace(model="claude-sonnet-4-6", mode="batch", region="us", web_search_count=5), "0.22325"),
        (OPUS._replace(model="claude-opus-4-8[1m]"), "0.525"),
        (OPUS._replace(model="claude-opus-5[1m]"), "0.525"),
        (Request("google", "gemini-2.5-flash-image", NOON, 1_000, output_tokens=1_290, image_output_tokens=1_290),
         "0.039"),
        (Request("openai", "gpt-realtime-mini", NOON, 1_000, output_tokens=1_000, audio_input_tokens=600,
                 audio_output_tokens=900), "0.02448"),
        (Request("openai", "gpt-image-1", NOON, 100, output_tokens=1_000, image_output_tokens=1_000), "0.0405"),
        (Request("google", "gemini-2.5-pro", NOON, 1_000, output_tokens=0, audio_input_tokens=1_000), "0.00125"),
        (Request("google", "gemini-2.5-flash", NOON, 1_000, 1_000, output_tokens=0, audio_input_tokens=1_000),
         "0.0001"),
    ],
)  # fmt: skip
def test_modes_regions_and_kinds_of_tokens_have_their_rates(request_: Request, usd: str) -> None:
    answer = price(BOOK, request_)
    assert (answer.status, answer.doubt) == ("priced", None)
    assert answer.cost == answer.market_cost == round(float(usd) * 10**12)


@pytest.mark.parametrize(
    ("request_", "doubt"),
    [
        (OPUS._replace(mode="scale"), "mode"),
        (OPUS._replace(mode="priority"), "mode"),
        (Request("openai", "gpt-3.5-turbo", NOON, 1_000, output_tokens=1, mode="flex"), "mode"),
        (OPUS._replace(region="eu"), "region"),
        (OPUS._replace(model="claude-sonnet-4-5", region="us"), "region"),
        (OPUS._replace(model="claude-opus-4-7-fast"), "name"),
        (Request("openai", "gpt-5-nano-batch", NOON, 1_000, output_tokens=1), "name"),
        (Request("google", "gemini-3.6-flash-image", NOON, 1_000, output_tokens=1), "name"),
        (OPUS._replace(model="no-such-model"), "model"),
        (OPUS._replace(time=None), "time"),
    ],
)
def test_without_a_rate_a_request_is_unpriced_and_says_why(request_: Request, doubt: str) -> None:
    answer = price(BOOK, request_)
    assert (answer.status, answer.cost, answer.market_cost, answer.doubt) == ("unpriced", None, None, doubt)
    told = price(BOOK, request_._replace(reported_cost=7 * MILLION))
    assert (told.status, told.cost, told.market_cost, told.doubt) == ("reported", 7 * MILLION, 7 * MILLION, None)


@pytest.mark.parametrize(
    ("extra", "doubt", "left"),
    [
        ({"audio_input_tokens": 1_000}, "audio_input", "0.00249"),
        ({"audio_output_tokens": 50}, "audio_output", "0.0045"),
        ({"image_output_tokens": 60}, "image_output", "0.0044"),
    ],
)
def test_a_kind_of_tokens_without_a_rate_is_left_out_and_said(extra: dict[str, int], doubt: str, left: str) -> None:
    text = Request("openai", "gpt-4o", NOON, 1_996, output_tokens=0)
    if doubt != "audio_input":
        text = text._replace(input_tokens=1_600, output_tokens=100)
    answer = price(BOOK, text._replace(**extra))
    assert (answer.status, answer.doubt, answer.cost) == ("unpriced", doubt, round(float(left) * 10**12))
    assert [part.rate for part in answer.parts if part.name == doubt.replace("_", " ")] == [None]


def test_searches_without_a_rate_are_a_lower_bound_of_the_tokens() -> None:
    plain = Request("groq", "llama-3.3-70b-versatile", NOON, 1_000, output_tokens=1_000)
    answer = price(BOOK, plain._replace(web_search_count=3))
    assert (answer.status, answer.doubt, answer.cost) == ("unpriced", "web_search", price(BOOK, plain).cost)
    assert price(BOOK, plain._replace(web_search_count=0)).status == "priced"


def test_the_users_word_gives_a_price_to_every_mode_region_and_tail(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[alias]\n"anthropic/claude-opus-4-7-fast" = "anthropic/claude-opus-4-7"\n'
        '[[price]]\nmodel = "gpt-5-nano-batch"\ninput = "1"\noutput = "2"\n'
    )
    book = RateBook.load(own)
    assert price(book, OPUS._replace(model="claude-opus-4-7-fast")).cost == 525 * 10**9
    mine = Request("openai", "gpt-5-nano-batch", NOON, MILLION, output_tokens=MILLION, mode="scale", region="mars")
    assert price(book, mine._replace(audio_output_tokens=5, web_search_count=2)).cost == 3 * 10**12
    # An alias names a model, not a price: a mode without a rate stays without one.
    assert price(book, OPUS._replace(model="claude-opus-4-7-fast", mode="scale")).doubt == "mode"


def test_an_unknown_tail_is_offered_as_an_alias() -> None:
    assert toml_lines(BOOK, "anthropic", "claude-opus-4-7-fast") == (
        "[alias]",
        '"anthropic/claude-opus-4-7-fast" = "anthropic/claude-opus-4-7"',
    )


@pytest.mark.parametrize(
    ("reported", "doubt"),
    [(36_500 * 10**12, "cost"), (10**12, None), (101 * 525 * 10**9, "cost"), (100 * 525 * 10**9, None)],
)
def test_a_cost_beyond_belief_stays_and_is_said(reported: int, doubt: str | None) -> None:
    answer = price(BOOK, OPUS._replace(reported_cost=reported))
    assert (answer.status, answer.cost, answer.doubt) == ("reported", reported, doubt)


def test_cents_are_never_beyond_belief() -> None:
    short = Request("openai", "gpt-4o", NOON, 10, output_tokens=1, reported_cost=99 * 10**9)
    assert price(BOOK, short).doubt is None


@pytest.mark.parametrize(
    ("reported", "market"), [(None, 525 * 10**9), (0, 525 * 10**9), (10**12, 10**12), (-5, 525 * 10**9)]
)
def test_what_the_owner_of_a_key_pays_is_never_spend(reported: int | None, market: int) -> None:
    answer = price(BOOK, OPUS._replace(credential_type="byok", reported_cost=reported))
    assert (answer.status, answer.cost, answer.market_cost) == ("reported", 0, market)
    unknown = price(BOOK, OPUS._replace(model="no-such", credential_type="byok", reported_cost=7))
    assert (unknown.status, unknown.cost, unknown.market_cost) == ("reported", 0, 7)


def test_input_that_nobody_counted_is_not_nothing() -> None:
    answer = price(BOOK, Request("openai", "gpt-5", NOON, output_tokens=10))
    assert (answer.status, answer.doubt, answer.cost) == ("unpriced", "input", 10 * 10_000_000)
    assert price(BOOK, Request("openai", "gpt-5", NOON, 0, output_tokens=10)).status == "priced"
    told = price(BOOK, Request("openai", "gpt-5", NOON, output_tokens=10, reported_cost=7 * MILLION))
    assert (told.status, told.cost, told.market_cost) == ("reported", 7 * MILLION, 7 * MILLION)


ROUNDS = Request("anthropic", "claude-sonnet-4-5", datetime(2026, 1, 10, tzinfo=UTC), 210_000, output_tokens=1_000,
                 mode="rounds")  # fmt: skip


def test_rounds_that_only_together_pass_a_size_are_not_priced_by_their_sum() -> None:
    answer = price(BOOK, ROUNDS)
    assert (answer.status, answer.cost, answer.doubt) == ("unpriced", None, "rounds")
    # 200,000 x 3 + 1,000 x 15: none of them can be over.
    assert price(BOOK, ROUNDS._replace(input_tokens=200_000)).cost == 615 * 10**9
    # A model without sizes has one price.
    assert price(BOOK, ROUNDS._replace(model="claude-opus-4-8")).cost == (210_000 * 5 + 1_000 * 25) * MILLION
    assert price(BOOK, ROUNDS._replace(mode="flex+rounds")).doubt == "mode"


@pytest.mark.parametrize(
    ("mode", "size", "status", "cost", "doubt"),
    [
        ("batch+rounds", 200_000, "priced", (200_000 * 3 + 1_000 * 15) * MILLION // 2, None),
        ("batch+rounds", 210_000, "unpriced", None, "rounds"),
        ("batch+interrupted", 1_000, "unpriced", (1_000 * 3 + 1_000 * 15) * MILLION // 2, "output"),
        ("rounds+interrupted", 200_000, "unpriced", 615 * 10**9, "output"),
        (" Batch+Rounds+Interrupted", 200_000, "unpriced", 615 * 10**9 // 2, "output"),
        ("scale+interrupted", 1_000, "unpriced", None, "mode"),
    ],
)
def test_rounds_and_what_was_cut_off_are_bounded_in_every_mode(mode, size, status, cost, doubt) -> None:
    answer = price(BOOK, ROUNDS._replace(mode=mode, input_tokens=size))
    assert (answer.status, answer.cost, answer.doubt) == (status, cost, doubt)


def test_output_that_was_not_counted_to_its_end_is_a_lower_bound() -> None:
    cut = OPUS._replace(mode="interrupted")
    answer = price(BOOK, cut)
    assert (answer.status, answer.cost, answer.doubt) == ("unpriced", 525 * 10**9, "output")
    embedding = Request("openai", "text-embedding-3-small", NOON, 1_000, mode="interrupted")
    assert price(BOOK, embedding).status == "priced"
    told = price(BOOK, cut._replace(reported_cost=7 * MILLION))
    assert (told.status, told.cost, told.market_cost, told.doubt) == ("reported", 7 * MILLION, 7 * MILLION, None)


def test_reasoning_that_cannot_be_inside_the_output_stands_beside_it() -> None:
    answer = price(BOOK, Request("openai", "gpt-5", NOON, 100, output_tokens=10, reasoning_tokens=50))
    assert answer.cost == (100 * 1_250_000 + 60 * 10_000_000)


def test_a_refund_takes_the_list_price_back_as_well() -> None:
    answer = price(BOOK, OPUS._replace(reported_cost=-2 * 10**12))
    assert (answer.cost, answer.market_cost, answer.prompt_cache_savings) == (-2 * 10**12, -2 * 10**12, 0)


@pytest.mark.parametrize(
    ("tokens", "zero_is_price", "status", "answer"),
    [
        (1_000, None, 200, ("unpriced", 0, "zero")),
        (1_000, False, 200, ("unpriced", 0, "zero")),
        (1_000, True, 200, ("reported", 0, None)),
        (1_000, False, 500, ("reported", 0, None)),
        (1_000, None, 429, ("reported", 0, None)),
        (1_000, None, 408, ("reported", 0, "timeout")),
        (1_000, False, 504, ("reported", 0, "timeout")),
        (1_000, True, 504, ("reported", 0, None)),
        (0, None, 408, ("reported", 0, None)),
        (0, None, 200, ("reported", 0, None)),
        (0, True, 200, ("reported", 0, None)),
        (0, False, 200, ("no_usage", None, None)),
        (0, False, None, ("no_usage", None, None)),
        (0, False, 500, ("reported", 0, None)),
    ],
)
def test_a_zero_is_a_price_or_unknown_as_the_log_says(
    tokens: int, zero_is_price: bool | None, status: int | None, answer: tuple[str, int | None, str | None]
) -> None:
    request = Request("openai", "gpt-4o", NOON, tokens, output_tokens=0, reported_cost=0, status=status)
    found = price(BOOK, request._replace(zero_is_price=zero_is_price))
    assert (found.status, found.cost, found.doubt) == answer


def test_a_zero_for_searches_alone_is_no_price_either() -> None:
    searched = OPUS._replace(input_tokens=0, output_tokens=0, web_search_count=2, reported_cost=0)
    assert (price(BOOK, searched).status, price(BOOK, searched).doubt) == ("unpriced", "zero")
    timeout = searched._replace(status=504)
    assert price(BOOK, timeout).doubt == "timeout"
    free = timeout._replace(provider="ollama", model="llama3")
    assert (price(BOOK, free).status, price(BOOK, free).doubt) == ("free", None)
