"""What the providers' own tools cost beside tokens: web searches by number, other billed tools by name."""

from __future__ import annotations

from collections.abc import Iterable

from cost_top.usage.frames import Frame, count, items, text

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
