"""The native request log: the table any gateway can write so that cost-top reads it as it is.

One statement serves SQLite and PostgreSQL. Every column but `id` and `time_ms` may be NULL, and NULL means unknown.
"""

from __future__ import annotations

TABLE = "cost_top_requests"

DDL = """\
CREATE TABLE IF NOT EXISTS cost_top_requests (
  id                       VARCHAR(255) NOT NULL PRIMARY KEY, -- unique; writing the same id again replaces the figures
  time_ms                  BIGINT NOT NULL,          -- start of the request, Unix milliseconds, UTC
  provider                 TEXT,                     -- 'openai', 'anthropic', 'google', ...
  model                    TEXT,                     -- as called: 'claude-sonnet-4-6'
  endpoint                 TEXT,                     -- the route or feature of yours: '/summarise-ticket'
  token                    TEXT,                     -- public id or hash of the API key; never the key itself
  token_name               TEXT,                     -- its display name
  user_id                  TEXT,                     -- the end user of the request
  owner                    TEXT,                     -- the person who owns the key
  team                     TEXT,
  tags                     TEXT,                     -- JSON array of strings: '["prod","plan:pro"]'
  credential_type          TEXT,                     -- 'system' or 'byok'
  input_tokens             BIGINT,                   -- all input, with the three parts below inside it
  cached_input_tokens      BIGINT,                   -- read from the provider's prompt cache
  cache_creation_input_tokens BIGINT,                -- written to it, both lifetimes
  cache_creation_1h_tokens BIGINT,                   -- of these, written for one hour
  output_tokens            BIGINT,                   -- all output, with reasoning inside it
  reasoning_tokens         BIGINT,
  cost_pico_usd            BIGINT,                   -- what was charged, in 10^-12 USD; NULL: priced from the rates
  mode                     TEXT,                     -- 'standard' (or NULL), 'batch', 'flex', 'priority'
  cache_hit                BOOLEAN,                  -- answered by the response cache; tokens are those avoided
  latency_ms               BIGINT,
  status                   INTEGER,                  -- HTTP status
  streamed                 BOOLEAN,
  client_ip                TEXT,
  user_agent               TEXT
);
CREATE INDEX IF NOT EXISTS cost_top_requests_time ON cost_top_requests (time_ms, id);
"""
# `owner` is a plain column name in both databases; `user` is reserved in PostgreSQL, hence `user_id`.

COLUMNS = (
    "id", "time_ms", "provider", "model", "endpoint", "token", "token_name", "user_id", "owner", "team", "tags",
    "credential_type", "input_tokens", "cached_input_tokens", "cache_creation_input_tokens",
    "cache_creation_1h_tokens", "output_tokens", "reasoning_tokens", "cost_pico_usd", "mode", "cache_hit",
    "latency_ms", "status", "streamed", "client_ip", "user_agent",
)  # fmt: skip
