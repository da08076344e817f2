"""Every frame of the file beside this one: counts, status, reported cost, mode, and every prefix of every stream."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import pytest

from cost_top.model.errors import UserError
from cost_top.model.money import pico
from cost_top.usage import APIS, Usage, detect_api, read_usage, usage_status

ROWS = [json.loads(line) for line in (Path(__file__).parent / "usage-frames.jsonl").read_text().splitlines()]
STREAMS = [row for row in ROWS if row["stream"]]


def named(row):
    return row["id"]


def counts(usage: Usage | None):
    if usage is None:
        return None
    return {
        "input": usage.input_tokens,
        "cached_input": usage.cached_input_tokens,
        "cache_creation": usage.cache_creation_input_tokens,
        "cache_creation_1h": usage.cache_creation_1h_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
    }


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_frame(row):
    usage = read_usage(row["api"], row["frames"])
    assert counts(usage) == row["expected"], row["note"]
    assert usage_status(row["api"], row["frames"]) == row["status"]
    if usage is None:
        return
    assert usage.status == row["status"]
    if "mode" in row:
        assert usage.mode == row["mode"]
    if "reported_cost_usd" in row:
        cost = row["reported_cost_usd"]
        assert usage.reported_cost == (None if cost is None else pico(cost))
    assert usage.model in (None, row["model"])


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_detected_api_reads_the_same_counts(row):
    api = detect_api(row["frames"])
    assert api in APIS
    if row["id"] == "groq.chat-04":
        assert api == "groq.chat"
    assert counts(read_usage(api, row["frames"])) == row["expected"]


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_json_text_reads_as_the_objects_do(row):
    whole = read_usage(row["api"], row["frames"])
    assert read_usage(row["api"], [f"data: {json.dumps(frame)}\n\n" for frame in row["frames"]]) == whole
    assert read_usage(row["api"], json.dumps(row["frames"]).encode()) == whole
    if len(row["frames"]) == 1:
        assert read_usage(row["api"], row["frames"][0]) == whole


@pytest.mark.parametrize("row", STREAMS, ids=named)
def test_no_prefix_exceeds_the_whole(row):
    whole = read_usage(row["api"], row["frames"])
    final = astuple(whole)[:6] if whole else (None,) * 6
    for end in range(len(row["frames"]) + 1):
        usage = read_usage(row["api"], row["frames"][:end])
        for seen, limit in zip(astuple(usage)[:6] if usage else (), final, strict=False):
            assert (seen or 0) <= (limit or 0), (end, usage, whole)
        if whole is not None and end < len(row["frames"]) and usage is not None:
            assert usage.status in ("partial", whole.status)


def test_streams_cut_before_their_usage_are_interrupted():
    cut = [row for row in STREAMS if row["status"] == "complete" and len(row["frames"]) > 2]
    assert len(cut) > 40
    for row in cut:
        assert usage_status(row["api"], row["frames"][:1]) in ("interrupted", "partial", "no_usage"), row["id"]
        assert usage_status(row["api"], row["frames"][:1]) != "complete", row["id"]


def test_unknown_api_is_named():
    with pytest.raises(UserError, match=r"openai\.chatt.*known are openai\.chat"):
        read_usage("openai.chatt", [])
