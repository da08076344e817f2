"""The native request log: the table any gateway can write so that cost-top reads it as it is.

One statement serves SQLite and PostgreSQL. Every column but `id` and `time_ms` may be NULL, and NULL means unknown.
"""

from __future__ import annotations

import re

TABLE = "cost_top_requests"

DDL = """\
CREATE TABLE IF NOT EXISTS cost_top_requests (
  id                       VARCHAR(255) NOT NULL PRIMARY KEY, -- unique; writing the same id again replaces the figures
  time_ms                  BIGINT NOT NULL,          -- start of the request, Unix milliseconds, UTC
  provider                 TEXT,                     -- 'openai', 'anthropic', 'google', ...
  model                    TEXT,                     -- as called: 'claude-sonnet-4-6'
  endpoint                 TEXT,                     -- the path or feature of yours: '/summarise-ticket'
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
  cost_pico_usd            BIGINT,                   -- what was charged, in 10^-12 USD; of 'byok': to the key's owner;
                                                     -- NULL: priced from the rates
  mode                     TEXT,                     -- 'standard' (or NULL), 'batch', 'flex', 'priority', 'fast'
  cache_hit                BOOLEAN,                  -- answered by the response cache; tokens are those avoided
  latency_ms               BIGINT,
  status                   INTEGER,                  -- HTTP status
  streamed                 BOOLEAN,
  client_ip                TEXT,
  user_agent               TEXT,
  session                  TEXT,                     -- id of the session or conversation
  prompt                   TEXT,                     -- name or cache key of the prompt's template; never its text
  region                   TEXT,                     -- where inference was kept to, if the price depends on it: 'us'
  audio_input_tokens       BIGINT,                   -- inside input_tokens
  audio_output_tokens      BIGINT,                   -- inside output_tokens
  image_output_tokens      BIGINT,                   -- inside output_tokens
  web_search_count         BIGINT                    -- searches by the provider's own tool
);
CREATE INDEX IF NOT EXISTS cost_top_requests_time ON cost_top_requests (time_ms, id);
"""
# `owner` is a plain column name in both databases; `user` is reserved in PostgreSQL, hence `user_id`.

COLUMN_TYPES: dict[str, str] = dict(re.findall(r"^  (\w+) +([A-Z]+(?:\(\d+\))?)", DDL, re.MULTILINE))
COLUMNS = tuple(COLUMN_TYPES)

# Optional, beside the log: what was bought, debited and adjusted. Written by whoever sells credits.
LEDGER = "cost_top_ledger"
LEDGER_KINDS = ("purchase", "usage_debit", "adjustment")
LEDGER_DDL = """\
CREATE TABLE IF NOT EXISTS cost_top_ledger (
  id                       VARCHAR(255) NOT NULL PRIMARY KEY,
  time_ms                  BIGINT NOT NULL,          -- Unix milliseconds, UTC
  kind                     TEXT NOT NULL,            -- 'purchase', 'usage_debit' or 'adjustment'
  amount_pico_usd          BIGINT NOT NULL,          -- in 10^-12 USD; what goes out is negative
  balance_pico_usd         BIGINT,                   -- after it, where it is known
  token                    TEXT,                     -- public id or hash of the API key it belongs to
  note                     TEXT
);
CREATE INDEX IF NOT EXISTS cost_top_ledger_time ON cost_top_ledger (time_ms, id);
"""
LEDGER_COLUMNS = tuple(re.findall(r"^  (\w+) +[A-Z]", LEDGER_DDL, re.MULTILINE))
