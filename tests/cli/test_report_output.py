"""A report and an export of the same rows are the same document."""

import csv
import io
import json
import sys
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from cost_top.cli.output import write_report
from cost_top.model.query import ReportQuery, ReportRow
from cost_top.model.tables import as_csv, as_json
from cost_top.tui.export import lens_export

sys.path.insert(0, str(Path(__file__).parents[1] / "tui" / "render"))
from render_scene import providers, scene


def _lens():
    lens = providers()
    rows = (*lens.report.rows, ReportRow(('=cmd|"x"',), lens.report.rows[0].measures))
    return replace(lens, report=replace(lens.report, rows=rows, row_count=len(rows)))


def test_export_and_report_write_the_same(capsys):
    lens, shown = _lens(), scene()
    query = ReportQuery(lens.period.start, lens.period.end, ("provider",))
    exported = lens_export(shown, lens, UTC).table
    for form, text in (("json", as_json(exported)), ("csv", as_csv(exported))):
        write_report(lens.report, query, exported.notes, shown.source, form)
        written = capsys.readouterr()
        assert written.out == text
        assert ("note: " in written.err) == (form == "csv" and bool(exported.notes))


def test_the_documents_keys_are_the_documented_ones():
    document = json.loads(as_json(lens_export(scene(), _lens(), UTC).table))
    assert list(document) == ["results", "totals", "since", "until", "as_of", "source", "notes"]


def test_no_cell_is_a_formula():
    rows = list(csv.reader(io.StringIO(as_csv(lens_export(scene(), _lens(), UTC).table))))
    assert rows[-1][0] == '\'=cmd|"x"'
