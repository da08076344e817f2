"""LiteLLM's own schema, by its own migrations, and rows of the shapes it writes."""

from __future__ import annotations

import importlib.util
import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

START = datetime(2026, 11, 10, 9, 30)
HASH = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"


def migrations() -> list[Path]:
    """The folders of migrations in order; one has spaces in its name."""
    spec = importlib.util.find_spec("litellm_proxy_extras")
    if spec is None or spec.origin is None:
        raise LookupError("the package litellm-proxy-extras is not installed")
    folder = Path(spec.origin).parent / "migrations"
    return sorted((item for item in folder.iterdir() if item.is_dir()), key=lambda item: item.name.encode())


def migrate(url: str) -> None:
    """Build the schema as LiteLLM does: each statement on its own, then the indexes it makes after deploying."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        for folder in migrations():
            for statement in _statements((folder / "migration.sql").read_text("utf-8")):
                connection.execute(statement)
    from litellm_proxy_extras.request_log_indexes import ensure_request_log_indexes

    ensure_request_log_indexes(url, "public")


def _statements(script: str) -> list[str]:
    """A script cut at its semicolons, which psql would do: CONCURRENTLY refuses to share a transaction."""
    if "CONCURRENTLY" not in script:
        return [script]
    lines = (line for line in script.splitlines() if not line.lstrip().startswith("--"))
    return [part for part in "\n".join(lines).split(";") if part.strip()]


def spend_row(request_id: str, **given: Any) -> dict[str, Any]:
    """One row of the spend log as LiteLLM writes it; `after` is seconds after START, `metadata` a dict or None."""
    after = given.pop("after", 0.0)
    start = given.pop("startTime", START + timedelta(seconds=after))
    row: dict[str, Any] = {
        "request_id": request_id, "call_type": "acompletion", "api_key": HASH, "spend": 0.001, "total_tokens": 150,
        "prompt_tokens": 100, "completion_tokens": 50, "startTime": start, "endTime": start + timedelta(seconds=2),
        "completionStartTime": start + timedelta(seconds=1), "model": "gpt-5-mini", "model_group": "fast",
        "custom_llm_provider": "openai", "api_base": "https://api.openai.com", "user": "owner-1",
        "metadata": {}, "cache_hit": "False", "cache_key": "Cache OFF", "request_tags": [], "team_id": "team-1",
        "end_user": "customer-1", "requester_ip_address": "203.0.113.9", "messages": {}, "response": {},
        "status": "success", "session_id": None, "request_duration_ms": None,
    }  # fmt: skip
    unknown = set(given) - set(row)
    assert not unknown, unknown
    row.update(given)
    for name in ("metadata", "request_tags", "messages", "response"):
        row[name] = None if row[name] is None else json.dumps(row[name])
    return row


def write_spend(url: str, *rows: dict[str, Any]) -> None:
    """Insert rows made by `spend_row`."""
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join(["%s"] * len(row))
            cursor.execute(f'INSERT INTO "LiteLLM_SpendLogs" ({names}) VALUES ({marks})', list(row.values()))


def wait_for_lock(url: str) -> None:
    """Until somebody in the database waits for a lock."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 120
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(asked).fetchone() == (0,):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)
