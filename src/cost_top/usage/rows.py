"""Rows that a gateway has already reduced to counts: LiteLLM's spend log and Vercel's report."""

from __future__ import annotations

from typing import Any

from cost_top.usage.counts import Counts, Usage, mode_of
from cost_top.usage.frames import NOTHING, Frame, count, frames_of, money, part, text
from cost_top.usage.openai import openai_counts


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
    return counts.usage(mode_of(merged.get("service_tier")), text(row, "model"))


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
