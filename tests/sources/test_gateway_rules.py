"""What each gateway's log means where it is not what it seems: refunds, free groups, retries, mixed units, zeros."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from urllib.parse import urlsplit

import pytest

from cost_top.model.errors import UserError
from cost_top.sources.sql.inspect import inspect
from cost_top.sources.sql.log import open_log
from cost_top.usage.counts import priced_apart
from support import gateway_shapes as shapes
from support.log_writers import sqlite_writer
from support.logical import Logical, requests
from support.reading import records

END = datetime(2026, 10, 8, tzinfo=UTC)
ONE = replace(
    requests(1, END)[0], number=1, provider=1, input=1000, cached=300, written=200, output=50, reasoning=20, points=700,
    hit=False, status=200,
)  # fmt: skip


def numbered(number: int, **changes) -> Logical:
    return replace(ONE, number=number, **changes)


def read(writer, names=None):
    source = open_log(writer.location, names_url=names)
    found = {row["id"]: row for row in records(source)}
    with source.connect() as reader:
        lookups = {(item.field, item.by): dict(item.names) for item in reader.lookups()}
    return source, found, lookups


def write(writer, shape, *rows):
    """The shape's tables, and rows given as changes of the one request's own row."""
    writer.write(shape, [])
    for table, beside in shape.names([ONE]).items():
        writer.insert(table, beside)
    full = []
    for number, changes in enumerate(rows, 1):
        row, _ = shape.write(numbered(number), writer.database)
        whole = {"id": number} if isinstance(row.get("id"), int) else {}
        full.append({**row, **whole, **changes})
    writer.insert(shape.table, full)


@pytest.fixture(params=["sqlite", "mysql", "postgresql"])
def anywhere(request):
    return request.getfixturevalue("postgres" if request.param == "postgresql" else request.param)


def other(**keys):
    return json.dumps({"group_ratio": 1, "model_ratio": 2, **keys})


def test_new_api_tells_money_from_requests(anywhere):
    write(
        anywhere, shapes.NEW_API,
        {"type": 2, "quota": 500, "other": other()},
        {"type": 6, "quota": 200, "other": other(task_id="t"), "prompt_tokens": 0, "completion_tokens": 0},
        {"type": 1, "quota": 9000}, {"type": 3}, {"type": 4}, {"type": 7},
        {"type": 5, "quota": 0, "other": other(status_code=429), "prompt_tokens": 0, "completion_tokens": 0},
        {"type": 2, "quota": 300, "other": other(task_id="t", is_task=True)},
        {"type": 2, "quota": 40, "other": other(task_id="t")},
        {"type": 2, "quota": -60, "other": ""},
        {"type": 2, "quota": 10, "other": ""}, {"type": 2, "quota": 10, "other": None},
        {"type": 5, "quota": 0, "other": other(task_id=None)},
    )  # fmt: skip
    _, found, _ = read(anywhere)
    assert set(found) == {"1", "2", "7", "8", "9", "10", "11", "12", "13"}
    assert {key: row["reported_cost"] // 2_000_000 for key, row in found.items()} == {
        "1": 500, "2": -200, "7": 0, "8": 300, "9": 40, "10": -60, "11": 10, "12": 10, "13": 0,
    }  # fmt: skip
    assert {key for key, row in found.items() if row["counted"] is not False} == {"1", "7", "8", "11", "12", "13"}
    assert {key: found[key]["status"] for key in ("1", "2", "7", "13")} == {"1": 200, "2": None, "7": 429, "13": 500}


def test_new_api_counts_the_cache_as_each_usage_does(anywhere):
    plain = {"prompt_tokens": 1000, "quota": 5}
    write(
        anywhere, shapes.NEW_API,
        {**plain, "other": other(cache_tokens=400)},
        {**plain, "other": other(claude=True, cache_tokens=400, cache_creation_tokens=100)},
        {**plain, "other": other(usage_semantic="anthropic", cache_tokens=400, cache_write_tokens=7)},
        {**plain, "other": other(input_tokens_total=1200, cache_tokens=400)},
        {**plain, "other": other(claude=True, cache_creation_tokens_5m=30, cache_creation_tokens_1h=50)},
        {**plain, "other": '{"cache_tokens": "many", "claude": "perhaps"}'},
        {**plain, "other": "{broken"},
        {**plain, "other": other(claude=True, cache_creation_tokens=0, cache_write_tokens=0,
                                 cache_creation_tokens_5m=30, cache_creation_tokens_1h=50)},
    )  # fmt: skip
    _, found, _ = read(anywhere)
    told = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens")
    assert {key: tuple(row[name] for name in told) for key, row in found.items()} == {
        "1": (1000, 400, None, None), "2": (1500, 400, 100, None), "3": (1407, 400, 7, None),
        "4": (1200, 400, None, None), "5": (1080, None, 80, 50), "6": (1000, None, None, None),
        "7": (1000, None, None, None), "8": (1080, None, 80, 50),
    }  # fmt: skip


def test_new_api_knows_a_free_group_from_a_lost_price_and_its_own_list_price(anywhere):
    write(
        anywhere, shapes.NEW_API,
        {"quota": 0, "other": json.dumps({"group_ratio": 0, "model_ratio": 2})},
        {"quota": 0, "other": json.dumps({"group_ratio": 1, "model_ratio": 0})},
        {"quota": 500, "other": json.dumps({"group_ratio": 0.5})},
        {"quota": 300, "type": 6, "other": json.dumps({"group_ratio": 1.5})},
        {"quota": 0, "other": ""},
    )  # fmt: skip
    _, found, _ = read(anywhere)
    assert [found[key]["zero_is_price"] for key in "125"] == [True, True, False]
    assert [found[key]["reported_market_cost"] for key in "345"] == [1000 * 2_000_000, -200 * 2_000_000, None]


@pytest.mark.parametrize("value", ["1000000", "250000.5", "500000.0", "300000"])
def test_new_api_reads_the_operators_own_unit(anywhere, value):
    write(anywhere, shapes.NEW_API, {"type": 2, "quota": 500, "other": other()})
    anywhere.run(f"UPDATE options SET value = '{value}'")
    _, found, _ = read(anywhere)
    assert found["1"]["reported_cost"] == round(500 * 10**12 / Fraction(value))


def test_a_unit_that_is_none_is_refused(sqlite):
    write(sqlite, shapes.NEW_API, {})
    sqlite.run("UPDATE options SET value = 'lots'")
    with pytest.raises(UserError, match="QuotaPerUnit in options is no positive number"):
        open_log(sqlite.location)
    sqlite.run("DELETE FROM options")
    assert read(sqlite)[1]["1"]["reported_cost"] == 700 * 2_000_000


def test_names_and_the_unit_from_another_database(sqlite, tmp_path):
    """new-api keeps its log in a database of its own where LOG_SQL_DSN says so."""
    write(sqlite, shapes.NEW_API, {"quota": 500})
    for table in ("channels", "options"):
        sqlite.run(f"DROP TABLE {table}")
    main = tmp_path / "main.db"
    connection = sqlite3.connect(main)
    connection.execute("CREATE TABLE channels (id INTEGER, type INTEGER, key TEXT, name TEXT)")
    connection.execute("INSERT INTO channels VALUES (2, 14, 'sk-secret', 'mine'), (3, 999, 'sk-secret', 'unheard of')")
    connection.execute("CREATE TABLE options (key TEXT, value TEXT)")
    connection.execute("INSERT INTO options VALUES ('QuotaPerUnit', '1000')")
    connection.commit()
    connection.close()
    assert read(sqlite)[2] == {}
    _, found, names = read(sqlite, str(main))
    assert names == {("provider", "provider"): {"2": "anthropic", "3": "unheard of"}}
    assert found["1"]["reported_cost"] == 10**12 // 2
    with open_log(sqlite.location, names_url=str(main)).connect() as reader:
        known = reader.lookups()
        main.unlink()
        assert known
        assert reader.lookups() == known, "those that were read last hold while the names' database is away"


def test_one_api_sums_no_top_up_no_test_and_no_letters_of_speech(anywhere):
    write(
        anywhere, shapes.ONE_API,
        {"quota": 500}, {"type": 1, "quota": 90_000}, {"type": 5, "quota": 3, "username": ""},
        {"quota": 1234, "prompt_tokens": 1234, "completion_tokens": 0, "model_name": "tts-1"},
        {"quota": 0, "prompt_tokens": 0, "completion_tokens": 0}, {"quota": 0, "prompt_tokens": 90},
        {"prompt_tokens": 10**15}, {"prompt_tokens": -1},
    )  # fmt: skip
    source, found, names = read(anywhere)
    assert source.preset.name == "one-api"
    assert set(found) == {"1", "4", "5", "6", "7", "8"}
    assert [found[identity]["mode"] for identity in "678"] == [None, "unreadable_count", "unreadable_count"]
    assert (found["4"]["input_tokens"], found["4"]["reported_cost"]) == (0, 1234 * 2_000_000)
    assert found["6"]["input_tokens"] == 90
    assert names[("provider", "provider")]["3"] == "deepseek", "not what 36 is in new-api"


def test_bifrost_hits_failures_and_running_requests(sqlite):
    write(
        sqlite, shapes.BIFROST,
        {"status": "processing", "cost": None}, {"status": "cancelled", "error_details": ""},
        {"cache_debug": '{"cache_hit": true, "hit_type": "direct"}', "cost": 0},
        {"cache_debug": '{"cache_hit": false}', "cost": 0.5}, {"cost": None, "user_name": None},
        {"metadata": None, "token_usage": "", "team_name": "", "timestamp": "2026-10-07 09:00:00.123456789+00:00"},
        {"timestamp": "2026-10-07 09:00:00.5+00:00", "error_details": '{"status_code": 503}', "status": "error"},
        {"object_type": "list_models", "cost": None}, {"object_type": "file_list", "cost": 0.5},
    )  # fmt: skip
    _, found, _ = read(sqlite)
    assert len(found) == 8
    rows = [found[f"req-{number:06d}"] for number in range(2, 10)]
    assert [row["status"] for row in rows[:6]] == [499, 200, 200, 200, 200, 503]
    assert [row["cache_hit"] for row in rows[:6]] == [False, True, False, False, False, False]
    assert [(row["reported_cost"], row["zero_is_price"]) for row in (rows[3], *rows[6:])] == [
        (None, None), (0, True), (5 * 10**11, None),
    ]  # fmt: skip
    assert (rows[3]["user_name"], rows[2]["user"][:1], rows[2]["user_name"]) == (None, "u", ONE.user.name)
    assert (rows[4]["time"], rows[5]["time"]) == (
        datetime(2026, 10, 7, 9, 0, 0, 123456), datetime(2026, 10, 7, 9, 0, 0, 500000),
    )  # fmt: skip
    assert (rows[4]["tags"], rows[4]["cache_creation_input_tokens"]) == (None, None)
    assert rows[4]["team"].startswith("t")


def test_llmgateway_own_keys_retries_and_whose_output_holds_reasoning(postgres):
    write(
        postgres, shapes.LLMGATEWAY,
        {"used_mode": "api-keys"}, {"retried": True, "has_error": True, "cost": None, "billing_cost": None},
        {"billing_cost": None, "cost": 0.25}, {"used_provider": "google-vertex", "api_origin": None},
        {"canceled": True}, {"error_details": json.dumps({"statusCode": 418}), "has_error": True},
    )  # fmt: skip
    _, found, _ = read(postgres)
    rows = [found[f"req-{number:06d}"] for number in range(1, 7)]
    assert [row["credential_type"] for row in rows[:2]] == ["byok", "system"]
    # An own key's cost is what its owner is billed: the rates take it for the list price.
    assert [row["reported_cost"] for row in rows[:3]] == [700 * 2_000_000, None, 25 * 10**10]
    assert [row["counted"] for row in rows[:3]] == [True, False, True]
    assert [row["output_tokens"] for row in rows[2:4]] == [50, 30]
    assert [row["status"] for row in rows[1:]] == [500, 200, 200, 499, 418]


def test_sub2api_adds_the_cache_and_takes_what_was_charged(postgres):
    write(
        postgres, shapes.SUB2API, {}, {"actual_cost": 0, "rate_multiplier": 0}, {"cache_creation_tokens": 0},
        {"inbound_endpoint": "/v1/responses", "session_id": "s", "service_tier": "flex", "image_output_tokens": 30},
        {"actual_cost": 0}, {"actual_cost": 0, "total_cost": 0},
    )  # fmt: skip
    _, found, names = read(postgres)
    assert [found[key]["input_tokens"] for key in "123"] == [1000, 1000, 800]
    assert [found[key]["reported_cost"] for key in "12"] == [700 * 2_000_000, 0]
    assert [found[key]["reported_market_cost"] for key in "12"] == [1400 * 2_000_000] * 2
    # The fifth could not be charged, of the sixth no price was known.
    assert [found[key]["zero_is_price"] for key in "256"] == [True, True, False]
    assert names[("provider", "provider")]["2"] == "anthropic"
    told = ("endpoint", "session", "mode", "image_output_tokens")
    assert [found["4"][name] for name in told] == ["/v1/responses", "s", "flex", 30]


def test_an_older_sub2api_tells_no_endpoint(postgres):
    older = {"inbound_endpoint", "upstream_endpoint", "session_id", "service_tier", "image_output_tokens"}
    shape = replace(shapes.SUB2API, columns={k: v for k, v in shapes.SUB2API.columns.items() if k not in older})
    postgres.create(shape.table, shape.columns, index="created_at")
    postgres.insert(shape.table, [{k: v for k, v in shape.write(ONE, "postgresql")[0].items() if k not in older}])
    _, found, _ = read(postgres)
    assert [(row["endpoint"], row["session"], row["input_tokens"]) for row in found.values()] == [(None, None, 1000)]


def test_better_ccflare_takes_null_for_unknown_and_prompt_tokens_for_all_input(sqlite):
    write(
        sqlite, shapes.CCFLARE,
        {"cost_usd": None}, {"billing_type": "plan"}, {"billing_type": None, "agent_used": None},
        {"model": None, "account_used": None, "success": 0, "status_code": 529, "prompt_tokens": None,
         "output_tokens": None, "cost_usd": None, "completion_tokens": None},
    )  # fmt: skip
    _, found, _ = read(sqlite)
    rows = [found[f"req-{number:06d}"] for number in range(1, 5)]
    assert [row["reported_cost"] for row in rows] == [0, 700 * 2_000_000, 700 * 2_000_000, None]
    assert [row["input_tokens"] for row in rows] == [1000, 1000, 1000, None]
    assert [row["credential_type"] for row in rows] == ["api", "plan", None, "api"]
    assert (rows[2]["tags"], rows[3]["status"], rows[3]["provider"]) == (None, 529, None)


def test_a_provider_that_a_table_names_is_spelled_as_those_of_rows_are(sqlite):
    write(sqlite, shapes.CCFLARE, {"account_used": "Work-1"}, {"account_used": "work-2"})
    sqlite.insert(
        "accounts",
        [
            {"id": "Work-1", "provider": "Anthropic", "refresh_token": ""},
            {"id": "work-2", "provider": "anthropic", "refresh_token": ""},
        ],
    )
    _, found, lookups = read(sqlite)
    assert [lookups["provider", "provider"][row["provider"]] for row in found.values()] == ["anthropic"] * 2


def test_open_webui_reads_every_shape_of_usage_and_both_units_of_time(anywhere):
    if anywhere.database == "mysql":
        pytest.skip("Open WebUI keeps no log there")
    seconds = int(datetime(2026, 10, 7, 9, tzinfo=UTC).timestamp())
    usages = [
        {"input_tokens": 900, "prompt_tokens": 30, "output_tokens": 9, "completion_tokens": 3, "cost": 0.25},
        {"prompt_tokens": 10, "completion_tokens": 2}, {"prompt_eval_count": 11, "eval_count": 3},
        {"prompt_n": 5, "cache_n": 7, "predicted_n": 4}, {"prompt_n": 5, "predicted_n": 4}, None, {},
        {"input_tokens": 0, "prompt_tokens": 13, "output_tokens": 0, "completion_tokens": 6}, {"input_tokens": 0},
        {"input_tokens": 14, "output_tokens": 1, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 2},
    ]  # fmt: skip
    write(
        anywhere, shapes.OPEN_WEBUI,
        *({"usage": json.dumps(usage), "error": "null", "created_at": seconds} for usage in usages),
        {"role": "user"}, {"usage": None, "error": None, "done": False, "created_at": seconds * 1000 + 250},
        {"error": '{"content": "no"}', "usage": "null"}, {"user_id": "deleted"}, {"user_id": "shared-4f"},
        {"user_id": None},
    )  # fmt: skip
    _, found, _ = read(anywhere)
    assert len(found) == 14
    rows = [found[f"req-{number:06d}"] for number in range(1, 11)]
    assert [(row["input_tokens"], row["output_tokens"]) for row in rows] == [
        (900, 9), (10, 2), (11, 3), (12, 4), (5, 4), (None, None), (None, None), (13, 6), (0, None),
        (24, 1),
    ]  # fmt: skip
    assert [row["reported_cost"] for row in rows[:2]] == [25 * 10**10, None]
    assert {row["status"] for row in rows} == {200}
    assert found["req-000012"]["time"] == datetime(2026, 10, 7, 9, 0, 0, 250_000)
    assert found["req-000013"]["status"] == 500
    assert rows[3]["cached_input_tokens"] is None


def test_an_open_webui_that_has_no_log_yet_says_so(sqlite):
    sqlite.create("chat", {"id": "key", "user_id": "key", "chat": "json"})
    with pytest.raises(UserError, match=r"holds no request log: its table chat may be Open WebUI's, .* before 0\.8"):
        open_log(sqlite.location)


BESIDE = ("mode", "cache_creation_1h_tokens", "audio_input_tokens", "audio_output_tokens", "image_output_tokens",
          "web_search_count")  # fmt: skip


def test_bifrost_keeps_what_is_priced_apart_from_text(sqlite):
    writes = {"cached_write_tokens": 9, "cached_write_token_details": {"cached_write_tokens_1h": 4}}
    usages = [
        {"prompt_tokens_details": {**writes, "audio_tokens": 5}, "completion_tokens_details": {"audio_tokens": 3}},
        {"completion_tokens_details": {"image_tokens": 6}, "prompt_tokens_details": {"image_tokens": 7}},
        {"completion_tokens_details": {"citation_tokens": 8, "num_search_queries": 2}},
        {"prompt_tokens_details": {"image_tokens": 7}},
    ]
    models = ("claude-sonnet-4-6", "gpt-image-1", "sonar-deep-research", "gpt-5")
    write(sqlite, shapes.BIFROST, *({"token_usage": json.dumps(usage), "model": model, "cost": None}
                                    for usage, model in zip(usages, models, strict=True)))  # fmt: skip
    _, found, _ = read(sqlite)
    assert [tuple(found[f"req-{number:06d}"][name] for name in BESIDE) for number in range(1, 5)] == [
        (None, 4, 5, 3, None, None), ("image_input", None, None, None, 6, None),
        ("citations", None, None, None, None, 2), (None, None, None, None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize("gateway", ["bifrost", "aiproxy"])
def test_models_that_price_images_apart_are_the_same_in_every_log(sqlite, gateway):
    models = ("gpt-image-2", "MAI-Image-2", "gpt-realtime", "gemini-embedding-2", "gemini-3.1-flash-live-preview",
              "gemini-2.5-flash-native-audio", "cohere/embed-v4.0", "embed-v-5", "gpt-5", "gemini-3-pro")  # fmt: skip
    shape, shown = shapes.BIFROST, {"token_usage": json.dumps({"prompt_tokens_details": {"image_tokens": 7}})}
    if gateway == "aiproxy":
        shape = replace(shapes.AIPROXY, columns={**shapes.AIPROXY.columns, "image_input_tokens": "int"})
        shown = {"image_input_tokens": 7}
    write(sqlite, shape, *({**shown, "model": model} for model in models))
    source, found, _ = read(sqlite)
    assert source.preset.name == gateway
    told = [row["mode"] for _, row in sorted(found.items(), key=lambda item: int(item[0].removeprefix("req-")))]
    assert told == [priced_apart(model, 7) or None for model in models]
    assert told.count("image_input") == 8


def test_open_webui_keeps_what_is_priced_apart_from_text_and_who_paid(sqlite):
    usages = [
        {"input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 4}, "speed": "fast", "inference_geo": "us",
         "server_tool_use": {"web_search_requests": 2}},
        {"input_tokens": 90_000, "prompt_tokens": 50_000, "input_tokens_details": {"audio_tokens": 5}},
        {"prompt_tokens": 9, "completion_tokens_details": {"image_tokens": 6, "audio_tokens": 1}, "cost": 0.5,
         "currency": "CNY"},
        {"prompt_tokens": 9, "cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}},
        {"prompt_tokens": 9, "cost": 0.5, "is_byok": False, "currency": "USD"},
        {"prompt_tokens": 9, "server_tool_use": {"code_execution_requests": 1}, "speed": "fast"},
        {"input_tokens": 90_000, "prompt_tokens": 50_000, "speed": "fast"},
    ]  # fmt: skip
    write(sqlite, shapes.OPEN_WEBUI, *({"usage": json.dumps(usage)} for usage in usages))
    _, found, _ = read(sqlite)
    rows = [found[f"req-{number:06d}"] for number in range(1, 8)]
    assert [tuple(row[name] for name in BESIDE) for row in rows] == [
        ("fast", 4, None, None, None, 2), ("rounds", None, 5, None, None, None), (None, None, None, 1, 6, None),
        (None,) * 6, (None,) * 6, ("code_execution", None, None, None, None, None),
        ("fast+rounds", None, None, None, None, None),
    ]  # fmt: skip
    assert [(row["reported_cost"], row["credential_type"]) for row in rows[2:5]] == [
        (None, None), (25 * 10**10, "byok"), (50 * 10**10, "system"),
    ]  # fmt: skip
    assert rows[0]["region"] == "us"


def test_axonhub_and_aiproxy_take_null_for_what_is_not_known(sqlite):
    write(sqlite, shapes.AXONHUB, {"total_cost": None, "api_key_id": None, "source": "playground"}, {"source": "test"})
    source, found, _ = read(sqlite)
    assert source.preset.name == "axonhub"
    assert (found["1"]["reported_cost"], found["1"]["token"]) == (None, None)
    assert len(found) == 2


def test_aiproxy_pending_and_failed_rows_are_requests(postgres):
    write(
        postgres, shapes.AIPROXY,
        {"async_usage_status": 1, "input_tokens": None, "output_tokens": None, "used_amount": 0},
        {"code": 429, "used_amount": 0}, {"user": None, "metadata": None, "token_id": 0},
    )  # fmt: skip
    source, found, names = read(postgres)
    assert source.preset.name == "aiproxy"
    assert [found[key]["input_tokens"] for key in "123"] == [None, 1000, 1000]
    assert found["2"]["status"] == 429
    assert (found["3"]["user"], found["3"]["tags"], found["3"]["token"]) == (None, None, ONE.key.name)
    assert names[("provider", "provider")] == {"1": "openai", "2": "anthropic", "3": "deepseek", "4": "xai"}


def test_four_gateways_call_their_table_logs_and_are_told_apart(tmp_path):
    for shape in (shapes.NEW_API, shapes.ONE_API, shapes.BIFROST, shapes.AIPROXY):
        folder = tmp_path / shape.preset
        folder.mkdir()
        with sqlite_writer(folder) as writer:
            write(writer, shape, {})
            assert open_log(writer.location).preset.name == shape.preset


def test_promptgate_without_an_id_keeps_every_row_and_what_a_hit_avoided(anywhere):
    write(
        anywhere, shapes.PROMPTGATE,
        {}, {"cache_hit": True, "prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_avoided": 77,
             "completion_tokens_avoided": 8, "cached_tokens": 0},
    )  # fmt: skip
    _, found, _ = read(anywhere)
    assert sorted((row["cache_hit"], row["input_tokens"], row["output_tokens"]) for row in found.values()) == [
        (False, 1000, 50), (True, 77, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql", "clickhouse"])
def test_a_zero_that_may_be_no_price_is_counted_in_every_database(request, database):
    writer = request.getfixturevalue(database)
    shape, cost = (shapes.NATIVE, "cost_pico_usd") if database == "clickhouse" else (shapes.PROMPTGATE, "cost")
    write(writer, shape, {cost: 0}, {cost: 0}, {cost: 5}, {cost: 0, "status": 500}, {cost: 0, "cache_hit": True})
    (found,) = inspect(open_log(writer.location), 1).models
    assert (found.rows, found.without_cost, found.zeros) == (5, 0, 2)


TENSORZERO = """
CREATE SCHEMA tensorzero;
CREATE TABLE tensorzero.model_inferences (id uuid NOT NULL, inference_id uuid NOT NULL, model_name text,
  model_provider_name text, function_name text, input_tokens int, output_tokens int,
  provider_cache_read_input_tokens int, provider_cache_write_input_tokens int, cost numeric(18,9), cached boolean,
  response_time_ms int, created_at timestamptz NOT NULL, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
CREATE TABLE tensorzero.model_inferences_default PARTITION OF tensorzero.model_inferences DEFAULT;
CREATE TABLE tensorzero.chat_inferences (id uuid PRIMARY KEY, tags jsonb, function_name text);
CREATE TABLE tensorzero.json_inferences (LIKE tensorzero.chat_inferences);
INSERT INTO tensorzero.chat_inferences VALUES ('00000000-0000-7000-8000-000000000001',
  '{"user_id": "ann", "env": "prod: a", "tensorzero::x": "1"}', 'draft before it was said');
INSERT INTO tensorzero.json_inferences VALUES ('00000000-0000-7000-8000-000000000002', '{"user_id": "bob"}', 'extract');
INSERT INTO tensorzero.model_inferences VALUES
  ('00000000-0000-7000-8000-0000000000a1', '00000000-0000-7000-8000-000000000001', 'openai::gpt', 'openai', 'draft',
   100, 10, 40, 0, 0.123456789, false, 30, '2026-10-07 09:00:00+00'),
  ('00000000-0000-7000-8000-0000000000a2', '00000000-0000-7000-8000-000000000001', 'openai::gpt', 'openai', '',
   100, 10, NULL, NULL, 0, true, 0, '2026-10-07 09:00:00+00'),
  ('00000000-0000-7000-8000-0000000000a3', '00000000-0000-7000-8000-000000000002', 'own', 'vllm', NULL,
   NULL, NULL, NULL, NULL, NULL, false, 30, '2025-01-07 09:00:00+00'),
  ('00000000-0000-7000-8000-0000000000a4', '00000000-0000-7000-8000-000000000003', 'own', 'vllm', NULL,
   5, 5, NULL, NULL, NULL, false, 30, '2026-10-07 09:00:00+00');
"""


def test_tensorzero_takes_user_and_tags_from_the_inference_without_losing_or_doubling_calls(postgres):
    postgres.run(TENSORZERO)
    source, found, _ = read(postgres)
    assert source.preset.name == "tensorzero"
    rows = [found[f"00000000-0000-7000-8000-0000000000a{number}"] for number in range(1, 5)]
    assert [row["user"] for row in rows] == ["ann", "ann", "bob", None]
    assert rows[0]["tags"] == ["env:prod: a", "tensorzero::x:1", "user_id:ann"]
    assert [row["reported_cost"] for row in rows] == [123_456_789_000, 0, None, None]
    assert [row["cache_hit"] for row in rows] == [False, True, False, False]
    assert (rows[0]["model"], rows[0]["provider"]) == ("openai::gpt", "openai")
    assert [row["endpoint"] for row in rows] == ["draft", "draft before it was said", "extract", None]
    assert rows[0]["input_tokens"] == 100


def test_tensorzero_without_a_right_to_the_inferences_lacks_their_users(postgres):
    postgres.run(
        TENSORZERO
        + "DO $$ BEGIN CREATE ROLE narrow LOGIN PASSWORD 'narrow'; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT USAGE ON SCHEMA tensorzero TO narrow; GRANT SELECT ON tensorzero.model_inferences TO narrow;"
        "GRANT SELECT (id, tags) ON tensorzero.json_inferences TO narrow;"
    )
    address = urlsplit(postgres.location)
    narrow = address._replace(netloc=f"narrow:narrow@{address.netloc.rpartition('@')[2]}").geturl()
    rows = sorted(records(open_log(narrow)), key=lambda row: row["id"])
    assert [(row["user"], row["endpoint"]) for row in rows] == [
        (None, "draft"), (None, None), ("bob", None), (None, None),
    ]  # fmt: skip
    needed = inspect(open_log(postgres.location), 1).grants
    assert 'GRANT SELECT ("id", "tags", "function_name") ON "tensorzero"."chat_inferences" TO cost_top' in needed
