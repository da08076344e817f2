"""The AI SDK's results and stream parts: `usage` with `inputTokens` and `outputTokens`.

Inclusive from version 6 on; version 5 left cache reads out for Anthropic and Bedrock, which the guard on impossible
counts catches where cached tokens outnumber the input. Provider-level results nest the counts
(`inputTokens.total`). Source: AI SDK `LanguageModelUsage` and `LanguageModelV3Usage`.
"""

from __future__ import annotations

from cost_top.usage.counts import Counts, Usage, summed
from cost_top.usage.frames import NOTHING, Frame, count, items, largest, money, part, text

_PARTS = {"start", "stream-start", "text-start", "text-delta", "reasoning-delta", "start-step"}
_STEP_ENDS = ("finish-step", "step-finish")


def read_ai_sdk(frames: list[Frame]) -> Usage:
    """Usage of a result or of the last `finish` part of a stream."""
    found, model = NOTHING, ""
    metadata: Frame = NOTHING
    for frame in frames:
        usage = part(frame, "totalUsage") or part(frame, "usage") or part(frame, "messageMetadata", "usage")
        found = usage if "inputTokens" in usage or "outputTokens" in usage else found
        model = text(part(frame, "response"), "modelId") or text(frame, "modelId") or model
        metadata = part(frame, "providerMetadata", "gateway") or metadata
    kinds = {text(frame, "type") for frame in frames}
    steps = [_counts(part(frame, "usage")) for frame in frames if text(frame, "type") in _STEP_ENDS]
    ended = "finish" in kinds or not steps
    counts = _counts(found) if ended else summed(steps)  # the steps before the one that was cut off
    counts.rounds = [size for frame in frames for size in _steps(frame)]
    if counts.rounds and (counts.input or 0) > (told := sum(counts.rounds)):
        counts.rounds.append((counts.input or 0) - told)
    counts.byok = _own_key(metadata)
    counts.cost = money(metadata.get("marketCost" if counts.byok else "cost"))
    usage_ = counts.usage(model=model, cut_off=not ended and bool(kinds & _PARTS))
    if usage_.empty and kinds & _PARTS and "finish" not in kinds:
        return Usage(status="interrupted", model=model or None)
    return usage_


def _steps(frame: Frame) -> list[int]:
    """The inputs of the steps that a frame tells of; beside a total its own usage is that of the last step."""
    told = [part(step, "usage") for step in items(frame, "steps")]
    if text(frame, "type") in _STEP_ENDS or (not told and part(frame, "totalUsage")):
        told.append(part(frame, "usage"))
    return [size for usage in told if (size := _counts(usage).input)]


def _own_key(metadata: Frame) -> bool | None:
    """Whether the customer's own key was used in the attempt that answered; None where it is not told."""
    attempts = items(part(metadata, "routing"), "attempts")
    kinds = [text(attempt, "credentialType") for attempt in attempts if attempt.get("success") is not False]
    kind = text(metadata, "credentialType") or next(reversed(kinds), "")
    return kind == "byok" if kind else None


def _counts(usage: Frame) -> Counts:
    inputs = part(usage, "inputTokens") or part(usage, "inputTokenDetails")
    outputs = part(usage, "outputTokens") or part(usage, "outputTokenDetails")
    return Counts(
        input=count(usage, "inputTokens") if "total" not in inputs else count(inputs, "total"),
        cached=largest(count(inputs, "cacheRead", "cacheReadTokens"), count(usage, "cachedInputTokens")),
        creation=largest(count(inputs, "cacheWrite", "cacheWriteTokens")),
        output=count(usage, "outputTokens") if "total" not in outputs else count(outputs, "total"),
        reasoning=largest(count(outputs, "reasoning", "reasoningTokens"), count(usage, "reasoningTokens")),
    )
