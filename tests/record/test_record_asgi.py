"""Real clients through the middleware, streaming and not: the client sees no difference, the log sees the usage."""

from __future__ import annotations

import asyncio
import hashlib
import time

import httpx
import pytest

from cost_top.record.asgi import PATHS, RecordMiddleware

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
PROMPT = "zebra-umbrella-71"
ANSWER = "walrus-lantern-93"
TOKEN = f"sk-proj-…{hashlib.sha256(KEY.encode()).hexdigest()[:12]}"
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}], "user": "acme"}
MESSAGES = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": PROMPT}],
            "metadata": {"user_id": "acme"}}  # fmt: skip
TAGS = {"extra_headers": {"ai-reporting-tags": "prod,plan:pro"}}
COUNTS = (
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens", "output_tokens",
    "reasoning_tokens",
)  # fmt: skip


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def gateway(request, log, wire):
    assert wire.ANSWER == ANSWER
    with wire.serving(lambda app: RecordMiddleware(app, log.recorder), gzip=request.param) as url:
        yield url


# The clients take seconds to load, which every worker that collects would take.
@pytest.fixture
def oai(gateway):
    import openai

    with openai.OpenAI(api_key=KEY, base_url=f"{gateway}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway):
    import anthropic

    with anthropic.Anthropic(api_key=KEY, base_url=gateway, max_retries=0) as client:
        yield client


def settled(log, rows=1):
    """The row appears after the client has its last byte."""
    deadline = time.monotonic() + 90
    while log.recorder.written + len(log.recorder._writer._rows) < rows and time.monotonic() < deadline:
        time.sleep(0.01)
    found = log.rows()
    assert len(found) == rows
    for secret in (PROMPT, ANSWER, KEY, KEY[8:16]):
        assert secret.encode() not in log.bytes()
    return found


def counts(row):
    return tuple(row[name] for name in COUNTS)


def check_common(row, path, streamed, agent):
    assert (row["endpoint"], row["status"], bool(row["streamed"])) == (path, 200, streamed)
    assert (row["token"], row["client_ip"], row["user_id"], row["tags"]) == (
        TOKEN,
        "127.0.0.1",
        "acme",
        ["prod", "plan:pro"],
    )
    assert agent in row["user_agent"]
    assert row["latency_ms"] >= 0
    assert abs(row["time_ms"] / 1000 - time.time()) < 60


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_completions(log, oai, streamed):
    if streamed:
        chunks = list(oai.chat.completions.create(**CHAT, **TAGS, stream=True, stream_options={"include_usage": True}))
        assert len(chunks) == 203
        assert chunks[-1].usage.completion_tokens == 300
    else:
        answer = oai.chat.completions.create(**CHAT, **TAGS)
        assert answer.choices[0].message.content == ANSWER
    (row,) = settled(log)
    check_common(row, "/v1/chat/completions", streamed, "OpenAI")
    assert counts(row) == (2006, 1920, 0, 0, 300, 128)
    assert (row["provider"], row["model"], row["mode"]) == ("openai", "gpt-4o-2024-08-06", "standard")


@pytest.mark.parametrize("streamed", [False, True])
def test_responses(log, oai, streamed):
    answer = oai.responses.create(model="gpt-5", input=PROMPT, user="acme", stream=streamed, **TAGS)
    if streamed:
        events = list(answer)
        assert events[-1].response.usage.output_tokens == 3400
    else:
        assert answer.usage.output_tokens == 3400
    (row,) = settled(log)
    check_common(row, "/v1/responses", streamed, "OpenAI")
    assert counts(row) == (1200, 128, 0, 0, 3400, 2944)


@pytest.mark.parametrize("streamed", [False, True])
def test_messages(log, claude, streamed):
    if streamed:
        with claude.messages.stream(**MESSAGES, **TAGS) as stream:
            assert stream.get_final_message().usage.output_tokens == 500
    else:
        assert claude.messages.create(**MESSAGES, **TAGS).usage.output_tokens == 500
    (row,) = settled(log)
    check_common(row, "/v1/messages", streamed, "Anthropic")
    assert counts(row) == (12050, 10000, 2000, 1000, 500, 0)
    assert (row["provider"], row["model"]) == ("anthropic", "claude-sonnet-4-6")


def test_a_stream_without_usage_is_recorded_as_unknown(log, oai):
    assert len(list(oai.chat.completions.create(**CHAT, stream=True))) == 202
    (row,) = settled(log)
    assert counts(row) == (None,) * 6
    assert (row["model"], row["streamed"]) == ("gpt-4o-2024-08-06", 1)


def test_a_client_that_leaves_early_keeps_what_was_seen(log, claude):
    with claude.messages.create(**{**MESSAGES, "model": "claude-endless"}, stream=True) as stream:
        next(iter(stream))
    (row,) = settled(log)
    assert row["status"] == 499
    assert counts(row) == (12050, 10000, 2000, 1000, None, 0)


def test_errors_have_their_status(log, gateway, oai):
    import openai

    with pytest.raises(openai.RateLimitError):
        oai.chat.completions.create(**{**CHAT, "user": "limited"})
    with pytest.raises(openai.InternalServerError):
        oai.with_options(base_url=f"{gateway}/broken/v1").chat.completions.create(**CHAT)
    rows = settled(log, 2)
    assert [row["status"] for row in rows] == [429, 500]
    assert [counts(row) for row in rows] == [(None,) * 6] * 2
    assert rows[0]["model"] == "gpt-4o"


def test_the_application_adds_what_it_knows(log, gateway, oai):
    oai.with_options(base_url=f"{gateway}/cached/v1").chat.completions.create(**CHAT, **TAGS)
    (row,) = settled(log)
    assert (row["cache_hit"], row["endpoint"], row["team"]) == (1, "/faq", "Support")
    assert row["tags"] == ["from-app", "prod", "plan:pro"]


def test_other_paths_are_let_through(log, gateway, oai):
    assert list(oai.models.list()) == []
    assert httpx.post(f"{gateway}/v1/messages/count_tokens", json={}).status_code == 404
    oai.chat.completions.create(**CHAT)
    assert settled(log)[0]["endpoint"] == "/v1/chat/completions"


def test_bodies_beyond_the_limit_cost_their_facts_only(log, wire):
    import openai

    with (
        wire.serving(lambda app: RecordMiddleware(app, log.recorder, body_limit=2000)) as url,
        openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client,
    ):
        client.chat.completions.create(**{**CHAT, "messages": [{"role": "user", "content": PROMPT * 1000}]})
        client.responses.create(model="gpt-5", input=PROMPT, user="acme")
    first, second = settled(log, 2)
    assert (first["user_id"], first["output_tokens"]) == (None, 300)
    assert (second["user_id"], second["output_tokens"]) == ("acme", None)


def test_clients_own_models_are_read_directly(log, oai):
    """Without a middleware: what the client returned is handed to the recorder as it is."""
    answer = oai.chat.completions.create(**CHAT)
    chunks = list(oai.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
    settled(log, 2)
    log.recorder.record(request=CHAT, response=answer, endpoint="direct")
    log.recorder.record(request=CHAT, events=chunks, endpoint="direct")
    direct = [row for row in settled(log, 4) if row["endpoint"] == "direct"]
    assert [counts(row) for row in direct] == [(2006, 1920, 0, 0, 300, 128)] * 2
    assert [row["streamed"] for row in direct] == [0, 1]


async def test_messages_pass_in_order_before_they_are_looked_at(log):
    """The middleware adds, drops and holds back nothing, and an odd message is none of its business."""
    sent = [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]},
        {"type": "http.response.body", "body": b"data: {", "more_body": True},
        {"type": "http.response.odd"},
        {"type": "http.response.body", "body": b'"choices": []}\n\n', "more_body": True},
        {"type": "http.response.body"},
    ]
    seen = []

    async def app(scope, receive, send):
        assert await receive() == {"type": "http.request", "body": b"\xff not json"}
        for number, message in enumerate(sent):
            await send(message)
            assert seen[number] is message

    async def receive():
        return {"type": "http.request", "body": b"\xff not json"}

    async def send(message):
        seen.append(message)

    await RecordMiddleware(app, log.recorder)({"type": "http", "method": "POST", "path": PATHS[0]}, receive, send)
    assert seen == sent
    assert log.row()["status"] == 200


async def test_cancelled_requests_are_recorded_and_stay_cancelled(log):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await asyncio.sleep(3600)

    async def nothing(message=None):
        return {"type": "http.request"}

    middleware = RecordMiddleware(app, log.recorder)
    task = asyncio.create_task(middleware({"type": "http", "method": "POST", "path": PATHS[0]}, nothing, nothing))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log.row()["status"] == 499
