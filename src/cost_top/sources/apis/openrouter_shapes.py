"""The answers of OpenRouter as it documents them; see `apis.shapes`. Money is in pico-dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from cost_top.model.money import pico
from cost_top.sources.apis.shapes import NEEDED, Count, Shape, Text, Unread


def amount(value: Any) -> int | None:
    """USD as a number or numeric text in pico-dollars; None where it is none.

    >>> amount("0.5"), amount(None), amount(Decimal("NaN")), amount(True)
    (500000000000, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        return pico(value)
    except ValueError:
        return None


def _usd(value: object) -> int | None:
    found = amount(value)
    if found is None and value is not None:
        raise ValueError("is no amount")
    return found


Usd = Annotated[int | None, BeforeValidator(_usd)]
NeededUsd = Annotated[int | None, BeforeValidator(_usd), NEEDED]


class Key(Shape):
    """`/key`, and one of `/keys`: what a key has used, by windows that end now."""

    usage: NeededUsd = None
    usage_daily: NeededUsd = None
    usage_weekly: NeededUsd = None
    usage_monthly: NeededUsd = None
    byok_usage: Usd = None
    byok_usage_daily: Usd = None
    byok_usage_weekly: Usd = None
    byok_usage_monthly: Usd = None
    limit: Usd = None
    limit_remaining: Usd = None
    hash: Text = None
    name: Text = None
    label: Text = None
    is_management_key: Unread = None
    is_provisioning_key: Unread = None
    limit_reset: Text = None
    include_byok_in_limit: Unread = None
    is_free_tier: Unread = None
    disabled: Unread = None
    created_at: Unread = None
    updated_at: Unread = None
    expires_at: Unread = None
    creator_user_id: Unread = None
    workspace_id: Unread = None
    rate_limit: Unread = None
    budgets: Unread = None
    effective_budget: Unread = None
    free_model_daily_requests: Unread = None


class Credits(Shape):
    """`/credits`."""

    total_credits: NeededUsd = None
    total_usage: NeededUsd = None


class ActivityRow(Shape):
    """A row of `/activity`: one day of one model at one endpoint."""

    date: Unread = None
    model: Text = None
    provider_name: Text = None
    usage: NeededUsd = None
    byok_usage_inference: Usd = None
    requests: Count = None
    prompt_tokens: Count = None
    completion_tokens: Count = None
    reasoning_tokens: Count = None
    cached_tokens: Count = None
    model_permaslug: Unread = None
    endpoint_id: Unread = None
    workspace_id: Unread = None


class Query(Shape):
    """`/analytics/query`, inside its first `data`."""

    data: Unread = None
    metadata: Unread = None
    cachedAt: Unread = None  # noqa: N815 - as it is spelled
    warnings: Unread = None


class QueryMetadata(Shape):
    """How an answer came about."""

    truncated: Unread = None
    query_time_ms: Unread = None
    row_count: Unread = None


class QueryRow(Shape):
    """A row of `/analytics/query`: the metrics and dimensions that were asked for."""

    credits_usage: Usd = None
    byok_usage: Usd = None
    total_usage: Usd = None
    request_count: Count = None
    tokens_prompt: Count = None
    tokens_completion: Count = None
    reasoning_tokens: Count = None
    cached_tokens: Count = None
    model: Text = None
    provider: Text = None
    api_key_id: Text = None
    user: Text = None
    external_user: Text = None
    app: Text = None
    workspace: Text = None
    date: Unread = None
    date__minute: Unread = None
    date__hour: Unread = None
    date__day: Unread = None


class Meta(Shape):
    """`/analytics/meta`: what can be asked."""

    metrics: Unread = None
    dimensions: Unread = None
    operators: Unread = None
    granularities: Unread = None
