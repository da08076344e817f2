"""The conventions and traps of each API, in numbers chosen so that each wrong rule gives a different answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.usage import Usage, detect_api, read_usage, usage_status
from cost_top.usage.anthropic import plain_counts, read_messages
from cost_top.usage.frames import positive


def chat(model="m", details=None, out_details=None, **usage):
    if details:
        usage["prompt_tokens_details"] = details
    if out_details:
        usage["completion_tokens_details"] = out_details
    return {"model": model, "choices": [{"index": 0, "message": {}, "finish_reason": "stop"}], "usage": usage}


def chunk(finish=None, **more):
    return {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}], **more}


def message(kind="message", **usage):
    return {"type": kind, "model": "claude", "usage": usage}


def gemini(**usage):
    return {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage}


CHAT_3_2 = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

# Beside this file, one case a line; expected: input, cached, cache creation, its 1 h part, output, reasoning.
RULES = [json.loads(line) for line in (Path(__file__).parent / "usage-rules.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", RULES, ids=[case["rule"] for case in RULES])
def test_counts(case):
    usage = read_usage(case["api"], case["frames"])
    assert usage is not None
    assert (
        usage.input_tokens, usage.cached_input_tokens, usage.cache_creation_input_tokens,
        usage.cache_creation_1h_tokens, usage.output_tokens, usage.reasoning_tokens,
    ) == tuple(case["expected"])  # fmt: skip
    assert usage.status == ("partial" if None in case["expected"] else "complete")


@pytest.mark.parametrize(
    ("api", "frames", "mode"),
    [
        ("openai.chat", {**chat(**CHAT_3_2), "service_tier": "flex"}, "flex"),
        ("openai.chat", {**chat(**CHAT_3_2), "service_tier": "default"}, "standard"),
        ("openai.chat", {**chat(**CHAT_3_2), "service_tier": "scale"}, "scale"),
        ("openai.chat", {"custom_id": "a", "response": {"body": chat(**CHAT_3_2)}}, "batch"),
        (
            "openai.responses",
            {"object": "response", "service_tier": "priority", "usage": {"input_tokens": 1, "output_tokens": 1}},
            "priority",
        ),
        ("groq.chat", {**chat(**CHAT_3_2), "service_tier": "on_demand"}, "standard"),
        ("anthropic.messages", message(input_tokens=1, output_tokens=1, service_tier="batch"), "batch"),
        ("anthropic.messages", {"result": {"message": message(input_tokens=1, output_tokens=1)}}, "batch"),
        ("google.generateContent", gemini(promptTokenCount=1, trafficType="ON_DEMAND_PRIORITY"), "priority"),
        ("bedrock.converse", {"usage": {"inputTokens": 1, "outputTokens": 1}, "serviceTier": {"type": "flex"}}, "flex"),
        ("openai.chat", chat(**CHAT_3_2), None),
        (
            "anthropic.messages",
            message(input_tokens=1, output_tokens=1, iterations=[{"type": "advisor_message", "model": "claude-opus"}]),
            "advisor",
        ),
        ("xai.chat", chat(**CHAT_3_2, num_sources_used=2), "live_search"),
        ("xai.chat", chat(**CHAT_3_2, server_side_tool_usage_details={"x_search_calls": 1}), "x_search"),
        ("xai.chat", chat(**CHAT_3_2, server_side_tool_usage_details={"web_search_calls": 1, "mcp_calls": 1}), None),
        ("xai.chat", chat(**CHAT_3_2, num_server_side_tools_used=1), "server_tools"),
        ("openai.chat", chat("sonar-pro", **CHAT_3_2, search_context_size="low"), "search_context_low"),
        ("openai.chat", chat("sonar-pro", **CHAT_3_2, search_context_size="high"), None),
        # 5 of 8 cached tokens are speech, 1 of the 2 others: counts alone would say 4 of 8 and 2 of 2.
        (
            "google.generateContent",
            gemini(promptTokenCount=10, candidatesTokenCount=1, totalTokenCount=11, cachedContentTokenCount=8,
                   promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 6}],
                   cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 5}]),
            "cached_audio",
        ),
        (
            "google.generateContent",
            gemini(promptTokenCount=10, candidatesTokenCount=1, totalTokenCount=11, cachedContentTokenCount=8,
                   promptTokensDetails=[{"modality": "AUDIO", "tokenCount": 6}],
                   cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 4}]),
            None,
        ),
    ],
)  # fmt: skip
def test_mode(api, frames, mode):
    assert read_usage(api, frames).mode == mode


@pytest.mark.parametrize(
    ("api", "frames", "status"),
    [
        ("openai.chat", [], "no_usage"),
        ("openai.chat", {"error": {"message": "no"}}, "no_usage"),
        ("openai.chat", [chunk(), chunk("stop")], "no_usage"),
        ("openai.chat", [chunk(), chunk()], "interrupted"),
        ("openai.chat", [chunk(usage=None), chunk("stop", usage=None)], "interrupted"),
        ("mistral.chat", [chunk(), chunk("stop")], "interrupted"),
        ("openai.responses", {"object": "response", "status": "failed", "usage": None}, "no_usage"),
        ("anthropic.messages", [{"type": "content_block_delta"}], "interrupted"),
        ("anthropic.messages", {"type": "error", "error": {}}, "no_usage"),
        ("google.generateContent", [{"candidates": [{"content": {}}]}], "interrupted"),
        ("cohere.v2", [{"type": "message-start"}, {"type": "content-delta"}], "interrupted"),
        ("cohere.v2", {"meta": {"billed_units": {"search_units": 1}}}, "not_tokens"),
        ("bedrock.converse", [{"messageStart": {}}, {"messageStop": {}}], "interrupted"),
        ("ollama.native", [{"done": False}], "interrupted"),
        ("vercel.ai_sdk", [{"type": "stream-start"}], "interrupted"),
    ],
)
def test_without_counts_there_is_no_usage_but_a_reason(api, frames, status):
    assert read_usage(api, frames) is None
    assert usage_status(api, frames) == status


def test_perplexity_bills_the_request_itself():
    bill = {"input_tokens_cost": 0.001, "request_cost": 0.005, "total_cost": 0.0062}
    usage = read_usage("openai.chat", chat("sonar", **CHAT_3_2, cost=bill, search_context_size="low"))
    assert (usage.reported_cost, usage.mode) == (6_200_000_000, "search_context_low")
    cited = read_usage("openai.chat", chat("sonar-deep-research", **CHAT_3_2, cost=bill, citation_tokens=9))
    assert (cited.reported_cost, cited.mode) == (6_200_000_000, "citations")
    # The fee of the largest search is no list price of this one.
    asked = Request("perplexity", "sonar", datetime(2026, 11, 1, tzinfo=UTC), 3, output_tokens=2,
                    reported_cost=usage.reported_cost, mode=usage.mode)  # fmt: skip
    assert price(RateBook.load(), asked).market_cost == usage.reported_cost


@pytest.mark.parametrize("bill", [{"total_cost": 0.0062, "currency": "EUR"}, {"total_cost": None},
                                  {"total_cost": "?"}, {"total_cost": -1}, {}])  # fmt: skip
def test_a_bill_that_cannot_be_read_is_no_cost(bill):
    usage = read_usage("openai.chat", chat("sonar", **CHAT_3_2, cost=bill, search_context_size="low"))
    assert (usage.reported_cost, usage.mode) == (None, "search_context_low")
    assert read_usage("openai.chat", chat("sonar", **CHAT_3_2, cost=bill, search_context_size="high")).mode is None


def listed(model, **usage):
    return {"object": "list", "model": model, "data": [{"object": "embedding"}], "usage": usage}


def grounded(**grounding):
    return {"candidates": [{"finishReason": "STOP", "groundingMetadata": grounding}],
            "modelVersion": "gemini-3.6-flash",
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1, "totalTokenCount": 11}}  # fmt: skip


def shown(kind, model):
    details = [{"modality": kind, "tokenCount": 258}, {"modality": "TEXT", "tokenCount": 4}]
    return {**gemini(promptTokenCount=262, totalTokenCount=262, promptTokensDetails=details), "modelVersion": model}


def executed(*kinds):
    return {**chat("openai/gpt-oss-120b", **CHAT_3_2), "choices": [
        {"message": {"executed_tools": [{"type": kind} for kind in kinds]}, "finish_reason": "stop"}]}  # fmt: skip


def responded(model, *output, tools=()):
    return {"object": "response", "status": "completed", "model": model, "output": list(output), "tools": list(tools),
            "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}  # fmt: skip


SEARCH, PREVIEW = {"type": "web_search_call"}, {"type": "web_search_preview"}


# Billed beside or instead of the tokens, by what no count of a record holds.
@pytest.mark.parametrize(
    ("api", "frames", "mode", "searches"),
    [
        ("openai.chat", chat("sonar-deep-research", **CHAT_3_2, citation_tokens=20), "citations", 0),
        ("openai.chat", chat("sonar-deep-research", **CHAT_3_2, citation_tokens=20, cost={"total_cost": 0.4}),
         "citations", 0),
        ("openai.chat", chat("sonar-deep-research", **CHAT_3_2, citation_tokens=0, num_search_queries=3), None, 3),
        ("mistral.chat", chat("voxtral-small-latest", **CHAT_3_2, prompt_audio_seconds=203), "audio_seconds", 0),
        ("mistral.chat", chat("voxtral-small-latest", **CHAT_3_2, prompt_audio_seconds=0), None, 0),
        ("mistral.chat", chat("mistral-medium-latest", **CHAT_3_2, connectors={"web_search": 2}), None, 2),
        ("mistral.chat", chat("mistral-medium-latest", **CHAT_3_2, connectors={"code_interpreter": 1}),
         "code_interpreter", 0),
        ("openai.chat", chat("sonar-deep-research", out_details={"citation_tokens": 9, "num_search_queries": 2},
                             **CHAT_3_2), "citations", 2),
        ("openai.chat", chat("qwen-plus", **CHAT_3_2, plugins={"search": {"count": 1}}), None, 1),
        ("openai.chat", listed("voyage-multimodal-3.5", total_tokens=20, image_pixels=2_000_000), "image_input", 0),
        ("openai.chat", listed("voyage-multimodal-3.5", total_tokens=20, image_pixels=0), None, 0),
        ("openai.chat", chat("gpt-4o-search-preview", **CHAT_3_2), None, 1),
        ("openai.chat", chat("gpt-5-search-api-2025-10-14", **CHAT_3_2), None, 1),
        ("groq.chat", executed("search", "python"), "python", 0),
        ("openai.chat", {**chat("glm-4.6", **CHAT_3_2), "web_search": [{"title": "x"}]}, None, 1),
        ("groq.chat", executed(), None, 0),
        ("openai.chat", chat("gemini-3.6-flash", {"google_maps_grounding_requests": 1}, **CHAT_3_2), "google_maps", 0),
        ("openai.chat", chat("m", out_details={"video_tokens": 2}, **CHAT_3_2), "video", 0),
        ("openai.chat", chat("gpt-realtime-2.1-mini", {"cached_tokens_details": {"audio_tokens": 2}, "cached_tokens": 2,
                                                       "audio_tokens": 3}, **CHAT_3_2), "cached_audio", 0),
        ("openai.responses", responded("gpt-4.1", SEARCH, tools=[PREVIEW]), "web_search_preview", 1),
        ("openai.responses", responded("gpt-5", SEARCH, tools=[PREVIEW]), None, 1),
        ("openai.responses", responded("gpt-4.1", SEARCH, tools=[{"type": "web_search"}]), None, 1),
        ("openai.responses", responded("gpt-4.1", tools=[PREVIEW]), None, 0),
        ("openai.responses", responded("gpt-5.5", {"type": "shell_call",
                                                   "environment": {"type": "container_reference"}}), "shell", 0),
        ("openai.responses", responded("gpt-5.5", {"type": "shell_call", "environment": {"type": "local"}}), None, 0),
        ("google.generateContent", grounded(groundingChunks=[{"web": {}}, {"maps": {"uri": "x"}}]), "google_maps", 0),
        ("google.generateContent", grounded(webSearchQueries=["a"], imageSearchQueries=["b"]), None, 2),
        ("google.generateContent", grounded(retrievalQueries=["a"]), "retrieval", 0),
        ("google.generateContent", shown("IMAGE", "gemini-embedding-2"), "image_input", 0),
        ("google.generateContent", shown("VIDEO", "gemini-3.8-live"), "video_input", 0),
        ("google.generateContent", shown("IMAGE", "gemini-3.6-flash"), None, 0),
        ("cohere.v2", {"meta": {"billed_units": {"input_tokens": 4, "image_tokens": 900}}}, "image_tokens", 0),
        ("cohere.v2", {"meta": {"billed_units": {"input_tokens": 4, "search_units": 0}}}, None, 0),
        ("bedrock.converse", {"usage": {"inputTokens": 1, "outputTokens": 1},
                              "performanceConfig": {"latency": "optimized"}}, "latency_optimized", 0),
        ("bedrock.converse", [{"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1},
                                            "performanceConfig": {"latency": "standard"}}}], None, 0),
    ],
)  # fmt: skip
def test_what_is_billed_beside_tokens_is_counted_or_named(api, frames, mode, searches):
    usage = read_usage(api, frames)
    assert (usage.mode, usage.web_search_count) == (mode, searches)


def test_a_total_alone_is_the_input_of_embeddings_and_rankings():
    usage = read_usage("openai.chat", listed("voyage-3.5", total_tokens=20))
    assert (usage.input_tokens, usage.output_tokens, usage.status) == (20, 0, "complete")
    assert detect_api(listed("voyage-3.5", total_tokens=20)) == "openai.chat"
    assert read_usage("openai.chat", {"choices": [], "usage": {"total_tokens": 20}}) is None


def spoke(identity, size, audio):
    details = {"audio_tokens": audio, "cached_tokens": 4, "cached_tokens_details": {"audio_tokens": 3}}
    usage = {"input_tokens": size, "output_tokens": 7, "total_tokens": size + 7, "input_token_details": details,
             "output_token_details": {"audio_tokens": 5}}  # fmt: skip
    return {"type": "response.done", "response": {"object": "realtime.response", "id": identity, "usage": usage}}


WRITTEN = {"type": "conversation.item.input_audio_transcription.completed",
           "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "total_tokens": 11}}  # fmt: skip


@pytest.mark.parametrize(
    ("events", "counts", "mode"),
    [
        ([spoke("r1", 20, 10), spoke("r2", 40, 12)], (60, 8, 14, 16, 10), None),
        ([spoke("r1", 20, 10), spoke("r2", 40, 12), spoke("r2", 40, 12)], (60, 8, 14, 16, 10), None),
        ([spoke("r1", 20, 10), WRITTEN], (20, 4, 7, 7, 5), "transcription"),
        ([spoke("r1", 20, 10)], (20, 4, 7, 7, 5), None),
    ],
)
def test_the_answers_of_a_realtime_session_add_up(events, counts, mode):
    usage = read_usage("openai.responses", events)
    assert usage.mode == mode
    assert counts == (
        usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.audio_input_tokens,
        usage.audio_output_tokens,
    )  # fmt: skip


def test_a_turn_of_a_live_session_is_whole():
    turn = {"serverContent": {"turnComplete": True},
            "usageMetadata": {"promptTokenCount": 9, "responseTokenCount": 3, "totalTokenCount": 12}}  # fmt: skip
    assert (read_usage("google.generateContent", turn).status, read_usage("google.generateContent", turn).mode) == (
        "complete", None,
    )  # fmt: skip
    said = {**turn, "serverContent": {"modelTurn": {}}}
    assert read_usage("google.generateContent", said).mode == "interrupted"


def rounds(kind, size):
    return {"type": kind, "input_tokens": size, "output_tokens": 100}


@pytest.mark.parametrize(
    ("sizes", "top", "mode"),
    [
        ([("compaction", 180_000), ("message", 23_000)], 23_000, "rounds"),
        ([("compaction", 180_000)], 23_000, "rounds"),
        ([("message", 60_000), ("message", 70_000)], 130_000, "rounds"),
        ([("message", 150_000)], 150_000, None),
        ([("message", 8_000), ("message", 9_000)], 17_000, None),  # below every size
    ],
)
def test_rounds_whose_sizes_the_record_does_not_hold_are_named(sizes, top, mode):
    told = message(input_tokens=top, output_tokens=100, iterations=[rounds(*each) for each in sizes])
    usage = read_usage("anthropic.messages", told)
    assert usage.mode == mode
    assert usage.input_tokens == top + sum(size for kind, size in sizes if kind == "compaction")
    fast = message(input_tokens=top, output_tokens=100, speed="fast", iterations=told["usage"]["iterations"])
    assert read_usage("anthropic.messages", fast).mode == ("fast+rounds" if mode else "fast")


@pytest.mark.parametrize(
    ("frames", "mode"),
    [
        ([{"type": "finish-step", "usage": {"inputTokens": 90_000, "outputTokens": 5}},
          {"type": "finish-step", "usage": {"inputTokens": 95_000, "outputTokens": 5}},
          {"type": "finish", "totalUsage": {"inputTokens": 185_000, "outputTokens": 10}}], "rounds"),
        ([{"usage": {"inputTokens": 95_000, "outputTokens": 5},
           "totalUsage": {"inputTokens": 185_000, "outputTokens": 10}}], "rounds"),
        ([{"steps": [{"usage": {"inputTokens": 185_000, "outputTokens": 10}}],
           "usage": {"inputTokens": 185_000, "outputTokens": 10},
           "totalUsage": {"inputTokens": 185_000, "outputTokens": 10}}], None),
        ([{"type": "finish-step", "usage": {"inputTokens": 185_000, "outputTokens": 10}},
          {"type": "finish", "totalUsage": {"inputTokens": 185_000, "outputTokens": 10}}], None),
    ],
)  # fmt: skip
def test_steps_of_one_call_are_rounds(frames, mode):
    usage = read_usage("vercel.ai_sdk", frames)
    assert (usage.mode, usage.input_tokens) == (mode, 185_000)


def test_steps_before_the_one_that_was_cut_off_are_all_counted():
    def step(size):
        return {"type": "finish-step", "usage": {"inputTokens": size, "outputTokens": 5}}

    usage = read_usage("vercel.ai_sdk", [{"type": "start"}, step(90_000), step(95_000), {"type": "text-delta"}])
    assert (usage.mode, usage.status) == ("rounds+interrupted", "partial")
    assert (usage.input_tokens, usage.output_tokens) == (185_000, 10)
    assert read_usage("vercel.ai_sdk", [step(95_000)]).status == "complete"


def test_xai_searches_are_counted():
    usage = read_usage("xai.chat", chat(**CHAT_3_2, server_side_tool_usage_details={"web_search_calls": 3}))
    assert usage.web_search_count == 3


def test_a_cost_without_counts_is_kept():
    usage = read_usage("openrouter.chat", {"choices": [], "usage": {"cost": 0.25}})
    assert (usage.reported_cost, usage.status, usage.input_tokens) == (250_000_000_000, "no_usage", None)


def test_a_stream_that_repeats_its_usage_is_partial_until_it_ends():
    first = chunk(usage={"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11})
    assert read_usage("xai.chat", [first]).mode == "interrupted"
    assert read_usage("anthropic.messages", {"type": "message_start", "message": message(input_tokens=9)}).mode == (
        "interrupted"
    )
    last = chunk("stop", usage={"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19})
    assert read_usage("xai.chat", [first]).status == "partial"
    assert read_usage("xai.chat", [first, last]).output_tokens == 9
    assert read_usage("xai.chat", [first, last]).status == "complete"


@pytest.mark.parametrize(
    ("spend", "hit", "tokens", "expected"),
    [
        (0.01815, "False", 5, 18_150_000_000),
        (0.0, "False", 5, None),
        (0.0, "True", 5, 0),
        (0.0001, "True", 5, 100_000_000),
        (0.0, "None", 0, 0),
        (-1.0, "False", 5, None),
        (float("nan"), "False", 5, None),
        (float("inf"), "False", 5, None),
        (1e300, "False", 5, None),
        ("1e999999999", "False", 5, None),
        ("0.25", "False", 5, 250_000_000_000),
        (None, "False", 5, None),
        (True, "False", 5, None),
        (10**4000, "False", 5, None),
        (9_999_999, "False", 5, None),
    ],
)
def test_what_litellm_charged(spend, hit, tokens, expected):
    row = {"prompt_tokens": tokens, "completion_tokens": 0, "spend": spend, "cache_hit": hit}
    assert read_usage("litellm.spendlog", [row]).reported_cost == expected


def test_the_parts_of_a_bedrock_clients_stream():
    metrics = {"inputTokenCount": 5, "outputTokenCount": 3}
    body = json.dumps({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics}).encode()
    assert read_usage("bedrock.invoke", [{"chunk": {"bytes": body}}]).output_tokens == 3


_FIGURES = st.one_of(st.integers(0, 50), st.sampled_from([None, -1, True, 2**60, "7", 1.0]))


@given(
    usage=st.fixed_dictionaries(
        {"input_tokens": _FIGURES, "output_tokens": _FIGURES},
        optional={
            "cache_read_input_tokens": _FIGURES, "cache_creation_input_tokens": _FIGURES,
            "service_tier": st.sampled_from(["standard", "priority", None]),
            "cache_creation": st.one_of(
                st.none(), st.dictionaries(st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]),
                                           _FIGURES)
            ),
            "server_tool_use": st.just({"web_search_requests": 1}), "speed": st.just("fast"),
        },
    ),
    kind=st.sampled_from(["message", "message_start", None]),
)  # fmt: skip
def test_the_short_way_of_usual_counts_is_the_long_one(usage, kind):
    body = {"type": kind, "model": "claude", "usage": usage}
    short, whole = plain_counts(body), read_messages([body])
    if short is not None:
        assert short == (
            whole.input_tokens, whole.cached_input_tokens, whole.cache_creation_input_tokens,
            whole.cache_creation_1h_tokens, whole.output_tokens,
        )  # fmt: skip
        assert replace(whole, model=None, input_tokens=None, output_tokens=None, cached_input_tokens=0,
                       cache_creation_input_tokens=0, cache_creation_1h_tokens=0) == Usage(
            mode="standard", status="complete"
        )  # fmt: skip


def test_usage_alone_was_not_cut_off():
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 13}
    usage = read_usage("google.generateContent", {"modelVersion": "gemini-3-pro", "usageMetadata": counts})
    assert (usage.status, usage.mode, usage.output_tokens) == ("complete", None, 3)
    begun = [{"candidates": [{"content": {}}]}, {"serverContent": {"modelTurn": {}}}]
    assert [read_usage("google.generateContent", {"usageMetadata": counts, **body}).mode for body in begun] == [
        "interrupted", "interrupted",
    ]  # fmt: skip


def test_a_field_of_perplexitys_without_a_value_is_none():
    empty = dict.fromkeys(("citation_tokens", "num_search_queries", "search_context_size"))
    usage = read_usage("openai.chat", chat(out_details={"reasoning_tokens": 1}, **CHAT_3_2, **empty))
    assert (usage.output_tokens, usage.reasoning_tokens) == (2, 1)


def test_a_number_that_is_none_is_not_above_zero():
    assert not any(positive({"n": Decimal(word)}, "n") for word in ("NaN", "sNaN", "-1", "0"))
    assert positive({"n": Decimal("0.5")}, "n")


def test_the_short_way_takes_the_usual_counts():
    usage = {
        "input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 9, "output_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}, "service_tier": "standard",
    }  # fmt: skip
    assert plain_counts({"type": "message", "usage": usage}) == (17, 5, 9, 4, 2)
