"""What the commands say where there is nothing, and what is wrong in one line that repeats nothing."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import pytest

from cost_top.cli import _told
from cost_top.cli.overview import report_table
from cost_top.cli.report_faces import print_report
from cost_top.cli.request_output import TableWriter
from cost_top.cli.why import told
from cost_top.insight.why import Ask, why
from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.notes import KEYS_HAVE_IDS
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow, known_measures
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
COLUMNS = ("token", "token_name", "endpoint", "model", "user")


def test_a_table_of_nothing_says_so() -> None:
    empty = Report(("provider",), (), known_measures(0, request_count=0), 0, NOW)
    assert report_table(empty).splitlines()[-1] == "no requests in this period"
    one = known_measures(1, request_count=1)
    assert "no requests" not in report_table(Report(("provider",), (ReportRow(("x",), one),), one, 1, NOW))


def test_of_a_key_that_nothing_has_it_is_said_what_would_find_it_by_its_name(sqlite_log, capsys) -> None:
    log = sqlite_log()
    log.add(time_ms=int(NOW.timestamp() * 1000), token="key_1", token_name="triage")
    query = ReportQuery(NOW - timedelta(hours=1), NOW + timedelta(hours=1), ())
    with closing(LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), None)) as answers:
        for where, hints in (("token:key_1", 0), ("token:triage", 1), ("token_name:triage", 0)):
            print_report(answers, replace(query, where=parse_filter(where)), "table")
            assert capsys.readouterr().out.count(KEYS_HAVE_IDS) == hints


def test_a_list_of_nothing_says_so() -> None:
    out = io.StringIO()
    writer = TableWriter(out, ("time", "cost"), UTC)
    writer.begin()
    writer.end(["as of now"])
    assert out.getvalue().splitlines()[1:] == ["no requests in this period", "note: as of now"]


def test_why_of_nothing_is_one_line_and_keys_of_one_name_are_told_apart() -> None:
    periods = ((NOW - timedelta(hours=2), NOW - timedelta(hours=1)), (NOW - timedelta(hours=1), NOW))

    def asked(*rows: ReportRow) -> Ask:
        sides = (Report(COLUMNS, (), Measures(), 0, NOW), Report(COLUMNS, rows, Measures(), len(rows), NOW))
        return Ask(*sides, periods)

    assert told(why(asked()), "spend: no requests.") == "spend: no requests.\n"
    spent = Measures(total_cost=10**12, request_count=3, input_tokens=9, output_tokens=0)
    rows = [ReportRow((key, "ci", "/a", "m", None), spent) for key in ("k-1111", "k-2222")]
    text = told(why(asked(*rows), ("token",)), "spend is up")
    assert "ci …1111 " in text
    assert "ci …2222 " in text


@pytest.mark.parametrize(("error", "line"), [
    (UserError("cost-top: not a URL of an API"), "not a URL of an API"),
    (UserError("prod: not a URL of an API"), "prod: not a URL of an API"),
    (click.UsageError("'abc' is not a valid integer range."), "'abc' is not a whole number. (see cost-top --help)"),
])  # fmt: skip
def test_a_mistake_is_told_in_plain_words(error: Exception, line: str) -> None:
    assert _told(error) == line
