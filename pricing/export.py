"""Flatten the pinned genai-prices release: providers, matching clauses and dated prices as plain data.

A price set is a dict of the keys in `PRICE_KEYS`, each a list `[base, [start, rate], ...]` of integer pico-USD per
token (for `request` and `web`: per request and per search). A period is a dict with `rates` and, where limited,
`from`/`to` (epoch seconds, UTC) and `schedule`. Among the active periods of a model the last one wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import genai_prices
from genai_prices import types
from genai_prices.data import providers

PINNED = "0.2.3"
# The last day on which a price of the pinned release begins, announced ones aside: neither the index nor the files
# of the release say when it was published. A constant, so that a rebuild gives the same bytes.
RELEASE_DATE = "2026-11-09"

PRICE_KEYS = {
    "input_mtok": "in",
    "cache_read_mtok": "cr",
    "cache_write_mtok": "cw",
    "cache_write_1h_mtok": "cw1h",
    "output_mtok": "out",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "audio_in",
    "cache_audio_read_mtok": "audio_cr",
    "output_audio_mtok": "audio_out",
    "output_image_mtok": "image_out",
    "requests_kcount": "request",
    "web_searches_kcount": "web",
}
# Prices of one thing, not of a token: per request, per search.
SINGLE = frozenset({"request", "web"})
MODES = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
# Azure sells DeepSeek's models at prices of its own, so the maker's list is no answer there.
OWN_PRICE = {("azure", "deepseek")}
Prices = dict[str, list[Any]]
Period = dict[str, Any]


def source_header() -> dict[str, str]:
    """Name, version and content hash of the release the rates come from."""
    if genai_prices.__version__ != PINNED:
        raise SystemExit(f"genai-prices {genai_prices.__version__} is installed; install genai-prices=={PINNED}")
    data = Path(genai_prices.__file__).with_name("data.py").read_bytes()
    return {"name": "genai-prices", "version": PINNED, "sha256": hashlib.sha256(data).hexdigest()}


def pico(price: Decimal, per: int = 1_000_000) -> int:
    """USD per `per` units as integer pico-USD per unit; upstream float noise below one pico-USD is rounded."""
    return int((price * 10**12 / per).quantize(Decimal(1), ROUND_HALF_EVEN))


def instant(day: date) -> int:
    """Midnight UTC of `day` in epoch seconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def price_set(price: types.ModelPrice) -> Prices:
    """The token and request prices of one upstream price set; an upstream empty set is free of charge."""
    given = {key: value for key, value in price.__dict__.items() if value is not None}
    if not given:
        return {"in": [0], "out": [0]}
    found: Prices = {}
    for upstream, key in PRICE_KEYS.items():
        value = given.get(upstream)
        if value is None:
            continue
        per = 1000 if key in SINGLE else 1_000_000
        if isinstance(value, types.TieredPrices):
            found[key] = [pico(value.base, per), *([tier.start, pico(tier.price, per)] for tier in value.tiers)]
        else:
            found[key] = [pico(value, per)]
    return found


def all_kinds(provider: str, model: str, prices: Prices) -> Prices:
    """The price set with what its maker sells at the price of the whole spelled out.

    Gemini's page has one input price for text, image, video and audio where it names none for audio; a model that
    only makes images bills them as its output. Elsewhere a kind of token without a price of its own has none.
    """
    spelled = dict(prices)
    if provider == "google" and model.startswith("gemini") and "in" in prices:
        spelled.setdefault("audio_in", prices["in"])
        if "cr" in prices and spelled["audio_in"] == prices["in"]:
            spelled.setdefault("audio_cr", prices["cr"])
    if provider in ("openai", "azure") and "image" in model and "out" in prices:
        spelled.setdefault("image_out", prices["out"])
    return {key: spelled[key] for key in PRICE_KEYS.values() if key in spelled}


def clause(match: Any) -> dict[str, Any]:
    """A matching clause as data, lower-cased once; the keys are upstream's own."""
    ((name, value),) = match.__dict__.items()
    name = name.rstrip("_")
    if isinstance(value, list):
        return {name: [clause(part) for part in value]}
    return {name: value if name == "regex" else value.lower()}


def standard_periods(provider: str, model: types.ModelInfo) -> list[Period]:
    """The standard price of a model: dated periods first, each up to the next, then daily windows."""
    listed = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    dated: list[Period] = []
    windows: list[Period] = []
    for entry in listed:
        period: Period = {"rates": all_kinds(provider, model.id, price_set(entry.prices))}
        limit = entry.constraint
        if isinstance(limit, types.TimeOfDateConstraint):
            start, end = limit.start_time, limit.end_time
            minutes = [start.hour * 60 + start.minute, end.hour * 60 + end.minute]
            windows.append(period | {"schedule": {"zone": "UTC", "windows": [minutes]}})
            continue
        if isinstance(limit, types.StartDateConstraint):
            period["from"] = instant(limit.start_date)
            dated[-1]["to"] = period["from"]
        dated.append(period)
    return merged(dated) + windows


def merged(periods: list[Period]) -> list[Period]:
    """Neighbours with the same prices (upstream dated something that is not a token) become one period."""
    result: list[Period] = []
    for period in periods:
        if result and result[-1]["rates"] == period["rates"]:
            result[-1].pop("to", None)
            if "to" in period:
                result[-1]["to"] = period["to"]
        else:
            result.append(dict(period))
    return result


def mode_prices(model: types.ModelInfo) -> dict[str, list[tuple[int | None, Prices]]]:
    """Per mode the upstream variants `(valid from, prices that differ)`, oldest first."""
    found: dict[str, list[tuple[int | None, Prices]]] = {}
    for variant in model.price_variants or ():
        ((when, value),) = list(variant.when.items())[:1]
        mode = MODES.get((when, value)) if len(variant.when) == 1 else None
        prices = price_set(variant.prices) if variant.prices.__dict__ else {}
        if mode is None or not prices:
            continue
        limit = variant.constraint
        start = instant(limit.start_date) if isinstance(limit, types.StartDateConstraint) else None
        found.setdefault(mode, []).append((start, prices))
    for variants in found.values():
        variants.sort(key=lambda item: -1 if item[0] is None else item[0])
    return found


def export() -> Iterator[dict[str, Any]]:
    """Every provider with its models; a model holds `standard` periods and `modes` as upstream gives them."""
    for provider in providers:
        models = [
            {
                "id": model.id,
                "match": clause(model.match),
                "standard": standard_periods(provider.id, model),
                "modes": mode_prices(model),
            }
            for model in provider.models
        ]
        entry: dict[str, Any] = {"id": provider.id}
        if provider.model_match is not None:
            entry["model_match"] = clause(provider.model_match)
        if provider.provider_match is not None:
            entry["provider_match"] = clause(provider.provider_match)
        fallback = [name for name in provider.fallback_model_providers or () if (provider.id, name) not in OWN_PRICE]
        if fallback:
            entry["fallback"] = fallback
        yield entry | {"models": models}
