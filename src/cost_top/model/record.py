"""The normal form of one request, whatever gateway logged it."""

from __future__ import annotations

from cost_top.model.dimensions import EVERY_DIMENSION

# Fields that are compared in small letters.
LOWERED = ("provider", "credential_type", "mode", "region")
# (name, DuckDB type). NULL means unknown. Token parts are nested: cached and cache-creation inside input,
# the 1-hour part inside cache creation, reasoning inside output. Money is integer pico-dollars.
_FIELDS: tuple[tuple[str, str], ...] = (
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
    # What the row itself calls them.
    ("team_name", "VARCHAR"),
    ("user_name", "VARCHAR"),
    ("owner_name", "VARCHAR"),
    ("tags", "VARCHAR[]"),
    ("credential_type", "VARCHAR"),  # 'system' or 'byok'
    ("input_tokens", "BIGINT"),
    ("cached_input_tokens", "BIGINT"),
    ("cache_creation_input_tokens", "BIGINT"),
    ("cache_creation_1h_tokens", "BIGINT"),
    ("output_tokens", "BIGINT"),
    ("reasoning_tokens", "BIGINT"),
    ("reported_cost", "BIGINT"),  # pico-dollars
    ("reported_market_cost", "BIGINT"),  # the list price as the gateway has it, pico-dollars
    ("mode", "VARCHAR"),  # NULL, one of `model.modes.MODES`, or a word without a rate
    ("cache_hit", "BOOLEAN"),  # answered by the gateway's response cache
    ("latency_ms", "BIGINT"),
    ("status", "INTEGER"),  # HTTP status
    ("streamed", "BOOLEAN"),
    ("client_ip", "VARCHAR"),
    ("user_agent", "VARCHAR"),
    ("session", "VARCHAR"),
    ("prompt", "VARCHAR"),  # the name or cache key of a prompt's template, never its text
    ("region", "VARCHAR"),  # where inference was kept to, as far as the price depends on it
    ("audio_input_tokens", "BIGINT"),  # inside input
    ("audio_output_tokens", "BIGINT"),  # inside output
    ("image_output_tokens", "BIGINT"),  # inside output
    ("web_search_count", "BIGINT"),
    ("zero_is_price", "BOOLEAN"),  # a reported zero: true, it is the price; false, nobody knew one; NULL, not said
    # False for retries and internal calls of a gateway, and for refunds: money counts, the request does not.
    ("counted", "BOOLEAN"),
)
# A dimension that is declared needs no row above.
FIELDS = (
    *_FIELDS,
    *((each.field, "VARCHAR") for each in EVERY_DIMENSION if each.kind == "text" and each.field not in dict(_FIELDS)),
)
FIELD_NAMES = tuple(name for name, _ in FIELDS)

# What the rates add to a record; NULL where unknown.
PRICED_FIELDS: tuple[tuple[str, str], ...] = (
    ("cost", "BIGINT"),  # paid, pico-dollars
    ("market_cost", "BIGINT"),  # at list price
    ("saved_by_cache", "BIGINT"),  # list price of a response-cache hit
    ("prompt_cache_savings", "BIGINT"),  # the provider's cache discount less its write premium
    ("price_status", "VARCHAR"),  # reported priced free cache_hit unpriced no_usage
    ("doubt", "VARCHAR"),  # why it is unpriced, or its reported cost not believed: a key of `model.doubts.WORDS`
)

# What tells a row just read from every other and shows its changes; see `sources.base.LogReader.taken_sql`.
WITNESSES: tuple[tuple[str, str], ...] = (("key", "VARCHAR"), ("fingerprint", "BIGINT"), ("content", "BIGINT"))
