"""LiteLLM's log: which zero is a price, batches at batch list prices, own keys, models of one's own machines."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from support.litellm_log import spend_row, write_spend


@pytest.fixture
def log_url(litellm_url):
    yield litellm_url
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute('TRUNCATE "LiteLLM_SpendLogs" CASCADE')


def report(url: str, *options: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", "report", url, "--tz", "UTC", "--since", "2026-11-01", "--until",
         "2026-12-01", "--format", "json", "--no-cache", *options],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def row(name: str, model: str, spend: float, tokens: int = 0, output: int = 0, **more: Any) -> dict[str, Any]:
    return spend_row(name, model=model, spend=spend, prompt_tokens=tokens, completion_tokens=output,
                     total_tokens=tokens + output, **more)  # fmt: skip


def test_a_zero_of_a_call_that_costs_money_is_unknown_and_said(log_url):
    write_spend(
        log_url,
        row("z-1", "deepseek-ai/DeepSeek-V4-Flash-0731", 0, 120_000, 8_000, custom_llm_provider="deepinfra"),
        row("z-2", "gpt-4o-mini", 0, 20_000, 1_000),
        row("z-3", "gpt-4o", 3, 100_000, 1_000),
        row("z-4", "rerank-v3.5", 0, call_type="arerank", custom_llm_provider="cohere"),
        row("z-5", "gpt-image-2", 0, call_type="aimage_generation"),
        row("z-6", "unknown", 0, call_type="pass_through_endpoint", custom_llm_provider=""),
        row("z-7", "dall-e-3", 0.08, call_type="aimage_generation"),
        row("z-8", "gpt-4o", 0, status="failure"),
    )
    answer = report(log_url, "--group-by", "endpoint,model")
    assert (answer["totals"]["total_cost"], answer["totals"]["unpriced_count"]) == ("3.08", 2)
    assert "3 requests carry neither tokens nor a cost: their cost is unknown" in answer["notes"]


def test_a_batch_is_compared_with_the_list_price_of_batches(log_url):
    write_spend(
        log_url,
        row("batch_7", "gpt-4o-mini", 0, call_type="acreate_batch"),
        row("batch_7_poll1", "gpt-4o-mini", 0, call_type="aretrieve_batch"),
        row("batch_7_batch_cost", "gpt-4o-mini", 0.9, 10_000_000, 500_000, call_type="aretrieve_batch",
            metadata={"batch_models": ["gpt-4o-mini"]}),
    )  # fmt: skip
    answer = report(log_url)
    assert (answer["totals"]["total_cost"], answer["totals"]["market_cost"]) == ("0.9", "0.9")
    assert answer["notes"] == []


def test_the_sum_of_a_batch_is_no_size_of_one_request(log_url):
    """400,000 tokens of many requests: the price of more than 200,000 in one holds for none that is known of."""
    write_spend(log_url, row("batch_8_batch_cost", "gemini-2.5-pro", 0.3, 400_000, 1_000, custom_llm_provider="gemini"))
    assert report(log_url)["totals"]["market_cost"] == "0.3"


def test_what_is_billed_beside_tokens_is_told_and_reasoning_beside_the_output_is_added(log_url):
    def used(**usage: Any) -> dict[str, Any]:
        return {"usage_object": usage}

    write_spend(
        log_url,
        row("t-1", "claude-sonnet-4-6", 0, 50, 500, custom_llm_provider="anthropic",
            metadata=used(server_tool_use={"code_execution_requests": 1})),
        row("t-2", "grok-4.5", 0, 50, 500, custom_llm_provider="xai", metadata=used(num_sources_used=7)),
        row("t-3", "gpt-5", 0, 100, 10, metadata=used(completion_tokens_details={"reasoning_tokens": 50})),
        row("t-4", "gpt-5", 0, 100, 60, metadata=used(completion_tokens_details={"reasoning_tokens": 50})),
    )  # fmt: skip
    answer = report(log_url, "--group-by", "model")
    market = {each["model"]: (each["market_cost"], each["output_tokens"]) for each in answer["results"]}
    assert market["gpt-5"] == ("0.00145", 120)
    assert {market[name][0] for name in ("claude-sonnet-4-6", "grok-4.5")} == {"0"}


def test_neither_batch_nor_fast_mode_hides_what_is_billed_beside_tokens(log_url, tmp_path):
    def used(**usage: Any) -> dict[str, Any]:
        return {"usage_object": usage}

    write_spend(
        log_url,
        row("h-1_batch_cost", "gpt-image-1", 0, 100, 500, metadata=used(prompt_tokens_details={"image_tokens": 60})),
        row("h-2", "claude-opus-4-8", 0, 50, 500, custom_llm_provider="anthropic",
            metadata=used(speed="fast", server_tool_use={"code_execution_requests": 1})),
        row("h-3_batch_cost", "grok-4.5", 0, 50, 500, custom_llm_provider="xai", call_type="aretrieve_batch",
            metadata=used(num_sources_used=7)),
        row("h-4", "grok-4.5", 0, 50, 500, custom_llm_provider="xai",
            metadata=used(server_side_tool_usage_details={"x_search_calls": 2, "web_search_calls": 1})),
        row("h-5", "gemini-3.1-pro-preview", 0, 260_000, 500, custom_llm_provider="gemini",
            metadata=used(prompt_tokens_details={"initial_prompt_tokens": 130_000})),
        row("h-6", "claude-opus-4-8", 0, 50, 500, custom_llm_provider="anthropic", metadata=used(speed="fast")),
    )  # fmt: skip
    # The user's word that the released rates hold: it holds for no part of a request that they leave out.
    own = tmp_path / "own.toml"
    names = ("openai/gpt-image-1", "anthropic/claude-opus-4-8", "xai/grok-4.5", "gemini/gemini-3.1-pro-preview")
    own.write_text("[alias]\n" + "".join(f'"{name}" = "{name}"\n' for name in names))
    answer = report(log_url, "--overrides", str(own), "--group-by", "model")
    told = {each["model"]: (each["total_cost"], each["unpriced_count"]) for each in answer["results"]}
    assert told == {
        "gpt-image-1": ("0", 1), "grok-4.5": ("0", 2), "gemini-3.1-pro-preview": ("0", 1),
        "claude-opus-4-8": ("0.0255", 1),
    }  # fmt: skip


def test_what_an_own_key_paid_is_not_spend(log_url):
    write_spend(
        log_url,
        row("o-1", "claude-sonnet-4-6", 0.25, 1_000, 100, metadata={"used_client_oauth_token": True}),
        row("o-2", "claude-sonnet-4-6", 1, 1_000, 100),
    )
    answer = report(log_url, "--group-by", "credential_type")
    costs = {item["credential_type"]: (item["total_cost"], item["market_cost"]) for item in answer["results"]}
    assert costs["byok"] == ("0", "0.25")
    assert answer["totals"]["total_cost"] == "1"


def test_models_of_ones_own_machines_cost_nothing_where_that_is_known(log_url, tmp_path):
    write_spend(
        log_url,
        row("s-1", "meta-llama/Llama-3.3-70B-Instruct", 0, 1000, 100, custom_llm_provider="hosted_vllm"),
        row("s-2", "llama3.1:8b", 0, 1000, 100, custom_llm_provider="ollama"),
        row("s-3", "qwen3-32b-awq", 0, 1000, 100, custom_llm_provider="openai"),
        row("s-4", "bge-m3", 0, 1000, custom_llm_provider="infinity", call_type="aembedding"),
        row("s-5", "gpt-4o", 0.5, 1000, 100),
    )
    free = tmp_path / "free.toml"
    free.write_text(
        '[[free]]\nprovider = "openai"\nmodels = ["qwen3-*"]\n[[free]]\nprovider = "infinity"\nmodels = ["*"]\n'
    )
    assert report(log_url)["totals"]["unpriced_count"] == 2
    told = report(log_url, "--overrides", str(free))["totals"]
    assert (told["unpriced_count"], told["total_cost"]) == (0, "0.5")
