"""Why spend changed and what was saved, over HTTP and as a tool: the figures of the log, and of a scope no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cost_top.cli.report import command as report_command
from cost_top.cli.why import command as why_command
from cost_top.model.errors import UserError
from cost_top.serve.insight_shapes import SavingsAnswer, WasteAnswer, WhyAnswer
from cost_top.serve.tokens import digest_of
from support.native_log import NativeLog
from support.served import Served, served

PICO = 10**12
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
# What begins with a day is held against the day before, not against the hour before.
END -= timedelta(hours=2) if END.hour == 1 else timedelta()
START = END - timedelta(hours=1)
PERIOD = {"since": START.isoformat(), "until": END.isoformat()}
SECRET = {"all": "a" * 16, "part": "p" * 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An hour of ten requests, then ten and thirty more of one key on one route, and two unpriced ones."""
    folder: Path = tmp_path_factory.mktemp("why")
    log = NativeLog(folder / "gateway.db")
    for hour in (1, 0):
        for place in range(10):
            add(log, START - timedelta(hours=hour, minutes=-place), "web", "/chat", PICO // 10)
    for place in range(30):
        add(log, START + timedelta(minutes=place, seconds=5), "agent", "/reply", PICO // 2)
    for place in range(2):
        add(log, START + timedelta(minutes=place), "web", "/chat", None, model="no-such-model", provider="nobody")
    log.close()
    (folder / "config.toml").touch()
    return folder


def add(log: NativeLog, at: datetime, token: str, endpoint: str, cost: int | None, **more: Any) -> None:
    log.add(
        time_ms=int(at.timestamp() * 1000), token=token, token_name=f"{token} key", endpoint=endpoint,
        cost_pico_usd=cost, **{"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 10,
                               "status": 200, **more},
    )  # fmt: skip


@pytest.fixture(scope="module")
def server(folder) -> Iterator[Served]:
    tokens = folder / "tokens.toml"
    tokens.write_text("".join(
        f'[[tokens]]\nname = "{name}"\nsha256 = "{digest_of(secret).hex()}"\n'
        + ('where = "token:web"\n' if name == "part" else "")
        for name, secret in SECRET.items()
    ))  # fmt: skip
    tokens.chmod(0o600)
    with served(folder, folder / "gateway.db", "--tokens", tokens, "--rate-limit", 100_000) as running:
        yield running


def get(server: Served, path: str, who: str = "all", **parameters: Any) -> dict[str, Any]:
    answer = server.get(path, SECRET[who], **parameters)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = json.loads(answer.text, parse_float=Decimal)
    return document


def said(folder: Path, command: Any, *options: str) -> dict[str, Any]:
    """What the command prints of the same period."""
    arguments = [str(folder / "gateway.db"), "--tz", "UTC", "--no-cache", "--format", "json"]
    arguments += ["--since", PERIOD["since"], "--until", PERIOD["until"], "--config", str(folder / "config.toml")]
    done = CliRunner().invoke(command, [*arguments, *options], standalone_mode=False, catch_exceptions=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_why_is_what_the_command_says(server, folder):
    answer = get(server, "/v1/why", **PERIOD)
    assert (answer["before"]["cost_usd"], answer["after"]["cost_usd"], answer["change_usd"]) == ("1", "16", "15")
    assert sum(Decimal(part) for part in answer["factors"].values()) == 15
    assert answer["after"]["unpriced"] == 2
    assert json.loads(json.dumps(answer, default=float)) == said(folder, why_command)
    WhyAnswer.model_validate(answer)
    narrowed = get(server, "/v1/why", by="token", top=1, where="endpoint:/reply", against="last-week", **PERIOD)
    options = ("--by", "token", "--top", "1", "--where", "endpoint:/reply", "--against", "last-week")
    assert json.loads(json.dumps(narrowed, default=float)) == said(folder, why_command, *options)
    assert [(one["dimension"], one["name"]) for one in narrowed["drivers"]] == [("token", "agent key")]


def test_without_a_period_it_is_about_the_last_24_hours(server):
    answer = get(server, "/v1/why")
    assert answer["after"]["cost_usd"] == "17"
    assert answer["sentence"].startswith("spend is up $17.00 (new) since ")
    dated = get(server, "/v1/why", start_date=f"{END:%Y-%m-%d}", end_date=f"{END:%Y-%m-%d}")
    assert dated["after"]["since"] == f"{END:%Y-%m-%d}T00:00:00Z"


def test_a_scoped_token_is_told_of_its_scope_alone(server):
    for path in ("/v1/why", "/v1/savings", "/v1/waste"):
        for more in ({}, {"where": "token:agent"}, {"token": "agent"}):
            answer = server.get(path, SECRET["part"], **PERIOD, **more)
            assert answer.status_code == 200
            assert "agent key" not in answer.text
            assert "/reply" not in answer.text
    assert get(server, "/v1/why", "part", **PERIOD)["change_usd"] == "0"
    assert get(server, "/v1/savings", "part", **PERIOD)["totals"]["paid"] == 1
    assert get(server, "/v1/savings", "part", where="token:agent", **PERIOD)["totals"]["paid"] == 0


def test_waste_is_that_of_the_command(server, folder):
    answer, expected = get(server, "/v1/waste", **PERIOD), said(folder, report_command, "--view", "waste")
    for ours, theirs in zip(
        [*answer["results"], answer["totals"]], [*expected["results"], expected["totals"]], strict=True
    ):
        known = {name: value for name, value in theirs.items() if value is not None}
        assert set(ours) == set(known)
        exact = ("cost", "cost_percent_of_total_cost")
        assert all(ours[name] == (Decimal(known[name]) if name in exact else known[name]) for name in known)
    WasteAnswer.model_validate(answer)


def test_savings_are_those_of_the_command(server, folder):
    for group_by in ("token", "model", "day"):
        answer = get(server, "/v1/savings", group_by=group_by, **PERIOD)
        expected = said(folder, report_command, "--view", "savings", "--group-by", group_by)
        for ours, theirs in zip(
            [*answer["results"], answer["totals"]], [*expected["results"], expected["totals"]], strict=True
        ):
            known = {name: value for name, value in theirs.items() if value is not None}
            assert set(ours) == set(known)
            for name, value in known.items():
                exact = isinstance(ours[name], int | Decimal) and isinstance(value, str)
                assert ours[name] == (Decimal(value) if exact else value)
        assert answer["notes"] == expected["notes"]
        assert answer["row_count"] == len(answer["results"])
        SavingsAnswer.model_validate(answer)
    assert answer["totals"]["paid"] == 16


@pytest.mark.parametrize(
    ("path", "parameters", "name", "told"),
    [
        ("/v1/why", {"by": "tag"}, "by", "its values overlap or are times"),
        ("/v1/why", {"by": "colour"}, "by", "unknown dimension 'colour'"),
        ("/v1/why", {"against": "soon"}, "against", "is no time"),
        ("/v1/why", {"top": 4}, "top", "less than or equal to 3"),
        ("/v1/why", {"until": "now"}, "since", "is missing"),
        ("/v1/why", {"since": "1971-01-01", "until": "9999-01-01"}, "against", "beyond the calendar"),
        ("/v1/why", {"since": "1d", "against": "9999-12-31"}, "against", "has not begun"),
        ("/v1/why", {"group_by": "model"}, "group_by", "unknown parameter"),
        ("/v1/savings", {"since": "1d", "group_by": "colour"}, "group_by", "unknown dimension"),
        ("/v1/savings", {}, "start_date", "is missing"),
        ("/v1/waste", {"since": "1d", "group_by": "model"}, "group_by", "unknown parameter"),
        ("/v1/requests", {"since": "1d", "waste": "much"}, "waste", "should be 'failed_but_paid'"),
        ("/v1/savings", {"since": "1d", "view": "waste"}, "view", "unknown parameter"),
    ],
)
def test_what_is_wrong_is_named(server, path, parameters, name, told):
    answer = server.get(path, SECRET["all"], **parameters)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == name
    assert told in answer.json()["error"]["message"]


def test_a_tool_tells_an_assistant_the_same(folder):
    pytest.importorskip("mcp")
    from cost_top.cli.options import resolve
    from cost_top.serve.mcp_why import WhyTool

    settings = resolve(str(folder / "gateway.db"), None, None, "UTC", True, folder / "config.toml")
    answers = settings.open_answers()
    try:
        tool = WhyTool(answers, UTC)
        answer = tool.why(**PERIOD, by=["token", "model"])
        assert answer.pop("source") == "gateway.db"
        assert answer == said(folder, why_command, "--by", "token,model")
        with pytest.raises(UserError, match="by tag: its values overlap"):
            tool.why(by=["tag"])
        with pytest.raises(UserError, match="is not before until"):
            tool.why(since="now")
    finally:
        answers.close()
