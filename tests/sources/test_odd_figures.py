"""Counts that are no number, costs of which one is no amount, and cached input that overlaps, in each database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.reports import asked_report
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.reading import records

NOW = datetime.now(UTC).replace(microsecond=0)
AT = int(NOW.timestamp()) - 3600
DATABASES = ("sqlite", "postgres", "mysql", "clickhouse")
MAPPING = """\
name = "n"
table = "calls"
id = "id"
time = { column = "at", unit = "epoch_s" }
[fields]
provider = { value = "openai" }
model = "model"
input_tokens = "tokens"
cached_input_tokens = "cached"
cache_creation_input_tokens = "written"
cache_creation_1h_tokens = "hour"
output_tokens = "answer"
reported_cost = ["cost", "upstream"]
"""
TEXT, NUMBER = {"clickhouse": "Nullable(String)"}, {"clickhouse": "Nullable(Int64)"}
SENT = 100 * 1_250_000


@pytest.fixture(params=DATABASES)
def writer(request):
    return request.getfixturevalue(request.param)


def mapped(writer, tmp_path, rows, mapping=MAPPING, **kinds):
    """A log of these rows, whose columns are whole numbers where `kinds` say nothing else."""
    whole, text = NUMBER.get(writer.database, "int"), TEXT.get(writer.database, "text")
    usual = {
        "tokens": whole,
        "cached": whole,
        "written": whole,
        "hour": whole,
        "answer": whole,
        "cost": text,
        "upstream": text,
    }
    writer.create("calls", {"id": "key", "at": "int", "model": "key", **usual, **kinds})
    nothing = {"model": "gpt-5", **dict.fromkeys(usual)}
    writer.insert("calls", [{"id": f"r{n:02}", "at": AT + n, **nothing, **row} for n, row in enumerate(rows)])
    path = tmp_path / "map.toml"
    path.write_text(mapping)
    return open_log(writer.location, path)


def totals(source, *group_by):
    """The report by the mirror and, where there is one, by the log's own database."""
    query = ReportQuery(NOW - timedelta(days=1), NOW, group_by)
    mirror = read_period(source, RateBook.load(None), None, Period(NOW - timedelta(days=2), NOW))
    try:
        found = mirror.report(query, NOW)
    finally:
        mirror.close()
    if source.database.name in ("postgresql", "clickhouse"):
        cluster = Cluster(source, RateBook.load(None))
        try:
            cluster.learn(NOW)
            placed = asked_report(cluster, query, NOW)
        finally:
            cluster.close()
        assert replace(placed.totals, error_count=None) == found.totals
        assert [replace(row.measures, error_count=None) for row in placed.rows] == [row.measures for row in found.rows]
    return found


def test_a_count_that_is_no_number_is_made_up_by_no_rate(writer, tmp_path):
    usual = {"tokens": 100, "cached": 0, "written": 0, "answer": 0}
    absent = [None, "null", *([] if writer.database == "clickhouse" else [""])]
    odd = ["abc", "1,000", "NaN", "1e30", "9" * 20, "12 tokens", "-1", "-3"]
    rows, unreadable, known = [], [], 0
    for name in usual:
        readable = ["0", "0.0", "00"] if name != "tokens" else ["100", "100.0", "0100"]
        said = (*readable, *absent, *odd)
        unreadable += [f"r{number:02}" for number, one in enumerate(said, len(rows)) if one in odd]
        rows += [{**usual, name: one} for one in said]
        known += len(readable) + (0 if name == "tokens" else len(absent))
    source = mapped(writer, tmp_path, rows, **dict.fromkeys(usual, TEXT.get(writer.database, "text")))
    found = totals(source, "mode")
    by_mode = {row.key[0]: row.measures for row in found.rows}
    assert by_mode["unreadable_count"].request_count == by_mode["unreadable_count"].unpriced_count == len(unreadable)
    assert [row["id"] for row in records(source) if row["mode"] == "unreadable_count"] == unreadable
    assert found.totals.total_cost == known * SENT
    assert found.totals.request_count == len(rows)


def test_a_number_column_of_sqlite_that_holds_words_says_so(sqlite, tmp_path):
    odd = ("abc", b"x", 1e30, float("inf"), 10**15, -1, -0.5)
    rows = [{"tokens": 100, "answer": count} for count in (*odd, "", None, "null", 0)]
    found = totals(mapped(sqlite, tmp_path, rows), "mode")
    assert found.totals.unpriced_count == len(odd)
    assert found.totals.total_cost == 4 * SENT


@pytest.mark.parametrize(
    ("database", "kind", "greatest"),
    [
        ("sqlite", "integer", 2**63 - 1), ("postgres", "bigint", 2**63 - 1), ("mysql", "bigint", 2**63 - 1),
        ("mysql", "bigint unsigned", 2**64 - 1), ("clickhouse", "Nullable(Int64)", 2**63 - 1),
        ("clickhouse", "Nullable(UInt64)", 2**64 - 1), ("clickhouse", "Nullable(Int128)", 2**127 - 1),
        ("clickhouse", "Nullable(UInt256)", 2**256 - 1),
    ],
)  # fmt: skip
def test_a_whole_number_that_no_count_can_be_is_made_up_by_no_rate(request, tmp_path, database, kind, greatest):
    odd = [10**15, 10**15 + 1, greatest, *([] if "unsigned" in kind or "UInt" in kind else [-1, -3])]
    rows = [{"tokens": 100, "answer": 0, name: count} for name in ("cached", "answer") for count in (*odd, 0, None)]
    source = mapped(request.getfixturevalue(database), tmp_path, rows, cached=kind, answer=kind)
    found = totals(source, "mode")
    by_mode = {row.key[0]: row.measures for row in found.rows}
    assert by_mode["unreadable_count"].request_count == by_mode["unreadable_count"].unpriced_count == 2 * len(odd)
    assert [row["mode"] for row in records(source)] == 2 * [*len(odd) * ["unreadable_count"], None, None]
    assert found.totals.total_cost == 4 * SENT


def test_a_count_that_is_no_number_beside_a_cost_is_told(writer, tmp_path):
    rows = [{"tokens": count, "answer": 1, "cost": "0.5"} for count in (100, 10**15, -1, None)]
    kind = {"sqlite": "integer"}.get(writer.database, NUMBER.get(writer.database, "bigint"))
    found = totals(mapped(writer, tmp_path, rows, tokens=kind), "mode").totals
    assert (found.total_cost, found.input_tokens, found.unpriced_count) == (2 * 10**12, 100, 0)
    query = ReportQuery(NOW - timedelta(days=1), NOW, (), parse_filter("doubt:count"))
    mirror = read_period(open_log(writer.location, tmp_path / "map.toml"), RateBook.load(None), None,
                         Period(NOW - timedelta(days=2), NOW))  # fmt: skip
    try:
        assert mirror.report(query, NOW).totals.request_count == 2
    finally:
        mirror.close()


def test_the_largest_count_is_one(writer, tmp_path):
    kind = {"clickhouse": "Nullable(UInt64)", "sqlite": "integer"}.get(writer.database, "bigint")
    source = mapped(writer, tmp_path, [{"tokens": 100, "cached": 10**15 - 1, "answer": 0}], cached=kind)
    assert [row["cached_input_tokens"] for row in records(source)] == [10**15 - 1]
    assert [row.key for row in totals(source, "mode").rows] == [(None,)]


def test_a_number_with_a_fraction_in_a_text_is_that_number(writer, tmp_path):
    rows = [{"tokens": "100.0", "answer": 0}, {"tokens": "100.", "answer": 0}, {"tokens": "1.2.3", "answer": 0}]
    source = mapped(writer, tmp_path, rows, tokens=TEXT.get(writer.database, "text"))
    assert [row["input_tokens"] for row in records(source)] == [100, 100, None]


@pytest.mark.parametrize("kind", ["real", "float4", "num"])
def test_a_count_in_a_column_of_fractions_is_its_whole_part_however_large(writer, tmp_path, kind):
    counts = [100.0, 2_097_152, 50.75, -3, None]
    source = mapped(writer, tmp_path, [{"tokens": count, "answer": 0} for count in counts], tokens=kind)
    assert [row["input_tokens"] for row in records(source)] == [100, 2_097_152, 50, None, None]
    assert [row["mode"] for row in records(source)] == [None, None, None, "unreadable_count", None]
    assert totals(source, "mode").totals.input_tokens == 100 + 2_097_152 + 50


@pytest.mark.parametrize(("kind", "odd"), [("real", ("NaN", "Infinity", 1e15)), ("num", ("NaN",))])
def test_a_fraction_that_is_no_number_is_no_count(postgres, tmp_path, kind, odd):
    rows = [{"tokens": 100, "cached": count, "answer": 0} for count in odd]
    found = totals(mapped(postgres, tmp_path, rows, cached=kind), "mode")
    assert found.totals.unpriced_count == len(odd)


@pytest.mark.parametrize("how", ["path", "sql"])
def test_a_count_in_json_that_is_none_is_made_up_by_no_rate(writer, tmp_path, how):
    """A truth is no count in any database, though some take it for a one."""
    absent = ['{"in": {}}', '{"in": {"t": null}}', '{"in": {"t": ""}}', "{}", ""]
    readable = ['{"in": {"t": 0}}', '{"in": {"t": "0"}}', '{"in": {"t": 0.0}}']
    odd = ['"abc"', "true", "false", "1e30", str(10**15), "-1", "-7", '"12 tokens"', '"true"']
    rows = [{"tokens": 100, "answer": 0, "usage": said} for said in (*absent, *readable)]
    rows += [{"tokens": 100, "answer": 0, "usage": f'{{"in": {{"t": {said}}}}}'} for said in odd]
    place = '{ json = "usage", path = ["in", "t"] }' if how == "path" else '{ sql = "${int usage.in.t}", typed = true }'
    mapping = MAPPING.replace('cached_input_tokens = "cached"', f"cached_input_tokens = {place}")
    found = totals(mapped(writer, tmp_path, rows, mapping, usage=TEXT.get(writer.database, "text")), "mode")
    by_mode = {row.key[0]: row.measures for row in found.rows}
    assert by_mode["unreadable_count"].request_count == by_mode["unreadable_count"].unpriced_count == len(odd)
    assert found.totals.total_cost == (len(absent) + len(readable)) * SENT


def test_a_count_that_sql_makes_below_zero_is_made_up_by_no_rate(writer, tmp_path):
    mapping = MAPPING.replace('"tokens"', '{ sql = "tokens - 1", typed = true, needs = ["tokens"] }')
    found = totals(mapped(writer, tmp_path, [{"tokens": count, "answer": 0} for count in (0, -1, 101, 1)], mapping))
    assert found.totals.unpriced_count == 2
    assert found.totals.total_cost == SENT


@pytest.mark.parametrize("place", ['{ json = "usage", path = ["c"] }', '{ sql = "${usage.c}" }'], ids=["path", "sql"])
def test_a_truth_in_json_is_no_cost(writer, tmp_path, place):
    rows = [{"tokens": 100, "usage": f'{{"c": {said}}}'} for said in ("true", "false", "0.5", '"0.5"', "null")]
    mapping = MAPPING.replace('reported_cost = ["cost", "upstream"]', f"reported_cost = {place}")
    found = records(mapped(writer, tmp_path, rows, mapping, usage=TEXT.get(writer.database, "text")))
    half = 5 * 10**11
    assert [row["reported_cost"] for row in found] == [None, None, half, half, None]
    assert [row["mode"] for row in found] == ["unreadable_cost", "unreadable_cost", None, None, None]


def test_of_several_costs_the_first_that_is_an_amount_counts(writer, tmp_path):
    costs = [
        ("0.5", "9"),
        (None, "0.5"),
        ("abc", "0.5"),
        ("NaN", "0.5"),
        ("1e30", "0.5"),
        ("abc", None),
        ("x", "y"),
        (None, None),
    ]
    rows = [{"tokens": 100, "answer": 0, "cost": cost, "upstream": other} for cost, other in costs]
    found = totals(mapped(writer, tmp_path, rows), "mode")
    assert found.totals.total_cost == 5 * 5 * 10**11 + SENT
    assert {row.key[0]: row.measures.unpriced_count for row in found.rows if row.measures.unpriced_count} == {
        "unreadable_cost": 2
    }


def test_what_was_read_from_the_cache_in_part_is_not_added_to_the_input(writer, tmp_path):
    """OpenAI counts a prefix as written that was read in part; what Claude's input leaves out never overlaps."""
    counts = [
        ("gpt-5.6-sol", 1000, 800, 900, 300), ("gpt-5.6-sol", 1000, 800, 200, 100),
        ("gpt-5.6-sol", 1000, 1000, 1000, 7), ("gpt-5.6-sol", 1000, 1200, 900, 800),
        ("claude-sonnet-4-5", 1000, 800, 900, 800), ("gpt-5.6-sol", 1000, None, 900, 900),
    ]  # fmt: skip
    given = ("model", "tokens", "cached", "written", "hour")
    rows = [dict(zip(given, each, strict=True)) | {"answer": 0} for each in counts]
    source = mapped(writer, tmp_path, rows)
    names = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens")
    assert [tuple(row[name] for name in names) for row in records(source)] == [
        (1000, 800, 200, 200), (1000, 800, 200, 100), (1000, 1000, 0, 0), (3100, 1200, 900, 800), (2700, 800, 900, 800),
        (1000, None, 900, 900),
    ]  # fmt: skip
    found = totals(source)
    assert found.totals.input_tokens == 9800
    assert found.totals.cache_creation_input_tokens == 200 + 200 + 0 + 900 + 900 + 900
