"""The normal form of one request, whatever gateway logged it."""

from __future__ import annotations

# (name, DuckDB type). NULL means unknown. Token parts are nested: cached and cache-creation inside input,
# the 1-hour part inside cache creation, reasoning inside output. Money is integer pico-dollars.
FIELDS: tuple[tuple[str, str], ...] = (
    ("id", "VARCHAR"),
    ("time", "TIMESTAMP"),  # UTC, start of the request
    ("provider", "VARCHAR"),
    ("model", "VARCHAR"),
    ("endpoint", "VARCHAR"),
    ("token", "VARCHAR"),  # public id or hash of the API key
    ("token_name", "VARCHAR"),
    ("user", "VARCHAR"),  # end user of the request
    ("owner", "VARCHAR"),  # person who owns the key
    ("team", "VARCHAR"),
    ("tags", "VARCHAR[]"),
    ("credential_type", "VARCHAR"),  # 'system' or 'byok'
    ("input_tokens", "BIGINT"),
    ("cached_input_tokens", "BIGINT"),
    ("cache_creation_input_tokens", "BIGINT"),
    ("cache_creation_1h_tokens", "BIGINT"),
    ("output_tokens", "BIGINT"),
    ("reasoning_tokens", "BIGINT"),
    ("reported_cost", "BIGINT"),  # pico-dollars
    ("mode", "VARCHAR"),  # NULL or 'standard', 'batch', 'flex', 'priority'
    ("cache_hit", "BOOLEAN"),  # answered by the gateway's response cache
    ("latency_ms", "BIGINT"),
    ("status", "INTEGER"),  # HTTP status
    ("streamed", "BOOLEAN"),
    ("client_ip", "VARCHAR"),
    ("user_agent", "VARCHAR"),
    (
        "counted",
        "BOOLEAN",
    ),  # false for a gateway's own retries and internal calls: money counts, the request does not
)
FIELD_NAMES = tuple(name for name, _ in FIELDS)
TEXT_FIELDS = tuple(name for name, kind in FIELDS if kind == "VARCHAR")

# What the rates add to a record; NULL where unknown.
PRICED_FIELDS: tuple[tuple[str, str], ...] = (
    ("cost", "BIGINT"),  # paid, pico-dollars
    ("market_cost", "BIGINT"),  # at list price
    ("saved_by_cache", "BIGINT"),  # list price of a response-cache hit
    ("prompt_cache_savings", "BIGINT"),  # the provider's cache discount less its write premium
    ("price_status", "VARCHAR"),  # reported priced free cache_hit unpriced no_usage
)
