"""Teams are grouped by id and shown by name, in reports, filters and lists of requests."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest

from support.litellm_log import spend_row, write_spend

TEAMS = {"t-1": "Platform", "t-2": "Platform", "t-3": "t-1", "t-4": "Search"}
ROWS = {"m-1": ("t-1", 1), "m-2": ("t-2", 2), "m-3": ("t-3", 4), "m-4": ("t-gone", 8), "m-5": ("t-4", 16)}


@pytest.fixture
def log_url(litellm_url):
    yield litellm_url
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute('TRUNCATE "LiteLLM_SpendLogs", "LiteLLM_TeamTable" CASCADE')


@pytest.fixture
def teams(log_url):
    with psycopg.connect(log_url, autocommit=True) as connection:
        for identity, alias in TEAMS.items():
            connection.execute(
                'INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias) VALUES (%s, %s)', [identity, alias]
            )
    said = {"user_api_key_team_alias": "Lighthouse", "user_api_key_team_id": "t-gone"}
    write_spend(
        log_url,
        *(spend_row(name, team_id=team, spend=spend, metadata=said if team == "t-gone" else {})
          for name, (team, spend) in ROWS.items()),
    )  # fmt: skip
    return log_url


def report(url: str, *options: str, cache: Any = None) -> dict[str | None, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "cost_top", "report", url, "--tz", "UTC", "--since", "2026-11-01", "--until",
         "2026-12-01", "--group-by", "team", "--format", "json", "--no-cache", *options],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    return {row["team"]: row["total_cost"] for row in json.loads(ran.stdout)["results"]}


def test_two_teams_of_one_name_stay_two_and_a_name_is_not_taken_for_an_id(teams):
    assert report(teams) == {
        "Platform (t-1)": "1", "Platform (t-2)": "2", "t-1 (t-3)": "4", "Lighthouse": "8", "Search": "16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("team:t-2", {"Platform (t-2)"}),
        ("team:Platform", {"Platform (t-1)", "Platform (t-2)"}),
        ('team:"Platform (t-1)"', {"Platform (t-1)"}),
        ("team:Plat*", {"Platform (t-1)", "Platform (t-2)"}),
        ("team:Lighthouse", {"Lighthouse"}),
        ("team:t-gone", {"Lighthouse"}),
        ("lightho", {"Lighthouse"}),
        ("-team:Platform -team:t-3", {"Lighthouse", "Search"}),
    ],
)
def test_a_filter_takes_the_name_or_the_id(teams, where, found):
    assert report(teams, "--where", where).keys() == found
