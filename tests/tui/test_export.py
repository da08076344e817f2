import csv
import io
import json
from dataclasses import replace
from datetime import UTC
from decimal import Decimal

import pytest
from snapshots import NOW, request_rows, snapshot

from cost_top.model.query import MEASURES, ReportRow
from cost_top.model.tables import as_csv, as_json
from cost_top.tui.export import lens_export, request_export, write_private


def with_rows(lens, *rows):
    return replace(lens, report=replace(lens.report, rows=rows, row_count=len(rows)))


def test_json_has_the_columns_of_the_report_and_exact_money():
    shown = snapshot()
    lens = shown.lens("token")
    document = json.loads(as_json(lens_export(shown, lens, UTC).table))
    assert list(document["results"][0]) == ["token", "token_name", *MEASURES]
    assert document["results"][0]["total_cost"].count("e") == 0
    assert Decimal(document["results"][0]["total_cost"]) * 10**12 == lens.report.rows[0].measures.total_cost
    assert document["results"][-1]["token"] is None
    assert document["totals"]["request_count"] == lens.report.totals.request_count
    assert document["source"] == "litellm@prod-db"
    assert document["as_of"] == "2026-11-21T14:03:22+00:00"
    assert document["notes"] == []


def test_a_cut_table_says_so():
    shown = snapshot()
    lens = shown.lens("model")
    cut = replace(lens, report=replace(lens.report, row_count=4000))
    assert json.loads(as_json(lens_export(shown, cut, UTC).table))["notes"] == ["9 of 4000 rows; totals are of all"]


@pytest.mark.parametrize("name", ["=1+1", "+1x", "-2+3", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_csv_runs_no_formula(name):
    shown = snapshot()
    lens = shown.lens("model")
    row = ReportRow((name,), replace(lens.report.rows[0].measures, prompt_cache_savings=-(10**11)))
    rows = list(csv.DictReader(io.StringIO(as_csv(lens_export(shown, with_rows(lens, row), UTC).table))))
    assert rows[0]["model"] == f"'{name}"
    assert rows[0]["prompt_cache_savings"] == "-0.1"


def test_csv_keeps_quotes_commas_and_unknown():
    shown = snapshot()
    lens = shown.lens("model")
    keys = (('a "b", c',), (None,))
    rows = tuple(ReportRow(key, lens.report.rows[0].measures) for key in keys)
    read = list(csv.reader(io.StringIO(as_csv(lens_export(shown, with_rows(lens, *rows), UTC).table))))
    assert read[1][0] == 'a "b", c'
    assert read[2][0] == ""


def test_requests_with_every_column():
    listed = request_rows(60, "time", 7)
    rows = json.loads(as_json(request_export(snapshot(), listed, UTC, None).table))["results"]
    assert len(rows) == 60
    assert rows[0]["tags"] == "prod,plan:pro"
    assert rows[0]["reasoning_tokens"] is None
    assert rows[0]["cache_hit"] is False
    assert Decimal(rows[0]["cost"]) * 10**12 == listed[0].cost


def test_files_are_private_and_never_overwrite(tmp_path):
    folder = tmp_path / "new" / "folder"
    first = write_private(folder, "model.csv", "a", NOW)
    second = write_private(folder, "model.csv", "b", NOW)
    assert first.name == "cost-top-model-20261121-140322.csv"
    assert second.name == "cost-top-model-20261121-140322-2.csv"
    assert (first.read_text(), second.read_text()) == ("a", "b")
    assert first.stat().st_mode & 0o777 == 0o600
