"""What gateways write down today and did not before, or only some of their rows: read as their own code means it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.sources.sql.log import open_log
from support import gateway_shapes as shapes
from support.logical import requests
from support.reading import records, records_at

ONE = replace(
    requests(1, datetime(2026, 10, 8, tzinfo=UTC))[0], number=1, provider=1, input=1000, cached=0, written=0, output=50,
    reasoning=20, points=700, hit=False, status=200,
)  # fmt: skip


def told(writer, shape, rows, *names, **columns):
    """These fields of rows that differ from the shape's own, whose table has more columns."""
    shape = replace(shape, columns={**shape.columns, **columns})
    writer.write(shape, [])
    for table, beside in shape.names([ONE]).items():
        writer.insert(table, beside)
    written = []
    for number, changes in enumerate(rows, 1):
        row, _ = shape.write(replace(ONE, number=number), writer.database)
        written.append({**row, **dict.fromkeys(columns), **changes})
    writer.insert(shape.table, written)
    source = open_log(writer.location)
    assert source.preset.name == shape.preset
    found = [tuple(row[name] for name in names) for row in records(source)]
    assert len(found) == len(rows)
    return found


def test_one_api_speech_has_no_time_and_embeddings_at_the_list_price_are_tokens(sqlite):
    same = {"quota": 900, "prompt_tokens": 900, "completion_tokens": 0}
    rows = [{**same, "elapsed_time": 0}, {**same, "elapsed_time": 80}]
    assert told(sqlite, shapes.ONE_API, rows, "input_tokens", "latency_ms") == [(0, None), (900, 80)]


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql"])
def test_one_api_before_2025_had_neither_times_nor_streams(database, request):
    later = ("elapsed_time", "is_stream", "system_prompt_reset", "request_id")
    older = replace(
        shapes.ONE_API, columns={name: kind for name, kind in shapes.ONE_API.columns.items() if name not in later},
        write=lambda one, kind: (
            {name: value for name, value in shapes.ONE_API.write(one, kind)[0].items() if name not in later}, None,
        ),
    )  # fmt: skip
    rows = [
        {"quota": 700, "prompt_tokens": 1000, "completion_tokens": 50},
        {"quota": 900, "prompt_tokens": 900, "completion_tokens": 0},
        {"quota": 900, "prompt_tokens": 900, "completion_tokens": 0, "model_name": "tts-1"},
    ]
    names = ("input_tokens", "output_tokens", "reported_cost", "latency_ms", "streamed")
    assert told(request.getfixturevalue(database), older, rows, *names) == [
        (1000, 50, 1_400_000_000, None, None), (900, 0, 1_800_000_000, None, None), (0, 0, 1_800_000_000, None, None),
    ]  # fmt: skip


def test_one_api_names_the_channels_it_knew_last(sqlite):
    told(sqlite, shapes.ONE_API, [{}], "provider")
    sqlite.insert("channels", [{"id": 60 + n, "type": 42 + n, "key": "", "name": "mine"} for n in range(10)])
    with open_log(sqlite.location).connect() as reader:
        names = dict(reader.lookups()[0].names)
    assert [names[str(60 + n)] for n in range(10)] == [
        "vertexai", "proxy", "siliconflow", "xai", "replicate", "baiduv2", "xunfeiv2", "alibailian", "openaicompatible",
        "geminiopenaicompatible",
    ]  # fmt: skip


def test_new_api_usage_that_another_gateway_turned_counts_the_cache_apart(sqlite):
    parts = {"cache_tokens": 400, "cache_creation_tokens": 80, "cache_creation_tokens_5m": 30}
    other = [parts, {**parts, "input_tokens_total": 1480}, {"cache_tokens": 400, "cache_creation_tokens": 80}]
    rows = [{"prompt_tokens": 1000, "other": json.dumps(each)} for each in other]
    assert told(sqlite, shapes.NEW_API, rows, "input_tokens") == [(1480,), (1480,), (1000,)]


def test_new_api_input_holds_what_openai_counts_as_read_and_as_written(sqlite):
    other = [{"cache_tokens": 800, "cache_write_tokens": 900}, {"cache_tokens": 800, "cache_write_tokens": 100}]
    other.append({**other[0], "claude": True, "usage_semantic": "anthropic"})
    rows = [{"prompt_tokens": 1000, "model_name": "gpt-5.6-sol", "other": json.dumps(each)} for each in other]
    names = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens")
    assert told(sqlite, shapes.NEW_API, rows, *names) == [(1000, 800, 200), (1000, 800, 100), (2700, 800, 900)]


def test_new_api_tells_speech_and_searches(sqlite):
    other = [{"audio": True, "audio_input": 11, "audio_output": 33, "text_input": 22}, {"audio_input_token_count": 5},
             {"web_search": True, "web_search_call_count": 2}]  # fmt: skip
    rows = [{"other": json.dumps(each)} for each in other]
    names = ("audio_input_tokens", "audio_output_tokens", "web_search_count")
    assert told(sqlite, shapes.NEW_API, rows, *names) == [(11, 33, None), (5, None, None), (None, None, 2)]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_open_webui_costs_that_are_no_amounts_are_none_and_bills_are_added_up(database, request):
    costs = [0.25, "0.25", {"total_cost": 0.25, "currency": "x"}, "abc", {"input": 1}, None]
    rows = [{"usage": json.dumps({"input_tokens": 10, "output_tokens": 5, "cost": cost})} for cost in costs]
    bill = {"input_tokens": 10, "prompt_tokens": 4, "output_tokens": 5, "cost": {"total_cost": 0.25}}
    rows.append({"usage": json.dumps(bill)})
    found = told(request.getfixturevalue(database), shapes.OPEN_WEBUI, rows, "reported_cost", "mode")
    odd = (None, "unreadable_cost")
    assert found == [*[(25 * 10**10, None)] * 3, odd, odd, (None, None), odd]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_open_webui_cached_and_written_input_is_read_however_providers_spell_it(database, request):
    usages = [
        {"input_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200}},
        {"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 200}},
        {"prompt_tokens": 1000, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 30,
         "prompt_tokens_details": {"cached_tokens": 300, "cache_creation_tokens": 200,
                                   "cache_creation_token_details": {"ephemeral_1h_input_tokens": 50}}},
        {"cached_tokens": 300}, {"prompt_cache_hit_tokens": 300, "prompt_cache_miss_tokens": 700},
        {"prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "cache_creation_input_tokens": 9},
    ]  # fmt: skip
    rows = [{"usage": json.dumps({"input_tokens": 1000, "output_tokens": 5, **usage})} for usage in usages]
    names = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens")
    assert told(request.getfixturevalue(database), shapes.OPEN_WEBUI, rows, *names) == [
        (1000, 300, 200, None), (1000, 300, 200, None), (1000, 300, 200, 50), (1000, 300, None, None),
        (1000, 300, None, None), (1000, 0, 9, None),
    ]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_better_ccflare_streams_that_failed_on_their_way_are_failures(database, request):
    rows = [{}, {"success": False}, {"success": False, "status_code": None}, {"success": False, "status_code": 529}]
    found = told(request.getfixturevalue(database), shapes.CCFLARE, rows, "status")
    assert found == [(200,), (500,), (500,), (529,)]


@pytest.mark.parametrize(("newer", "output"), [(True, [50, 70, 70, None]), (False, [70, 70, 70, None])])
def test_llmgateway_output_holds_reasoning_where_the_total_says_so(postgres, newer, output):
    totals = [(1050, 50), (1070, 50), (None, 50), (1000, None)]
    rows = [{"total_tokens": total, "prompt_tokens": 1000, "completion_tokens": answer} for total, answer in totals]
    columns = {"total_tokens": "num", **({"provider_key_id": "key"} if newer else {})}
    assert told(postgres, shapes.LLMGATEWAY, rows, "output_tokens", **columns) == [(each,) for each in output]


def test_llmgateway_speech_images_tiers_and_refusals_that_cost_nothing(postgres):
    rows = [
        {"audio_input_tokens": 40, "audio_output_tokens": 30, "used_service_tier": "flex"},
        {"image_output_tokens": 20, "billing_cost": None, "cost": 0}, {"billing_cost": None, "cost": None},
    ]  # fmt: skip
    names = ("audio_input_tokens", "audio_output_tokens", "image_output_tokens", "mode", "reported_cost")
    more = dict.fromkeys(("audio_input_tokens", "audio_output_tokens", "image_output_tokens"), "num")
    found = told(postgres, shapes.LLMGATEWAY, rows, *names, "zero_is_price", used_service_tier="key", **more)
    assert found == [
        (40, 30, None, "flex", 14 * 10**8, True), (None, None, 20, None, 0, True), (None,) * 5 + (True,),
    ]  # fmt: skip


def test_llmgateway_calls_that_broke_off_or_never_came_failed_and_a_client_that_left_says_nothing(postgres):
    said = [(0, True, False, "upstream_error"), (200, True, True, "upstream_error"), (429, True, False, "client_error"),
            (None, True, False, "gateway_error"), (None, False, True, "canceled"), (None, False, True, None),
            (None, False, True, "completed"), (None, False, True, "tool_calls")]  # fmt: skip
    rows = [
        {"error_details": None if code is None else json.dumps({"statusCode": code}), "has_error": failed,
         "canceled": left, "unified_finish_reason": reason}
        for code, failed, left, reason in said
    ]  # fmt: skip
    found = told(postgres, shapes.LLMGATEWAY, rows, "status", unified_finish_reason="key")
    assert [status for (status,) in found] == [500, 500, 429, 500, 499, 499, 200, 200]


@pytest.mark.parametrize(("shape", "failed"), [
    (shapes.NEW_API, lambda code: {"type": 5, "other": json.dumps({"status_code": code})}),
    (shapes.BIFROST, lambda code: {"status": "error", "error_details": json.dumps({"status_code": code})}),
], ids=lambda given: getattr(given, "preset", ""))  # fmt: skip
def test_an_error_that_came_with_the_code_of_an_answer_is_one(sqlite, shape, failed):
    found = told(sqlite, shape, [failed(200), failed(0), failed(503)], "status")
    assert [status for (status,) in found] == [500, 500, 503]


def test_sub2api_until_2026_01_named_the_hour_of_a_cache_itself(postgres):
    rows = [{"cache_creation_1h_tokens": 0, "cache_creation1h_tokens": 60}, {"cache_creation_1h_tokens": 40}]
    rows[1]["cache_creation1h_tokens"] = 0
    both = told(postgres, shapes.SUB2API, rows, "cache_creation_1h_tokens", cache_creation_1h_tokens="int",
                cache_creation1h_tokens="int")  # fmt: skip
    assert both == [(60,), (40,)]


def test_axonhub_playground_has_no_key_and_a_price_of_zero_is_one(sqlite):
    rows = [{"api_key_id": 0, "total_cost": 0.0}, {"total_cost": None}]
    found = told(sqlite, shapes.AXONHUB, rows, "token", "reported_cost", "zero_is_price")
    assert found == [(None, 0, True), (str(ONE.key.number), None, True)]


def test_aiproxy_tells_speech_and_the_key_of_a_cached_prompt(sqlite):
    rows = [{"audio_output_tokens": 9, "prompt_cache_key": "greeting"}]
    more = {"audio_output_tokens": "int", "prompt_cache_key": "text"}
    assert told(sqlite, shapes.AIPROXY, rows, "audio_output_tokens", "prompt", **more) == [(9, "greeting")]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_aiproxy_before_2025_05_spelled_tokens_otherwise_and_had_a_row_for_each_try(database, request):
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    gone = ("ttfb_milliseconds", "user", "metadata", "service_tier", "async_usage_status", "reasoning_tokens")
    columns = {names.get(k, k): kind for k, kind in shapes.AIPROXY.columns.items() if k not in gone}

    def write(one, kind):
        row, _ = shapes.AIPROXY.write(one, kind)
        return {names.get(k, k): value for k, value in row.items() if k not in gone}, None

    older = replace(shapes.AIPROXY, columns=columns, write=write)
    fields = ("input_tokens", "output_tokens", "counted", "latency_ms")
    writer, took = request.getfixturevalue(database), ONE.latency_ms
    rows = [{"downstream_result": True}, {"downstream_result": False, "code": 500}, {"downstream_result": None}]
    assert told(writer, older, rows, *fields, downstream_result="bool") == [
        (1000, 50, True, took), (1000, 50, False, took), (1000, 50, True, took),
    ]  # fmt: skip
    writer.run(f"DROP TABLE {writer.quoted('logs')}")
    writer.run(f"DROP TABLE {writer.quoted('channels')}")
    rows = [{}, {"prompt_tokens": None, "completion_tokens": None, "input_tokens": 7, "output_tokens": 8}]
    found = told(writer, older, rows, *fields, input_tokens="int", output_tokens="int")
    assert [row[:3] for row in found] == [(1000, 50, True), (7, 8, True)]
    assert "counted" not in open_log(writer.location).columns.missing


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql"])
def test_promptgate_says_in_a_number_or_a_word_how_a_request_ended(database, request):
    shape = replace(shapes.PROMPTGATE, columns={**shapes.PROMPTGATE.columns, "status": "key"})
    said = {"error": 500, "Success": 200, "429": 429, "?": None, None: None, "timeout": 504, "CANCELLED": 499}
    rows = [{"status": word, "latency_ms": number} for number, word in enumerate(said)]
    found = told(request.getfixturevalue(database), shape, rows, "latency_ms", "status")
    assert sorted(found) == list(enumerate(said.values()))


@pytest.mark.parametrize("kind", ["Nullable(String)", "LowCardinality(String)", "Enum8('timeout' = 1, 'Failed' = 2)"])
def test_a_status_in_words_is_one_in_clickhouse_too(clickhouse, tmp_path, kind):
    clickhouse.create("calls", {"id": "key", "at": "int", "model": "key", "ended": kind})
    rows = [("timeout", 504), ("Failed", 500), *([] if kind.startswith("Enum") else [("404", 404), ("?", None)])]
    clickhouse.insert("calls", [
        {"id": f"r{number}", "at": 1_790_000_000, "model": "m", "ended": word} for number, (word, _) in enumerate(rows)
    ])  # fmt: skip
    mapping = tmp_path / "own.toml"
    mapping.write_text("""name = "own"\ntable = "calls"\nid = "id"\ntime = { column = "at", unit = "epoch_s" }
[fields]\nmodel = "model"\nstatus = { sql = "${status ended}", typed = true }\n""")
    assert [row["status"] for row in records(open_log(clickhouse.location, mapping))] == [code for _, code in rows]


def test_helicone_reasoning_comes_on_top_and_properties_hold_session_and_prompt(clickhouse):
    rows = [
        {"completion_tokens": 40, "reasoning_tokens": 60, "prompt_audio_tokens": 7, "completion_audio_tokens": 3,
         "properties": {"Helicone-Session-Id": "s", "Helicone-Prompt-Id": "old"}, "prompt_id": ""},
        {"completion_tokens": 40, "reasoning_tokens": 0, "prompt_id": "greeting", "status": -2},
        {"completion_tokens": 0, "reasoning_tokens": 0, "status": -100}, {"status": -3}, {"status": 0},
    ]  # fmt: skip
    names = ("output_tokens", "session", "prompt", "status", "audio_input_tokens", "audio_output_tokens")
    more = {"prompt_audio_tokens": "Int64", "completion_audio_tokens": "Int64", "prompt_id": "String"}
    found = told(clickhouse, shapes.HELICONE, rows, *names, **more)
    assert found[:3] == [(100, "s", "old", 200, 7, 3), (40, None, "greeting", 504, 0, 0), (0, None, None, 500, 0, 0)]
    assert [row[3] for row in found[3:]] == [499, None]


def test_tensorzero_batches_have_no_time_streams_a_first_token_and_tags_the_key(clickhouse):
    key = {"tensorzero::api_key_public_id": "pub-1"}
    rows = [{"ttft_ms": 5, "cost": "0"}, {"response_time_ms": None, "cost": None}, {"cost": None}]
    shape = replace(shapes.TENSORZERO, names=lambda made: {
        table: [{**row, "tags": key} for row in beside] for table, beside in shapes.TENSORZERO.names(made).items()
    })  # fmt: skip
    rows[0]["inference_id"] = shape.names([ONE])["JsonInference"][0]["id"]
    found = told(clickhouse, shape, rows, "mode", "streamed", "zero_is_price", "token")
    assert found == [(None, True, True, "pub-1"), ("batch", False, True, None), (None, False, True, None)]


@pytest.mark.parametrize("database", ["sqlite", "clickhouse"])
def test_bifrost_turns_of_a_realtime_session_are_below_it_and_tries_are_below_a_request(database, request):
    rows = [
        {"parent_request_id": "rt-1", "object_type": "realtime.turn"}, {"parent_request_id": "req-000009"},
        {"parent_request_id": "req-000009", "session_id": "s"},
        {"parent_request_id": "", "object_type": "realtime.turn"},
    ]  # fmt: skip
    writer = request.getfixturevalue(database)
    text = "Nullable(String)" if database == "clickhouse" else "key"
    found = told(writer, shapes.BIFROST, rows, "session", parent_request_id=text, session_id=text)
    assert found == [("rt-1",), (None,), ("s",), (None,)]


@pytest.mark.parametrize("shape", [shapes.AXONHUB, shapes.AIPROXY], ids=lambda shape: shape.preset)
def test_times_as_go_writes_them_into_sqlite_are_those_of_their_offset(sqlite, shape):
    written = {
        "2026-10-07 17:00:00.123456789 +0800 CST m=+12.5": (9, 123456), "2026-10-07 09:00:00.5 +0000 UTC": (9, 500000),
        "2026-10-07 02:30:00 -0630 -0630 m=-1.2": (9, 0), "2026-10-07 17:00:00.25+08:00": (9, 250000),
        "2026-10-07T10:00:00Z": (10, 0), "2026-10-07 10:00:00.000001+00:00": (10, 1), "2026-10-07 10:00:01": (10, 0),
    }  # fmt: skip
    unknown = ["2026-10-07 17:00:00 CST", "2026-10-07 17:00:00+8", "2026-13-47 17:00:00+08:00", "soon", 7]
    at = [datetime(2026, 10, 7, hour, 0, int(raw.endswith("01")), micros) for raw, (hour, micros) in written.items()]
    at[5] = at[5].replace(second=0)
    sqlite.write(shape, [])
    base = shape.write(ONE, "sqlite")[0]
    sqlite.insert(shape.table, [
        {**base, "id": number, "created_at": raw} for number, raw in enumerate([*written, *unknown], 1)
    ])  # fmt: skip
    source = open_log(sqlite.location)
    assert [row["time"] for row in records(source)] == at
    hour = datetime(2026, 10, 7, 9, tzinfo=UTC)
    assert len(records(source, hour, hour + timedelta(hours=1))) == 4
    assert len(records(source, hour + timedelta(hours=1), hour + timedelta(hours=1, seconds=1))) == 2
    for end, found in ((1, 1), (123456, 1), (123457, 2), (250000, 2), (250001, 3), (500000, 3), (500001, 4)):
        assert len(records(source, hour, hour + timedelta(microseconds=end))) == found
    with source.connect() as reader:
        assert reader.untimed() == len(unknown)
    assert {row["id"] for row in records_at(source, [hour, hour + timedelta(hours=1, seconds=1)])} == set("12347")


@pytest.mark.parametrize(
    ("shape", "column"), [(shapes.BIFROST, "timestamp"), (shapes.PROMPTGATE, "created_at")],
    ids=lambda given: getattr(given, "preset", ""),
)  # fmt: skip
def test_times_in_sqlite_are_those_of_their_offset_however_it_is_spelled(sqlite, shape, column):
    spelled = ("+0800", "+08:00", "+08", " +0800", "+0800 CST")
    in_utc = ("", "Z", "z", " UTC", "+0000", "+00")
    sqlite.write(shape, [])
    base = shape.write(ONE, "sqlite")[0]
    written = [f"2026-10-07 17:00:00.5{zone}" for zone in spelled]
    written += [f"2026-10-07T09:00:00.5{zone}" for zone in in_utc]
    ids = [{"id": f"r{number}"} if "id" in base else {} for number in range(len(written))]
    sqlite.insert(shape.table, [{**base, **each, column: raw} for each, raw in zip(ids, written, strict=True)])
    source, hour = open_log(sqlite.location), datetime(2026, 10, 7, 9, tzinfo=UTC)
    assert {row["time"] for row in records(source)} == {datetime(2026, 10, 7, 9, 0, 0, 500000)}
    assert len(records(source, hour, hour + timedelta(hours=1))) == len(written)
    with source.connect() as reader:
        assert reader.untimed() == 0


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_bifrost_before_it_had_a_column_for_them_knows_cached_tokens_from_the_usage(database, request):
    columns = {name: kind for name, kind in shapes.BIFROST.columns.items() if name != "cached_read_tokens"}
    older = replace(
        shapes.BIFROST, columns=columns,
        write=lambda one, kind: ({k: v for k, v in shapes.BIFROST.write(one, kind)[0].items() if k in columns}, None),
    )  # fmt: skip
    details = [{"cached_read_tokens": 300}, {"cached_tokens": 200}, {}]
    rows = [{"token_usage": json.dumps({"prompt_tokens_details": each})} for each in details]
    assert told(request.getfixturevalue(database), older, rows, "cached_input_tokens") == [(300,), (200,), (None,)]
