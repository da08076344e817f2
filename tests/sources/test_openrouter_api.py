"""OpenRouter's reports against a server of its documented behaviour: every figure is summed again from the requests."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError
from cost_top.model.filter import Filter, parse_filter, value_term
from cost_top.model.money import pico
from cost_top.model.query import add_measures
from cost_top.sources.apis.openrouter import BASE_URL, OpenRouterApi
from cost_top.sources.report_api import Answer, ApiQuery
from support.openrouter_server import HASHES, LABELS, MANAGEMENT, NAMES, ORDINARY, Call, OpenRouterServer

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIELDS = {
    "model": "model", "provider": "provider", "user": "external_user", "owner": "user", "endpoint": "app",
    "team": "workspace",
}  # fmt: skip


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def invented(count: int = 600, days: float = 60, seed: int = 5) -> list[Call]:
    """Requests of the last days, a third of them of the last three hours; amounts down to the pico-dollar."""
    draw, now = random.Random(seed), datetime.now(UTC)
    calls = []
    for number in range(count):
        span = timedelta(hours=3) if number % 3 == 0 else days * DAY
        own = draw.random() < 0.2
        prompt = draw.randrange(50_000)
        completion = draw.randrange(5_000)
        calls.append(Call(
            time=now - draw.random() * span - timedelta(seconds=1), model=draw.choice(["acme/x-1", "acme/x-2:free"]),
            provider=draw.choice(["Acme", "Bolt"]), api_key_id=draw.choice(list(HASHES)),
            user=draw.choice(["user_1", None]), external_user=draw.choice(["c-1", "c-2", None]),
            app=draw.choice([7, None]), country=draw.choice(["DE", "FR"]),
            usage=Decimal(draw.randrange(10**10 if own else 10**13)).scaleb(-12),
            own=Decimal(draw.randrange(10**13)).scaleb(-12) if own else Decimal(0),
            prompt=prompt, cached=prompt // 3, completion=completion, reasoning=completion // 2,
        ))  # fmt: skip
    return calls


@pytest.fixture
def server() -> Iterator[OpenRouterServer]:
    found = OpenRouterServer()
    yield found
    found.close()


@pytest.fixture
def opened(server) -> Iterator[Callable[..., OpenRouterApi]]:
    made: list[OpenRouterApi] = []

    def make(key: str = MANAGEMENT) -> OpenRouterApi:
        made.append(OpenRouterApi(server.url, key))
        made[-1].open()
        return made[-1]

    yield make
    for api in made:
        api.close()


def expected(
    calls: list[Call], question: ApiQuery, key_of: Callable[[Call], tuple] = lambda call: (), start=None
) -> dict[tuple, tuple[int, ...]]:
    """(bucket, key) -> charged, market, requests, input, cached, output, reasoning; from the requests."""
    cuts = {None: lambda time: None, "day": lambda time: time.replace(hour=0, minute=0, second=0, microsecond=0),
            "hour": lambda time: time.replace(minute=0, second=0, microsecond=0),
            "minute": lambda time: time.replace(second=0, microsecond=0)}  # fmt: skip
    sums: dict[tuple, list[int]] = defaultdict(lambda: [0] * 7)
    for call in calls:
        if question.start <= call.time < question.end:
            figures = (pico(call.usage), pico(call.usage + call.own), 1, call.prompt, call.cached, call.completion,
                       call.reasoning)  # fmt: skip
            place = (cuts[question.grain](call.time), key_of(call))
            sums[place] = [one + other for one, other in zip(sums[place], figures, strict=True)]
    return {place: tuple(figures) for place, figures in sums.items()}


def told(answer: Answer) -> dict[tuple, tuple[Any, ...]]:
    found = {}
    for bucket in answer.buckets:
        m = bucket.measures
        assert (bucket.start, bucket.key) not in found
        found[bucket.start, bucket.key] = (m.total_cost, m.market_cost, m.request_count, m.input_tokens,
                                           m.cached_input_tokens, m.output_tokens, m.reasoning_tokens)  # fmt: skip
        assert m.latency_p95 is None
        assert m.error_count is None
        assert m.unpriced_count == 0
    return found


def ask(api: OpenRouterApi, question: ApiQuery) -> Answer:
    assert api.refuses(question) is None
    return api.ask(question)


@pytest.mark.parametrize("grain", [None, "minute", "hour", "day"])
def test_totals_in_every_grain(server, opened, grain):
    server.calls = invented()
    api, now = opened(), datetime.now(UTC).replace(microsecond=0)
    span = {None: 30 * DAY, "minute": 3 * HOUR, "hour": 2 * DAY, "day": 40 * DAY}[grain]
    start = today() - span if grain == "day" else (now - span).replace(second=0)
    question = ApiQuery(start, start + span, None, grain)
    assert told(ask(api, question)) == expected(server.calls, question)


@pytest.mark.parametrize("dimension", sorted(FIELDS))
@pytest.mark.parametrize("grain", [None, "hour"])
def test_every_dimension(server, opened, dimension, grain):
    server.calls = invented()
    api, now = opened(), datetime.now(UTC).replace(microsecond=0)
    field = FIELDS[dimension]
    labels = LABELS.get(field, {})
    question = ApiQuery(now - 5 * DAY, now + HOUR, dimension, grain)
    assert told(ask(api, question)) == expected(
        server.calls, question, lambda call: (labels.get(value := getattr(call, field), value) or None,)
    )


def test_a_year_back_in_whole_days(server, opened):
    server.calls = invented(days=300)
    api = opened()
    question = ApiQuery(today() - 290 * DAY, today(), "model", "day")
    assert told(ask(api, question)) == expected(server.calls, question, lambda call: (call.model,))


def test_keys_are_told_by_hash_and_name_and_twins_together(server, opened):
    server.calls = invented()
    api, now = opened(), datetime.now(UTC).replace(microsecond=0)
    question = ApiQuery(now - 5 * DAY, now + HOUR, "token")

    def key_of(call: Call) -> tuple:
        label = NAMES[call.api_key_id]
        return (label if label == "Twin" else HASHES[call.api_key_id], label)

    answer = ask(api, question)
    assert told(answer) == expected(server.calls, question, key_of)
    assert any("same name" in note for note in answer.notes)
    assert [path for path, _ in server.seen].count("/keys") == 3  # two pages and the end


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("model:acme/x-2*", None),
        (str(Filter((value_term("model", "acme/x-2:free"),))), lambda call: call.model == "acme/x-2:free"),
        ("provider:Acme,Nobody", lambda call: call.provider == "Acme"),
        ("user:c-1 provider:Bolt", lambda call: (call.external_user, call.provider) == ("c-1", "Bolt")),
        ('token_name:"Web key"', lambda call: call.api_key_id == "web"),
        (f"token:{HASHES['batch']}", lambda call: call.api_key_id == "batch"),
        ("token:Twin", lambda call: call.api_key_id.startswith("twin")),
    ],
)  # fmt: skip
def test_filters_become_conditions(server, opened, where, holds):
    server.calls = invented()
    api, now = opened(), datetime.now(UTC).replace(microsecond=0)
    question = ApiQuery(now - 5 * DAY, now + HOUR, "model", where=parse_filter(where))
    if holds is None:
        assert "whole names" in (api.refuses(question) or "")
        return
    calls = [call for call in server.calls if holds(call)]
    assert told(ask(api, question)) == expected(calls, question, lambda call: (call.model,))


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("-model:acme/x-1", "cannot apply -model:acme/x-1"),
        ("-user:*", "whole names"),
        ("acme", "a word anywhere"),
        ("tag:prod", "cannot filter by tag"),
        ("status:>=400", "cannot filter by status"),
        ("team:Research", "workspaces by ids"),
        ('owner:"Ann Example"', "members by ids"),
        ("endpoint:https*", "apps by ids"),
        ("token:unknown", "no key is known"),
        ("model:Claude", "full name"),
        (" ".join(f"user:c-{number}" for number in range(21)), "20 conditions"),
    ],
)
def test_what_cannot_be_filtered_is_refused_and_asks_nothing(server, opened, where, reason):
    api, before = opened(), len(server.seen)
    question = ApiQuery(today() - DAY, today(), where=parse_filter(where))
    assert reason in (api.refuses(question) or "")
    assert len(server.seen) == before


def test_periods_that_are_not_kept_are_refused(server, opened):
    api, now = opened(), datetime.now(UTC)
    old = today() - 40 * DAY
    refused = {
        "31 days": [ApiQuery(old, today(), "provider"), ApiQuery(old, today(), where=parse_filter("user:c-1"))],
        "whole UTC days": [ApiQuery(old, today(), None, "hour"), ApiQuery(old + HOUR, today()),
                           ApiQuery(old, old + HOUR)],
        "3 hours": [ApiQuery(today() - 4 * HOUR, today(), None, "minute")],
        "365 days": [ApiQuery(today() - 400 * DAY, today())],
        "no tags": [ApiQuery(today(), now, "tag")],
        "no status": [ApiQuery(today(), now, "status")],
    }  # fmt: skip
    for reason, questions in refused.items():
        for question in questions:
            assert reason in (api.refuses(question) or ""), question
    assert api.refuses(ApiQuery(old, now)) is None


def test_a_cut_answer_is_asked_again_in_halves(server, opened):
    server.calls = invented()
    api = opened()
    server.most_rows = 40
    question = ApiQuery(today() - 6 * DAY, today() + DAY, "model", "hour")
    answer = ask(api, question)
    assert told(answer) == expected(server.calls, question, lambda call: (call.model,))
    assert answer.notes == ()
    asked = [body["time_range"] for path, body in server.seen if path == "/analytics/query"]
    assert 1 < len(asked) <= 15
    assert all(moment.endswith("Z") and len(moment) == 20 for span in asked for moment in span.values())


def test_an_answer_that_stays_cut_says_so(server, opened):
    server.calls = invented()
    api = opened()
    server.most_rows = 1
    answer = ask(api, ApiQuery(today() - 5 * DAY, today(), "model"))
    assert len(answer.buckets) == 1
    assert any("cut its answer off after 1 rows" in note for note in answer.notes)


def test_the_age_of_a_cached_answer_and_its_warnings_are_told(server, opened):
    server.calls, server.cached = invented(), datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=3)
    server.warnings = ("hash not\x1b resolved",)
    answer = ask(opened(), ApiQuery(today(), today() + DAY))
    assert answer.as_of == server.cached
    assert answer.notes == ("OpenRouter warns: hash not resolved",)


@pytest.mark.parametrize(
    ("offered", "total", "market"),
    [
        (("credits_usage", "byok_usage", "total_usage"), "1.25", "4.25"),
        (("credits_usage", "byok_usage"), "1.25", "4.25"),
        (("byok_usage", "total_usage"), "1.25", "4.25"),
        (("total_usage",), "4.25", "4.25"),
        (("credits_usage",), "1.25", None),
    ],
)  # fmt: skip
def test_own_keys_are_in_the_market_cost_only(server, opened, offered, total, market):
    server.calls = [Call(datetime.now(UTC) - timedelta(seconds=5), usage=Decimal("1.25"), own=Decimal(3))]
    server.metrics = {name: server.metrics[name] for name in (*offered, "request_count")}
    api = opened()
    answer = ask(api, ApiQuery(datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR))
    (bucket,) = answer.buckets
    assert bucket.measures.total_cost == pico(total)
    assert bucket.measures.market_cost == (None if market is None else pico(market))
    assert bucket.measures.input_tokens is None
    assert any("own keys" in note for note in answer.notes) == (offered == ("total_usage",))
    assert "openrouter: /analytics/meta: does not offer tokens_prompt" in api.drift()
    assert ("market_cost" in api.capabilities.measures) == (market is not None)
    assert "input_tokens" not in api.capabilities.measures


def test_what_is_not_offered_is_said(server, opened):
    server.dimensions = ("model", "provider")
    server.keys_status = 403
    api = opened()
    assert set(api.capabilities.dimensions) == {"model", "provider"}
    assert "api_key_id" in api.capabilities.limits["token"]
    assert api.capabilities.filters == {"model", "provider"}
    assert "do not group by token" in (api.refuses(ApiQuery(today(), today() + DAY, "token")) or "")


def test_without_a_list_of_keys_their_names_are_their_ids(server, opened):
    server.calls, server.keys_status = invented(), 403
    api = opened()
    question = ApiQuery(today() - DAY, today() + DAY, "token")
    assert told(ask(api, question)) == expected(
        server.calls, question, lambda call: (NAMES[call.api_key_id], NAMES[call.api_key_id])
    )
    assert "token" not in api.capabilities.filters


def query_answer(*rows: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"data": {"data": list(rows), "metadata": {"truncated": False}, **rest}}


def test_hostile_and_odd_rows(server, opened):
    api = opened()
    row = {"credits_usage": "0.5", "byok_usage": None, "total_usage": Decimal("0.5"), "request_count": "many",
           "tokens_prompt": -4, "tokens_completion": Decimal("7.0"), "surprise": [1]}  # fmt: skip
    server.answer = query_answer(
        {**row, "model": "ev\x1b[31mil\u202e/x"}, {**row, "model": "evil[31m/x"},
        {**row, "model": "ev[31mil/x", "tokens_completion": True}, {**row, "model": ""}, {**row, "model": 12},
        cachedAt="soon",
    )  # fmt: skip
    answer = ask(api, ApiQuery(today(), today() + DAY, "model"))
    found = {bucket.key: bucket.measures for bucket in answer.buckets}
    assert set(found) == {("ev[31mil/x",), ("evil[31m/x",), (None,), ("12",)}
    assert found["ev[31mil/x",].total_cost == pico(1)
    assert found["ev[31mil/x",].output_tokens is None
    assert found[None,].output_tokens == 7
    assert (found[None,].request_count, found[None,].input_tokens) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        [], {"data": []}, {"data": {"data": {}}}, {"data": {"data": ["row"]}},
        query_answer({"model": "a/b", "request_count": "3", "total_usage": None}),
        query_answer({"model": "a/b", "credits_usage": "lots", "request_count": "3"}),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_source_error(server, opened, value):
    api = opened()
    server.answer = value
    with pytest.raises(SourceError, match="openrouter"):
        api.ask(ApiQuery(today(), today() + DAY, "model"))


def test_buckets_without_a_time_are_a_source_error_and_those_beside_are_left(server, opened):
    api = opened()
    question = ApiQuery(today() - DAY, today(), None, "day")
    money = {"credits_usage": Decimal(1), "byok_usage": 0, "total_usage": Decimal(1), "request_count": "1"}
    server.answer = query_answer(
        {**money, "date__day": f"{today() - DAY:%Y-%m-%d}"}, {**money, "date__day": f"{today():%Y-%m-%dT00:00:00Z}"},
        {"date__day": f"{today() - 2 * DAY:%Y-%m-%d}", **money},
    )  # fmt: skip
    assert [bucket.start for bucket in api.ask(question).buckets] == [today() - DAY]
    server.answer = query_answer({**money, "date__day": "yesterday"})
    with pytest.raises(SourceError, match="date__day"):
        api.ask(question)


def test_an_hour_without_requests_is_no_bucket(server, opened):
    api = opened()
    server.answer = query_answer({"request_count": "0", "total_usage": None, "credits_usage": None})
    assert api.ask(ApiQuery(today(), today() + DAY)).buckets == ()


def test_too_many_questions_are_throttled_with_the_named_wait(server, opened):
    api = opened()
    server.per_minute = 1
    question = ApiQuery(today(), today() + DAY)
    api.ask(question)
    with pytest.raises(SourceThrottled) as raised:
        api.ask(question)
    assert raised.value.wait == 7


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("later", [False, True])
def test_without_analytics_completed_days_and_todays_counters(server, opened, status, later):
    server.calls = invented()
    server.analytics = 200 if later else status
    api = opened()
    server.analytics = status
    question = ApiQuery(today() - 20 * DAY, today() + DAY, None, "day")
    answer = ask(api, question)
    figures = told(answer)
    spent_today = figures.pop((today(), ()))
    wanted = expected(server.calls, question)
    charged = wanted.pop((today(), ()), (0, 0))
    assert spent_today == (*charged[:2], None, None, None, None, None)
    # /activity of this server does not tell cached tokens, which then are unknown
    assert figures == {place: (*row[:4], None, *row[5:]) for place, row in wanted.items()}
    assert any("completed UTC days" in note for note in answer.notes)
    assert any("sum of the keys" in note for note in answer.notes)
    assert set(api.capabilities.dimensions) == {"model", "provider"}


def test_completed_days_by_model_and_filter(server, opened):
    server.calls, server.analytics = invented(), 403
    api = opened()
    question = ApiQuery(today() - 20 * DAY, today() + DAY, "model", where=parse_filter("provider:Bolt"))
    answer = ask(api, question)
    calls = [call for call in server.calls if call.provider == "Bolt" and call.time < today()]
    wanted = expected(calls, question, lambda call: (call.model,))
    assert told(answer) == {place: (*row[:4], None, *row[5:]) for place, row in wanted.items()}
    assert any("today is missing" in note for note in answer.notes)


def test_a_total_with_today_knows_the_money_only(server, opened):
    server.calls, server.analytics = invented(), 404
    question = ApiQuery(today() - 10 * DAY, datetime.now(UTC) + HOUR)
    (bucket,) = ask(opened(), question).buckets
    ((charged, market, *_),) = expected(server.calls, question).values()
    assert (bucket.measures.total_cost, bucket.measures.market_cost) == (charged, market)
    assert bucket.measures.request_count is None


def test_a_day_under_way_that_activity_tells_is_not_counted_twice(server, opened):
    server.calls, server.analytics, server.activity_until = invented(), 403, DAY
    question = ApiQuery(today() - 10 * DAY, today() + DAY)
    (bucket,) = ask(opened(), question).buckets
    ((charged, *_),) = expected(server.calls, question).values()
    assert bucket.measures.total_cost == charged


def test_activity_refuses_what_it_cannot_tell(server, opened):
    server.analytics = 403
    api = opened()
    for question, reason in (
        (ApiQuery(today() - DAY, today(), "token"), "token needs OpenRouter's analytics"),
        (ApiQuery(today() - DAY, today(), None, "hour"), "whole UTC days"),
        (ApiQuery(today() - HOUR, today()), "whole UTC days"),
        (ApiQuery(today() - 40 * DAY, today()), "goes back 30 days"),
        (ApiQuery(today(), today() + DAY, "model"), "completed days only"),
        (ApiQuery(today() - DAY, today(), where=parse_filter("user:c-1")), "cannot filter by user"),
    ):
        assert reason in (api.refuses(question) or ""), question


def test_a_wrong_question_does_not_close_analytics(server, opened):
    api = opened()
    server.dimensions = ("provider",)  # gone since
    with pytest.raises(SourceRefused, match="Unknown name"):
        api.ask(ApiQuery(today(), today() + DAY, "model"))
    assert "minute" in api.capabilities.totals


def periods() -> dict[str, datetime]:
    return {"day": today(), "week": today() - timedelta(days=today().weekday()), "month": today().replace(day=1)}


@pytest.mark.parametrize("period", ["day", "week", "month"])
@pytest.mark.parametrize("beyond", [timedelta(0), DAY])
def test_an_ordinary_key_tells_its_own_totals(server, opened, period, beyond):
    server.calls = invented()
    api = opened(ORDINARY)
    question = ApiQuery(periods()[period], datetime.now(UTC) + beyond)
    answer = ask(api, question)
    own = [call for call in server.calls if call.api_key_id == "web"]
    charged = sum(pico(call.usage) for call in own if call.time >= question.start)
    market = charged + sum(pico(call.own) for call in own if call.time >= question.start)
    (bucket,) = answer.buckets
    assert (bucket.start, bucket.key) == (None, ())
    assert (bucket.measures.total_cost, bucket.measures.market_cost) == (charged, market)
    assert bucket.measures.request_count is None
    assert any("management key" in note for note in answer.notes)


def test_an_ordinary_key_refuses_everything_else(server, opened):
    api = opened(ORDINARY)
    now = datetime.now(UTC)
    assert api.capabilities.dimensions == {}
    assert all("management key" in api.capabilities.limits[name] for name in ("model", "token", "chart", "burn"))
    for question in (
        ApiQuery(today() - 40 * DAY, now), ApiQuery(today(), now, "model"), ApiQuery(today(), now, None, "hour"),
        ApiQuery(today(), now - 2 * HOUR), ApiQuery(today(), now, where=parse_filter("model:acme/x-1")),
        ApiQuery(today() - 100 * DAY, today() - 99 * DAY),
    ):  # fmt: skip
        assert "management key" in (api.refuses(question) or ""), question
    assert [bucket.start for bucket in ask(api, ApiQuery(today(), today() + DAY, None, "day")).buckets] == [today()]


def test_balances(server, opened):
    account = opened().credits()
    assert (account.balance, account.total_used) == (pico("74.75"), pico("25.75"))
    server.calls = [Call(datetime.now(UTC) - 90 * DAY, usage=Decimal("2.5"))]
    without = opened(ORDINARY).credits()
    assert (without.balance, without.total_used) == (None, pico("2.5"))
    server.key_limit = ("10", "7.5")
    limited = opened(ORDINARY).credits()
    assert (limited.balance, limited.total_used) == (pico("7.5"), pico("2.5"))


def test_a_key_that_is_none_is_denied_without_being_told(server):
    api = OpenRouterApi(server.url, "sk-or-v1-wrong-0123456789")
    with pytest.raises(SourceDenied) as raised:
        api.open()
    assert "User not found." in str(raised.value)
    assert "wrong" not in str(raised.value)
    api.close()


def test_names_and_limits(server, opened):
    first, other = opened(), opened(ORDINARY)
    assert first.label == "openrouter"
    assert first.identity == OpenRouterApi(server.url, MANAGEMENT).identity
    assert first.identity != other.identity
    assert MANAGEMENT not in first.identity + repr(first)
    for api in (first, other):
        limits = api.capabilities
        assert (limits.interval, limits.shortest_interval, limits.price) == (30, 15, 0)
        assert (limits.lag, limits.settles) == (timedelta(minutes=1), timedelta(hours=24))
    assert first.capabilities.reach == timedelta(days=365)
    assert first.statistics.queries > 0
    assert BASE_URL.startswith("https://openrouter.ai/")
    assert first.drift() == ()


def test_what_is_otherwise_than_documented_is_read_as_far_as_it_can_be_and_told(server, opened):
    row = {"credits_usage": "1.5", "byok_usage": "much", "total_usage": None, "request_count": "3", "mood": "good"}
    server.answer = {"data": {"data": [row], "metadata": {"truncated": False}, "cachedAt": None, "shards": 2}}
    api = opened()
    (bucket,) = ask(api, ApiQuery(datetime.now(UTC) - HOUR, datetime.now(UTC))).buckets
    assert (bucket.measures.total_cost, bucket.measures.request_count) == (pico("1.5"), 3)
    assert bucket.measures.market_cost is None
    said = "openrouter: /analytics/query: "
    assert {*api.drift()} == {said + "byok_usage is no amount", said + "unknown field mood",
                              said + "unknown field shards"}  # fmt: skip


def test_a_bad_address_is_a_user_error():
    with pytest.raises(UserError):
        OpenRouterApi("http://openrouter.example/api/v1", ORDINARY)


def test_halves_of_one_bucket_are_added(server, opened):
    server.calls = invented(300)
    api = opened()
    server.most_rows = 2
    question = ApiQuery(today() - 3 * DAY - HOUR // 2, today() - HOUR // 2, None, "day")
    parts = ask(api, question).buckets
    total = parts[0].measures
    for bucket in parts[1:]:
        total = add_measures(total, bucket.measures)
    ((charged, *_),) = expected(server.calls, ApiQuery(question.start, question.end)).values()
    assert total.total_cost == charged
