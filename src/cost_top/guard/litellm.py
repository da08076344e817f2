"""A LiteLLM callback that asks the guard before each call.

In the proxy's configuration, with `COST_TOP_GUARD_URL` and `COST_TOP_GUARD_TOKEN` in its environment:

    litellm_settings:
      callbacks: cost_top.guard.litellm.guard

litellm is imported when the callback is made, not before.
"""

from __future__ import annotations

from typing import Any

from cost_top.guard.client import GuardClient, Refused, client_of_environment
from cost_top.model.errors import UserError


def litellm_guard(client: GuardClient) -> Any:
    """A `litellm.integrations.custom_logger.CustomLogger` whose pre-call hook refuses what the guard refuses.

    Raises `UserError` when litellm is not installed.
    """
    try:
        from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise UserError("guarding LiteLLM: litellm is not installed in this environment; install litellm") from None

    class CostTopGuard(CustomLogger):  # type: ignore[misc, unused-ignore]
        """Asks before every kind of call: the kinds differ by version, and none is free."""

        async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> None:  # noqa: ARG002
            """Raise what LiteLLM turns into a 422, or let the call pass."""
            refused = await client.ask(call_of(user_api_key_dict, data))
            if refused is not None:
                raise _error(refused)

    return CostTopGuard()


def call_of(key: Any, data: Any) -> dict[str, Any]:
    """What the guard is told: names as LiteLLM's log will carry them. Never messages."""
    data = data if isinstance(data, dict) else {}
    metadata: dict[str, Any] = {}
    for name in ("metadata", "litellm_metadata"):
        part = data.get(name)
        if isinstance(part, dict):
            metadata |= part
    tags = [tag for source in (data.get("tags"), metadata.get("tags")) for tag in source or () if isinstance(tag, str)]
    found = {
        "token": getattr(key, "api_key", None),
        "token_name": getattr(key, "key_alias", None),
        "user": data.get("user") or getattr(key, "end_user_id", None) or metadata.get("user_id"),
        "owner": getattr(key, "user_id", None),
        "team": getattr(key, "team_alias", None) or getattr(key, "team_id", None),
        "endpoint": metadata.get("user_api_key_request_route") or getattr(key, "request_route", None),
        "model": data.get("model"),
        "id": data.get("litellm_call_id"),
    }
    call = {name: value if isinstance(value, str) and len(value) <= 512 else None for name, value in found.items()}
    if call["endpoint"] is None:
        del call["endpoint"]  # some versions do not say: unknown, not none
    return {**call, "tags": list(dict.fromkeys(tag for tag in tags if len(tag) <= 512))[:100]}


def _error(refused: Refused) -> Exception:
    """LiteLLM's own error, whose type and param reach the client; an HTTPException where there is none."""
    error = refused.body["error"]
    try:
        from litellm.proxy._types import ProxyException  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from fastapi import HTTPException

        return HTTPException(status_code=422, detail=refused.body, headers=refused.headers)
    made: Exception = ProxyException(
        message=str(error.get("message")), type=str(error.get("type")), param=None, code=422, headers=refused.headers
    )
    return made


def __getattr__(name: str) -> Any:
    """`guard`, made when LiteLLM's proxy asks for it, for the guard at `COST_TOP_GUARD_URL`."""
    if name != "guard":
        raise AttributeError(name)
    made = globals()["guard"] = litellm_guard(client_of_environment())
    return made
