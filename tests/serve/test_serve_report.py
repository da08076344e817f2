"""The HTTP answers are the figures of `cost-top report`, digit for digit, and mistakes are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from cost_top.model.notes import Note
from cost_top.model.query import MEASURES, MONEY_MEASURES, SUMMED_MEASURES, Measures, Report, ReportQuery
from cost_top.serve.parameters import SpelledQuery
from cost_top.serve.routes.report import report_body
from cost_top.serve.shapes import ReportAnswer, RequestsAnswer, UsageAnswer
from support.commands import printed
from support.native_log import NativeLog
from support.served import Served, environment, served, write_traffic

DIMENSIONS = (
    "provider", "model", "endpoint", "token", "user", "owner", "team", "tag", "credential_type", "status", "day",
    "hour", "minute", "token_name", "api_key_name",
)  # fmt: skip
SINCE, UNTIL = "2020-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT00:00:00Z")
PERIOD = {"since": SINCE, "until": UNTIL}
BAD: list[tuple[str, str, str]] = [
    # query, parameter, what the message holds
    ("", "start_date", "is missing"),
    ("start_date=2026-11-01", "end_date", "is missing"),
    ("end_date=2026-11-01", "start_date", "is missing"),
    ("until=now", "since", "is missing"),
    ("start_date=2026-11-31&end_date=2026-12-01", "start_date", "is no day"),
    ("start_date=2026-1-1&end_date=2026-12-01", "start_date", "is no day"),
    ("start_date=2026-11-01T00&end_date=2026-12-01", "start_date", "is no day"),
    ("start_date=２０２６-11-01&end_date=2026-12-01", "start_date", "is no day"),
    ("start_date=2026-11-02&end_date=2026-11-01", "start_date", "after end_date"),
    ("start_date=2026-11-02&end_date=2026-11-03&since=1d", "since", "or since"),
    ("start_date=&end_date=2026-11-01", "start_date", "at least 1"),
    ("since=1d&until=2d", "since", "not before"),
    ("since=now", "since", "not before"),
    ("since=yesteryear", "since", "is no time"),
    ("since=2026-11-01T00:00:00+01:00", "since", "%2B"),
    ("since=999999w", "since", "is no time"),
    ("since=1d&tz=Mars/Olympus", "tz", "unknown time zone"),
    ("since=1d&tz=../../etc/passwd", "tz", "unknown time zone"),
    ("since=1d&tz=local", "tz", "IANA"),
    ("since=1d&group_by=provider,%20model", "group_by", "did you mean model?"),
    ("since=1d&group_by=provider,", "group_by", "unknown dimension"),
    ("since=1d&group_by=", "group_by", "at least 1"),
    ("since=1d&group_by=model,model", "group_by", "twice"),
    ("since=1d&group_by=token_name,api_key_name", "group_by", "twice"),
    ("since=1d&group_by=Model", "group_by", "did you mean model?"),
    ("since=1d&group_by=day,user,model,tag,provider", "group_by", "at most 4"),
    ("since=1d&group_by=zero_data_retention", "group_by", "not recorded"),
    ("since=1d&zero_data_retention=true", "zero_data_retention", "not recorded"),
    ("since=1d&date_part=minute", "date_part", "'day' or 'hour'"),
    ("since=1d&credential_type=own", "credential_type", "'byok' or 'system'"),
    ("since=1d&tags=a,,b", "tags", "empty tag"),
    ("since=1d&tags_match=some", "tags_match", "'any' or 'all'"),
    ("since=1d&where=colour:red", "where", "unknown field"),
    ("since=1d&where=%22open", "where", "not closed"),
    ("since=1d&sort=colour", "sort", "is none of"),
    ("since=1d&sort=model", "sort", "is none of"),
    ("since=1d&limit=0", "limit", "greater than or equal to 1"),
    ("since=1d&limit=10001", "limit", "less than or equal to 10000"),
    ("since=1d&limit=ten", "limit", "integer"),
    ("since=1d&user=acme", "user", "did you mean user_id?"),
    ("since=1d&x=acme", "x", "known are start_date, end_date"),
    ("since=1d&grup_by=model", "grup_by", "did you mean group_by?"),
    ("since=1d&since=2d", "since", "more than once"),
    ("since=1d&cursor=x", "cursor", "unknown parameter"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def server(folder) -> Iterator[Served]:
    log = NativeLog(folder / "gateway.db")
    write_traffic(log)
    with served(folder, log.path, "--rate-limit", 100_000) as running:
        yield running
    log.close()


def exact(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = json.loads(response.text, parse_float=Decimal)
    return answer


def reported(folder: Path, questions: list[list[str]]) -> list[dict[str, Any]]:
    plain = ["report", str(folder / "gateway.db"), "--format", "json", "--since", SINCE, "--until", UNTIL]
    return [json.loads(text) for text in printed([[*plain, *one] for one in questions], environment(folder))]


def same_row(ours: dict[str, Any], theirs: dict[str, Any], renamed: dict[str, str]) -> None:
    """Money is compared as the digits that stand on the wire; what the command tells as null is absent."""
    expected: dict[str, Any] = {}
    for name, value in theirs.items():
        if value is not None:
            expected[renamed.get(name, name)] = Decimal(value) if name in MONEY_MEASURES else value
    assert ours == expected


def test_every_dimension_is_the_command_s(server, folder):
    named = {"api_key_name": {"token_name": "api_key_name"}}
    by_time = ("day", "hour", "minute")
    options = [
        ["--group-by", name, "--tz", "Europe/Berlin", *(["--sort", name] if name in by_time else [])]
        for name in DIMENSIONS
    ]
    reports = reported(folder, options)
    for name, expected in zip(DIMENSIONS, reports, strict=True):
        asked = {"group_by": name, "tz": "Europe/Berlin", "measures": ",".join(MEASURES), **PERIOD}
        answer = exact(server.get("/v1/report", **asked))
        assert len(answer["results"]) == len(expected["results"]) > 1
        for ours, theirs in zip(answer["results"], expected["results"], strict=True):
            same_row(ours, theirs, named.get(name, {}))
        same_row(answer["totals"], expected["totals"], {})
        assert answer["notes"] == expected["notes"]
        assert (answer["since"], answer["until"]) == (expected["since"], expected["until"])
        assert (answer["source"], answer["row_count"]) == ("gateway.db", len(expected["results"]))
        ReportAnswer.model_validate(answer)


def test_only_the_measures_that_are_asked_for(server):
    usual = exact(server.get("/v1/report", group_by="model", **PERIOD))
    assert {*usual["totals"]} == {*SUMMED_MEASURES}
    answer = exact(server.get("/v1/report", group_by="model", measures="latency_p95,request_count", **PERIOD))
    for told in (answer["totals"], *answer["results"]):
        assert {*told} - {"model"} == {"total_cost", "request_count", "unpriced_count", "latency_p95"}
    assert answer["totals"]["total_cost"] == usual["totals"]["total_cost"]
    slowest = exact(server.get("/v1/report", group_by="model", sort="latency_p95", **PERIOD))["results"]
    assert [row["latency_p95"] for row in slowest] == sorted((row["latency_p95"] for row in slowest), reverse=True)
    refused = server.get("/v1/report", measures="total_cost,latency", **PERIOD)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "measures")


@pytest.mark.parametrize("sort", ["request_count", "tokens"])
def test_several_dimensions_filters_order_and_limit(server, folder, sort):
    where = "-status:429 latency:<8000"
    options = ["--group-by", "token,model", "--where", where, "--sort", sort, "--limit", "3"]
    (expected,) = reported(folder, [[*options, "--tz", "UTC"]])
    asked = {"group_by": "token,model", "where": where, "sort": sort, "limit": 3}
    answer = exact(server.get("/v1/report", **PERIOD, **asked, measures=",".join(MEASURES)))
    for ours, theirs in zip(answer["results"], expected["results"], strict=True):
        same_row(ours, theirs, {})
    assert (len(answer["results"]), answer["row_count"] > 3) == (3, True)


def test_parameters_of_the_gateway_api_are_filters(server):
    spelled = [
        ({"user_id": "ac*me"}, 'user:"ac*me"'),
        ({"user_id": "a,b"}, 'user:"a,b"'),
        ({"user_id": "acme user:beta"}, 'user:"acme user:beta"'),
        ({"user_id": "*"}, 'user:"*"'),
        ({"model": "gpt-5-mini", "provider": "openai"}, "model:gpt-5-mini provider:openai"),
        ({"credential_type": "byok"}, "credential_type:byok"),
        ({"tags": "prod,été"}, "tag:prod,été"),
        ({"tags": "prod,été", "tags_match": "all"}, "tag:prod tag:été"),
        ({"api_key_name": "name of k1"}, 'token_name:"name of k1"'),
        ({"endpoint": "/chat", "token": "k2"}, "endpoint:/chat token:k2"),
    ]
    totals = []
    for parameters, where in spelled:
        ours = exact(server.get("/v1/report", **PERIOD, **parameters))
        assert ours["totals"] == exact(server.get("/v1/report", **PERIOD, where=where))["totals"], where
        totals.append(ours["totals"]["request_count"])
    assert totals[2] == totals[3] == 0
    assert all(count > 0 for place, count in enumerate(totals) if place not in (2, 3))


def test_dates_are_whole_days_of_the_zone_both_included(server):
    today = datetime.now(UTC).date()
    days = {"start_date": str(today - timedelta(days=1)), "end_date": str(today)}
    answer = exact(server.get("/v1/report", **days))
    assert answer["since"] == f"{days['start_date']}T00:00:00+00:00"
    assert answer["until"] == f"{today + timedelta(days=1)}T00:00:00+00:00"
    assert [row["day"] for row in answer["results"]] == list(days.values())
    berlin = exact(server.get("/v1/report", **days, tz="Europe/Berlin"))
    assert {row["day"] for row in berlin["results"]} <= set(days.values())
    assert berlin["since"].startswith(f"{days['start_date']}T00:00:00+0")


def test_date_part_speaks_for_days_only(server):
    hours = exact(server.get("/v1/report", **PERIOD, date_part="hour"))["results"]
    assert hours == sorted(hours, key=lambda row: row["hour"])
    assert all(len(row["hour"]) == 13 and "day" not in row for row in hours)
    both = exact(server.get("/v1/report", **PERIOD, date_part="hour", group_by="day,provider"))["results"]
    assert {row["hour"] for row in both} == {row["hour"] for row in hours}
    models = exact(server.get("/v1/report", **PERIOD, date_part="hour", group_by="model"))["results"]
    assert all("hour" not in row for row in models)


def test_absurd_but_right_periods_are_answered(server):
    everything = exact(server.get("/v1/report", **PERIOD))["totals"]
    for period in (
        {"start_date": "0001-01-01", "end_date": "9999-12-31"},
        {"since": "0001-01-01T00:00:00+00:00", "until": "9999-12-31T23:59:59+00:00"},
        {"start_date": "0001-01-01", "end_date": "9999-12-31", "tz": "Pacific/Kiritimati"},
    ):
        assert exact(server.get("/v1/report", **period))["totals"] == everything
    for period in ({"start_date": "0001-01-01", "end_date": "0001-01-02"},
                   {"start_date": "9999-12-30", "end_date": "9999-12-31"}):  # fmt: skip
        answer = exact(server.get("/v1/report", **period))
        assert (answer["results"], answer["totals"]["request_count"]) == ([], 0)


@pytest.mark.parametrize(("query", "parameter", "told"), BAD, ids=[query or "nothing" for query, _, _ in BAD])
def test_a_mistake_is_named(server, query, parameter, told):
    response = server.client.get(f"/v1/report?{query}")
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", parameter)
    assert told in error["message"]
    assert "\n" not in error["message"]


def test_the_first_bytes_of_an_exact_answer_hold_no_exponent(server):
    text = server.get("/v1/requests", **PERIOD, limit=1000).text
    assert "E-" not in text
    assert "e-" not in json.dumps([row["cost"] for row in json.loads(text, parse_float=str)["data"]])


# Requests and keys


def test_pages_hold_every_request_once_newest_first(server):
    whole = exact(server.get("/v1/requests", **PERIOD, limit=1000))
    RequestsAnswer.model_validate(whole)
    assert whole["next_cursor"] is None
    found, cursor = [], None
    while True:
        page = exact(server.get("/v1/requests", **PERIOD, limit=77, **({"cursor": cursor} if cursor else {})))
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == whole["data"]
    assert len({row["id"] for row in found}) == len(found) == 400
    assert [row["time"] for row in found] == sorted((row["time"] for row in found), reverse=True)


def test_requests_tell_the_unknown_as_null_and_sum_to_the_report(server):
    rows = exact(server.get("/v1/requests", **PERIOD, limit=1000))["data"]
    totals = exact(server.get("/v1/report", **PERIOD))["totals"]
    assert sum(row["cost"] or 0 for row in rows) == totals["total_cost"]
    assert {name for row in rows for name, value in row.items() if value is None} >= {
        "provider",
        "user",
        "token",
        "cost",
    }
    assert all("reasoning_tokens" in row for row in rows)


def test_a_filter_holds_on_every_page(server):
    asked = {**PERIOD, "user_id": "acme", "limit": 10}
    first = exact(server.get("/v1/requests", **asked))
    second = exact(server.get("/v1/requests", **asked, cursor=first["next_cursor"]))
    assert {row["user"] for row in (*first["data"], *second["data"])} == {"acme"}
    other = exact(server.get("/v1/requests", **{**asked, "user_id": "beta"}, cursor=first["next_cursor"]))
    assert {row["user"] for row in other["data"]} == {"beta"}


@pytest.mark.parametrize("cursor", ["x", "!!", "bnVsbA", "WzEsMl0", "WzFlOTksImEiXQ", "W10", "é", "A" * 1000,
                                    "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwLCJhIl0", "W3RydWUsImEiXQ"])  # fmt: skip
def test_a_malformed_cursor_is_refused(server, cursor):
    response = server.get("/v1/requests", **PERIOD, cursor=cursor)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "cursor")


def test_the_usage_of_a_key_is_its_reports(server):
    usage = exact(server.get("/v1/keys/k1/usage", since="30d"))
    UsageAnswer.model_validate(usage)
    assert (usage["id"], usage["name"]) == ("k1", "name of k1")
    for part, dimension in (("by_day", "day"), ("by_model", "model"), ("by_provider", "provider")):
        report = exact(server.get("/v1/report", since="30d", token="k1", group_by=dimension))
        assert usage[part] == report["results"]
        assert usage["totals"] == report["totals"]
    default = exact(server.get("/v1/keys/k1/usage"))
    assert default["totals"] == usage["totals"]
    assert datetime.fromisoformat(default["until"]) - datetime.fromisoformat(default["since"]) == timedelta(days=30)


def test_a_key_without_requests_is_not_found(server):
    for path in ("/v1/keys/k9/usage", "/v1/keys/*/usage", "/v1/keys/a%2Fb%0A/usage", "/v1/keys/k1,k2/usage"):
        response = server.get(path, since="30d")
        assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found"), path
    assert server.get("/v1/keys/k1/usage", start_date="2020-01-01", end_date="2020-01-02").status_code == 404
    assert server.get("/v1/keys/k1/usage", group_by="day").json()["error"]["param"] == "group_by"


def test_unknown_paths_and_methods_have_the_same_shape(server):
    missing, method = server.get("/v1/nothing"), server.client.delete("/v1/report")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found")
    assert (method.status_code, method.json()["error"]["type"]) == (405, "invalid_request_error")
    assert method.headers["allow"] == "GET"
    assert server.get("/v1/report/").status_code == 404


def test_rows_carry_only_documented_measures(server):
    row = exact(server.get("/v1/report", **PERIOD, group_by="provider"))["results"][0]
    assert set(row) <= {"provider", *MEASURES}


def test_what_the_source_said_of_itself_is_made_harmless_whatever_its_words():
    start = datetime(2026, 11, 1, tzinfo=UTC)
    said = "postgresql://me:secret@db/x went away"
    report = Report((), (), Measures(), 0, start, (Note(said, "source"), Note(said), "see /srv/log/gateway.db"))
    notes = report_body(report, SpelledQuery(ReportQuery(start, start)), "log")["notes"]
    assert notes == ["db/x went away", said, "see /srv/log/gateway.db"], "by their origin, not by how they begin"
