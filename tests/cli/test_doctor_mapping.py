"""`cost-top doctor` proposes a mapping, checks one, and holds LiteLLM's log against its own rollups."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import psycopg
import pytest

from cost_top.gateways.loader import load_preset, parse_preset
from cost_top.gateways.propose import Column, as_toml, propose, time_unit
from cost_top.model.money import pico
from cost_top.sources.base import KeepsRollups
from cost_top.sources.files.log import open_files
from cost_top.sources.sql.log import open_log
from support.log_writers import mysql_writer, postgres_writer, sqlite_writer
from support.reading import records

AT = int(datetime(2026, 11, 10, 9, tzinfo=UTC).timestamp())
COLUMNS = {
    "call_id": "key", "called_at": "int", "llm_model": "key", "vendor": "key", "tokensIn": "int", "tokens_out": "int",
    "cost_cents": "int", "customer": "key", "prompt": "text", "api_key": "text", "notes": "text",
    "durationSeconds": "real", "usage": "text", "access_token": "text", "status": "key",
}  # fmt: skip
DATED = "2026-11-10 09:00:00"
USAGE = json.dumps({"padding": "x" * 90, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}})


@dataclass
class Done:
    exit_code: int
    output: str


def run(*arguments):
    """The command as a user calls it, without a config file."""
    command = [sys.executable, "-m", "cost_top", *map(str, arguments)]
    environment = {**os.environ, "XDG_CONFIG_HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, env=environment)
    return Done(done.returncode, done.stdout + done.stderr)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def unknown(request, tmp_path):
    """A database with a log nobody knows, and tables that are none."""
    if request.param == "sqlite":
        context = sqlite_writer(tmp_path)
    elif request.param == "postgresql":
        context = postgres_writer(request.getfixturevalue("postgres_server"))
    else:
        context = mysql_writer(request.getfixturevalue("mariadb_server"))
    with context as writer:
        writer.create("settings", {"id": "int", "model": "key", "value": "text"})
        writer.insert("settings", [{"id": 1, "model": "gpt", "value": "x"}])
        writer.create("our_calls", COLUMNS, "call_id", "called_at")
        writer.insert(
            "our_calls",
            [
                {
                    "call_id": f"c{n}", "called_at": (AT + n) * 1000, "llm_model": "gpt-5-mini", "vendor": "openai",
                    "tokensIn": 100, "tokens_out": 10, "cost_cents": 3, "customer": "ann", "prompt": "never",
                    "api_key": "sk-never", "notes": "", "durationSeconds": 1.5,
                    "usage": USAGE, "access_token": "never", "status": "Error" if n == 1 else "ok",
                }
                for n in range(5)
            ],
        )  # fmt: skip
        yield writer


def test_a_proposal_is_written_says_how_sure_it_is_and_reads_the_log(unknown, tmp_path):
    target = tmp_path / "own.toml"
    done = run("doctor", unknown.location, "--write-mapping", target)
    assert done.exit_code == 0, done.output
    text = target.read_text()
    assert "sure" in text
    assert load_preset(target).table == "our_calls"
    assert '"prompt"' not in text
    assert '"api_key"' not in text
    assert '"access_token"' not in text
    found = {row["id"]: row for row in records(open_log(unknown.location, target))}
    assert len(found) == 5
    one = found["c1"]
    assert one["time"] == datetime(2026, 11, 10, 9, 0, 1)
    assert (one["model"], one["provider"], one["user"]) == ("gpt-5-mini", "openai", "ann")
    assert (one["input_tokens"], one["output_tokens"], one["reported_cost"]) == (100, 10, 3 * 10**10)
    assert (one["latency_ms"], one["reasoning_tokens"], one["status"]) == (1500, 4, 500)
    again = run("doctor", unknown.location, "--write-mapping", target)
    assert again.exit_code == 2
    assert "exists already" in again.output


def test_a_database_without_a_log_is_told(tmp_path):
    sqlite3.connect(tmp_path / "x.db").execute("CREATE TABLE cats (name TEXT, age INTEGER)").connection.close()
    done = run("doctor", tmp_path / "x.db", "--write-mapping", tmp_path / "own.toml")
    assert done.exit_code == 2
    assert "no table looks like a request log (tables: cats)" in done.output
    assert not (tmp_path / "own.toml").exists()


def test_what_fell_out_of_a_mapping_is_said(unknown, tmp_path):
    mapping = tmp_path / "own.toml"
    mapping.write_text(
        'name = "own"\ntable = "our_calls"\nid = "call_id"\nfilter = "call_id <> \'c4\'"\n'
        '[time]\ncolumn = "called_at"\nunit = "epoch_ms"\n'
        '[fields]\nmodel = "llm_model"\ninput_tokens = "customer"\noutput_tokens = "tokens_out"\n'
        'reported_cost = "vendor"\n'
    )
    done = run("doctor", unknown.location, "--mapping", mapping, "--check-mapping")
    assert done.exit_code == 1, done.output
    lines = {line.split()[0]: line for line in done.output.splitlines() if line.strip()}
    assert "4 of the newest rows read" in done.output
    assert "1 of the newest rows are left out by the filter" in done.output
    assert "known in 4" in lines["model"]
    assert "problem" not in lines["output_tokens"]
    assert "known in 0; problem: 4 hold what is none, such as 'ann'" in lines["input_tokens"]
    assert "known in 0; problem: 4 hold what is none, such as 'openai'" in lines["reported_cost"]


@pytest.mark.parametrize(
    ("declared", "values", "unit"),
    [("text", ["2026-11-10T09:00:00Z"], "iso_utc"), ("text", ["2026-11-10 09:00:00+02:00"], "timestamptz"),
     ("text", ["2026-11-10", "2026-11-09"], "iso_utc"), ("DateTime64(3, 'Europe/Berlin')", [DATED], "declared"),
     ("timestamp(3) without time zone", [DATED], "declared"), ("datetime", [DATED], "declared"),
     ("timestamp with time zone", [DATED], "timestamptz"), ("bigint", [str(AT), str(AT * 1000)], "epoch_any")],
)  # fmt: skip
def test_the_unit_of_a_time_is_that_of_its_type_or_its_texts(declared, values, unit):
    assert time_unit(Column("at", declared, tuple(values))) == unit


def test_a_table_of_any_house_style_is_proposed_with_its_units_and_the_counts_in_its_json():
    native = '{"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 900}'
    found = propose("LlmAudit", None, [
        Column("OccurredAt", "timestamp", (DATED,)), Column("ModelId", "text", ("gpt-5",)), Column("TenantId", "text"),
        Column("CostInUsd", "numeric", ("0.5",)), Column("Usage", "jsonb", (native, "null", "[1]")),
        Column("duration", "real", ("0.25", "2.5", "3")), Column("ApiToken", "text", ("x",)),
        Column("Feature", "text", ("chat",)),
    ])  # fmt: skip
    assert found.usable
    assert {guess.field: guess.place for guess in found.guesses} == {
        "time": "OccurredAt", "model": "ModelId", "endpoint": "Feature", "team": "TenantId",
        "input_tokens": "Usage.input_tokens", "cached_input_tokens": "Usage.cache_read_input_tokens",
        "output_tokens": "Usage.output_tokens", "reported_cost": "CostInUsd", "latency_ms": "duration",
    }  # fmt: skip
    written = as_toml(found, "x")
    assert "input_includes_cache = false" in written
    assert r'latency_ms = { sql = "\"duration\" * 1000" }' in written
    assert parse_preset(written, "x").name == "own"


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_files_of_an_unknown_shape_are_proposed_too(form, tmp_path):
    rows = [
        {"ts": f"2026-11-10T1{n}:00:00+02:00", "llm": "gpt-5-mini", "prompt_tokens": 7, "cost_usd": 0.5,
         "usage": json.dumps({"output_tokens": n}), "seconds": 1.5, "messages": "never"} for n in range(5)
    ]  # fmt: skip
    file, target = tmp_path / f"calls.{form}", tmp_path / "own.toml"
    if form == "jsonl":
        file.write_text("".join(json.dumps({**row, "usage": json.loads(row["usage"])}) + "\n" for row in rows))
    else:
        with (tmp_path / "calls.csv").open("w", newline="") as written:
            table = csv.DictWriter(written, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    if form == "parquet":
        with duckdb.connect() as duck:
            duck.read_csv(str(tmp_path / "calls.csv")).to_parquet(str(file))
    done = run("doctor", file, "--write-mapping", target)
    assert done.exit_code == 0, done.output
    assert "messages" not in done.output
    found = sorted(records(open_files(str(file), target, None)), key=lambda row: row["time"])
    assert [row["output_tokens"] for row in found] == [0, 1, 2, 3, 4]
    assert found[0]["time"] == datetime(2026, 11, 10, 8)
    assert (found[0]["input_tokens"], found[0]["reported_cost"]) == (7, 5 * 10**11)


def test_secrets_and_payloads_are_left_alone_whatever_they_hold():
    columns = [Column(name, "text") for name in ("password", "messages", "api_key", "raw_model", "request_body")]
    assert propose("t", None, columns).guesses == ()


DAY = datetime.now(UTC).date() - timedelta(days=3)


@pytest.fixture
def litellm_log(litellm_url):
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute('TRUNCATE "LiteLLM_SpendLogs", "LiteLLM_DailyUserSpend"')
        for identity, model, spend in (("a", "gpt-5", 3.0), ("b", "gpt-5", 2.5), ("c", "opus", 1.25)):
            connection.execute(
                'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, model, spend, "startTime", "endTime") '
                "VALUES (%s, 'acompletion', %s, %s, %s, %s)",
                (identity, model, spend, DAY, DAY),
            )
        yield connection


def roll(connection, model, spend, requests):
    connection.execute(
        'INSERT INTO "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, spend, api_requests, updated_at) '
        "VALUES (%s, 'u', %s, 'k', %s, %s, %s, now())",
        (f"{model}{requests}", DAY.isoformat(), model, spend, requests),
    )


def test_a_log_and_its_rollups_that_agree_are_healthy(litellm_log, litellm_url):
    roll(litellm_log, "gpt-5", 5.5, 2)
    roll(litellm_log, "opus", 1.25, 1)
    done = run("doctor", litellm_url, "--drift")
    assert done.exit_code == 0, done.output
    assert "agree on every day and model" in done.output


def test_rows_that_share_an_id_show_as_drift_with_their_cause(litellm_log, litellm_url):
    roll(litellm_log, "gpt-5", 9.25, 4)
    roll(litellm_log, "opus", 1.25, 1)
    roll(litellm_log, "gone", 2, 7)
    done = run("doctor", litellm_url, "--drift")
    assert done.exit_code == 1, done.output
    assert "differ on 2 days and models by $5.750000 that the log lacks" in done.output
    assert f"{DAY}  gpt-5: log $5.500000, 2 requests; rollup $9.250000, 4 requests" in done.output
    assert "ids that repeat" in done.output
    assert "retention removed them" in done.output


def test_of_two_rollups_the_younger_goes_before_on_the_days_it_knows_whole(litellm_log, litellm_url):
    next_day = DAY + timedelta(days=1)
    litellm_log.execute('TRUNCATE "LiteLLM_DailyGlobalSpend"')
    roll(litellm_log, "gpt-5", 9.25, 4)
    for day, spend in ((DAY, 2), (next_day, 4)):
        litellm_log.execute(
            'INSERT INTO "LiteLLM_DailyGlobalSpend" (id, date, model, spend, updated_at) VALUES '
            "(%s, %s, 'gpt-5', %s, now())",
            [day.isoformat(), day.isoformat(), spend],
        )
    litellm_log.execute(
        'INSERT INTO "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, spend, updated_at) '
        "VALUES ('b', 'u', %s, 'k', 'gpt-5', 3, now())",
        [next_day.isoformat()],
    )
    try:
        with open_log(litellm_url).connect() as reader:
            assert isinstance(reader, KeepsRollups)
            found = reader.rolled_up(DAY - timedelta(days=1), DAY + timedelta(days=3))
        assert found == {DAY: pico("9.25"), next_day: pico("4")}
        assert "DailyGlobalSpend and LiteLLM_DailyUserSpend differ" in run("doctor", litellm_url, "--drift").output
    finally:
        litellm_log.execute('TRUNCATE "LiteLLM_DailyGlobalSpend"')


def test_drift_is_litellms(unknown, tmp_path):
    target = tmp_path / "own.toml"
    run("doctor", unknown.location, "--write-mapping", target)
    done = run("doctor", unknown.location, "--mapping", target, "--drift")
    assert done.exit_code == 2
    assert "this is no LiteLLM log" in done.output
