"""The log that is measured: made by DuckDB, row number by row number, and handed to the database as Arrow streams."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cost_top.model.native import COLUMNS, DDL, TABLE

DAYS = 60
DAY_MS = 86_400_000
_BATCH = 500_000

# Provider and model as logged; all have rates.
MODELS = (
    ("anthropic", "claude-opus-5-5"), ("anthropic", "claude-sonnet-5-5"), ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-sonnet-4-6"), ("anthropic", "claude-haiku-4-5"), ("anthropic", "claude-opus-4-1"),
    ("openai", "gpt-6-sol"), ("openai", "gpt-6-luna"), ("openai", "gpt-6.1-sol"), ("openai", "gpt-6.1-terra"),
    ("openai", "gpt-5"), ("openai", "gpt-5-mini"), ("openai", "gpt-4.1"), ("openai", "gpt-4o-mini"),
    ("openai", "text-embedding-3-large"), ("google", "gemini-3.5-flash-lite"), ("google", "gemini-3.8-flash"),
    ("google", "gemini-4-argon"), ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"),
    ("mistral", "mistral-large-4"), ("mistral", "mistral-small-2603"), ("mistral", "codestral-2508"),
    ("cohere", "command-a"), ("cohere", "embed-v4.0"), ("groq", "llama-3.1-8b-instant"),
    ("groq", "openai/gpt-oss-120b"), ("together", "zai-org/GLM-5.3"), ("together", "deepseek-ai/DeepSeek-V4.1-Flash"),
    ("deepseek", "deepseek-chat"),
)  # fmt: skip

# `draw(i, n)` is an integer from 0 on below n; `few` prefers small numbers, as customers and keys do.
_MACROS = """
CREATE OR REPLACE MACRO draw(i, salt, n) AS (hash(i * 64 + salt) % n)::BIGINT;
CREATE OR REPLACE MACRO few(i, salt, n) AS
  floor(n * pow((hash(i * 64 + salt) % 1000003)::DOUBLE / 1000003, 2))::BIGINT;
CREATE OR REPLACE MACRO level(ms) AS ms + (sin(2 * pi() * ms / 86400000.0) * 86400000.0 * 0.08)::BIGINT;
"""

_ROWS = """
SELECT
  'req_' || substr(md5(i::VARCHAR), 1, 24) AS id, ms AS time_ms, provider, model,
  '/v1/feature-' || few(i, 3, 25) AS endpoint, 'key_' || lpad(key::VARCHAR, 12, '0') AS token,
  'customer ' || key AS token_name,
  CASE WHEN draw(i, 4, 20) > 0 THEN 'user-' || {user} END AS user_id, 'owner-' || key % 40 AS owner,
  'team-' || key % 12 AS team,
  '["' || ['prod', 'staging', 'dev'][1 + few(i, 6, 3)] || '","plan:' || ['free', 'pro', 'team'][1 + draw(i, 7, 3)]
    || '"' || CASE WHEN draw(i, 8, 2) = 0 THEN ',"feature:' || draw(i, 9, 12) || '"' ELSE '' END || ']' AS tags,
  CASE WHEN draw(i, 10, 12) = 0 THEN 'byok' ELSE 'system' END AS credential_type,
  CASE WHEN NOT failed THEN input END AS input_tokens, CASE WHEN NOT failed AND cached THEN input // 2 END
    AS cached_input_tokens,
  CASE WHEN NOT failed AND cached AND draw(i, 11, 8) = 0 THEN input // 5 END AS cache_creation_input_tokens,
  NULL::BIGINT AS cache_creation_1h_tokens, CASE WHEN NOT failed THEN output END AS output_tokens,
  CASE WHEN NOT failed AND draw(i, 12, 4) = 0 THEN output // 3 END AS reasoning_tokens,
  CASE WHEN hit OR failed THEN 0 WHEN draw(i, 13, 20) > 0 THEN input * price + output * price * 5 END
    AS cost_pico_usd,
  NULL::VARCHAR AS mode, hit{boolean} AS cache_hit, CASE WHEN hit THEN 12 ELSE 200 + few(i, 14, 12000) END
    AS latency_ms,
  (CASE WHEN failed THEN [429, 500, 529][1 + draw(i, 15, 3)] ELSE 200 END)::INTEGER AS status,
  (draw(i, 16, 2) = 0){boolean} AS streamed, '192.0.2.' || draw(i, 17, 250) AS client_ip,
  'acme-sdk/4.' || draw(i, 18, 9) || ' python/3.12' AS user_agent, NULL::VARCHAR AS session,
  NULL::VARCHAR AS prompt, NULL::VARCHAR AS region, NULL::BIGINT AS audio_input_tokens,
  NULL::BIGINT AS audio_output_tokens, NULL::BIGINT AS image_output_tokens, NULL::BIGINT AS web_search_count
FROM (
  SELECT *, few(i, 2, 200) AS key, 40 + few(i, 19, 12000) AS input, 5 + few(i, 20, 1500) AS output,
    draw(i, 21, 3) = 0 AS cached, draw(i, 22, 50) = 0 AS failed, draw(i, 23, 25) = 0 AS hit
  FROM (SELECT i, level({start} + i * {span} // {rows}) AS ms FROM range({first}, {last}) AS r(i)) n
  JOIN models m ON m.number = few(n.i, 1, {models})
) WHERE ms > {after} AND ms <= {until} ORDER BY i
"""


def now_ms() -> int:
    """The present instant in Unix milliseconds."""
    return time.time_ns() // 1_000_000


# Which user a request has: one of some that prefer small numbers, any of many, or each its own.
USERS = {"5,000": "few(i, 5, 5000)", "300,000": "draw(i, 5, 300000)", "one a request": "i"}


@dataclass(frozen=True, slots=True)
class Traffic:
    """How a log's rows are spread: over so many days, and over which of `USERS`."""

    days: int = DAYS
    users: str = "5,000"

    @property
    def suffix(self) -> str:
        """Part of the log's name; empty for what is usual."""
        if self == Traffic():
            return ""
        return f"-{self.days}d-{self.users.replace(',', '').replace(' ', '')}"


USUAL = Traffic()


class Maker:
    """Rows by number: the same number gives the same row, `rows` of them in the traffic's days before `end_ms`."""

    def __init__(self, rows: int, end_ms: int, *, boolean: bool, traffic: Traffic = USUAL) -> None:
        """`boolean` False spells truth values as integers, as SQLite stores them."""
        import duckdb

        self.rows, self.end_ms = rows, end_ms
        self._span, self._user = traffic.days * DAY_MS, USERS[traffic.users]
        self._boolean = "" if boolean else "::INTEGER"
        self._duck = duckdb.connect(":memory:", config={"threads": 2})
        self._duck.execute(_MACROS)
        self._duck.execute("CREATE TABLE models (number BIGINT, provider VARCHAR, model VARCHAR, price BIGINT)")
        self._duck.executemany(
            "INSERT INTO models VALUES (?, ?, ?, ?)",
            [(n, *pair, 5_000_000 // (1 + n % 9)) for n, pair in enumerate(MODELS)],
        )

    def rows_sql(self, first: int, last: int, after: int, until: int) -> str:
        """The rows numbered `[first, last)` with a time in `(after, until]`."""
        sql = _ROWS.format(
            boolean=self._boolean, start=self.end_ms - self._span, span=self._span, rows=self.rows, first=first,
            last=last, after=after, until=until, models=len(MODELS), user=self._user,
        )  # fmt: skip
        return f"SELECT {', '.join(COLUMNS)} FROM ({sql})"

    def fill(self, cursor: Any, after: int, until: int) -> None:
        """Hand the rows with a time in `(after, until]` to an ADBC cursor, batch by batch."""
        per_ms = self.rows / self._span
        begin = self.end_ms - self._span
        # The rhythm moves a row by less than a quarter of a day.
        first = max(0, int((after - begin - DAY_MS // 4) * per_ms))
        last = int((until - begin + DAY_MS // 4) * per_ms) + 1
        for start in range(first, last, _BATCH):
            rows = self._duck.sql(self.rows_sql(start, min(start + _BATCH, last), after, until))
            cursor.adbc_ingest(TABLE, rows, mode="append")


def sqlite_log(folder: Path, rows: int, traffic: Traffic = USUAL) -> Path:
    """The log in a SQLite file of that folder; one from before is kept and gets the rows since."""
    path = folder / f"requests-{rows}{traffic.suffix}.db"
    if path.exists() and not _catch_up(path, rows, traffic):
        path.unlink()
    if not path.exists():
        _build(path, rows, traffic)
    return path


def _build(path: Path, rows: int, traffic: Traffic) -> None:
    import adbc_driver_sqlite.dbapi

    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    table, command, index = DDL.partition("CREATE INDEX")
    end = now_ms()
    pragmas = ("journal_mode = off", "synchronous = off", "cache_size = -2000000")
    first = [*(f"PRAGMA {pragma}" for pragma in pragmas), table, "CREATE TABLE made (at_ms INTEGER)"]
    opened = adbc_driver_sqlite.dbapi.connect(f"file:{new}", autocommit=True)
    with opened as connection, connection.cursor() as cursor:
        for statement in (*first, f"INSERT INTO made VALUES ({end})"):
            cursor.executescript(statement)
        connection.adbc_connection.set_autocommit(False)
        Maker(rows, end, boolean=False, traffic=traffic).fill(cursor, end - traffic.days * DAY_MS, end)
        connection.adbc_connection.commit()
        cursor.executescript(command + index)
        connection.adbc_connection.commit()
    with closing(sqlite3.connect(new)) as plain:
        plain.execute("ANALYZE")
        plain.commit()
        plain.execute("PRAGMA journal_mode = wal")
    new.rename(path)


def _catch_up(path: Path, rows: int, traffic: Traffic) -> bool:
    """Add what would have been logged since, without the ticks of earlier runs; False for a log that is too old."""
    import adbc_driver_sqlite.dbapi

    now = now_ms()
    with closing(sqlite3.connect(path)) as plain:
        end = plain.execute("SELECT at_ms FROM made").fetchone()[0]
        if now - end > DAY_MS:
            return False
        plain.execute(f"DELETE FROM {TABLE} WHERE time_ms >= ? AND id LIKE 'tick%'", (end - DAY_MS,))
        newest = plain.execute(f"SELECT max(time_ms) FROM {TABLE}").fetchone()[0]
        plain.commit()
    with adbc_driver_sqlite.dbapi.connect(f"file:{path}") as connection, connection.cursor() as cursor:
        Maker(rows, end, boolean=False, traffic=traffic).fill(cursor, newest, now)
        connection.commit()
    return True
