"""`cost-top why`, run as a user runs it, over a real log."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.native_log import START, START_MS, NativeLog

from cost_top.cli.why import command
from cost_top.model.errors import UserError

PICO = 10**12


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    monkeypatch.setenv("COST_TOP_CONFIG", str(config))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An hour of ten requests, then an hour of ten and thirty more of one key at one endpoint, two unpriced."""
    log = NativeLog(tmp_path / "gateway.db")
    for hour in (0, 1):
        for place in range(10):
            add(log, hour * 3600 + place * 60, "web", "/chat", PICO // 10)
    for place in range(30):
        add(log, 3600 + place * 60 + 5, "agent", "/reply", PICO // 2)
    for place in range(2):
        add(log, 3700 + place, "web", "/chat", None, model="no-such-model", provider="nobody")
    log.close()
    return log.path


def add(log: NativeLog, seconds: int, token: str, endpoint: str, cost: int | None, **more: Any) -> None:
    log.add(
        time_ms=START_MS + seconds * 1000, token=token, token_name=f"{token} key", endpoint=endpoint,
        cost_pico_usd=cost,
        **{"provider": "openai", "model": "gpt-5", "input_tokens": 1000, "output_tokens": 10, "status": 200, **more},
    )  # fmt: skip


def run(path: Path, *arguments: str) -> str:
    since, until = START + timedelta(hours=1), START + timedelta(hours=2)
    result = CliRunner().invoke(
        command,
        [
            str(path),
            "--since",
            since.isoformat(),
            "--until",
            until.isoformat(),
            "--tz",
            "UTC",
            "--no-cache",
            *arguments,
        ],
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_it_names_the_key_and_the_figures_are_those_of_the_log(path: Path) -> None:
    document = json.loads(run(path, "--format", "json"))
    assert document["before"]["cost_usd"] == "1"
    assert document["after"]["cost_usd"] == "16"
    assert document["change_usd"] == "15"
    assert sum(Decimal(part) for part in document["factors"].values()) == 15
    assert document["drivers"][0]["value"] in ("agent", "/reply")
    assert document["drivers"][0]["share"] == 1.0
    assert document["after"]["unpriced"] == 2


def test_the_text_has_the_sentence_the_parts_and_what_it_leaves_out(path: Path) -> None:
    output = run(path)
    assert output.startswith("spend is up $15.00 (16.0×) from 10 Nov 10:30 to 10 Nov 11:30: ")
    assert "$1.00 → $16.00: requests +$" in output
    assert output.endswith("note: unpriced, in no figure: 0 requests before, 2 after\n")


def test_a_filter_narrows_it(path: Path) -> None:
    assert run(path, "--where", "endpoint:/chat").startswith("/chat is unchanged from")


def test_drivers_are_looked_for_where_asked(path: Path) -> None:
    document = json.loads(run(path, "--by", "token", "--format", "json"))
    assert [(one["dimension"], one["value"], one["name"]) for one in document["drivers"]] == [
        ("token", "agent", "agent key")
    ]


def test_what_makes_no_sense_is_one_line(path: Path) -> None:
    with pytest.raises(UserError, match="--by tag: its values overlap"):
        run(path, "--by", "tag")
    with pytest.raises(UserError, match="is not before --until"):
        run(path, "--until", "2020-01-01")
    with pytest.raises(UserError, match="--against 'soon' is no time"):
        run(path, "--against", "soon")
