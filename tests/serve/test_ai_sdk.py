"""The npm package @ai-sdk/gateway works with `cost-top serve` as it does with the AI Gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.credits import Credits
from cost_top.model.money import pico
from cost_top.serve.tokens import digest_of
from support.commands import printed
from support.native_log import NativeLog
from support.required import absent
from support.served import Served, environment, served, write_traffic
from support.served_double import HubDouble, in_thread

# The newest of the two lines that are in use.
PACKAGES = ("@ai-sdk/gateway@3.0.232", "@ai-sdk/gateway@4.0.146")
SCRIPT = Path(__file__).with_name("ai_sdk.mjs")
TOKEN, SCOPED = "a-token-for-everything", "a-token-for-acme-only"
# Their names in the SDK's answers and in a report of ours.
MEASURES = {
    "totalCost": "total_cost", "marketCost": "market_cost", "inputTokens": "input_tokens",
    "outputTokens": "output_tokens", "cachedInputTokens": "cached_input_tokens",
    "cacheCreationInputTokens": "cache_creation_input_tokens", "reasoningTokens": "reasoning_tokens",
    "requestCount": "request_count",
}  # fmt: skip
CALLS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "default": ({}, ["--group-by", "day"]),
    "day": ({"groupBy": "day"}, ["--group-by", "day"]),
    "hour": ({"groupBy": "day", "datePart": "hour"}, ["--group-by", "hour"]),
    "user": ({"groupBy": "user"}, ["--group-by", "user"]),
    "model": ({"groupBy": "model", "datePart": "hour"}, ["--group-by", "model"]),
    "tag": ({"groupBy": "tag"}, ["--group-by", "tag"]),
    "provider": ({"groupBy": "provider"}, ["--group-by", "provider"]),
    "credential_type": ({"groupBy": "credential_type"}, ["--group-by", "credential_type"]),
    "of a user": ({"userId": "ac*me"}, ["--group-by", "day", "--where", 'user:"ac*me"']),
    "of a model": ({"model": "gpt-5-mini"}, ["--group-by", "day", "--where", "model:gpt-5-mini"]),
    "of a provider": ({"provider": "anthropic"}, ["--group-by", "day", "--where", "provider:anthropic"]),
    "of own keys": ({"credentialType": "byok"}, ["--group-by", "day", "--where", "credential_type:byok"]),
    "of tags": ({"tags": ["prod", "été"]}, ["--group-by", "day", "--where", "tag:prod,été"]),
}


@pytest.fixture(scope="module", params=PACKAGES)
def sdk(request) -> Iterator[Path]:
    """A folder with the package, installed once and kept, and the script beside it."""
    package: str = request.param
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        absent("no node or no npm")
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cost-top-tests"
    folder = kept / package.replace("/", "-")
    if not folder.is_dir():
        kept.mkdir(parents=True, exist_ok=True)
        fresh = kept / f"{folder.name}.{os.getpid()}"
        fresh.mkdir()
        (fresh / "package.json").write_text('{"private": true}')
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            absent(f"npm install {package}: {done.stderr[-500:]}")
        try:
            fresh.rename(folder)
        except OSError:  # another worker was quicker
            shutil.rmtree(fresh, ignore_errors=True)
    script = folder / f"{SCRIPT.stem}.{os.getpid()}.mjs"
    shutil.copyfile(SCRIPT, script)
    yield script
    script.unlink()


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("sdk")
    log = NativeLog(folder / "gateway.db")
    write_traffic(log)
    tokens = folder / "tokens.toml"
    tokens.write_text(
        f'[[tokens]]\nname = "all"\nsha256 = "{digest_of(TOKEN).hex()}"\n'
        f'[[tokens]]\nname = "acme"\nsha256 = "{digest_of(SCOPED).hex()}"\nwhere = "user:acme"\n'
    )
    tokens.chmod(0o600)
    with served(folder, log.path, "--tokens", tokens) as running:
        yield running
    log.close()


def run(sdk: Path, *calls: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AI_GATEWAY", "VERCEL"))}
    done = subprocess.run(
        ["node", str(sdk)], input=json.dumps(calls), capture_output=True, text=True, timeout=120,
        check=False, env=plain,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


@cache
def reported(folder: Path, first: str, last: str) -> list[list[dict[str, Any]]]:
    """The same questions to `cost-top report`."""
    until = date.fromisoformat(last) + timedelta(days=1)
    plain = ["report", str(folder / "gateway.db"), "--format", "json", "--tz", "UTC", "--since", first,
             "--until", until.isoformat()]  # fmt: skip
    answers = printed([[*plain, *options] for _, options in CALLS.values()], environment(folder))
    return [json.loads(answer)["results"] for answer in answers]


def as_sdk(row: dict[str, Any], group: str) -> dict[str, Any]:
    """A row of `cost-top report` as JavaScript has it: what is unknown is absent, money is a double."""
    told = {sdk: float(row[ours]) for sdk, ours in MEASURES.items() if row[ours] is not None}
    if row[group] is not None:
        name = "credentialType" if group == "credential_type" else group
        told[name] = row[group][:13] if group == "hour" else row[group]
    return told


def test_every_report_is_the_command_s(sdk, server, tmp_path_factory):
    folder = Path(server._stderr).parent
    today = server.get("/v1/report", auth=TOKEN, since="3d").json()["as_of"][:10]
    days = {"startDate": str(date.fromisoformat(today) - timedelta(days=2)), "endDate": today}
    outcomes = run(
        sdk,
        *(
            {"origin": server.url, "token": TOKEN, "call": "getSpendReport", "params": {**days, **params}}
            for params, _ in CALLS.values()
        ),
    )
    reports = reported(folder, days["startDate"], days["endDate"])
    for (name, (_, options)), report, outcome in zip(CALLS.items(), reports, outcomes, strict=True):
        group = options[1]
        expected = [as_sdk(row, group) for row in report]
        by_group = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
        assert "value" in outcome, (name, outcome)
        assert sorted(outcome["value"]["results"], key=by_group) == sorted(expected, key=by_group), name
        assert expected, name
        if name in ("day", "hour"):
            assert [row[group] for row in outcome["value"]["results"]] == sorted(row[group] for row in expected)


def test_errors_become_those_of_the_sdk(sdk, server):
    days = {"startDate": "2026-11-01", "endDate": "2026-11-02"}
    report = {"origin": server.url, "token": TOKEN, "call": "getSpendReport"}
    credits = {"origin": server.url, "token": TOKEN, "call": "getCredits"}
    outcomes = run(
        sdk,
        {**report, "params": days, "token": "a-wrong-token-of-length"},
        {**report, "params": {**days, "startDate": "2026-11-31"}},
        {**report, "params": {**days, "groupBy": "zero_data_retention"}},
        credits,
        {**credits, "token": SCOPED},
    )
    errors = [outcome["error"] for outcome in outcomes]
    # The older line has no error of its own for what is not found.
    absent_error = "GatewayInternalServerError" if "@3" in sdk.parent.name else "GatewayNotFoundError"
    assert all(error["ofGateway"] for error in errors)
    assert [(error["name"], error["statusCode"]) for error in errors] == [
        ("GatewayAuthenticationError", 401),
        ("GatewayInvalidRequestError", 400),
        ("GatewayInvalidRequestError", 400),
        (absent_error, 404),
        ("GatewayForbiddenError", 403),
    ]
    assert errors[1]["message"] == "start_date: '2026-11-31' is no day; write YYYY-MM-DD"
    assert errors[3]["message"] == "the source knows no balance"


def test_a_balance_arrives_as_texts(sdk, tmp_path):
    hub = HubDouble()
    hub.known_credits = Credits(pico("95.50"), pico("4.5"), hub.now)
    with in_thread(hub) as url:
        (outcome,) = run(sdk, {"origin": url, "token": "unused", "call": "getCredits"})
    assert outcome == {"value": {"balance": "95.50", "totalUsed": "4.50"}}


def test_too_many_requests_are_a_rate_limit_error(sdk):
    with in_thread(HubDouble(), rate=1) as url:
        call = {"origin": url, "token": "unused", "call": "getCredits"}
        first, second = run(sdk, call, call)
    assert first["error"]["statusCode"] == 404
    assert (second["error"]["name"], second["error"]["statusCode"]) == ("GatewayRateLimitError", 429)
