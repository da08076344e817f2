"""LiteLLM's spend log in the schema its own migrations make."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from cost_top.model.errors import UserError
from cost_top.sources.litellm.rows import _COUNTERPARTS
from cost_top.sources.sql.log import open_log
from support.litellm_log import HASH, START, spend_row, write_spend
from support.reading import fingerprints, records, records_at

HOSTILE = "\x1b[31m<b>[bold]\u202e\U0001f469\u200d\U0001f467 " + "x" * 10_000
USAGE = {
    "prompt_tokens": 1500, "completion_tokens": 90, "service_tier": "priority",
    "prompt_tokens_details": {"cached_tokens": 400, "cache_creation_tokens": 1000,
                              "cache_creation_token_details": {"ephemeral_1h_input_tokens": 300}},
    "completion_tokens_details": {"reasoning_tokens": 30},
}  # fmt: skip


@pytest.fixture
def log_url(litellm_url):
    yield litellm_url
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        connection.execute('TRUNCATE "LiteLLM_SpendLogs", "LiteLLM_VerificationToken", "LiteLLM_TeamTable" CASCADE')
        connection.execute('TRUNCATE "LiteLLM_UserTable", "LiteLLM_EndUserTable" CASCADE')
        connection.execute('TRUNCATE "LiteLLM_DeletedVerificationToken"')


def read(url, *rows, details=True):
    write_spend(url, *rows)
    return {row["id"]: row for row in records(open_log(url), details=details)}


def test_nothing_of_the_schema_is_missing(log_url):
    source = open_log(log_url)
    assert source.preset.name == "litellm"
    assert source.notes == ()
    assert source.overlap == timedelta(minutes=15)
    assert {item.table for item in source.names.tables} == {
        "LiteLLM_VerificationToken", "LiteLLM_DeletedVerificationToken", "LiteLLM_TeamTable",
        "LiteLLM_DeletedTeamTable", "LiteLLM_UserTable", "LiteLLM_EndUserTable",
    }  # fmt: skip


def test_one_row_with_everything(log_url):
    metadata = {
        "user_api_key_alias": "customer-A",
        "usage_object": dict(USAGE),
        "user_agent": "sdk/9",
        "additional_usage_values": {"cache_read_input_tokens": 400, "cache_creation_input_tokens": 1000},
        "used_client_oauth_token": True,
    }
    metadata["usage_object"] |= {"inference_geo": "us", "server_tool_use": {"web_search_requests": 2}}
    metadata["usage_object"]["prompt_tokens_details"] = {**USAGE["prompt_tokens_details"], "audio_tokens": 5}
    metadata["usage_object"]["completion_tokens_details"] = {**USAGE["completion_tokens_details"], "audio_tokens": 6}
    row = spend_row(
        "chatcmpl-1", spend=0.0123456789, prompt_tokens=1500, completion_tokens=90, metadata=metadata,
        request_tags=["prod", "plan:pro", "User-Agent: OpenAI", "User-Agent: OpenAI/Python 1.2"], session_id="s-1",
        cache_key="key-1",
    )  # fmt: skip
    assert read(log_url, row) == {
        "chatcmpl-1": {
            "id": "chatcmpl-1", "time": START, "provider": "openai", "model": "gpt-5-mini", "endpoint": "acompletion",
            "token": HASH, "token_name": "customer-A", "user": "customer-1", "owner": "owner-1", "team": "team-1",
            "tags": ["plan:pro", "prod"], "credential_type": "byok", "input_tokens": 1500, "cached_input_tokens": 400,
            "cache_creation_input_tokens": 1000, "cache_creation_1h_tokens": 300, "output_tokens": 90,
            "reasoning_tokens": 30, "reported_cost": 12_345_678_900, "mode": "priority", "cache_hit": False,
            "latency_ms": 2000, "status": 200, "streamed": True, "client_ip": "203.0.113.9", "user_agent": "sdk/9",
            "counted": True, "session": "s-1", "prompt": "key-1", "region": "us", "audio_input_tokens": 5,
            "audio_output_tokens": 6, "image_output_tokens": None, "web_search_count": 2, "zero_is_price": False,
            "reported_market_cost": None, "team_name": None, "user_name": None, "owner_name": None,
        }
    }  # fmt: skip


def test_what_is_billed_beside_tokens_is_told_alike_over_http(log_url):
    def used(name, model, call="acompletion", tokens=50_000, **usage):
        metadata = {"usage_object": usage}
        return spend_row(name, model=model, call_type=call, prompt_tokens=tokens, metadata=metadata)

    size, hops = {"search_context_size": "Low"}, {"initial_prompt_tokens": 20_000}
    rows = [
        used("small", "perplexity/sonar", **size, cost={"total_cost": 0.005}), used("other", "gpt-5"),
        used("large", "perplexity/sonar", search_context_size="high"),
        used("cited", "perplexity/sonar", **size, citation_tokens=7, cost={"total_cost": 0.005}),
        used("speech", "mistral/voxtral-small-latest", prompt_audio_seconds=7.5),
        used("mute", "mistral/voxtral-small-latest", prompt_audio_seconds=0),
        used("picture", "amazon.titan-embed-image-v1", "aembedding", prompt_tokens_details={"image_count": 1}),
        used("clip", "multimodalembedding", "embedding", prompt_tokens_details={"video_length_seconds": 0.5}),
        used("sound", "amazon.nova-2-embed", "aembedding", prompt_tokens_details={"audio_length_seconds": 2}),
        used("asked", "twelvelabs.marengo-embed", "aembedding", prompt_tokens_details={"query_count": 1}),
        used("pixels", "voyage-multimodal-3", "aembedding", image_pixels=90),
        used("words", "text-embedding-3-small", "aembedding", prompt_tokens_details={"cached_tokens": 0}),
        used("hops", "gemini-3-pro", service_tier="standard", prompt_tokens_details=hops),
        used("quick", "claude-opus-4-6", speed="fast", service_tier="standard", prompt_tokens_details=hops),
        used("many_batch_cost", "gemini-3-pro"),
    ]  # fmt: skip
    expected = {
        "small": "search_context_low", "other": None, "large": None, "cited": "citations", "speech": "audio_seconds",
        "mute": None, "picture": "image_input", "clip": "video_input", "sound": "audio_seconds", "asked": "queries",
        "pixels": "image_input", "words": None, "hops": "rounds",
        "quick": "fast+rounds", "many_batch_cost": "batch+rounds",
    }  # fmt: skip
    assert {name: row["mode"] for name, row in read(log_url, *rows).items()} == expected
    answered = [{**row, "metadata": json.loads(row["metadata"])} for row in rows]
    assert {row["request_id"]: _COUNTERPARTS["mode"](row) for row in answered} == expected


def test_cache_hits_are_told_by_the_word_true_alone(log_url):
    words = {"a": "True", "b": "False", "c": "None", "d": "", "e": "true"}
    found = read(log_url, *(spend_row(name, cache_hit=word, spend=0.0) for name, word in words.items()))
    assert [name for name, row in found.items() if row["cache_hit"]] == ["a", "e"]
    hit = found["a"]
    assert (hit["reported_cost"], hit["input_tokens"], hit["output_tokens"]) == (0, 100, 50)


def test_failures_carry_their_status(log_url):
    def failed(name, code):
        return spend_row(name, status="failure", spend=0.0, metadata={"error_information": {"error_code": code}})

    found = read(
        log_url, failed("text", "429"), failed("number", 503), failed("word", "BadRequest"), failed("empty", ""),
        failed("huge", "9" * 30), failed("answered", "200"), spend_row("bare", status="failure"),
        spend_row("none", status=None), spend_row("said", status="failure", metadata={
            "error_information": {"error_code": "rate_limit_exceeded", "error_class": "RateLimitError"}}),
    )  # fmt: skip
    expected = {"text": 429, "number": 503, "word": 500, "empty": 500, "huge": 500, "answered": 500, "bare": 500,
                "none": None, "said": 429}  # fmt: skip
    assert {name: row["status"] for name, row in found.items()} == expected


def test_cost_zero_and_odd(log_url):
    found = read(
        log_url, spend_row("zero", spend=0.0), spend_row("tiny", spend=1e-9), spend_row("third", spend=0.1 + 0.2),
        spend_row("nan", spend=float("nan")), spend_row("infinite", spend=float("inf")), spend_row("huge", spend=1e9),
        spend_row("refund", spend=-0.5),
    )  # fmt: skip
    assert {name: row["reported_cost"] for name, row in found.items()} == {
        "zero": 0, "tiny": 1000, "third": 300_000_000_000, "nan": None, "infinite": None, "huge": None,
        "refund": -500_000_000_000,
    }  # fmt: skip


def test_a_deployment_with_a_price_of_zero_is_free_and_one_without_a_price_is_not(log_url):
    def priced_as(name, key, spend=0.0, **more):
        return spend_row(
            name, spend=spend, **more, metadata={"model_map_information": {"model_map_value": {"key": key}}}
        )

    write_spend(log_url, priced_as("own", "id-1"), priced_as("public", "gpt-5-mini"), priced_as("none", ""),
                priced_as("paid", "id-1", 0.5), spend_row("bare", spend=0.0),
                priced_as("hit", "id-1", cache_hit="True"), priced_as("failed", "id-1", status="failure"),
                spend_row("tool", spend=0.0, call_type="call_mcp_tool"))  # fmt: skip
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(
            """UPDATE "LiteLLM_SpendLogs" SET model_id = CASE request_id WHEN 'none' THEN '' ELSE 'id-1' END"""
        )
    found = {row["id"]: row["zero_is_price"] for row in records(open_log(log_url))}
    assert found == {"own": True, "public": False, "none": False, "paid": False, "bare": False, "tool": True,
                     "hit": False, "failed": False}  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [None, {}, [], "text", 7, {"usage_object": None}, {"usage_object": [1]},
     {"usage_object": {"prompt_tokens_details": "x"}}, {"error_information": 3}],
)  # fmt: skip
def test_metadata_that_is_not_what_it_was(log_url, metadata):
    (row,) = read(log_url, spend_row("a", metadata=metadata)).values()
    assert (row["cached_input_tokens"], row["token_name"], row["input_tokens"]) == (None, None, 100)
    assert row["counted"] is True


def test_cached_tokens_under_each_of_their_names(log_url):
    spelled = {
        "a": {"additional_usage_values": {"cache_read_input_tokens": 7, "cache_creation_input_tokens": 5}},
        "b": {"usage_object": {"cache_read_input_tokens": 7, "cache_creation_input_tokens": 5}},
        "c": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 7, "cache_creation_tokens": 5}}},
        "d": {"usage_object": {"prompt_tokens_details": {"cached_tokens": 7.0, "cache_write_tokens": "5"}}},
        "e": {"additional_usage_values": {"cache_read_input_tokens": None},
              "usage_object": {"cache_read_input_tokens": 7, "cache_creation_input_tokens": 5}},
        "f": {"additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 7},
                                          "cache_creation_input_tokens": 5}},
    }  # fmt: skip
    found = read(log_url, *(spend_row(name, metadata=metadata) for name, metadata in spelled.items()))
    assert {(row["cached_input_tokens"], row["cache_creation_input_tokens"]) for row in found.values()} == {(7, 5)}


def test_claude_input_of_2025_that_held_what_was_read_but_not_what_was_written(log_url):
    def row(name, whole, details, model="claude-3-5-sonnet-20241022"):
        usage = {"cache_read_input_tokens": 5000, "cache_creation_input_tokens": 700, "prompt_tokens_details": details}
        return spend_row(name, prompt_tokens=whole, model=model, metadata={
            "usage_object": usage, "additional_usage_values": usage,
        })  # fmt: skip

    told = {"cached_tokens": 5000}
    found = read(log_url, row("neither", 100, None), row("read", 5100, told), row("both", 5800, told),
                 row("other", 5100, told, "gpt-5.6-sol"))  # fmt: skip
    assert {name: one["input_tokens"] for name, one in found.items()} == {
        "neither": 5800, "read": 5800, "both": 5800, "other": 5100,
    }  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        {"usage_object": {"prompt_tokens_details": {"cache_creation_token_details": {"ephemeral_1h_input_tokens": 3}}}},
        {"usage_object": {"cache_creation": {"ephemeral_1h_input_tokens": 3}}},
        {"usage_object": {"cache_creation_token_details": {"ephemeral_1h_input_tokens": 3}}},
        {"additional_usage_values": {"cache_creation": {"ephemeral_1h_input_tokens": 3}}},
        {"additional_usage_values": {
            "prompt_tokens_details": {"cache_creation_token_details": {"ephemeral_1h_input_tokens": 3}}}},
    ],
)  # fmt: skip
def test_hour_long_cache_entries_under_each_of_their_names(log_url, metadata):
    (row,) = read(log_url, spend_row("a", metadata=metadata)).values()
    assert row["cache_creation_1h_tokens"] == 3


def test_calls_of_its_own_are_money_but_no_requests(log_url):
    found = read(
        log_url,
        spend_row("own", metadata={"internal_call_origin": "autorouter"}),
        spend_row("retry", metadata={"billed_retry_attempt": True}),
        spend_row("first", metadata={"billed_retry_attempt": False, "internal_call_origin": None}),
        spend_row("plain"),
    )
    assert {name: row["counted"] for name, row in found.items()} == {
        "own": False, "retry": False, "first": True, "plain": True,
    }  # fmt: skip
    assert found["own"]["reported_cost"] == 10**9


def test_tags_end_users_and_agents(log_url):
    agent = ["User-Agent: OpenAI", "User-Agent: OpenAI/Python 1.2"]
    found = read(
        log_url, spend_row("only", request_tags=agent), spend_row("none", request_tags=None),
        spend_row("object", request_tags={"a": 1}), spend_row("text", request_tags="solo"),
        spend_row("anonymous", end_user=None), spend_row("empty", end_user=""),
    )  # fmt: skip
    assert (found["only"]["tags"], found["only"]["user_agent"]) == (None, "OpenAI/Python 1.2")
    assert (found["none"]["tags"], found["none"]["user_agent"]) == (None, None)
    assert (found["object"]["tags"], found["text"]["tags"]) == (["a:1"], ["solo"])
    assert (found["anonymous"]["user"], found["anonymous"]["owner"]) == (None, "owner-1")
    assert found["empty"]["user"] is None


def test_latency_and_streaming(log_url):
    start = START
    found = read(
        log_url,
        spend_row("measured", request_duration_ms=77),
        spend_row("whole", completionStartTime=start + timedelta(seconds=2)),
        spend_row("unknown", completionStartTime=None),
        spend_row("backwards", endTime=start - timedelta(seconds=1)),
    )
    assert found["measured"]["latency_ms"] == 77
    assert [found[name]["streamed"] for name in ("measured", "whole", "unknown")] == [True, False, None]
    assert found["backwards"]["latency_ms"] is None


def test_a_deployment_asked_by_its_id_goes_by_its_public_name(log_url):
    identity, custom = "0b6b5e6c-8a1b-4a6e-9d53-1f0cf8c3b111", "eu-deployment"
    found = read(
        log_url, spend_row("uuid", model=identity), spend_row("hash", model=HASH), spend_row("own", model=custom),
        spend_row("unnamed", model=identity, model_group=""), spend_row("usual"), spend_row("none", model=""),
    )  # fmt: skip
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute('UPDATE "LiteLLM_SpendLogs" SET model_id = model WHERE request_id = %s', ["own"])
    found = {row["id"]: row["model"] for row in records(open_log(log_url))}
    assert found == {
        "uuid": "fast", "hash": "fast", "own": "fast", "unnamed": identity, "usual": "gpt-5-mini", "none": "fast"
    }  # fmt: skip


def test_who_called_is_taken_from_the_metadata_where_the_columns_are_empty(log_url):
    metadata = {
        "user_api_key": HASH, "user_api_key_alias": "front door", "user_api_key_user_id": "u-7",
        "user_api_key_team_id": "t-7", "user_api_key_team_alias": "Growth", "user_api_key_end_user_id": "acme",
        "user_api_key_user_email": "ann@example.com",
    }  # fmt: skip
    empty = {"api_key": "", "user": "", "team_id": None, "end_user": ""}
    raw = {**metadata, "user_api_key": "sk-raw-key-that-was-never-hashed"}
    found = read(
        log_url, spend_row("a", metadata=metadata, **empty), spend_row("b", metadata=metadata),
        spend_row("c", metadata=raw, **empty),
    )  # fmt: skip
    names = ("token", "token_name", "owner", "owner_name", "team", "team_name", "user")
    assert [found["a"][name] for name in names] == [
        HASH, "front door", "u-7", "ann@example.com", "t-7", "Growth", "acme"
    ]  # fmt: skip
    assert [found["b"][name] for name in names[2:]] == ["owner-1", "ann@example.com", "team-1", "Growth", "customer-1"]
    assert found["c"]["token"].startswith("sk-…")


def test_images_shown_to_a_model_that_prices_them_apart_are_no_text(log_url):
    shown = {"usage_object": {"prompt_tokens_details": {"image_tokens": 60}}}
    found = read(
        log_url, spend_row("apart", model="azure/gpt-image-1", metadata=shown), spend_row("text", metadata=shown),
        spend_row("none", model="gpt-image-1"),
    )  # fmt: skip
    assert {name: row["mode"] for name, row in found.items()} == {"apart": "image_input", "text": None, "none": None}


def test_owners_and_end_users_have_names(log_url):
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_UserTable" (user_id, user_alias, user_email) VALUES '
            "('owner-1', 'Ann', 'a@x.org'), ('owner-2', NULL, 'b@x.org'), ('owner-3', NULL, NULL) "
        )
        connection.execute(
            'INSERT INTO "LiteLLM_EndUserTable" (user_id, alias, blocked) VALUES (%s, %s, false), (%s, NULL, false)',
            ["customer-1", "Acme", "customer-2"],
        )
    with open_log(log_url).connect() as reader:
        names = {lookup.field: lookup.names for lookup in reader.lookups()}
    assert (names["owner"], names["user"]) == (
        {"owner-1": "Ann", "owner-2": "b@x.org"},
        {"customer-1": "Acme"},
    )


def test_infinite_instants_lose_no_row(log_url):
    write_spend(log_url, spend_row("a"))
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(
            'UPDATE "LiteLLM_SpendLogs" SET "endTime" = \'infinity\', "completionStartTime" = \'infinity\''
        )
        connection.execute(
            'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, "startTime", "endTime") VALUES '
            "('future', 'x', 'infinity', 'infinity'), ('past', 'x', '-infinity', 'infinity'), "
            "('epoch', 'x', '1970-01-01', '1970-01-01')"
        )
    source = open_log(log_url)
    assert [(row["id"], row["latency_ms"]) for row in records(source)] == [("a", None)]
    with source.connect() as reader:
        assert reader.untimed() == 3


def test_hostile_text_in_every_column(log_url):
    text = HOSTILE
    row = spend_row(
        text, call_type=text, api_key=text, model=text, model_group=text, custom_llm_provider=text, user=text,
        team_id=text, end_user=text, requester_ip_address=text, cache_hit=text, status=text, request_tags=[text],
        metadata={"user_api_key_alias": text, "user_agent": text, "usage_object": {"service_tier": text}},
    )  # fmt: skip
    rows = read(log_url, row, spend_row("plain"))
    assert len(rows) == 2
    rows.pop("plain")
    (found,) = rows.values()
    for value in found.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str):
                assert part.isprintable()
                assert len(part) <= 512
    assert found["input_tokens"] == 100


def test_history_first_without_the_costly_columns(log_url):
    row = spend_row("a", metadata={"usage_object": USAGE, "user_api_key_alias": "x", "internal_call_origin": "y"})
    cheap = read(log_url, row, details=False)["a"]
    whole = read(log_url)["a"]
    source = open_log(log_url)
    differing = {name for name in whole if whole[name] != cheap[name]}
    assert differing <= set(source.costly)
    assert {"cached_input_tokens", "token_name", "counted", "reasoning_tokens"} <= differing
    assert cheap["cached_input_tokens"] is None
    assert cheap["reported_cost"] == whole["reported_cost"] == 10**9


# Keys as LiteLLM keeps them: by their SHA-256.
LIVING, GONE, HOSTILE = "a1" * 32, "b2" * 32, "c3" * 32


def test_names_of_keys_living_and_deleted_and_of_teams(log_url):
    with psycopg.connect(log_url, autocommit=True) as connection:
        for table, token, alias in (
            ("LiteLLM_VerificationToken", LIVING, "Key A"),
            ("LiteLLM_VerificationToken", "unnamed", None),
            ("LiteLLM_VerificationToken", HOSTILE, "\x1b[31mred\u202e"),
        ):
            connection.execute(f'INSERT INTO "{table}" (token, key_alias) VALUES (%s, %s)', (token, alias))
        connection.execute(
            'INSERT INTO "LiteLLM_DeletedVerificationToken" (id, token, key_alias) VALUES '
            f"('1', '{GONE}', 'Key B'), ('2', '{LIVING}', 'Old name')"
        )
        connection.execute(
            'INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, admins, members) '
            "VALUES ('team-1', 'Research', '{}', '{}')"
        )
    with open_log(log_url).connect() as reader:
        found = {(item.field, item.by): dict(item.names) for item in reader.lookups()}
    assert found == {
        ("token_name", "token"): {LIVING: "Key A", GONE: "Key B", HOSTILE: "[31mred"},
        ("team", "team"): {"team-1": "Research"}, ("owner", "owner"): {}, ("user", "user"): {},
    }  # fmt: skip


def test_a_log_without_the_right_to_read_names(postgres_server, log_url):
    write_spend(log_url, spend_row("a", metadata={"user_api_key_alias": "from the row"}))
    database = log_url.rsplit("/", 1)[1]
    postgres_server.run("DROP ROLE IF EXISTS narrow; CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute('GRANT SELECT ON "LiteLLM_SpendLogs" TO narrow')
    try:
        source = open_log(postgres_server.url(database, "narrow", "narrow"))
        assert records(source)[0]["token_name"] == "from the row"
        with source.connect() as reader:
            assert reader.lookups() == ()
    finally:
        with psycopg.connect(log_url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY narrow; DROP ROLE narrow")


def test_the_index_serves_the_tail_and_the_overlap(log_url):
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(
            'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, spend, "startTime", "endTime") '
            "SELECT 'r' || n, 'x', 0.5, timestamp '2026-11-01' + n * interval '3 second', now() "
            "FROM generate_series(1, 50000) n"
        )
        connection.execute('ANALYZE "LiteLLM_SpendLogs"')
    source = open_log(log_url)
    made = source.statements
    with source.connect() as reader:
        newest = reader.newest()
        assert newest == datetime(2026, 11, 1, tzinfo=UTC) + 50_000 * timedelta(seconds=3)
        times = [newest - step * timedelta(seconds=3) for step in range(100)]
        for sql in (
            made.fingerprints(newest - source.overlap, None), made.rows(newest, None, True),
            made.rows_at(times, True), made.newest(), made.oldest(), made.day_count(date(2026, 11, 1)),
        ):  # fmt: skip
            used, plan = source.database.plan(reader.session, sql)
            assert used, plan
        assert source.database.estimate(reader.session, "public", "LiteLLM_SpendLogs") == 50_000
        (day,) = reader.day_counts(date(2026, 11, 1), date(2026, 11, 2))
        assert (day.row_count, day.check.rsplit("/", 1)[1]) == (28_799, "14399.5")
    assert len(records(source)) == 50_000
    found = records_at(source, times)
    assert {row["time"].replace(tzinfo=UTC) for row in found} == set(times)


def test_fingerprints_see_new_rows_and_corrected_costs(log_url):
    write_spend(log_url, spend_row("a"), spend_row("b", metadata={"error_information": {"error_code": "429"}}))
    source = open_log(log_url)
    before = fingerprints(source)
    assert set(before) == {row["id"] for row in records(source)} == {"a", "b"}
    write_spend(log_url, spend_row("c"))
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute("UPDATE \"LiteLLM_SpendLogs\" SET spend = 0.002 WHERE request_id = 'a'")
    after = fingerprints(source)
    assert {name for name in after if after[name] != before.get(name)} == {"a", "c"}


def test_the_session_zone_does_not_move_a_request(log_url, monkeypatch):
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert read(log_url, spend_row("a"))["a"]["time"] == START


def test_an_old_install_lacks_columns(postgres_server, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "LiteLLM_SpendLogs" (request_id text, spend float8, prompt_tokens int, '
            'completion_tokens int, "startTime" timestamp(3), "endTime" timestamp(3), model text, "user" text)'
        )
        connection.execute(
            "INSERT INTO \"LiteLLM_SpendLogs\" VALUES ('a', 0.5, 1, 2, '2026-11-01', '2026-11-01 00:00:01', 'm', 'o')"
        )
    source = open_log(postgres_url)
    (row,) = records(source)
    assert (row["reported_cost"], row["owner"], row["latency_ms"], row["user"]) == (5 * 10**11, "o", 1000, None)
    assert "cached_input_tokens" in source.notes[0]


def test_a_table_of_that_name_that_is_another(postgres_server):
    name = postgres_server.create_database()
    try:
        postgres_server.run('CREATE TABLE "LiteLLM_SpendLogs" (request_id text)', name)
        with pytest.raises(UserError, match="lacks columns that a litellm log has: startTime, spend"):
            open_log(postgres_server.url(name))
    finally:
        postgres_server.drop_database(name)


def test_two_kinds_of_log_in_one_database(log_url):
    from cost_top.model import native

    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(native.DDL)
    try:
        with pytest.raises(UserError, match=r"several logs: .*cost_top_req.*LiteLLM_Spend.*--mapping cost-top"):
            open_log(log_url)
        assert open_log(log_url, "litellm").preset.name == "litellm"
        assert open_log(log_url, "cost-top").preset.name == "cost-top"
    finally:
        with psycopg.connect(log_url, autocommit=True) as connection:
            connection.execute(f"DROP TABLE {native.TABLE}")
