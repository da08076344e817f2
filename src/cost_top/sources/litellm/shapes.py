"""A row of a LiteLLM proxy's request log as it is documented, for doctor. Rows are read by `rows`, without pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

from cost_top.sources.apis.admin_wire import Wire
from cost_top.sources.apis.shapes import NEEDED, Count, NeededCount, Shape, Unread
from cost_top.sources.litellm.rows import Row, row_time


def _spend(value: object) -> object:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float | Decimal)):
        raise ValueError("is no amount")
    return value


def _time(value: object) -> object:
    if value is not None and row_time({"startTime": value}) is None:
        raise ValueError("is no time")
    return value


class SpendLog(Shape):
    """A row of `/spend/logs/v2`."""

    request_id: Annotated[Unread, NEEDED] = None
    startTime: Annotated[Unread, BeforeValidator(_time), NEEDED] = None  # noqa: N815 - as it is spelled
    spend: Annotated[Unread, BeforeValidator(_spend), NEEDED] = None
    prompt_tokens: NeededCount = None
    completion_tokens: NeededCount = None
    total_tokens: Count = None
    request_duration_ms: Count = None
    call_type: Unread = None
    api_key: Unread = None
    endTime: Unread = None  # noqa: N815
    completionStartTime: Unread = None  # noqa: N815
    model: Unread = None
    model_id: Unread = None
    model_group: Unread = None
    custom_llm_provider: Unread = None
    api_base: Unread = None
    user: Unread = None
    metadata: Unread = None
    cache_hit: Unread = None
    cache_key: Unread = None
    request_tags: Unread = None
    team_id: Unread = None
    organization_id: Unread = None
    end_user: Unread = None
    requester_ip_address: Unread = None
    session_id: Unread = None
    status: Unread = None
    mcp_namespaced_tool_name: Unread = None
    agent_id: Unread = None
    litellm_call_id: Unread = None
    messages: Unread = None
    response: Unread = None
    proxy_server_request: Unread = None
    project_id: Unread = None
    ttft_ms: Unread = None


def drift_of(endpoint: str, rows: Iterable[Row]) -> tuple[str, ...]:
    """What of rows is otherwise than documented, one line each."""
    wire = Wire("litellm")
    for row in rows:
        wire.read(endpoint, SpendLog, row)
    return wire.drift()
