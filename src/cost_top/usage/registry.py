"""Which API is read how, as data, and the one entrance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cost_top.model.errors import UserError
from cost_top.usage.ai_sdk import read_ai_sdk
from cost_top.usage.anthropic import read_messages
from cost_top.usage.bedrock import read_bedrock
from cost_top.usage.cohere import read_cohere
from cost_top.usage.counts import Status, Usage
from cost_top.usage.frames import Frame, frames_of
from cost_top.usage.gemini import read_generate_content
from cost_top.usage.ollama import read_ollama
from cost_top.usage.openai import Flavour, read_chat, read_responses
from cost_top.usage.rows import read_litellm_row, read_vercel_row

Reader = Callable[[list[Frame]], Usage]

READERS: dict[str, Reader] = {
    "openai.chat": partial(read_chat, flavour=Flavour(usage_on_request=True)),
    "openai.responses": read_responses,
    "openresponses": read_responses,
    "anthropic.messages": read_messages,
    "google.generateContent": read_generate_content,
    "cohere.v1": read_cohere,
    "cohere.v2": read_cohere,
    "mistral.chat": read_chat,
    "groq.chat": partial(read_chat, flavour=Flavour(wrapper="x_groq")),
    "together.chat": read_chat,
    "deepseek.chat": partial(read_chat, flavour=Flavour(usage_on_request=True)),
    "xai.chat": partial(read_chat, flavour=Flavour(reasoning_beside=True)),
    "openrouter.chat": partial(read_chat, flavour=Flavour(cost_in_usd=True)),
    "bedrock.converse": read_bedrock,
    "bedrock.invoke": read_bedrock,
    "ollama.native": read_ollama,
    "litellm.spendlog": read_litellm_row,
    "vercel.report": read_vercel_row,
    "vercel.ai_sdk": read_ai_sdk,
}
APIS = tuple(READERS)


def inspect(api: str, frames: list[Frame]) -> Usage:
    """As `read_usage`, but of frames already decoded, and always a `Usage`: its status says why it is empty."""
    reader = READERS.get(api)
    if reader is None:
        raise UserError(f"usage of the API {str(api)[:60]!r} cannot be read; known are {', '.join(APIS)}")
    return reader(frames)


def read_usage(api: str, frames: object) -> Usage | None:
    """Token counts of one request, from its response body or the events of its stream, whole or cut at any point.

    `api` is one of `APIS`; `frames` is a body, a list of events, or JSON text of either. None when the frames tell
    neither a count nor a cost (`usage_status` says why: the stream was cut before its usage, nobody asked for it,
    or the request is billed in units other than tokens). A `Usage` of status `partial` has one of the two counts,
    or those of a stream that had not ended; of status `no_usage`, a cost without counts.

    Frames may hold anything and never raise; an unknown `api` raises `UserError`.
    """
    usage = inspect(api, frames_of(frames))
    return None if usage.empty else usage


def usage_status(api: str, frames: object) -> Status:
    """`complete`, `partial`, `interrupted`, `no_usage` or `not_tokens`, also where `read_usage` answers None."""
    return inspect(api, frames_of(frames)).status
