"""OpenAI's admin API against a server of ours that the real client of the `openai` package reads too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError
from cost_top.model.filter import parse_filter, value_term
from cost_top.model.money import pico
from cost_top.model.query import Measures
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.pricing.rates import Quote, Rates
from cost_top.sources.apis import admin_report
from cost_top.sources.apis.openai import BASE_URL, OpenAiApi
from cost_top.sources.apis.usage_priced import Usage, value_usage
from cost_top.sources.report_api import GRAINS, Answer, ApiQuery
from support.admin_server import Call, Charge, Refusal, invent
from support.openai_admin_server import OpenAiAdminServer, error

KEY = "sk-admin-invented-0123456789"
NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0)
DAY = timedelta(days=1)
START = TODAY - 29 * DAY
MODELS = ["gpt-4o-2024-08-06", "o3", "gpt-5-mini"]
CALLS = invent(
    7, START, NOW, 600, MODELS, ["default", "flex", "priority", "batch"], writes_1h=False, most_cached=90_000
)
CHARGES = [
    Charge(
        TODAY - 3 * DAY + timedelta(hours=5), "image models", Decimal("0.040000000001"), "key_1", "proj_1", "user-1"
    ),
    Charge(TODAY + timedelta(hours=1), "text-embedding-3-small, input", Decimal("1e-7"), "key_2", "proj_only_embeds"),
]


@pytest.fixture(scope="module")
def book() -> RateBook:
    return RateBook.load()


@pytest.fixture
def server() -> Iterator[OpenAiAdminServer]:
    with OpenAiAdminServer(KEY, NOW, CALLS, CHARGES) as made:
        yield made


@pytest.fixture
def api(server: OpenAiAdminServer, book: RateBook) -> Iterator[OpenAiApi]:
    made = OpenAiApi(f"{server.url}/v1", KEY, lambda: book, clock=lambda: server.now)
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


def rated(book: RateBook, calls: list[Call]) -> int:
    """Each call priced alone by what prices a log's requests."""
    total = 0
    for call in calls:
        priced = price(
            book,
            Request(
                "openai", call.model, call.time, call.fresh + call.cached + call.write, call.cached, call.write, None,
                call.output, mode=call.tier,
            ),
        )  # fmt: skip
        total += priced.cost or 0  # a tier without a rate is counted as unpriced
    return total


def savings(book: RateBook, calls: list[Call]) -> int:
    total = 0
    for call in calls:
        priced = price(
            book,
            Request(
                "openai", call.model, call.time, call.fresh + call.cached + call.write, call.cached, call.write, None,
                call.output, mode=call.tier,
            ),
        )  # fmt: skip
        total += priced.prompt_cache_savings or 0
    return total


def during(start: datetime, end: datetime) -> list[Call]:
    return [call for call in CALLS if start <= call.time < end]


def test_days_are_the_bills_to_the_pico_dollar_with_tokens_and_requests_beside_them(api, book):
    answer = api.ask(ApiQuery(START, TODAY + DAY, grain="day"))
    found = measures(answer)
    for number in range(30):
        day = START + number * DAY
        calls = during(day, day + DAY)
        charges = [item for item in CHARGES if day <= item.time < day + DAY]
        expected = found[(day, ())]
        assert expected.total_cost == billed(calls, charges)
        assert expected.input_tokens == sum(call.input for call in calls)
        assert expected.cached_input_tokens == sum(call.cached for call in calls)
        assert expected.cache_creation_input_tokens == sum(call.write for call in calls)
        assert expected.output_tokens == sum(call.output for call in calls)
        assert expected.request_count == len(calls)
        assert expected.prompt_cache_savings == savings(book, calls)
        assert expected.unpriced_count == 0
        assert (expected.market_cost, expected.reasoning_tokens, expected.error_count) == (None, None, None)
    assert len(found) == 30
    assert answer.as_of == NOW
    assert "rates" not in " ".join(answer.notes)
    assert any("the bill also holds image models, text-embedding-3-small" in note for note in answer.notes)


@pytest.mark.parametrize(("dimension", "attribute"), [("team", "project"), ("owner", "user"), ("token", "key")])
def test_lenses_of_the_bill(api, server, dimension, attribute):
    found = measures(api.ask(ApiQuery(START, TODAY + DAY, dimension)))
    groups: dict[str | None, list[Call]] = defaultdict(list)
    charges: dict[str | None, list[Charge]] = defaultdict(list)
    for call in CALLS:
        groups[getattr(call, attribute)].append(call)
    for charge in CHARGES:
        charges[getattr(charge, attribute)].append(charge)
    names = {"team": "Project {}", "owner": "sam{}@x.test", "token": "Key {}"}
    shown = {}
    for value in groups | charges:
        number = value[-1] if value else ""
        name = names[dimension].format(number) if number.isdigit() else None
        shown[value] = (value, name) if dimension == "token" else (name or value,)
    assert {key for _, key in found} == set(shown.values())
    assert (None, None) in shown.values() or (None,) in shown.values()
    for value, key in shown.items():
        assert found[(None, key)].total_cost == billed(groups[value], charges[value])
        assert found[(None, key)].request_count == (len(groups[value]) or None)
    assert sum(item.total_cost for item in found.values()) == billed(CALLS, CHARGES)
    assert len(server.asked("/v1/organization/costs")) == len(server.asked("/v1/organization/usage/completions")) == 1


def test_what_is_on_the_bill_alone_has_no_tokens(api):
    found = measures(api.ask(ApiQuery(START, TODAY + DAY, "team")))
    only = found[(None, ("proj_only_embeds",))]
    assert only.total_cost == 100_000
    assert (only.input_tokens, only.request_count, only.prompt_cache_savings) == (None, None, None)


def test_a_lens_and_days_in_one_question(api):
    found = measures(api.ask(ApiQuery(TODAY - 6 * DAY, TODAY + DAY, "token", "day")))
    for number in range(4):
        for back in range(7):
            day = TODAY - back * DAY
            calls = [call for call in during(day, day + DAY) if call.key == f"key_{number}"]
            charges = [item for item in CHARGES if day <= item.time < day + DAY and item.key == f"key_{number}"]
            if calls or charges:
                assert found[(day, (f"key_{number}", f"Key {number}"))].total_cost == billed(calls, charges)


def test_models_are_priced_by_our_rates_and_say_so(api, book):
    answer = api.ask(ApiQuery(START, TODAY + DAY, "model"))
    found = measures(answer)
    assert {key for _, key in found} == {(model,) for model in MODELS}
    for model in MODELS:
        calls = [call for call in CALLS if call.model == model]
        assert found[(None, (model,))].total_cost == rated(book, calls)
        assert found[(None, (model,))].request_count == len(calls)
    # It has no price for the tier "flex".
    assert answer.notes == ("dollars by cost-top's rates, not OpenAI's bill", "no rate for gpt-4o-2024-08-06")


def test_the_provider_is_one_row(api):
    answer = api.ask(ApiQuery(START, TODAY + DAY, "provider"))
    assert measures(answer)[(None, ("openai",))].total_cost == billed(CALLS, CHARGES)


@pytest.mark.parametrize("grain", ["hour", "minute"])
def test_finer_than_days_is_usage_at_our_rates(api, book, grain):
    start = TODAY - 2 * DAY + timedelta(hours=5)
    answer = api.ask(ApiQuery(start, TODAY, None, grain))
    expected: dict[datetime, list[Call]] = defaultdict(list)
    for call in during(start, TODAY):
        expected[call.time - (call.time - TODAY) % GRAINS[grain]].append(call)
    found = measures(answer)
    assert {begins for begins, _ in found} == set(expected)
    for begins, calls in expected.items():
        assert found[(begins, ())].total_cost == rated(book, calls)
        assert found[(begins, ())].request_count == len(calls)
    assert any("cost-top's rates" in note for note in answer.notes)


@pytest.mark.parametrize(
    "end", [NOW, NOW.replace(second=0), TODAY + DAY, TODAY + 300 * DAY], ids=["now", "minute", "midnight", "future"]
)
def test_today_so_far_is_the_bills(api, end):
    calls = during(TODAY, NOW)
    assert calls
    assert one(api.ask(ApiQuery(TODAY, end))).total_cost == billed(calls, CHARGES[1:])


def test_the_last_day_to_the_minute_is_asked_in_few_stretches(api, server, book):
    start = NOW - DAY
    found = one(api.ask(ApiQuery(start, NOW)))
    assert found.total_cost == rated(book, during(start.replace(second=0), NOW))
    widths = [dict(parameters)["bucket_width"] for parameters in server.asked("/v1/organization/usage/completions")]
    assert widths == ["1m", "1h", "1d"]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=30), timedelta(minutes=3)])
def test_after_midnight_yesterday_ends_and_today_begins_empty(book, late):
    midnight = TODAY + DAY
    before = Call(
        midnight - timedelta(seconds=1), "o3", "key_0", None, None, "default", 5, 0, 0, 0, 7, {"input": Decimal("0.1")}
    )
    after = Call(midnight, "o3", "key_0", None, None, "default", 9, 0, 0, 0, 1, {"input": Decimal("0.02")})
    with OpenAiAdminServer(KEY, midnight + late, [before, after]) as server:
        api = OpenAiApi(f"{server.url}/v1", KEY, lambda: book, clock=lambda: server.now)
        yesterday = measures(api.ask(ApiQuery(TODAY, midnight, None, "day")))
        assert {begins: item.total_cost for (begins, _), item in yesterday.items()} == {TODAY: pico("0.1")}
        hours = measures(api.ask(ApiQuery(TODAY, midnight, None, "hour")))
        assert {begins for begins, _ in hours} == {midnight - timedelta(hours=1)}
        if late:
            today = measures(api.ask(ApiQuery(midnight, midnight + DAY, None, "day")))
            assert {begins: item.total_cost for (begins, _), item in today.items()} == {midnight: pico("0.02")}
        server.calls = []
        assert api.ask(ApiQuery(midnight, midnight + DAY, None, "day")).buckets == ()
        api.close()


Test = Callable[[Call], bool]


@pytest.mark.parametrize(
    ("where", "test", "on_bill"),
    [
        ("team:proj_1", lambda call: call.project == "proj_1", True),
        ('team:"Project 1"', lambda call: call.project == "proj_1", True),
        ('team:"Project 1",proj_2', lambda call: call.project in ("proj_1", "proj_2"), True),
        ("token:key_1,key_2 token:key_2", lambda call: call.key == "key_2", True),
        ("token_name:Key*", lambda call: call.key is not None, True),
        ('token_name:"Key 2"', lambda call: call.key == "key_2", True),
        ("owner:user-1", lambda call: call.user == "user-1", True),
        ("owner:sam1@x.test", lambda call: call.user == "user-1", True),
        ("-team:*", lambda call: call.project is None, True),
        ("-team:proj_1 token:*_3", lambda call: call.project != "proj_1" and call.key == "key_3", True),
        ("provider:openai", lambda call: True, True),
        ("-provider:openai", lambda call: False, True),
        ("provider:anth*", lambda call: False, True),
        ("model:o3", lambda call: call.model == "o3", False),
        ("model:gpt-*", lambda call: call.model.startswith("gpt-"), False),
        ("-model:o3,gpt-5-mini owner:*", lambda call: call.model.startswith("gpt-4o") and call.user is not None, False),
        ("team:proj_1 owner:user-1", lambda call: call.project == "proj_1" and call.user == "user-1", False),
    ],
)  # fmt: skip
def test_filters_are_parameters_where_there_are_some_and_the_same_everywhere(
    server, api, book, where, test: Test, on_bill
):
    server.charges = []
    question = ApiQuery(START, TODAY + DAY, where=parse_filter(where))
    assert api.refuses(question) is None
    answer = api.ask(question)
    calls = [call for call in CALLS if test(call)]
    if not calls:
        assert answer.buckets == ()
        return
    assert one(answer).total_cost == (billed(calls) if on_bill else rated(book, calls))
    assert one(answer).request_count == len(calls)
    assert on_bill is not any("cost-top's rates" in note for note in answer.notes)


def test_rows_lead_to_their_own_figures(api):
    for dimension in ("team", "owner", "token"):
        for bucket in api.ask(ApiQuery(START, TODAY + DAY, dimension)).buckets:
            where = parse_filter("").with_term(value_term(dimension, bucket.key[0]))
            assert one(api.ask(ApiQuery(START, TODAY + DAY, where=where))).total_cost == bucket.measures.total_cost


def test_exact_filters_do_not_fetch_what_they_leave_out(api, server):
    api.ask(ApiQuery(START, TODAY + DAY, "model", where=parse_filter("model:o3 team:proj_1,proj_2")))
    (asked,) = server.asked("/v1/organization/usage/completions")
    assert [pair for pair in asked if pair[0].endswith("s[]")] == [
        ("models[]", "o3"), ("project_ids[]", "proj_1"), ("project_ids[]", "proj_2"),
    ]  # fmt: skip
    assert ("group_by[]", "project_id") not in asked


def test_pages_are_followed_to_the_end(api, server, book):
    start = TODAY - 3 * DAY
    answer = api.ask(ApiQuery(start, TODAY, None, "minute"))
    assert sum(item.total_cost for item in measures(answer).values()) == rated(book, during(start, TODAY))
    assert [dict(asked).get("page") for asked in server.asked("/v1/organization/usage/completions")] == [
        None, "page_1440", "page_2880",
    ]  # fmt: skip


def test_too_many_pages_are_told(api, server, book, monkeypatch):
    monkeypatch.setattr(admin_report, "MOST_PAGES", 2)
    answer = api.ask(ApiQuery(TODAY - 3 * DAY, TODAY, None, "minute"))
    assert sum(item.total_cost for item in measures(answer).values()) == rated(
        book, during(TODAY - 3 * DAY, TODAY - DAY)
    )
    assert any("incomplete" in note for note in answer.notes)


def test_pages_in_a_circle_end(api, server):
    server.spoil = lambda path, body: body | {"has_more": True, "next_page": "page_0"}
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY, "model"))
    assert any("incomplete" in note for note in answer.notes)
    assert len(server.asked("/v1/organization/usage/completions")) == 2


def test_figures_spelled_as_texts_are_the_same(api, server):
    questions = [ApiQuery(START, TODAY + DAY, "token", "day"), ApiQuery(TODAY, NOW, "model", "hour")]
    numbers = [measures(api.ask(question)) for question in questions]
    server.texts = True
    assert [measures(api.ask(question)) for question in questions] == numbers
    assert api.drift() == ()


def spoiled_rows(change: Callable[[dict], object]) -> Callable[[str, dict], dict]:
    def spoil(path: str, body: dict) -> dict:
        for bucket in body["data"]:
            for row in bucket.get("results", []):
                change(row)
        return body

    return spoil


def test_amounts_in_another_currency_are_left_out_and_told(api, server):
    server.charges = []

    def change(row: dict) -> None:
        if "amount" in row and row["line_item"].endswith(", output"):
            row["amount"]["currency"] = "eur"

    server.spoil = spoiled_rows(change)
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY))
    calls = during(TODAY, NOW)
    inputs = sum(pico(cost) for call in calls for kind, cost in call.costs.items() if kind != "output")
    assert one(answer).total_cost == inputs
    assert one(answer).unpriced_count == len({call.model for call in calls})
    assert any("not in US dollars" in note for note in answer.notes)
    assert any("amount in eur" in line for line in api.drift())


@pytest.mark.parametrize("amount", [None, "much", {"value": 1}, "NaN", Decimal("1e300"), True, -1])
def test_hostile_amounts(api, server, amount):
    server.spoil = spoiled_rows(lambda row: "amount" in row and row["amount"].update(value=amount))
    measured = one(api.ask(ApiQuery(TODAY, TODAY + DAY)))
    if amount == -1 and amount is not True:
        assert (measured.total_cost % pico(1), measured.unpriced_count) == (0, 0)
        assert measured.total_cost < 0  # a credit
    else:
        assert measured.total_cost == 0
        assert measured.unpriced_count > 0


def test_drift_is_tolerated_and_reported(api, server, book):
    def change(row: dict) -> None:
        row["mood\x1b[31m"] = "fine"
        if "input_tokens" in row:
            row["input_cached_tokens"] = "some"
            row["project_id"] = "\x1b]0;pwned\x07" if row["project_id"] is None else row["project_id"]

    server.spoil = spoiled_rows(change)
    answer = api.ask(ApiQuery(TODAY, TODAY + DAY, "team", where=parse_filter("model:*")))
    assert answer.buckets
    assert all(bucket.measures.cached_input_tokens is None for bucket in answer.buckets)
    assert all(bucket.measures.output_tokens for bucket in answer.buckets)
    lines = api.drift()
    assert any("unknown field mood" in line for line in lines)
    assert any("input_cached_tokens is no count" in line for line in lines)
    assert not any("\x1b" in part for bucket in answer.buckets for part in bucket.key if part)
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("body", [[], {"data": None}, {"object": "page"}, 7, {"data": {"a": 1}}])
def test_what_is_no_report_is_an_error(api, server, body):
    server.spoil = lambda path, _: body
    with pytest.raises(SourceError, match="no report"):
        api.ask(ApiQuery(TODAY, TODAY + DAY))


def test_buckets_out_of_place_are_left_out(api, server):
    after = int((TODAY + DAY).timestamp())

    def spoil(path: str, body: dict) -> dict:
        body["data"] += [
            {"start_time": start, "results": body["data"][0]["results"]} for start in (1, after, "x", None, 1e300)
        ]
        body["data"] += [None, 3]
        return body

    whole = one(api.ask(ApiQuery(TODAY, TODAY + DAY)))
    server.spoil = spoil
    assert one(api.ask(ApiQuery(TODAY, TODAY + DAY))) == whole
    assert any("outside the period" in line for line in api.drift())
    assert any("without a usable start" in line for line in api.drift())


def test_models_without_a_rate_make_a_lower_bound(server, api, book):
    unknown = Call(TODAY + timedelta(hours=2), "zz-unheard-of", "key_0", None, None, "default", 10, 0, 0, 0, 3, {})
    server.calls = [*CALLS, unknown, unknown]
    answer = api.ask(ApiQuery(TODAY, NOW, "token", "hour"))
    found = measures(answer)[(TODAY + timedelta(hours=2), ("key_0", "Key 0"))]
    calls = [call for call in during(TODAY + timedelta(hours=2), TODAY + timedelta(hours=3)) if call.key == "key_0"]
    assert found.unpriced_count == 2
    assert found.total_cost == rated(book, calls)
    assert any(note.startswith("no rate for zz-unheard-of") for note in answer.notes)


def test_long_requests_that_usage_does_not_tell_apart_are_told(server, api, book):
    server.calls = [
        Call(TODAY, "gpt-6.1-sol", None, None, None, "default", 200_000, 0, 0, 0, 10, {}),
        Call(TODAY, "gpt-6.1-sol", None, None, None, "default", 200_000, 0, 0, 0, 10, {}),
    ]
    answer = api.ask(ApiQuery(TODAY, NOW, "model"))
    # Two requests of 200,000 tokens are not one of 400,000, which would cost more.
    assert one(answer).total_cost == rated(book, server.calls)
    assert any("more than 272,000 input tokens" in note and "gpt-6.1-sol" in note for note in answer.notes)


def test_usage_that_is_not_billed_yet_makes_a_lower_bound(server, api):
    server.calls = [
        Call(TODAY - DAY, "o3", None, None, None, "default", 10, 0, 0, 0, 10, {"input": Decimal("0.5")}),
        Call(TODAY, "o3", None, None, None, "default", 10, 0, 0, 0, 10, {}),
    ]
    server.charges = []
    answer = api.ask(ApiQuery(TODAY - DAY, TODAY + DAY))
    assert (one(answer).total_cost, one(answer).unpriced_count) == (pico("0.5"), 1)
    assert answer.notes == ("OpenAI has used tokens but no bill yet for 2026-11-25",)


def test_an_empty_organisation(server, api):
    server.calls, server.charges = [], []
    for dimension in (None, "provider", "model", "token", "owner", "team"):
        for grain in (None, "day", "hour", "minute"):
            assert api.ask(ApiQuery(TODAY, NOW, dimension, grain)) == Answer((), NOW, ())


def test_a_period_after_now_is_not_asked_for(server, api):
    assert api.ask(ApiQuery(TODAY + 2 * DAY, TODAY + 3 * DAY)).buckets == ()
    assert server.seen == []


def test_names_that_cannot_be_read_leave_ids(server, api):
    server.names = False
    keys = {bucket.key for bucket in api.ask(ApiQuery(START, TODAY + DAY, "token")).buckets}
    assert keys == {*((f"key_{number}", None) for number in range(4)), (None, None)}
    assert {bucket.key[0] for bucket in api.ask(ApiQuery(START, TODAY + DAY, "team")).buckets} >= {"proj_0", None}


def test_names_are_read_again_for_new_ids_but_not_each_time(server, api):
    question = ApiQuery(START, TODAY + DAY, "owner")
    server.names = False
    api.ask(question)
    server.names = True
    api.ask(question)
    assert len(server.asked("/v1/organization/users")) == 1
    server.now += timedelta(minutes=11)
    assert ("sam0@x.test",) in {bucket.key for bucket in api.ask(question).buckets}
    lists = len(server.asked("/v1/organization/users"))
    server.now += timedelta(minutes=11)
    api.ask(question)
    assert len(server.asked("/v1/organization/users")) == lists


def test_opening_proves_the_key(server, api, book):
    api.open()
    assert len(server.seen) == 1
    for wrong in ("sk-admin-wrong", "sk-proj-secret"):
        other = OpenAiApi(f"{server.url}/v1", wrong, lambda: book)
        with pytest.raises(SourceDenied, match="OPENAI_ADMIN_KEY") as caught:
            other.open()
        assert wrong not in str(caught.value)
        assert "\n" not in str(caught.value)
        other.close()


def test_failures_are_told_apart(server, api):
    def fail(status: int, headers: dict[str, str] | None = None) -> Callable[[str], None]:
        def fault(path: str) -> None:
            raise Refusal(status, error("no"), headers)

        return fault

    question = ApiQuery(TODAY, TODAY + DAY)
    server.fault = fail(429, {"Retry-After": "17"})
    with pytest.raises(SourceThrottled) as caught:
        api.ask(question)
    assert caught.value.wait == 17
    for status, kind in ((400, SourceRefused), (404, SourceRefused), (403, SourceDenied), (503, SourceError)):
        server.fault = fail(status)
        with pytest.raises(kind):
            api.ask(question)
    server.fault = None
    assert api.ask(question).buckets


def test_asking_can_be_broken_off_between_pages(server, api):
    server.fault = lambda path: api.cancel() if "completions" in path else None
    with pytest.raises(SourceError):
        api.ask(ApiQuery(TODAY - 3 * DAY, TODAY, None, "minute"))
    assert len(server.asked("/v1/organization/usage/completions")) == 1
    # Names are nice to have: breaking their list off is breaking the question off all the same.
    server.fault = lambda path: api.cancel() if "projects" in path else None
    with pytest.raises(SourceError, match="broken off"):
        api.ask(ApiQuery(TODAY, TODAY + DAY, "team"))
    assert server.asked("/v1/organization/costs") == []
    server.fault = None
    assert api.ask(ApiQuery(TODAY, TODAY + DAY)).buckets


def test_what_it_cannot_answer_is_refused_with_a_reason(api):
    for where, reason in (
        ("tag:prod", "cannot filter by tag"),
        ("word", "no search"),
        ("cost:>1", "cannot filter by cost"),
    ):
        assert reason in (api.refuses(ApiQuery(TODAY, NOW, where=parse_filter(where))) or "")
    for dimension in ("tag", "user", "endpoint", "status", "credential_type"):
        assert "OpenAI" in (api.refuses(ApiQuery(TODAY, NOW, dimension)) or "")
    assert api.refuses(ApiQuery(TODAY, NOW, "model", "minute")) is None


def test_the_key_is_nowhere_to_be_seen(api, server, book):
    other = OpenAiApi(BASE_URL, KEY + "x", lambda: book)
    shown = f"{api!r} {api.identity} {api.label} {api.capabilities}"
    assert "sk-admin" not in shown
    assert api.identity != other.identity
    assert api.identity == OpenAiApi(f"{server.url}/v1", KEY, lambda: book).identity
    with pytest.raises(UserError):
        OpenAiApi("http://api.openai.com/v1", KEY, lambda: book)


def test_the_real_client_reads_the_same_figures(server, api):
    """Proof that the server of this test is like OpenAI's, as far as the types of its own client tell."""
    import openai  # a second, which every worker that collects would take
    from openai.types.admin.organization import UsageCompletionsResponse, UsageCostsResponse

    with openai.OpenAI(api_key="unused", admin_api_key=KEY, base_url=f"{server.url}/v1", max_retries=0) as client:
        usage = client.admin.organization.usage
        start, end = int(START.timestamp()), int((TODAY + DAY).timestamp())
        costs = usage.costs(start_time=start, end_time=end, group_by=["api_key_id"], limit=31)
        tokens = usage.completions(start_time=start, end_time=end, group_by=["api_key_id"], limit=31)
        names = {item.id: item.name for item in client.admin.organization.projects.list()}
        people = {item.id: item.email for item in client.admin.organization.users.list()}
        keys = client.admin.organization.projects.api_keys.list("proj_0")
        assert {item.id for item in keys} == {"key_0", "key_3"}
    assert not costs.has_more
    assert names == {f"proj_{number}": f"Project {number}" for number in range(3)}
    assert people == {f"user-{number}": f"sam{number}@x.test" for number in range(3)}
    UsageCostsResponse.model_validate(costs.model_dump(), strict=True)
    UsageCompletionsResponse.model_validate(tokens.model_dump(), strict=True)
    spent: dict[tuple[datetime, str | None], Decimal] = {}
    used: dict[tuple[datetime, str | None], tuple[int, int, int, int | None]] = {}
    for bucket in costs.data:
        for row in bucket.results:
            spent[datetime.fromtimestamp(bucket.start_time, UTC), row.api_key_id] = Decimal(str(row.amount.value))
    for bucket in tokens.data:
        for row in bucket.results:
            used[datetime.fromtimestamp(bucket.start_time, UTC), row.api_key_id] = (
                row.input_tokens, row.output_tokens, row.num_model_requests, row.input_cached_tokens,
            )  # fmt: skip
    ours = measures(api.ask(ApiQuery(START, TODAY + DAY, "token", "day")))
    assert {(start, key[0]): item.total_cost for (start, key), item in ours.items()} == {
        key: pico(value) for key, value in spent.items()
    }
    assert {
        (start, key[0]): (item.input_tokens, item.output_tokens, item.request_count, item.cached_input_tokens)
        for (start, key), item in ours.items()
        if item.request_count is not None
    } == used


def test_cached_speech_saves_what_speech_costs() -> None:
    usage = Usage("gpt-realtime-mini", datetime(2026, 11, 1, tzinfo=UTC), input_tokens=100, cached_input_tokens=50,
                  output_tokens=0, audio_cached_tokens=30)  # fmt: skip
    # 20 x (0.60 - 0.06) + 30 x (10.00 - 0.30)
    assert value_usage(RateBook.load(), "openai", usage).prompt_cache_savings == 20 * 540_000 + 30 * 9_700_000


def test_cached_speech_that_costs_nothing_saves_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    free_when_cached = Rates(5, 1, 5, 5, 0, 0, audio_input=40, audio_cached=0)
    monkeypatch.setattr(Quote, "rates", lambda *_: free_when_cached)
    usage = Usage("gpt-realtime-mini", datetime(2026, 11, 1, tzinfo=UTC), input_tokens=100, cached_input_tokens=50,
                  output_tokens=0, audio_cached_tokens=30)  # fmt: skip
    assert value_usage(RateBook.load(), "openai", usage).prompt_cache_savings == 20 * (5 - 1) + 30 * 40
