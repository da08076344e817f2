"""Anthropic's admin API: `cost_report` in cents by day, `usage_report/messages` in tokens.

Facts: the "Usage and Cost API" guide and the reference pages "Get Messages Usage Report" and "Get Cost Report".
Figures are some 5 minutes behind; polling once a minute is supported. Requests are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cost_top.sources.apis.admin_question import Endpoint
from cost_top.sources.apis.admin_report import AdminReport
from cost_top.sources.apis.admin_tally import Tally
from cost_top.sources.apis.shapes import Count, NeededCount, Shape, Text, Unread
from cost_top.sources.apis.usage_priced import Usage
from cost_top.sources.report_api import Capabilities

BASE_URL = "https://api.anthropic.com"
_VERSION = "2023-06-01"
_CENTS = -2  # amounts are in 10^-2 dollars
_PAGE = ("limit", "1000")
# Input tokens of a single request: more than, at most.
_CONTEXTS: Mapping[str, tuple[int, int | None]] = {"0-200k": (0, 200_000), "200k-1M": (200_000, None)}


class BillRow(Shape):
    """A line of the cost report."""

    amount: Unread = None
    currency: Unread = None
    cost_type: Unread = None
    description: Unread = None
    model: Text = None
    token_type: Unread = None
    service_tier: Text = None
    context_window: Text = None
    inference_geo: Unread = None
    speed: Unread = None
    workspace_id: Text = None


class CacheCreation(Shape):
    """Tokens written to the cache, by how long they stay."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class UsageRow(Shape):
    """A group of the usage report; the flat fields are the spelling of a third-party schema."""

    uncached_input_tokens: NeededCount = None
    cache_read_input_tokens: NeededCount = None
    cache_creation: CacheCreation | None = None
    output_tokens: NeededCount = None
    server_tool_use: Unread = None
    model: Text = None
    api_key_id: Text = None
    workspace_id: Text = None
    service_tier: Text = None
    context_window: Text = None
    inference_geo: Text = None
    speed: Unread = None
    account_id: Text = None
    service_account_id: Unread = None
    cache_creation_5m_input_tokens: Count = None
    cache_creation_1h_input_tokens: Count = None


_BILL = Endpoint(
    path="/v1/organizations/cost_report",
    groups={"team": "workspace_id", "model": "description"},
    fields={"team": "workspace_id", "model": "model"},
    filters={},
    buckets={"day": 31},
    shape=BillRow,
)  # fmt: skip
_USAGE = Endpoint(
    path="/v1/organizations/usage_report/messages",
    groups={"team": "workspace_id", "owner": "account_id", "token": "api_key_id", "model": "model"},
    fields={"team": "workspace_id", "owner": "account_id", "token": "api_key_id", "model": "model"},
    filters={"team": "workspace_ids[]", "owner": "account_ids[]", "token": "api_key_ids[]", "model": "models[]"},
    buckets={"day": 31, "hour": 168, "minute": 1440},
    shape=UsageRow,
    always=("model", "service_tier", "context_window", "inference_geo"),
)  # fmt: skip


class AnthropicApi(AdminReport):
    """`ReportApi` of an Anthropic organisation, with an admin key. A workspace is a team, an account an owner."""

    name = "anthropic"
    title = "Anthropic"
    key_help = "it takes an organisation's admin key (ANTHROPIC_ADMIN_KEY, sk-ant-admin…)"
    bill = _BILL
    usage = _USAGE
    offered = Capabilities(
        totals="minute",
        dimensions=dict.fromkeys(("provider", "model", "token", "owner", "team"), "minute"),
        joint=True,
        filters=frozenset({"provider", "model", "token", "token_name", "owner", "team"}),
        measures=frozenset({
            "total_cost", "input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens",
            "prompt_cache_savings", "unpriced_count",
        }),
        lag=timedelta(minutes=5),
        interval=60,
        shortest_interval=60,
        settles=timedelta(hours=6),
        limits={
            "endpoint": "Anthropic does not report by endpoint",
            "user": "Anthropic knows accounts and keys, not the users of your product",
            "tag": "Anthropic's reports have no tags",
            "credential_type": "Anthropic's reports know one kind of key",
            "status": "Anthropic's reports leave out what failed",
            "requests": "Anthropic reports sums of tokens and counts no requests",
        },
    )  # fmt: skip
    # Priority Tier is paid in advance and is not in the cost report.
    off_bill = frozenset({"priority"})
    absent: ClassVar[Mapping[str, str]] = {
        "team": "rows without a team are of the default workspace",
        "token": "rows without a key are of the Console",
        "model": "rows without a model are of tools, such as web search",
    }

    def _headers(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key, "anthropic-version": _VERSION}

    def _name_lists(self) -> Mapping[str, Callable[[], Mapping[str, str]]]:
        return {"team": self._workspaces, "token": self._keys, "owner": self._people}

    def _workspaces(self) -> Mapping[str, str]:
        return self._listed("/v1/organizations/workspaces", [_PAGE, ("include_archived", "true")], "after_id", "name")

    def _keys(self) -> Mapping[str, str]:
        return self._listed("/v1/organizations/api_keys", [_PAGE], "after_id", "name")

    def _people(self) -> Mapping[str, str]:
        return self._listed("/v1/organizations/users", [_PAGE], "after_id", "email")

    def _bounds(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        return [("starting_at", f"{start:%Y-%m-%dT%H:%M:%SZ}"), ("ending_at", f"{end:%Y-%m-%dT%H:%M:%SZ}")]

    def _start_of(self, bucket: Mapping[str, Any]) -> datetime:
        start = datetime.fromisoformat(str(bucket.get("starting_at")))
        return start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)

    def _amount(self, row: BillRow) -> int | None:
        return self.wire.money(_BILL.path, row.amount, row.currency, scale=_CENTS)

    def _usage(self, row: UsageRow, start: datetime) -> Usage:
        created = row.cache_creation or CacheCreation()
        fresh, read = row.uncached_input_tokens, row.cache_read_input_tokens
        short, long = created.ephemeral_5m_input_tokens, created.ephemeral_1h_input_tokens
        short = row.cache_creation_5m_input_tokens if short is None else short
        long = row.cache_creation_1h_input_tokens if long is None else long
        written = None if short is None and long is None else (short or 0) + (long or 0)
        return Usage(
            model=row.model,
            time=start,
            mode=row.service_tier,
            region=row.inference_geo,
            context=_CONTEXTS.get(row.context_window or "", (0, None)),
            input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
            cached_input_tokens=read,
            cache_creation_input_tokens=written,
            cache_creation_1h_tokens=long,
            output_tokens=row.output_tokens,
        )

    def _remark(self, tally: Tally) -> None:
        """Say what our rates leave out of dollars that are not the bill's."""
        if not tally.on_bill and tally.models:
            tally.remarks["web searches, code execution and fast mode are not in these dollars"] = None
