"""The lines of an overrides file that would price an unpriced model."""

from __future__ import annotations

import json

from cost_top.model.modes import STANDARD
from cost_top.model.text import clean
from cost_top.pricing.book import RateBook


def toml_lines(book: RateBook, provider: str | None, model: str | None, doubt: str | None = None) -> tuple[str, ...]:
    """TOML to put into the overrides file, for display.

    A model whose price is known, but whose log reports zero, needs only the user's word that the price holds. For
    another one the amounts are question marks: unfilled they are refused, not read as zero. So they are where the
    `doubt` is about a mode, a region or rounds: a price of the user's holds in all of them.
    """
    entry = book.entry(provider, model)
    name = "/".join(clean(part) for part in (provider, model) if part)
    known = entry is not None and any(item.quote for item in entry.timeline.periods[STANDARD])
    if entry is not None and (known or entry.match.unsure) and doubt not in ("mode", "region", "rounds"):
        return ("[alias]", f"{_quoted(name)} = {_quoted(entry.match.id)}")
    lines = ["[[price]]"]
    if provider and clean(provider):
        lines.append(f"provider = {_quoted(clean(provider))}")
    lines.append(f"model = {_quoted(clean(model or ''))}")
    lines += ['input = "?"   # USD per million tokens', 'output = "?"']
    return tuple(lines)


def _quoted(text: str) -> str:
    """A TOML basic string, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
