"""Limits and budgets that report APIs keep themselves: OpenRouter's keys, and what Vercel tells an access token."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cost_top.cli import group
from cost_top.model.budgets import KeptBudget
from cost_top.model.money import PICO_PER_USD
from cost_top.sources.apis import openrouter_totals
from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.openrouter import OpenRouterApi
from cost_top.sources.apis.openrouter_limits import limits_of
from cost_top.sources.apis.openrouter_shapes import Key
from cost_top.sources.apis.vercel_budgets import budgets_url, vercel_budgets
from cost_top.sources.report_api import ApiQuery
from support.openrouter_server import HASHES, MANAGEMENT, ORDINARY, Call, OpenRouterServer
from support.vercel_server import VercelServer

NOW = datetime.now(UTC)
FRIDAY = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)


def usd(amount: str) -> int:
    return int(Decimal(amount) * PICO_PER_USD)


@pytest.fixture
def openrouter() -> Iterator[OpenRouterServer]:
    server = OpenRouterServer(calls=[Call(NOW - timedelta(seconds=5), usage=Decimal("0.25"), own=Decimal(2))])
    yield server
    server.close()


def budgets(tmp_path: Path, source: str, *more: str) -> Result:
    (tmp_path / "config.toml").write_text("")
    command = ["budgets", source, "--config", str(tmp_path / "config.toml"), "--no-cache", *more]
    return CliRunner().invoke(group, command, standalone_mode=False)


def test_a_management_key_tells_the_limits_of_all_keys(openrouter: OpenRouterServer) -> None:
    openrouter.limits = {
        "web": {"limit": 10, "limit_remaining": Decimal("7.5"), "limit_reset": "monthly"},
        "batch": {"limit": "4", "limit_remaining": None, "limit_reset": None},
    }
    api = OpenRouterApi(openrouter.url, MANAGEMENT)
    api.open()
    told = api.kept_budgets()
    api.close()
    assert told.missing == ()
    assert told.found == (
        KeptBudget("token", HASHES["web"], "Web key", usd("10"), usd("2.5"), "monthly", told.found[0].resets_at),
        KeptBudget("token", HASHES["batch"], "Batch key", usd("4"), 0),
    )
    assert api.drift() == ()


def test_keys_beyond_the_most_pages_are_told(openrouter: OpenRouterServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openrouter_totals, "_MOST_PAGES", 1)
    told = f"OpenRouter may list more keys than the {openrouter.page} that were read"
    api = OpenRouterApi(openrouter.url, MANAGEMENT)
    api.open()
    now = datetime.now(UTC)
    answer = api.ask(ApiQuery(now - timedelta(hours=5), now, "token"))
    assert api.kept_budgets().missing == (told,)
    assert f"{told}: the others are told by name" in answer.notes
    api.close()
    openrouter.analytics = 404
    api = OpenRouterApi(openrouter.url, MANAGEMENT)
    api.open()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert any(note.endswith(f"{told}: today is incomplete") for note in api.ask(ApiQuery(today, now)).notes)
    api.close()


def test_what_counts_against_a_limit_is_the_counter_of_its_period() -> None:
    key = Key(limit="9", usage="8", usage_weekly="3", byok_usage_weekly="1", limit_reset="weekly",
              include_byok_in_limit=True, label="sk-or-v1-abc...xyz")  # fmt: skip
    (own,) = limits_of([key], FRIDAY).found
    assert (own.value, own.spent, own.resets_at) == ("sk-or-v1-abc...xyz", usd("4"), FRIDAY.replace(
        day=30, hour=0, minute=0
    ))  # fmt: skip
    assert limits_of([Key(limit="1", usage="2", disabled=True)], FRIDAY).found == (), "it can spend nothing"
    (unknown,) = limits_of([Key(limit="1", limit_reset="hourly", usage="5")], FRIDAY).found
    assert (unknown.spent, unknown.period, unknown.resets_at) == (None, "hourly", None)


@pytest.mark.parametrize("status", [403, 404])
def test_keys_that_may_not_be_listed_are_told(openrouter: OpenRouterServer, status: int) -> None:
    api = OpenRouterApi(openrouter.url, MANAGEMENT)
    api.open()
    openrouter.keys_status = status
    assert api.kept_budgets().missing == ("openrouter: limits of keys are not known: this key may not list keys",)
    api.close()


def test_an_ordinary_key_tells_its_own_limit_on_the_command_line(
    openrouter: OpenRouterServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", ORDINARY)
    monkeypatch.delenv("OPENROUTER_MANAGEMENT_KEY", raising=False)
    openrouter.key_limit = ("10", "7.5")
    source = f"openrouter+{openrouter.url}"
    shown = budgets(tmp_path, source)
    assert shown.exception is None, shown.exception
    assert shown.stdout == "token sk-or-v1-ord...789  $2.50 of $10.00 used (25 %) · kept by the gateway\n"
    assert budgets(tmp_path, source, "--fail-over", "20").return_value == 3
    openrouter.key_limit = None
    assert "no budgets" in str(budgets(tmp_path, source).exception)


def test_vercels_budgets_are_told_to_a_token_that_is_given_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VercelServer() as server:
        monkeypatch.setenv("AI_GATEWAY_API_KEY", server.key)
        monkeypatch.delenv("COST_TOP_VERCEL_TOKEN", raising=False)
        server.budgets = {
            "team": [{"scopeType": "team", "scopeId": "team_1", "name": "Acme\x1b[31m", "limitAmount": 100.5,
                      "currentSpend": 20.1, "currentByokSpend": 3, "includeByokInQuota": True,
                      "refreshPeriod": "none", "active": True}],
            "project": [],
            "api-key": [
                {"scopeId": "ak_1", "name": "web", "limitAmount": 5, "currentSpend": 5, "refreshPeriod": "daily"},
                {"scopeId": "ak_2", "limitAmount": 5, "currentSpend": 5, "archived": True},
                {"scopeId": "ak_3", "limitAmount": 5, "currentSpend": 5, "active": False},
                "nonsense",
            ],
        }  # fmt: skip
        source = f"vercel+{server.url}"
        assert "no budgets" in str(budgets(tmp_path, source).exception)
        assert not [path for path, _ in server.asked if "budgets" in path]
        monkeypatch.setenv("COST_TOP_VERCEL_TOKEN", server.access_token)
        monkeypatch.setenv("COST_TOP_VERCEL_TEAM", "team_1")
        shown = budgets(tmp_path, source)
        assert shown.exception is None, shown.exception
        first, second = shown.stdout.splitlines()
        assert first == "team Acme[31m  $23.10 of $100.50 used (23 %) · kept by the gateway"
        assert second.startswith("token web  $5.00 of $5.00 used (100 %), daily, resets ")
        assert shown.stderr.startswith("cost-top: budgets of users are not known: ")
        assert len(shown.stderr.splitlines()) == 1
        assert {asked["teamId"] for path, asked in server.asked if "budgets" in path} == {"team_1"}
        assert server.access_token not in shown.output


def test_the_token_for_budgets_goes_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COST_TOP_VERCEL_TOKEN", "vcp_secret")
    assert budgets_url("https://ai-gateway.vercel.sh", "https://ai-gateway.vercel.sh") == "https://api.vercel.com"
    assert budgets_url("http://127.0.0.1:9", "https://ai-gateway.vercel.sh") == "http://127.0.0.1:9"
    elsewhere = budgets_url("https://proxy.example", "https://ai-gateway.vercel.sh")
    told = vercel_budgets(elsewhere, Wire("vercel"), FRIDAY)
    assert told.found == ()
    assert told.missing == ("vercel: COST_TOP_VERCEL_TOKEN goes to api.vercel.com alone: budgets are not known",)
