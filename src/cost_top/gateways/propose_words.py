"""What columns of a request log are called. No database here."""

from __future__ import annotations

from collections.abc import Mapping

# Words a column of a field is called by, the surest first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("request_id", "call_id", "id", "uuid", "log_id", "trace_id"),
    "time": (
        "created_at", "timestamp", "start_time", "started_at", "request_time", "called_at", "requested_at",
        "occurred_at", "logged_at", "invoked_at", "sent_at", "inserted_at", "event_time", "time", "ts", "at", "date",
        "time_ms", "timestamp_ms", "ts_ms",
    ),
    "provider": ("provider", "llm_provider", "vendor", "custom_llm_provider", "platform"),
    "model": ("model", "model_name", "model_id", "used_model", "model_used", "llm", "deployment"),
    "endpoint": (
        "endpoint", "path", "route", "url_path", "operation", "api", "feature", "application_name", "app_name",
        "service_name",
    ),
    "token": ("api_key_id", "key_id", "token_id", "virtual_key", "token", "api_key_hash"),
    "token_name": ("api_key_name", "key_name", "token_name", "key_alias", "api_key_alias"),
    "user": ("end_user", "user_id", "customer_id", "user", "customer", "username", "user_email", "who"),
    "team": (
        "team", "team_id", "project", "project_id", "department", "organization_id", "group_id", "tenant_id", "tenant",
    ),
    "tags": ("tags", "labels", "request_tags"),
    "input_tokens": (
        "input_tokens", "prompt_tokens", "tokens_in", "input_token_count", "in_tokens", "prompt_token_count",
    ),
    "cached_input_tokens": ("cached_input_tokens", "cached_tokens", "cache_read_input_tokens", "cache_read_tokens"),
    "cache_creation_input_tokens": ("cache_creation_input_tokens", "cache_creation_tokens", "cache_write_tokens"),
    "output_tokens": (
        "output_tokens", "completion_tokens", "tokens_out", "output_token_count", "out_tokens",
        "candidates_token_count",
    ),
    "reasoning_tokens": ("reasoning_tokens", "thinking_tokens", "thoughts_token_count"),
    "reported_cost": (
        "cost_usd", "total_cost", "cost", "spend", "price_usd", "usd", "amount_usd", "charge", "amount", "price",
        "cost_cents", "cost_micros", "quota", "credits", "cost_in_usd", "usd_cost", "total_cost_usd", "request_cost",
        "llm_cost", "estimated_cost", "cost_dollars",
    ),
    "cache_hit": ("cache_hit", "from_cache", "is_cached", "cached"),
    "latency_ms": (
        "latency_ms", "duration_ms", "response_time_ms", "latency", "elapsed_ms", "response_ms", "took_ms", "duration",
        "response_time", "elapsed", "latency_s", "duration_s", "latency_seconds", "duration_seconds", "elapsed_seconds",
    ),
    "status": ("status_code", "http_status", "response_status", "status", "http_code", "response_code"),
    "streamed": ("streamed", "stream", "is_stream", "streaming"),
    "client_ip": ("client_ip", "ip_address", "ip", "remote_addr"),
    "user_agent": ("user_agent", "useragent"),
    "session": ("session_id", "session", "conversation_id", "thread_id"),
}  # fmt: skip
NUMBERS = frozenset({
    "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "output_tokens", "reasoning_tokens",
    "latency_ms", "reported_cost", "status",
})  # fmt: skip
