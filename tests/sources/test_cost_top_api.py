"""Reports and requests of another cost-top: exact figures, unknown ones unknown, pages followed, faults in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cost_top.model.engine import Position
from cost_top.model.errors import CannotAnswer, SourceDenied, SourceError, SourceThrottled, UserError
from cost_top.model.filter import parse_filter
from cost_top.model.query import MEASURES, Measures, ReportQuery, known_measures
from cost_top.model.view import View
from cost_top.sources.cost_top.client import CostTopClient
from support.cost_top_server import Asked, FakeServe, serving

START = datetime(2026, 11, 1, 0, 0, 0, 1, tzinfo=UTC)
END = datetime(2026, 11, 21, 14, 3, 22, 123456, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
REPORT: dict[str, Any] = {
    "results": [], "totals": {"total_cost": 0}, "since": "x", "until": "x", "as_of": "2026-11-21T14:03:20+00:00",
    "source": "litellm@prod", "notes": [], "row_count": 0,
}  # fmt: skip


def query(*group_by: str, **others: Any) -> ReportQuery:
    return ReportQuery(START, END, group_by, **others)


@pytest.fixture
def serve() -> Iterator[FakeServe]:
    with serving(FakeServe(lambda view: None)) as server:  # type: ignore[arg-type, return-value]
        yield server


@pytest.fixture
def client(serve: FakeServe) -> Iterator[CostTopClient]:
    client = CostTopClient(serve.url, "")
    yield client
    client.close()


def test_the_question_as_parameters(serve: FakeServe, client: CostTopClient) -> None:
    serve.answers["/v1/report"] = REPORT
    where = parse_filter('tag:prod -model:"a*b" cost:>0.05')
    client.report(query("day", "token", "token_name", zone=BERLIN, where=where, sort="request_count", limit=7))
    assert serve.asked[-1].parameters == {
        "since": "2026-11-01T00:00:00.000001+00:00", "until": "2026-11-21T14:03:22.123456+00:00",
        "tz": "Europe/Berlin", "where": 'tag:prod -model:"a*b" cost:>0.05', "group_by": "day,token,api_key_name",
        "sort": "request_count", "limit": "7",
    }  # fmt: skip
    assert "where" not in (client.report(query("model")), serve.asked[-1].parameters)[1]
    with pytest.raises(UserError, match="--tz"):
        client.report(query(zone=timezone(timedelta(hours=1))))


def test_figures_are_exact_and_unknown_ones_are_unknown(serve: FakeServe, client: CostTopClient) -> None:
    told = {
        "total_cost": "12345678.123456789012", "market_cost": "9007199254740993.000000000001", "input_tokens": "3",
        "prompt_cache_savings": "-0.000000000001",
    }  # fmt: skip
    row = ", ".join(f'"{name}": {figure}' for name, figure in told.items())
    text = (
        '{"results": [{"model": "gpt\\u001b[31m-4o", ' + row + '}, {"total_cost": 1, "unpriced_count": 2}], '
        '"totals": {"total_cost": 0.1, "request_count": 5}, "as_of": "2026-11-21T15:03:20+01:00", '
        '"source": "log", "notes": ["a\\u0007b"], "row_count": 2, "new": {}}'
    )
    serve.answers["/v1/report"] = text
    report = client.report(query("model"))
    assert [row.key for row in report.rows] == [("gpt[31m-4o",), (None,)]
    assert report.rows[0].measures == known_measures(
        12345678123456789012, market_cost=9007199254740993000000000001, input_tokens=3, prompt_cache_savings=-1
    )
    assert report.rows[1].measures == known_measures(10**12, unpriced_count=2)
    assert report.totals == known_measures(10**11, request_count=5)
    assert (report.columns, report.row_count, report.notes) == (("model",), 2, ("ab",))
    assert report.as_of == datetime(2026, 11, 21, 14, 3, 20, tzinfo=UTC)
    assert client.label == f"log @ 127.0.0.1:{serve.port}"


def test_every_measure_is_read(serve: FakeServe, client: CostTopClient) -> None:
    figures = {name: number for number, name in enumerate(MEASURES, 1)}
    serve.answers["/v1/report"] = {**REPORT, "totals": figures}
    money = ("total_cost", "market_cost", "saved_by_cache", "prompt_cache_savings")
    wanted = Measures(**{name: n * 10**12 if name in money else n for name, n in figures.items()})
    report = client.report(query())
    assert report.totals == wanted
    assert [(row.key, row.measures) for row in report.rows] == [((), wanted)]
    assert report.row_count == 1


def rows(*costs: tuple[str | None, int]) -> dict[str, Any]:
    results = [({} if name is None else {"user": name}) | {"total_cost": cost} for name, cost in costs]
    return {**REPORT, "results": results, "row_count": len(results)}


def test_rows_are_ordered_as_every_source_orders_them(serve: FakeServe, client: CostTopClient) -> None:
    serve.answers["/v1/report"] = rows(("b", 1), (None, 5), ("a", 1), ("c", 9))

    def names(**order: Any) -> list[str | None]:
        return [row.key[0] for row in client.report(query("user", **order)).rows]

    assert names() == ["c", None, "a", "b"]
    assert names(descending=False, limit=2) == ["a", "b"]
    assert serve.asked[-1].parameters["limit"] == "10000", "the smallest are among all"
    assert names(sort="user", descending=False) == ["a", "b", "c", None]
    assert names(sort="user", descending=True) == ["c", "b", "a", None]
    assert names(sort="input_tokens") == ["a", "b", "c", None], "what is unknown everywhere leaves the names"
    serve.answers["/v1/report"] = {**rows(("b", 1)), "row_count": 20_000}
    assert client.report(query("user", limit=1)).row_count == 20_000
    with pytest.raises(CannotAnswer, match="largest first"):
        client.report(query("user", descending=False, limit=1))


def test_hours_and_names_of_keys(serve: FakeServe, client: CostTopClient) -> None:
    serve.answers["/v1/report"] = {
        **REPORT,
        "results": [{"hour": "2026-11-01T09", "token": "k", "token_name": "n", "total_cost": 1}],
    }
    assert client.report(query("hour", "token")).rows[0].key == ("2026-11-01T09:00:00+00:00", "k", "n")
    serve.answers["/v1/report"] = {
        **REPORT,
        "results": [{"hour": "2026-11-01T09:00:00+01:00", "api_key_name": "n", "total_cost": 1}],
    }
    assert client.report(query("hour", "token_name")).rows[0].key == ("2026-11-01T09:00:00+01:00", "n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<html>", "web page instead of JSON"),
        ('{"results": [', "not JSON"),
        ([], "malformed report: not an object"),
        ({}, "malformed report: totals: total_cost is missing"),
        ({**REPORT, "totals": None}, "totals: total_cost is missing"),
        ({**REPORT, "results": {}}, "an object where a list"),
        ({**REPORT, "results": [1]}, "results: total_cost is missing"),
        ({**REPORT, "results": [{"user": "x"}]}, "results: total_cost is missing"),
        ({**REPORT, "results": [{"user": 5, "total_cost": 1}]}, "user: a number where a text"),
        ({**REPORT, "results": [{"total_cost": "1.5"}]}, "total_cost: not an amount"),
        ({**REPORT, "results": [{"total_cost": None}]}, "total_cost: not an amount"),
        ({**REPORT, "results": [{"total_cost": True}]}, "total_cost: not an amount"),
        ({**REPORT, "results": [{"total_cost": 1, "request_count": 1.5}]}, "a fraction where a whole number"),
        ('{"totals": {"total_cost": 1e300}, "as_of": "2026-11-21T14:03:20Z"}', "too large"),
        ({**REPORT, "as_of": "now"}, "as_of: 'now' is no time"),
        ({**REPORT, "as_of": "2026-11-21T14:03:20"}, "as_of: an instant without"),
        ({**REPORT, "row_count": None}, "row_count: nothing where a whole number"),
        ({**REPORT, "notes": "x"}, "a text where a list"),
        ({**REPORT, "source": 3}, "source: a number where a text"),
    ],
)  # fmt: skip
def test_a_report_that_is_none_is_one_line(serve: FakeServe, client: CostTopClient, answer: Any, said: str) -> None:
    serve.answers["/v1/report"] = answer
    with pytest.raises(SourceError, match=said) as refused:
        client.report(query("user"))
    assert str(refused.value).startswith(f"127.0.0.1:{serve.port}: ")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, CannotAnswer), (404, CannotAnswer), (401, SourceDenied), (403, SourceDenied), (429, SourceThrottled),
     (500, SourceError)],
)  # fmt: skip
def test_errors_keep_their_kind(serve: FakeServe, client: CostTopClient, status: int, kind: type[Exception]) -> None:
    serve.answers["/v1/report"] = (status, {"error": {"message": "because", "type": "x"}})
    with pytest.raises(kind, match="because"):
        client.report(query("user"))


def request(number: int, time: datetime, **others: Any) -> dict[str, Any]:
    row = dict.fromkeys(
        ("provider", "model", "endpoint", "token", "token_name", "user", "owner", "team", "credential_type",
         "input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "output_tokens", "reasoning_tokens",
         "cost", "market_cost", "saved_by_cache", "prompt_cache_savings", "cache_hit", "latency_ms", "status",
         "streamed", "client_ip", "user_agent", "matched_model")
    )  # fmt: skip
    return {
        **row,
        "id": f"r{number:04}",
        "time": time.isoformat(),
        "tags": ["prod"],
        "price_status": "priced",
        **others,
    }


def paged(everything: list[dict[str, Any]]) -> Callable[[Asked], Any]:
    """Pages by an opaque cursor, newest first, over a period."""
    everything.sort(key=lambda row: row["id"])
    everything.sort(key=lambda row: row["time"], reverse=True)

    def answer(asked: Asked) -> Any:
        until = datetime.fromisoformat(asked.parameters["until"])
        found = [row for row in everything if datetime.fromisoformat(row["time"]) < until]
        start = int(asked.parameters.get("cursor", "at-0").removeprefix("at-"))
        limit = int(asked.parameters["limit"])
        assert 1 <= limit <= 1000
        following = f"at-{start + limit}" if start + limit < len(found) else None
        return {"data": found[start : start + limit], "next_cursor": following}

    return answer


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("size", [1, 7, 300])
def test_every_request_comes_once_whatever_the_page(serve: FakeServe, remembers: bool, size: int) -> None:
    # Seven at each instant: pages end between requests of one time.
    everything = [
        request(number, END - timedelta(minutes=1 + number // 7)) for number in range({1: 12, 7: 40}.get(size, 1200))
    ]
    serve.answers["/v1/requests"] = paged(everything)
    client = CostTopClient(serve.url, "")
    found: list[str] = []
    after: Position | None = None
    while True:
        page = client.requests(query(limit=size), after)
        assert len(page.rows) <= size
        found += [row.id for row in page.rows]
        after = page.following
        if after is None:
            break
        assert len(page.rows) == size
        if not remembers:
            client.close()
            client = CostTopClient(serve.url, "")
    assert found == [row["id"] for row in everything]
    client.close()


def test_a_page_may_be_longer_than_the_servers(serve: FakeServe, client: CostTopClient) -> None:
    everything = [request(number, END - timedelta(minutes=1 + number)) for number in range(2_300)]
    serve.answers["/v1/requests"] = paged(everything)
    page = client.requests(query(limit=2_200))
    assert [row.id for row in page.rows] == [row["id"] for row in everything[:2_200]]
    assert [asked.parameters["limit"] for asked in serve.asked] == ["1000", "1000", "200"]
    assert [row.id for row in client.requests(query(limit=2_200), page.following).rows] == [
        row["id"] for row in everything[2_200:]
    ]


def test_the_fields_of_a_request(serve: FakeServe, client: CostTopClient) -> None:
    money = (
        '"cost": 0.000000000001, "market_cost": 9007.199254740993, "saved_by_cache": null, "prompt_cache_savings": -1'
    )
    serve.answers["/v1/requests"] = (
        '{"data": [{"id": "r\\u001b[2J", "time": "2026-11-21T15:03:20.5+01:00", "provider": "p", "model": null, '
        '"endpoint": null, "token": null, "token_name": null, "user": "u", "owner": null, "team": null, "tags": ["a"], '
        '"credential_type": null, "input_tokens": 5, "cached_input_tokens": null, "cache_creation_input_tokens": null, '
        f'"output_tokens": 0, "reasoning_tokens": null, {money}, "price_status": "priced", "cache_hit": false, '
        '"latency_ms": 12, "status": 200, "streamed": null, "client_ip": null, "user_agent": null, "more": 1}], '
        '"next_cursor": null}'
    )
    (row,) = client.requests(query()).rows
    assert (row.id, row.time) == ("r[2J", datetime(2026, 11, 21, 14, 3, 20, 500_000, tzinfo=UTC))
    assert (row.cost, row.market_cost, row.saved_by_cache, row.prompt_cache_savings) == (
        1, 9007199254740993, None, -(10**12),
    )  # fmt: skip
    assert (row.input_tokens, row.output_tokens, row.reasoning_tokens, row.cache_hit) == (5, 0, None, False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": None}, "nothing where a list"),
        ({"data": [5]}, "a request is no object"),
        ({"data": [{}]}, "is missing"),
        ({"data": [request(1, END, cost="1.5")]}, "cost: not an amount"),
        ({"data": [request(1, END, tags="prod")]}, "tags: a text where a list"),
        ({"data": [{**request(1, END), "time": 5}]}, "time: a number where a time"),
        ({"data": [], "next_cursor": 5}, "next_cursor is no text"),
        ({"data": [], "next_cursor": "again"}, "a page leads to itself"),
    ],
)
def test_requests_that_are_none_are_one_line(serve: FakeServe, client: CostTopClient, answer: Any, said: str) -> None:
    serve.answers["/v1/requests"] = answer
    with pytest.raises(SourceError, match=said):
        client.requests(query())


def test_balances(serve: FakeServe, client: CostTopClient) -> None:
    assert client.credits() is None, "404: the source knows none"
    serve.answers["/v1/credits"] = {"balance": "95.50", "total_used": "4.500000000001"}
    found = client.credits()
    assert found is not None
    assert (found.balance, found.total_used) == (95_500_000_000_000, 4_500_000_000_001)
    serve.answers["/v1/credits"] = {"balance": "-1"}
    found = client.credits()
    assert found is not None
    assert (found.balance, found.total_used) == (-(10**12), None)
    for wrong in ({"balance": 95.5}, {"balance": "much"}, {"balance": "nan"}, {"balance": "1" * 100}, []):
        serve.answers["/v1/credits"] = wrong
        with pytest.raises(SourceError, match="malformed balance"):
            client.credits()
    serve.answers["/v1/credits"] = (403, {"error": {"message": "not with this token", "type": "forbidden"}})
    with pytest.raises(SourceDenied):
        client.credits()


def test_unpriced_models_come_from_the_report(serve: FakeServe, client: CostTopClient) -> None:
    serve.answers["/v1/report"] = {
        **REPORT,
        "results": [
            {"provider": "acme", "model": "unheard-of", "total_cost": 0, "request_count": 3, "input_tokens": 8}
        ],
    }
    (model,) = client.unpriced(query(where=parse_filter("tag:prod")))
    asked = serve.asked[-1].parameters
    assert (asked["where"], asked["sort"], asked["limit"]) == ("tag:prod unpriced:yes", "input_tokens", "100")
    assert (model.provider, model.model, model.request_count, model.input_tokens) == ("acme", "unheard-of", 3, 8)
    assert model.output_tokens is None
    assert 'model = "unheard-of"' in model.override


def test_the_key_goes_into_the_header_and_nowhere_else(serve: FakeServe) -> None:
    client = CostTopClient(serve.url, "a-secret-token")
    serve.answers["/v1/report"] = (500, {"error": {"message": "do not print a-secret-token", "type": "x"}})
    with pytest.raises(SourceError) as failed:
        client.report(query("user"))
    assert serve.asked[-1].authorization == "Bearer a-secret-token"
    assert "a-secret-token" not in f"{failed.value} {client!r} {client.label} {vars(client)}"
    serve.scripts = [lambda stream, view: (stream.begin(), stream.event("error", {"message": "a-secret-token"}))]
    with pytest.raises(SourceError, match=r"\*\*\*"):
        list(client.live(View(), UTC))
    client.close()
    with pytest.raises(UserError):
        CostTopClient("http://example.com", "k")


def test_the_events_of_a_live_view(serve: FakeServe, client: CostTopClient) -> None:
    def script(stream: Any, view: View) -> None:
        stream.begin()
        stream.write(": alive\n\n")
        stream.event("snapshot", {"log_rows": 5})
        stream.event("news", {"log_rows": 6})
        stream.event("error", {"error": {"message": "no longer", "type": "authentication_error"}})

    serve.scripts = [script]
    events = client.live(View(window="7d"), BERLIN)
    assert next(events) == {}
    assert next(events) == {"log_rows": 5}
    with pytest.raises(SourceDenied, match="no longer"):
        next(events)
    assert serve.asked[-1].body["tz"] == "Europe/Berlin"
    assert serve.asked[-1].body["view"]["window"] == "7d"


def test_whether_it_is_a_cost_top(serve: FakeServe, client: CostTopClient) -> None:
    assert not client.is_cost_top()
    serve.answers["/healthz"] = {"status": "ok"}
    assert not client.is_cost_top()
    serve.answers["/healthz"] = {"ready": True}
    assert client.is_cost_top()
    serve.answers["/healthz"] = (503, {"ready": False})
    assert client.is_cost_top()
