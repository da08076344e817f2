"""Write `rates.json` from the pinned genai-prices release and `corrections.toml`; the same input gives the same bytes.

python pricing/build.py            write rates.json
python pricing/build.py --check    exit 1 if rates.json is not what a build gives
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import amend
import export

HERE = Path(__file__).resolve().parent
SCHEMA = 1
MODES = ("batch", "flex", "priority", "fast")


def compact(value: Any) -> str:
    """JSON without blanks, keys in the order given."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=date.isoformat)


def build() -> str:
    """The text of `rates.json`: a header, then one line per model, so that a change can be read in a diff."""
    source = export.source_header()
    corrections = amend.read(HERE / "corrections.toml")
    providers = list(export.export())
    amend.apply(providers, corrections)
    cited = {
        entry["id"]: {key: entry[key] for key in ("level", "source", "seen")}
        for kind in amend.KINDS
        for entry in corrections.get(kind, [])
    }
    schedules = distinct_schedules(providers)
    head = {"schema": SCHEMA, "date": export.RELEASE_DATE, "source": source, "schedules": schedules}
    head |= {"most_edges": most_edges(providers), "corrections": cited}
    lines = ["{" + ",\n".join(f"{compact(key)}:{compact(value)}" for key, value in head.items()) + ","]
    lines.append('"providers":[')
    blocks = [provider_lines(provider, schedules) for provider in providers]
    lines.append(",\n".join(blocks))
    lines.append("]}")
    return "\n".join(lines) + "\n"


def provider_lines(provider: dict[str, Any], schedules: list[dict[str, Any]]) -> str:
    """One provider; its models one per line."""
    models = provider.pop("models")
    head = compact(provider)[1:-1]
    return "{" + head + ',"models":[\n' + ",\n".join(compact(line(model, schedules)) for model in models) + "]}"


def line(model: dict[str, Any], schedules: list[dict[str, Any]]) -> dict[str, Any]:
    """One model as it is written: a mode that equals the standard is left out, single prices are plain integers."""
    standard = [written(period, schedules) for period in model["standard"]]
    result: dict[str, Any] = {"id": model["id"], "match": model["match"], "standard": standard}
    for mode in MODES:
        periods = [written(period, schedules) for period in model["modes"].get(mode, [])]
        if periods and periods != standard:
            result[mode] = periods
    return result | ({"regions": model["regions"]} if "regions" in model else {})


def written(period: dict[str, Any], schedules: list[dict[str, Any]]) -> dict[str, Any]:
    """A period with its schedule as an index and single prices unwrapped."""
    rates = {key: period["rates"][key] for key in export.PRICE_KEYS.values() if key in period["rates"]}
    prices = {key: value if len(value) > 1 else value[0] for key, value in rates.items()}
    if any(price < 0 for value in period["rates"].values() for price in amend.flat(value)):
        raise SystemExit(f"negative price: {period}")
    result = {key: period[key] for key in ("from", "to", "fix") if key in period}
    if "schedule" in period:
        result["schedule"] = schedules.index(period["schedule"])
    return result | {"rates": prices}


def distinct_schedules(providers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every schedule in use, in order of first use."""
    found: list[dict[str, Any]] = []
    for provider in providers:
        for model in provider["models"]:
            for period in model["standard"]:
                if "schedule" in period and period["schedule"] not in found:
                    found.append(period["schedule"])
    return found


def most_edges(providers: list[dict[str, Any]]) -> int:
    """The largest number of instants at which the price of one model changes."""
    return max(
        len({period[key] for period in all_periods(model) for key in ("from", "to") if key in period})
        for provider in providers
        for model in provider["models"]
    )


def all_periods(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The periods of a model in every mode."""
    return [*model["standard"], *(period for periods in model["modes"].values() for period in periods)]


def main() -> int:
    """Build, or compare with what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    target = HERE / "rates.json"
    text = build()
    if arguments.check:
        if not target.exists() or target.read_bytes() != text.encode():
            print("rates.json is not what build.py gives: run python pricing/build.py", file=sys.stderr)
            return 1
        return 0
    target.write_bytes(text.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
