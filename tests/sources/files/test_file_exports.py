"""Exports, access logs and files of any shape as a log: recognised by content, each record counted as it should be."""

# ruff: noqa: E501 - records are read more easily in one line

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.errors import SourceError, UserError
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.files.log import open_files
from cost_top.sources.files.records import epoch_ms
from cost_top.sources.locate import DATABASE, FILES, locate
from support.scratch import scratch

DAY = datetime(2026, 11, 20, tzinfo=UTC)


def report(source: Path | str, *group_by: str, where: str = "", mapping: Path | None = None) -> Any:
    """The report of a day, without a cache."""
    answers = LogAnswers(lambda: open_files(str(source), mapping, None), RateBook.load, None)
    try:
        return answers.report(ReportQuery(DAY, DAY + timedelta(days=1), group_by, parse_filter(where)))
    finally:
        answers.close()


def cloudflare(identity: str, **more: Any) -> dict[str, Any]:
    row = {
        "id": identity, "created_at": "2026-11-20T10:00:00Z", "provider": "openai", "model": "gpt-x", "path": "chat/completions",
        "tokens_in": 100, "tokens_out": 20, "cost": 0.000123456789, "custom_cost": False, "cached": False, "duration": 350,
        "success": True, "status_code": 200, "step": 0, "metadata": '{"user": 42, "plan": "pro", "beta": true}',
    }  # fmt: skip
    return {**row, **more}


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_cloudflare_exports_that_overlap_count_each_request_once(tmp_path: Path):
    write(tmp_path / "a.jsonl", [cloudflare("1"), cloudflare("2")])
    write(tmp_path / "b.jsonl", [cloudflare("2"), cloudflare("3")])
    found = report(tmp_path)
    assert found.totals.request_count == 3
    assert found.totals.total_cost == 3 * 123456789


def test_cloudflare_metadata_is_user_and_tags(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", [cloudflare("1"), cloudflare("2", metadata="", cost=1)])
    assert {row.key: row.measures.request_count for row in report(path, "user").rows} == {("42",): 1, (None,): 1}
    assert {row.key[0] for row in report(path, "tag").rows} == {"plan:pro", "beta:true", None}


def test_the_last_fraction_of_a_day_is_of_that_day(tmp_path: Path):
    times = ["2026-11-20T23:59:59.999999Z", "2026-11-20T00:00:00.000000Z"]
    path = write(tmp_path / "a.jsonl", [cloudflare(at, created_at=at) for at in times])
    assert report(path).totals.request_count == 2


@pytest.mark.parametrize("at", ["1793012112345", 1793012112345, 1793012112.9999, "1793012112345678", "1793012112345.9"])
def test_a_number_is_no_day_of_another_century(at: Any):
    assert epoch_ms(at) in (1793012112345, 1793012112999)


def test_cloudflare_s_zero_is_no_price_unless_it_was_cached(tmp_path: Path):
    rows = [
        cloudflare("1", cost=0),
        cloudflare("2", cost=0, cached=True),
        cloudflare("3", cost=0, tokens_in=0, tokens_out=0, success=False, status_code=500),
    ]
    totals = report(write(tmp_path / "a.jsonl", rows)).totals
    assert (totals.unpriced_count, totals.cache_hit_count, totals.error_count) == (1, 1, 1)


def envoy(identity: str, **more: Any) -> dict[str, Any]:
    row = {
        "start_time": "2026-11-20T10:00:00.123Z", "x-request-id": identity, "response_code": 200, "duration": 81, "user-agent": "sdk/1",
        "gen_ai.request.model": "fast", "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.provider.name": "default/openai/route/chat/rule/0/ref/0",
        "gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": 100, "gen_ai.usage.cached_input_tokens": "-",
    }  # fmt: skip
    return {**row, **more}


def test_envoy_lines_are_priced_by_the_model_that_answered(tmp_path: Path):
    path = write(tmp_path / "access.jsonl", [envoy("1"), envoy("2", **{"gen_ai.request.model": None}), envoy("3", **{
        "gen_ai.usage.input_tokens": "-", "gen_ai.usage.output_tokens": None, "response_code": 502})])  # fmt: skip
    found = report(path, "provider", "model", "endpoint")
    assert [(row.key, row.measures.request_count) for row in found.rows] == [
        (("openai", "gpt-4o-mini-2024-07-18", "chat"), 2)
    ]
    assert found.totals.total_cost == 1000 * 150_000 + 100 * 600_000
    assert found.totals.error_count == 1
    assert report(path, where='"default/openai/route"').totals.request_count == 2
    named = {"gen_ai.provider.name": "mine", "request.path": "/v1/messages"}
    direct = report(write(tmp_path / "direct.jsonl", [envoy("4", **named)]), "provider", "endpoint")
    assert [row.key for row in direct.rows] == [("mine", "/v1/messages")]


AUDIT = ("timestamp", "provider", "model", "prompt_tokens", "completion_tokens", "cached_tokens", "cost", "provider_cost",
         "latency_ms", "status", "key_name", "client_ip", "streaming", "user_agent")  # fmt: skip
AUDIT_ROWS = [
    (
        "2026-11-20T12:00:00+02:00",
        "OpenAI",
        "gpt-x",
        100,
        20,
        50,
        "0.10",
        "0.08",
        350,
        200,
        "billing",
        "10.0.0.1",
        "true",
        "sdk/1",
    ),
    (
        "2026-11-20T10:00:00Z",
        "anthropic",
        "claude-x",
        10,
        2,
        0,
        "0.02",
        "0.02",
        35,
        "error",
        '=HYPERLINK("x")',
        "",
        "false",
        "",
    ),
]


def audit(path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([AUDIT, *AUDIT_ROWS])
    return path


@pytest.mark.parametrize("form", ["csv", "semicolons.csv", "csv.gz", "json", "jsonl", "parquet"])
def test_an_audit_export_gives_the_same_figures_in_every_form(tmp_path: Path, form: str):
    plain = audit(tmp_path / "source.csv")
    records = [dict(zip(AUDIT, row, strict=True)) for row in AUDIT_ROWS]
    path = tmp_path / f"audit.{form}"
    if form == "csv.gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
    elif form == "json":
        path.write_text(json.dumps({"data": records}, indent=2))
    elif form == "jsonl":
        write(path, records)
    elif form == "parquet":
        with scratch() as duck:
            bytes_of = "SELECT * REPLACE (encode(key_name) AS key_name)"
            duck.execute(f"COPY ({bytes_of} FROM read_csv('{plain}')) TO '{path}'").fetchall()
    elif form == "semicolons.csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows([AUDIT, *AUDIT_ROWS])
    else:
        path.write_bytes(plain.read_bytes())
    found = report(path, "token", "provider")
    assert {row.key[0]: row.measures.total_cost for row in found.rows} == {
        "billing": 10**11,
        '=HYPERLINK("x")': 2 * 10**10,
    }
    assert (found.totals.input_tokens, found.totals.cached_input_tokens, found.totals.error_count) == (110, 50, 1)
    assert any("every line counts" in note for note in found.notes)


@pytest.mark.parametrize("name", ["audit.log", "audit.log.1", "audit.log.gz"])
def test_json_lines_are_files_by_any_name(tmp_path: Path, name: str):
    path = write(tmp_path / "lines.jsonl", [dict(zip(AUDIT, row, strict=True)) for row in AUDIT_ROWS])
    data = path.read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert locate(str(path)).kind == FILES
    assert report(path, "provider").totals.input_tokens == 110


def test_other_files_are_databases(tmp_path: Path):
    for name, data in (("a.log", b"SQLite format 3\0{"), ("b.log", b""), ("c.log", b"GET / 200\n")):
        (tmp_path / name).write_bytes(data)
        assert locate(str(tmp_path / name)).kind == DATABASE


MAPPING = """
name = "ours"
table = "calls"
recognised_by = ["when"]
id = "call.id"
[time]
column = "when"
unit = "iso_utc"
[cost]
unit = "usd"
[fields]
model = "llm"
user = { json = "extra", path = ["customer"] }
input_tokens = "in"
output_tokens = "out"
reported_cost = "usd"
"""


def test_files_of_any_shape_are_read_by_a_mapping_and_what_it_does_not_name_is_not_kept(tmp_path: Path):
    mapping = tmp_path / "ours.toml"
    mapping.write_text(MAPPING)
    rows = [
        {"call.id": "a", "when": "2026-11-20T12:00:00+02:00", "llm": "m-1", "extra": {"customer": "acme"}, "in": 5, "out": "7", "usd": 0.1,
         "prompt": "never kept"},
        {"call.id": "a", "when": "2026-11-20T10:00:00Z", "llm": "m-1", "extra": None, "in": 5, "out": 7, "usd": "0.30", "prompt": "never kept"},
        {"call.id": "b", "when": "2026-11-20T10:00:00", "llm": "m-2", "in": 1, "out": 1, "usd": None},
    ]  # fmt: skip
    (tmp_path / "logs").mkdir()
    write(tmp_path / "logs" / "x.jsonl", rows)
    found = report(tmp_path / "logs", "model", mapping=mapping)
    assert {row.key[0]: row.measures.total_cost for row in found.rows} == {"m-1": 3 * 10**11, "m-2": 0}
    log = open_files(str(tmp_path / "logs"), mapping, tmp_path / "cache")
    assert b"never kept" not in log.index.path.read_bytes()
    assert log.index.path.stat().st_mode & 0o077 == 0


def test_values_of_parquet_that_hold_others_are_read_as_json(tmp_path: Path):
    mapping = tmp_path / "ours.toml"
    mapping.write_text(MAPPING.replace('"customer"', '"customer", "at"'))
    with scratch() as duck:
        duck.execute(
            "COPY (SELECT 'a' AS \"call.id\", DATE '2026-11-20' AS \"when\", 0.5::DECIMAL(9,3) AS usd, "
            "MAP {'customer': {'at': DATE '2026-11-20', 'of': [0.5::DECIMAL(9,3)]}} AS extra) "
            f"TO '{tmp_path / 'x.parquet'}'"
        ).fetchall()
    found = report(tmp_path / "x.parquet", "user", mapping=mapping)
    assert [(row.key, row.measures.total_cost) for row in found.rows] == [(("2026-11-20",), 5 * 10**11)]


def test_a_mapping_whose_time_is_sql_keeps_the_columns_that_it_names(tmp_path: Path):
    mapping = tmp_path / "ours.toml"
    mapping.write_text(
        'name = "ours"\ntable = "calls"\nid = "id"\n[fields]\nreported_cost = "usd"\n[time]\nunit = "epoch_ms"\n'
        'sql = \'CAST("sec" AS INTEGER) * 1000 + CAST("ms" AS INTEGER)\'\n'
    )
    rows = [{"id": str(n), "sec": int(DAY.timestamp()) + 60, "ms": 5, "usd": 0.5, "prompt": "no"} for n in range(3)]
    assert report(write(tmp_path / "x.jsonl", rows), mapping=mapping).totals.total_cost == 15 * 10**11


def test_what_is_not_known_by_content_is_said_with_its_columns(tmp_path: Path):
    write(tmp_path / "x.jsonl", [{"a": 1, "b\x1b[31m": 2}])
    with pytest.raises(UserError, match=r"no kind of log that cost-top knows.*--mapping FILE; columns found: a, b"):
        open_files(str(tmp_path), None, None)


def test_files_of_several_kinds_are_refused_with_their_names(tmp_path: Path):
    write(tmp_path / "x.jsonl", [cloudflare("1")])
    write(tmp_path / "y.jsonl", [envoy("1")])
    with pytest.raises(UserError, match=r"several kinds \(cloudflare, envoy\)"):
        open_files(str(tmp_path), None, None)


def test_a_pattern_and_an_empty_folder(tmp_path: Path):
    write(tmp_path / "x.jsonl", [cloudflare("1")])
    write(tmp_path / "y.jsonl", [envoy("1")])
    assert report(str(tmp_path / "x*.jsonl")).totals.request_count == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no \.jsonl, \.csv or \.parquet file"):
        open_files(str(tmp_path / "empty"), None, None)


def test_files_that_are_gone_are_a_source_that_fails(tmp_path: Path):
    path = write(tmp_path / "x.jsonl", [cloudflare("1")])
    log = open_files(str(path), None, None)
    path.unlink()
    log._looked -= 10
    with pytest.raises(SourceError, match="the files are gone"), log.connect() as reader:
        reader.evidence()


def test_broken_lines_are_told_and_cost_no_other_line(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        json.dumps(cloudflare("1")).encode() + b"\n{broken\n\xff\xfe\n" + json.dumps(cloudflare("2")).encode() + b"\n"
    )
    found = report(path)
    assert found.totals.request_count == 2
    assert "2 lines of the files could not be read" in found.notes


def test_what_is_no_number_is_not_made_up_from_rates(tmp_path: Path):
    """The model has a rate, and some of the records a count that it would fit."""
    fields = {"timestamp": "2026-11-20T10:00:00Z", "provider": "openai", "model": "gpt-5", "completion_tokens": 20}
    odd = [
        {"cost": "1,20"}, {"cost": "abc"}, {"cost": "$0.5", "provider_cost": ""}, {"cost": "9e99"},
        {"cost": "", "prompt_tokens": "1,000"}, {"cost": None, "prompt_tokens": -5}, {"cost": "NaN"},
        {"cost": "", "prompt_tokens": "1.234"},
    ]  # fmt: skip
    known = [{"cost": ""}, {"cost": "n/a"}, {"cost": "x", "provider_cost": "0.5"}, {"cost": 0.25, "prompt_tokens": "?"}]
    path = write(tmp_path / "audit.jsonl", [{**fields, "prompt_tokens": 100, **each} for each in (*odd, *known)])
    found = report(path)
    by_rates = 100 * 1_250_000 + 20 * 10_000_000
    assert (found.totals.unpriced_count, found.totals.total_cost) == (8, 2 * by_rates + 75 * 10**10)
    assert report(path, where="mode:unreadable_cost").totals.request_count == 5
    assert {
        "5 requests (gpt-5): the log's cost is no amount",
        "3 requests (gpt-5): a count of the log is no number",
    } < {*found.notes}
    path = write(tmp_path / "cloudflare.jsonl", [cloudflare("1", cost="1,20"), cloudflare("2", tokens_in="1 000")])
    assert report(path, where="mode:unreadable_*").totals.request_count == 2
