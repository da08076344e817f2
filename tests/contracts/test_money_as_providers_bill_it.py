"""Requests as providers bill them, through the recorder or a mapping, against amounts worked out by hand."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cost_top.record import Recorder

CHAT = {"object": "chat.completion", "choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}


def report(source: Path, *options: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", "report", str(source), "--no-cache", "--tz", "UTC", "--format", "json",
         *options],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def recorded(folder: Path, *calls: dict[str, Any]) -> Path:
    path = folder / "requests.db"
    with Recorder(f"sqlite:///{path}") as recorder:
        for call in calls:
            recorder.record(**call)
    assert recorder.dropped == 0
    return path


def costs(answer: dict[str, Any], *keys: str) -> dict[tuple[str | None, ...], str]:
    return {tuple(row[key] for key in keys): row["total_cost"] for row in answer["results"]}


def message(model: str, asked: dict[str, Any], **usage: Any) -> dict[str, Any]:
    counts = {"input_tokens": 100_000, "output_tokens": 1_000, "service_tier": "standard", **usage}
    answer = {"type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": "end_turn"}
    return {"endpoint": "/v1/messages", "request": {"model": model, **asked}, "response": {**answer, "usage": counts}}


def test_speed_and_region_of_an_answer_are_in_its_price(tmp_path):
    path = recorded(
        tmp_path,
        message("claude-opus-4-8", {"speed": "fast"}, speed="fast"),
        message("claude-opus-5", {"speed": "fast"}, speed="fast"),
        message("claude-opus-5", {"speed": "fast"}, speed="standard"),
        message("claude-sonnet-4-6", {"inference_geo": "us"}, inference_geo="us"),
    )
    answer = report(path, "--group-by", "model", "--since", "1d")
    assert costs(answer, "model") == {
        ("claude-opus-5",): "1.575", ("claude-opus-4-8",): "1.05", ("claude-sonnet-4-6",): "0.3465",
    }  # fmt: skip
    assert answer["totals"]["total_cost"] == "2.9715"


def test_a_tier_without_a_rate_is_unpriced_and_named(tmp_path):
    path = recorded(
        tmp_path,
        message("claude-opus-5", {}),
        message("claude-opus-5", {}, service_tier="priority"),
        {"response": {**CHAT, "model": "gpt-5", "service_tier": "scale",
                      "usage": {"prompt_tokens": 10, "completion_tokens": 1}}},
    )  # fmt: skip
    answer = report(path, "--group-by", "model", "--since", "1d")
    assert (answer["totals"]["total_cost"], answer["totals"]["unpriced_count"]) == ("0.525", 2)
    assert (
        "2 requests (claude-opus-5 priority, gpt-5 scale): no rate in the mode it was processed in" in answer["notes"]
    )


def test_who_paid_is_what_the_provider_says(tmp_path):
    def routed(identity: str, served: str, cost: float, byok: bool) -> dict[str, Any]:
        usage = {"prompt_tokens": 11, "completion_tokens": 6, "total_tokens": 17, "cost": cost, "is_byok": byok,
                 "cost_details": {"upstream_inference_cost": 0.00000285}}  # fmt: skip
        return {"response": {**CHAT, "id": identity, "provider": served, "model": "openai/gpt-5-nano", "usage": usage}}

    ticks = {
        "prompt_tokens": 2000, "completion_tokens": 6, "total_tokens": 2006, "cost_in_usd_ticks": 30_920_000,
        "prompt_tokens_details": {"text_tokens": 500, "image_tokens": 1500, "cached_tokens": 1800},
    }  # fmt: skip
    path = recorded(
        tmp_path,
        routed("gen-1", "Azure", 0.00000285, False),
        routed("gen-2", "OpenAI", 0, True),
        {"response": {**CHAT, "id": "x-1", "model": "grok-4.6", "usage": ticks}},
    )
    answer = report(path, "--group-by", "model,credential_type", "--since", "1d")
    rows = {(row["model"], row["credential_type"]): row for row in answer["results"]}
    assert rows["openai/gpt-5-nano", "system"]["total_cost"] == "0.00000285"
    own = rows["openai/gpt-5-nano", "byok"]
    assert (own["total_cost"], own["market_cost"], own["unpriced_count"]) == ("0", "0.00000285", 0)
    assert rows["grok-4.6", None]["total_cost"] == "0.003092"


def test_an_own_key_at_another_gateway_is_no_spend_either(tmp_path):
    def finished(kind: str, cost: str, market: str) -> dict[str, Any]:
        routing = {"attempts": [{"credentialType": "system", "success": False}, {"credentialType": kind}]}
        told = {"gateway": {"routing": routing, "cost": cost, "marketCost": market}}
        usage = {"inputTokens": 100, "outputTokens": 10}
        return {"api": "vercel.ai_sdk", "events": [{"type": "finish", "totalUsage": usage, "providerMetadata": told}],
                "model": "openai/gpt-4o"}  # fmt: skip

    named = {"response": {**CHAT, "model": "gpt-4o", "usage": {"prompt_tokens": 100, "completion_tokens": 10}},
             "credential_type": "byok", "cost_usd": "0.75"}  # fmt: skip
    path = recorded(tmp_path, finished("byok", "0", "0.25"), finished("system", "0.5", "0.5"), named)
    answer = report(path, "--group-by", "credential_type", "--since", "1d")
    rows = {row["credential_type"]: (row["total_cost"], row["market_cost"]) for row in answer["results"]}
    assert rows == {"byok": ("0", "1"), "system": ("0.5", "0.00035")}
    assert answer["totals"]["unpriced_count"] == 0


def test_searches_of_the_providers_tool_are_billed_by_number(tmp_path):
    start = {
        "input_tokens": 12, "cache_creation_input_tokens": 31_490, "cache_read_input_tokens": 40_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 31_490, "ephemeral_1h_input_tokens": 0}, "output_tokens": 1,
    }  # fmt: skip
    last = {
        "input_tokens": 123_201, "cache_creation_input_tokens": 184_457, "cache_read_input_tokens": 426_653,
        "output_tokens": 3210, "server_tool_use": {"web_search_requests": 5},
    }  # fmt: skip
    events = [
        {"type": "message_start", "message": {"type": "message", "model": "claude-sonnet-4-6", "usage": start}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    ]
    path = recorded(tmp_path, {"endpoint": "/v1/messages", "events": events})
    assert report(path, "--since", "1d")["totals"]["total_cost"] == "1.28746265"


def test_a_cost_is_money_only_of_a_known_owner_in_dollars(tmp_path):
    def told(model: str, **cost: Any) -> dict[str, Any]:
        usage = {"prompt_tokens": 2000, "completion_tokens": 500, "total_tokens": 2500, **cost}
        return {"request": {"model": f"openai/{model}"}, "response": {**CHAT, "model": model, "usage": usage}}

    points, foreign = told("grok-4.5", cost=36_500), told("gpt-4o-mini", cost="0.9", currency="CNY")
    routed = told("openai/gpt-4o-mini", cost="0.9", is_byok=False, currency="EUR")
    path = recorded(tmp_path, points, foreign, routed, told("gpt-4o-mini", estimated_cost=0.0006))
    assert costs(report(path, "--group-by", "model", "--since", "1d"), "model") == {
        ("grok-4.5",): "0.007", ("gpt-4o-mini",): "0.0012", ("openai/gpt-4o-mini",): "0.0006",
    }  # fmt: skip


def test_a_reported_cost_beyond_belief_is_told(tmp_path):
    counts = {"usage": {"prompt_tokens": 2000, "completion_tokens": 500}}
    path = recorded(tmp_path, {"response": {**CHAT, "model": "gpt-4o-mini", **counts}, "cost_usd": 36_500})
    answer = report(path, "--since", "1d")
    assert answer["totals"]["total_cost"] == "36500"
    assert answer["notes"] == ["1 request (gpt-4o-mini): the reported cost is beyond belief against tokens and rates"]


def test_cache_writes_and_the_edge_of_a_long_context(tmp_path):
    def answered(total: int, read: int, written: int) -> dict[str, Any]:
        usage = {
            "input_tokens": total, "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
            "output_tokens": 100, "output_tokens_details": {"reasoning_tokens": 40}, "total_tokens": total + 100,
        }  # fmt: skip
        body = {"object": "response", "status": "completed", "model": "gpt-5.6-sol", "output": [], "usage": usage}
        return {"response": body, "started_at": 1_795_600_000}

    path = recorded(tmp_path, answered(2600, 2000, 400), answered(278_000, 5000, 3000))
    assert report(path, "--since", "2026-11-20", "--until", "2026-12-01")["totals"]["total_cost"] == "2.2026"


def test_images_and_speech_have_their_own_rates(tmp_path):
    image = {
        "modelVersion": "gemini-2.5-flash-image", "candidates": [{"finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 1290, "totalTokenCount": 2290,
                          "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]},
    }  # fmt: skip
    spoken = {**CHAT, "model": "gpt-realtime-mini", "usage": {
        "prompt_tokens": 1000, "completion_tokens": 1000, "prompt_tokens_details": {"audio_tokens": 600},
        "completion_tokens_details": {"audio_tokens": 900}}}  # fmt: skip
    path = recorded(tmp_path, {"response": image}, {"response": spoken})
    assert costs(report(path, "--group-by", "model", "--since", "1d"), "model") == {
        ("gemini-2.5-flash-image",): "0.039", ("gpt-realtime-mini",): "0.02448",
    }  # fmt: skip


def test_speech_in_real_time_and_what_of_it_was_cached(tmp_path):
    def spoken(model: str, cached_audio: int) -> dict[str, Any]:
        usage = {
            "total_tokens": 300, "input_tokens": 200, "output_tokens": 100,
            "input_token_details": {
                "cached_tokens": 50, "text_tokens": 120, "audio_tokens": 80,
                "cached_tokens_details": {"text_tokens": 50 - cached_audio, "audio_tokens": cached_audio},
            },
            "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
        }  # fmt: skip
        body = {"object": "realtime.response", "status": "completed", "model": model, "usage": usage}
        return {"response": {"type": "response.done", "response": body}}

    path = recorded(
        tmp_path, spoken("gpt-realtime", 20), spoken("gpt-realtime-mini", 0), spoken("gpt-realtime-mini", 20)
    )
    answer = report(path, "--group-by", "model", "--since", "1d")
    # 90 text, 60 speech, 50 cached, 20 text and 80 speech out, in millionths: 360 + 1920 + 20 + 320 + 5120.
    # 70 text, 80 speech, 50 cached, 20 and 80 out: 42 + 800 + 3 + 48 + 1600; cached speech has a price of its own.
    assert costs(answer, "model") == {("gpt-realtime",): "0.00774", ("gpt-realtime-mini",): "0.002493"}
    assert answer["totals"]["unpriced_count"] == 1
    assert any("gpt-realtime-mini cached_audio" in note for note in answer["notes"])


def test_images_that_a_model_is_shown_are_not_taken_for_text(tmp_path):
    def drawn(shown: int, **more: Any) -> dict[str, Any]:
        usage = {"total_tokens": 1110, "input_tokens": 110, "output_tokens": 1000,
                 "input_tokens_details": {"text_tokens": 110 - shown, "image_tokens": shown}, **more}  # fmt: skip
        return {"request": {"model": "gpt-image-1.5"}, "response": {"created": 1, "data": [{"b64_json": ""}],
                "usage": usage}}  # fmt: skip

    seen = {**CHAT, "model": "gpt-5-mini", "usage": {
        "prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"image_tokens": 900}}}  # fmt: skip
    path = recorded(
        tmp_path, drawn(0), drawn(0, output_tokens_details={"image_tokens": 900, "text_tokens": 100}), drawn(100),
        {"response": seen},
    )  # fmt: skip
    answer = report(path, "--group-by", "model", "--since", "1d")
    # In millionths: 550 + 32,000 and 550 + 28,800 + 1,000; of most models an image is text: 250.
    assert costs(answer, "model") == {("gpt-image-1.5",): "0.0629", ("gpt-5-mini",): "0.00025"}
    assert any("gpt-image-1.5 image_input" in note for note in answer["notes"])


def test_a_billed_tool_that_no_column_holds_makes_its_request_unpriced(tmp_path):
    tools = {"server_tool_use": {"code_execution_requests": 1, "web_fetch_requests": 2}}
    path = recorded(tmp_path, message("claude-sonnet-4-6", {}, **tools))
    answer = report(path, "--since", "1d")
    assert answer["totals"]["unpriced_count"] == 1
    assert any("claude-sonnet-4-6 code_execution" in note for note in answer["notes"])


def test_sessions_and_prompts_are_dimensions(tmp_path):
    priced = {"response": {**CHAT, "model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}}
    path = recorded(
        tmp_path,
        {**priced, "session": "s-1", "prompt": "triage-v2"},
        {**priced, "session": "s-1", "request": {"model": "gpt-4o", "prompt_cache_key": "digest"}},
        {**priced, "session": "s-2"},
    )
    assert costs(report(path, "--group-by", "session,prompt", "--since", "1d"), "session", "prompt") == {
        ("s-1", "digest"): "0.0025", ("s-1", "triage-v2"): "0.0025", ("s-2", None): "0.0025",
    }  # fmt: skip
    filtered = report(path, "--group-by", "session", "--where", "prompt:triage*", "--since", "1d")
    assert costs(filtered, "session") == {("s-1",): "0.0025"}


NEW_API = """
name = "new-api"
table = "logs"
recognised_by = ["id", "quota"]
id = "id"
filter = "type in (2, 5, 6)"
[time]
column = "created_at"
unit = "epoch_s"
[cost]
unit = "points"
divisor = 500000
[fields]
model = "model_name"
token = "token_id"
input_tokens = "prompt_tokens"
output_tokens = "completion_tokens"
reported_cost = { sql = "case when type = 6 then -abs(quota) else quota end", needs = ["quota"] }
latency_ms = { sql = "use_time * 1000", needs = ["use_time"] }
status = { sql = "case type when 5 then 500 else 200 end", needs = ["type"] }
"""


@pytest.fixture
def refunds(tmp_path):
    """Charges in points, one taken back (type 6), one settled below its pre-charge, one top-up that is no request."""
    path, start = tmp_path / "newapi.db", 1_795_737_600
    with sqlite3.connect(path) as log:
        log.execute(
            "CREATE TABLE logs (id INTEGER PRIMARY KEY, created_at INT, type INT, model_name TEXT, token_id INT, "
            "quota INT, prompt_tokens INT, completion_tokens INT, use_time INT)"
        )
        rows = [
            (2, "gpt-4o", 5000, 1000, 500, 3), (2, "kling-video", 1_000_000, 0, 0, 1),
            (6, "kling-video", 1_000_000, 0, 0, 0), (5, "gpt-4o", 0, 0, 0, 1), (1, "", 5_000_000, 0, 0, 0),
            (2, "kling-video", -250_000, 0, 0, 1), (2, "kling-video", 1_000_000, 0, 0, 1),
        ]  # fmt: skip
        for number, (kind, model, quota, tokens, output, spent) in enumerate(rows):
            values = (start + number, kind, model, 11, quota, tokens, output, spent)
            log.execute(
                "INSERT INTO logs (created_at, type, model_name, token_id, quota, prompt_tokens, completion_tokens, "
                "use_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values,
            )  # fmt: skip
    log.close()
    mapping = tmp_path / "newapi.toml"
    mapping.write_text(NEW_API)
    return path, mapping


def test_a_refund_takes_money_back_and_is_no_request(refunds):
    path, mapping = refunds
    answer = report(path, "--mapping", str(mapping), "--group-by", "model", "--since", "2026-11-20",
                    "--until", "2026-12-01")  # fmt: skip
    video = next(row for row in answer["results"] if row["model"] == "kling-video")
    assert (video["total_cost"], video["market_cost"], video["request_count"]) == ("1.5", "1.5", 3)
    assert answer["totals"]["total_cost"] == "1.51"
    assert "2 refunds or corrections: 2.5 USD taken off total_cost and market_cost" in answer["notes"]
