"""The native log in SQLite: every shape of value in, the normal form out, and no row lost."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_top.model import native
from cost_top.model.record import FIELD_NAMES
from cost_top.sources.sql.log import open_log
from support.native_log import START, START_MS
from support.reading import LONG_AGO, fingerprints, records, records_at

NOON = START.replace(tzinfo=None)
HOSTILE = {
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "nul": "a\x00b",
    "markup": "[bold red]x[/] <b>&amp;</b>",
    "long": "x" * 10_000,
    "rtl": "\u202eevil\u202c",
    "emoji": "👩‍👩‍👧 ok",
    "empty": "",
    "blank": "   ",
    "quote": 'it\'s "quoted" \\ % _ $1 {x} %s :y',
    "lines": "a\r\nb\tc",
    "tag_characters": "a\U000e0041b",
}
TEXT_COLUMNS = (
    "provider", "model", "endpoint", "token", "token_name", "user_id", "owner", "team", "credential_type", "mode",
    "client_ip", "user_agent", "tags", "session", "prompt", "region",
)  # fmt: skip


def test_one_row_with_everything(sqlite_log):
    log = sqlite_log()
    log.add(
        provider="OpenAI", model="gpt-5-mini", endpoint="/a", token="tk", token_name="Key A", user_id="u", owner="o",
        team="t", tags='["prod","plan:pro"]', credential_type="BYOK", input_tokens=100, cached_input_tokens=40,
        cache_creation_input_tokens=10, cache_creation_1h_tokens=4, output_tokens=50, reasoning_tokens=20,
        cost_pico_usd=1_234_567_890_123, mode="batch", cache_hit=0, latency_ms=900, status=200, streamed=1,
        client_ip="203.0.113.9", user_agent="agent/1", session="s-1", prompt="triage-v2", region="US",
        audio_input_tokens=7, audio_output_tokens=8, image_output_tokens=9, web_search_count=2,
    )  # fmt: skip
    (row,) = records(open_log(str(log.path)))
    assert row == {
        "id": "r1", "time": NOON + timedelta(milliseconds=1), "provider": "openai", "model": "gpt-5-mini",
        "endpoint": "/a", "token": "tk", "token_name": "Key A", "user": "u", "owner": "o", "team": "t",
        "tags": ["plan:pro", "prod"], "credential_type": "byok", "input_tokens": 100, "cached_input_tokens": 40,
        "cache_creation_input_tokens": 10, "cache_creation_1h_tokens": 4, "output_tokens": 50, "reasoning_tokens": 20,
        "reported_cost": 1_234_567_890_123, "mode": "batch", "cache_hit": False, "latency_ms": 900, "status": 200,
        "streamed": True, "client_ip": "203.0.113.9", "user_agent": "agent/1", "counted": True,
        "session": "s-1", "prompt": "triage-v2", "region": "us", "audio_input_tokens": 7, "audio_output_tokens": 8,
        "image_output_tokens": 9, "web_search_count": 2, "zero_is_price": None, "reported_market_cost": None,
        "team_name": None, "user_name": None, "owner_name": None,
    }  # fmt: skip


def test_missing_is_unknown_and_zero_is_zero(sqlite_log):
    log = sqlite_log()
    log.add()
    log.add(cost_pico_usd=0, input_tokens=0, cache_hit=0, tags="[]")
    unknown, zero = records(open_log(str(log.path)))
    assert {name: value for name, value in unknown.items() if value is not None} == {
        "id": "r1", "time": NOON + timedelta(milliseconds=1), "counted": True,
    }  # fmt: skip
    assert (zero["reported_cost"], zero["input_tokens"], zero["cache_hit"], zero["tags"]) == (0, 0, False, None)


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_hostile_text_keeps_its_row_and_loses_its_controls(sqlite_log, column):
    log = sqlite_log()
    log.add()  # NULL first: the driver must not settle on a type by it
    for name, text in HOSTILE.items():
        log.add(id=name, **{column: text})
    log.run(
        f"INSERT INTO cost_top_requests (id, time_ms, {column}) VALUES ('invalid', ?, CAST(x'c328ff41' AS TEXT)), "
        f"('blob', ?, x'00ff10'), ('number', ?, 17)",
        (START_MS + 100, START_MS + 101, START_MS + 102),
    )
    found = {row["id"]: row for row in records(open_log(str(log.path)))}
    assert set(found) == {"r1", *HOSTILE, "invalid", "blob", "number"}
    field = "user" if column == "user_id" else column
    for row in found.values():
        texts = row[field] if field == "tags" else [row[field]]
        for text in filter(None, texts or ()):
            # Joiners are part of a name; a screen shows what they join one by one.
            assert text.replace("\u200d", "").isprintable(), ascii(text)
            assert text == text.strip()
            assert len(text) <= 512
    assert found["empty"][field] is None
    assert found["blank"][field] is None


def test_ids_stay_apart_whatever_they_hold(sqlite_log):
    log = sqlite_log()
    # A table that somebody made without NOT NULL: SQLite then lets a primary key be NULL.
    log.connection.executescript(
        "DROP TABLE cost_top_requests;" + native.DDL.replace("NOT NULL PRIMARY KEY", "PRIMARY KEY")
    )
    ids = ["a", "a\x01", " a", "x" * 600 + "1", "x" * 600 + "2", "\u202ea", "", "é", "e\u0301"]
    for identity in ids:
        log.add(id=identity)
    log.add(id=None)
    log.add(id=None, input_tokens=3)
    log.run("INSERT INTO cost_top_requests (id, time_ms) VALUES (CAST(x'ff' AS TEXT), 1), (CAST(x'fe' AS TEXT), 1)")
    log.run("UPDATE cost_top_requests SET time_ms = ? WHERE time_ms = 1", (START_MS + 500,))
    source = open_log(str(log.path))
    found = records(source)
    assert len({row["id"] for row in found}) == len(found) == len(ids) + 4
    assert all(row["id"].isprintable() and len(row["id"]) <= 512 for row in found)
    assert set(fingerprints(source)) == {row["id"] for row in found}, "both streams know a row by one id"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (r'"[\"team-a\", \"prod\"]"', ["prod", "team-a"]),
        (r'"[not a list"', ["[not a list"]),
        (None, None), ("", None), ("[]", None), ("{}", None), ("null", None),
        ('["b","a","b"]', ["a", "b"]),
        ('["a", null, "", " ", 3, true, {"x": 1}]', ["3", "a", "true", '{"x":1}']),
        ('{"env":"prod","plan":null}', ["env:prod", "plan"]),
        ('"single"', ["single"]), ("17", ["17"]),
        ("prod, plan:pro", ["plan:pro", "prod"]), ("[broken", ["[broken"]),
        ('["\\u001b[31mred", "\\u202ex"]', ["[31mred", "x"]),
        ('["\\ud800"]', None),
        ("[" * 3000, None),
    ],
)  # fmt: skip
def test_tags(sqlite_log, given, expected):
    log = sqlite_log()
    log.add(tags=given)
    (row,) = records(open_log(str(log.path)))
    if given and given.startswith(("[[", '["\\ud8')):
        return  # whatever is made of it, the row is there
    assert row["tags"] == expected


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("input_tokens", -5, None), ("input_tokens", 2**62, None), ("input_tokens", "abc", None),
        ("input_tokens", "12", 12), ("input_tokens", b"12", None), ("input_tokens", 12.7, 12),
        ("input_tokens", 1e300, None), ("output_tokens", -(2**63), None), ("latency_ms", -1, None),
        ("status", 99999, None), ("status", 429, 429), ("status", "429", 429),
        ("cost_pico_usd", -7, -7), ("cost_pico_usd", 2**62, 2**62), ("cost_pico_usd", "abc", None),
        ("cost_pico_usd", 1e300, None), ("cost_pico_usd", 2.9, 2),
        ("cache_hit", "true", True), ("cache_hit", "False", False), ("cache_hit", 7, None), ("cache_hit", "", None),
        ("streamed", b"1", True), ("streamed", 1.0, True),
    ],
)  # fmt: skip
def test_figures_of_the_wrong_kind(sqlite_log, column, given, expected):
    log = sqlite_log()
    log.add(**{column: given})
    (row,) = records(open_log(str(log.path)))
    assert row["reported_cost" if column == "cost_pico_usd" else column] == expected


def test_cached_parts_are_inside_the_input(sqlite_log):
    log = sqlite_log()
    log.add(input_tokens=10, cached_input_tokens=30, cache_creation_input_tokens=5)
    log.add(input_tokens=100, cached_input_tokens=30, cache_creation_input_tokens=5)
    assert [row["input_tokens"] for row in records(open_log(str(log.path)))] == [45, 100]


def test_rows_without_a_usable_time_are_counted_and_in_no_period(sqlite_log):
    log = sqlite_log()
    log.add(id="good")
    for bad in ("garbage", -1, 0, 2**62, b"\x00", START_MS // 1000):
        log.add(time_ms=bad)
    source = open_log(str(log.path))
    assert [row["id"] for row in records(source)] == ["good"]
    with source.connect() as reader:
        assert reader.untimed() == 6
        assert reader.newest() == reader.oldest() == START + timedelta(milliseconds=1)
        assert [day.row_count for day in reader.day_counts(date(1970, 1, 1), date(1970, 1, 3))] == [0, 0]


def test_periods_are_half_open(sqlite_log):
    log = sqlite_log()
    for step in range(4):
        log.add(id=str(step), time_ms=START_MS + step)
    source = open_log(str(log.path))
    first, last = START + timedelta(milliseconds=1), START + timedelta(milliseconds=3)
    assert [row["id"] for row in records(source, first, last)] == ["1", "2"]
    assert [row["id"] for row in records(source, first)] == ["1", "2", "3"]
    assert [row["id"] for row in records(source, first + timedelta(microseconds=1), last)] == ["2"]
    assert records(source, last + timedelta(days=1)) == []


def test_an_empty_log_and_an_empty_period(sqlite_log):
    log = sqlite_log()
    source = open_log(str(log.path))
    assert records(source) == []
    assert fingerprints(source) == {}
    with source.connect() as reader:
        assert reader.newest() is None
        assert reader.oldest() is None
        assert reader.untimed() == 0
        reader.took(0)
        assert reader.lookups() == ()


def test_fingerprints_tell_new_and_changed_rows_only(sqlite_log):
    log = sqlite_log()
    log.add(id="kept", cost_pico_usd=5)
    log.add(id="changed", cost_pico_usd=5)
    source = open_log(str(log.path))
    before = fingerprints(source)
    assert fingerprints(source) == before
    log.run("UPDATE cost_top_requests SET cost_pico_usd = 6 WHERE id = 'changed'")
    log.add(id="new")
    after = fingerprints(source)
    assert {identity for identity in after if after[identity] != before.get(identity)} == {"changed", "new"}
    times = [after[identity][0] for identity in ("changed", "new")]
    assert [(row["id"], row["reported_cost"]) for row in records_at(source, times)] == [("changed", 6), ("new", None)]


def test_the_check_of_a_day_follows_its_figures(sqlite_log):
    log = sqlite_log()
    log.add(id="a", input_tokens=5, output_tokens=7, cost_pico_usd=11)
    log.add(id="b", cost_pico_usd="nonsense", output_tokens=2**62)
    source = open_log(str(log.path))

    def check() -> tuple[int, str]:
        with source.connect() as reader:
            (day,) = reader.day_counts(START.date(), START.date() + timedelta(days=1))
        assert day.day == START.date()
        return day.row_count, day.check

    seen = {check()}
    assert {check()} == seen
    for change in ("input_tokens = 6", "output_tokens = 8", "cost_pico_usd = 12"):
        log.run(f"UPDATE cost_top_requests SET {change} WHERE id = 'a'")
        seen.add(check())
    assert len({text for _, text in seen} | {str(count) for count, _ in seen}) >= 4
    log.run("DELETE FROM cost_top_requests WHERE id = 'a'")
    assert check()[0] == 1


def test_statistics_count_what_was_asked(sqlite_log):
    log = sqlite_log()
    for _ in range(50):
        log.add(model="gpt-5-mini", input_tokens=100)
    source = open_log(str(log.path))
    with source.connect() as reader:
        with reader.rows(LONG_AGO, None, True) as stream:
            ((count,),) = duckdb.execute(f"SELECT count(*) FROM ({reader.normalise_sql('stream')})").fetchall()
        reader.took(count)
        assert stream is not None
        assert reader.statistics.rows_read == 50
        assert 50 * 10 < reader.statistics.bytes_read < 50 * 1000
        assert reader.statistics.queries == 2, "the rows, and once a sample of their width"
        assert reader.statistics.database_ms > 0


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.binary(max_size=20),
)

ANY_COLUMN = (
    *TEXT_COLUMNS, "input_tokens", "cached_input_tokens", "output_tokens", "cost_pico_usd", "cache_hit", "latency_ms",
    "status", "streamed",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(ANY_COLUMN), VALUES), max_size=6))
def test_whatever_the_columns_hold_every_row_comes_out(tmp_path_factory, rows):
    from support.native_log import NativeLog

    log = NativeLog(tmp_path_factory.mktemp("any") / "gateway.db", wal=False)
    try:
        for row in rows:
            log.add(**{name: _storable(value) for name, value in row.items()})
        found = records(open_log(str(log.path)))
        assert [row["id"] for row in found] == sorted(f"r{number}" for number in range(1, len(rows) + 1))
        assert all(tuple(row) == FIELD_NAMES for row in found)
    finally:
        log.close()


def _storable(value):
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return value


def test_a_database_in_utf_16(tmp_path):
    from cost_top.model import native

    path = tmp_path / "wide.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA encoding = 'UTF-16le'")
    connection.executescript(native.DDL)
    connection.execute("INSERT INTO cost_top_requests (id, time_ms, model) VALUES ('ä', ?, 'modèle')", (START_MS,))
    connection.commit()
    connection.close()
    (row,) = records(open_log(str(path)))
    assert (row["id"], row["model"]) == ("ä", "modèle")


def test_a_moment_in_the_future_belongs_to_the_open_end(sqlite_log):
    log = sqlite_log()
    ahead = datetime.now(UTC) + timedelta(days=2)
    log.add(id="ahead", time_ms=int(ahead.timestamp() * 1000))
    source = open_log(str(log.path))
    assert [row["id"] for row in records(source, datetime.now(UTC))] == ["ahead"]
