"""A figure of a view's measure as text: whole, and short for an axis."""

from __future__ import annotations

from cost_top.model.dimensions import EVERY_MEASURE
from cost_top.model.format import UNKNOWN, count, duration_ms, money_scaled, tokens
from cost_top.model.money import display_usd
from cost_top.model.query import Measures
from cost_top.model.shown import Shown

_KINDS = {each.name: (each.kind, each.unit) for each in EVERY_MEASURE}


def figure_text(shown: Shown, value: int | None) -> str:
    """`$1,847.20`, `18.2k`, `1.9 s`; `–` when unknown."""
    if value is None:
        return UNKNOWN
    if shown.kind == "money":
        return display_usd(value)
    if shown.kind == "latency":
        return duration_ms(value)
    return tokens(value) if shown.name == "tokens" else count(value)


def figure_short(shown: Shown, value: int | None) -> str:
    """As `figure_text`, in three figures."""
    if value is None:
        return UNKNOWN
    if shown.kind == "money":
        return money_scaled(value)
    if shown.kind == "latency" and value % 1000 == 0:
        return f"{value // 1000} s" if value % 60_000 else f"{value // 60_000} min"
    text = figure_text(shown, value)
    return text.replace(".00", "") if shown.kind == "count" else text


def figure_unit(shown: Shown, value: int | None) -> str:
    """`18.2k tokens`, `1 error`, `p95 1.9 s`, `$4.10 saved by cache`: a figure that says what it is of."""
    text = figure_text(shown, value)
    if shown.kind == "latency":
        return f"p95 {text}"
    if shown.kind == "money":
        return f"{text} saved by cache" if shown.name else text
    return f"{text} {shown.label[:-1] if value == 1 else shown.label}"


def measure_text(name: str, measures: Measures) -> str:
    """A report's measure of a row; `–` when unknown."""
    value: int | None = getattr(measures, name)
    kind, unit = _KINDS[name]
    if kind == "count":
        return tokens(value) if unit == "tokens" else count(value)
    if value is None:
        return UNKNOWN
    return duration_ms(value) if kind == "latency" else display_usd(value)
