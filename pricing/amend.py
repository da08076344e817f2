"""Apply `corrections.toml` to the exported rates, and resolve every processing mode to complete periods."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

from export import SINGLE, Period, Prices, instant, pico

PRICES = {
    "input": "in",
    "cached": "cr",
    "write": "cw",
    "write_1h": "cw1h",
    "output": "out",
    "audio_cached": "audio_cr",
}
KINDS = ("models", "rates", "modes", "regions", "names")
CITED = ("id", "note", "source", "seen", "level")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Provider = dict[str, Any]
Model = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    """The corrections; every entry must be cited, or the build stops."""
    corrections = tomllib.loads(path.read_text("utf-8"))
    seen: set[str] = set()
    for kind in KINDS:
        for entry in corrections.get(kind, []):
            missing = [key for key in CITED if key not in entry]
            if missing or entry["level"] not in ("V", "S", "L") or entry["id"] in seen:
                raise SystemExit(f"{path.name}: {kind} {entry.get('id')}: missing {missing}, bad level or repeated id")
            seen.add(entry["id"])
    return corrections


def apply(providers: list[Provider], corrections: dict[str, Any]) -> None:
    """Add models and correct standard rates, resolve the modes against them, then add modes and moved names."""
    for entry in corrections.get("models", []):
        provider = next(item for item in providers if item["id"] == entry["provider"])
        provider["models"].insert(0, added(entry))
    for entry in corrections.get("rates", []):
        for model in chosen(providers, entry):
            correct(model, entry)
    for provider in providers:
        for model in provider["models"]:
            model["modes"] = {mode: in_mode(model["standard"], variants) for mode, variants in model["modes"].items()}
    for entry in corrections.get("modes", []):
        for model in chosen(providers, entry):
            in_force = model["modes"].get(entry["mode"])
            start, end = span(entry)
            if in_force is None:
                model["modes"][entry["mode"]] = by_factor(model["standard"], entry)
            elif (start, end) != (None, None):
                other = by_factor(model["standard"], entry)
                model["modes"][entry["mode"]] = spliced(in_force, other, start, end, entry["id"])
    for entry in corrections.get("regions", []):
        factor = Fraction(entry["factor"])
        for model in chosen(providers, entry):
            model.setdefault("regions", {})[entry["region"]] = [factor.numerator, factor.denominator]
    for entry in corrections.get("names", []):
        rename(providers, entry)


def added(entry: dict[str, Any]) -> Model:
    """A model that the release does not have; it is tried before the others."""
    clauses = [{kind: text} for kind in ("equals", "starts_with", "contains") for text in entry.get(kind, [])]
    prices: Prices = {key: price(entry[name]) for name, key in PRICES.items() if name in entry}
    return {
        "id": entry["model"],
        "match": {"or": clauses},
        "standard": [limits(*span(entry)) | {"rates": prices, "fix": entry["id"]}],
        "modes": {},
    }


def chosen(providers: list[Provider], entry: dict[str, Any]) -> list[Model]:
    """The models an entry is about; an entry that is about none is a mistake."""
    wanted = [entry["provider"]] if isinstance(entry["provider"], str) else entry["provider"]
    models = [
        model
        for provider in providers
        if provider["id"] in wanted
        for model in provider["models"]
        if any(fnmatchcase(model["id"], pattern) for pattern in entry["models"])
    ]
    for pattern in entry["models"]:
        if not any(fnmatchcase(model["id"], pattern) for model in models):
            raise SystemExit(f"corrections.toml: {entry['id']}: no model {pattern!r}")
    return models


def when(value: date | datetime | None) -> int | None:
    """A TOML date (midnight UTC) or instant in epoch seconds."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    return instant(value)


def span(entry: dict[str, Any]) -> tuple[int | None, int | None]:
    """From and to of an entry."""
    return when(entry.get("from")), when(entry.get("to"))


def price(value: str | list[Any]) -> list[Any]:
    """`"3"` or `["3", [200000, "6"]]` in USD per million tokens, as integers."""
    if isinstance(value, str):
        return [pico(Decimal(value))]
    return [pico(Decimal(value[0])), *([start, pico(Decimal(tier))] for start, tier in value[1:])]


def schedule(entry: dict[str, Any]) -> dict[str, Any]:
    """`windows = ["16:30-00:30"]`, `days` and `zone` as minutes of the day and weekday numbers (Monday 0)."""
    windows = []
    for text in entry["windows"]:
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
        windows.append([start, end])
    found: dict[str, Any] = {"zone": entry.get("zone", "UTC"), "windows": windows}
    if "days" in entry:
        found["days"] = [DAYS.index(day) for day in entry["days"]]
    return found


def correct(model: Model, entry: dict[str, Any]) -> None:
    """Change or replace what the entry names within its span."""
    prices: Prices = {key: price(entry[name]) for name, key in PRICES.items() if name in entry}
    start, end = span(entry)
    if entry.get("replace") or "windows" in entry:
        kept = list(outside(model["standard"], start, end)) if entry.get("replace") else model["standard"]
        period: Period = limits(start, end) | {"rates": prices, "fix": entry["id"]}
        if "windows" in entry:
            period["schedule"] = schedule(entry)
        model["standard"] = [*kept, period]
        return
    changed = []
    for period in model["standard"]:
        changed += list(outside([period], start, end))
        inside = clipped(period, start, end)
        if inside is not None:
            inside["rates"] = period["rates"] | prices
            inside["fix"] = entry["id"]
            changed.append(inside)
    model["standard"] = changed


def limits(start: int | None, end: int | None) -> Period:
    """The span of a period, as far as it has one."""
    return ({} if start is None else {"from": start}) | ({} if end is None else {"to": end})


def clipped(period: Period, start: int | None, end: int | None) -> Period | None:
    """The part of a period within `[start, end)`, or None."""
    low = max((value for value in (period.get("from"), start) if value is not None), default=None)
    high = min((value for value in (period.get("to"), end) if value is not None), default=None)
    if low is not None and high is not None and low >= high:
        return None
    rest = {key: value for key, value in period.items() if key not in ("from", "to")}
    return limits(low, high) | rest


def outside(periods: list[Period], start: int | None, end: int | None) -> Iterator[Period]:
    """The parts of the periods outside `[start, end)`."""
    for period in periods:
        before = clipped(period, None, start) if start is not None else None
        after = clipped(period, end, None) if end is not None else None
        yield from (part for part in (before, after) if part is not None)


def in_mode(standard: list[Period], variants: list[tuple[int | None, Prices]]) -> list[Period]:
    """The complete periods of one mode.

    Upstream dates a variant by the day somebody checked it. The oldest one therefore has no start here, and where
    the standard price was another one then, the variant keeps its ratio to it.
    """
    starts = [start for start, _ in variants]
    result = []
    for index, (start, prices) in enumerate(variants):
        end = starts[index + 1] if index + 1 < len(starts) else None
        reference = at(standard, start)
        for period in standard:
            part = clipped(period, None if index == 0 else start, end)
            if part is None:
                continue
            earlier = index == 0 and start is not None and part.get("to", start + 1) <= start
            replaced = scaled(prices, reference, part["rates"]) if earlier else prices
            result.append(part | {"rates": part["rates"] | replaced})
    return result


def at(standard: list[Period], moment: int | None) -> Prices:
    """The unscheduled standard prices at an instant (None: the newest)."""
    active = [
        period["rates"]
        for period in standard
        if "schedule" not in period
        and (period.get("to") is None if moment is None else clipped(period, moment, moment + 1) is not None)
    ]
    return active[-1]


def scaled(prices: Prices, reference: Prices, standard: Prices) -> Prices:
    """Variant prices moved to another standard price at the same ratio, where the ratio is one number."""
    result: Prices = {}
    for key, value in prices.items():
        if key not in standard or key not in reference or standard[key] == reference[key]:
            result[key] = value
            continue
        ratios = {Fraction(new, old) for new, old in zip(flat(value), flat(reference[key]), strict=False) if old}
        if len(ratios) != 1:
            raise SystemExit(f"no single ratio of {value} to {reference[key]}")
        result[key] = multiplied(standard[key], ratios.pop())
    return result


def flat(value: list[Any]) -> list[int]:
    """The prices of a tiered price without its thresholds."""
    return [value[0], *(tier for _, tier in value[1:])]


def multiplied(value: list[Any], factor: Fraction) -> list[Any]:
    """A tiered price times a factor, half-even."""
    return [round(value[0] * factor), *([start, round(tier * factor)] for start, tier in value[1:])]


def by_factor(standard: list[Period], entry: dict[str, Any]) -> list[Period]:
    """A mode as a factor of the standard price; prices named in `keep` stay as they are."""
    factor = Fraction(entry["factor"])
    kept = {PRICES[name] for name in entry.get("keep", ())} | SINGLE
    start, end = span(entry)
    result = list(outside(standard, start, end)) if (start, end) != (None, None) else []
    for period in standard:
        part = clipped(period, start, end)
        if part is not None:
            # A cache price that upstream leaves out means "as plain input", which must not follow the factor.
            rates = part["rates"]
            implied = {key: rates["in"] for key in ("cr", "cw") if key in kept and key not in rates and "in" in rates}
            moved = {key: value if key in kept else multiplied(value, factor) for key, value in rates.items()}
            result.append(part | {"rates": implied | moved, "fix": entry["id"]})
    return result


def rename(providers: list[Provider], entry: dict[str, Any]) -> None:
    """A name that meant one model before an instant and another one after it becomes a model of its own."""
    provider = next(item for item in providers if item["id"] == entry["provider"])
    start, end = span(entry)
    for name in entry["names"]:
        model = next((item for item in provider["models"] if item["id"] == name and item.get("moved")), None)
        if model is None:
            origin = next((item for item in provider["models"] if item["id"] == entry["was"]), None)
            if origin is None:
                raise SystemExit(f"corrections.toml: {entry['id']}: no model {entry['was']!r}")
            model = {"id": name, "match": {"equals": name}, "moved": True}
            model |= {"standard": list(origin["standard"]), "modes": dict(origin["modes"])}
            provider["models"].insert(0, model)
        target = next(item for item in provider["models"] if item["id"] == entry["model"] and item is not model)
        for mode in sorted(model["modes"].keys() | target["modes"].keys()):
            before, after = (item["modes"].get(mode) or item["standard"] for item in (model, target))
            model["modes"][mode] = spliced(before, after, start, end, entry["id"])
        model["standard"] = spliced(model["standard"], target["standard"], start, end, entry["id"])


def spliced(before: list[Period], after: list[Period], start: int | None, end: int | None, fix: str) -> list[Period]:
    """`before` outside the span and `after` inside it."""
    inside = [part | {"fix": fix} for period in after if (part := clipped(period, start, end)) is not None]
    return [*outside(before, start, end), *inside]
