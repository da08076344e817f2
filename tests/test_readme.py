"""The README says what the code does: its made parts are fresh, nothing is missing, its examples run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from cost_top.config import _KINDS, _SOURCE_KINDS, load_config
from cost_top.gateways.loader import load_preset
from cost_top.model.filter import FILTER_FIELDS
from cost_top.model.query import DIMENSIONS, MEASURES, SYNONYMS
from readme import README, commands, made, shown_options
from screenshots import LARGEST, SHOTS

TEXT = README.read_text(encoding="utf-8")
SOURCE = README.parent / "src" / "cost_top"
IN_CODE = set(re.findall(r"[\w./:-]+", " ".join(re.findall(r"`([^`\n]+)`", TEXT))))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


def test_the_made_parts_are_fresh():
    assert made(TEXT) == TEXT, "run `python -m tests.readme`"


def test_every_option_dimension_measure_and_field_is_there():
    for name, command in commands().items():
        assert f"`{name}" in TEXT
        for option in shown_options(command):
            assert {flag for flag in option.opts if flag.startswith("--")} <= IN_CODE, option.opts
    assert {*DIMENSIONS, *SYNONYMS, *MEASURES, *FILTER_FIELDS} <= IN_CODE


def test_every_config_key_is_there():
    examples = "\n".join(blocks("toml"))
    for key in {*_KINDS, *_SOURCE_KINDS} - {"sources"}:
        assert re.search(rf"^(# )?{key} += ", examples, re.MULTILINE), key
    assert "[sources.prod]" in examples


def test_every_variable_is_there_and_no_other():
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    variable = re.compile(r"COST_TOP_[A-Z_]+")
    assert set(variable.findall(TEXT)) == set(variable.findall(code))


def test_files_it_names_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (README.parent / target).is_file(), target
    headings = {re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-")
                for line in re.findall(r"^#+ (.*)", TEXT, re.MULTILINE)}  # fmt: skip
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings


def test_the_example_config_is_read(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(next(block for block in blocks("toml") if "[sources.prod]" in block))
    assert set(load_config(config).sources) == {"prod", "in-house", "gateway"}


def test_the_example_mapping_is_read(tmp_path):
    mapping = tmp_path / "in-house.toml"
    mapping.write_text(next(block for block in blocks("toml") if "[fields]" in block))
    assert load_preset(mapping).name == "in-house"


# What a line holds that needs a server, a key, or does not end by itself.
ELSEWHERE = ("postgresql://", "https://", "vercel", "cost-top serve")


def runnable() -> list[str]:
    """Lines of `sh` blocks that need no server; of a pipe the part that is ours."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    ours = (line.partition("#")[0].partition("|")[0].strip() for line in lines if line.startswith("cost-top"))
    return [line for line in ours if not any(word in line for word in ELSEWHERE)]


@pytest.mark.parametrize("line", runnable())
def test_an_example_runs(line, sqlite_log, tmp_path):
    log = sqlite_log()
    log.add(time_ms=time.time_ns() // 1_000_000 - 60_000, provider="openai", model="gpt-a", cost_pico_usd=10**12)
    config = tmp_path / "config.toml"
    config.write_text(f'[sources.prod]\nurl = "{log.path}"\n')
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", *shlex.split(line)[1:]],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120,
        env={**os.environ, "COST_TOP_CONFIG": str(config), "COST_TOP_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert ran.stdout


def test_the_recorder_example_writes_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = {"model": "gpt-4o-mini", "messages": []}
    answer = {
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    names: dict[str, object] = {"body": body, "answer": answer, "stream_events": [answer]}
    exec(blocks("python")[0], names)
    recorder = names["recorder"]
    recorder.close()
    assert recorder.written == 2
    assert Path("requests.db").is_file()


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_a_screenshot_is_small_and_of_no_machine(shot):
    svg = (README.parent / "screenshots" / f"{shot.name}.svg").read_text(encoding="utf-8")
    assert len(svg.encode()) < LARGEST
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert not re.search(r"/(tmp|home|root|Users)/", svg)
    assert set(re.findall(r"https?://[\w.]+", svg)) <= {"http://www.w3.org", "https://www.textualize.io"}
