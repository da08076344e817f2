"""Amazon Bedrock: Converse, ConverseStream, and InvokeModel with or without a stream.

Exclusive: `inputTokens` leaves out cache reads and writes. Usage of a stream comes in `metadata`, after
`messageStop`, or attached to the last chunk of InvokeModel. The model is named in the request only. Source: AWS
`TokenUsage`, `ConverseStreamMetadataEvent`.
"""

from __future__ import annotations

from cost_top.usage.anthropic import read_messages
from cost_top.usage.counts import Counts, Usage, mode_of
from cost_top.usage.frames import NOTHING, Frame, count, items, part, text
from cost_top.usage.openai import read_chat

METRICS = "amazon-bedrock-invocationMetrics"
_INPUT = ("inputTokens", "inputTokenCount", "prompt_token_count", "inputTextTokenCount")
_OUTPUT = ("outputTokens", "outputTokenCount", "generation_token_count", "totalOutputTextTokenCount")
_READ = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITE = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")


def read_bedrock(frames: list[Frame]) -> Usage:
    """Usage of a Converse body or stream, or of the model's own body where InvokeModel passes it through."""
    if (messages := read_messages(frames)).status == "complete":
        return messages  # it also knows how long its cache writes live
    bodies = [part(frame, "metadata") or frame for frame in frames]
    usage = next((found for body in reversed(bodies) if (found := _usage(body))), NOTHING)
    if not usage:
        return _without(frames, messages)
    tier = next((name for body in reversed(bodies) if (name := text(part(body, "serviceTier"), "type"))), "")
    details = items(usage, "cacheDetails")
    long = sum(count(item, "inputTokens") or 0 for item in details if text(item, "ttl") == "1h")
    counts = Counts(
        input=count(usage, *_INPUT),
        cached=count(usage, *_READ) or 0,
        creation=max(count(usage, *_WRITE) or 0, sum(count(item, "inputTokens") or 0 for item in details)),
        creation_1h=long,
        output=count(usage, *_OUTPUT),
        unrated="latency_optimized" if any(_is_hurried(body) for body in bodies) else "",
    )
    return counts.usage_beside_cache(mode_of(tier))


def _is_hurried(body: Frame) -> bool:
    """Whether the answer came at the price of the optimised latency."""
    return text(part(body, "performanceConfig"), "latency") == "optimized"


def _usage(body: Frame) -> Frame:
    """The object with Bedrock's own spellings in `body`, or an empty one."""
    for candidate in (part(body, "usage"), part(body, METRICS), _titan(body), body):
        if count(candidate, *_INPUT) is not None or count(candidate, *_OUTPUT) is not None:
            return candidate
    return NOTHING


def _titan(body: Frame) -> Frame:
    """Titan spreads its output count over `results`."""
    results = items(body, "results")
    if count(body, "inputTextTokenCount") is None or not results:
        return NOTHING
    output = sum(count(result, "tokenCount") or 0 for result in results)
    return {"inputTextTokenCount": body["inputTextTokenCount"], "outputTokens": output}


def _without(frames: list[Frame], messages: Usage) -> Usage:
    """Frames without Bedrock's counts: an open model's own, Claude's own, or a stream that was cut."""
    if any("choices" in frame for frame in frames):
        return read_chat(frames)
    converse = any(key in frame for frame in frames for key in ("messageStart", "contentBlockDelta", "messageStop"))
    return Usage(status="interrupted") if converse else messages
