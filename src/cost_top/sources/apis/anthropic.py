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
from cost_top.sources.apis.admin_wire import text
from cost_top.sources.apis.usage_priced import Usage
from cost_top.sources.report_api import Capabilities

BASE_URL = "https://api.anthropic.com"
_VERSION = "2023-06-01"
_CENTS = -2  # amounts are in 10^-2 dollars
_PAGE = ("limit", "1000")
# Input tokens of a single request: more than, at most.
_CONTEXTS: Mapping[str, tuple[int, int | None]] = {"0-200k": (0, 200_000), "200k-1M": (200_000, None)}

_BILL = Endpoint(
    path="/v1/organizations/cost_report",
    groups={"team": "workspace_id", "model": "description"},
    fields={"team": "workspace_id", "model": "model"},
    filters={},
    buckets={"day": 31},
    known=frozenset({
        "amount", "currency", "cost_type", "description", "model", "token_type", "service_tier", "context_window",
        "inference_geo", "speed", "workspace_id",
    }),
)  # fmt: skip
_USAGE = Endpoint(
    path="/v1/organizations/usage_report/messages",
    groups={"team": "workspace_id", "owner": "account_id", "token": "api_key_id", "model": "model"},
    fields={"team": "workspace_id", "owner": "account_id", "token": "api_key_id", "model": "model"},
    filters={"team": "workspace_ids[]", "owner": "account_ids[]", "token": "api_key_ids[]", "model": "models[]"},
    buckets={"day": 31, "hour": 168, "minute": 1440},
    known=frozenset({
        "uncached_input_tokens", "cache_read_input_tokens", "cache_creation", "output_tokens", "server_tool_use",
        "model", "api_key_id", "workspace_id", "service_tier", "context_window", "inference_geo", "speed",
        "account_id", "service_account_id",
        # The flat spelling of a third-party schema.
        "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens",
    }),
    always=("model", "service_tier", "context_window"),
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

    def _amount(self, row: Mapping[str, Any]) -> int | None:
        return self.wire.money(_BILL.path, row.get("amount"), row.get("currency"), scale=_CENTS)

    def _usage(self, row: Mapping[str, Any], start: datetime) -> Usage:
        created = row.get("cache_creation")
        created = created if isinstance(created, dict) else {}
        fresh = self.wire.count(_USAGE.path, row, "uncached_input_tokens", needed=True)
        read = self.wire.count(_USAGE.path, row, "cache_read_input_tokens", needed=True)
        short = self.wire.count(_USAGE.path, created, "ephemeral_5m_input_tokens")
        if short is None:
            short = self.wire.count(_USAGE.path, row, "cache_creation_5m_input_tokens")
        long = self.wire.count(_USAGE.path, created, "ephemeral_1h_input_tokens")
        if long is None:
            long = self.wire.count(_USAGE.path, row, "cache_creation_1h_input_tokens")
        written = None if short is None and long is None else (short or 0) + (long or 0)
        return Usage(
            model=text(row.get("model")),
            time=start,
            mode=text(row.get("service_tier")),
            context=_CONTEXTS.get(text(row.get("context_window")) or "", (0, None)),
            input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
            cached_input_tokens=read,
            cache_creation_input_tokens=written,
            cache_creation_1h_tokens=long,
            output_tokens=self.wire.count(_USAGE.path, row, "output_tokens", needed=True),
        )

    def _remark(self, tally: Tally) -> None:
        """Say what our rates leave out of dollars that are not the bill's."""
        if not tally.on_bill and tally.models:
            tally.remarks[
                "web searches, code execution, fast mode and regional surcharges are not in these dollars"
            ] = None
