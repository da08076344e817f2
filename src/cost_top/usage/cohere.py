"""Cohere v1 and v2: what is billed is `billed_units`, not `tokens`.

`cached_tokens` lies inside `tokens.input_tokens` and has no price. Numbers may be JSON floats. Rerank and classify
are billed in units of their own. Source: Cohere's pricing page and chat reference.
"""

from __future__ import annotations

from cost_top.usage.counts import Counts, Usage
from cost_top.usage.frames import Frame, count, part, positive, text, text_keys

_PLACES = (("usage",), ("delta", "usage"), ("response", "meta"), ("meta",))
_TOKENS = ("input_tokens", "output_tokens")
_STREAM = {"message-start", "content-start", "content-delta", "stream-start", "text-generation", "tool-plan-delta"}
_ENDS = {"message-end", "stream-end"}


def read_cohere(frames: list[Frame]) -> Usage:
    """Usage of a body or of the events of a stream; status `not_tokens` when only other units were billed."""
    billed: Frame = {}
    tokens: Frame = {}
    model = ""
    kinds = set()
    for frame in frames:
        kinds |= {text(frame, "type"), text(frame, "event_type")}
        model = text(frame, "model") or model
        for place in _PLACES:
            usage = part(frame, *place)
            billed = part(usage, "billed_units") or billed
            tokens = part(usage, "tokens") or tokens
    named = billed if "input_tokens" in billed or "output_tokens" in billed else {} if billed else tokens
    if billed and not named:
        return Usage(status="not_tokens", model=model or None)
    if not named:
        cut = kinds & _STREAM and not kinds & _ENDS
        return Usage(status="interrupted" if cut else "no_usage", model=model or None)
    # A unit that is not listed is not billed: an embedding lists its input only.
    counts = Counts(
        input=count(named, "input_tokens") if "input_tokens" in named else 0,
        output=count(named, "output_tokens") if "output_tokens" in named else 0,
        unrated=min((unit for unit in text_keys(billed) if unit not in _TOKENS and positive(billed, unit)), default=""),
    )
    return counts.usage(model=model)
