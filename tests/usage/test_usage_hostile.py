"""Frames that hold anything: nothing raises, and what comes out is nested and in range."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cost_top.usage import APIS, detect_api, read_usage, usage_status
from cost_top.usage.frames import COUNT_LIMIT

FRAMES = [json.loads(line) for line in (Path(__file__).parent / "usage-frames.jsonl").read_text().splitlines()]
GARBAGE = st.sampled_from(
    [None, True, False, -1, -5.0, 1.5, 10**30, float("nan"), float("inf"), -float("inf"), "", "12", "\x00\ud800",
     [], [1], [[]], [None], {}, {"type": []}, {"usage": "x"}, b"\xff", 2**53, 2**53 + 1, 0]
)  # fmt: skip
JSON = st.recursive(
    GARBAGE | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([
            "usage", "type", "choices", "delta", "message", "response", "body", "meta", "metadata", "usageMetadata",
            "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "billed_units", "tokens", "result",
            "cacheDetails", "inputTokens", "outputTokens", "x_groq", "chunk", "bytes", "candidates", "model", "total",
            "prompt_tokens_details", "cached_tokens", "service_tier", "done", "results", "spend", "promptFeedback",
        ]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


def check(api, frames):
    usage = read_usage(api, frames)
    assert usage_status(api, frames) in ("complete", "interrupted", "partial", "no_usage", "not_tokens")
    if usage is None:
        return
    assert usage.cache_creation_1h_tokens <= usage.cache_creation_input_tokens
    if usage.input_tokens is not None:
        assert usage.cached_input_tokens + usage.cache_creation_input_tokens <= usage.input_tokens
    if usage.output_tokens is not None:
        assert usage.reasoning_tokens <= usage.output_tokens
    for value in (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reported_cost):
        assert value is None or (type(value) is int and 0 <= value < 2**63)


@settings(max_examples=400, deadline=None)
@given(api=st.sampled_from(APIS), frames=JSON)
def test_anything(api, frames):
    check(api, frames)
    assert detect_api(frames) in (None, *APIS)


@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_any_field_of_any_frame_replaced(data):
    row = copy.deepcopy(data.draw(st.sampled_from(FRAMES)))
    spot, key = row, "frames"
    for _ in range(data.draw(st.integers(1, 6))):
        inner = spot[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        spot, key = inner, data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
    spot[key] = data.draw(GARBAGE)
    check(row["api"], row["frames"])
    detect_api(row["frames"])


COUNTS = st.integers(0, 10**6)


@settings(max_examples=300, deadline=None)
@given(
    start=st.tuples(COUNTS, COUNTS, COUNTS),
    growth=st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5),
    full=st.booleans(),
    placeholder=COUNTS,
)
def test_growing_anthropic_streams_never_shrink(start, growth, full, placeholder):
    """Cumulative counts of any size: what a prefix says is at most what a longer prefix says."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    current = dict(zip(names, start, strict=True))
    events = [{"type": "message_start", "message": {"usage": {**current, "output_tokens": placeholder}}}]
    output = 0
    for more_input, more_output in growth:
        current["input_tokens"] += more_input
        output += more_output
        repeated = current if full else {}
        events.append({"type": "message_delta", "delta": {}, "usage": {**repeated, "output_tokens": output}})
    seen = 0
    for end in range(1, len(events) + 1):
        usage = read_usage("anthropic.messages", events[:end])
        total = usage.input_tokens + (usage.output_tokens or 0)
        assert total >= seen
        seen = total
    assert usage.output_tokens == output


def test_deep_nesting_and_great_length():
    deep = {"type": "response.completed"}
    for _ in range(5000):
        deep = {"response": deep, "body": deep, "metadata": deep}
    text = "[" * 100_000
    for api in APIS:
        check(api, [deep] * 3)
        check(api, text)
        check(api, [{"choices": [{"delta": {}}]}] * 20_000)
    assert detect_api([deep]) is None


class Raising:
    """A client's object whose every attribute fails."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class Model:
    def model_dump(self, **_):
        return {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}


class BrokenModel:
    def model_dump(self, **_):
        raise RuntimeError("no")


def test_objects_of_strangers():
    for source in (Raising(), [Raising()], BrokenModel(), [BrokenModel(), object(), 3], object(), 7, iter(())):
        assert read_usage("openai.chat", source) is None
        assert detect_api(source) is None
    assert read_usage("openai.chat", Model()).input_tokens == 3
    assert read_usage("openai.chat", [Model()]).output_tokens == 2


def test_keys_that_are_no_texts():
    odd = {3: 4, None: 5, ("a",): 6}
    for name in ("connectors", "server_tool_use", "server_side_tool_usage"):
        check(
            "openai.chat",
            {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "cost": {"total_cost": 1}, **odd, name: odd}},
        )
    check("cohere.v2", {"usage": {"billed_units": {"input_tokens": 3, "output_tokens": 2, "images": 1, **odd}}})


def test_a_model_of_any_length_is_looked_at_up_to_a_bound():
    usage = {"promptTokenCount": 9, "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 9}]}
    bodies = {
        size: [{"modelVersion": "gemini-" * size + "live", "usageMetadata": usage}] for size in (1, 30, 40, 100_000)
    }
    modes = [read_usage("google.generateContent", body).mode for body in bodies.values()]
    assert modes == ["image_input", "image_input", "interrupted", "interrupted"]


def test_count_bounds():
    def read(value):
        usage = read_usage("openai.chat", {"usage": {"prompt_tokens": value, "completion_tokens": 1}})
        return usage.input_tokens

    assert [read(v) for v in (0, 5.0, COUNT_LIMIT, "7", True, -1, 1.5, COUNT_LIMIT + 1, None)] == [
        0, 5, COUNT_LIMIT, None, None, None, None, None, None,
    ]  # fmt: skip
