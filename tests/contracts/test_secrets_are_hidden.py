"""No key in a log's columns is shown or kept by any face; a filter for the raw key finds its rows."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from cost_top.model.secret import public_key
from support.litellm_log import spend_row, write_spend
from support.litellm_server import KEY, LiteLLMServer, api_row

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
HASH = "5f1d7a84db00d2fce00b31a7fc73224f0a6a1f3ad2b3f4a5c6d7e8f901234567"
VIRTUAL = "sk-FAKEfakeFAKEfakeFAKEfake0002"
BODIES = [
    "corp-session-9f8e7d6c5b4a39281706f5e4d3c2b1a0", "sk-proj-FAKEfakeFAKEfakeFAKEfakeFAKEfake0001", "maxkey123",
    "sk-ant-api03-FAKEfakeFAKEfakeFAKEfakeFAKEfake", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJmYWtlIn0.c2lnbmF0dXJlLWZha2U",
    "0b1f9c52-6f39-4b7e-9a52-6dbe7e4bb001",
]  # fmt: skip
SHOWN = {HASH, sha256(VIRTUAL.encode()).hexdigest(), "litellm_proxy_master_key", *(public_key(key) for key in BODIES)}
DIMENSIONS = ("token", "token_name", "user", "owner", "team", "endpoint", "model", "provider", "tag")


def run(tmp_path: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "cost_top", *arguments]
    settings = {
        **os.environ,
        "COST_TOP_CACHE": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "TERM": "dumb",
        **environment,
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings, timeout=180)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def clean(text: str | bytes, *keys: str) -> None:
    for key in (*BODIES, VIRTUAL, *keys):
        assert (key if isinstance(text, str) else key.encode()) not in text


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def litellm(litellm_url: str) -> str:
    keys = [HASH, sha256(VIRTUAL.encode()).hexdigest(), "litellm_proxy_master_key", *BODIES]
    keys[keys.index("maxkey123")] = "Bearer maxkey123"
    write_spend(
        litellm_url,
        *(
            spend_row(f"a-{day}-{n}", startTime=NOW - timedelta(days=day, minutes=n), spend=0.25, api_key=key)
            for n, key in enumerate(keys)
            for day in (0, 3)
        ),
    )
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_VerificationToken" (token, key_alias) VALUES (%s, %s)', [HASH, "orchard-prod"]
        )
    return litellm_url


def test_the_keys_of_failed_and_custom_calls_of_litellm(litellm: str, tmp_path: Path) -> None:
    report = ("report", litellm, "--tz", "UTC", "--since", "10d", "--group-by")
    rows = json.loads(run(tmp_path, *report, "token", "--format", "json"))["results"]
    assert {row["token"] for row in rows} == SHOWN
    assert {row["token_name"] for row in rows if row["token"] == HASH} == {"orchard-prod"}
    assert {row["total_cost"] for row in rows} == {"0.5"}
    for format in ("table", "csv"):
        clean(run(tmp_path, *report, "token", "--format", format))
    clean(run(tmp_path, litellm))
    files = kept(tmp_path)
    assert any(path.suffix == ".parquet" for path in files)
    for path in files:
        clean(path.read_bytes())


@pytest.mark.parametrize("key", [*BODIES, "Bearer maxkey123", HASH])
def test_a_filter_for_the_raw_key_finds_its_rows(litellm: str, tmp_path: Path, key: str) -> None:
    told = run(tmp_path, "report", litellm, "--since", "2d", "--group-by", "token", "--format", "json", "--no-cache",
               "--where", f'token:"{key}"')  # fmt: skip
    assert [row["token"] for row in json.loads(told)["results"]] == [key if key == HASH else public_key(key)]


def test_a_filter_for_a_virtual_key_finds_the_rows_of_its_hash(litellm: str, tmp_path: Path) -> None:
    told = run(tmp_path, "report", litellm, "--since", "2d", "--group-by", "token", "--format", "json", "--no-cache",
               "--where", f"token:{VIRTUAL}")  # fmt: skip
    assert [row["token"] for row in json.loads(told)["results"]] == [sha256(VIRTUAL.encode()).hexdigest()]
    clean(run(tmp_path, litellm, "--where", f"token:{VIRTUAL}"))


def test_the_same_over_http(tmp_path: Path) -> None:
    proxy = LiteLLMServer()
    try:
        proxy.add(*(api_row(f"h{n}", NOW - timedelta(minutes=n), api_key=key) for n, key in enumerate([HASH, *BODIES])))
        told = run(tmp_path, "report", f"litellm+{proxy.url}",
                   "--since", "2d", "--group-by", "token", "--format", "json",
                   LITELLM_API_KEY=KEY)  # fmt: skip
    finally:
        proxy.close()
    assert {row["token"] for row in json.loads(told)["results"]} == {HASH, *(public_key(key) for key in BODIES)}


def test_a_key_in_any_text_of_any_log(sqlite_log, tmp_path: Path) -> None:
    log, cache = sqlite_log(), tmp_path / "cache"
    key, plain = BODIES[1], "pg_live_xy7k2mq9"
    stamp = int((NOW - timedelta(days=3)).replace(tzinfo=UTC).timestamp() * 1000)
    texts = {
        "provider": f"open {key}", "model": f"m {key}", "endpoint": f"/v1?key={key}", "token": key, "token_name": key,
        "user_id": f"Bearer {key}", "owner": key, "team": f"t:{key}", "tags": json.dumps(["prod", f"key:{key}"]),
        "user_agent": key, "client_ip": key,
    }  # fmt: skip
    log.add(id=key, time_ms=stamp, cost_pico_usd=10**12, **texts)
    log.add(time_ms=stamp + 1, cost_pico_usd=10**12, token=plain)
    for name in DIMENSIONS:
        told = run(cache, "report", str(log.path), "--since", "10d", "--group-by", name, "--format", "csv")
        clean(told)
        shown = {row[name] for row in csv.DictReader(io.StringIO(told))}
        assert any("sk-proj-…" in value for value in shown), name
        assert name != "token" or plain in shown
    for path in kept(cache):
        clean(path.read_bytes())
    clean(run(cache, str(log.path), "--where", f"user:*{plain} token:{key}"))


def test_days_kept_before_the_rules_are_not_served(sqlite_log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cost_top.gateways import columns
    from cost_top.sources.sql.log import open_log

    log = sqlite_log()
    log.add(token="x")
    version = open_log(str(log.path)).preset.version
    monkeypatch.setattr(columns, "RULES", "other")
    assert open_log(str(log.path)).preset.version != version
