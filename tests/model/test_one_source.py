"""Questions about the source: answered at its face, the same whatever is behind it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cost_top.model.filter import Filter, parse_filter
from cost_top.model.one_source import NOTHING, OfOneSource, reported, settled, settled_view
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow
from cost_top.model.view import Crumb, View

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("user:acme", "user:acme"),
        ("source:prod user:acme", "user:acme"),
        ("source:pro*,test -user:acme", "-user:acme"),
        ("source:*", ""),
        ("-source:test", ""),
        ('source:"pr*d"', None),
        ("source:Prod", None),
        ("source:rod", None),
        ("-source:prod user:acme", None),
        ("-source:*", None),
        ("source:prod source:test", None),
    ],
)
def test_terms_about_the_source_hold_or_nothing_matches(text, left):
    found = settled(parse_filter(text), "prod")
    assert found == (NOTHING if left is None else parse_filter(left))


def test_a_views_filter_and_drill_are_settled_together():
    crumb = Crumb("user", "acme", parse_filter("user:acme").terms[0])
    view = View(filter=parse_filter("source:prod tag:a"), crumbs=(crumb,))
    found = settled_view(view, "prod")
    assert str(found.where) == "tag:a user:acme"
    assert [each.label for each in found.crumbs] == ["acme"]
    assert settled_view(view, "test").where == NOTHING
    plain = View(filter=parse_filter("tag:a"), crumbs=(crumb,))
    assert settled_view(plain, "prod") is plain


class Source(OfOneSource):
    label = "gateway.db"

    def __init__(self, requests=3):
        self.asked = []
        self.count = requests

    def report(self, query):
        self.asked.append(query)
        totals = Measures(total_cost=30, request_count=self.count)
        rows = {(): ((),), ("model",): (("a",), ("b",)), ("token",): (("k", "name"),)}[query.group_by]
        columns = {"token": ("token", "token_name")}.get("".join(query.group_by), query.group_by)
        return Report(columns, tuple(ReportRow(key, totals) for key in rows), totals, len(rows), START)

    def requests(self, query, after=None):
        self.asked.append(query)


def ask(source, group_by, where="", **others):
    return source.report(ReportQuery(START, END, group_by, parse_filter(where), **others))


def test_its_column_stands_where_it_was_asked_for():
    source = Source()
    assert [row.key for row in ask(source, ("source", "token")).rows] == [("gateway.db", "k", "name")]
    report = ask(source, ("token", "source"))
    assert (report.columns, report.rows[0].key) == (("token", "token_name", "source"), ("k", "name", "gateway.db"))
    source.own_name = "prod"
    alone = ask(source, ("source",), sort="source", limit=1)
    assert [(row.key, row.measures.total_cost) for row in alone.rows] == [(("prod",), 30)]
    assert (alone.row_count, alone.totals.total_cost) == (1, 30)
    assert ask(Source(0), ("source",)).rows == ()


def test_sorted_by_it_rows_stand_by_what_is_beside_it():
    source = Source()
    ask(source, ("source", "model"), sort="source", descending=True)
    assert (source.asked[0].sort, source.asked[0].descending) == ("model", False)


def test_of_another_source_nothing_is_asked_and_its_name_is_told():
    source = Source()
    for group_by, rows in (((), [()]), (("model",), []), (("source",), [])):
        report = ask(source, group_by, "source:prod")
        assert ([row.key for row in report.rows], report.totals) == (rows, Measures())
        assert report.notes == ("the source is called gateway.db",)
    assert source.asked == []
    source.requests(ReportQuery(START, END, (), parse_filter("source:prod")), None)
    source.requests(ReportQuery(START, END, (), parse_filter("source:gateway.db")))
    assert [each.where for each in source.asked] == [NOTHING, Filter()]


def test_who_knows_the_name_is_asked_for_it():
    class Elsewhere(Source):
        source_name = None

    source, query = Elsewhere(), ReportQuery(START, END, (), parse_filter("source:prod"))
    source.report(query)
    assert source.asked == [query]


def test_the_plain_question_is_asked_as_it_is():
    query = ReportQuery(START, END, ("model",), parse_filter("user:a"))
    found = []
    reported(query, "prod", lambda plain: found.append(plain) or Report((), (), Measures(), 0, START))
    assert found[0] is query
