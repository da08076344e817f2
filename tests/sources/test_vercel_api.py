"""The Vercel adapter against a server that computes its answers: every grouping must come to our own sums."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cost_top.model.errors import CannotAnswer, SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError
from cost_top.model.filter import parse_filter
from cost_top.model.money import pico
from cost_top.model.query import MEASURES, add_measures
from cost_top.sources.apis.vercel import BASE_URL, VercelApi
from cost_top.sources.report_api import ApiQuery
from support.vercel_server import Failure, SpentRequest, VercelServer

NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)
MONTH = datetime(2026, 10, 26, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COUNTS = (
    "input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens", "reasoning_tokens",
)  # fmt: skip
VALUES = {
    "provider": lambda request: [request.provider],
    "model": lambda request: [request.model],
    "user": lambda request: [request.user],
    "tag": lambda request: request.tags,
    "credential_type": lambda request: [request.credential_type],
    "token": lambda request: [request.api_key_name],
}


def invented(count=400):
    """A month of requests, the same ones each time."""
    draw = random.Random(4)
    for _ in range(count):
        tags = tuple(draw.sample(["prod", "beta", "eu", "batch"], draw.randrange(4)))
        yield SpentRequest(
            time=MONTH[0] + timedelta(seconds=draw.randrange(int((NOW - MONTH[0]).total_seconds()))),
            market_cost=Decimal(draw.randrange(1, 10**9)).scaleb(-9),
            provider=draw.choice(["openai", "anthropic", "google"]),
            model=draw.choice(["openai/gpt-5", "anthropic/claude-sonnet-4.6", "google/gemini-3"]),
            user=draw.choice(["acme", "globex", None, "übung, ltd"]),
            tags=tags,
            credential_type=draw.choice(["system", "system", "byok"]),
            api_key_name=draw.choice(["web", "jobs", None]),
            input_tokens=draw.randrange(5000),
            output_tokens=draw.randrange(900),
            cached_input_tokens=draw.randrange(100),
            cache_creation_input_tokens=draw.randrange(100),
            reasoning_tokens=draw.randrange(50),
        )


@pytest.fixture
def server():
    with VercelServer(invented()) as server:
        yield server


@pytest.fixture
def api(server):
    api = VercelApi(server.url, server.key, clock=lambda: NOW)
    yield api
    api.close()


def figures(measures):
    return tuple(getattr(measures, name) for name in ("total_cost", "market_cost", "request_count", *COUNTS))


def our_sum(requests):
    """The same figures, added up here."""
    requests = list(requests)
    return (
        sum(0 if request.credential_type == "byok" else pico(request.market_cost) for request in requests),
        sum(pico(request.market_cost) for request in requests),
        len(requests),
        *(sum(getattr(request, name) for request in requests) for name in COUNTS),
    )


def inside(server, start, end):
    return [request for request in server.requests if start <= request.time < end]


def only(answer):
    (bucket,) = answer.buckets
    assert bucket.start is None
    return bucket


def cut(time, grain):
    hour = time.replace(minute=0, second=0, microsecond=0)
    return hour if grain == "hour" else hour.replace(hour=0)


# -- sums


@pytest.mark.parametrize("grain", ["day", "hour", None])
def test_totals_are_our_own_sums(api, server, grain):
    answer = api.ask(ApiQuery(*MONTH, grain=grain))
    expected = {}
    for request in server.requests:
        expected.setdefault(cut(request.time, grain) if grain else None, []).append(request)
    assert {(bucket.start, bucket.key): figures(bucket.measures) for bucket in answer.buckets} == {
        (start, ()): our_sum(requests) for start, requests in expected.items()
    }
    assert len(answer.buckets) == len(expected)
    assert answer.as_of == NOW
    assert server.queries == api.statistics.queries == 1


@pytest.mark.parametrize("dimension", VALUES)
def test_each_dimension_is_our_own_sums(api, server, dimension):
    answer = api.ask(ApiQuery(*MONTH, dimension))
    expected = {}
    for request in server.requests:
        for value in VALUES[dimension](request):
            expected.setdefault((value, value) if dimension == "token" else (value,), []).append(request)
    assert {bucket.key: figures(bucket.measures) for bucket in answer.buckets} == {
        key: our_sum(requests) for key, requests in expected.items()
    }
    assert all(bucket.start is None for bucket in answer.buckets)
    assert any("tags overlap" in note for note in answer.notes) == (dimension == "tag")


def test_dimensions_without_overlap_come_to_the_total(api):
    total = only(api.ask(ApiQuery(*MONTH))).measures
    for dimension in ("provider", "model", "user", "credential_type", "token"):
        buckets = api.ask(ApiQuery(*MONTH, dimension)).buckets
        summed = buckets[0].measures
        for bucket in buckets[1:]:
            summed = add_measures(summed, bucket.measures)
        assert figures(summed) == figures(total)


def test_what_the_report_does_not_tell_is_unknown(api):
    measures = only(api.ask(ApiQuery(*MONTH))).measures
    unknown = {name for name in MEASURES if getattr(measures, name) is None}
    assert unknown == set(MEASURES) - api.capabilities.measures - {"unpriced_count"}
    assert measures.unpriced_count == 0


def test_own_keys_are_charged_nothing_and_shown_at_market(api, server):
    buckets = {bucket.key[0]: bucket.measures for bucket in api.ask(ApiQuery(*MONTH, "credential_type")).buckets}
    assert buckets["byok"].total_cost == 0
    assert buckets["byok"].market_cost == our_sum(r for r in server.requests if r.credential_type == "byok")[1] > 0
    assert any("BYOK" in note for note in api.ask(ApiQuery(*MONTH, "credential_type")).notes)
    assert not api.ask(ApiQuery(*MONTH, "credential_type", where=parse_filter("credential_type:system"))).notes


# -- periods


@pytest.mark.parametrize(
    ("start", "end", "grain", "dates"),
    [
        (datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC), None, ("25", "25", "day")),
        (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC), "day", ("20", "21", "day")),
        (datetime(2026, 11, 20, 5, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC), None, ("20", "22", "hour")),
        (datetime(2026, 11, 20, 5, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC), "day", ("20", "21", "hour")),
        (datetime(2026, 11, 20, 5, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC), "hour", ("20", "22", "hour")),
        (datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 25, 15, tzinfo=UTC), "day", ("20", "25", "day")),
        (datetime(2026, 11, 20, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC), None, ("20", "25", "day")),
        (datetime(2026, 11, 25, 13, tzinfo=UTC), datetime(2026, 11, 25, 15, tzinfo=UTC), "hour", ("25", "25", "hour")),
    ],
)  # fmt: skip
def test_a_period_is_cut_exactly(api, server, start, end, grain, dates):
    first, last, part = dates
    server.requests += [SpentRequest(start - HOUR / 2, Decimal(1)), SpentRequest(start, Decimal(2))]
    server.requests += [SpentRequest(end - HOUR / 2, Decimal(4)), SpentRequest(end, Decimal(8))]
    server.requests = [request for request in server.requests if request.time <= NOW]
    answer = api.ask(ApiQuery(start, end, grain=grain))
    ((_, asked),) = server.asked
    assert asked["start_date"] == f"2026-11-{first}"
    assert asked["end_date"] == f"2026-11-{last}"
    assert asked["date_part"] == part
    summed = [sum(column) for column in zip(*(figures(bucket.measures) for bucket in answer.buckets), strict=True)]
    assert tuple(summed) == our_sum(inside(server, start, end))
    if grain:
        assert {bucket.start for bucket in answer.buckets} == {cut(r.time, grain) for r in inside(server, start, end)}
    assert api.drift() == ()


def test_a_period_that_has_not_begun_is_not_asked(api, server):
    assert api.ask(ApiQuery(MONTH[1], MONTH[1] + DAY)).buckets == ()
    assert api.ask(ApiQuery(MONTH[0], MONTH[0])).buckets == ()
    assert server.asked == []


def test_an_empty_period_has_no_buckets(api, server):
    server.requests.clear()
    assert api.ask(ApiQuery(*MONTH, "model")).buckets == ()
    assert api.ask(ApiQuery(*MONTH, grain="day")).buckets == ()


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-24T09", 9), ("2026-11-24 09", 9), ("2026-11-24T09:00", 9), ("2026-11-24T09:00:00Z", 9),
        ("2026-11-24T09:00:00.000Z", 9), ("2026-11-24T10:00:00+01:00", 9), ("2026-11-24 09:00:00 UTC", 9),
        ("2026-11-24T09:00:00.000000+0000", 9), ("2026-11-24T09:59:59", 9),
    ],
)  # fmt: skip
def test_hours_are_read_however_they_are_spelled(api, server, text, hour):
    server.edit = lambda _: {"results": [{"hour": text, "total_cost": 1}]}
    (bucket,) = api.ask(ApiQuery(*MONTH, grain="hour")).buckets
    assert bucket.start == datetime(2026, 11, 24, hour, tzinfo=UTC)
    server.edit = lambda _: {"results": [{"day": text, "total_cost": 1}]}
    (bucket,) = api.ask(ApiQuery(*MONTH, grain="hour")).buckets
    assert bucket.start == datetime(2026, 11, 24, hour, tzinfo=UTC)
    (bucket,) = api.ask(ApiQuery(*MONTH, grain="day")).buckets
    assert bucket.start == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-24", "yesterday", "", None, 5, "2026-13-45T09", "2026-11-24T99", ["x"]])
def test_an_hour_that_is_none_is_an_error_not_a_guess(api, server, text):
    server.edit = lambda _: {"results": [{"hour": text, "total_cost": 1}]}
    with pytest.raises(SourceError, match=r"/v1/report has changed: a row has no usable hour"):
        api.ask(ApiQuery(*MONTH, grain="hour"))


def test_days_that_were_not_asked_for_are_left_out_and_told(api, server):
    server.edit = lambda _: {"results": [{"day": day, "total_cost": 1} for day in ("2025-01-01", "2026-11-24")]}
    assert len(api.ask(ApiQuery(*MONTH, grain="day")).buckets) == 1
    assert any("not asked for" in line for line in api.drift())


# -- filters

FILTERS = [
    ("user:acme", {"user_id": "acme"}, lambda r: r.user == "acme"),
    ('user:"übung, ltd"', {"user_id": "übung, ltd"}, lambda r: r.user == "übung, ltd"),
    ("model:openai/gpt-5", {"model": "openai/gpt-5"}, lambda r: r.model == "openai/gpt-5"),
    ("provider:google", {"provider": "google"}, lambda r: r.provider == "google"),
    ("provider:google provider:google", {"provider": "google"}, lambda r: r.provider == "google"),
    ("credential_type:byok", {"credential_type": "byok"}, lambda r: r.credential_type == "byok"),
    ("tag:prod", {"tags": "prod"}, lambda r: "prod" in r.tags),
    ("tag:prod,beta", {"tags": "prod,beta", "tags_match": "any"}, lambda r: {"prod", "beta"} & set(r.tags)),
    ("tag:prod tag:beta", {"tags": "prod,beta", "tags_match": "all"}, lambda r: {"prod", "beta"} <= set(r.tags)),
    ("tag:prod,prod tag:beta", {"tags": "prod,beta", "tags_match": "all"}, lambda r: {"prod", "beta"} <= set(r.tags)),
    (
        "tag:prod tag:beta user:acme provider:openai",
        {"tags": "prod,beta", "tags_match": "all", "user_id": "acme", "provider": "openai"},
        lambda r: {"prod", "beta"} <= set(r.tags) and r.user == "acme" and r.provider == "openai",
    ),
]


@pytest.mark.parametrize(("text", "parameters", "matches"), FILTERS)
def test_a_filter_becomes_parameters(api, server, text, parameters, matches):
    answer = api.ask(ApiQuery(*MONTH, where=parse_filter(text)))
    ((_, asked),) = server.asked
    fixed = {"start_date", "end_date", "group_by", "date_part"}
    assert {name: value for name, value in asked.items() if name not in fixed} == parameters
    expected = our_sum(request for request in server.requests if matches(request))
    assert expected[2] > 0
    assert figures(only(answer).measures) == expected


@pytest.mark.parametrize(
    "text",
    [
        "-user:acme", "user:*", "-user:*", "user:ac*", "acme", "-acme", "user:acme,globex", "user:acme user:globex",
        "tag:prod,beta tag:eu", 'tag:"a,b"', "tag:pr*", "endpoint:/chat", "token:x", "token_name:web", "status:>=400",
        "cost:>1", "unpriced:yes", "credential_type:other", "model:a model:b", "input_tokens:5", "team:x",
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_said_is_refused_and_named(api, server, text):
    for dimension in (None, "model"):
        reason = api.refuses(ApiQuery(*MONTH, dimension, where=parse_filter(f"provider:openai {text}")))
        assert reason is not None
        assert reason.isprintable()
        assert str(parse_filter(text)).split()[0] in reason
    with pytest.raises(CannotAnswer):
        api.ask(ApiQuery(*MONTH, where=parse_filter(text)))
    assert server.asked == []


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (ApiQuery(*MONTH, "endpoint"), "endpoints"),
        (ApiQuery(*MONTH, "team"), "team"),
        (ApiQuery(*MONTH, "status"), "status"),
        (ApiQuery(*MONTH, "moon"), "moon"),
        (ApiQuery(*MONTH, "model", "day"), "both at once"),
        (ApiQuery(*MONTH, grain="minute"), "hours at the finest"),
        (ApiQuery(MONTH[0] + HOUR, MONTH[1], "model"), "whole days"),
        (ApiQuery(MONTH[0], MONTH[0] + DAY + HOUR, "model"), "whole days"),
        (ApiQuery(MONTH[0] + HOUR / 2, MONTH[1]), "whole hours"),
        (ApiQuery(MONTH[0], MONTH[0] + HOUR / 2), "whole hours"),
    ],
)
def test_what_the_report_cannot_answer_is_refused(api, question, said):
    assert said in (api.refuses(question) or "")


def test_what_the_report_can_answer_is_not_refused(api):
    for dimension, grain in api.capabilities.dimensions.items():
        assert grain == "day"
        assert api.refuses(ApiQuery(*MONTH, dimension)) is None
        assert api.refuses(ApiQuery(MONTH[0], NOW + HOUR / 3, dimension)) is None
    for grain in ("day", "hour", None):
        assert api.refuses(ApiQuery(MONTH[0] + HOUR, NOW + HOUR, grain=grain)) is None


# -- lenient reading


def row(**changed):
    return {"model": "a/b", "total_cost": Decimal("0.1"), "market_cost": 0.2, "request_count": 1} | changed


def test_missing_figures_are_unknown_and_told(api, server):
    server.edit = lambda _: {"results": [{"model": "a/b", "total_cost": Decimal("0.1")}]}
    measures = only(api.ask(ApiQuery(*MONTH, "model"))).measures
    assert figures(measures) == (pico("0.1"), *[None] * 7)
    assert any("no market_cost" in line for line in api.drift())
    assert any("no request_count" in line for line in api.drift())


@pytest.mark.parametrize("value", [None, "", "free", True, [1], {"usd": 1}, 10**30, "1e999999", "NaN"])
def test_a_row_without_a_usable_total_is_an_error(api, server, value):
    for edited in ({"results": [row(total_cost=value)]}, {"results": [row(), {"model": "x"}]}):
        server.edit = lambda _, edited=edited: edited
        with pytest.raises(SourceError, match="total_cost"):
            api.ask(ApiQuery(*MONTH, "model"))


@pytest.mark.parametrize(
    ("changed", "name", "value"),
    [
        ({"total_cost": "0.25"}, "total_cost", pico("0.25")),
        ({"total_cost": 3}, "total_cost", 3 * 10**12),
        ({"market_cost": "0.000000000001"}, "market_cost", 1),
        ({"market_cost": -1}, "market_cost", None),
        ({"market_cost": "much"}, "market_cost", None),
        ({"market_cost": Decimal("1e40")}, "market_cost", None),
        ({"request_count": "17"}, "request_count", 17),
        ({"request_count": Decimal("17.0")}, "request_count", 17),
        ({"request_count": -1}, "request_count", None),
        ({"request_count": 1.5}, "request_count", None),
        ({"request_count": True}, "request_count", None),
        ({"input_tokens": 10**40}, "input_tokens", None),
        ({"input_tokens": "many"}, "input_tokens", None),
        ({"input_tokens": None}, "input_tokens", None),
    ],
)
def test_figures_are_read_leniently(api, server, changed, name, value):
    server.edit = lambda _: {"results": [row(**changed)]}
    assert getattr(only(api.ask(ApiQuery(*MONTH, "model"))).measures, name) == value
    if value is None:
        assert any(name in line for line in api.drift())


def test_a_refund_is_kept_and_told(api, server):
    server.edit = lambda _: {"results": [row(total_cost=Decimal("-0.5"))]}
    assert only(api.ask(ApiQuery(*MONTH, "model"))).measures.total_cost == -pico("0.5")
    assert any("negative total_cost" in line for line in api.drift())


def test_values_without_a_name_are_one_group(api, server):
    server.edit = lambda _: {"results": [row(model=None), row(model=""), {"total_cost": 1}, row(model="x")]}
    buckets = {bucket.key: bucket.measures.total_cost for bucket in api.ask(ApiQuery(*MONTH, "model")).buckets}
    assert buckets == {(None,): pico("1.2"), ("x",): pico("0.1")}
    assert any("several rows of one model" in line for line in api.drift())


def test_rows_of_one_hour_are_added_and_told(api, server):
    rows = [{"hour": "2026-11-24T09", "total_cost": 1}, {"hour": "2026-11-24T09:00:00Z", "total_cost": 2}]
    server.edit = lambda _: {"results": rows}
    (bucket,) = api.ask(ApiQuery(*MONTH, grain="hour")).buckets
    assert bucket.measures.total_cost == 3 * 10**12
    assert any("several rows of one hour" in line for line in api.drift())


def test_names_are_cleaned(api, server):
    server.edit = lambda _: {"results": [row(model="a\x1b[2J\u202eb\r\n")]}
    assert only(api.ask(ApiQuery(*MONTH, "model"))).key == ("a[2Jb",)


def test_unknown_fields_are_tolerated_and_told_once(api, server):
    server.edit = lambda answer: {**answer, "results": [{**row, "carbon\x1b": 1} for row in answer["results"]]}
    for _ in range(3):
        assert figures(only(api.ask(ApiQuery(*MONTH))).measures) == our_sum(server.requests)
    assert [line for line in api.drift() if "carbon" in line] == ["vercel: /v1/report: unknown field carbon"]


def test_a_grouping_that_was_ignored_is_told(api, server):
    server.edit = lambda _: {"results": [{"day": "2026-11-24", "total_cost": 1}]}
    assert only(api.ask(ApiQuery(*MONTH, "user"))).key == (None,)
    assert any("no row has it" in line for line in api.drift())


@pytest.mark.parametrize("body", [[], {}, {"results": None}, {"results": {}}, {"results": [1]}, "x", None, 5])
def test_an_answer_that_is_no_report_is_an_error(api, server, body):
    server.edit = lambda _: body
    with pytest.raises(SourceError, match="has changed"):
        api.ask(ApiQuery(*MONTH))


# -- credits, keys, failures


@pytest.mark.parametrize(
    ("credits", "expected"),
    [
        ({"balance": "95.50", "total_used": "4.50"}, ("95.5", "4.5")),
        ({"balance": 95.5, "total_used": 0}, ("95.5", "0")),
        ({"balance": "-0.01"}, ("-0.01", None)),
        ({"balance": None, "total_used": "x"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_credits(api, server, credits, expected):
    server.credits = credits
    found = api.credits()
    if expected is None:
        assert found is None
    else:
        assert (found.balance, found.total_used) == tuple(None if text is None else pico(text) for text in expected)
        assert found.as_of == NOW
    assert server.queries == 0


def test_credits_that_are_not_for_this_key_are_none(api, server):
    server.failures.append(Failure(403))
    assert api.credits() is None
    server.failures.append(Failure(401))
    with pytest.raises(SourceDenied):
        api.credits()
    server.failures.append(Failure(500))
    with pytest.raises(SourceError):
        api.credits()


def test_opening_checks_the_key_for_free(server):
    api = VercelApi(server.url, server.key)
    api.open()
    api.close()
    wrong = VercelApi(server.url, "vck_wrong_hunter2secret")
    with pytest.raises(SourceDenied, match="Invalid API key") as caught:
        wrong.open()
    assert "hunter2" not in str(caught.value)
    wrong.close()
    assert server.queries == 0


def test_a_plan_without_reports_is_told(api, server):
    server.has_reports = False
    with pytest.raises(SourceDenied, match="Pro or Enterprise"):
        api.ask(ApiQuery(*MONTH))
    assert server.queries == 0


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(400), SourceRefused),
        (Failure(404), SourceRefused),
        (Failure(429, headers={"Retry-After": "7"}), SourceThrottled),
        (Failure(503, headers={"Retry-After": "7"}), SourceThrottled),
        (Failure(500), SourceError),
        (Failure(200, b"<html>"), SourceError),
        (Failure(200, b'{"results": ['), SourceError),
    ],
)
def test_failures_are_the_clients(api, server, failure, kind):
    server.failures.append(failure)
    with pytest.raises(kind) as caught:
        api.ask(ApiQuery(*MONTH))
    assert type(caught.value) is kind
    assert figures(only(api.ask(ApiQuery(*MONTH))).measures) == our_sum(server.requests)


def test_a_host_that_went_away_comes_back(api, server):
    api.ask(ApiQuery(*MONTH))
    server.stop()
    with pytest.raises(SourceError):
        api.ask(ApiQuery(*MONTH))
    server.start()
    assert figures(only(api.ask(ApiQuery(*MONTH))).measures) == our_sum(server.requests)


def test_identity_is_of_address_and_key_and_holds_no_key(server):
    apis = [VercelApi(*arguments) for arguments in ((server.url, "k1-hunter2"), (server.url, "k2"), (BASE_URL, "k2"))]
    identities = [api.identity for api in apis]
    assert len(set(identities)) == 3
    assert "hunter2" not in identities[0]
    again = VercelApi(f"{server.url}/v1/", "k1-hunter2")
    assert again.identity == identities[0]
    for one in (*apis, again):
        assert "hunter2" not in repr(one)
        one.close()


@pytest.mark.parametrize("suffix", ["/", "/v1", "/v4/ai", "/v4/ai/"])
def test_the_address_of_a_model_client_will_do(server, suffix):
    api = VercelApi(server.url + suffix, server.key, clock=lambda: NOW)
    assert api.ask(ApiQuery(*MONTH)).buckets
    api.close()


def test_a_wrong_address_is_refused():
    with pytest.raises(UserError):
        VercelApi("http://gateway.example.com", "k")


def test_the_price_is_that_of_the_documentation(api):
    capabilities = api.capabilities
    assert capabilities.price * 1000 == 5 * 10**12
    assert capabilities.shortest_interval == 60
    assert not capabilities.joint
    assert {"endpoint", "team", "requests", "saved", "burn"} <= capabilities.limits.keys()


def test_a_new_oidc_token_of_a_team_is_the_same_source():
    def token(**claims: object) -> str:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"

    def identity(key: str) -> str:
        return VercelApi("https://ai-gateway.vercel.sh", key).identity

    first = token(iss="https://oidc.vercel.com/acme", owner_id="team_1", exp=1)
    assert identity(first) == identity(token(iss="https://oidc.vercel.com/acme", owner_id="team_1", exp=2))
    assert identity(first) != identity(token(iss="https://oidc.vercel.com/acme", owner_id="team_2", exp=1))
    assert identity("a.b.c") != identity("a.b.d")
    assert identity(token(exp=1)) != identity(token(exp=2))
