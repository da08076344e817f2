"""Anthropic's usage and cost admin API against a server of ours that keeps to its reference pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cost_top.model.errors import SourceDenied, SourceError
from cost_top.model.filter import parse_filter, value_term
from cost_top.model.money import pico, usd_text
from cost_top.model.query import Measures
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.sources.apis.anthropic import BASE_URL, AnthropicApi
from cost_top.sources.report_api import GRAINS, Answer, ApiQuery
from support.admin_server import Call, Charge, invent
from support.anthropic_admin_server import AnthropicAdminServer

KEY = "sk-ant-admin-invented-0123456789"
NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0)
DAY = timedelta(days=1)
START = TODAY - 40 * DAY
# The first has a dearer price beyond 200,000 input tokens, the last changed its price within the year.
MODELS = ["claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001", "claude-sonnet-5-5"]
CALLS = invent(11, START, NOW, 600, MODELS, ["standard", "batch"], writes_1h=True, most_cached=400_000)
CHARGES = [Charge(TODAY + timedelta(hours=1), "Web Search Usage", Decimal("0.010000000001"), project="proj_1")]


@pytest.fixture(scope="module")
def book() -> RateBook:
    return RateBook.load()


@pytest.fixture
def server() -> Iterator[AnthropicAdminServer]:
    with AnthropicAdminServer(KEY, NOW, CALLS, CHARGES) as made:
        yield made


@pytest.fixture
def api(server: AnthropicAdminServer, book: RateBook) -> Iterator[AnthropicApi]:
    made = AnthropicApi(server.url, KEY, lambda: book, clock=lambda: server.now)
    yield made
    made.close()


def measures(answer: Answer) -> dict[tuple[datetime | None, tuple[str | None, ...]], Measures]:
    found = {(bucket.start, bucket.key): bucket.measures for bucket in answer.buckets}
    assert len(found) == len(answer.buckets)
    return found


def one(answer: Answer) -> Measures:
    (bucket,) = answer.buckets
    return bucket.measures


def billed(calls: list[Call], charges: list[Charge] = []) -> int:  # noqa: B006
    return sum(pico(cost) for call in calls for cost in call.costs.values()) + sum(pico(item.cost) for item in charges)


def alone(book: RateBook, call: Call):
    """A call priced alone by what prices a log's requests."""
    request = Request(
        "anthropic", call.model, call.time, call.input, call.cached, call.write + call.write_1h, call.write_1h,
        call.output, mode=call.tier,
    )  # fmt: skip
    return price(book, request)


def rated(book: RateBook, calls: list[Call]) -> int:
    return sum(alone(book, call).cost or 0 for call in calls)  # a tier without a rate is unpriced


def during(start: datetime, end: datetime) -> list[Call]:
    return [call for call in CALLS if start <= call.time < end]


def test_days_are_the_bills_to_the_pico_dollar_with_tokens_beside_them(api, server, book):
    found = measures(api.ask(ApiQuery(START, TODAY + DAY, grain="day")))
    assert len(found) == 41
    for (day, _), measured in found.items():
        calls = during(day, day + DAY)
        assert measured.total_cost == billed(calls, [item for item in CHARGES if day <= item.time < day + DAY])
        assert measured.input_tokens == sum(call.input for call in calls)
        assert measured.cached_input_tokens == sum(call.cached for call in calls)
        assert measured.cache_creation_input_tokens == sum(call.write + call.write_1h for call in calls)
        assert measured.output_tokens == sum(call.output for call in calls)
        assert measured.prompt_cache_savings == sum(alone(book, call).prompt_cache_savings or 0 for call in calls)
        assert (measured.request_count, measured.unpriced_count) == (None, 0)
    # 41 days are two pages of at most 31.
    assert len(server.asked("/v1/organizations/cost_report")) == 2


@pytest.mark.parametrize(
    ("cents", "dollars"),
    [("123.456789", "1.23456789"), ("123.45", "1.2345"), ("0.00000001", "0.0000000001"), ("100", "1"),
     ("-7.5", "-0.075"), (Decimal("0.3"), "0.003"), (12, "0.12"), (" 1e2 ", "1")],
)  # fmt: skip
def test_cents_are_read_exactly(api, server, cents, dollars):
    def spoil(path: str, body: dict) -> dict:
        for bucket in body["data"]:
            for row in bucket["results"]:
                if "amount" in row:
                    row["amount"] = cents
        return body

    server.spoil = spoil
    assert usd_text(one(api.ask(ApiQuery(TODAY - DAY, TODAY))).total_cost) == dollars


@pytest.mark.parametrize("amount", [None, "", "1,5", "Infinity", "9" * 400, "1e400", [], {"value": 1}])
def test_hostile_cents_are_left_out_and_told(api, server, amount):
    def spoil(path: str, body: dict) -> dict:
        for bucket in body["data"]:
            for row in bucket["results"]:
                if "amount" in row:
                    row["amount"] = amount
        return body

    server.spoil = spoil
    answer = api.ask(ApiQuery(TODAY - DAY, TODAY))
    assert (one(answer).total_cost, one(answer).unpriced_count) == (0, 1)
    assert any("left out" in note for note in answer.notes)


def test_workspaces_are_teams(api, server):
    answer = api.ask(ApiQuery(START, TODAY + DAY, "team"))
    found = measures(answer)
    assert {key for _, key in found} == {("Team 0",), ("Team 1",), ("Team 2",), (None,)}
    for value, key in (("proj_0", "Team 0"), ("proj_1", "Team 1"), ("proj_2", "Team 2"), (None, None)):
        calls = [call for call in CALLS if call.project == value]
        charges = [item for item in CHARGES if item.project == value]
        assert found[(None, (key,))].total_cost == billed(calls, charges)
        assert found[(None, (key,))].input_tokens == sum(call.input for call in calls)
    assert "rows without a team are of the default workspace" in answer.notes


def test_models_are_exactly_the_bills(api):
    answer = api.ask(ApiQuery(START, TODAY + DAY, "model", "day"))
    found = measures(answer)
    for model in MODELS:
        for back in range(41):
            day = TODAY - back * DAY
            calls = [call for call in during(day, day + DAY) if call.model == model]
            if calls:
                assert found[(day, (model,))].total_cost == billed(calls)
                assert found[(day, (model,))].output_tokens == sum(call.output for call in calls)
    search = found[(TODAY, (None,))]
    assert (search.total_cost, search.input_tokens) == (pico(CHARGES[0].cost), None)
    assert answer.notes == ("rows without a model are of tools, such as web search",)


@pytest.mark.parametrize(("dimension", "attribute"), [("token", "key"), ("owner", "user")])
def test_keys_and_accounts_are_priced_by_our_rates_and_say_so(api, book, dimension, attribute):
    answer = api.ask(ApiQuery(START, TODAY + DAY, dimension))
    found = measures(answer)
    groups: dict[str | None, list[Call]] = defaultdict(list)
    for call in CALLS:
        groups[getattr(call, attribute)].append(call)
    assert len(found) == len(groups)
    for value, calls in groups.items():
        if dimension == "token":
            key = (value, f"Key {value[-1]}" if value else None)
        else:
            key = (f"sam{value[-1]}@x.test" if value else None,)
        assert found[(None, key)].total_cost == rated(book, calls)
        assert found[(None, key)].unpriced_count == 0
    assert answer.notes[0] == "dollars by cost-top's rates, not Anthropic's bill"
    assert ("rows without a key are of the Console" in answer.notes) is (dimension == "token")
    assert any(call.input > 200_000 for call in CALLS)
    assert not any("tell them apart" in note for note in answer.notes)


@pytest.mark.parametrize("grain", ["hour", "minute"])
def test_finer_than_days_is_usage_at_our_rates(api, book, grain):
    start = NOW - timedelta(hours=30)
    expected: dict[datetime, list[Call]] = defaultdict(list)
    first = start.replace(second=0)
    for call in during(first, NOW):
        expected[call.time - (call.time - TODAY) % GRAINS[grain]].append(call)
    found = measures(api.ask(ApiQuery(start, NOW, "model", grain)))
    assert {begins for begins, _ in found} == set(expected)
    for begins, calls in expected.items():
        amounts = [item.total_cost for (at, _), item in found.items() if at == begins]
        assert sum(amounts) == rated(book, calls)


def test_contexts_that_do_not_settle_the_price_are_told(server, api):
    server.calls = [Call(TODAY, "claude-haiku-5-5", None, None, None, "standard", 60_000, 0, 0, 0, 10, {})] * 2
    answer = api.ask(ApiQuery(TODAY, NOW, "token"))
    assert any("more than 100,000 input tokens" in note for note in answer.notes)


def test_the_priority_tier_is_not_on_the_bill(server, api, book):
    server.calls = [
        Call(TODAY, MODELS[1], "key_1", None, None, "priority", 1000, 0, 0, 0, 10, {"input": Decimal("0.7")}),
        Call(TODAY, MODELS[1], "key_1", None, None, "standard", 1000, 0, 0, 0, 10, {"input": Decimal("0.5")}),
    ]
    server.charges = []
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY))
    assert (one(answer).total_cost, one(answer).unpriced_count) == (pico("0.5"), 1)
    assert answer.notes == ("Anthropic's bill leaves out priority tier requests",)
    assert one(api.ask(ApiQuery(TODAY, TODAY + DAY, "token"))).total_cost == rated(book, server.calls)


def test_inference_that_was_kept_to_a_region_has_its_price(server, api, book):
    server.calls = [
        Call(TODAY, MODELS[2], "key_1", None, None, "standard", 1_000_000, 0, 0, 0, 1_000, {}, region)
        for region in ("us", "global", "not_available", None, "eu")
    ]
    (each,) = {alone(book, call).cost for call in server.calls}
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY, "token"))
    assert (one(answer).total_cost, one(answer).unpriced_count) == (each * 11 // 10 + 3 * each, 1)
    assert not any("regional" in note for note in answer.notes)


def test_models_without_a_rate_count_one_for_each_row(server, api):
    server.calls = [Call(TODAY, "zz-unheard-of", "key_1", None, None, "standard", 1000, 0, 0, 0, 10, {})] * 3
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY, "token"))
    assert (one(answer).total_cost, one(answer).unpriced_count, one(answer).prompt_cache_savings) == (0, 1, None)
    assert "no rate for zz-unheard-of" in answer.notes


@pytest.mark.parametrize("late", [timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=3)])
def test_after_midnight_yesterday_is_whole_and_today_is_its_own(book, late):
    midnight = TODAY + DAY
    calls = [
        Call(
            midnight - timedelta(seconds=1),
            MODELS[1],
            "k",
            None,
            None,
            "standard",
            5,
            0,
            0,
            0,
            7,
            {"input": Decimal("0.1")},
        ),
        Call(midnight, MODELS[1], "k", None, None, "standard", 9, 0, 0, 0, 1, {"input": Decimal("0.02")}),
    ]
    with AnthropicAdminServer(KEY, midnight + late, calls) as server:
        api = AnthropicApi(server.url, KEY, lambda: book, clock=lambda: server.now)
        assert one(api.ask(ApiQuery(TODAY, midnight))).total_cost == pico("0.1")
        assert one(api.ask(ApiQuery(midnight, midnight + DAY))).total_cost == pico("0.02")
        assert one(api.ask(ApiQuery(TODAY, midnight, "token"))).total_cost == rated(book, calls[:1])
        server.calls = []
        assert api.ask(ApiQuery(midnight, midnight + DAY)) == Answer((), server.now, ())
        api.close()


Test = Callable[[Call], bool]


@pytest.mark.parametrize(
    ("where", "test", "on_bill"),
    [
        ("team:proj_1", lambda call: call.project == "proj_1", True),
        ('team:"Team 1"', lambda call: call.project == "proj_1", True),
        ("-team:*", lambda call: call.project is None, True),
        ("model:claude-haiku-4-5-20251001", lambda call: "haiku" in call.model, True),
        ("model:*haiku*,*5-5", lambda call: "sonnet-4" not in call.model, True),
        ("model:*haiku* -team:proj_2", lambda call: "haiku" in call.model and call.project != "proj_2", True),
        ("provider:anthropic", lambda call: True, True),
        ("token:key_1", lambda call: call.key == "key_1", False),
        ("-token:*", lambda call: call.key is None, False),
        ('token_name:"Key 1" team:*', lambda call: call.key == "key_1" and call.project is not None, False),
        ("owner:sam1@x.test", lambda call: call.user == "user-1", False),
    ],
)  # fmt: skip
def test_filters_are_the_same_on_the_bill_and_on_usage(server, api, book, where, test: Test, on_bill):
    server.charges = []
    question = ApiQuery(START, TODAY + DAY, where=parse_filter(where))
    assert api.refuses(question) is None
    answer = api.ask(question)
    calls = [call for call in CALLS if test(call)]
    assert one(answer).total_cost == (billed(calls) if on_bill else rated(book, calls))
    assert one(answer).input_tokens == sum(call.input for call in calls)
    assert on_bill is not any("cost-top's rates" in note for note in answer.notes)


def test_rows_lead_to_their_own_figures(api):
    for dimension in ("team", "model", "owner", "token"):
        for bucket in api.ask(ApiQuery(START, TODAY + DAY, dimension)).buckets:
            where = parse_filter("").with_term(value_term(dimension, bucket.key[0]))
            assert one(api.ask(ApiQuery(START, TODAY + DAY, where=where))) == bucket.measures


def test_the_flat_spelling_of_cache_creation_is_read_too(server, api):
    expected = one(api.ask(ApiQuery(TODAY - DAY, TODAY)))

    def spoil(path: str, body: dict) -> dict:
        for bucket in body["data"]:
            for row in bucket["results"]:
                for long, value in row.pop("cache_creation", {}).items():
                    row[f"cache_creation_{'1h' if '1h' in long else '5m'}_input_tokens"] = str(value)
        return body

    server.spoil = spoil
    assert one(api.ask(ApiQuery(TODAY - DAY, TODAY))) == expected
    assert expected.cache_creation_input_tokens
    assert api.drift() == ()


def test_missing_counts_are_unknown_and_unpriced(server, api):
    def spoil(path: str, body: dict) -> dict:
        for bucket in body["data"]:
            for row in bucket["results"]:
                row.pop("uncached_input_tokens", None)
                row.pop("cache_creation", None)
        return body

    server.spoil = spoil
    found = one(api.ask(ApiQuery(TODAY, TODAY + DAY, where=parse_filter("-token:zz"))))
    assert (found.input_tokens, found.cache_creation_input_tokens, found.total_cost) == (None, None, 0)
    assert found.output_tokens == sum(call.output for call in during(TODAY, NOW))
    assert found.unpriced_count > 0
    assert any("no uncached_input_tokens" in line for line in api.drift())


def test_names_that_cannot_be_read_leave_ids(server, api):
    server.names = False
    assert {bucket.key for bucket in api.ask(ApiQuery(START, TODAY + DAY, "team")).buckets} == {
        ("proj_0",), ("proj_1",), ("proj_2",), (None,),
    }  # fmt: skip


def test_opening_proves_the_key(server, api, book):
    api.open()
    assert [path for path, _ in server.seen] == ["/v1/organizations/cost_report"]
    other = AnthropicApi(server.url, "sk-ant-api03-secret", lambda: book)
    with pytest.raises(SourceDenied, match="ANTHROPIC_ADMIN_KEY") as caught:
        other.open()
    assert "secret" not in str(caught.value)
    other.close()


@pytest.mark.parametrize("body", [[], {"data": None}, {"has_more": False}])
def test_what_is_no_report_is_an_error(api, server, body):
    server.spoil = lambda path, _: body
    with pytest.raises(SourceError, match="no report"):
        api.ask(ApiQuery(TODAY, TODAY + DAY))


def test_what_it_cannot_answer_is_refused_with_a_reason(api):
    for dimension in ("tag", "user", "endpoint", "status", "credential_type"):
        assert "Anthropic" in (api.refuses(ApiQuery(TODAY, NOW, dimension)) or "")
    assert "cannot filter by status" in (api.refuses(ApiQuery(TODAY, NOW, where=parse_filter("status:>399"))) or "")
    assert api.capabilities.interval >= 60
    assert "request_count" not in api.capabilities.measures


def test_the_key_is_nowhere_to_be_seen(api, book):
    assert KEY not in f"{api!r} {api.identity} {api.label} {api.capabilities}"
    assert api.identity != AnthropicApi(BASE_URL, KEY, lambda: book).identity


def test_the_real_client_reads_the_lists_of_names(server):
    """The `anthropic` package has types for the lists, none for the reports."""
    import anthropic  # seconds, which every worker that collects would take

    with anthropic.Anthropic(api_key=KEY, base_url=server.url, max_retries=0) as client:
        organization = client.beta.organization
        assert {item.id: item.name for item in organization.workspaces.list()} == {
            f"proj_{number}": f"Team {number}" for number in range(3)
        }
        assert {item.id: item.name for item in organization.api_keys.list()} == {
            f"key_{number}": f"Key {number}" for number in range(4)
        }
        assert {item.id: item.email for item in organization.users.list()} == {
            f"user-{number}": f"sam{number}@x.test" for number in range(3)
        }
