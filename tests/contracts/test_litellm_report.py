"""`cost-top report` on a LiteLLM database built by its own migrations: money equals SQL, names survive deletion."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.litellm_log import spend_row, write_spend

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def report(url: str, cache: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "cost_top", "report", url, "--format", "json", "--tz", "UTC", *arguments]
    environment = {**os.environ, "COST_TOP_CACHE": str(cache), "XDG_CONFIG_HOME": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(count: int) -> list[dict[str, Any]]:
    draw = random.Random(5)
    made = []
    for number in range(count):
        hit = draw.random() < 0.1
        failed = not hit and draw.random() < 0.05
        tokens = 0 if failed else draw.randrange(1, 9_000)
        spend = 0.0 if hit or failed else round(draw.random(), draw.randrange(4, 12))
        made.append(
            spend_row(
                f"chatcmpl-{number}", startTime=NOW - timedelta(minutes=number * 13), spend=spend,
                prompt_tokens=tokens, completion_tokens=tokens // 7, total_tokens=tokens + tokens // 7,
                api_key=draw.choice(["a" * 64, "b" * 64, "c" * 64]), end_user=draw.choice(["acme", "globex", None, ""]),
                user=draw.choice(["ann", "bob"]), cache_hit=draw.choice(["True"] if hit else ["False", "None", ""]),
                request_tags=draw.choice([[], ["prod"], ["prod", "plan:pro", "User-Agent: OpenAI/Python 1.2"]]),
                status="failure" if failed else draw.choice(["success", None]),
                metadata={"user_api_key_alias": "alias of the row", "error_information": {"error_code": 429}} if failed
                else {"additional_usage_values": {"cache_read_input_tokens": tokens // 2}},
                model=draw.choice(["gpt-5-mini", "claude-sonnet-4-6"]),
            )
        )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def url(litellm_url: str) -> str:
    write_spend(litellm_url, *rows(3_000))
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias) VALUES (%s, %s)', ["a" * 64, "front door"]
        )
        connection.execute(
            'INSERT INTO "LiteLLM_DeletedVerificationToken" (id, token, key_alias) VALUES (%s, %s, %s)',
            ["gone", "b" * 64, "retired key"],
        )
    return litellm_url


@pytest.mark.parametrize(
    ("lens", "key"),
    [("provider", "custom_llm_provider"), ("model", "model"), ("token", "api_key"), ("owner", '"user"'),
     ("user", "nullif(end_user, '')"), ("team", "team_id"), ("endpoint", "call_type")],
)  # fmt: skip
def test_money_and_tokens_equal_sql(url: str, tmp_path: Path, lens: str, key: str) -> None:
    with psycopg.connect(url) as connection:
        expected = {
            row[0]: row[1:]
            for row in connection.execute(
                f"""SELECT {key}, sum(round(spend::numeric, 12)), count(*),
                sum(prompt_tokens) FILTER (WHERE cache_hit <> 'True'), count(*) FILTER (WHERE cache_hit = 'True'),
                count(*) FILTER (WHERE status = 'failure')
                FROM "LiteLLM_SpendLogs" GROUP BY 1"""
            ).fetchall()
        }
    found = {
        row[lens]: (
            Decimal(row["total_cost"]), row["request_count"], row["input_tokens"], row["cache_hit_count"],
            row["error_count"],
        )
        for row in report(url, tmp_path, "--group-by", lens, "--since", "60d")["results"]
    }  # fmt: skip
    assert found == expected


def test_keys_keep_their_names_and_agents_are_no_tags(url: str, tmp_path: Path) -> None:
    tokens = report(url, tmp_path, "--group-by", "token", "--since", "60d")
    names = {row["token"]: row["token_name"] for row in tokens["results"]}
    assert names == {"a" * 64: "front door", "b" * 64: "retired key", "c" * 64: "alias of the row"}
    tags = report(url, tmp_path, "--group-by", "tag", "--since", "60d")
    assert {row["tag"] for row in tags["results"]} == {None, "prod", "plan:pro"}
    cached = report(url, tmp_path, "--group-by", "model", "--since", "60d")
    assert all(row["cached_input_tokens"] > 0 for row in cached["results"])


def test_zero_cost_with_tokens_makes_a_lower_bound(url: str, tmp_path: Path) -> None:
    write_spend(url, spend_row("silent-zero", startTime=NOW - timedelta(minutes=1), spend=0.0, team_id="silent"))
    answer = report(url, tmp_path, "--group-by", "team", "--since", "2d", "--where", "team:silent zero_cost:yes")
    assert answer["totals"]["unpriced_count"] == 1
    assert any("lower bound" in note for note in answer["notes"])
