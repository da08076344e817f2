"""LiteLLM's own proxy and its database tell the same: every record, every lens, to the pico-dollar."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.query import DIMENSIONS, ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import LogSource
from cost_top.sources.litellm.log import open_litellm_api
from cost_top.sources.litellm.pages import DayLogs, PagedLogs
from cost_top.sources.sql.log import open_log
from support.litellm_log import spend_row, write_spend
from support.litellm_proxy import LiteLLMProxy
from support.reading import fingerprints, records, records_at

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
CROWDED = NOW - timedelta(days=3, hours=1)
USAGE = {
    "prompt_tokens": 1500, "completion_tokens": 90, "service_tier": "priority",
    "prompt_tokens_details": {"cached_tokens": 400.0, "cache_creation_tokens": "1000",
                              "cache_creation_token_details": {"ephemeral_1h_input_tokens": 300}},
    "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip
METADATA: list[Any] = [
    {}, None, [], "text", 7, {"usage_object": USAGE}, {"usage_object": None},
    {"user_api_key_alias": "alias of the row"},
    {"additional_usage_values": {"cache_read_input_tokens": 40, "cache_creation_input_tokens": 10}},
    {"error_information": {"error_code": "429"}}, {"error_information": {"error_code": 503}},
    {"error_information": {"error_code": "Word"}}, {"error_information": 3}, {"used_client_oauth_token": True},
    {"used_client_oauth_token": "TRUE"}, {"internal_call_origin": "autorouter"}, {"billed_retry_attempt": True},
    {"billed_retry_attempt": False, "internal_call_origin": None}, {"user_agent": "sdk/9", "user_api_key_alias": ""},
    {"usage_object": {"server_tool_use": {"web_search_requests": 2, "code_execution_requests": 1}, "speed": "fast"}},
    {"usage_object": {"server_side_tool_usage_details": {"web_search_calls": 3, "x_search_calls": 1}}},
    {"usage_object": {"num_sources_used": 4, "num_search_queries": 2, "citation_tokens": 7}},
    {"usage_object": {"prompt_tokens_details": {"initial_prompt_tokens": 500}, "service_tier": "priority"}},
    {"usage_object": {"prompt_tokens_details": {"google_maps_grounding_requests": 1, "video_tokens": 3}}},
    {"usage_object": {"prompt_tokens_details": {
        "image_tokens": 5, "audio_tokens": 30, "cached_tokens_details": {"audio_tokens": 20}}}},
    {"usage_object": {"cache_read_input_tokens": -5, "prompt_tokens_details": "x"}},
    {"user_api_key_alias": "\x1b[31m<b>\u202e\U0001f469\u200d\U0001f467 " + "x" * 2_000},
]  # fmt: skip
TAGS: list[Any] = [
    [], ["prod"], ["prod", "plan:pro", "User-Agent: OpenAI/Python 1.2"], None, {"a": 1}, "solo", ["é", "é"]
]  # fmt: skip


def rows() -> list[dict[str, Any]]:
    draw = random.Random(5)
    made = []
    for number in range(1_800):
        same = timedelta(milliseconds=number % 1_000 if number > 150 else 0)
        start = CROWDED + same if number < 1_200 else NOW - timedelta(minutes=56, milliseconds=7) * (number - 1_200)
        tokens = draw.choice((1, 10)) * draw.randrange(0, 9_000)
        seconds = draw.choice([2, 0.0125, -1, 1])
        made.append(
            spend_row(
                f"chatcmpl-{number}", startTime=start, endTime=start + timedelta(seconds=seconds),
                completionStartTime=draw.choice([None, start + timedelta(seconds=0.5), start + timedelta(seconds=1)]),
                spend=draw.choice([0.0, 1e-9, 0.1 + 0.2, -0.5, 1e-5, round(draw.random(), 9), draw.random() / 1000]),
                prompt_tokens=tokens, completion_tokens=tokens // 7, total_tokens=tokens + tokens // 7,
                api_key=draw.choice(["a" * 64, "b" * 64, "c" * 64]), end_user=draw.choice(["acme", "globex", None, ""]),
                user=draw.choice(["ann", "bob"]), cache_hit=draw.choice(["True", "False", "None", "", None, "true"]),
                request_tags=draw.choice(TAGS), metadata=draw.choice(METADATA),
                status=draw.choice(["success", "failure", None, "odd"]), team_id=draw.choice(["team-1", "gone", None]),
                model=draw.choice(["gpt-5-mini", "claude-sonnet-4-6", "azure/gpt-realtime-2.1-mini", "gpt-image-1",
                                   "gemini-3.8-live", ""]), model_group=draw.choice(["fast", ""]),
                custom_llm_provider=draw.choice(["OpenAI", "anthropic", ""]),
                request_duration_ms=draw.choice([None, 77]), requester_ip_address=draw.choice(["203.0.113.9", None]),
            )
        )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def url(litellm_url: str) -> str:
    write_spend(litellm_url, *rows())
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        for sql, values in (
            ('INSERT INTO "LiteLLM_VerificationToken" (token, key_alias) VALUES (%s, %s)', ["a" * 64, "front door"]),
            ('INSERT INTO "LiteLLM_DeletedVerificationToken" (id, token, key_alias) VALUES (%s, %s, %s)',
             ["gone", "b" * 64, "retired key"]),
            ('INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias) VALUES (%s, %s)', ["team-1", "search"]),
            ('INSERT INTO "LiteLLM_DeletedTeamTable" (id, team_id, team_alias) VALUES (%s, %s, %s)',
             ["gone", "gone", "dissolved"]),
        ):  # fmt: skip
            connection.execute(sql, values)
    return litellm_url


@pytest.fixture(scope="module")
def proxy(url: str, litellm_proxy: LiteLLMProxy) -> Iterator[LiteLLMProxy]:
    litellm_proxy.use(url)
    yield litellm_proxy
    litellm_proxy.use(None)


@pytest.fixture(params=["/spend/logs/v2", "/spend/logs/ui", "/spend/logs"])
def source(proxy: LiteLLMProxy, request: pytest.FixtureRequest) -> LogSource:
    opened = open_litellm_api(proxy.url, proxy.key)
    if request.param == "/spend/logs/ui":
        opened.endpoint = PagedLogs(request.param, 100, opened.note)
    elif request.param == "/spend/logs":
        opened.endpoint = DayLogs(opened.note)
    return opened


def test_every_record_is_that_of_the_database(url: str, source: LogSource) -> None:
    expected = records(open_log(url))
    assert len(expected) == 1_800
    start = NOW.replace(tzinfo=UTC) - timedelta(days=40)
    assert records(source, start) == expected
    found = fingerprints(source, start)
    assert {identity: time for identity, (time, _) in found.items()} == {row["id"]: row["time"] for row in expected}


def test_times_and_edges_are_those_of_the_database(url: str, source: LogSource) -> None:
    log = open_log(url)
    times = [row["time"] for row in records(log)[1_500:1_520]]
    assert records_at(source, times) == records_at(log, times)
    with source.connect() as reader, log.connect() as other:
        assert reader.newest() == other.newest()
        assert reader.untimed() == 0
        oldest, first = reader.oldest(), other.oldest()
        assert oldest is not None
        assert first is not None
        # Only the newest endpoint can sort; the others may start too early, never too late.
        assert oldest == first if source.notes == () and source.endpoint.name.endswith("v2") else oldest <= first
        names = {lookup.field: dict(lookup.names) for lookup in reader.lookups() if lookup.names}
        assert names == {lookup.field: dict(lookup.names) for lookup in other.lookups() if lookup.names}


def test_every_lens_equals_that_of_the_database(url: str, proxy: LiteLLMProxy) -> None:
    period = Period(NOW.replace(tzinfo=UTC) - timedelta(days=26), NOW.replace(tzinfo=UTC) + timedelta(minutes=1))
    mirrors = [read_period(log, RateBook.load(None), None, period)
               for log in (open_log(url), open_litellm_api(proxy.url, proxy.key))]  # fmt: skip
    try:
        for lens in (dimension for dimension in DIMENSIONS if dimension not in ("minute", "source")):
            query = ReportQuery(period.start, period.end, (lens,), parse_filter(""), UTC, limit=100_000)
            expected, found = (mirror.report(query, period.end) for mirror in mirrors)
            assert found.totals == expected.totals
            assert {row.key: row.measures for row in found.rows} == {row.key: row.measures for row in expected.rows}
        assert expected.totals.total_cost > 0
        assert mirrors[0].row_count() == mirrors[1].row_count() > 1_700
    finally:
        for mirror in mirrors:
            mirror.close()


def test_days_are_checked_by_count_and_by_the_proxys_own_sums(url: str, proxy: LiteLLMProxy) -> None:
    day = (CROWDED - timedelta(days=2)).date()
    with open_litellm_api(proxy.url, proxy.key).connect() as reader:
        before = next(reader.day_counts(day, day + timedelta(days=1)))
        assert before == next(reader.day_counts(day, day + timedelta(days=1)))
        with open_log(url).connect() as other:
            counted = next(other.day_counts(day, day + timedelta(days=1)))
        assert before.row_count == counted.row_count > 0
        add_daily(url, day.isoformat(), 1.25)
        after = next(reader.day_counts(day, day + timedelta(days=1)))
    assert after.check != before.check
    assert after.check.startswith("1.25/")


def add_daily(url: str, day: str, spend: float) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, custom_llm_provider, spend, '
            "api_requests, updated_at) VALUES (%s, 'ann', %s, 'k', 'gpt-5-mini', 'openai', %s, 3, now())",
            [f"daily-{day}", day, spend],
        )


def test_a_key_of_an_internal_user_sees_its_own(url: str, proxy: LiteLLMProxy) -> None:
    key = "sk-anns-own-Ab3dEf6hIj9k"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO \"LiteLLM_UserTable\" (user_id, user_role, models) VALUES ('ann', 'internal_user', '{}')"
        )
        connection.execute(
            "INSERT INTO \"LiteLLM_VerificationToken\" (token, user_id, models) VALUES (%s, 'ann', '{}')",
            [hashlib.sha256(key.encode()).hexdigest()],
        )
    own = open_litellm_api(proxy.url, key)
    every = open_litellm_api(proxy.url, proxy.key)
    start = NOW.replace(tzinfo=UTC) - timedelta(days=2)
    found = records(own, start)
    assert found == [row for row in records(every, start) if row["owner"] == "ann"]
    assert {row["owner"] for row in found} == {"ann"}
    assert any("no admin" in note for note in own.notes)
    assert every.notes == ()
    assert own.identity != every.identity
    for source in (own, every):
        assert key not in repr(source) + source.label + source.identity + json.dumps(source.notes)


def test_wrong_keys_and_a_proxy_without_a_database(url: str, proxy: LiteLLMProxy) -> None:
    with pytest.raises(UserError, match="refuses the key") as refused:
        open_litellm_api(proxy.url, "sk-wrong-Ab3dEf6hIj9k")
    assert "Ab3dEf6hIj9k" not in str(refused.value)
    proxy.use(None)
    try:
        with pytest.raises(UserError, match="the proxy has no database"):
            open_litellm_api(proxy.url, proxy.key)
    finally:
        proxy.use(url)


def test_spend_without_rows_is_told(url: str, proxy: LiteLLMProxy, postgres_server: Any, litellm_template: str) -> None:
    name = postgres_server.create_database(litellm_template)
    silent = postgres_server.url(name)
    proxy.use(silent)
    try:
        source = open_litellm_api(proxy.url, proxy.key)
        assert source.notes == ()
        add_daily(silent, NOW.date().isoformat(), 1.25)
        with source.connect() as reader:
            reader.lookups()
            assert any("disable_spend_logs" in note for note in source.notes)
            assert reader.newest() is None
            assert reader.oldest() is None
            write_spend(silent, spend_row("late", startTime=NOW))
            reader.lookups()
        assert source.notes == ()
    finally:
        proxy.use(url)
        postgres_server.drop_database(name)


def test_more_rows_than_litellm_counts(
    url: str, proxy: LiteLLMProxy, postgres_server: Any, litellm_template: str
) -> None:
    name = postgres_server.create_database(litellm_template)
    busy = postgres_server.url(name)
    with psycopg.connect(busy, autocommit=True) as connection:
        # Three rows of each time, so that pages end among rows of one time.
        connection.execute(
            'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, "startTime", "endTime", spend) '
            "SELECT 'r' || n, 'x', %s + (n / 3) * interval '700 ms', %s, n * 0.000001 "
            "FROM generate_series(1, 12345) n",
            [CROWDED, NOW],
        )
    proxy.use(busy)
    try:
        source = open_litellm_api(proxy.url, proxy.key)
        with source.connect() as reader:
            assert next(reader.day_counts(CROWDED.date(), CROWDED.date() + timedelta(days=1))).row_count <= 10_000
        start = NOW.replace(tzinfo=UTC) - timedelta(days=5)
        assert records(source, start) == records(open_log(busy))
        assert source.notes == ()
    finally:
        proxy.use(url)
        postgres_server.drop_database(name)
