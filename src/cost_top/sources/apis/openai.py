"""OpenAI's admin API: `/organization/costs` in dollars by day, `/organization/usage/completions` in tokens.

Facts: the types of the `openai` package, `types/admin/organization/usage_{costs,completions}_*.py`. Input tokens
include those read from and written to the cache. How far the figures are behind is not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from cost_top.model.errors import one_line
from cost_top.sources.apis.admin_question import Endpoint
from cost_top.sources.apis.admin_report import AdminReport
from cost_top.sources.apis.admin_tally import Tally
from cost_top.sources.apis.shapes import Count, NeededCount, Shape, Text, Unread
from cost_top.sources.apis.usage_priced import Usage
from cost_top.sources.report_api import ApiQuery, Capabilities

BASE_URL = "https://api.openai.com/v1"
_MOST_PROJECTS = 50  # whose keys are read for their names: one question each
_PAGE = ("limit", "100")


class Amount(Shape):
    """A sum of money."""

    value: Unread = None
    currency: Unread = None


class BillRow(Shape):
    """A line of `/organization/costs`."""

    object: Unread = None
    amount: Amount | None = None
    api_key_id: Text = None
    api_source: Unread = None
    line_item: Text = None
    project_id: Text = None
    quantity: Unread = None
    quantity_unit: Unread = None
    user_id: Text = None
    organization_id: Unread = None
    project_name: Unread = None
    organization_name: Unread = None


class UsageRow(Shape):
    """A group of `/organization/usage/completions`."""

    object: Unread = None
    api_key_id: Text = None
    api_source: Unread = None
    batch: Unread = None
    model: Text = None
    project_id: Text = None
    service_tier: Text = None
    user_id: Text = None
    num_model_requests: NeededCount = None
    input_tokens: NeededCount = None
    input_cached_tokens: Count = None
    input_uncached_tokens: Unread = None
    input_text_tokens: Unread = None
    input_audio_tokens: Count = None
    input_image_tokens: Unread = None
    input_cached_text_tokens: Unread = None
    input_cached_audio_tokens: Count = None
    input_cached_image_tokens: Unread = None
    input_cache_write_tokens: Count = None
    input_cache_write_30m_tokens: Unread = None
    input_cache_write_12h_tokens: Unread = None
    output_tokens: NeededCount = None
    output_text_tokens: Unread = None
    output_audio_tokens: Count = None
    output_image_tokens: Unread = None


_BILL = Endpoint(
    path="/organization/costs",
    groups={"team": "project_id", "owner": "user_id", "token": "api_key_id"},
    fields={"team": "project_id", "owner": "user_id", "token": "api_key_id"},
    filters={"team": "project_ids[]", "token": "api_key_ids[]"},
    buckets={"day": 180},
    shape=BillRow,
    # Costs by user and project in one question are refused for some organisations and periods.
    apart=(frozenset({"team", "owner"}),),
)  # fmt: skip
_USAGE = Endpoint(
    path="/organization/usage/completions",
    groups={"team": "project_id", "owner": "user_id", "token": "api_key_id", "model": "model"},
    fields={"team": "project_id", "owner": "user_id", "token": "api_key_id", "model": "model"},
    filters={"team": "project_ids[]", "owner": "user_ids[]", "token": "api_key_ids[]", "model": "models[]"},
    buckets={"day": 31, "hour": 168, "minute": 1440},
    shape=UsageRow,
    always=("model", "batch", "service_tier"),
)  # fmt: skip


class OpenAiApi(AdminReport):
    """`ReportApi` of an OpenAI organisation, with an admin key. A project is a team, a user the owner of keys."""

    name = "openai"
    title = "OpenAI"
    key_help = "it takes an admin key (OPENAI_ADMIN_KEY, sk-admin-…), not a project's key"
    bill = _BILL
    usage = _USAGE
    offered = Capabilities(
        totals="minute",
        dimensions=dict.fromkeys(("provider", "model", "token", "owner", "team"), "minute"),
        joint=True,
        filters=frozenset({"provider", "model", "token", "token_name", "owner", "team"}),
        measures=frozenset({
            "total_cost", "input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens",
            "request_count", "prompt_cache_savings", "unpriced_count",
        }),
        lag=timedelta(minutes=5),
        interval=60,
        shortest_interval=60,
        settles=timedelta(hours=24),
        limits={
            "endpoint": "OpenAI does not report by endpoint",
            "user": "OpenAI knows the owners of keys, not the users of your product",
            "tag": "OpenAI's reports have no tags",
            "credential_type": "OpenAI's reports know one kind of key",
            "status": "OpenAI's reports leave out what failed",
            "requests": "OpenAI reports sums, not single requests",
        },
    )  # fmt: skip

    def _headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def _name_lists(self) -> Mapping[str, Callable[[], Mapping[str, str]]]:
        return {"team": self._projects, "token": self._keys, "owner": self._people}

    def _projects(self) -> Mapping[str, str]:
        return self._listed("/organization/projects", [_PAGE, ("include_archived", "true")], "after", "name")

    def _people(self) -> Mapping[str, str]:
        # Two people may have one name, but not one address.
        return self._listed("/organization/users", [_PAGE], "after", "email")

    def _keys(self) -> Mapping[str, str]:
        names: dict[str, str] = {}
        for project in list(self._projects())[:_MOST_PROJECTS]:
            names |= self._listed(
                f"/organization/projects/{quote(project, safe='')}/api_keys", [_PAGE], "after", "name"
            )
        return names

    def _bounds(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        return [("start_time", str(int(start.timestamp()))), ("end_time", str(int(end.timestamp())))]

    def _start_of(self, bucket: Mapping[str, Any]) -> datetime:
        value = bucket.get("start_time")
        if value is None:
            raise ValueError("no start_time")
        return datetime.fromtimestamp(int(value), UTC)

    def _amount(self, row: BillRow) -> int | None:
        found = row.amount or Amount()
        return self.wire.money(_BILL.path, found.value, found.currency)

    def _usage(self, row: UsageRow, start: datetime) -> Usage:
        return Usage(
            model=row.model,
            time=start,
            mode="batch" if row.batch in (True, "true") else row.service_tier,
            request_count=row.num_model_requests,
            input_tokens=row.input_tokens,
            cached_input_tokens=row.input_cached_tokens,
            cache_creation_input_tokens=row.input_cache_write_tokens,
            output_tokens=row.output_tokens,
            audio_input_tokens=row.input_audio_tokens,
            audio_cached_tokens=row.input_cached_audio_tokens,
            audio_output_tokens=row.output_audio_tokens,
        )

    def _bill_extra(self, question: ApiQuery) -> tuple[str, ...]:
        return ("line_item",) if question.dimension in (None, "provider") else ()

    def _bill_row(self, row: BillRow, amount: int | None, tally: Tally) -> None:
        # A line item is `MODEL, KIND`, or the name of a service.
        item = (row.line_item or "").partition(",")[0].strip()
        if item and amount:
            tally.items[item] = tally.items.get(item, 0) + amount

    def _remark(self, tally: Tally) -> None:
        """Say which dollars have no tokens beside them: embeddings, images and tools have reports of their own."""
        if not tally.on_bill:
            return
        models = {model.lower() for model in tally.models}
        others = [item for item in tally.items if item.lower() not in models]
        if others:
            named = ", ".join(one_line(item, 40) for item in sorted(others, key=lambda name: -tally.items[name])[:3])
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            tally.remarks[f"tokens and requests are of completions only; the bill also holds {named}{more}"] = None
