"""A log that is answered where it lives shows what the same log shows that is copied: screens, reports, requests."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.errors import CannotAnswer
from cost_top.model.filter import parse_filter
from cost_top.model.query import MEASURES, Measures, ReportQuery
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.cluster import reports
from cost_top.monitor.cluster.answers import waste
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.engine import ClusterEngine
from cost_top.monitor.cluster.newest import MOST, NewestRows
from cost_top.monitor.cluster.reports import asked_report
from cost_top.monitor.cluster.single import one_by_one
from cost_top.monitor.log.engine import LogEngine
from cost_top.monitor.log.once import read_period
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from monitor.test_screen_equals_report import LENSES, fill
from support.native_log import NativeLog

BERLIN = ZoneInfo("Europe/Berlin")
TYPES = {
    "INTEGER": "Nullable(Int64)",
    "BIGINT": "Nullable(Int64)",
    "TEXT": "Nullable(String)",
    "BOOLEAN": "Nullable(Bool)",
}
KEYS = {"id": "String", "time_ms": "Int64"}
HOSTILE = "sk-abcdefghijklmnopqrstuvwx o'Neil \\ \x1b[31m\u202e \u0645\u06cc\u200c\u062e\u200b"


@pytest.fixture(scope="module", params=["clickhouse", "postgresql"])
def both(request, tmp_path_factory):
    """The same log twice: copied to a mirror, and where it is answered."""
    server = request.getfixturevalue(f"{request.param}_server".replace("postgresql", "postgres"))
    folder = tmp_path_factory.mktemp("log")
    log, now = NativeLog(folder / "gateway.db", True), datetime.now(UTC)
    fill(log, 1500, now - timedelta(minutes=1), 40)
    log.run("UPDATE cost_top_requests SET time_ms = ? - (rowid % 50) * 60000 WHERE rowid % 40 = 0",
            [int((now - timedelta(minutes=2)).timestamp() * 1000)])  # fmt: skip
    log.run("UPDATE cost_top_requests SET endpoint = ? WHERE rowid % 30 = 0", [HOSTILE])
    log.run("UPDATE cost_top_requests SET cached_input_tokens = input_tokens / 3, reasoning_tokens = output_tokens / 2,"
            " tags = '{\"env\": \"pr\\u00f6d\", \"n\": 1}' WHERE rowid % 7 = 0")  # fmt: skip
    log.run("UPDATE cost_top_requests SET reasoning_tokens = output_tokens * 2 WHERE rowid % 35 = 0")
    log.run("UPDATE cost_top_requests SET status = 504, cost_pico_usd = 0 WHERE rowid % 60 = 1")
    log.run("UPDATE cost_top_requests SET credential_type = 'BYOK ', cost_pico_usd = 0 WHERE rowid % 25 = 3")
    log.run("UPDATE cost_top_requests SET mode = ' Batch', region = 'US ', cost_pico_usd = NULL WHERE rowid % 25 = 4")
    log.run("UPDATE cost_top_requests SET model = 'claude-sonnet-4-5', mode = 'rounds', input_tokens = 250000, "
            "cost_pico_usd = NULL WHERE rowid % 70 = 5")  # fmt: skip
    log.run("UPDATE cost_top_requests SET input_tokens = NULL, cache_hit = 1, output_tokens = 9 WHERE rowid % 80 = 7")
    log.run("UPDATE cost_top_requests SET model = 'ct_slots', endpoint = 'ct_pairs' WHERE rowid % 45 = 0")
    name = server.create_database()
    (_into_clickhouse if request.param == "clickhouse" else _into_postgres)(log, server, name)
    book = RateBook.load(None)
    mirror = read_period(open_log(str(log.path)), book, None, Period(now - timedelta(days=90), now))
    cluster = Cluster(open_log(server.url(name)), book)
    cluster.learn(now)
    _ask_once(cluster)
    yield SimpleNamespace(mirror=mirror, cluster=cluster, now=now, log=log)
    cluster.close()
    mirror.close()
    log.close()
    server.drop_database(name)


def _ask_once(cluster):
    """Nobody writes to the log, and ClickHouse looks at a long statement for seconds: each is answered once."""
    answers, ask = {}, cluster.ask

    def asked_once(sql, parameters=None):
        key = sql, repr(parameters)
        if key not in answers:
            answers[key] = ask(sql, parameters)
        return list(answers[key])

    cluster.ask = asked_once


def _into_clickhouse(log, server, name):
    columns = log.connection.execute("SELECT name, type FROM pragma_table_info('cost_top_requests')").fetchall()
    defined = ", ".join(f"`{column}` {KEYS.get(column) or TYPES[kind.upper()]}" for column, kind in columns)
    server.run(f"CREATE TABLE cost_top_requests ({defined}) ENGINE = MergeTree ORDER BY (time_ms, id)", name)
    cursor = log.connection.execute("SELECT * FROM cost_top_requests")
    names = [item[0] for item in cursor.description]
    lines = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in cursor)
    server.run(f"INSERT INTO cost_top_requests FORMAT JSONEachRow\n{lines}", name)


def _into_postgres(log, server, name):
    server.run(native.DDL, name)
    cursor = log.connection.execute("SELECT * FROM cost_top_requests")
    names = [item[0] for item in cursor.description]
    flags = [names.index(column) for column, kind in native.COLUMN_TYPES.items() if kind == "BOOLEAN"]
    into = f"COPY cost_top_requests ({', '.join(names)}) FROM STDIN"
    with (
        psycopg.connect(server.url(name)) as connection,
        connection.cursor() as writer,
        writer.copy(into) as copy,
    ):
        for row in cursor:
            told = [bool(value) if place in flags and value is not None else value for place, value in enumerate(row)]
            copy.write_row(told)


def shown(engine, view, now):
    needs = needs_of(view, now, BERLIN, engine.knows)
    return compose(needs, engine.answers(needs.all, float("inf")), engine.knows, Facts("log", None))


@pytest.mark.parametrize(
    ("window", "where", "lenses"),
    [("30d", "", LENSES), ("7d", "tag:prod,env:* -user:u1 latency:>=10", ("token", "tag", "session"))],
)  # fmt: skip
def test_the_screen(both, window, where, lenses):
    view = View(window=window, filter=parse_filter(where), lenses=lenses)
    engine = ClusterEngine(both.cluster)
    engine.tick(both.now)
    found, wanted = shown(engine, view, both.now), shown(LogEngine(both.mirror), view, both.now)
    assert not found.incomplete
    assert not wanted.incomplete
    for each in fields(found):
        if each.name != "lenses":
            assert getattr(found, each.name) == getattr(wanted, each.name), each.name
    for mine, other in zip(found.lenses, wanted.lenses, strict=True):
        for each in fields(mine):
            assert getattr(mine, each.name) == getattr(other, each.name), (mine.dimension, each.name)


@pytest.mark.parametrize(
    ("measure", "window", "lenses"),
    [("tokens", "30d", LENSES), ("errors", "30d", LENSES), ("p95", "7d", ("model", "user"))],
)
def test_the_screen_by_another_measure(both, measure, window, lenses):
    view = View(window=window, lenses=lenses, measure=measure, row_limit=3)
    engine = ClusterEngine(both.cluster)
    engine.tick(both.now)
    found, wanted = shown(engine, view, both.now), shown(LogEngine(both.mirror), view, both.now)
    assert found.chart == wanted.chart
    assert any(bar.value for bar in found.chart)
    assert [lens.report.rows for lens in found.lenses] == [lens.report.rows for lens in wanted.lenses]


def test_a_tick_asks_for_the_hot_end_alone(both, monkeypatch):
    view = View(window="30d", lenses=LENSES)
    engine = ClusterEngine(both.cluster)
    engine.tick(both.now)
    first = shown(engine, view, both.now)
    asked, ask = [], both.cluster.ask
    monkeypatch.setattr(both.cluster, "ask", lambda sql, parameters=None: asked.append(sql) or ask(sql, parameters))
    read, rows = [], both.cluster.reader.rows
    monkeypatch.setattr(both.cluster.reader, "rows", lambda start, *rest: read.append(start) or rows(start, *rest))
    engine.tick(both.now)
    assert shown(engine, view, both.now) == first
    assert len(read) == 1
    assert len(asked) <= 5
    assert read[0] >= both.now - timedelta(hours=2)
    oldest = int((both.now - timedelta(hours=2)).timestamp() * 1000)
    assert all(f"time_ms >= {oldest}" < sql[sql.index("time_ms >= ") :] for sql in asked if "time_ms >= " in sql)


@pytest.mark.parametrize(
    ("group_by", "where", "zone"),
    [(("day", "model"), "cost:>0.001", BERLIN), (("tag",), "unpriced:no error:no name", UTC),
     (("hour", "token"), "endpoint:*Neil*", ZoneInfo("Asia/Kathmandu"))],
)  # fmt: skip
def test_a_report_with_its_latencies(both, group_by, where, zone):
    since = both.now - timedelta(days=9)
    query = ReportQuery(since, both.now, group_by, parse_filter(where), zone, limit=50, measures=MEASURES)
    found, wanted = asked_report(both.cluster, query, both.now), both.mirror.report(query, both.now)
    assert found.totals == wanted.totals
    assert found.rows == wanted.rows
    assert (found.columns, found.row_count) == (wanted.columns, wanted.row_count)
    assert found.totals != Measures()


def pages_of(both, sort, where):
    since = both.now - timedelta(days=2)
    return ReportQuery(since, both.now, where=parse_filter(where), sort=sort, limit=20)


PAGES = pytest.mark.parametrize(("sort", "where"), [("time", "model:gpt*"), ("cost", "")])


@PAGES
def test_requests_page_by_page(both, sort, where):
    query = pages_of(both, sort, where)
    engines = (ClusterEngine(both.cluster), LogEngine(both.mirror))
    pages = [engine.requests(query) for engine in engines]
    for last in (False, True):
        found, wanted = ([replace(row, matched_model=None, price_parts=()) for row in page.rows] for page in pages)
        assert found == wanted
        assert pages[0].following == pages[1].following
        if last:
            break
        pages = [engine.requests(query, page.following) for engine, page in zip(engines, pages, strict=True)]


def test_few_requests_are_read_by_one_statement_where_statements_take_long_to_plan(both, monkeypatch):
    asked, ask, query = [], both.cluster.ask, pages_of(both, "time", "model:gpt*")
    monkeypatch.setattr(both.cluster, "ask", lambda sql, parameters=None: asked.append(sql) or ask(sql, parameters))
    rows = ClusterEngine(both.cluster).requests(query).rows
    assert rows
    assert (sum("LIMIT" in sql for sql in asked) == 1) == both.cluster.statements.spelled.plans_long
    assert reports._since_few(both.cluster, query.start, query.end) == query.start
    monkeypatch.setattr(reports, "_FEW", 10)
    assert query.start < reports._since_few(both.cluster, query.start, query.end) <= query.end


@PAGES
def test_a_page_behind_a_request_that_is_gone(both, sort, where):
    query = pages_of(both, sort, where)
    for engine in (ClusterEngine(both.cluster), LogEngine(both.mirror)):
        behind = engine.requests(query).following
        gone = replace(behind, id=f"{behind.id} of old")
        assert engine.requests(query, gone).rows == engine.requests(query, behind).rows


@pytest.mark.parametrize("where", ["", "endpoint:*Neil*,/* -user:u1 tag:prod,env:* name"])
def test_the_newest_rows_are_summed_here_as_they_are_there(both, where):
    view = View(window="1h", filter=parse_filter(where), lenses=LENSES)
    asked, seen = [], []
    ask, latencies = both.cluster.ask, both.cluster.statements.spelled.latencies
    both.cluster.ask = lambda sql, parameters=None: asked.append(sql) or ask(sql, parameters)
    try:
        for most in (MOST, 0):
            engine = ClusterEngine(both.cluster)
            engine._sums.newest._most = most
            engine.tick(both.now)
            first = shown(engine, view, both.now)
            asked.clear()
            engine.tick(both.now)
            assert shown(engine, view, both.now) == first
            seen.append((first, sum("AS lens" in sql or latencies in sql for sql in asked), len(asked)))
    finally:
        both.cluster.ask = ask
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] == 0 < seen[1][1]  # a tick asks for rows, not for sums
    assert seen[0][2] == 0  # nor how many they are, where they were few


def test_more_rows_than_are_summed_here_are_not_read(both):
    newest = NewestRows(both.cluster, most=3)
    newest.tick(both.now, 0)
    assert not newest.cover(0)
    few = NewestRows(both.cluster)
    few.tick(both.now, int(both.now.timestamp()) * 1_000_000)
    assert few.cover(int((both.now - timedelta(minutes=50)).timestamp()) * 1_000_000)
    assert not few.cover(int((both.now - timedelta(hours=2)).timestamp()) * 1_000_000)


def test_a_filter_that_is_not_told_is_refused_of_the_newest_rows_too(both):
    engine = ClusterEngine(both.cluster)
    engine.tick(both.now)
    with pytest.raises(CannotAnswer, match="came late"):
        shown(engine, View(window="1h", filter=parse_filter("late:yes")), both.now)


@pytest.mark.parametrize("where", ["", "model:gpt* -user:u1"])
def test_what_needs_requests_one_by_one(both, where):
    query = ReportQuery(both.now - timedelta(days=3), both.now, where=parse_filter(where))
    found, wanted = ClusterEngine(both.cluster).features(query, ("tag",)), both.mirror.features(query, ("tag",))
    for each in fields(wanted):
        if each.name != "cells":
            assert getattr(found, each.name) == getattr(wanted, each.name), each.name
    assert list(found.cells) == list(wanted.cells)
    assert found.cells
    assert waste(both.cluster, query) == both.mirror.waste(query)


def test_more_requests_than_are_read_one_by_one_are_told(both):
    query = ReportQuery(both.now - timedelta(days=3), both.now)
    with pytest.raises(CannotAnswer, match=r"more than the 10 that are read"):
        one_by_one(both.cluster.log, both.cluster.book, query, lambda mirror: mirror, most=10)
