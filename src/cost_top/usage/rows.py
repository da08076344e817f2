"""Rows that a gateway has already reduced to counts: LiteLLM's spend log and Vercel's report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cost_top.usage.counts import Counts, Mode, Usage, mode_of
from cost_top.usage.frames import NOTHING, Frame, count, frames_of, money, part, text
from cost_top.usage.openai import openai_counts

# What LiteLLM writes where it has no cache to name a key of, and at the end of a batch's id.
CACHE_OFF = "Cache OFF"
BATCH_COST = "_batch_cost"


def read_litellm_row(frames: list[Frame]) -> Usage:
    """Usage of a row of `LiteLLM_SpendLogs`: `prompt_tokens` contains cache reads and writes.

    `spend` 0 with tokens and without a hit of the gateway's cache means that LiteLLM had no price: cost unknown.
    """
    row = frames[-1] if frames else NOTHING
    metadata = _json_object(row.get("metadata"))
    usage = part(metadata, "usage_object")
    merged: dict[str, Any] = {**usage, **part(metadata, "additional_usage_values")}
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        merged[key] = row.get(key) if count(row, key) is not None else usage.get(key)
    counts = openai_counts(merged, reasoning_beside=False)
    hit = str(row.get("cache_hit")).lower() == "true"
    spend = money(row.get("spend"))
    counts.cost = None if spend == 0 and not hit and (counts.input or counts.output) else spend
    counts.region = text(merged, "inference_geo") or None
    if text(merged, "speed") == "fast":
        mode: Mode | None = "fast"
    else:
        mode = "batch" if is_batch(row) else mode_of(merged.get("service_tier"))
    if is_batch(row):
        counts.rounds = counts.rounds or [0, counts.input or 0]  # of all its requests only the sum is known
    found = counts.usage(mode, text(row, "model"))
    key = text(row, "cache_key")
    return replace(found, session=text(row, "session_id") or None, prompt=None if key == CACHE_OFF else key or None)


def is_batch(row: Mapping[str, Any]) -> bool:
    """Whether a row is LiteLLM's of what a finished batch cost."""
    called, identity = row.get("call_type"), row.get("request_id")
    return called in ("aretrieve_batch", "retrieve_batch") or str(identity).endswith(BATCH_COST)


def read_vercel_row(frames: list[Frame]) -> Usage:
    """Usage of a row of Vercel's `/v1/report`, taken as inclusive; `total_cost` is what was charged (0 for BYOK)."""
    row = frames[-1] if frames else NOTHING
    counts = Counts(
        input=count(row, "input_tokens"),
        cached=count(row, "cached_input_tokens") or 0,
        creation=count(row, "cache_creation_input_tokens") or 0,
        output=count(row, "output_tokens"),
        reasoning=count(row, "reasoning_tokens") or 0,
        cost=money(row.get("total_cost")),
    )
    return counts.usage(model=text(row, "model"))


def _json_object(value: object) -> Frame:
    """An object, also where a driver hands out its JSON text."""
    found = frames_of(value) if isinstance(value, dict | str) else []
    return found[0] if found else NOTHING
