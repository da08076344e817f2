"""A user's own table, mapped by a file: every time unit, cost unit and convention, in every database."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from cost_top.model.errors import UserError
from cost_top.sources.sql.log import open_log
from support.reading import fingerprints, records, records_at

T = datetime(2026, 11, 10, 9, 30, 0, 250_000, tzinfo=UTC)
SECOND = int(T.timestamp())

FILE = """\
name = "inhouse"
table = "Our Calls"
id = "call id"
filter = "kind = 'llm'"
overlap_seconds = 30
input_includes_cache = false
never = ["prompt"]

[time]
column = "at"
unit = "{unit}"

[cost]
unit = "points"
divisor = 500000

[fields]
provider = {{ value = "Acme" }}
model = ["model_used", "model_asked"]
user = {{ sql = "upper(who)", needs = ["who"] }}
team = "no_such_column"
endpoint = {{ json = "extra", path = ["route", "path"], costly = false }}
tags = {{ json = "extra", path = ["tags"] }}
input_tokens = "tokens_in"
cached_input_tokens = {{ json = "extra", path = ["cached"] }}
output_tokens = "tokens_out"
reported_cost = "points"
cache_hit = "hit"
"""
COLUMNS = (
    '"call id" TEXT, at {time}, kind TEXT, model_used TEXT, model_asked TEXT, who TEXT, extra {json}, '
    "tokens_in INTEGER, tokens_out INTEGER, points INTEGER, hit TEXT, prompt TEXT"
)
ROWS = [
    ("a", 0, "llm", "gpt", "x", "ann", '{"route":{"path":"/p"},"tags":["t"],"cached":40}', 100, 5, 1, "yes"),
    ("b", 1, "llm", None, "asked", None, None, 100, None, None, None),
    ("c", 2, "other", "gpt", "x", "ann", None, 1, 1, 1, "no"),
    ("d", 3, "llm", "", "asked", "bob", "[1]", 7, 7, 500_000, "no"),
]
# unit: (type in SQLite, in PostgreSQL, value of the instant `seconds` after T)
TIMES = {
    "epoch_s": ("INTEGER", "bigint", lambda s: SECOND + s),
    "epoch_ms": ("INTEGER", "bigint", lambda s: SECOND * 1000 + 250 + s * 1000),
    "epoch_us": ("INTEGER", "numeric", lambda s: SECOND * 1_000_000 + 250_000 + s * 1_000_000),
    "epoch_s real": ("REAL", "double precision", lambda s: SECOND + 0.25 + s),
    "naive_utc": ("DATETIME", "timestamp", lambda s: (T + timedelta(seconds=s)).replace(tzinfo=None).isoformat(" ")),
    "timestamptz": ("TEXT", "timestamptz", lambda s: (T + timedelta(seconds=s)).isoformat()),
    "iso_utc": ("TEXT", "text", lambda s: (T + timedelta(seconds=s)).isoformat().replace("+00:00", "Z")),
}


def in_sqlite(tmp_path, unit):
    declared, _, value = TIMES[unit]
    path = tmp_path / "own.db"
    connection = sqlite3.connect(path)
    connection.execute(f'CREATE TABLE "Our Calls" ({COLUMNS.format(time=declared, json="TEXT")})')
    for row in ROWS:
        connection.execute(
            f'INSERT INTO "Our Calls" VALUES ({", ".join("?" * 12)})', (row[0], value(row[1]), *row[2:], "secret")
        )
    connection.commit()
    connection.close()
    return str(path)


@pytest.fixture
def in_postgres(postgres_server):
    name = postgres_server.create_database()

    def make(_tmp_path, unit):
        _, declared, value = TIMES[unit]
        url = postgres_server.url(name)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE TABLE "Our Calls" ({COLUMNS.format(time=declared, json="jsonb")})')
            for row in ROWS:
                connection.execute(
                    f'INSERT INTO "Our Calls" VALUES ({", ".join(["%s"] * 12)})',
                    (row[0], value(row[1]), *row[2:], "secret"),
                )
        return url

    yield make
    postgres_server.drop_database(name)


MYSQL_TIMES = {
    "epoch_s": "bigint", "epoch_ms": "bigint", "epoch_us": "decimal(20,0)", "epoch_s real": "double",
    "naive_utc": "datetime(6)", "timestamptz": "timestamp(6)", "iso_utc": "varchar(40)",
}  # fmt: skip


@pytest.fixture
def in_mysql(mariadb_server):
    name = mariadb_server.create_database()

    def make(_tmp_path, unit):
        value = TIMES["naive_utc" if unit == "timestamptz" else unit][2]
        columns = COLUMNS.format(time=MYSQL_TIMES[unit], json="longtext").replace('"', "`")
        connection = mariadb_server.connect(name)
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(f"CREATE TABLE `Our Calls` ({columns})")
            for row in ROWS:
                cursor.execute(
                    f"INSERT INTO `Our Calls` VALUES ({', '.join(['%s'] * 12)})",
                    (row[0], value(row[1]), *row[2:], "secret"),
                )
        connection.close()
        return mariadb_server.url(name)

    yield make
    mariadb_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def make_log(request):
    if request.param == "sqlite":
        return in_sqlite
    return request.getfixturevalue("in_postgres" if request.param == "postgresql" else "in_mysql")


def mapped(tmp_path, location, unit, text=FILE):
    path = tmp_path / "map.toml"
    path.write_text(text.format(unit=unit.split(" ")[0]))
    return open_log(location, path)


@pytest.mark.parametrize("unit", TIMES)
def test_every_time_unit_in_every_database(tmp_path, make_log, unit):
    source = mapped(tmp_path, make_log(tmp_path, unit), unit)
    start = T.replace(microsecond=0) if unit == "epoch_s" else T
    found = {row["id"]: row for row in records(source)}
    times = {identity: row["time"].replace(tzinfo=UTC) for identity, row in found.items()}
    assert times == {"a": start, "b": start + timedelta(seconds=1), "d": start + timedelta(seconds=3)}
    second = start + timedelta(seconds=1)
    assert [row["id"] for row in records(source, start, second)] == ["a"]
    assert [row["id"] for row in records(source, second)] == ["b", "d"]
    assert [row["id"] for row in records(source, start + timedelta(milliseconds=1), second)] == []
    assert "a" in [row["id"] for row in records_at(source, [start])]
    assert "d" not in [row["id"] for row in records_at(source, [start])]
    assert {identity: moment.replace(tzinfo=UTC) for identity, (moment, _) in fingerprints(source).items()} == times
    with source.connect() as reader:
        assert (reader.oldest(), reader.newest()) == (start, start + timedelta(seconds=3))
        assert [day.row_count for day in reader.day_counts(date(2026, 11, 9), date(2026, 11, 12))] == [0, 3, 0]
        assert reader.untimed() == 0


def test_texts_that_are_no_time_in_utc_are_counted(tmp_path):
    location = in_sqlite(tmp_path, "iso_utc")
    with sqlite3.connect(tmp_path / "own.db") as connection:
        connection.execute("UPDATE \"Our Calls\" SET at = '2026-11-10T09:00:00+08:00' WHERE \"call id\" IN ('a', 'b')")
        connection.execute("UPDATE \"Our Calls\" SET at = '2026-11-10 x' WHERE \"call id\" = 'd'")
    connection.close()
    source = mapped(tmp_path, location, "iso_utc")
    assert records(source) == []
    with source.connect() as reader:
        assert reader.untimed() == 3


def test_every_kind_of_expression(tmp_path, make_log):
    source = mapped(tmp_path, make_log(tmp_path, "epoch_ms"), "epoch_ms")
    found = {row["id"]: row for row in records(source)}
    assert set(found) == {"a", "b", "d"}, "the filter leaves the others out"
    a, b, d = found["a"], found["b"], found["d"]
    assert {row["provider"] for row in found.values()} == {"acme"}
    assert (a["model"], b["model"], d["model"]) == ("gpt", "asked", "asked")
    assert (a["user"], b["user"]) == ("ANN", None)
    assert (a["endpoint"], b["endpoint"], d["endpoint"]) == ("/p", None, None)
    assert (a["tags"], d["tags"]) == (["t"], None)
    assert (a["input_tokens"], b["input_tokens"]) == (140, 100), "the source counts cached input apart"
    assert (a["reported_cost"], b["reported_cost"], d["reported_cost"]) == (2_000_000, None, 10**12)
    assert (a["cache_hit"], b["cache_hit"], d["cache_hit"]) == (True, None, False)
    assert {row["team"] for row in found.values()} == {None}
    assert source.overlap == timedelta(seconds=30)
    assert set(source.costly) == {"tags", "cached_input_tokens", "input_tokens"}
    assert "team" in source.notes[0]


def test_cheap_columns_first(tmp_path, make_log):
    source = mapped(tmp_path, make_log(tmp_path, "epoch_ms"), "epoch_ms")
    cheap = {row["id"]: row for row in records(source, details=False)}
    assert (cheap["a"]["tags"], cheap["a"]["cached_input_tokens"], cheap["a"]["endpoint"]) == (None, None, "/p")


@pytest.mark.parametrize(
    ("unit", "declared", "given", "expected"),
    [
        ("usd", "TEXT", "0.05259", 52_590_000_000), ("usd", "TEXT", "1e-9", 1000), ("usd", "TEXT", "five", None),
        ("usd", "TEXT", "", None), ("usd", "TEXT", "NaN", None), ("usd", "TEXT", "9223373", None),
        ("usd", "REAL", 0.1 + 0.2, 300_000_000_000), ("usd", "REAL", 1234.567890123456, 1234567890123456),
        ("usd", "REAL", 9e99, None), ("usd", "REAL", "abc", None), ("usd", "REAL", -0.25, -250_000_000_000),
        ("usd", "INTEGER", 3, 3 * 10**12), ("usd", "", 0.1, 100_000_000_000), ("usd", "", "0.1", 100_000_000_000),
        ("nano_usd", "INTEGER", 7, 7000), ("nano_usd", "INTEGER", 2**62, None), ("nano_usd", "TEXT", "7", 7000),
        ("pico_usd", "INTEGER", 2**62, 2**62), ("pico_usd", "TEXT", str(2**62), 2**62),
        ("pico_usd", "TEXT", str(2**70), None),
    ],
)  # fmt: skip
def test_cost_units_in_sqlite(tmp_path, unit, declared, given, expected):
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.execute(f"CREATE TABLE calls (id TEXT, at INTEGER, cost {declared})")
    connection.execute("INSERT INTO calls VALUES ('null', ?, NULL), ('a', ?, ?)", (SECOND, SECOND, given))
    connection.commit()
    connection.close()
    text = (
        'name = "n"\ntable = "calls"\nid = "id"\n[time]\ncolumn = "at"\nunit = "epoch_s"\n'
        f'[cost]\nunit = "{unit}"\n[fields]\nreported_cost = "cost"\n'
    )
    found = {row["id"]: row["reported_cost"] for row in records(mapped(tmp_path, str(tmp_path / "own.db"), "", text))}
    assert found == {"null": None, "a": expected}


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ("numeric(20,10)", "0.0525900001", 52_590_000_100), ("numeric", "1e40", None), ("numeric", "NaN", None),
        ("real", "0.1", 100_000_000_000), ("text", "0.05259", 52_590_000_000), ("text", "free", None),
        ("bigint", "2", 2 * 10**12), ("double precision", "Infinity", None), ("money", "0.5", None),
    ],
)  # fmt: skip
def test_cost_columns_in_postgresql(tmp_path, postgres_url, declared, given, expected):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS calls; CREATE TABLE calls (id text, at bigint, cost {declared})")
        connection.execute(f"INSERT INTO calls VALUES ('null', {SECOND}, NULL), ('a', {SECOND}, '{given}')")
    text = (
        'name = "n"\ntable = "calls"\nid = "id"\n[time]\ncolumn = "at"\nunit = "epoch_s"\n'
        '[fields]\nreported_cost = "cost"\n'
    )
    found = {row["id"]: row["reported_cost"] for row in records(mapped(tmp_path, postgres_url, "", text))}
    assert found == {"null": None, "a": expected}


def test_input_convention_told_row_by_row(tmp_path):
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.execute("CREATE TABLE calls (id TEXT, at INTEGER, kind TEXT, tin INTEGER, cached INTEGER)")
    for values in (("in", "openai", 100, 40), ("out", "anthropic", 100, 40), ("null", None, 100, 40)):
        connection.execute("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", (values[0], SECOND, *values[1:]))
    connection.commit()
    connection.close()
    text = (
        'name = "n"\ntable = "calls"\nid = "id"\ninput_includes_cache = {{ sql = "kind <> \'anthropic\'" }}\n'
        '[time]\ncolumn = "at"\nunit = "epoch_s"\n[fields]\ninput_tokens = "tin"\ncached_input_tokens = "cached"\n'
    )
    found = {row["id"]: row["input_tokens"] for row in records(mapped(tmp_path, str(tmp_path / "own.db"), "", text))}
    assert found == {"in": 100, "out": 140, "null": 100}


def test_broken_json_loses_no_row(tmp_path):
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.execute("CREATE TABLE calls (id TEXT, at INTEGER, extra TEXT)")
    for place, extra in enumerate(['{"a":{"b":3}}', "{broken", "", None, b"\xff", "[]", '{"a":3}', '{"a":{"b":"x"}}']):
        connection.execute("INSERT INTO calls VALUES (?, ?, ?)", (str(place), SECOND, extra))
    connection.commit()
    connection.close()
    text = (
        'name = "n"\ntable = "calls"\nid = "id"\n[time]\ncolumn = "at"\nunit = "epoch_s"\n'
        '[fields]\ninput_tokens = {{ json = "extra", path = ["a", "b"] }}\n'
    )
    found = [row["input_tokens"] for row in records(mapped(tmp_path, str(tmp_path / "own.db"), "", text))]
    assert found == [3, None, None, None, None, None, None, None]


def test_iso_times_that_are_none_are_in_no_period(tmp_path):
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.execute("CREATE TABLE calls (id TEXT, at TEXT)")
    for place, at in enumerate(
        ["2026-11-10 09:30:00", "2026-11-10T09:30:00.5Z", "2026-11-10T09:30:00+00:00", "2026-11-10T09:30:00+02:00",
         "2026-02-31 00:00:00", "2026-11-10", "yesterday", "", None, "2026-11-10 09:30:00.123456"]
    ):  # fmt: skip
        connection.execute("INSERT INTO calls VALUES (?, ?)", (str(place), at))
    connection.commit()
    connection.close()
    text = 'name = "n"\ntable = "calls"\nid = "id"\n[time]\ncolumn = "at"\nunit = "iso_utc"\n[fields]\nmodel = "id"\n'
    source = mapped(tmp_path, str(tmp_path / "own.db"), "", text)
    found = {row["id"]: row["time"] for row in records(source)}
    assert set(found) - {"4"} == {"0", "1", "2", "9"}
    assert found["9"] == datetime(2026, 11, 10, 9, 30, 0, 123_456)
    second = datetime(2026, 11, 10, 9, 30, tzinfo=UTC)
    assert {row["id"] for row in records(source, second, second + timedelta(milliseconds=200))} == {"0", "2", "9"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('column = "at"', 'column = "when"'), "lacks when"),
        (('id = "call id"', 'id = "nothing"'), "lacks nothing"),
        (('table = "Our Calls"', 'table = "Their Calls"'), "Their Calls"),
        (("upper(who)", "no_such_function(who)"), r"map\.toml: fields\.user: .*no_such_function"),
        (("upper(who)", "upper(nobody)"), r"map\.toml: fields\.user: .*nobody"),
        (("upper(who)", "upper(prompt)"), r"map\.toml:20: fields\.user: reads the column 'prompt'"),
        (("name = ", "databases = []\nnam = "), r"map\.toml:2: nam: unknown key, did you mean .name"),
    ],
)
def test_mistakes_are_named(tmp_path, make_log, change, words):
    location = make_log(tmp_path, "epoch_ms")
    with pytest.raises(UserError, match=words) as raised:
        mapped(tmp_path, location, "epoch_ms", FILE.replace(*change))
    assert "\n" not in str(raised.value)


def test_a_time_unit_that_cannot_be(tmp_path, in_postgres):
    location = in_postgres(tmp_path, "naive_utc")
    with pytest.raises(
        UserError, match=r"map\.toml: time\.unit epoch_s does not fit the column 'at' of type timestamp"
    ):
        mapped(tmp_path, location, "epoch_s")
