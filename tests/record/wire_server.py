"""A local server that speaks the wire formats of OpenAI and Anthropic, behind the recording middleware."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

ANSWER = "walrus-lantern-93"
CHAT_USAGE = {
    "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}  # fmt: skip
RESPONSE_USAGE = {
    "input_tokens": 1200, "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 0},
    "output_tokens": 3400, "output_tokens_details": {"reasoning_tokens": 2944}, "total_tokens": 4600,
}  # fmt: skip
MESSAGE_USAGE = {
    "input_tokens": 50, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 10000, "output_tokens": 1,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 1000},
    "service_tier": "standard",
}  # fmt: skip


def sse(events, named=False):
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        yield f"{name}data: {json.dumps(event)}\n\n"
    if not named:
        yield "data: [DONE]\n\n"


def pieces(text: str, size: int):
    """The same bytes in pieces that know nothing of events."""
    data = text.encode()
    return [data[at : at + size] for at in range(0, len(data), size)]


def stream(events, named=False, size=37):
    async def body():
        for piece in pieces("".join(sse(events, named)), size):
            yield piece
            await asyncio.sleep(0)

    return StreamingResponse(body(), media_type="text/event-stream")


async def chat(request: Request) -> Response:
    body = await request.json()
    base = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-2024-08-06", "service_tier": "default"}
    if body.get("user") == "limited":
        return JSONResponse({"error": {"message": f"slow down {ANSWER}", "type": "rate_limit"}}, status_code=429)
    if not body.get("stream"):
        message = {"role": "assistant", "content": ANSWER, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return JSONResponse({**base, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE})

    def part(delta, finish=None, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**base, "object": "chat.completion.chunk", "choices": [choice], **more}

    words = [part({"content": f"{ANSWER} {number}"}) for number in range(200)]
    events = [part({"role": "assistant", "content": ""}), *words, part({}, "stop")]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": CHAT_USAGE})
    return stream(events)


async def responses(request: Request) -> Response:
    body = await request.json()
    content = [{"type": "output_text", "text": ANSWER * 5000, "annotations": []}]
    answer = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5-2025-08-07",
        "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}],
        "usage": RESPONSE_USAGE, "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1, "top_p": 1,
    }  # fmt: skip
    if not body.get("stream"):
        return JSONResponse(answer)
    delta = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0,
             "delta": ANSWER, "sequence_number": 1, "logprobs": []}  # fmt: skip
    created = {"type": "response.created", "sequence_number": 0, "response": {**answer, "usage": None, "output": []}}
    done = {"type": "response.completed", "sequence_number": 9, "response": answer}
    return stream([created, *[delta] * 50, done], named=True, size=4096)


async def messages(request: Request) -> Response:
    body = await request.json()
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "stop_sequence": None,
    }
    if not body.get("stream"):
        usage = {**MESSAGE_USAGE, "output_tokens": 500}
        text = [{"type": "text", "text": ANSWER}]
        return JSONResponse({**answer, "content": text, "stop_reason": "end_turn", "usage": usage})
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}}
    events = [
        {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None, "usage": MESSAGE_USAGE}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *[delta] * 100,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 500},
        },
        {"type": "message_stop"},
    ]
    if body["model"] == "claude-endless":

        async def body_without_end():
            for event in sse(events[:5], named=True):
                yield event
            await asyncio.sleep(3600)

        return StreamingResponse(body_without_end(), media_type="text/event-stream")
    return stream(events, named=True, size=1)


async def cached(request: Request) -> Response:
    request.scope["cost_top"].update(cache_hit=True, endpoint="/faq", team="Support", tags=["from-app"])
    return await chat(request)


async def broken(request: Request) -> Response:
    await request.json()
    raise RuntimeError(ANSWER)


async def models(request: Request) -> Response:
    return JSONResponse({"data": []})


ROUTES = [
    Route("/v1/chat/completions", chat, methods=["POST"]),
    Route("/cached/v1/chat/completions", cached, methods=["POST"]),
    Route("/broken/v1/chat/completions", broken, methods=["POST"]),
    Route("/v1/responses", responses, methods=["POST"]),
    Route("/v1/messages", messages, methods=["POST"]),
    Route("/v1/models", models),
]


@contextlib.contextmanager
def serving(wrap, gzip=False):
    """The address of the application `wrap(app)`, served by uvicorn in a thread."""
    app = Starlette(routes=ROUTES)
    inner = GZipMiddleware(app, minimum_size=1) if gzip else app
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # a client may come before the thread does
        config = uvicorn.Config(wrap(inner), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(90)
