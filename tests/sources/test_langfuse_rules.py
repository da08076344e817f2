"""What Langfuse's tables mean where they are not what they seem: versions, traces of one id, usage keys, two tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.query import ReportQuery
from cost_top.monitor.cluster import answers
from cost_top.monitor.cluster.answers import ClusterAnswers
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.reports import asked_report
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.check import check_mapping
from cost_top.sources.sql.inspect import inspect
from cost_top.sources.sql.log import open_log
from support.gateway_shapes import LANGFUSE, LANGFUSE_V4, SECRET
from support.logical import requests
from support.reading import records

END = datetime(2026, 10, 8, tzinfo=UTC)
ONE = replace(
    requests(1, END)[0], number=1, provider=1, input=1000, cached=300, written=200, output=50, reasoning=20, points=700,
    hit=False, status=200, time=END - timedelta(hours=5, minutes=30),
)  # fmt: skip
LATER, DAY_AFTER = "2026-10-08 01:00:00", "2026-10-08 02:00:00"


@pytest.fixture
def writer(clickhouse):
    return clickhouse


def write(writer, shape, *rows):
    """The shape's tables with its one request's row, changed in each of `rows`."""
    writer.write(shape, [])
    base = shape.write(ONE, "clickhouse")[0]
    key = "span_id" if shape is LANGFUSE_V4 else "id"
    writer.insert(shape.table, [{**base, key: str(number), **row} for number, row in enumerate(rows, 1)])


def read(writer):
    return {row["id"]: row for row in records(open_log(writer.location))}


def trace(writer, *rows):
    base = LANGFUSE.names([ONE])["traces"][0]
    writer.insert("traces", [{**base, **row} for row in rows])


@pytest.mark.parametrize("shape", [LANGFUSE, LANGFUSE_V4], ids=lambda shape: shape.preset)
def test_the_newest_version_of_a_call_counts_and_what_is_no_call_does_not(writer, shape):
    dear = {"total_cost": "9", "cost_details": {"total": "9"}} if shape is LANGFUSE else {"cost_details": {"total": 9}}
    none = {"total_cost": None} if shape is LANGFUSE else {}
    key = "id" if shape is LANGFUSE else "span_id"
    parts = {"cost_details": {"input": "0.5", "output": "0.25"}, **none}
    write(
        writer, shape, dear, {}, {"type": "SPAN"}, {"type": "EVENT"}, {"type": "TOOL"}, parts,
        {"level": "ERROR", "cost_details": {}, "usage_details": {}, **none}, {"end_time": None},
        {"environment": "langfuse-llm-as-a-judge"}, {"usage_details": {"total": 12}},
    )  # fmt: skip
    base = shape.write(ONE, "clickhouse")[0]
    # A newer version with other money, and one that says that the row is gone.
    writer.insert(shape.table, [{**base, key: "1", "event_ts": LATER},
                                {**base, key: "2", "event_ts": LATER, "is_deleted": 1}])  # fmt: skip
    found = read(writer)
    assert set(found) == {"1", "6", "7", "8", "9", "10"}
    assert {key: row["reported_cost"] for key, row in found.items()} == {
        "1": 14 * 10**8, "6": None, "7": None, "8": 14 * 10**8, "9": 14 * 10**8, "10": 14 * 10**8,
    }  # fmt: skip
    assert {key: row["input_tokens"] for key, row in found.items()} == {
        "1": 1000, "6": 1000, "7": None, "8": 1000, "9": 1000, "10": None,
    }  # fmt: skip
    assert (found["7"]["status"], found["1"]["status"], found["8"]["latency_ms"]) == (500, 200, None)


_COUNTS = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
           "output_tokens", "reasoning_tokens")  # fmt: skip
_USAGES = [
    ({"input": 10, "output": 5, "total": 15}, (10, None, None, None, 5, None)),
    ({"input": 0, "input_cached_tokens": 0, "output": 0, "output_reasoning_tokens": 0}, (0, 0, None, None, 0, 0)),
    ({"input_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 4},
     (12, 3, 2, None, 4, None)),
    ({"input": 1, "input_cache_read": 2, "input_cache_creation_5m": 4, "input_cache_creation_1h": 8, "OUTPUT": 3},
     (15, 2, 12, 8, 3, None)),
    ({"input_audio": 6, "output_text": 2, "output_audio": 3, "output_reasoning": 1}, (6, None, None, None, 6, 1)),
    ({"total": 9, "weird o'key": 1}, (None, None, None, None, None, None)),
    ({}, (None, None, None, None, None, None)),
]  # fmt: skip
_NO_USAGES = [{"input": 10**15, "output": 5}, {"input": 2**64 - 1, "input_x": 5}, {"input": 1, "output": 2**63 + 1}]


def test_usage_is_added_up_as_langfuse_does_and_what_no_count_can_be_is_told(writer):
    write(writer, LANGFUSE, *({"usage_details": usage} for usage in (*(usage for usage, _ in _USAGES), *_NO_USAGES)))
    found = read(writer)
    rows = [found[str(number)] for number in range(1, len(found) + 1)]
    counted = rows[: len(_USAGES)]
    assert [tuple(row[name] for name in _COUNTS) for row in counted] == [told for _, told in _USAGES]
    assert {row["provider"] for row in rows} == {None}
    modes = [row["mode"] == "unreadable_count" for row in rows]
    assert modes == [False] * len(_USAGES) + [True] * len(_NO_USAGES)


@pytest.mark.parametrize("shape", [LANGFUSE, LANGFUSE_V4], ids=lambda shape: shape.preset)
def test_what_a_model_prices_apart_and_no_count_holds_is_told(writer, shape):
    usages = [
        ("gpt-image-1", {"input": 5, "input_image_tokens": 9, "output": 2}), ("gpt-5", {"input_image_tokens": 9}),
        ("gpt-image-1", {"input": 5, "input_image_tokens": 0}), ("gpt-realtime-mini", {"input_cached_audio": 3}),
        ("gemini-embedding-2", {"input_image": 9}), ("Gemini-3.1-flash-live", {"input_image": 9}),
        ("embed-v4.0", {"input_image": 9}), ("gpt-realtime-2.1-mini", {"input_cached_audio": 3}),
    ]  # fmt: skip
    write(writer, shape, *({"provided_model_name": model, "usage_details": usage} for model, usage in usages))
    modes = {key: row["mode"] for key, row in read(writer).items()}
    assert modes == {
        "1": "image_input", "2": None, "3": None, "4": "cached_audio",
        "5": "image_input", "6": "image_input", "7": "image_input", "8": "cached_audio",
    }  # fmt: skip


def test_one_trace_of_many_rows_gives_a_call_one_user(writer):
    write(writer, LANGFUSE, {}, {"trace_id": "never came"}, {"project_id": "p2"}, {"trace_id": "anonymous"})
    trace(
        writer, {"user_id": "before", "tags": ["old"], "event_ts": "2026-10-01 00:00:00"},
        {"user_id": "ann", "tags": ["a, b", "c"], "session_id": "s1", "name": "chat", "event_ts": LATER},
        {"user_id": "older", "timestamp": DAY_AFTER, "event_ts": "2026-10-02 00:00:00"},
        {"user_id": "bob", "project_id": "p2", "tags": [], "name": ""},
        {"id": "anonymous", "user_id": "known before", "event_ts": "2026-10-01 00:00:00"},
        {"id": "anonymous", "user_id": None, "tags": [], "event_ts": LATER},
    )  # fmt: skip
    found = read(writer)
    assert {key: (row["user"], row["tags"], row["session"]) for key, row in found.items()} == {
        "1": ("ann", ["a, b", "c"], "s1"), "2": (None, None, None), "3": ("bob", None, None), "4": (None, None, None),
    }  # fmt: skip
    assert {key: row["endpoint"] for key, row in found.items()} == {
        "1": "chat", "2": ONE.endpoint, "3": ONE.endpoint, "4": ONE.endpoint,
    }  # fmt: skip
    source = open_log(writer.location)
    cluster = Cluster(source, RateBook.load(None))
    try:
        query = ReportQuery(END - timedelta(days=3), END, group_by=("user",))
        users = {row.key[0]: row.measures.request_count for row in asked_report(cluster, query, END).rows}
    finally:
        cluster.close()
    assert users == {"ann": 1, "bob": 1, None: 2}


@pytest.mark.parametrize(
    ("events", "observations", "kept"),
    [
        ([], [], "langfuse-v4"), ([], [LATER], "langfuse"), ([LATER], [], "langfuse-v4"),
        ([LATER], [LATER], "langfuse-v4"),
        (["2026-10-08 00:30:00"], [LATER], "langfuse-v4"), (["2026-10-07 00:00:00"], [LATER], "langfuse"),
    ],
)  # fmt: skip
def test_of_both_tables_the_rows_say_which_is_kept(writer, events, observations, kept):
    writer.write(LANGFUSE_V4, [])
    for shape, times in ((LANGFUSE_V4, events), (LANGFUSE, observations)):
        writer.insert(shape.table, [{**shape.write(ONE, "clickhouse")[0], "start_time": time} for time in times])
    source = open_log(writer.location)
    assert source.preset.name == kept
    other = LANGFUSE.table if kept == "langfuse-v4" else LANGFUSE_V4.table
    told = [note for note in source.notes if note.startswith(f"{other} has rows as well, until 2026-10-0")]
    assert len(told) == bool(events and observations), "what is in no figure is told"
    # A user may name one of them.
    assert open_log(writer.location, "langfuse").preset.name == "langfuse"
    assert open_log(writer.location, "langfuse-v4").preset.name == "langfuse-v4"


def test_an_install_that_begins_to_write_the_other_table_is_followed(writer, monkeypatch):
    writer.write(LANGFUSE, [])

    def add(shape, at):
        writer.insert(shape.table, [{**shape.write(ONE, "clickhouse")[0], "start_time": at}])

    add(LANGFUSE, LATER)
    engine = ClusterAnswers(lambda: open_log(writer.location), lambda: RateBook.load(None))
    query = ReportQuery(END - timedelta(days=2), END + timedelta(days=2))
    try:
        assert (engine.label.partition("@")[0], engine.report(query).totals.request_count) == ("langfuse", 1)
        writer.write(replace(LANGFUSE_V4, beside={}), [])
        add(LANGFUSE_V4, DAY_AFTER)
        assert engine.report(query).totals.total_cost, "it is not looked at every time"
        assert engine.label.startswith("langfuse@")
        monkeypatch.setattr(answers, "_LOOKED_AGAIN", 0.0)
        found = engine.report(query)
        assert engine.label.startswith("langfuse-v4@")
        assert found.totals.request_count == 1
        assert [
            note for note in found.notes if note.startswith("observations has rows as well, until 2026-10-08 01:00")
        ]
        add(LANGFUSE, "2026-10-08 01:30:00")
        assert [note for note in engine.report(query).notes if "until 2026-10-08 01:30" in note]
    finally:
        engine.close()


def test_doctor_says_what_it_cannot_tell_and_what_it_reads(writer):
    write(writer, LANGFUSE, {})
    source = open_log(writer.location)
    found = inspect(source)
    assert any("providers and keys" in clause for clause in found.cannot_tell)
    assert {"user", "session", "tags", "endpoint"} <= set(source.costly)
    assert (found.costly, found.costly_round) == ((), None)  # nothing is copied
    assert "late:" in found.limits[0]
    assert "60 s, 8 threads, 4 GiB and 2,000,000 rows" in found.limits[1]
    assert any("`traces`" in grant and "`event_ts`" in grant and "input" not in grant for grant in found.grants)
    assert any("`usage_details`" in grant and "`output`" not in grant for grant in found.grants)
    assert SECRET not in repr(found)
    assert check_mapping(source).rows == 1


def test_without_the_right_to_read_traces_calls_are_told_without_users(clickhouse_server, writer):
    write(writer, LANGFUSE, {})
    writer.run("DROP TABLE traces")
    row = read(writer)["1"]
    assert (row["user"], row["endpoint"], row["reported_cost"]) == (None, ONE.endpoint, 14 * 10**8)
