"""OpenAI's admin API on loopback, after the types of the `openai` package: costs, completions usage, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from support.admin_server import WIDTHS, AdminServer, Call, Charge, Parameters, Refusal, buckets, by_bucket, grouped

COST_GROUPS = {"project_id", "user_id", "line_item", "api_key_id", "api_source"}
USAGE_GROUPS = {"project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"}
COST_PARAMETERS = {"start_time", "end_time", "bucket_width", "group_by[]", "project_ids[]", "api_key_ids[]",
                   "line_items[]", "limit", "page"}  # fmt: skip
USAGE_PARAMETERS = {"start_time", "end_time", "bucket_width", "group_by[]", "models[]", "project_ids[]", "user_ids[]",
                    "api_key_ids[]", "batch", "limit", "page"}  # fmt: skip
USAGE_LIMITS = {"1m": (60, 1440), "1h": (24, 168), "1d": (7, 31)}


@dataclass
class OpenAiAdminServer(AdminServer):
    """`texts`: amounts and counts are spelled as JSON strings."""

    texts: bool = False

    def answer(self, path: str, parameters: Parameters, headers: Mapping[str, str]) -> Any:
        given = headers.get("authorization", "")
        if not given.startswith("Bearer sk-admin-"):
            raise Refusal(
                403,
                error(f"You have insufficient permissions with {given[7:]}. Missing scopes: api.usage.read."),
            )
        if given != f"Bearer {self.key}":
            raise Refusal(401, error(f"Incorrect API key provided: {given[7:]}.", "invalid_api_key"))
        match path.removeprefix("/v1/organization/").split("/"):
            case ["costs"]:
                return self._costs(parameters)
            case ["usage", "completions"]:
                return self._usage(parameters)
            case ["projects"]:
                return self._list(parameters, [
                    {"object": "organization.project", "id": f"proj_{n}", "created_at": 1, "name": f"Project {n}"}
                    for n in range(3)
                ])  # fmt: skip
            case ["users"]:
                return self._list(parameters, [
                    {
                        "object": "organization.user", "id": f"user-{n}", "added_at": 1, "name": "Sam",
                        "email": f"sam{n}@x.test",
                    }
                    for n in range(3)
                ])  # fmt: skip
            case ["projects", project, "api_keys"]:
                number = int(project.removeprefix("proj_"))
                keys = [n for n in range(4) if n % 3 == number]
                return self._list(parameters, [{
                    "object": "organization.project.api_key", "id": f"key_{n}", "created_at": 1, "name": f"Key {n}",
                    "owner": {"type": "user"}, "owner_project_access": "active", "redacted_value": "sk-...",
                } for n in keys])  # fmt: skip
        raise Refusal(404, error(f"Invalid URL (GET {path})"))

    def _list(self, parameters: Parameters, items: list[dict[str, Any]]) -> Any:
        asked = dict(parameters)
        if not self.names:
            raise Refusal(403, error("Missing scopes: api.management.read."))
        # One to a page, so that a reader must follow them.
        ids = [item["id"] for item in items]
        place = ids.index(asked["after"]) + 1 if "after" in asked else 0
        shown = items[place : place + 1]
        last = shown[-1]["id"] if shown else None
        return {"object": "list", "data": shown, "first_id": last, "last_id": last, "has_more": place + 1 < len(items)}

    def _costs(self, parameters: Parameters) -> Any:
        check(parameters, COST_PARAMETERS)
        groups = listed(parameters, "group_by[]", COST_GROUPS)
        if {"user_id", "project_id"} <= {*groups, *("project_id" for n, _ in parameters if n == "project_ids[]")}:
            raise Refusal(400, error("user_id cannot be combined with project_id for this organization."))
        if dict(parameters).get("bucket_width", "1d") != "1d":
            raise Refusal(400, error("Invalid value for bucket_width: only 1d is supported."))
        lines = [line for call in self.calls for line in cost_lines(call)] + self.charges
        lines = chosen(lines, parameters, {"project_ids[]": "project", "api_key_ids[]": "key", "line_items[]": "item"})

        def row(key: tuple[Any, ...], found: list[Charge]) -> dict[str, Any]:
            amount = sum((line.cost for line in found), Decimal(0))
            names = dict(zip(groups, key, strict=True))
            return {
                "object": "organization.costs.result",
                "amount": {"value": format(amount, "f") if self.texts else amount, "currency": "usd"},
                "line_item": names.get("line_item"), "project_id": names.get("project_id"),
                "api_key_id": names.get("api_key_id"), "user_id": names.get("user_id"),
            }  # fmt: skip

        fields = {"project_id": "project", "user_id": "user", "line_item": "item", "api_key_id": "key"}
        return self._page(parameters, "1d", (7, 180), lines, [fields[name] for name in groups], row)

    def _usage(self, parameters: Parameters) -> Any:
        check(parameters, USAGE_PARAMETERS)
        groups = listed(parameters, "group_by[]", USAGE_GROUPS)
        width = dict(parameters).get("bucket_width", "1d")
        if width not in USAGE_LIMITS:
            raise Refusal(400, error(f"Invalid value for bucket_width: {width}."))
        filters = {"project_ids[]": "project", "api_key_ids[]": "key", "user_ids[]": "user", "models[]": "model"}
        calls = chosen(self.calls, parameters, filters)

        def number(value: int) -> Any:
            return str(value) if self.texts else value

        def row(key: tuple[Any, ...], found: list[Call]) -> dict[str, Any]:
            names = dict(zip(groups, key, strict=True))
            return {
                "object": "organization.usage.completions.result",
                "input_tokens": number(sum(call.fresh + call.cached + call.write for call in found)),
                "input_cached_tokens": number(sum(call.cached for call in found)),
                "input_cache_write_tokens": number(sum(call.write for call in found)),
                "input_uncached_tokens": number(sum(call.fresh for call in found)),
                "input_audio_tokens": number(0),
                "output_tokens": number(sum(call.output for call in found)),
                "output_audio_tokens": number(0),
                "num_model_requests": number(len(found)),
                **{name: names.get(name) for name in ("project_id", "user_id", "api_key_id", "model", "batch")},
                "service_tier": names.get("service_tier"),
            }

        fields = {"project_id": "project", "user_id": "user", "api_key_id": "key", "model": "model", "batch": "batch",
                  "service_tier": "tier"}  # fmt: skip
        return self._page(parameters, width, USAGE_LIMITS[width], calls, [fields[name] for name in groups], row)

    def _page(
        self, parameters: Parameters, width: str, limits: tuple[int, int], items: list[Any], fields: list[str], row: Any
    ) -> Any:
        asked = dict(parameters)
        limit = whole(asked.get("limit", str(limits[0])), "limit")
        if not 1 <= limit <= limits[1]:
            raise Refusal(400, error(f"Invalid 'limit': must be between 1 and {limits[1]}."))
        start = datetime.fromtimestamp(whole(asked["start_time"], "start_time"), UTC)
        end = datetime.fromtimestamp(whole(asked["end_time"], "end_time"), UTC) if "end_time" in asked else self.now
        if end <= start:
            raise Refusal(400, error("end_time must be after start_time."))
        every = buckets(start, end, WIDTHS[width])
        place = whole(asked.get("page", "page_0").removeprefix("page_"), "page")
        held = by_bucket(items, WIDTHS[width], self.now)
        data = []
        for begins in every[place : place + limit]:
            found = held.get(begins, [])
            keys = grouped(found, lambda item: tuple(value(item, name) for name in fields))
            data.append({
                "object": "bucket", "start_time": int(begins.timestamp()),
                "end_time": int((begins + WIDTHS[width]).timestamp()),
                "results": [row(key, group) for key, group in keys],
            })  # fmt: skip
        more = place + limit < len(every)
        return {
            "object": "page",
            "data": data,
            "has_more": more,
            "next_page": f"page_{place + limit}" if more else None,
        }


def value(item: Any, name: str) -> Any:
    if name == "batch":
        return item.tier == "batch"
    if name == "tier":
        return "default" if item.tier == "batch" else item.tier
    return getattr(item, name)


def cost_lines(call: Call) -> list[Charge]:
    """The bill's lines of a call: `MODEL, KIND`."""
    return [
        Charge(call.time, f"{call.model}, {kind}", cost, call.key, call.project, call.user)
        for kind, cost in call.costs.items()
        if cost
    ]


def chosen(items: list[Any], parameters: Parameters, filters: Mapping[str, str]) -> list[Any]:
    for name, attribute in filters.items():
        wanted = {text for given, text in parameters if given == name}
        items = [item for item in items if not wanted or getattr(item, attribute) in wanted]
    return items


def check(parameters: Parameters, known: set[str]) -> None:
    names = [name for name, _ in parameters]
    unknown = sorted(set(names) - known)
    if unknown:
        raise Refusal(400, error(f"Unknown parameter: '{unknown[0]}'.", "unknown_parameter"))
    if "start_time" not in names:
        raise Refusal(400, error("Missing required parameter: 'start_time'.", "missing_required_parameter"))
    twice = [name for name in names if names.count(name) > 1 and not name.endswith("[]")]
    if twice:
        raise Refusal(400, error(f"Duplicate parameter: '{twice[0]}'."))


def listed(parameters: Parameters, name: str, allowed: set[str]) -> list[str]:
    found = [text for given, text in parameters if given == name]
    for text in found:
        if text not in allowed:
            raise Refusal(400, error(f"Invalid value: '{text}'. Supported values are: {sorted(allowed)}."))
    return found


def whole(text: str, name: str) -> int:
    if not text.isdigit():
        raise Refusal(400, error(f"Invalid type for '{name}': expected an integer."))
    return int(text)


def error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
