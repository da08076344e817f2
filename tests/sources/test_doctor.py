"""`cost-top doctor` on real logs: what it finds, one line of advice for each problem, and its exit code."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime

import psycopg
import pytest
from click.testing import CliRunner

from cost_top.cli.doctor import command
from cost_top.model.errors import UserError
from cost_top.sources.sql.inspect import inspect
from cost_top.sources.sql.log import open_log
from support.litellm_log import spend_row, write_spend


def doctor(*arguments):
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def now_ms():
    return int(time.time() * 1000)


@pytest.fixture(autouse=True)
def no_config(monkeypatch, tmp_path):
    (tmp_path / "empty.toml").write_text("")
    monkeypatch.setenv("COST_TOP_CONFIG", str(tmp_path / "empty.toml"))


def test_a_healthy_log(sqlite_log):
    log = sqlite_log()
    log.add(time_ms=now_ms(), provider="openai", model="gpt-5-mini", input_tokens=5, cost_pico_usd=7)
    code, output = doctor(log.path, "--plan")
    assert (code, "healthy" in output) == (0, True), output
    assert "SEARCH cost_top_requests USING INDEX" in output
    assert "read-only    yes" in output


def test_each_problem_has_its_line(sqlite_log):
    log = sqlite_log()
    old = now_ms() - 3 * 86_400_000
    log.add(time_ms=old, provider="acme", model="nobody-knows-17", input_tokens=5)
    log.add(time_ms="garbage")
    log.run("DROP INDEX cost_top_requests_time")
    code, output = doctor(log.path)
    assert code == 1
    problems = [line for line in output.splitlines() if line.startswith("problem:")]
    advice = [line for line in output.splitlines() if line.startswith("  -> ")]
    assert len(problems) == len(advice) == 4
    for words in ("no index serves", "no row for 3 d", "1 row has no usable time", "acme/nobody-knows-17 (1)"):
        assert any(words in problem for problem in problems), output
    assert any("CREATE INDEX cost_top_requests_time" in line for line in advice)


def test_priced_by_the_rates_or_by_the_gateway_is_no_problem(sqlite_log):
    log = sqlite_log()
    log.add(time_ms=now_ms(), provider="acme", model="nobody-knows-17", cost_pico_usd=5)
    log.add(time_ms=now_ms(), provider="openai", model="gpt-5-mini", input_tokens=5)
    assert doctor(log.path)[0] == 0


@pytest.mark.parametrize(("changes", "told"), [
    ({}, True), ({"status": 503}, False), ({"cache_hit": 1}, False), ({"input_tokens": 0}, False),
    ({"provider": "ollama"}, False), ({"model": "nobody-knows-17"}, True),
])  # fmt: skip
def test_a_zero_for_tokens_that_is_no_price_is_unpriced_there_too(sqlite_log, changes, told):
    row = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 5, "cost_pico_usd": 0} | changes
    log = sqlite_log()
    log.add(time_ms=now_ms(), **row)
    code, output = doctor(log.path)
    assert (code, f"{row['provider']}/{row['model']} (1)" in output) == (int(told), told), output


def test_models_are_priced_by_the_provider_that_a_table_names_and_only_names_that_rows_need_are_missed(tmp_path):
    log = sqlite3.connect(tmp_path / "axonhub.db")
    log.executescript(
        "CREATE TABLE channels (id INTEGER, type TEXT, credentials TEXT);"
        "INSERT INTO channels VALUES (7, 'deepseek_anthropic', 'x'), (8, 'acme', 'x');"
        "CREATE TABLE usage_logs (id INTEGER PRIMARY KEY, created_at DATETIME, channel_id INTEGER, model_id TEXT, "
        "prompt_tokens INTEGER, completion_tokens INTEGER, prompt_cached_tokens INTEGER, "
        "completion_reasoning_tokens INTEGER, project_id INTEGER);"
        "CREATE INDEX at ON usage_logs (created_at)"
    )
    now = datetime.now(UTC).isoformat(" ")
    log.executemany(
        "INSERT INTO usage_logs VALUES (?, ?, ?, ?, 5, 5, 0, 0, 1)",
        [(1, now, 7, "deepseek-chat"), (2, now, 8, "nobody-knows-17")],
    )
    log.commit()
    log.close()
    code, output = doctor(tmp_path / "axonhub.db")
    problems = [line for line in output.splitlines() if line.startswith("problem:")]
    assert (code, problems) == (1, [
        "problem: names cannot be read from projects",
        "problem: 1 request of the last 7 days is unpriced: acme/nobody-knows-17 (1)",
    ])  # fmt: skip


def test_an_empty_log(sqlite_log):
    code, output = doctor(sqlite_log().path)
    assert (code, "the log has no rows" in output) == (1, True)


def test_what_cannot_be_read_at_all(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        doctor(tmp_path / "none.db")
    with pytest.raises(UserError, match="no source"):
        doctor()


def test_hostile_names_reach_no_terminal(sqlite_log):
    log = sqlite_log()
    log.add(time_ms=now_ms(), provider="\x1b[31m", model="x\x1b]0;t\x07\u202e", input_tokens=3)
    _, output = doctor(log.path)
    assert all(line.isprintable() for line in output.splitlines())


def test_litellm(litellm_url):
    write_spend(litellm_url, spend_row("a"))
    found = inspect(open_log(litellm_url))
    assert (found.gateway, found.table) == ("litellm", "public.LiteLLM_SpendLogs")
    assert found.database.startswith("PostgreSQL ")
    assert "LiteLLM of 2026-08 or newer" in found.hints
    assert (found.read_only, found.uses_index, found.missing, found.no_names) == (True, True, (), ())
    assert dict(found.mapped)["model"] == "an expression, else model, else model_group"
    assert [(item.provider, item.model, item.rows, item.without_cost) for item in found.models] == [
        ("openai", "gpt-5-mini", 1, 0)
    ]


def test_the_grants_it_names_are_enough_and_the_payload_is_not_among_them(postgres_server, litellm_url):
    found = inspect(open_log(litellm_url))
    assert not any("messages" in grant or "response" in grant for grant in found.grants)
    database = litellm_url.rsplit("/", 1)[1]
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE cost_top LOGIN PASSWORD 'reads'")
        for grant in found.grants:
            connection.execute(grant)
    try:
        narrow = inspect(open_log(postgres_server.url(database, "cost_top", "reads")))
        assert (narrow.mapped, narrow.missing, narrow.no_names) == (found.mapped, (), ())
    finally:
        with psycopg.connect(litellm_url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY cost_top; DROP ROLE cost_top")
