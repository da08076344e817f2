"""What one request becomes: the five styles, who said what, and what must never be kept."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from cost_top.model.errors import UserError
from cost_top.model.native import COLUMNS
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.record import Recorder
from cost_top.record.request import request_facts
from cost_top.record.row import compose
from cost_top.record.secret import looks_secret, public_token
from cost_top.usage import read_usage
from cost_top.usage.counts import Usage

PROMPT = "zebra-umbrella-71 is the secret of this prompt"
ANSWER = "walrus-lantern-93 is the secret of this answer"
GATEWAY = {"gateway": {"user": "acme", "tags": ["prod", "plan:pro"]}}
CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 2006, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1920}},
    "service_tier": "flex",
}
MESSAGE_EVENTS = [
    {"type": "message_start", "message": {"model": "claude-sonnet-4-6", "usage": {
        "input_tokens": 12, "cache_read_input_tokens": 6209, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": ANSWER}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 240}},
    {"type": "message_stop"},
]  # fmt: skip
RESPONSE = {
    "object": "response",
    "model": "gpt-5",
    "output": [{"content": [{"text": ANSWER}]}],
    "usage": {"input_tokens": 7, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}},
}
TEXT = [{"role": "user", "content": PROMPT}]

STYLES = {
    "ai sdk": {
        "request": {"prompt": TEXT, "providerOptions": GATEWAY},
        "headers": {"ai-language-model-id": "anthropic/claude-sonnet-4.6", "ai-language-model-streaming": "false"},
        "response": {"content": [{"type": "text", "text": ANSWER}], "usage": {
            "inputTokens": {"total": 6221, "cacheRead": 6209}, "outputTokens": {"total": 240}}},
    },
    "chat completions": {
        "request": {"model": "gpt-4o", "messages": TEXT, "user": "acme", "stream": False},
        "headers": {"ai-reporting-tags": "prod, plan:pro"},
        "response": CHAT_ANSWER,
    },
    "responses": {
        "request": {"model": "gpt-5", "input": PROMPT, "instructions": PROMPT, "providerOptions": GATEWAY},
        "response": RESPONSE,
    },
    "openresponses": {
        "request": {"model": "openai/gpt-5", "input": TEXT, "user": "acme", "providerOptions": {
            "gateway": {"tags": ["prod", "plan:pro"]}}, "stream": True},
        "events": [{"type": "response.output_text.delta", "delta": ANSWER},
                   {"type": "response.completed", "response": RESPONSE}],
    },
    "messages": {
        "request": {"model": "claude-sonnet-4-6", "system": PROMPT, "messages": TEXT, "metadata": {"user_id": "acme"},
                    "providerOptions": {"gateway": {"tags": ["prod", "plan:pro"]}}, "stream": True},
        "events": MESSAGE_EVENTS,
    },
}  # fmt: skip
EXPECTED = {
    "ai sdk": ("anthropic", "anthropic/claude-sonnet-4.6", 6221, 6209, 240, 0, 0),
    "chat completions": ("openai", "gpt-4o-2024-08-06", 2006, 1920, 300, 0, 0),
    "responses": ("openai", "gpt-5", 7, 0, 5, 2, 0),
    "openresponses": ("openai", "gpt-5", 7, 0, 5, 2, 1),
    "messages": ("anthropic", "claude-sonnet-4-6", 6221, 6209, 240, 0, 1),
}
FIELDS = ("provider", "model", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "streamed")


@pytest.mark.parametrize("as_text", [False, True], ids=["objects", "text"])
@pytest.mark.parametrize("style", STYLES)
def test_style(log, style, as_text):
    call = dict(STYLES[style])
    if as_text:
        call["request"] = json.dumps(call["request"]).encode()
        if "response" in call:
            call["response"] = json.dumps(call["response"])
        else:
            call["events"] = "".join(f"event: x\ndata: {json.dumps(event)}\n\n" for event in call["events"])
    log.recorder.record(
        **call, endpoint="/summarise?key=sk-1", token="sk-proj-abcdefghijkl", status=200, latency_ms=812.4
    )
    row = log.row()
    assert tuple(row[name] for name in FIELDS) == EXPECTED[style]
    assert (row["user_id"], row["tags"]) == ("acme", ["prod", "plan:pro"])
    assert (row["endpoint"], row["status"], row["latency_ms"]) == ("/summarise", 200, 812)
    assert row["cost_pico_usd"] is None
    stored = log.bytes()
    for secret in (PROMPT, ANSWER, "zebra", "walrus", "abcdefghijkl"):
        assert secret.encode() not in stored


def test_the_queue_holds_no_text(tmp_path):
    """Rows that wait for a database must be as free of prompts as those in it."""
    recorder = Recorder(f"sqlite:///{tmp_path}/absent/requests.db")
    for call in STYLES.values():
        recorder.record(**call, token="sk-proj-abcdefghijkl")
    waiting = repr([recorder._writer._rows, recorder._writer._batch, recorder, vars(recorder._writer)])
    assert "acme" in waiting
    for secret in ("zebra", "walrus", "abcdefghijkl"):
        assert secret not in waiting
    recorder.close(timeout=0)


def test_what_the_caller_says_wins(log):
    log.recorder.record(
        request=STYLES["chat completions"]["request"], response=CHAT_ANSWER, model="my-model", provider="azure",
        user="other", tags=["prod", "mine"], owner="Ann", team="Search", token="key-7", token_name="CI", mode="batch",
        credential_type="byok", cost_usd="0.05259", streamed=True, client_ip="10.0.0.9", user_agent="x/1", id="row-1",
        started_at=datetime(2025, 1, 15, 12, tzinfo=UTC), headers=[(b"AI-Reporting-Tags", b"late")],
    )  # fmt: skip
    row = log.row()
    assert {name: row[name] for name in ("id", "model", "provider", "user_id", "owner", "team", "token")} == {
        "id": "row-1", "model": "my-model", "provider": "azure", "user_id": "other", "owner": "Ann", "team": "Search",
        "token": "key-7",
    }  # fmt: skip
    assert row["tags"] == ["prod", "mine", "late"]
    assert (row["time_ms"], row["cost_pico_usd"], row["mode"]) == (1736942400000, 52_590_000_000, "batch")
    assert (row["token_name"], row["credential_type"], row["streamed"]) == ("CI", "byok", 1)
    assert (row["client_ip"], row["user_agent"]) == ("10.0.0.9", "x/1")


def test_the_service_tier_of_the_answer_counts(log):
    log.recorder.record(request={"model": "gpt-4o", "service_tier": "priority"}, response=CHAT_ANSWER)
    assert log.row()["mode"] == "flex"


def test_response_cache_hits_keep_avoided_tokens_and_no_old_cost(log):
    answer = {**CHAT_ANSWER, "usage": {**CHAT_ANSWER["usage"], "cost": 0.5, "is_byok": False}}
    log.recorder.record(response=answer, id="a", started_at=1)
    log.recorder.record(response=answer, id="b", started_at=2, cache_hit=True)
    log.recorder.record(response=answer, id="c", started_at=3, cache_hit=True, cost_usd=0.0001)
    paid, hit, charged = log.rows()
    assert (paid["cost_pico_usd"], paid["cache_hit"]) == (500_000_000_000, None)
    assert (hit["cost_pico_usd"], hit["cache_hit"], hit["input_tokens"]) == (None, 1, 2006)
    assert charged["cost_pico_usd"] == 100_000_000


def test_byok_is_seen_in_the_gateway_options(log):
    log.recorder.record(
        request={"model": "m", "providerOptions": {"gateway": {"byok": {"openai": [{"apiKey": "sk-1"}]}}}}
    )
    assert log.row()["credential_type"] == "byok"
    assert b"sk-1" not in log.bytes()


def test_nothing_known_is_null_not_zero(log):
    log.recorder.record()
    row = log.row()
    known = {name for name, value in row.items() if value is not None}
    assert known == {"id", "time_ms"}


def test_the_same_id_replaces_its_row(log):
    log.recorder.record(id="a", response=CHAT_ANSWER, started_at=5)
    log.recorder.record(id="a", response=RESPONSE, started_at=5)
    assert log.row()["output_tokens"] == 5
    assert log.recorder.written == 2


HOSTILE = [
    "a\x00b\x1b[31mc", "\ud800lone\udfff", "x" * 10_000, "\u202eevil\u2066", "\r\n\t", 12, 1.5, True, None, b"bytes",
    ["list"], {"a": 1}, object(), 10**400, float("nan"), "😀" * 600, "'; DROP TABLE cost_top_requests; --",
    uuid.UUID(int=5),
]  # fmt: skip
TEXTS = (
    "endpoint", "token", "token_name", "user", "owner", "team", "provider", "model", "credential_type", "mode",
    "client_ip", "user_agent", "id", "api",
)  # fmt: skip
OTHERS = (
    "tags", "cache_hit", "cost_usd", "status", "streamed", "latency_ms", "started_at", "request", "response", "events",
    "headers",
)  # fmt: skip


@pytest.mark.parametrize("field", TEXTS + OTHERS)
def test_hostile_values_in_every_field(log, field):
    for value in HOSTILE:
        log.recorder.record(**{field: value})
        log.recorder.record(**{field: [value]})
        log.recorder.record(headers={"user-agent": value, "ai-reporting-tags": value})
        gateway = {"user": value, "tags": [value, [value]]}
        body = {"model": value, "user": value, "metadata": {"user_id": value}, "stream": value}
        log.recorder.record(request={**body, "providerOptions": {"gateway": gateway}})
        log.recorder.record(response={"model": value, "usage": {"prompt_tokens": value, "cost": value}})
    rows = log.rows()
    assert log.recorder.dropped == 0
    assert len(rows) == 5 * len(HOSTILE) if field != "id" else len(rows) > 4 * len(HOSTILE)
    for row in rows:
        for value in [*row.values(), *(row["tags"] or ())]:
            if isinstance(value, str):
                assert len(value) <= 512
                assert value.encode()
                assert not set(value) & set("\x00\x1b\r\n\t\u202e\u2066")


def test_endless_and_raising_tags_cost_no_more_than_the_row(log):
    def endless():
        while True:
            yield "tag"

    def raising():
        yield "a"
        raise RuntimeError("no")

    log.recorder.record(tags=endless())
    log.recorder.record(tags=raising())
    assert log.row()["tags"] == ["tag"]
    assert log.recorder.dropped == 1


KEYS = [
    "sk-abc123def456", "sk-proj-Ab3dEf6hIj9kLm2nOp5q", "sk-ant-api03-Zz9Yy8Xx7Ww6Vv5Uu4Tt3", "pg_live_xy7kd93jf8w0dk2",
    "AIzaSyA1b2C3d4E5f6G7h8I9j0", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "vck_1234567890abcdef",
    "0b1f9c52-6f39-4b7e-9a52-6dbe7e4bb001", "Ab3dEf6hIj9kLm2nOp5q", "gsk_abcdefghij", "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_never_stored(log, key):
    log.recorder.record(token=key)
    log.recorder.record(headers={"Authorization": f"Bearer {key}"})
    log.recorder.record(headers={"x-api-key": key})
    tokens = {row["token"] for row in log.rows()}
    assert tokens == {public_token(key)}, "one key is one token, wherever it was found"
    (token,) = tokens
    prefix, _, digest = token.partition("…")
    assert len(digest) == 12
    assert len(prefix) <= len(key) / 3
    assert key.encode() not in log.bytes()
    assert key[len(prefix) : len(prefix) + 6].encode() not in log.bytes() or key == "x" * 200


@pytest.mark.parametrize(
    "name", ["team-billing", "prod", "key-7", "customer 12", "ab" * 32, "web/search", "user@example.com"]
)
def test_public_ids_stay_readable(name):
    assert not looks_secret(name)
    assert public_token(name) == name


def test_a_header_key_is_a_key_whatever_it_looks_like(log):
    log.recorder.record(headers={"authorization": "Bearer opensesame"})
    assert log.row()["token"].startswith("…")
    assert b"opensesame" not in log.bytes()


@pytest.mark.parametrize(
    "url", ["requests.db", "mysql://a/b", "sqlite://", "sqlite:///", "sqlite://rel.db", "", "postgresql://"]
)
def test_addresses_that_cannot_be_written_to(url):
    with pytest.raises(UserError, match=r"use sqlite:///requests\.db or postgresql://"):
        Recorder(url)


def test_an_address_in_a_message_shows_no_password():
    with pytest.raises(UserError) as caught:
        Recorder("mysql://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


SOLVED = {"type": "message", "model": "claude-opus-4-8", "stop_reason": "end_turn", "usage": {
    "input_tokens": 5, "output_tokens": 2, "server_tool_use": {"code_execution_requests": 1}}}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "asked", "kept"),
    [
        (None, {}, "code_execution"),
        ("batch", {}, "batch+code_execution"),
        ("standard", {}, "code_execution"),
        (None, {"speed": "fast"}, "fast+code_execution"),
        ("flex", {"speed": "fast"}, "flex+code_execution"),
    ],
)
def test_no_mode_hides_what_is_billed_beside_tokens(said, asked, kept):
    usage = read_usage("anthropic.messages", SOLVED)
    row = compose(request_facts(asked, {}), usage, "anthropic.messages", {"mode": said})
    assert dict(zip(COLUMNS, row, strict=True))["mode"] == kept


@pytest.mark.parametrize("said", ["1,20", float("nan"), [], 10**30, True])
def test_a_cost_that_is_no_amount_is_not_made_up_from_rates(said):
    usage = Usage(1_000, output_tokens=10, reported_cost=7, status="complete", mode="flex")
    row = dict(
        zip(COLUMNS, compose(request_facts({}, {}), usage, None, {"model": "gpt-5", "cost_usd": said}), strict=True)
    )
    assert (row["cost_pico_usd"], row["mode"]) == (None, "unreadable_cost")
    names = ("provider", "model", "input_tokens", "output_tokens", "mode")
    answer = price(RateBook.load(), Request(time=datetime.now(UTC), **{name: row[name] for name in names}))
    assert (answer.status, answer.cost, answer.doubt) == ("unpriced", None, "mode")
    silent = dict(zip(COLUMNS, compose(request_facts({}, {}), usage, None, {"cost_usd": ""}), strict=True))
    assert (silent["cost_pico_usd"], silent["mode"]) == (7, "flex")


def test_a_negative_cost_is_a_refund():
    row = compose(request_facts({}, {}), None, None, {"model": "gpt-4o", "cost_usd": "-0.25"})
    assert dict(zip(COLUMNS, row, strict=True))["cost_pico_usd"] == -250_000_000_000


def test_a_cost_that_is_not_known_to_be_dollars_is_left_out_and_said_once(tmp_path, caplog):
    def answer(model, **usage):
        return {**CHAT_ANSWER, "model": model, "usage": {**CHAT_ANSWER["usage"], **usage}}

    with Recorder(f"sqlite:///{tmp_path / 'requests.db'}") as recorder:
        for model, usage in (
            ("m\x1b[31m1", {"cost": 36500}), ("m\x1b[31m1", {"cost": 1}), ("m2", {"cost": "0.9", "currency": "CNY"}),
            ("m3", {}), ("m4", {"cost": 0}), ("m5", {"cost": 0.5, "is_byok": False}),
        ):  # fmt: skip
            recorder.record(api="openai.chat", response=answer(model, **usage))
        recorder.record(api="openai.chat", response=answer("m6", cost=2), cost_usd=1)
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(" comes ")[0].rpartition(": ")[2] for line in said] == ["m [31m1", "m2"]
