"""LiteLLM's rows over HTTP: every version's endpoint, the traps of its pages, and rows nobody expects."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cost_top.gateways.shape import UNREADABLE_COUNT
from cost_top.model.errors import SourceDenied, SourceError, SourceThrottled, UserError
from cost_top.sources.litellm import pages as litellm_pages
from cost_top.sources.litellm.log import LiteLLMApi, open_litellm_api
from cost_top.sources.litellm.rows import _COUNTERPARTS, RowReader, litellm_preset
from cost_top.sources.litellm.table import RawTable
from support.litellm_server import KEY, NO_DATABASE, OLD, UI, V2, LiteLLMServer, api_row, utc
from support.reading import fingerprints, normal, records, records_at
from support.scratch import scratch

START = datetime(2026, 11, 10, 9, 30)
AWARE = START.replace(tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def proxy() -> Iterator[LiteLLMServer]:
    server = LiteLLMServer()
    yield server
    server.close()


@pytest.fixture(params=[(V2, UI, OLD), (UI, OLD), (OLD,)], ids=["v2", "ui", "old"])
def any_proxy(request: pytest.FixtureRequest) -> Iterator[LiteLLMServer]:
    server = LiteLLMServer(*request.param)
    server.sorts = V2 in request.param
    yield server
    server.close()


def opened(proxy: LiteLLMServer, key: str = KEY) -> LiteLLMApi:
    source = open_litellm_api(f"litellm+{proxy.url}/", key)
    assert isinstance(source, LiteLLMApi)
    return source


def pages_asked(proxy: LiteLLMServer) -> list[dict[str, str]]:
    return [asked for path, asked in proxy.asked if path in (V2, UI, OLD)]


def test_each_version_tells_the_same_rows(any_proxy: LiteLLMServer) -> None:
    rows = [api_row(f"r{number}", START + timedelta(milliseconds=317 * number)) for number in range(450)]
    any_proxy.add(*rows, api_row("before", START - timedelta(milliseconds=1)), api_row("edge", START + DAY))
    source = opened(any_proxy)
    found = records(source, AWARE, AWARE + DAY)
    assert {row["id"]: row["time"] for row in found} == {row["request_id"]: row["startTime"] for row in rows}
    assert found[0] == {
        "id": "r0", "time": START, "provider": "openai", "model": "gpt-4o", "endpoint": "acompletion",
        "token": "5f" * 32, "token_name": None, "user": "acme", "owner": "ann", "team": None, "tags": ["prod"],
        "credential_type": "system", "input_tokens": 10, "cached_input_tokens": None,
        "cache_creation_input_tokens": None, "cache_creation_1h_tokens": None, "output_tokens": 5,
        "reasoning_tokens": None, "reported_cost": 10**12, "mode": None, "cache_hit": False, "latency_ms": 2000,
        "status": 200, "streamed": True, "client_ip": None, "user_agent": None, "counted": True,
        "session": None, "prompt": None, "region": None, "audio_input_tokens": None, "audio_output_tokens": None,
        "image_output_tokens": None, "web_search_count": None, "zero_is_price": False, "reported_market_cost": None,
        "team_name": None, "user_name": None, "owner_name": None,
    }  # fmt: skip
    # Half-open to the millisecond, within a second.
    low, high = rows[3]["startTime"].replace(tzinfo=UTC), rows[5]["startTime"].replace(tzinfo=UTC)
    assert [row["id"] for row in records(source, low, high)] == ["r3", "r4"]
    assert sorted(fingerprints(source, low)) == sorted([*(f"r{number}" for number in range(3, 450)), "edge"])
    assert all(asked["start_date"] and asked["end_date"] for asked in pages_asked(any_proxy))


def test_the_version_is_told_and_keeps_its_own_days(any_proxy: LiteLLMServer) -> None:
    source = opened(any_proxy)
    assert source.label == "litellm@127.0.0.1"
    assert source.overlap == timedelta(minutes=15)
    assert source.costly == ()
    if V2 in any_proxy.endpoints:
        assert source.notes == ()
    else:
        assert "/spend/logs/v2" in source.notes[0]
        other = LiteLLMServer()
        try:
            assert opened(other).preset.version != source.preset.version
            assert opened(other).preset.name == source.preset.name == "litellm"
        finally:
            other.close()


@pytest.mark.parametrize("spelling", ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S.%f+00:00"])
def test_times_with_and_without_an_offset(proxy: LiteLLMServer, spelling: str) -> None:
    proxy.spelling = spelling
    proxy.add(api_row("a", START + timedelta(microseconds=123_456)))
    (row,) = records(opened(proxy), AWARE)
    assert (row["time"], row["latency_ms"]) == (START + timedelta(microseconds=123_456), 2000)


def test_other_offsets_and_json_in_texts(proxy: LiteLLMServer) -> None:
    usage = {"prompt_tokens_details": {"cached_tokens": 4}}
    metadata = {"user_api_key_alias": "front\ud800 door\x1b", "usage_object": usage}
    proxy.add(api_row("a", START, metadata=json.dumps(metadata), request_tags='["b", "a", "User-Agent: sdk/1"]'))
    proxy.spelling = "%Y-%m-%dT%H:%M:%S+02:00"
    (row,) = records(opened(proxy), AWARE - DAY)
    assert row["time"] == START - timedelta(hours=2)
    assert (row["token_name"], row["cached_input_tokens"]) == ("front\ufffd door", 4)
    assert (row["tags"], row["user_agent"]) == (["a", "b"], "sdk/1")


def test_pages_lose_and_repeat_nothing_whatever_the_order(any_proxy: LiteLLMServer) -> None:
    draw = random.Random(3)
    # A few rows share each time, and their order changes with every question; counting stops early.
    any_proxy.count_limit = 40 if OLD not in any_proxy.endpoints[:1] else 10_000
    times = [START + timedelta(seconds=draw.randrange(4_000)) for _ in range(3_500)]
    any_proxy.add(*(api_row(f"r{number}", time) for number, time in enumerate(times)))
    source = opened(any_proxy)
    found = records(source, AWARE, AWARE + DAY)
    assert {row["id"]: row["time"] for row in found} == {f"r{number}": time for number, time in enumerate(times)}
    assert len(found) == 3_500
    assert {asked.get("page", "1") for asked in pages_asked(any_proxy)} == {"1"}, "no page is asked beyond the first"


def test_a_crowded_second_is_read_page_by_page(proxy: LiteLLMServer) -> None:
    proxy.add(*(api_row(f"r{number}", START + timedelta(milliseconds=number % 1000)) for number in range(2_300)))
    proxy.add(*(api_row(f"s{number}", START + timedelta(seconds=number)) for number in range(-5, 6)))
    source = opened(proxy)
    assert len(records(source, AWARE - DAY, AWARE + DAY)) == 2_311
    assert source.notes == ()


def test_rows_that_slip_between_pages_are_missed_loudly(proxy: LiteLLMServer) -> None:
    proxy.add(*(api_row(f"r{number:04}", START) for number in range(1_500)))
    source = opened(proxy)
    proxy.slipping = {"r0003", "r0005"}
    proxy.add(api_row("first", START - timedelta(seconds=1)))
    assert len(records(source, AWARE - DAY, AWARE + DAY)) == 1_499
    (note,) = source.notes
    assert "leave out 2 of the requests that began in one second (2026-11-10 09:30:00 UTC)" in note


def test_a_page_with_what_is_no_row_is_not_the_last(proxy: LiteLLMServer) -> None:
    proxy.add(*(api_row(f"r{number:04}", START + timedelta(seconds=number)) for number in range(2_500)))
    proxy.slipping, proxy.blank = {"r0003", "r1005"}, True
    assert len(records(opened(proxy), AWARE, AWARE + DAY)) == 2_498


def test_a_second_that_is_not_counted_to_its_end(proxy: LiteLLMServer) -> None:
    proxy.count_limit = 1_000
    proxy.add(*(api_row(f"r{number}", START + timedelta(milliseconds=number % 1000)) for number in range(2_100)))
    assert len(records(opened(proxy), AWARE, AWARE + DAY)) == 2_100


def test_too_many_rows_are_an_error(proxy: LiteLLMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm_pages, "_MOST_PAGES", 2)
    proxy.add(*(api_row(f"r{number}", START + timedelta(seconds=number)) for number in range(3_500)))
    with pytest.raises(SourceError, match="more than 2,000 rows from 2026-11-10 09:30:00"):
        records(opened(proxy), AWARE, AWARE + DAY)


def test_a_day_that_old_versions_cut_is_told() -> None:
    proxy = LiteLLMServer(OLD)
    proxy.count_limit = 100
    proxy.add(*(api_row(f"r{number}", START + timedelta(seconds=number)) for number in range(150)))
    try:
        source = opened(proxy)
        assert len(records(source, AWARE - DAY, AWARE + DAY)) == 100
        assert any("2026-11-10 are lower bounds" in note for note in source.notes)
    finally:
        proxy.close()


def test_what_was_looked_at_is_not_fetched_again(any_proxy: LiteLLMServer) -> None:
    any_proxy.add(*(api_row(f"r{number}", START + timedelta(seconds=number)) for number in range(30)))
    source = opened(any_proxy)
    with source.connect() as reader:
        for ask in (
            lambda: reader.rows(AWARE, None, True),
            lambda: reader.rows(AWARE + timedelta(seconds=5), None, True),
            lambda: reader.rows_at([START + timedelta(seconds=7), AWARE + timedelta(seconds=9)]),
        ):
            with reader.fingerprints(AWARE, None):
                pass
            before = len(any_proxy.asked)
            with ask() as stream:
                found = normal(reader, stream)
            assert len(any_proxy.asked) == before
            assert {len(found), found[0]["id"]} <= {30, 25, 2, "r0", "r10", "r7"}
        with reader.rows_at([START + timedelta(seconds=7)]) as stream:
            assert [row["id"] for row in normal(reader, stream)] == ["r7"]
        assert len(any_proxy.asked) > before, "an answer serves once"
        reader.took(5)
        assert reader.statistics.rows_read == 5
        assert reader.statistics.queries > 0
        assert reader.statistics.bytes_read > 0
        assert reader.statistics.database_ms > 0


def test_rows_at_far_apart_times(proxy: LiteLLMServer) -> None:
    times = [START, START + timedelta(hours=5), START + timedelta(hours=5, seconds=3), START + timedelta(days=2)]
    proxy.add(*(api_row(f"r{number}", time) for number, time in enumerate(times)))
    proxy.add(api_row("other", START + timedelta(hours=5, seconds=1)))
    source = opened(proxy)
    before = len(proxy.asked)
    assert [row["id"] for row in records_at(source, times)] == ["r0", "r1", "r2", "r3"]
    assert len(proxy.asked) - before == 3


def test_a_changed_row_has_another_fingerprint(proxy: LiteLLMServer) -> None:
    proxy.add(api_row("a", START), api_row("b", START))
    source = opened(proxy)
    before = fingerprints(source, AWARE)
    proxy.add(api_row("a", START, request_tags=["other"]))
    after = fingerprints(source, AWARE)
    assert before["a"] != after["a"]
    assert before["b"] == after["b"]


def test_edges_and_days(any_proxy: LiteLLMServer) -> None:
    source = opened(any_proxy)
    with source.connect() as reader:
        assert (reader.newest(), reader.oldest(), reader.untimed(), reader.lookups()[0].names) == (None, None, 0, {})
        now = utc()
        old = now - timedelta(days=400)
        any_proxy.add(api_row("new", now - timedelta(seconds=5)), api_row("old", old))
        assert reader.newest() == (now - timedelta(seconds=5)).replace(tzinfo=UTC)
        any_proxy.days = {f"{now - timedelta(days=90):%Y-%m-%d}": {"api_requests": 1, "spend": 1.0}}
        oldest = reader.oldest()
        assert oldest is not None
        if V2 in any_proxy.endpoints:
            assert oldest == old.replace(tzinfo=UTC)
        else:
            assert oldest.date() == (now - timedelta(days=90)).date(), "rows lie before the proxy's own sums"
            del any_proxy.rows["old"]
            any_proxy.days = {f"{now - timedelta(days=10):%Y-%m-%d}": {"api_requests": 1, "spend": 1.0}}
            later = reader.oldest()
            assert later is not None
            assert later.date() == (now - timedelta(days=10)).date(), "the first day of the proxy's own sums"
            any_proxy.add(api_row("old", now - timedelta(days=11)))
            earlier = reader.oldest()
            assert earlier is not None
            assert earlier < later - timedelta(days=1)
        day = START.date()
        any_proxy.add(*(api_row(f"r{number}", START + timedelta(hours=number)) for number in range(20)))
        (first,) = reader.day_counts(day, day + DAY)
        assert first.row_count == (0 if any_proxy.endpoints == (OLD,) else 15)
        assert [first] == list(reader.day_counts(day, day + DAY))
        any_proxy.days = {day.isoformat(): {"api_requests": 15, "spend": 15.0000000001}}
        (second,) = reader.day_counts(day, day + DAY)
        assert second.check != first.check
        any_proxy.days = {day.isoformat(): {"api_requests": 15, "spend": 15.0000000002}}
        assert [second] == list(reader.day_counts(day, day + DAY)), "the last digits of a sum hang on its order"
        any_proxy.add(api_row("one more", START))
        assert [second] != list(reader.day_counts(day, day + DAY))


def test_versions_without_daily_sums(proxy: LiteLLMServer) -> None:
    proxy.days = None
    proxy.add(api_row("a", START))
    with opened(proxy).connect() as reader:
        (first,) = reader.day_counts(START.date(), START.date() + DAY)
        assert (first.row_count, first.check) == (1, "///")
        asked = [path for path, _ in proxy.asked if path.startswith("/user/daily")]
        list(reader.day_counts(START.date(), START.date() + 3 * DAY))
        assert [path for path, _ in proxy.asked if path.startswith("/user/daily")] == asked, "asked once"


def test_readers_share_one_connection(proxy: LiteLLMServer) -> None:
    proxy.add(*(api_row(f"r{number}", START + timedelta(seconds=number)) for number in range(200)))
    source = opened(proxy)
    proxy.delay = 0.02
    counts: list[int] = []

    def read() -> None:
        counts.extend(len(records(source, AWARE, AWARE + DAY)) for _ in range(3))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert counts == [200] * 9
    assert proxy.most_at_once == 1


def test_a_reader_is_broken_off_alone(proxy: LiteLLMServer) -> None:
    proxy.add(api_row("a", START))
    source = opened(proxy)
    reader, other = source.connect(), source.connect()
    other.cancel()
    with reader.rows(AWARE, None, True) as stream:
        assert len(normal(reader, stream)) == 1
    results: list[object] = []

    def ask() -> threading.Thread:
        def newest() -> None:
            try:
                results.append(reader.newest())
            except SourceError as error:
                results.append(error)

        proxy.gate.clear()
        before = len(proxy.asked)
        thread = threading.Thread(target=newest)
        thread.start()
        while len(proxy.asked) == before:
            time.sleep(0.005)
        return thread

    thread = ask()
    other.cancel()
    proxy.gate.set()
    thread.join(90)
    assert results == [AWARE]
    thread = ask()
    reader.cancel()
    thread.join(90)
    assert not thread.is_alive()
    assert "broken off" in str(results[1])
    proxy.gate.set()
    assert reader.newest() == AWARE
    reader.close()
    assert other.newest() == AWARE, "the connection is kept for those who remain"
    other.close()


def test_a_key_of_less_than_an_admin(proxy: LiteLLMServer) -> None:
    own = "sk-anns-Xy9Xy9Xy9Xy9"
    proxy.keys[own] = "ann"
    proxy.add(api_row("a", START), api_row("b", START, user="bob"))
    source = opened(proxy, own)
    assert [row["id"] for row in records(source, AWARE)] == ["a"]
    assert "no admin" in source.notes[0]
    assert len({source.identity, opened(proxy).identity}) == 2
    proxy.keys["sk-rotated-Zz8Zz8Zz8Zz8"] = None
    assert opened(proxy).identity == opened(proxy, "sk-rotated-Zz8Zz8Zz8Zz8").identity, "admins share what is kept"
    assert own not in repr(source) + source.identity + source.label


def test_spend_without_rows(proxy: LiteLLMServer) -> None:
    today = datetime.now(UTC).date()
    proxy.days = {today.isoformat(): {"api_requests": 4, "spend": 2.5}}
    source = opened(proxy)
    assert "disable_spend_logs" in source.notes[0]
    proxy.add(api_row("a", utc()))
    with source.connect() as reader:
        reader.lookups()
        assert source.notes == ()
        proxy.rows = {"a": api_row("a", utc() - timedelta(days=2))}
        reader.lookups()
        assert "has written no rows since" in source.notes[0]
        proxy.days = {(today - timedelta(days=2)).isoformat(): {"api_requests": 4}}
        reader.lookups()
        assert source.notes == ()


@pytest.mark.parametrize("shape", sorted(NO_DATABASE))
def test_a_proxy_without_a_database(proxy: LiteLLMServer, shape: str) -> None:
    proxy.fault = NO_DATABASE[shape]
    with pytest.raises(UserError, match="the proxy has no database"):
        opened(proxy)


@pytest.mark.parametrize(
    ("fault", "said"),
    [((401, {"error": {"message": f"bad {KEY}"}}), "LITELLM_API_KEY"), ((403, {"detail": "no"}), "LITELLM_API_KEY"),
     ((404, {"detail": "Not Found"}), "LiteLLM proxy"), ((200, b"<html>"), "LiteLLM proxy"),
     ((200, {"detail": []}), "LiteLLM proxy"), ((200, b"[1, 2"), "LiteLLM proxy"), ((500, b"oops"), "LiteLLM proxy"),
     ((429, {"error": "slow down"}), "slow down; try again later")],
)  # fmt: skip
def test_what_cannot_be_opened_is_one_clear_line(proxy: LiteLLMServer, fault: tuple[int, Any], said: str) -> None:
    proxy.fault = fault
    with pytest.raises(UserError, match=said) as told:
        opened(proxy)
    assert "\n" not in str(told.value)
    assert KEY not in str(told.value)


def test_faults_while_it_is_read(proxy: LiteLLMServer) -> None:
    proxy.add(api_row("a", START))
    source = opened(proxy)
    with source.connect() as reader:
        proxy.fault, proxy.retry_after = (429, {"error": {"message": "wait"}}), "7"
        with pytest.raises(SourceThrottled) as throttled, reader.rows(AWARE, None, True):
            pass
        assert throttled.value.wait == 7
        proxy.fault = (401, {"error": {"message": "expired"}})
        with pytest.raises(SourceDenied), reader.fingerprints(AWARE, None):
            pass
        proxy.fault = (200, {"data": None})
        with pytest.raises(SourceError, match="without a list of rows"):
            reader.newest()
        proxy.fault = None
        with reader.rows(AWARE, None, True) as stream:
            assert len(normal(reader, stream)) == 1


def test_rows_nobody_expects(proxy: LiteLLMServer) -> None:
    names = ("spend", "prompt_tokens", "model", "metadata", "request_tags", "status")
    odd: list[dict[str, Any]] = [
        api_row("none", START, **dict.fromkeys(names)),
        api_row("types", START, spend="0.25", prompt_tokens="12", model=7, metadata=[1], request_tags={"a": 1},
                cache_hit=True, status=3, custom_llm_provider={"x": 1}, request_duration_ms="x"),
        api_row("huge", START, spend=1e30, prompt_tokens=10**30,
                metadata={"usage_object": {"cache_read_input_tokens": 1e300}}),
        api_row("tiny", START, spend=1e-300, metadata="{not json", request_tags="[not json"),
        api_row("\x1b[31mred", START, end_user="a\x00b", model="m" * 5_000),
        api_row("deep", START, metadata={"error_information": {"error_code": "404"}, "user_api_key_alias": ["x"]}),
    ]  # fmt: skip
    proxy.add(*odd)
    found = {row["id"]: row for row in records(opened(proxy), AWARE)}
    assert len(found) == 6
    none = found["none"]
    assert [none[name] for name in ("reported_cost", "input_tokens", "tags", "status")] == [None] * 4
    assert none["model"] == "fast"
    types = found["types"]
    assert (types["reported_cost"], types["input_tokens"], types["model"]) == (250_000_000_000, 12, "7")
    assert (types["cache_hit"], types["tags"], types["status"], types["latency_ms"]) == (True, ["a:1"], None, 2000)
    assert (found["huge"]["reported_cost"], found["huge"]["input_tokens"]) == (None, None)
    assert found["huge"]["mode"] == "unreadable_cost"
    assert found["tiny"]["reported_cost"] == 0
    red = next(row for name, row in found.items() if "red" in name)
    assert (red["user"], len(red["model"])) == ("ab", 512)
    assert (found["deep"]["status"], found["deep"]["token_name"]) == (404, '["x"]')


def test_a_cost_that_is_no_amount_is_not_taken_for_none() -> None:
    reading = RowReader(litellm_preset())
    place = 2 + reading.fields.index("reported_cost")
    odd = ("abc", True, [1], {"a": 1}, Decimal("NaN"), Decimal("1e99"))
    for value in (*odd, 0.5, None, ""):
        row = reading.read({"request_id": "r", "startTime": "2026-11-10T09:30:00Z", "spend": value})
        assert row is not None
        try:
            amount = float(str(row[place]))
        except ValueError:
            amount = float("nan")
        expected = "nan" if value in odd else {None: "nan", "": "nan"}.get(value, str(value))
        assert str(amount) == expected
        assert (row[place] == "") == (value in (None, ""))


def test_a_count_that_is_none_is_told_in_rows_of_the_api_too() -> None:
    reading = RowReader(litellm_preset())
    row = {"request_id": "r", "startTime": "2026-11-10T09:30:00Z", "prompt_tokens": 5}
    details = {"cached_tokens": True, "audio_tokens": "many"}
    usage = {"prompt_tokens_details": details, "completion_tokens_details": {"reasoning_tokens": Decimal("1e30")}}
    odd = {**row, "completion_tokens": 10**15, "metadata": {"usage_object": usage}}
    told = dict(zip(reading.fields, (reading.read(odd) or ())[2:], strict=True))
    assert {name for name, value in told.items() if value == UNREADABLE_COUNT} == {
        "cached_input_tokens", "audio_input_tokens", "output_tokens", "reasoning_tokens",
    }  # fmt: skip
    assert UNREADABLE_COUNT not in (reading.read({**row, "completion_tokens": None, "metadata": {}}) or ())


def test_rows_without_a_usable_time_are_left_out(proxy: LiteLLMServer) -> None:
    proxy.add(api_row("a", START))
    source = opened(proxy)
    good = proxy._spelled(api_row("good", START))
    bad = [{**good, "request_id": "bad", "startTime": value} for value in (None, "", "soon", 7, "0001-01-01T00:00:00Z")]
    proxy.fault = (200, {"data": [*bad, "no row", None, good], "total": 8})
    assert [row["id"] for row in records(source, AWARE)] == ["good"]


@pytest.mark.parametrize("minute", [1, 720])
def test_what_the_newest_rows_say_otherwise_than_documented_is_told(any_proxy: LiteLLMServer, minute: int) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    now = today + timedelta(minutes=minute, days=-1)
    any_proxy.rows["r1"] = api_row("r1", now)
    source = opened(any_proxy)
    assert source.drift() == ()
    any_proxy.rows["r2"] = api_row("r2", now, mood="good", prompt_tokens=None, completion_tokens="many")
    told = [line.split(": ", 2)[2] for line in source.drift()]
    assert sorted(told) == ["completion_tokens is no count", "no prompt_tokens", "unknown field mood"]


def test_every_field_the_preset_spells_in_sql_has_its_counterpart() -> None:
    spelled = {name for name, items in litellm_preset().fields.items() if any(item.sql for item in items)}
    assert spelled == set(_COUNTERPARTS)


def test_rows_of_one_id_and_other_times_are_calls_of_their_own():
    reading = RowReader(litellm_preset())
    table = RawTable(reading.columns)
    first = {"request_id": "None", "startTime": "2026-11-10T09:30:00Z", "spend": 1}
    other = {**first, "startTime": "2026-11-10T09:31:00Z"}
    rows = [row for row in map(reading.read, (first, other, {**first, "spend": 2})) if row is not None]
    try:
        table.fill([rows])
        with table.stream(0, 10**18) as stream, scratch() as duck:
            found = duck.execute("SELECT id, time, reported_cost FROM stream ORDER BY time").fetchall()
        assert [(identity, cost) for identity, _, cost in found] == [("None", "2"), ("None", "1")], stream
    finally:
        table.close()
