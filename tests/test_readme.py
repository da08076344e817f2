"""The manual says what the code does: its made parts are fresh, nothing is missing, its examples run."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cost_top.cli.help import command as help_command
from cost_top.cli.help import topics
from cost_top.config import RULES, ConfigFile, SourceSettings, load_config
from cost_top.gateways.loader import load_preset
from cost_top.model.declared import declared
from cost_top.model.errors import UserError
from cost_top.model.filter import FILTER_FIELDS
from cost_top.model.query import DIMENSIONS, MEASURES, SYNONYMS
from readme import MADE, PAGES, README, commands, made, shown_options
from screenshots import LARGEST, SHOTS

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
TEXT = "\n".join(TEXTS.values())
SOURCE = README.parent / "src" / "cost_top"
IN_CODE = set(re.findall(r"[\w./:-]+", " ".join(re.findall(r"`([^`\n]+)`", TEXT))))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_made_parts_are_fresh(page):
    assert made(TEXTS[page]) == TEXTS[page], "run `python -m tests.readme`"


def test_every_made_part_stands_in_one_page():
    assert {name: TEXT.count(f"<!-- {name} -->") for name in MADE} == dict.fromkeys(MADE, 1)


def test_the_readme_can_be_read_in_one_sitting():
    assert len(TEXTS[README].splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_a_page_begins_with_its_topic_and_what_it_is_about(page):
    assert re.match(rf"# {re.escape(page.stem)}: \S", TEXTS[page])


def test_every_option_dimension_measure_and_field_is_there():
    for name, command in commands().items():
        assert f"`{name}" in TEXT
        for option in shown_options(command):
            assert {flag for flag in option.opts if flag.startswith("--")} <= IN_CODE, option.opts
    assert {*DIMENSIONS, *SYNONYMS, *MEASURES, *FILTER_FIELDS} <= IN_CODE


def test_every_config_key_is_there():
    examples = "\n".join(blocks("toml"))
    for key in {*declared(ConfigFile), *declared(SourceSettings)} - {"sources", *RULES}:
        assert re.search(rf"^(# )?{key} += ", examples, re.MULTILINE), key
    assert "[sources.prod]" in examples


def test_every_variable_is_there_and_no_other():
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    variable = re.compile(r"COST_TOP_[A-Z_]+")
    assert set(variable.findall(TEXT)) == set(variable.findall(code))


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_and_headings_it_names_are_there(page):
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        name, _, heading = target.partition("#")
        named = page.parent / name if name else page
        assert named.is_file(), target
        assert not heading or heading in anchors(named.read_text(encoding="utf-8")), target


def test_help_shows_every_page_and_none_of_the_marks(capsys):
    for topic in topics():
        help_command.main([topic], standalone_mode=False)
        shown = capsys.readouterr().out
        assert shown.startswith(f"# {topic}: ")
        assert "<!--" not in shown


def test_help_lists_the_topics(capsys):
    help_command.main([], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {topic} +\S", shown, re.MULTILINE) for topic in topics())


def test_an_unknown_topic_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="no such topic: mappign; did you mean mapping"):
        help_command.main(["mappign"], standalone_mode=False)


def test_the_example_config_is_read(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(next(block for block in blocks("toml") if "[sources.prod]" in block))
    assert set(load_config(config).sources) == {"prod", "in-house", "gateway"}


def test_the_example_mapping_is_read(tmp_path):
    mapping = tmp_path / "in-house.toml"
    mapping.write_text(next(block for block in blocks("toml") if "[fields]" in block))
    assert load_preset(mapping).name == "in-house"


# What a line holds that needs a server, a key, or does not end by itself.
ELSEWHERE = ("postgresql://", "https://", "vercel", "cost-top serve", "claude-code", "codex")


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
    exported = {"timestamp": datetime.now(UTC).isoformat(), "provider": "openai", "model": "gpt-a",
                "prompt_tokens": 3, "completion_tokens": 1, "cost": 0.25}  # fmt: skip
    (tmp_path / "logs").mkdir()
    with gzip.open(tmp_path / "logs" / "2026-11-01.jsonl.gz", "wt") as file:
        file.write(json.dumps(exported) + "\n")
    for name in ("logs/today.jsonl", "access.log"):
        (tmp_path / name).write_text(json.dumps(exported) + "\n")
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", *shlex.split(line)[1:]],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120,
        env={**os.environ, "COST_TOP_CONFIG": str(config), "COST_TOP_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert ran.stdout or (tmp_path / line.partition("--output ")[2]).is_file()


def test_the_recorder_example_writes_a_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = {"model": "gpt-4o-mini", "messages": []}
    answer = {
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    names: dict[str, object] = {"body": body, "answer": answer, "stream_events": [answer]}
    exec(next(block for block in blocks("python") if "Recorder(" in block), names)
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
