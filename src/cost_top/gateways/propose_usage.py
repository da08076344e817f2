"""Where the counts of a usage object are that a table keeps as JSON. No database here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# A column that may hold such an object.
USAGE_COLUMN = re.compile(r"(^|_)(usage|usage_metadata|token_counts?)(_json)?$|^tokens$")
Path = tuple[str, ...]
# Where providers put each count, the surest first.
_PATHS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": (
        "input_tokens", "prompt_tokens", "promptTokenCount", "prompt_token_count", "inputTokens", "promptTokens",
        "prompt_eval_count",
    ),
    "cached_input_tokens": (
        "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens", "cache_read_input_tokens",
        "cachedContentTokenCount", "cacheReadInputTokens", "cached_tokens",
    ),
    "cache_creation_input_tokens": ("cache_creation_input_tokens", "cacheWriteInputTokens"),
    "output_tokens": (
        "output_tokens", "completion_tokens", "candidatesTokenCount", "candidates_token_count", "outputTokens",
        "completionTokens", "eval_count",
    ),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens", "thoughtsTokenCount",
    ),
}  # fmt: skip
# Counts of those who tell cached input apart from the rest.
_APART = ("cache_read_input_tokens", "cacheReadInputTokens")


def usage_paths(values: Sequence[str]) -> dict[str, Path]:
    """The path of each count that most of these texts hold.

    >>> usage_paths(['{"prompt_tokens": 5, "completion_tokens": 1}', "null"])
    {'input_tokens': ('prompt_tokens',), 'output_tokens': ('completion_tokens',)}
    """
    objects = [found for value in values if isinstance(found := _parsed(value), dict)]
    paths: dict[str, Path] = {}
    for field, spelled in _PATHS.items():
        counted = [
            (sum(1 for item in objects if _number(item, path)), path) for path in (tuple(s.split(".")) for s in spelled)
        ]
        most, path = max(counted, key=lambda each: each[0])
        if most:
            paths[field] = path
    return paths


def counts_apart(path: Path) -> bool:
    """Whether cached input at this path comes on top of the input."""
    return path[-1] in _APART


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def _number(item: Mapping[str, Any], path: Path) -> bool:
    found: Any = item
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return isinstance(found, int) and not isinstance(found, bool)
