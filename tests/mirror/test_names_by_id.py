"""Teams are grouped by id and shown by name, in reports, filters and lists of requests."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cost_top.mirror.names import NAMED, Names
from cost_top.mirror.where import condition
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.commands import printed
from support.litellm_log import spend_row, write_spend
from support.scratch import scratch

TEAMS = {"t-1": "Platform", "t-2": "Platform", "t-3": "t-1", "t-4": "Search"}
ROWS = {"m-1": ("t-1", 1), "m-2": ("t-2", 2), "m-3": ("t-3", 4), "m-4": ("t-gone", 8), "m-5": ("t-4", 16)}


FOUND = {
    "team:t-2": {"Platform (t-2)"},
    "team:Platform": {"Platform (t-1)", "Platform (t-2)"},
    'team:"Platform (t-1)"': {"Platform (t-1)"},
    "team:Plat*": {"Platform (t-1)", "Platform (t-2)"},
    "team:Lighthouse": {"Lighthouse"},
    "team:t-gone": {"Lighthouse"},
    'team:Sear*,nobody,t-gone,"Platform (t-2)"': {"Search", "Lighthouse", "Platform (t-2)"},
    "lightho": {"Lighthouse"},
    "-team:Platform -team:t-3": {"Lighthouse", "Search"},
}


@pytest.fixture(scope="module")
def teams(litellm_url: str) -> str:
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        for identity, alias in TEAMS.items():
            connection.execute(
                'INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias) VALUES (%s, %s)', [identity, alias]
            )
    said = {"user_api_key_team_alias": "Lighthouse", "user_api_key_team_id": "t-gone"}
    write_spend(
        litellm_url,
        *(spend_row(name, team_id=team, spend=spend, metadata=said if team == "t-gone" else {})
          for name, (team, spend) in ROWS.items()),
    )  # fmt: skip
    return litellm_url


@pytest.fixture(scope="module")
def reports(teams: str) -> dict[str, dict[str | None, str]]:
    """What each team spent, by filter."""
    plain = ["report", teams, "--tz", "UTC", "--since", "2026-11-01", "--until", "2026-12-01", "--group-by", "team",
             "--format", "json", "--no-cache"]  # fmt: skip
    told = printed([plain, *([*plain, "--where", where] for where in FOUND)], os.environ)
    results = (json.loads(text)["results"] for text in told)
    return {
        where: {row["team"]: row["total_cost"] for row in rows}
        for where, rows in zip(("", *FOUND), results, strict=True)
    }


def test_two_teams_of_one_name_stay_two_and_a_name_is_not_taken_for_an_id(reports) -> None:
    assert reports[""] == {
        "Platform (t-1)": "1", "Platform (t-2)": "2", "t-1 (t-3)": "4", "Lighthouse": "8", "Search": "16",
    }  # fmt: skip


@pytest.mark.parametrize("where", FOUND)
def test_a_filter_takes_the_name_or_the_id(reports, where: str) -> None:
    assert reports[where].keys() == FOUND[where]


@pytest.mark.parametrize(("text", "looks"), [("user:a,b,c*,%,*", 1), ("token_name:a,b*,c", 2), ("owner:*", 0)])
def test_the_names_of_all_values_of_a_term_are_looked_up_once(text: str, looks: int) -> None:
    sql, values = condition(parse_filter(text))
    assert sql.count("SELECT") == looks
    assert sql.count("?") == len(values)
    assert ("%" in values) is ("%" in text)


def test_the_newest_name_holds_in_whatever_order_days_are_read() -> None:
    with scratch() as duck:
        names = Names(duck)
        for day, name in ((3, "Search"), (1, "Found"), (2, "Find")):
            rows = {"time": f"TIMESTAMP '2026-11-0{day}'", "team": "'t-1'", "team_name": f"'{name}'"}
            every = [column for pair in NAMED.items() for column in pair]
            columns = ", ".join(f"{rows.get(column, 'NULL')} AS {column}" for column in ("time", *every))
            names.learn(duck, f"(SELECT {columns})")
        assert names.label("team", "t-1") == "Search"


_MAPPING = """
name = "renamed"
table = "cost_top_requests"
recognised_by = ["id", "time_ms"]
id = "id"
overlap_seconds = 600
input_includes_cache = true
[time]
column = "time_ms"
unit = "epoch_ms"
[cost]
unit = "pico_usd"
[fields]
team = "team"
team_name = "owner"
reported_cost = "cost_pico_usd"
"""


def test_names_that_rows_tell_are_kept_with_the_sums_of_their_day(sqlite_log, tmp_path: Path, monkeypatch) -> None:
    log, now = sqlite_log(), datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for days, name in ((5, "Found"), (4, "Search")):
        moment = midnight - timedelta(days=days)
        log.add(time_ms=int(moment.timestamp() * 1000), team="t-1", owner=name, cost_pico_usd=1)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(_MAPPING)
    period = Period(midnight - timedelta(days=5), midnight - timedelta(days=2))
    found = []
    for _ in range(2):
        mirror = read_period(open_log(str(log.path), mapping), RateBook.load(), tmp_path / "cache", period)
        try:
            asked = (ReportQuery(period.start, period.end, (name,)) for name in ("team", "provider"))
            by_team, _ = (mirror.report(query, now) for query in asked)
            found.append([row.key[0] for row in by_team.rows])
            while mirror.keep_sums():
                pass
        finally:
            mirror.close()
        monkeypatch.setattr(Names, "learn", None)  # from the second time on no row is asked
    assert found == [["Search"], ["Search"]]


@pytest.mark.parametrize("how", ["DELETE FROM cost_top_requests", "UPDATE cost_top_requests SET owner = NULL"])
def test_a_name_that_the_log_tells_no_more_gives_way_to_the_one_before(sqlite_log, tmp_path: Path, how: str) -> None:
    log, now = sqlite_log(), datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = {days: int((midnight - timedelta(days=days)).timestamp() * 1000) for days in (5, 4)}
    for days, name in ((5, "Found"), (4, "Search")):
        log.add(time_ms=times[days], team="t-1", owner=name, cost_pico_usd=1)
        log.add(time_ms=times[days] + 1, team="t-2", owner=None, cost_pico_usd=1)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(_MAPPING)
    source = open_log(str(log.path), mapping)
    period = Period(midnight - timedelta(days=5), midnight - timedelta(days=2))
    mirror = read_period(source, RateBook.load(), tmp_path / "cache", period)
    names, reader = mirror.database.names, source.connect()
    try:
        assert names.label("team", "t-1") == "Search"
        log.run(f"{how} WHERE time_ms = {times[4]}")
        day = (midnight - timedelta(days=4)).date()
        for again in mirror.days.read(mirror.database.connection, reader, [day], True):
            mirror.adopt(again)
        assert names.label("team", "t-1") == "Found"
    finally:
        reader.close()
        mirror.close()
