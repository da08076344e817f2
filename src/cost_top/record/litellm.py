"""A LiteLLM custom logger: a request log for a LiteLLM proxy without PostgreSQL, or for the SDK.

In the proxy's configuration, with the log's address in `COST_TOP_RECORD_URL`:

    litellm_settings:
      callbacks: cost_top.record.litellm.logger

In a program: `litellm.callbacks = [litellm_logger(Recorder("sqlite:///requests.db"))]`.

Only LiteLLM's standard logging payload is read, and of it only metadata: never messages, response or error text.
litellm is imported when a logger is made, not before.
"""

from __future__ import annotations

import os
from typing import Any

from cost_top.model.errors import UserError
from cost_top.record.recorder import Recorder
from cost_top.usage.frames import Frame, part, text

URL_VARIABLE = "COST_TOP_RECORD_URL"
_AGENT_TAG = "User-Agent: "


def litellm_logger(recorder: Recorder) -> Any:
    """A `litellm.integrations.custom_logger.CustomLogger` that records each call once, whether it worked or not.

    Raises `UserError` when litellm is not installed.
    """
    try:
        from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise UserError("recording LiteLLM: litellm is not installed in this environment; install litellm") from None

    class CostTopLogger(CustomLogger):  # type: ignore[misc, unused-ignore]
        """Each event of LiteLLM's that ends a call becomes one row."""

        def log_success_event(self, kwargs: Any, **_: Any) -> None:
            """A call made synchronously, or a stream that ended."""
            _keep(recorder, kwargs)

        def log_failure_event(self, kwargs: Any, **_: Any) -> None:
            """A synchronous call that failed."""
            _keep(recorder, kwargs)

        async def async_log_success_event(self, kwargs: Any, **_: Any) -> None:
            """As `log_success_event`, of an asynchronous call; the proxy's calls all are."""
            _keep(recorder, kwargs)

        async def async_log_failure_event(self, kwargs: Any, **_: Any) -> None:
            """As `log_failure_event`, of an asynchronous call."""
            _keep(recorder, kwargs)

    return CostTopLogger()


def _keep(recorder: Recorder, kwargs: Any) -> None:
    try:
        payload = part(kwargs, "standard_logging_object")
        values = call_values(payload) if payload else None
    except Exception:  # the proxy goes on whatever LiteLLM hands over
        values = None
    if values is not None:
        recorder.record(**values)


def call_values(payload: Frame) -> dict[str, Any]:
    """`Recorder.record`'s arguments from a standard logging payload.

    Usage, cost, names and tags mean what they mean in `LiteLLM_SpendLogs`, so the same reader takes them. One call
    can be reported twice (by the synchronous and by the asynchronous hook): its id makes them one row, beside that
    of an attempt which failed before.
    """
    metadata = part(payload, "metadata")
    started, ended = payload.get("startTime"), payload.get("endTime")
    timed = isinstance(started, int | float) and isinstance(ended, int | float)
    error = part(payload, "error_information")
    tags = [tag for tag in payload.get("request_tags") or () if isinstance(tag, str)]
    failed = text(payload, "status") == "failure"
    hit = payload.get("cache_hit")
    return {
        "api": "litellm.spendlog",
        "response": _row(payload, metadata, failed),
        "id": (text(payload, "litellm_call_id") or text(payload, "id")) + ("-failed" if failed else ""),
        "provider": payload.get("custom_llm_provider"),
        "model": payload.get("model"),
        "endpoint": metadata.get("user_api_key_request_route") or payload.get("call_type"),
        "token": metadata.get("user_api_key_hash"),
        "token_name": metadata.get("user_api_key_alias"),
        "user": payload.get("end_user")
        or metadata.get("user_api_key_end_user_id")
        or part(payload, "model_parameters").get("user"),
        "owner": metadata.get("user_api_key_user_id"),
        "team": metadata.get("user_api_key_team_alias") or metadata.get("user_api_key_team_id"),
        "tags": [tag for tag in tags if not tag.startswith(_AGENT_TAG)],
        "credential_type": "byok" if metadata.get("used_client_oauth_token") is True else "system",
        "cache_hit": hit if isinstance(hit, bool) else None,
        "cost_usd": payload.get("response_cost") if hit is True else None,  # a guardrail's charge, else 0
        "status": _status(error) if failed else 200,
        "streamed": bool(payload.get("stream")),
        "started_at": started,
        "latency_ms": (ended - started) * 1000 if timed else None,  # type: ignore[operator]
        "client_ip": payload.get("requester_ip_address") or metadata.get("requester_ip_address"),
        "user_agent": payload.get("user_agent") or metadata.get("user_agent"),
    }


def _row(payload: Frame, metadata: Frame, failed: bool) -> Frame | None:
    """The columns of a spend log's row that carry usage; a failed call has none."""
    if failed and not payload.get("total_tokens"):
        return None
    return {
        "prompt_tokens": payload.get("prompt_tokens"),
        "completion_tokens": payload.get("completion_tokens"),
        "total_tokens": payload.get("total_tokens"),
        "spend": payload.get("response_cost"),
        "cache_hit": payload.get("cache_hit"),
        "cache_key": payload.get("cache_key"),
        "session_id": payload.get("session_id") or payload.get("trace_id"),
        "call_type": payload.get("call_type"),
        "request_id": payload.get("id"),
        "metadata": {"usage_object": metadata.get("usage_object")},
    }


def _status(error: Frame) -> int:
    code = text(error, "error_code")
    return int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 500


def __getattr__(name: str) -> Any:
    """`logger`, made when LiteLLM's proxy asks for it, for the log at `COST_TOP_RECORD_URL`."""
    if name != "logger":
        raise AttributeError(name)
    url = os.environ.get(URL_VARIABLE)
    if not url:
        raise UserError(f"{URL_VARIABLE}: not set; give the log's address, such as sqlite:////var/lib/llm/requests.db")
    made = globals()["logger"] = litellm_logger(Recorder(url))
    return made
