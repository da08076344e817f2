"""Anthropic Messages: body, stream and batch result line.

Exclusive: `input_tokens` leaves out cache reads and writes. `iterations` lists the rounds of one request: what it took
to compact the context is billed and in no other count. In a stream the counts are cumulative and spread over
`message_start` and every `message_delta`; `output_tokens` of `message_start` is only a placeholder. Source:
Anthropic's streaming, prompt-caching and batch references.
"""

from __future__ import annotations

from typing import Any

from cost_top.usage.counts import Counts, Mode, Usage, mode_of
from cost_top.usage.frames import Frame, count, items, part, text
from cost_top.usage.tools import server_tools

_MOST = 10**12
_LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
_INPUTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def read_messages(frames: list[Frame]) -> Usage:
    """Usage of a message, a batch result line, or the events of a stream up to any point."""
    seen: Frame = {}
    model, streamed, ended, batch = "", False, False, False
    for frame in frames:
        kind = text(frame, "type")
        if kind.startswith("content_block"):
            streamed = True
            continue
        result = part(frame, "result", "message")
        body = part(frame, "message") if kind == "message_start" else result or frame
        batch = batch or bool(result)
        streamed = streamed or kind in ("message_start", "message_delta")
        ended = ended or kind == "message_stop" or bool(text(part(frame, "delta"), "stop_reason"))
        model = text(body, "model") or model
        _overwrite(seen, part(body, "usage"), placeholder=kind == "message_start")
    tier = "fast" if seen.get("speed") == "fast" else seen.get("service_tier")
    mode: Mode | None = "batch" if batch else mode_of(tier)
    usage = _counts(seen).usage_beside_cache(mode, model, cut_off=streamed and not ended)
    if usage.status == "no_usage" and streamed and not ended:
        return Usage(status="interrupted", mode=mode, model=model or None)
    return usage


_PLAIN = {*_INPUTS, "output_tokens", "cache_creation", "service_tier"}


def plain_counts(message: Frame) -> tuple[int, int, int, int, int] | None:
    """Input, cached, cache creation, its 1 h part and output of a whole message with the usual counts alone, else None.

    As `read_messages` has them, in standard mode, for a fifth of the work; most messages are such.
    """
    usage = part(message, "usage")
    split = part(usage, "cache_creation")
    if not (usage.keys() <= _PLAIN and usage.get("service_tier") == "standard"):
        return None
    if message.get("type") != "message" or "result" in message:
        return None
    counts: list[Any] = [usage.get(name) for name in (*_INPUTS, "output_tokens")] + [
        split.get(name, 0) for name in _LIFETIMES
    ]
    for value in counts:
        if type(value) is not int or not 0 <= value < _MOST:
            return None
    fresh, read, written, output, short, long = counts
    creation = max(written, short + long)
    return fresh + read + creation, read, creation, long, output


def _overwrite(seen: Frame, usage: Frame, placeholder: bool) -> None:
    """A later figure replaces an earlier one; a later 0 is a field not filled in, for the counts only grow."""
    for key in _INPUTS if placeholder else (*_INPUTS, "output_tokens"):
        value = count(usage, key)
        if value or (value == 0 and key not in seen):
            seen[key] = value
    for key in ("cache_creation", "output_tokens_details", "server_tool_use"):
        if details := part(usage, key):
            seen[key] = details
    if rounds := items(usage, "iterations"):
        seen["iterations"] = rounds
    for key in ("service_tier", "speed", "inference_geo"):
        if word := text(usage, key):
            seen[key] = word


def _counts(seen: Frame) -> Counts:
    searches, unrated = server_tools(part(seen, "server_tool_use"))
    rounds = items(seen, "iterations")
    told = [_told(seen), *(_told(item) for item in rounds if text(item, "type") == "compaction")]
    fresh, cached, creation, long, output = (sum(each) for each in zip(*told, strict=True))
    single = [_told(item) for item in rounds if text(item, "type") in ("message", "compaction")]
    if not any(text(item, "type") == "message" for item in rounds):
        single.append(told[0])
    # An adviser is another model with rates of its own; its rounds are in no total.
    if any(text(item, "type").startswith("advisor") for item in rounds):
        unrated = "advisor"
    return Counts(
        input=fresh if count(seen, "input_tokens") is not None else None,
        cached=cached,
        creation=creation,
        creation_1h=long,
        output=output if count(seen, "output_tokens") is not None else None,
        reasoning=count(part(seen, "output_tokens_details"), "thinking_tokens", "reasoning_tokens") or 0,
        searches=searches,
        region=text(seen, "inference_geo") or None,
        unrated=unrated,
        rounds=[sum(each[:3]) for each in single],
    )


def _told(usage: Frame) -> tuple[int, int, int, int, int]:
    """Input beside the cache, cache reads, cache writes, their 1 h part and output of one round."""
    split = part(usage, "cache_creation")
    short, long = (count(split, name) or 0 for name in _LIFETIMES)
    creation = max(count(usage, "cache_creation_input_tokens") or 0, short + long)
    fresh, cached, output = (
        count(usage, name) or 0 for name in ("input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    return fresh, cached, creation, long, output
