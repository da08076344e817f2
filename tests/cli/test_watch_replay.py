"""`cost-top watch --replay`, run as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.native_log import NativeLog

from cost_top.cli.watch import command
from cost_top.model.errors import UserError

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
SINCE = "2026-09-10"  # what was before is only learned
PICO = 10**12
HOSTILE = "evil\x1b[31m/[bold]../" + "x" * 290
KEYS = [
    "id", "kind", "dimension", "value", "name", "started", "opened", "closed", "window_seconds", "spent_usd",
    "usual_usd",
    "excess_usd_at_open", "excess_usd", "peak_usd_per_hour", "also", "drivers", "factors", "sentence",
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "config.toml"
    config.touch()
    monkeypatch.setenv("COST_TOP_CONFIG", str(config))
    return config


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Twelve even days; on the last a key with a hostile name spends forty times the usual for three hours."""
    log = NativeLog(tmp_path_factory.mktemp("watch") / "gateway.db")
    rows = []
    for place in range(12 * 24 * 12):
        rows.append((f"a{place}", BEGIN + timedelta(minutes=5 * place, seconds=9), "key-1", "one", PICO // 50))
    for place in range(180):
        rows.append((f"b{place}", BEGIN + timedelta(days=11, minutes=place, seconds=30), HOSTILE, HOSTILE, PICO // 8))
    log.connection.executemany(
        "INSERT INTO cost_top_requests (id, time_ms, provider, model, endpoint, token, token_name, user_id, "
        "input_tokens, output_tokens, cost_pico_usd, status) "
        "VALUES (?, ?, 'openai', 'gpt-5', '/a', ?, ?, ?, ?, 10, ?, 200)",
        [
            (name, int(at.timestamp() * 1000), key, key, user, 100 + 37 * int(name[1:]) % 900, cost)
            for name, at, key, user, cost in rows
        ],
    )
    log.connection.commit()
    yield log.path
    log.close()


def run(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def replay(path: Path, *more: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        run(path, "--replay", f"{SINCE}T00:00:00Z", "--until", "2026-09-13T00:00:00Z", "--tz", "UTC", "--no-cache",
            "--format", "json", *more)
    )  # fmt: skip
    return document


@pytest.fixture(scope="module")
def whole(path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of all that is in the log, by no config."""
    config = tmp_path_factory.mktemp("none") / "config.toml"
    config.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COST_TOP_CONFIG", str(config))
        return replay(path)


def test_the_document_is_as_the_manual_has_it(whole: dict[str, Any]) -> None:
    document = whole
    assert list(document) == ["source", "since", "until", "step_seconds", "sensitivity", "incidents", "budgets"]
    assert (document["since"], document["until"]) == (f"{SINCE}T00:00:00Z", "2026-09-13T00:00:00Z")
    assert (document["step_seconds"], document["sensitivity"], document["budgets"]) == (300, "normal", [])
    assert document["incidents"]
    for incident in document["incidents"]:
        assert list(incident) == KEYS
        assert set(incident["factors"]) == {"requests", "size", "mix", "price"}
        for name in ("spent_usd", "usual_usd", "excess_usd_at_open", "excess_usd", "peak_usd_per_hour"):
            assert isinstance(incident[name], str)
            assert "e" not in incident[name]


def test_the_key_behind_it_is_named_within_the_hour_and_no_control_character_leaves(
    path: Path, whole: dict[str, Any]
) -> None:
    first = whole["incidents"][0]
    assert "2026-09-12T00:00:00Z" < first["opened"] <= "2026-09-12T01:00:00Z"
    text = json.dumps(whole, ensure_ascii=False) + run(path, "--replay", SINCE, "--tz", "UTC", "--no-cache")
    assert "\x1b" not in text
    named = {(first["dimension"], first["value"])} | {tuple(part) for part in first["also"]}
    assert any((value or "").startswith("evil") for _, value in named)
    assert set(first["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-")


def test_a_replay_that_begins_at_any_second_tells_an_incident_by_the_same_id(path: Path, whole: dict[str, Any]) -> None:
    later = replay(path, "--replay", "2026-09-11T05:03:17Z")
    assert later["since"] == "2026-09-11T05:00:00Z", "as a live watch looks every whole five minutes"
    assert later["incidents"][0]["id"] == whole["incidents"][0]["id"]


def test_a_second_run_says_the_same(path: Path, whole: dict[str, Any]) -> None:
    assert replay(path) == whole


def test_rows_after_the_end_change_nothing_before_it(path: Path, whole: dict[str, Any]) -> None:
    first = whole["incidents"][0]
    cut = json.loads(
        run(
            path,
            "--replay",
            f"{SINCE}T00:00:00Z",
            "--until",
            first["opened"],
            "--tz",
            "UTC",
            "--no-cache",
            "--format",
            "json",
        )
    )["incidents"]
    assert [one["id"] for one in cut] == [first["id"]]
    assert cut[0]["closed"] is None
    assert cut[0]["excess_usd_at_open"] == first["excess_usd_at_open"]


def test_jsonl_has_an_incident_a_line(path: Path) -> None:
    lines = run(path, "--replay", SINCE, "--tz", "UTC", "--no-cache", "--format", "jsonl").splitlines()
    assert [json.loads(line)["id"] for line in lines]


def test_a_filter_watches_only_what_it_names(path: Path) -> None:
    assert replay(path, "--where", "token:key-1")["incidents"] == []


def test_budgets_of_the_config_say_when_their_thresholds_were_passed(path: Path, no_config: Path) -> None:
    no_config.write_text(
        '[[budgets]]\nname = "daily"\nlimit = "10"\nperiod = "day"\nat = [50, 100]\n', encoding="utf-8"
    )
    found = replay(path)["budgets"]
    assert {one["name"] for one in found} == {"daily"}
    # 288 requests of two cents each day, $5.76; on the 12th 180 of $0.125 more from its first minute on.
    spent = sorted(
        [(BEGIN + timedelta(minutes=5 * place), Decimal("0.02")) for place in range(12 * 24 * 12)]
        + [(BEGIN + timedelta(days=11, minutes=place), Decimal("0.125")) for place in range(180)]
    )
    sums: dict[str, Decimal] = {}
    passed = []
    for at, cost in spent:
        day = f"{at:%Y-%m-%d}"
        before = sums.get(day, Decimal(0))
        sums[day] = before + cost
        passed += [(day, threshold) for threshold in (50, 100) if before < Decimal(threshold) / 10 <= sums[day]]
    wanted = [one for one in passed if SINCE <= one[0] <= "2026-09-12"]
    told = [(one["at"][:10], one["threshold"]) for one in found if one["threshold"] is not None]
    assert sorted(told) == sorted(wanted)
    assert ("2026-09-12", 100) in told


def test_settings_of_the_config_hold_and_the_command_line_is_above_them(path: Path, no_config: Path) -> None:
    no_config.write_text('[watch]\nsensitivity = "low"\nmin_excess = "100000"\n', encoding="utf-8")
    document = replay(path)
    assert (document["sensitivity"], document["incidents"]) == ("low", [])
    assert replay(path, "--sensitivity", "high")["sensitivity"] == "high"


def test_an_empty_log_has_no_incident(tmp_path: Path) -> None:
    log = NativeLog(tmp_path / "empty.db")
    log.close()
    assert replay(log.path)["incidents"] == []
    assert "0 incidents" in run(log.path, "--replay", "7d", "--no-cache")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--replay", "2026-09-05", "--until", "2026-09-04"], "--replay 2026-09-05 is not before --until 2026-09-04"),
        (["--replay", "soon"], "--replay 'soon' is no time"),
        (["--replay", "7d", "--step", "7m"], "--step '7m': write 5m"),
        (["--replay", "7d", "--dimensions", "day"], "--dimensions 'day': choose from"),
        (["--until", "now"], "--until goes with --replay"),
        (["--step", "5m"], "--step goes with --replay"),
    ],
)
def test_what_makes_no_sense_is_one_line(path: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", "\\(")) as error:
        run(path, *arguments, "--no-cache")
    assert "\n" not in str(error.value)
