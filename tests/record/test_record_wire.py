"""The taps: any cut of the bytes gives the same events, and memory stays bounded."""

from __future__ import annotations

import itertools
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_top.record.wire import HEAD_EVENTS, TAIL_EVENTS, BodyTap, LineTap, events_of, tap_for

EVENTS = [{"n": number, "text": "größe"} for number in range(10)]


def sse(events, end="\n"):
    return "".join(f"event: x{end}data: {json.dumps(event)}{end}{end}" for event in events).encode()


@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 500), max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
)
def test_any_cut_gives_the_same_events(cuts, end, packed):
    data = sse(EVENTS, end) + b": a comment\n\ndata: [DONE]\n\n"
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    if packed:
        data, headers["content-encoding"] = zlib.compress(data, wbits=31), "gzip"
    tap = tap_for(headers)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, stop in itertools.pairwise(edges):
        tap.feed(data[start:stop])
    assert tap.frames() == EVENTS
    assert tap.streamed


def test_a_stream_without_a_last_line_end():
    tap = LineTap()
    tap.feed(sse(EVENTS)[:-2])
    assert tap.frames() == EVENTS


def test_ndjson_lines():
    tap = tap_for({"content-type": "application/x-ndjson"})
    tap.feed(b'{"done": false}\n{"done": true, "eval_count": 3}\n')
    assert tap.frames() == [{"done": False}, {"done": True, "eval_count": 3}]


def test_a_long_stream_keeps_its_ends():
    tap = LineTap()
    for number in range(10_000):
        tap.feed(sse([{"n": number}]))
    kept = [frame["n"] for frame in tap.frames()]
    assert kept == [*range(HEAD_EVENTS), *range(10_000 - TAIL_EVENTS, 10_000)]


def test_one_huge_event_is_kept_up_to_the_limit_and_no_more():
    last = {"type": "response.completed", "response": {"output": "x" * 900_000, "usage": {"input_tokens": 1}}}
    for limit, expected in ((1_000_000, "response.completed"), (800_000, None)):
        tap = LineTap(limit)
        for piece in sse([{"type": "first"}]), sse([last])[:500_000], sse([last])[500_000:]:
            tap.feed(piece)
        kinds = [frame["type"] for frame in tap.frames()]
        assert kinds == ["first", *([expected] if expected else [])]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("packed", [False, True])
def test_memory_stays_bounded(kind, packed):
    """A hundred times the limit, and a compressed bomb, take a small multiple of the limit."""
    limit = 100_000
    tap = tap_for({"content-type": kind, **({"content-encoding": "gzip"} if packed else {})}, limit)
    pack = zlib.compressobj(wbits=31)
    line = b"data: " + b"x" * 9_000 + b"\n"
    tracemalloc.start()
    for _ in range(1200):
        tap.feed(pack.compress(line) if packed else line)
    if packed:
        tap.feed(pack.flush())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 2**20
    assert tap.frames() == []


def test_a_body_within_and_beyond_the_limit():
    tap = BodyTap(limit=10)
    tap.feed(b'{"a":')
    tap.feed(b"1}")
    assert tap.frames() == [{"a": 1}]
    tap.feed(b"      ")
    assert tap.frames() == []


def test_bytes_that_are_not_gzip_are_nothing():
    tap = tap_for({"content-encoding": "gzip"})
    tap.feed(b'{"a": 1}')
    tap.feed(b"more")
    assert tap.frames() == []


@pytest.mark.parametrize(
    "source",
    [EVENTS, sse(EVENTS), sse(EVENTS).decode(), [sse(EVENTS[:3]), sse(EVENTS[3:])], json.dumps(EVENTS),
     "\n".join(map(json.dumps, EVENTS)), tuple(EVENTS), iter(EVENTS)],
)  # fmt: skip
def test_events_in_every_dress(source):
    assert events_of(source) == EVENTS


@pytest.mark.parametrize("source", [None, "", b"", "no json", 7, [None, 3], b"\xff\xfe", [b"\xff"], {}])
def test_what_is_no_answer_has_no_events(source):
    assert events_of(source) in ([], [{}])
