"""Chat Completions and Responses, and the many APIs shaped like them.

Inclusive: prompt contains cache reads and writes. Completion contains reasoning, except where the total proves
otherwise (xAI; Gemini's compatible endpoint). Sources: OpenAI prompt-caching and Responses references, DeepSeek,
Mistral, Groq, xAI and OpenRouter API references.
"""

from __future__ import annotations

from dataclasses import dataclass

from cost_top.usage.counts import Counts, Mode, Status, Usage, mode_of
from cost_top.usage.frames import NOTHING, Frame, count, items, largest, money, part, text

# xAI reports cost in 10^-10 USD.
_PICO_PER_TICK = 100


@dataclass(frozen=True, slots=True)
class Flavour:
    """How one API departs from Chat Completions."""

    usage_on_request: bool = False  # a stream carries usage only when asked for it
    reasoning_beside: bool = False  # completion tokens leave out reasoning
    thoughts_dropped: bool = False  # the total counts thoughts that completion tokens leave out
    wrapper: str = ""  # where usage is trusted before the top level


def read_chat(frames: list[Frame], flavour: Flavour = Flavour()) -> Usage:
    """Usage of a body or of a stream's chunks: the last usage wins."""
    bodies, batch = _unwrapped(frames)
    if any(_is_responses(body) for body in bodies):
        return read_responses(frames)
    usage = _last_usage(bodies, flavour.wrapper)
    model = _last_text(bodies, "model")
    mode: Mode | None = "batch" if batch else mode_of(_last_text(bodies, "service_tier"))
    if usage is None:
        return Usage(status=_why_nothing(bodies, flavour), mode=mode, model=model or None)
    counts = openai_counts(usage, flavour.reasoning_beside, flavour.thoughts_dropped or "gemini" in model.lower())
    return counts.usage(mode, model, cut_off=not _finished(bodies))


def read_responses(frames: list[Frame]) -> Usage:
    """Usage of a Responses (or OpenResponses) body, or of the terminal event of its stream."""
    bodies, batch = _unwrapped(frames)
    responses = [part(body, "response") or body for body in bodies]
    usage, model = _last_usage(responses), _last_text(responses, "model")
    mode: Mode | None = "batch" if batch else mode_of(_last_text(responses, "service_tier"))
    if usage is not None:
        return openai_counts(usage, False).usage(mode, model)
    events = [kind for body in bodies if (kind := text(body, "type")).startswith("response.")]
    ended = {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
    cut = bool(events) and not ended.intersection(events)
    return Usage(status="interrupted" if cut else "no_usage", mode=mode, model=model or None)


def openai_counts(usage: Frame, reasoning_beside: bool, thoughts_dropped: bool = False) -> Counts:
    """The counts in one usage object of either spelling, inclusive."""
    inputs = part(usage, "prompt_tokens_details") or part(usage, "input_tokens_details")
    outputs = part(usage, "completion_tokens_details") or part(usage, "output_tokens_details")
    hit, miss = count(usage, "prompt_cache_hit_tokens"), count(usage, "prompt_cache_miss_tokens")
    counts = Counts(input=count(usage, "prompt_tokens", "input_tokens"))
    if counts.input is None and hit is not None and miss is not None:
        counts.input = hit + miss
    counts.cached = largest(
        count(inputs, "cached_tokens"), hit, count(usage, "cached_tokens"), count(usage, "cache_read_input_tokens")
    )
    counts.creation = largest(
        count(inputs, "cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"),
        count(usage, "cache_creation_input_tokens"),
    )
    counts.creation_1h = largest(
        count(part(inputs, "cache_creation_token_details"), "ephemeral_1h_input_tokens"),
        count(part(usage, "cache_creation"), "ephemeral_1h_input_tokens"),
    )
    counts.output = count(usage, "completion_tokens", "output_tokens")
    counts.reasoning = largest(count(outputs, "reasoning_tokens"), count(usage, "reasoning_tokens"))
    _settle_by_total(counts, count(usage, "total_tokens"), reasoning_beside, thoughts_dropped)
    ticks = count(usage, "cost_in_usd_ticks")
    counts.cost = money(usage.get("cost")) if ticks is None else ticks * _PICO_PER_TICK
    return counts


def _settle_by_total(counts: Counts, total: int | None, beside: bool, thoughts_dropped: bool) -> None:
    """Reasoning into the output where it is not; the total decides where there is one."""
    if counts.output is None:
        if total is not None and total == counts.input:
            counts.output = 0  # an embedding
        return
    extra = None if total is None or counts.input is None else total - counts.input - counts.output
    if counts.reasoning:
        if extra == counts.reasoning or (beside and extra != 0):
            counts.output += counts.reasoning
    elif thoughts_dropped and extra is not None and extra > 0:
        counts.output, counts.reasoning = counts.output + extra, extra


def _unwrapped(frames: list[Frame]) -> tuple[list[Frame], bool]:
    """Lines of a batch result file as the bodies inside them, and whether there were any."""
    bodies = [part(frame, "response", "body") or frame for frame in frames]
    return bodies, any(body is not frame for body, frame in zip(bodies, frames, strict=True))


def _is_responses(body: Frame) -> bool:
    return text(body, "object") == "response" or text(body, "type").startswith("response.")


def _last_usage(bodies: list[Frame], wrapper: str = "") -> Frame | None:
    """The last usage object that holds a number; those inside `wrapper` before all others."""
    found = None
    for body in reversed(bodies):
        if wrapper and _told(inner := part(body, wrapper, "usage")):
            return inner
        if found is None and _told(usage := part(body, "usage")):
            found = usage
    return found


def _told(usage: Frame) -> bool:
    names = ("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens", "prompt_cache_hit_tokens")
    return any(count(usage, name) is not None for name in names) or money(usage.get("cost")) is not None


def _last_text(bodies: list[Frame], key: str) -> str:
    return next((value for body in reversed(bodies) if (value := text(body, key))), "")


def _is_chunk(body: Frame) -> bool:
    return any("delta" in choice for choice in items(body, "choices"))


def _finished(bodies: list[Frame]) -> bool:
    """False for a stream of which only the beginning is here, though it repeats its usage as it goes."""
    last = bodies[-1] if bodies else NOTHING
    if not _is_chunk(last):
        return True
    return any(text(choice, "finish_reason") for body in bodies for choice in items(body, "choices"))


def _why_nothing(bodies: list[Frame], flavour: Flavour) -> Status:
    """Why there is no usage: nobody asked for it, or the stream was cut before it."""
    if not any(_is_chunk(body) for body in bodies):
        return "no_usage"
    asked = not flavour.usage_on_request or any("usage" in body for body in bodies)
    ended = any(text(choice, "finish_reason") for body in bodies for choice in items(body, "choices"))
    return "no_usage" if ended and not asked else "interrupted"
