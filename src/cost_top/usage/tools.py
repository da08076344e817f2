"""What the providers' own tools cost beside tokens: web searches by number, other billed tools by name."""

from __future__ import annotations

from collections.abc import Iterable

from cost_top.usage.frames import Frame, count, items, part, text

# Requests of a server tool that cost nothing beside their tokens.
_FREE = frozenset({"web_fetch_requests", "tool_search_requests"})
# Responses' output items of tools that bill by the call or by the machine.
_CALLS = {
    "file_search_call": "file_search", "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation", "computer_call": "computer_use",
}  # fmt: skip


def server_tools(use: Frame) -> tuple[int, str]:
    """Web searches of a `server_tool_use` object, and the name of another billed tool that was used, else ''.

    >>> server_tools({"web_search_requests": 2, "web_fetch_requests": 1}), server_tools({"code_execution_requests": 1})
    ((2, ''), (0, 'code_execution'))
    """
    others = [
        key.removesuffix("_requests")
        for key in use
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
    called = {name.removesuffix("_calls"): used for name in use if (used := count(use, name))}
    others = min((name for name in called if name not in ("web_search", "mcp")), default="")
    if not called and count(usage, "num_server_side_tools_used"):
        others = "server_tools"
    return called.get("web_search", 0), others


def called_tools(responses: Iterable[Frame]) -> tuple[int, str]:
    """As `server_tools`, of the output items of Responses bodies; the last body with items tells."""
    for response in responses:
        if output := items(response, "output"):
            kinds = [text(item, "type") for item in output]
            searches = sum(1 for item in output if text(item, "type") == "web_search_call" and _searched(item))
            return searches, min((_CALLS[kind] for kind in kinds if kind in _CALLS), default="")
    return 0, ""


def _searched(item: Frame) -> bool:
    """Opening a page that was found costs nothing."""
    action = item.get("action")
    return not isinstance(action, dict) or text(action, "type") in ("", "search")
