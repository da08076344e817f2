"""Budgets that LiteLLM keeps in its own tables, shown beside ours and never changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner

from cost_top.cli import group
from cost_top.cli.budgets import chosen, kept_by_the_gateway
from cost_top.cli.options import resolve
from cost_top.model.errors import UserError
from support.guarded import wait_until
from support.litellm_log import HASH, spend_row, write_spend
from support.served import served

PICO = 10**12


def test_budgets_of_litellms_keys_teams_and_users_are_shown(litellm_url, tmp_path):
    write_spend(litellm_url, spend_row("a"))
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_VerificationToken"'
            " (token, key_alias, spend, max_budget, budget_duration, budget_reset_at, metadata)"
            " VALUES (%s, 'CI', 4.5, 10, '30d', '2099-12-01 00:00:00', DEFAULT),"
            " ('x', 'free', 1, NULL, NULL, NULL, DEFAULT),"
            " ('y', 'raised', 12, 10, NULL, NULL, %s), ('z', 'lowered', 5, 10, NULL, NULL, %s)",
            (
                HASH,
                *(
                    json.dumps({"logging": "x" * 900, "temp_budget_increase": 10.5, "temp_budget_expiry": until})
                    for until in ("2099-12-01T00:00:00", "2026-11-01T00:00:00Z")
                ),
            ),
        )
        connection.execute(
            'INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, spend, max_budget, budget_reset_at, soft_budget)'
            " VALUES ('team-1', 'Search', 3, 2, '2026-11-01 00:00:00', 1.5)"
        )
    config = tmp_path / "config.toml"
    config.write_text('tz = "UTC"\n')

    def run(*more: str):
        return CliRunner().invoke(
            group, ["budgets", litellm_url, "--config", str(config), "--no-cache", "--tz", "Europe/Berlin", *more],
            standalone_mode=False,
        )  # fmt: skip

    shown = run()
    assert shown.exception is None, shown.exception
    assert shown.output.splitlines() == [
        "team Search  $3.00 of $1.50 used (200 %), reset due since Sun 1 Nov 01:00 CET · kept by the gateway, soft: it"
        " tells and does not refuse",
        "team Search  $3.00 of $2.00 used (150 %), reset due since Sun 1 Nov 01:00 CET · kept by the gateway",
        "token raised  $12.00 of $20.50 used (59 %), limit raised by $10.50 until Tue 1 Dec 01:00 CET"
        " · kept by the gateway",
        "token lowered  $5.00 of $10.00 used (50 %) · kept by the gateway",
        "token CI  $4.50 of $10.00 used (45 %), 30d, resets Tue 1 Dec 01:00 CET · kept by the gateway",
    ]
    soft, team, raised, _, token = json.loads(run("--format", "json").output)
    assert (token["value"], token["limit_usd"], token["left_usd"], token["resets_at"]) == (
        HASH, "10", "5.5", "2099-12-01T00:00:00Z",
    )  # fmt: skip
    assert team["kept_by"] == "gateway"
    assert (soft["mode"], team["mode"]) == ("soft", "hard")
    assert (raised["limit_usd"], raised["raised_usd"], raised["raised_until"]) == (
        "20.5", "10.5", "2099-12-01T00:00:00Z",
    )  # fmt: skip
    assert run("--fail-over", "100").return_value == 3
    assert run("--fail-over", "200").return_value in (0, None)


def test_customers_and_keys_are_held_against_the_budget_they_share(postgres_server, litellm_template):
    database = postgres_server.create_database(litellm_template)
    url = postgres_server.url(database)
    write_spend(url, spend_row("a"))
    with psycopg.connect(url, autocommit=True) as connection:
        for budget, limit in (("gold", 20), ("open", None)):
            connection.execute(
                'INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, budget_duration, budget_reset_at,'
                " created_by, updated_by) VALUES (%s, %s, '7d', '2026-12-01 00:00:00', 'x', 'x')",
                (budget, limit),
            )
        for user, alias, spent, budget in (
            ("acme", "Acme \x1b[31mInc", 19, "gold"), ("free", None, 3, "open"), ("none", None, 3, None),
        ):  # fmt: skip
            connection.execute(
                'INSERT INTO "LiteLLM_EndUserTable" (user_id, alias, spend, budget_id, blocked)'
                " VALUES (%s, %s, %s, %s, false)",
                (user, alias, spent, budget),
            )
        for token, limit in (("shared", None), ("own", 8)):
            connection.execute(
                'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, spend, max_budget, budget_id)'
                " VALUES (%s, %s, 2, %s, 'gold')",
                (token * 16, token, limit),
            )
    told = kept_by_the_gateway(resolve(url, None, None, "UTC", True, None))
    postgres_server.drop_database(database)
    assert told.missing == ()
    assert [(one.of, one.name, one.spent, one.limit, one.period) for one in told.found] == [
        ("token", "own", 2 * PICO, 8 * PICO, None), ("token", "shared", 2 * PICO, 20 * PICO, "7d"),
        ("user", "Acme [31mInc", 19 * PICO, 20 * PICO, "7d"),
    ]  # fmt: skip
    assert told.found[2].resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_limits_of_llmgateways_keys_in_all_and_in_a_period(postgres_url):
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE log (id text PRIMARY KEY, created_at timestamp, used_model text, used_mode text, cost real)"
        )
        connection.execute(
            "CREATE TABLE api_key (id text PRIMARY KEY, token text, description text, status text, usage_limit decimal,"
            " usage decimal, period_usage_limit decimal, period_usage_duration_value int,"
            " period_usage_duration_unit text, current_period_usage decimal, current_period_started_at timestamp)"
        )
        for row in (
            ("k1", "both", "active", "100", "40.5", "5", 2, "day", "4.5", now - timedelta(days=1)),
            ("k2", "over", "active", None, "9", "5", 1, "hour", "4.5", now - timedelta(days=1)),
            ("k3", "gone", "deleted", "1", "1", "1", 1, "day", "1", now),
            ("k4", "free", "active", None, "3", None, None, None, "0", None),
        ):
            connection.execute(
                "INSERT INTO api_key VALUES (%s, 'llmgtwy_secret', %s, %s, %s, %s, %s, %s, %s, %s, %s)", row
            )
    told = kept_by_the_gateway(resolve(postgres_url, None, None, "UTC", True, None))
    ends = (now + timedelta(days=1)).replace(tzinfo=UTC)
    assert told.missing == ()
    assert [(one.value, one.limit, one.spent, one.period, one.resets_at) for one in told.found] == [
        ("k1", 5 * PICO, 45 * PICO // 10, "2 days", ends), ("k1", 100 * PICO, 405 * PICO // 10, None, None),
        ("k2", 5 * PICO, 0, "hour", None),
    ]  # fmt: skip
    assert {one.name for one in told.found} == {"both", "over"}


@pytest.fixture
def torn(postgres_server, litellm_template, tmp_path):
    """A log whose teams' budgets cannot be read, though their names can, and a config with a budget of ours."""
    database = postgres_server.create_database(litellm_template)
    litellm_url = postgres_server.url(database)
    write_spend(litellm_url, spend_row("a", startTime=datetime.now(UTC).replace(tzinfo=None), spend=0.25))
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, spend, max_budget) VALUES (%s, %s, 4.5, 10)',
            (HASH, "CI"),
        )
        connection.execute('ALTER TABLE "LiteLLM_TeamTable" RENAME TO teams')
        connection.execute(
            'CREATE VIEW "LiteLLM_TeamTable" AS SELECT team_id, team_alias, spend, budget_duration, budget_reset_at, '
            "1 / (length(team_id) - length(team_id)) AS max_budget FROM teams"
        )
        connection.execute("INSERT INTO teams (team_id, team_alias) VALUES ('t', 'Search')")
    config = tmp_path / "config.toml"
    config.write_text('[[budgets]]\nname = "all-month"\nlimit = "1000"\nperiod = "month"\n')
    yield litellm_url, config
    postgres_server.drop_database(database)


def test_where_a_table_of_the_gateways_fails_the_rest_is_shown_and_why_is_one_line(torn):
    url, config = torn

    def run(*more: str):
        return CliRunner().invoke(
            group, ["budgets", url, "--config", str(config), "--no-cache", *more], standalone_mode=False
        )

    shown = run()
    assert shown.exception is None, shown.exception
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["all-month", "token"]
    (line,) = shown.stderr.splitlines()
    assert line.startswith("cost-top: budgets of LiteLLM_TeamTable are not known: ")
    assert "division by zero" in line
    assert run("--fail-over", "100").return_value == 3


def test_the_server_tells_the_rest_too(torn, tmp_path):
    url, config = torn
    with served(tmp_path, url, "--config", config) as server:
        wait_until(lambda: server.get("/v1/budgets").json()["budgets"][0]["spent_usd"] == "0.25")
        body = server.get("/v1/budgets").json()
    assert [one["name"] for one in body["budgets"]] == ["all-month", "token CI"]
    assert body["notes"][0].startswith("budgets of LiteLLM_TeamTable are not known: ")


def test_a_source_that_cannot_be_opened_again_leaves_ours(tmp_path):
    settings = resolve(str(tmp_path / "gone.db"), None, None, "UTC", True, None)
    told = kept_by_the_gateway(settings)
    assert told.found == ()
    assert told.missing[0].startswith("budgets that the gateway keeps are not known: ")
    with pytest.raises(UserError, match=r"gone\.db"):
        chosen((), None, told)
