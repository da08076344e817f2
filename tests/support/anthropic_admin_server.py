"""Anthropic's usage and cost admin API on loopback, after its reference pages: cents as text, nested cache creation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from support.admin_server import WIDTHS, AdminServer, Call, Parameters, Refusal, buckets, by_bucket, grouped

LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}
USAGE_GROUPS = {"api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo", "speed",
                "account_id", "service_account_id"}  # fmt: skip
COST_PARAMETERS = {"starting_at", "ending_at", "bucket_width", "group_by[]", "limit", "page"}
FILTERS = {"models[]": "model", "api_key_ids[]": "key", "workspace_ids[]": "project", "account_ids[]": "user",
           "service_tiers[]": "tier"}  # fmt: skip
USAGE_PARAMETERS = COST_PARAMETERS | set(FILTERS) | {"context_window[]", "inference_geos[]"}


@dataclass(frozen=True)
class Line:
    """One part of the bill."""

    time: datetime
    project: str | None
    cost: Decimal
    description: str
    model: str | None = None
    tier: str | None = None
    token_type: str | None = None
    cost_type: str = "tokens"


@dataclass
class AnthropicAdminServer(AdminServer):
    """`charges` are web searches. Calls of the priority tier are not on the bill."""

    def answer(self, path: str, parameters: Parameters, headers: Mapping[str, str]) -> Any:
        # The reference names x-api-key; the client of the `anthropic` package sends a bearer token.
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if given != self.key:
            raise Refusal(401, error("authentication_error", f"invalid x-api-key {given}"))
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", headers.get("anthropic-version", "")):
            raise Refusal(400, error("invalid_request_error", "anthropic-version: header is required"))
        match path:
            case "/v1/organizations/cost_report":
                return self._costs(parameters)
            case "/v1/organizations/usage_report/messages":
                return self._usage(parameters)
            case "/v1/organizations/workspaces":
                return self._list(
                    parameters, [{"type": "workspace", "id": f"proj_{n}", "name": f"Team {n}"} for n in range(3)]
                )
            case "/v1/organizations/api_keys":
                return self._list(
                    parameters, [{"type": "api_key", "id": f"key_{n}", "name": f"Key {n}"} for n in range(4)]
                )
            case "/v1/organizations/users":
                return self._list(parameters, [
                    {"type": "user", "id": f"user-{n}", "email": f"sam{n}@x.test", "name": "Sam"} for n in range(3)
                ])  # fmt: skip
        raise Refusal(404, error("not_found_error", "Not found"))

    def _list(self, parameters: Parameters, items: list[dict[str, Any]]) -> Any:
        if not self.names:
            raise Refusal(500, error("api_error", "Internal server error"))
        asked = dict(parameters)
        if not 1 <= int(asked.get("limit", "20")) <= 1000:
            raise Refusal(400, error("invalid_request_error", "limit: must be at most 1000"))
        # Two to a page, so that a reader must follow them.
        ids = [item["id"] for item in items]
        place = ids.index(asked["after_id"]) + 1 if "after_id" in asked else 0
        shown = items[place : place + 2]
        last = shown[-1]["id"] if shown else None
        return {
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": last,
            "has_more": place + 2 < len(items),
        }

    def _costs(self, parameters: Parameters) -> Any:
        groups = self._checked(parameters, COST_PARAMETERS, {"workspace_id", "description"})
        if dict(parameters).get("bucket_width", "1d") != "1d":
            raise Refusal(400, error("invalid_request_error", "bucket_width: Input should be '1d'"))
        lines = [line for call in self.calls for line in bill_lines(call)]
        lines += [
            Line(charge.time, charge.project, charge.cost, charge.item, cost_type="web_search")
            for charge in self.charges
        ]
        by_description, by_workspace = "description" in groups, "workspace_id" in groups

        def key(line: Line) -> tuple[Any, ...]:
            return (line.project if by_workspace else None, *(describing(line) if by_description else ()))

        def row(_: tuple[Any, ...], found: list[Line]) -> dict[str, Any]:
            cents = sum((line.cost for line in found), Decimal(0)) * 100
            first = found[0] if by_description else Line(found[0].time, None, Decimal(0), "", cost_type="")
            return {
                "amount": format(cents, "f"), "currency": "USD", "cost_type": first.cost_type or None,
                "description": first.description or None, "model": first.model, "service_tier": first.tier,
                "token_type": first.token_type, "context_window": "0-200k" if first.model else None,
                "inference_geo": None, "workspace_id": found[0].project if by_workspace else None,
            }  # fmt: skip

        return self._page(parameters, "1d", lines, key, row)

    def _usage(self, parameters: Parameters) -> Any:
        groups = self._checked(parameters, USAGE_PARAMETERS, USAGE_GROUPS)
        if "speed" in groups:
            raise Refusal(400, error("invalid_request_error", "group_by: speed requires a beta header"))
        calls = self.calls
        for name, attribute in FILTERS.items():
            wanted = {text for given, text in parameters if given == name}
            calls = [call for call in calls if not wanted or getattr(call, attribute) in wanted]
        fields = {"api_key_id": "key", "workspace_id": "project", "model": "model", "service_tier": "tier",
                  "account_id": "user", "inference_geo": "region"}  # fmt: skip

        def told(call: Call, name: str) -> Any:
            if name == "context_window":
                return "200k-1M" if call.input > 200_000 else "0-200k"
            return getattr(call, fields[name]) if name in fields else None

        def key(call: Call) -> tuple[Any, ...]:
            return tuple(told(call, name) for name in groups)

        def row(key: tuple[Any, ...], found: list[Call]) -> dict[str, Any]:
            names = dict(zip(groups, key, strict=True))
            return {
                "uncached_input_tokens": sum(call.fresh for call in found),
                "cache_read_input_tokens": sum(call.cached for call in found),
                "cache_creation": {
                    "ephemeral_5m_input_tokens": sum(call.write for call in found),
                    "ephemeral_1h_input_tokens": sum(call.write_1h for call in found),
                },
                "output_tokens": sum(call.output for call in found),
                "server_tool_use": {"web_search_requests": 0},
                **{name: names.get(name) for name in sorted(USAGE_GROUPS - {"speed"})},
            }

        return self._page(parameters, dict(parameters).get("bucket_width", "1d"), calls, key, row)

    def _checked(self, parameters: Parameters, known: set[str], groupings: set[str]) -> list[str]:
        names = [name for name, _ in parameters]
        unknown = sorted(set(names) - known)
        if unknown:
            raise Refusal(400, error("invalid_request_error", f"{unknown[0]}: Extra inputs are not permitted"))
        if "starting_at" not in names:
            raise Refusal(400, error("invalid_request_error", "starting_at: Field required"))
        groups = [text for name, text in parameters if name == "group_by[]"]
        wrong = sorted(set(groups) - groupings)
        if wrong:
            raise Refusal(400, error("invalid_request_error", f"group_by: Input should be one of {sorted(groupings)}"))
        return groups

    def _page(self, parameters: Parameters, width: str, items: list[Any], key: Any, row: Any) -> Any:
        asked = dict(parameters)
        if width not in LIMITS:
            raise Refusal(400, error("invalid_request_error", "bucket_width: Input should be '1d', '1h' or '1m'"))
        limit = int(asked.get("limit", str(LIMITS[width][0])))
        if not 1 <= limit <= LIMITS[width][1]:
            raise Refusal(400, error("invalid_request_error", f"limit: must be at most {LIMITS[width][1]} for {width}"))
        start = datetime.fromisoformat(asked["starting_at"])
        end = datetime.fromisoformat(asked["ending_at"]) if "ending_at" in asked else self.now
        if end <= start:
            raise Refusal(400, error("invalid_request_error", "ending_at: must be after starting_at"))
        every = buckets(start, end, WIDTHS[width])
        place = int(asked.get("page", "page_0").removeprefix("page_"))
        held = by_bucket(items, WIDTHS[width], self.now)
        data = []
        for begins in every[place : place + limit]:
            found = held.get(begins, [])
            data.append({
                "starting_at": f"{begins:%Y-%m-%dT%H:%M:%SZ}",
                "ending_at": f"{begins + WIDTHS[width]:%Y-%m-%dT%H:%M:%SZ}",
                "results": [row(group, members) for group, members in grouped(found, key)],
            })  # fmt: skip
        more = place + limit < len(every)
        return {"data": data, "has_more": more, "next_page": f"page_{place + limit}" if more else None}


def describing(line: Line) -> tuple[Any, ...]:
    return (line.description, line.model, line.tier, line.token_type, line.cost_type)


def bill_lines(call: Call) -> list[Line]:
    """The bill's lines of a call, by kind of token; none for the priority tier, which is paid in advance."""
    if call.tier == "priority":
        return []
    return [
        Line(call.time, call.project, cost, f"{call.model} Usage - {kind}", call.model, call.tier, kind)
        for kind, cost in call.costs.items()
        if cost
    ]


def error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
