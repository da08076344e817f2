"""The committed rates are what the build gives, and what they hold makes sense."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

PRICING = Path(__file__).parents[2] / "pricing"
RATES: dict[str, Any] = json.loads((PRICING / "rates.json").read_bytes())
MODES = ("standard", "batch", "flex", "priority", "fast")
needs_upstream = pytest.mark.skipif(find_spec("genai_prices") is None, reason="genai-prices is not installed")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "build.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def models() -> Iterator[tuple[str, dict[str, Any]]]:
    for provider in RATES["providers"]:
        for model in provider["models"]:
            yield f"{provider['id']}/{model['id']}", model


def flat(value: int | list[Any]) -> list[int]:
    return [value] if isinstance(value, int) else [value[0], *(tier for _, tier in value[1:])]


@needs_upstream
def test_rates_are_what_a_build_gives() -> None:
    result = check(PRICING)
    assert result.returncode == 0, result.stderr


@needs_upstream
@pytest.mark.parametrize("name", ["rates.json", "corrections.toml"])
def test_a_changed_file_fails_the_check(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "pricing"
    shutil.copytree(PRICING, folder)
    text = (folder / name).read_text()
    changed = text.replace("2500000", "2500001", 1) if name == "rates.json" else text.replace('"2.50"', '"2.51"', 1)
    assert changed != text
    (folder / name).write_text(changed)
    result = check(folder)
    assert result.returncode == 1
    assert "rates.json is not what build.py gives" in result.stderr


def test_prices_are_whole_and_not_negative() -> None:
    for name, model in models():
        for mode in MODES:
            for period in model.get(mode, ()):
                for value in period["rates"].values():
                    assert all(type(item) is int and item >= 0 for item in flat(value)), name


def test_unscheduled_periods_do_not_overlap() -> None:
    for name, model in models():
        for mode in MODES:
            spans = sorted(
                (item.get("from", -(2**62)), item.get("to", 2**62))
                for item in model.get(mode, ())
                if "schedule" not in item
            )
            assert all(start < end for start, end in spans), (name, mode)
            assert all(before[1] <= after[0] for before, after in pairwise(spans)), (name, mode)


def test_at_most_two_context_thresholds() -> None:
    for name, model in models():
        starts = {
            tier[0]
            for mode in MODES
            for period in model.get(mode, ())
            for value in period["rates"].values()
            if isinstance(value, list)
            for tier in value[1:]
        }
        assert len(starts) <= 2, name


def test_every_correction_is_cited_and_used() -> None:
    corrections = tomllib.loads((PRICING / "corrections.toml").read_text("utf-8"))
    entries = [entry for kind in ("models", "rates", "modes", "names") for entry in corrections[kind]]
    used = {
        period["fix"] for _, model in models() for mode in MODES for period in model.get(mode, ()) if "fix" in period
    }
    for entry in entries:
        assert entry["level"] in ("V", "S", "L")
        assert entry["source"]
        assert entry["seen"].year >= 2026
        assert entry["note"]
        assert entry["id"] in used, entry["id"]
    known = {"T007", "T010", "T026", "T032", "T055", "T075", "T076", "T078", "T081", "T091"}
    assert {entry["case"] for entry in entries if "case" in entry} == known


def test_a_release_report_names_what_changed(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    text = (PRICING / "rates.json").read_text()
    line = next(line for line in text.splitlines() if line.startswith('{"id":"claude-3-haiku"'))
    old.write_text(text.replace(line + "\n", line.replace('"in":250000', '"in":260000') + "\n"))
    table = tmp_path / "litellm.json"
    table.write_text(
        json.dumps(
            {
                "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06},
                "o3": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-05},
                "gpt-99": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-05},
            }
        )
    )
    command = [sys.executable, str(PRICING / "diff.py"), str(old), str(PRICING / "rates.json"), "--litellm", str(table)]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| anthropic/claude-3-haiku | standard | price |" in report
    assert "| openai | 1 | 1 | 1 |" in report
    assert "| o3 | openai/o3 | input | 2 | 10 |" in report
