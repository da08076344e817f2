"""What the providers' own tools cost beside tokens: web searches by number, other billed tools by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cost_top.usage.frames import Frame, count, items, part, positive, text, text_keys

# Requests of a server tool that cost nothing beside their tokens.
_FREE = frozenset({"web_fetch_requests", "tool_search_requests"})
# Responses' output items of tools that bill by the call or by the machine.
_CALLS = {
    "file_search_call": "file_search", "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation", "computer_call": "computer_use",
}  # fmt: skip
# Where a usage object counts what is billed beside or instead of its tokens, and the word for it: Perplexity's
# citations, Voxtral's speech, Voyage's pictures; the last ones as LiteLLM writes them.
_UNITS = (
    ((), "citation_tokens", "citations"),
    ((), "prompt_audio_seconds", "audio_seconds"),
    ((), "image_pixels", "image_input"),
    ((), "video_pixels", "video_input"),
    (("prompt_tokens_details",), "google_maps_grounding_requests", "google_maps"),
    (("prompt_tokens_details",), "image_count", "image_input"),
    (("prompt_tokens_details",), "video_length_seconds", "video_input"),
    (("prompt_tokens_details",), "audio_length_seconds", "audio_seconds"),
    (("prompt_tokens_details",), "query_count", "queries"),
    (("completion_tokens_details",), "video_tokens", "video"),
    (("completion_tokens_details",), "citation_tokens", "citations"),
    (("output_tokens_details",), "video_tokens", "video"),
)
# Models of Chat Completions that search before every answer.
_ALWAYS_SEARCH = re.compile(r"-search-(preview|api)")
# Models without reasoning, whose calls of the preview of the search tool cost more than those of the tool.
_SEARCH_PREVIEW_APART = re.compile(r"gpt-4o|gpt-4\.1")


def server_tools(use: Frame) -> tuple[int, str]:
    """Web searches of a `server_tool_use` object, and the name of another billed tool that was used, else ''.

    >>> server_tools({"web_search_requests": 2, "web_fetch_requests": 1}), server_tools({"code_execution_requests": 1})
    ((2, ''), (0, 'code_execution'))
    """
    others = [
        key.removesuffix("_requests")
        for key in text_keys(use)
        if key.endswith("_requests") and key != "web_search_requests" and key not in _FREE and count(use, key)
    ]
    return count(use, "web_search_requests") or 0, min(others, default="")


def xai_tools(usage: Frame) -> tuple[int, str]:
    """Web searches in xAI's usage, and the name of something else billed beside tokens, else ''.

    >>> xai_tools({"server_side_tool_usage_details": {"web_search_calls": 2}}), xai_tools({"num_sources_used": 3})
    ((2, ''), (0, 'live_search'))
    """
    if count(usage, "num_sources_used"):
        return 0, "live_search"  # by the source, and in no other count
    use = part(usage, "server_side_tool_usage_details") or part(usage, "server_side_tool_usage")
    called = {name.removesuffix("_calls"): used for name in text_keys(use) if (used := count(use, name))}
    others = min((name for name in called if name not in ("web_search", "mcp")), default="")
    if not called and count(usage, "num_server_side_tools_used"):
        others = "server_tools"
    return called.get("web_search", 0), others


def other_units(usage: Frame) -> tuple[int, str]:
    """Web searches by Mistral's and Qwen's tools, and the name of another unit that is billed beside tokens, else ''.

    >>> other_units({"connectors": {"web_search": 2}}), other_units({"prompt_audio_seconds": 12.5})
    ((2, ''), (0, 'audio_seconds'))
    """
    connectors = part(usage, "connectors")
    searches = sum(count(connectors, name) or 0 for name in ("web_search", "web_search_premium"))
    searches = max(searches, count(part(usage, "plugins", "search"), "count") or 0)
    called = min(
        (name for name in text_keys(connectors) if not name.startswith("web_search") and count(connectors, name)),
        default="",
    )
    return searches, called or next((word for place, key, word in _UNITS if positive(part(usage, *place), key)), "")


def answered_tools(bodies: Sequence[Frame], model: str) -> tuple[int, str]:
    """As `server_tools`, of Chat Completions: what always searches, and what Groq's and Z.ai's answers list."""
    messages = [
        part(choice, key) for body in bodies for choice in items(body, "choices") for key in ("message", "delta")
    ]
    used = {text(tool, "type") or "executed_tools" for said in messages for tool in items(said, "executed_tools")}
    searched = _ALWAYS_SEARCH.search(model.lower()) or any(items(body, "web_search") for body in bodies)
    return int(bool(searched)), min(used, default="")


def called_tools(responses: Iterable[Frame], model: str = "") -> tuple[int, str]:
    """As `server_tools`, of the output items of Responses bodies; the last body with items tells."""
    for response in responses:
        if output := items(response, "output"):
            kinds = [text(item, "type") for item in output]
            searches = sum(1 for item in output if text(item, "type") == "web_search_call" and _searched(item))
            others = {_CALLS[kind] for kind in kinds if kind in _CALLS}
            if any(text(item, "type") == "shell_call" and _is_hosted(item) for item in output):
                others.add("shell")
            asked = any(text(tool, "type").startswith("web_search_preview") for tool in items(response, "tools"))
            if searches and asked and _SEARCH_PREVIEW_APART.search(model.lower()):
                others.add("web_search_preview")
            return searches, min(others, default="")
    return 0, ""


def _is_hosted(item: Frame) -> bool:
    """Whether a shell ran on the provider's machine."""
    return text(part(item, "environment"), "type").startswith("container")


def _searched(item: Frame) -> bool:
    """Opening a page that was found costs nothing."""
    action = item.get("action")
    return not isinstance(action, dict) or text(action, "type") in ("", "search")
