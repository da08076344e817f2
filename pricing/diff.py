"""What changed between two builds of `rates.json`, and where LiteLLM's table disagrees, as Markdown for a release.

    python pricing/diff.py OLD.json NEW.json
    python pricing/diff.py OLD.json NEW.json --litellm model_prices_and_context_window.json

The package must be importable (installed, or PYTHONPATH=src).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from cost_top.pricing.book import RateBook
from cost_top.pricing.overrides import Overrides
from cost_top.pricing.rates import Rates

# LiteLLM's price per token, and the part of ours it must equal.
LITELLM = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "write",
}


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--litellm", type=Path, help="a LiteLLM price table to compare the new build with")
    arguments = parser.parse_args()
    for line in report(arguments.old, arguments.new, arguments.litellm):
        print(line)
    return 0


def report(old: Path, new: Path, litellm: Path | None) -> Iterator[str]:
    """The lines of the report."""
    before, after = (json.loads(path.read_bytes()) for path in (old, new))
    yield f"# Rates of {after['date']}"
    yield ""
    yield f"{source(before)}, {before['date']} -> {source(after)}, {after['date']}"
    yield ""
    yield from changes(before, after)
    if litellm is not None:
        yield from cross_check(new, litellm)


def source(data: dict[str, Any]) -> str:
    """Name and version a build is made from."""
    return f"{data['source']['name']} {data['source']['version']}"


def models(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every model by provider and id."""
    return {f"{item['id']}/{model['id']}": model for item in data["providers"] for model in item["models"]}


def changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Models that came, went, or have another price, a price of the past told from one of today."""
    old, new = models(before), models(after)
    yield from listing("New", sorted(new.keys() - old.keys()))
    yield from listing("Gone: their past can no longer be priced", sorted(old.keys() - new.keys()))
    rows = []
    for name in sorted(old.keys() & new.keys()):
        priced = {key: (old[name].get(key), new[name].get(key)) for key in old[name].keys() | new[name].keys()}
        changed = sorted(key for key, (was, now) in priced.items() if key not in ("id", "match") and was != now)
        if changed:
            standard = priced["standard"]
            current = standard[0][-1]["rates"] != standard[1][-1]["rates"]
            rows.append(f"| {name} | {', '.join(changed)} | {'price' if current else 'history or source'} |")
    yield f"## Changed: {len(rows)}"
    yield ""
    if rows:
        yield from ("| model | modes | what |", "|---|---|---|", *rows, "")


def listing(title: str, names: list[str]) -> Iterator[str]:
    """A heading with the count, and the names."""
    yield f"## {title}: {len(names)}"
    yield ""
    yield from (f"- {name}" for name in names)
    if names:
        yield ""


def cross_check(rates: Path, litellm: Path) -> Iterator[str]:
    """The chat models of LiteLLM's table whose current price is another one here. Its zeros are not prices."""
    book = RateBook(rates.read_bytes(), Overrides())
    today = datetime.combine(book.date, time(12), UTC)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    rows = []
    for key, entry in json.loads(litellm.read_bytes()).items():
        provider = entry.get("litellm_provider")
        if entry.get("mode") not in ("chat", "responses", "completion", "embedding") or not provider:
            continue
        found = book.entry(provider, key)
        quote = found.timeline.at(today) if found else None
        if found is None or quote is None:
            counts[provider]["unknown here"] += 1
            continue
        different = [part for name, part in LITELLM.items() if differs(entry.get(name), quote.rates(0), part)]
        counts[provider]["differ" if different else "agree"] += 1
        if different:
            ours = " ".join(usd(getattr(quote.rates(0), part)) for part in different)
            shown = " ".join(theirs(entry, part) for part in different)
            rows.append(f"| {key} | {found.match.id} | {', '.join(different)} | {ours} | {shown} |")
    yield "## Against LiteLLM"
    yield ""
    yield from ("| provider | agree | differ | unknown here |", "|---|---|---|---|")
    for provider, count in sorted(counts.items(), key=lambda item: -item[1].total()):
        yield f"| {provider} | {count['agree']} | {count['differ']} | {count['unknown here']} |"
    yield ""
    yield from ("| key | model | part | here | LiteLLM |", "|---|---|---|---|---|", *rows)


def differs(listed: object, rates: Rates, part: str) -> bool:
    """Whether a price of LiteLLM's is another one than ours; a missing or zero one says nothing."""
    price = pico(listed)
    return bool(price) and price != getattr(rates, part)


def pico(listed: object) -> int:
    """USD per token as integer pico-USD."""
    try:
        return round(Decimal(str(listed)) * 10**12) if listed else 0
    except InvalidOperation:
        return 0


def theirs(entry: dict[str, Any], part: str) -> str:
    """LiteLLM's price of a part."""
    return usd(pico(entry.get(next(name for name, ours in LITELLM.items() if ours == part))))


def usd(rate: int) -> str:
    """USD per million tokens."""
    return f"{Decimal(rate).scaleb(-6).normalize():f}"


if __name__ == "__main__":
    raise SystemExit(main())
