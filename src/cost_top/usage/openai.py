"""Chat Completions and Responses, and the many APIs shaped like them.

Inclusive: prompt contains cache reads and writes. Completion contains reasoning, except where the total proves
otherwise (xAI; Gemini's compatible endpoint). Sources: OpenAI prompt-caching and Responses references, DeepSeek,
Mistral, Groq, xAI and OpenRouter API references.
"""

from __future__ import annotations

from dataclasses import dataclass

from cost_top.usage.counts import Counts, Mode, Status, Usage, mode_of, summed
from cost_top.usage.frames import NOTHING, Frame, count, items, money, part, text, text_keys
from cost_top.usage.tools import answered_tools, called_tools, other_units, server_tools, xai_tools

# xAI reports cost in 10^-10 USD.
_PICO_PER_TICK = 100
# Fields of usage that only OpenRouter writes.
_OPENROUTER = frozenset({"is_byok", "cost_details"})
# And Perplexity.
_PERPLEXITY = frozenset({"citation_tokens", "num_search_queries", "search_context_size"})


@dataclass(frozen=True, slots=True)
class Flavour:
    """How one API departs from Chat Completions."""

    usage_on_request: bool = False  # a stream carries usage only when asked for it
    reasoning_beside: bool = False  # completion tokens leave out reasoning
    thoughts_dropped: bool = False  # the total counts thoughts that completion tokens leave out
    wrapper: str = ""  # where usage is trusted before the top level
    cost_in_usd: bool = False  # `usage.cost` is what this provider charged, in USD


def read_chat(frames: list[Frame], flavour: Flavour = Flavour()) -> Usage:
    """Usage of a body or of a stream's chunks: the last usage wins."""
    bodies, batch = _unwrapped(frames)
    if any(_is_responses(body) for body in bodies):
        return read_responses(frames)
    usage = _last_usage(bodies, flavour.wrapper) or _total_alone(bodies)
    model = _last_text(bodies, "model")
    mode: Mode | None = "batch" if batch else mode_of(_last_text(bodies, "service_tier"))
    if usage is None:
        return Usage(status=_why_nothing(bodies, flavour), mode=mode, model=model or None)
    counts = openai_counts(usage, flavour.reasoning_beside, flavour.thoughts_dropped or "gemini" in model.lower())
    _settle_cost(counts, usage, bodies, flavour.cost_in_usd)
    searches, unrated = answered_tools(bodies, model)
    counts.searches, counts.unrated = max(counts.searches, searches), counts.unrated or unrated
    return counts.usage(mode, model, cut_off=not _finished(bodies))


def read_responses(frames: list[Frame]) -> Usage:
    """Usage of a Responses (or OpenResponses) body, or of the terminal event of its stream."""
    bodies, batch = _unwrapped(frames)
    responses = [part(body, "response") or body for body in bodies]
    usage, model = _last_usage(responses), _last_text(responses, "model")
    mode: Mode | None = "batch" if batch else mode_of(_last_text(responses, "service_tier"))
    if usage is not None:
        counts = _of_turns(bodies) or openai_counts(usage, False)
        _settle_cost(counts, usage, responses, False)
        if any(_made_images(body) for body in bodies):
            _settle_images(counts)
        searches, unrated = called_tools(reversed(responses), model)
        counts.searches, counts.unrated = max(counts.searches, searches), counts.unrated or unrated
        return counts.usage(mode, model)
    events = [kind for body in bodies if (kind := text(body, "type")).startswith("response.")]
    ended = {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
    cut = bool(events) and not ended.intersection(events)
    return Usage(status="interrupted" if cut else "no_usage", mode=mode, model=model or None)


def _of_turns(bodies: list[Frame]) -> Counts | None:
    """The counts of all answers of a Realtime session; None where there are not several."""
    kinds = [text(body, "type") for body in bodies]
    done = [part(body, "response") for body, kind in zip(bodies, kinds, strict=True) if kind == "response.done"]
    usages = {text(response, "id") or str(number): part(response, "usage") for number, response in enumerate(done)}
    turns = [openai_counts(usage, False) for usage in usages.values() if _told(usage)]
    written = any(kind.endswith("input_audio_transcription.completed") for kind in kinds)
    if not turns or not (written or len(turns) > 1):
        return None
    total = summed(turns)
    if written:
        total.unrated = total.unrated or "transcription"  # what was said is written down by a model of its own
    return total


def openai_counts(usage: Frame, reasoning_beside: bool, thoughts_dropped: bool = False) -> Counts:
    """The counts in one usage object of either spelling, inclusive."""
    found: dict[str, int] = {}
    _collect(usage, "", found)
    counts = Counts(
        input=found.get("input"), cached=found.get("cached", 0), creation=found.get("creation", 0),
        creation_1h=found.get("creation_1h", 0), output=found.get("output"), reasoning=found.get("reasoning", 0),
    )  # fmt: skip
    if counts.input is None and "miss" in found and "cached" in found:
        counts.input = found["miss"] + found["cached"]
    if counts.output is not None and any(usage.get(name) is not None for name in _PERPLEXITY):
        counts.output += counts.reasoning  # neither its output nor its total holds it
    else:
        _settle_by_total(counts, found.get("total"), reasoning_beside, thoughts_dropped)
    counts.cost = found["ticks"] * _PICO_PER_TICK if "ticks" in found else None
    if (first := found.get("first round")) is not None and counts.input is not None and first < counts.input:
        counts.rounds = [first, counts.input - first]
    counts.image_input, counts.video_input = found.get("image input", 0), found.get("video input", 0)
    counts.cached_audio = found.get("cached audio", 0)
    # What was read from the cache is priced as that.
    counts.audio_input = max(found.get("audio input", 0) - counts.cached_audio, 0)
    counts.audio_output, counts.image_output = found.get("audio output", 0), found.get("image output", 0)
    searches, counts.unrated = server_tools(part(usage, "server_tool_use"))
    calls, tool = xai_tools(usage)
    more, unit = other_units(usage)
    counts.searches = max(searches, calls, more, found.get("searches", 0))
    counts.unrated = counts.unrated or tool or unit
    # Perplexity's fee for a request goes by the size of what it found; the rates know that of the largest, which is no
    # list price of the others, whoever bills them.
    size = text(usage, "search_context_size").lower()
    if size not in ("", "high") and not counts.unrated:
        counts.unrated = f"search_context_{size[:16]}"
    return counts


def _settle_cost(counts: Counts, usage: Frame, bodies: list[Frame], in_usd: bool) -> None:
    """`usage.cost` is money only of a provider that is known to charge it in USD, and with no other currency beside.

    OpenRouter is known by its own fields. With its customer's key at work, what the key's owner pays stands beside.
    """
    if counts.cost is None and (bill := _bill(usage)) is not None:
        counts.cost = bill
        return
    if not (in_usd or _OPENROUTER & usage.keys()) or _foreign(usage) or any(_foreign(body) for body in bodies):
        counts.cost_left_out = money(usage.get("cost")) not in (None, 0)
        return
    if isinstance(byok := usage.get("is_byok"), bool):
        counts.byok = byok
    if counts.byok:
        upstream = money(part(usage, "cost_details").get("upstream_inference_cost"))
        counts.cost = upstream if upstream is not None else money(usage.get("market_cost"))
    elif counts.cost is None:
        counts.cost = money(usage.get("cost"))


def _bill(usage: Frame) -> int | None:
    """Perplexity's own bill of the request; None where there is none in dollars."""
    bill = part(usage, "cost")
    return None if _foreign(bill) or _foreign(usage) else money(bill.get("total_cost"))


def _made_images(body: Frame) -> bool:
    """Whether it is the Images API that answers, whole or as an event."""
    made = any("b64_json" in item or "url" in item for item in items(body, "data"))
    return made or text(body, "type").startswith(("image_generation.", "image_edit."))


def _settle_images(counts: Counts) -> None:
    """Its output is an image unless it says otherwise; it names no model, and its models price what they are shown."""
    if not counts.image_output:
        counts.image_output = counts.output or 0
    if counts.image_input and not counts.unrated:
        counts.unrated = "image_input"


def _foreign(frame: Frame) -> bool:
    """Whether a currency other than the US dollar, or a unit that is none, stands beside an amount."""
    words = {
        text(frame, key).strip().lower() for key in text_keys(frame) if "currency" in key.lower() or key == "cost_unit"
    }
    return not words <= {"", "usd", "us$", "$"}


def _collect(usage: Frame, inside: str, found: dict[str, int]) -> None:
    """The known counts of `usage` into `found`; of several spellings of one, the largest."""
    names = _NAMES[inside]
    for key in names.keys() & usage.keys():
        name = names[key]
        if name in _NAMES:
            _collect(part(usage, key), name, found)
        elif (value := count(usage, key)) is not None:
            found[name] = max(value, found.get(name, 0))


# What each field counts; a name that is a table itself leads to the object of details. Fields of one name are
# spellings of one count.
_NAMES: dict[str, dict[str, str]] = {
    "": {
        "prompt_tokens": "input", "input_tokens": "input", "completion_tokens": "output", "output_tokens": "output",
        "total_tokens": "total", "cached_tokens": "cached", "cache_read_input_tokens": "cached",
        "prompt_cache_hit_tokens": "cached", "prompt_cache_miss_tokens": "miss", "reasoning_tokens": "reasoning",
        "cache_creation_input_tokens": "creation", "cost_in_usd_ticks": "ticks",
        "prompt_tokens_details": "input details", "input_tokens_details": "input details",
        "completion_tokens_details": "output details", "output_tokens_details": "output details",
        "input_token_details": "input details", "output_token_details": "output details",
        "cache_creation": "writes", "num_search_queries": "searches",
    },
    "input details": {
        "cached_tokens": "cached", "cache_write_tokens": "creation", "cache_creation_tokens": "creation",
        "cache_creation_input_tokens": "creation", "cache_creation_token_details": "writes",
        "cached_write_tokens": "creation", "cached_write_token_details": "writes", "cached_read_tokens": "cached",
        "audio_tokens": "audio input", "image_tokens": "image input", "video_tokens": "video input",
        "web_search_requests": "searches", "initial_prompt_tokens": "first round",
        "cached_tokens_details": "cached details",
    },
    "cached details": {"audio_tokens": "cached audio"},
    "output details": {
        "reasoning_tokens": "reasoning", "audio_tokens": "audio output", "image_tokens": "image output",
        "num_search_queries": "searches",
    },
    "writes": {"ephemeral_1h_input_tokens": "creation_1h", "cached_write_tokens_1h": "creation_1h"},
}  # fmt: skip


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
    if not any("response" in frame for frame in frames):
        return frames, False
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


def _total_alone(bodies: list[Frame]) -> Frame | None:
    """The usage of embeddings or of a ranking that tells its total only, all of which is input."""
    for body in reversed(bodies):
        usage = part(body, "usage")
        total = count(usage, "total_tokens")
        if total is not None and text(body, "object") == "list" and "choices" not in body:
            return {**usage, "prompt_tokens": total}
    return None


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
