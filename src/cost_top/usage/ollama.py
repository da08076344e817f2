"""Ollama's native API: counts only on the line with `done: true`, or in an embedding's body.

Servers before the cached count leave out `prompt_eval_count` when the prompt was in the KV cache: unknown, not 0.
Source: Ollama's usage page.
"""

from __future__ import annotations

from cost_top.usage.counts import Counts, Usage
from cost_top.usage.frames import NOTHING, Frame, count, text
from cost_top.usage.openai import read_chat


def read_ollama(frames: list[Frame]) -> Usage:
    """Usage of a body, of the lines of a stream, or of the OpenAI-compatible endpoint."""
    if any("choices" in frame or "usage" in frame for frame in frames):
        return read_chat(frames)
    last = next((frame for frame in reversed(frames) if frame.get("done") is True or "embeddings" in frame), NOTHING)
    model = next((name for frame in reversed(frames) if (name := text(frame, "model"))), "")
    counts = Counts(
        input=count(last, "prompt_eval_count"),
        cached=count(last, "prompt_eval_cached_count") or 0,
        output=0 if "embeddings" in last else count(last, "eval_count"),
    )
    if counts.input is None and "embeddings" in last:
        counts.output = None
    if not last and any(frame.get("done") is False for frame in frames):
        return Usage(status="interrupted", model=model or None)
    return counts.usage(model=model)
