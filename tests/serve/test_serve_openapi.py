"""OpenAPI tells the truth, the page needs nothing from elsewhere, and no parameter breaks the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_top.model.query import Measures, Report, ReportRow, key_columns
from cost_top.model.waste import LINES
from cost_top.serve.parameters import GROUPINGS, ReportParameters, RequestsParameters
from cost_top.serve.shapes import ErrorAnswer, ReportAnswer
from cost_top.serve.tokens import Token, digest_of
from support.served_double import HubDouble, app_of

PATHS = {
    "/v1/report": {"get"}, "/v1/credits": {"get"}, "/v1/keys/{id}/usage": {"get"}, "/v1/requests": {"get"},
    "/v1/live": {"get", "post"}, "/v1/find": {"post"}, "/v1/unpriced": {"post"}, "/v1/refresh": {"post"},
    "/v1/why": {"get"}, "/v1/savings": {"get"}, "/v1/waste": {"get"}, "/v1/ledger": {"get"},
    "/v1/budgets": {"get"}, "/v1/incidents": {"get"}, "/v1/guard": {"post"}, "/v1/guard/{reservation}": {"delete"},
    "/metrics": {"get"}, "/healthz": {"get"},
}  # fmt: skip


def document_of(**options: Any) -> dict[str, Any]:
    document: dict[str, Any] = app_of(HubDouble(), **options).openapi()
    return document


def get(app: Any, path: str, **parameters: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
            return await client.get(path, params=parameters)

    return asyncio.run(ask())


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_it_describes_every_path_its_parameters_and_its_errors():
    document = document_of()
    assert {path: set(methods) for path, methods in document["paths"].items()} == PATHS
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert ("422" in operation["responses"]) == (path == "/v1/guard")
            if path != "/healthz":
                for status in ("400", "401", "429", "500", "503"):
                    schema = operation["responses"][status]["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}
    for path, model in (("/v1/report", ReportParameters), ("/v1/requests", RequestsParameters)):
        told = {parameter["name"]: parameter for parameter in document["paths"][path]["get"]["parameters"]}
        assert set(told) == set(model.model_fields)
        assert all(parameter.get("description") for parameter in told.values())
        assert not any(parameter["required"] or "anyOf" in parameter["schema"] for parameter in told.values())
    assert told["waste"]["schema"]["enum"] == [*LINES, "total"]
    assert references(document) <= set(document["components"]["schemas"])


def test_it_asks_for_a_token_where_the_server_does():
    assert all(operation["security"] == [] for methods in document_of()["paths"].values()
               for operation in methods.values())  # fmt: skip
    guarded = document_of(tokens=(Token("a", digest_of("a" * 16)),))
    assert guarded["security"] == [{"token": []}]
    opened = [path for path, methods in guarded["paths"].items() for one in methods.values() if "security" in one]
    assert opened == ["/healthz"]


class Page(HTMLParser):
    """Collects tags, what they point to, and the style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            assert not name.startswith("on")
            assert name != "style"
            if name in ("href", "src"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.add(value or "")


def test_the_page_is_whole_by_itself():
    response = get(app_of(HubDouble()), "/docs")
    page = Page(response.text)
    assert not page.tags & {"script", "link", "img", "iframe", "form", "object"}
    targets = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert [link for link in page.links if not link.startswith("#")] == ["openapi.json"]
    assert set(targets) <= page.ids
    for path in PATHS:
        assert path in response.text
    policy = response.headers["content-security-policy"]
    style = re.search(r"<style>(.*)</style>", response.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert get(app_of(HubDouble()), "/openapi.json").json() == document_of()


@pytest.mark.parametrize("path", ["/v1/report?since=1d", "/nothing", "/healthz", "/docs", "/metrics", "/v1/report"])
def test_every_answer_is_sealed(path):
    headers = get(app_of(HubDouble()), path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


NAMES = [*ReportParameters.model_fields, "cursor", "Since", "group_by[]", "x"]
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["1d", "now", "2026-11-01", "2026-11-30", "day", "hour", "any", "byok", "UTC", "Europe/Berlin", "5"]
    ),
    st.sampled_from(GROUPINGS),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.lists(st.sampled_from(GROUPINGS), max_size=6).map(",".join),
    st.lists(st.sampled_from(["user:acme", "-tag:*", "cost:>1", "bare", '"q"', "a:b"]), max_size=3).map(" ".join),
)


def some_report(query: Any) -> Report:
    columns = key_columns(query.group_by)
    rows = (ReportRow(tuple(None for _ in columns), Measures(total_cost=1)),)
    return Report(columns, rows, Measures(total_cost=1), 1, HubDouble().now)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), st.sampled_from(["/v1/report", "/v1/requests"]))
def test_no_parameter_breaks_the_server(parameters, path):
    hub = HubDouble(answer=some_report)
    response = get(app_of(hub), path, **parameters)
    assert response.status_code in (200, 400), response.text
    if response.status_code == 400:
        error = ErrorAnswer.model_validate(response.json()).error
        assert error.type == "invalid_request_error"
        assert error.message.isprintable()
        assert not hub.asked
    elif path == "/v1/report":
        ReportAnswer.model_validate(response.json())
        (query,) = hub.asked
        assert query.start < query.end
        assert query.start.tzinfo is not None
        assert len(query.group_by) <= 4


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_no_cursor_or_key_breaks_the_server(text):
    app = app_of(HubDouble())
    assert get(app, "/v1/requests", since="1d", cursor=text).status_code in (200, 400)
    from urllib.parse import quote

    assert get(app, f"/v1/keys/{quote(text, safe='')}/usage").status_code == 404
