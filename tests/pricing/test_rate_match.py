"""Names as logs spell them."""

from __future__ import annotations

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
    assert (exact.how, exact.unsure) == ("exact", False)
    assert (dated.how, dated.unsure) == ("starts_with", False)
    assert (tail.how, tail.unsure) == ("starts_with", True)
    assert tail.text == "starts with 'claude-3-5-sonnet' (unknown tail)"
    assert peeled.text == "prefix azure/ peeled; price of openai; alias 'gpt-4o-2024-11-20'"


def test_what_openrouter_calls_free_is_free() -> None:
    for model in ("deepseek/deepseek-chat-v3.1:free", "openrouter/acme/none-such:free"):
        found = BOOK.match("openrouter", model)
        assert (found and found.how) == "free"
    assert BOOK.match("openrouter", "openai/gpt-5:online") is None


def test_one_answer_per_pair() -> None:
    assert BOOK.entry("openai", "gpt-4o") is BOOK.entry("openai", "gpt-4o")
