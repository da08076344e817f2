"""Names as logs spell them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cost_top.pricing.book import RateBook

BOOK = RateBook.load()
REGIONAL = "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0"

FOUND = [
    ("openai", "openai::gpt-5-mini", "openai/gpt-5-mini"),
    ("tensorzero", "anthropic::claude-sonnet-4-6", "anthropic/claude-sonnet-4-6"),
    ("anthropic", "claude-3-5-sonnet", "anthropic/claude-3-5-sonnet"),
    ("anthropic", "claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet"),
    ("ANTHROPIC", " Claude-Sonnet-4-5 ", "anthropic/claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4.0", "anthropic/claude-sonnet-4-0"),
    ("vercel", "anthropic/claude-sonnet-4.6", "anthropic/claude-sonnet-4-6"),
    ("vercel", "amazon/nova-pro", "aws/amazon.nova-pro-v1:0"),
    ("vercel", "xai/grok-4", "x-ai/grok-4-0709"),
    ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
    ("openrouter", "openrouter/openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"),
    ("litellm_proxy", "litellm_proxy/gpt-4o", "openai/gpt-4o"),
    ("portkey", "@openai/gpt-4o", "openai/gpt-4o"),
    ("azure", "gpt-4o", "openai/gpt-4o"),
    ("azure_openai", "azure/gpt-4o-2024-11-20", "openai/gpt-4o"),
    ("azure_ai", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
    ("bedrock_converse", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
    ("amazon-bedrock", "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
    ("bedrock", "bedrock/eu-central-1/anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
    (
        "bedrock",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        REGIONAL,
    ),
    (
        "bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "aws/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    ("bedrock", "eu.amazon.nova-pro-v1:0", "aws/eu.amazon.nova-pro-v1:0"),
    ("vertex_ai", "claude-sonnet-4-5@20250929", "google/claude-sonnet-4-5"),
    ("vertex_ai-anthropic_models", "vertex_ai/claude-opus-4@20250514", "google/claude-4-opus"),
    ("gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
    ("vertex", "projects/p/locations/l/publishers/google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
    ("openai", "gpt-5.2-20251211", "openai/gpt-5.2"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::AbC1", "openai/ft:gpt-4o-mini"),
    ("openai.chat", "gpt-4o", "openai/gpt-4o"),
    ("deepseek_anthropic", "deepseek-chat", "deepseek/deepseek-chat"),
    ("claudecode", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    ("google.generative-ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("groq", "groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
    ("cohere_chat", "command-r-plus-08-2024", "cohere/command-r-plus"),
    ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    (None, "gpt-4o-mini", "openai/gpt-4o-mini"),
    ("", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    ("unknown", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    (None, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
    (None, "claude-sonnet-4-5@20250929", "google/claude-sonnet-4-5"),
    (None, "text-embedding-3-small", "openai/text-embedding-3-small"),
    (None, "openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
    (None, "ollama/llama3", "ollama/llama3"),
    ("ollama", "llama3.1:8b", "ollama/llama3.1:8b"),
    ("hosted_vllm", "meta-llama/Llama-3", "hosted-vllm/meta-llama/llama-3"),
    ("huggingface_cerebras", "Qwen/Qwen3.8-27B", "huggingface_cerebras/Qwen/Qwen3.8-27B"),
]
UNPRICED = [
    ("openai", "gpt-9-ultra"),
    ("openai", "gpt-4"[:3]),
    ("azure", "my-gpt4o-prod"),
    ("azure", "eu/gpt-4o-2024-08-06"),
    ("azure_ai", "deepseek-r1"),
    ("acme-llm", "acme-1"),
    ("acme-llm", "gpt-4o"),
    ("ollama", "gpt-oss:120b-cloud"),
    ("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abcd"),
    (None, "acme/claude-sonnet-4-5"),
    (None, "llama-3.3-70b-versatile"),
    (None, ""),
    (None, None),
    ("openai", None),
]


@pytest.mark.parametrize(("provider", "model", "expected"), FOUND)
def test_found(provider: str | None, model: str, expected: str) -> None:
    match = BOOK.match(provider, model)
    assert match is not None
    assert match.id == expected


@pytest.mark.parametrize(("provider", "model"), UNPRICED)
def test_unpriced_rather_than_guessed(provider: str | None, model: str | None) -> None:
    assert BOOK.match(provider, model) is None


def test_how_it_matched_is_kept() -> None:
    exact = BOOK.match("openai", "gpt-4o")
    dated = BOOK.match("anthropic", "claude-3-5-sonnet-20241022")
    tail = BOOK.match("anthropic", "claude-3-5-sonnet-foo-bar")
    peeled = BOOK.match("azure", "azure/gpt-4o-2024-11-20")
    assert exact is not None
    assert dated is not None
    assert tail is not None
    assert peeled is not None
    assert (exact.how, exact.unsure) == ("exact", "")
    assert (dated.how, dated.unsure) == ("starts_with", "")
    assert (tail.how, tail.unsure) == ("starts_with", "unknown tail")
    assert tail.text == "starts with 'claude-3-5-sonnet' (unknown tail)"
    assert peeled.text == "prefix azure/ peeled; price of openai; alias 'gpt-4o-2024-11-20'"


def test_what_openrouter_calls_free_is_free() -> None:
    for model in ("deepseek/deepseek-chat-v3.1:free", "openrouter/acme/none-such:free"):
        found = BOOK.match("openrouter", model)
        assert (found and found.how) == "free"
    assert BOOK.match("openrouter", "openai/gpt-5:online") is None


def test_one_answer_per_pair() -> None:
    assert BOOK.entry("openai", "gpt-4o") is BOOK.entry("openai", "gpt-4o")


@pytest.mark.parametrize(
    ("provider", "model", "why"),
    [
        ("bedrock", "bedrock/eu-west-1/meta.llama3-70b-instruct-v1:0", "a region with prices of its own"),
        ("bedrock", "eu.meta.llama3-2-1b-instruct-v1:0", "a region with prices of its own"),
        (
            "bedrock",
            "arn:aws:bedrock:eu-west-3:1:foundation-model/mistral.mistral-large-2402-v1:0",
            "a region with prices of its own",
        ),
        ("bedrock", "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "a region with prices of its own"),
        ("bedrock", "bedrock/us-gov-west-1/amazon.nova-pro-v1:0", "unknown beginning"),
        ("azure", "azure/eu/o4-mini", "unknown beginning"),
        ("azure", "acme-o4-mini", "unknown beginning"),
        ("vertex_ai", "acme-gemini-2.0-flash", "unknown beginning"),
        ("vertex_ai", "acme-claude-haiku-4-5", "unknown beginning"),
        ("vertex_ai", "gemma-4-26b-a4b-it", "free of charge elsewhere only"),
        ("openai", "computer-use-9", "unknown tail"),
        ("openai", "gpt-3.5-turbo-instruct2", "unknown tail"),
        ("anthropic", "claude-22", "unknown tail"),
        ("azure", "o4-mini2", "unknown tail"),
        ("deepseek", "deepseek-chat2", "unknown tail"),
        ("mistral", "magistral-medium-2", "unknown tail"),
    ],
)
def test_what_else_a_name_says_leaves_it_unpriced(provider: str, model: str, why: str) -> None:
    entry = BOOK.entry(provider, model)
    assert entry is not None
    assert entry.match.unsure == why
    assert entry.timeline.at(datetime(2026, 11, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("bedrock", "us.meta.llama3-2-1b-instruct-v1:0"),
        ("bedrock", "bedrock/us-east-1/meta.llama3-70b-instruct-v1:0"),
        ("bedrock", "bedrock/eu-central-1/anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("bedrock", "eu.mistral.pixtral-large-2502-v1:0"),
        ("bedrock", "apac.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("azure", "o4-mini-2025-04-16"),
        ("vertex_ai", "publishers/anthropic/models/claude-haiku-4-5@20251001"),
        ("gemini", "gemma-4-26b-a4b-it"),
        ("openai", "omni-moderation-latest"),
        ("openai", "gpt-5-nano-2025-08-07"),
        ("mistral", "magistral-small-2509"),
        ("gemini", "gemini-2.0-flash-001"),
        ("vertex_ai", "claude-opus-5@default"),
        ("gemini", "gemini-2.5-flash-lite-preview-09-2025"),
        (None, "minimax/minimax-m2.7-highspeed"),
    ],
)
def test_what_is_known_around_a_name_leaves_its_price(provider: str | None, model: str) -> None:
    entry = BOOK.entry(provider, model)
    assert entry is not None
    assert entry.match.unsure == ""
    assert entry.timeline.at(datetime(2026, 11, 1, tzinfo=UTC)) is not None


def test_fine_tunes_have_their_own_price_of_cached_input() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    for model, expected in (
        ("ft:gpt-4o-2024-08-06:acme::a", (3_750_000, 1_875_000, 15_000_000)),
        ("ft:gpt-4o-mini-2024-07-18:acme::a", (300_000, 150_000, 1_200_000)),
        ("ft:gpt-4.1-mini-2025-04-14:acme::a", (800_000, 200_000, 3_200_000)),
        ("ft:o4-mini-2025-04-16:acme::a", (4_000_000, 1_000_000, 16_000_000)),
    ):
        entry = BOOK.entry(None, model)
        quote = entry and entry.timeline.at(at)
        assert quote is not None
        rates = quote.rates(10)
        assert (rates.input, rates.cached, rates.output) == expected
