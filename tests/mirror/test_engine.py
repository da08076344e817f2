"""Reports from the mirror's sums are those from its rows, to the pico-dollar."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_top.mirror.rollup_tables import RollupTables
from cost_top.mirror.store import Mirror
from cost_top.model import rested
from cost_top.model.engine import Need
from cost_top.model.filter import parse_filter
from cost_top.model.query import MEASURES, TOKENS, Measures, Report, ReportQuery, TrustSums, figure
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.base import Lookup
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog

END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FOREVER = float("inf")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Any:
    log = NativeLog(tmp_path_factory.mktemp("log") / "gateway.db", True)
    draw = random.Random(11)
    for number in range(1500):
        log.add(
            id=f"r{number}", time_ms=int((END - timedelta(minutes=draw.randrange(9 * 1440))).timestamp() * 1000),
            provider=draw.choice(["openai", "anthropic", None]), model=draw.choice(["gpt-4o", "unheard-of", None]),
            token=draw.choice(["k1", "k2", None]), user_id=draw.choice(["u1", "u2", None]),
            tags=draw.choice(['["prod"]', '["prod", "dev"]', None]), input_tokens=draw.randrange(9_000),
            output_tokens=draw.randrange(900), cost_pico_usd=draw.choice([None, draw.randrange(10**18)]),
            cache_hit=draw.random() < 0.1, status=draw.choice([200, 500]), latency_ms=draw.randrange(9_000),
        )  # fmt: skip
    folder = tmp_path_factory.mktemp("cache")
    period = Period(END - timedelta(days=20), END)
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), folder, period)
    while mirror.keep_facts(wait=0.1):
        pass
    yield mirror
    mirror.close()
    log.close()


def without_latency(report: Report) -> Report:
    def bare(measures: Any) -> Any:
        return replace(measures, latency_p50=None, latency_p95=None)

    rows = tuple(replace(row, measures=bare(row.measures)) for row in report.rows)
    return replace(report, rows=rows, totals=bare(report.totals))


WHERE = [
    "",
    "provider:openai",
    "-user:*",
    "tag:prod status:<400",
    "unpriced:yes",
    "-model:gpt-4o token:k1",
    "u1",
    "-gpt",
    "cost:>100000 -tag:dev",
    "latency:<4500",
    "input_tokens:>4000",
    "user:u*,nobody",
    "nobody",
    "status:500",
]
QUERIES = st.builds(
    ReportQuery,
    start=st.integers(0, 10 * 240).map(lambda part: END - timedelta(days=10) + timedelta(minutes=6 * part)),
    end=st.integers(1, 5 * 240).map(lambda part: END - timedelta(days=5) + timedelta(minutes=6 * part)),
    group_by=st.sampled_from(
        [
            (),
            *((name,) for name in ("provider", "model", "token", "user", "tag", "status", "day", "hour")),
            ("day", "provider"),
            ("provider", "hour"),
            ("hour", "day"),
        ]
    ),
    zone=st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu")]),
    where=st.sampled_from(WHERE).map(parse_filter),
    sort=st.sampled_from(["total_cost", "request_count", "input_tokens", "day", "provider"]),
    descending=st.booleans(),
    limit=st.none() | st.integers(1, 3),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES)
def test_what_is_summed_equals_what_the_rows_say(mirror: Mirror, query: ReportQuery) -> None:
    exact = without_latency(mirror.report(replace(query, measures=MEASURES), END))
    assert without_latency(mirror.report(query, END)) == exact
    reply = mirror.reports([Need("one", query)], FOREVER, END)["one"]
    assert reply.is_whole
    assert reply.report == exact


def test_a_quantile_is_told_only_where_it_is_asked_for(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=6), END, ("provider",))
    assert mirror.report(query, END).totals.latency_p95 is None
    for asked in (replace(query, measures=("latency_p95",)), replace(query, sort="latency_p50")):
        report = mirror.report(asked, END)
        assert report.totals.latency_p95 is not None
        assert all(row.measures.latency_p50 is not None for row in report.rows)


def test_what_is_told_beside_figures_is_the_same_from_sums_and_rows(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=6, minutes=7), END)
    everything = replace(query, where=parse_filter("-model:no-such-model"))
    totals = mirror.report(query, END).totals
    summed, read = mirror.rows.caveats(query, totals), mirror.rows.caveats(everything, totals)
    assert summed == read
    assert summed.avoided_input_tokens > 0
    assert (
        mirror.rows.caveats(replace(query, end=query.start + timedelta(microseconds=1)), Measures()).trust
        == TrustSums()
    )


def test_questions_leave_no_cut_edges_behind(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=6, minutes=7), END - timedelta(minutes=3), ("model",))
    mirror.report(query, END)
    tables = mirror.database.connection.execute("SELECT count(DISTINCT slice) FROM rollup_model").fetchone()
    mirror.report(replace(query, start=query.start + timedelta(seconds=5)), END)
    assert mirror.database.connection.execute("SELECT count(DISTINCT slice) FROM rollup_model").fetchone() == tables
    held = {number for known in mirror.rollups._known.values() for number in known.values()}
    assert mirror.rollups._added.keys() <= held
    assert mirror.rollups._totals.keys() <= held


def test_cut_edges_are_summed_the_same_in_whatever_order_they_are_asked_for(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=5, minutes=11), END - timedelta(days=5, minutes=2), ("model",))
    models, providers, hours = (replace(query, group_by=(name,)) for name in ("model", "provider", "hour"))
    needs = [Need("models", models), Need("providers", providers), Need("hours", hours)]
    replies = mirror.reports(needs, FOREVER, END)
    for need in needs:
        exact = without_latency(mirror.report(replace(need.query, measures=MEASURES), END))
        assert replies[need.name].report == exact


@pytest.mark.parametrize(
    ("where", "lookup"),
    [
        ("user:Alice", Lookup("user", "user", {"u1": "Alice"})),
        ("token_name:Alice", Lookup("token_name", "token", {"k1": "Alice"})),
        ("api_key_name:Al*", Lookup("token_name", "token", {"k1": "Alice", "k2": "Bob"})),
        ("token_name:*", Lookup("token_name", "token", {"k1": "Alice"})),
        ("lice", Lookup("token_name", "token", {"k1": "Alice"})),
    ],
)
def test_a_filter_by_a_name_follows_what_people_are_called(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, where: str, lookup: Lookup
) -> None:
    monkeypatch.setattr(rested, "_REST", 1_000_000)  # what is read from the rows rests for long
    query = ReportQuery(END - timedelta(days=6), END - timedelta(minutes=3), (), parse_filter(where))
    by_id = parse_filter("user:u1" if lookup.field == "user" else "token:k1")

    def counts() -> list[int | None]:
        asked = mirror.reports([Need("one", query, trust=True)], FOREVER, END)["one"].report
        timed = mirror.reports([Need("p95", replace(query, measures=MEASURES), timed=True)], FOREVER, END)["p95"].report
        assert asked is not None
        assert timed is not None
        every = (asked, timed, mirror.report(query, END), mirror.report(replace(query, measures=MEASURES), END))
        return [report.totals.request_count for report in every]

    assert counts() == [0] * 4
    mirror.database.set_lookups((lookup,))
    called, listed = counts(), mirror.rows.requests(replace(query, limit=10_000))
    mirror.database.set_lookups(())
    assert called[0]
    assert called == [mirror.report(replace(query, where=by_id), END).totals.request_count] * 4
    assert len(listed) == called[0]
    assert counts() == [0] * 4


@pytest.mark.parametrize("group_by", [("token_name",), ("token",), ("token_name", "day")])
def test_keys_are_grouped_by_the_name_they_have_by_now(mirror: Mirror, group_by: tuple[str, ...]) -> None:
    query = ReportQuery(END - timedelta(days=6), END, group_by, sort="token_name", descending=False)
    by_id = mirror.report(replace(query, group_by=("token",)), END)
    mirror.database.set_lookups((Lookup("token_name", "token", {"k1": "Beech", "k2": "Alder"}),))
    named = mirror.report(query, END)
    mirror.database.set_lookups(())
    place = named.columns.index("token_name")
    counts: dict[str | None, int] = {}
    for row in named.rows:
        counts[row.key[place]] = counts.get(row.key[place], 0) + row.measures.request_count
    expected = {row.key[0]: row.measures.request_count for row in by_id.rows}
    assert counts == {"Alder": expected["k2"], "Beech": expected["k1"], None: expected[None]}
    if len(group_by) == 1:
        assert [row.key[place] for row in named.rows if row.key[place]] == ["Alder", "Beech"]


def test_stretches_add_up_to_the_total_and_match_the_report_of_each(mirror: Mirror) -> None:
    edges = tuple(END - timedelta(days=6) + number * timedelta(hours=6) for number in range(21))
    query = ReportQuery(edges[0], edges[-1], ("provider",))
    report = mirror.reports([Need("chart", query, edges=edges)], FOREVER, END)["chart"].report
    assert report is not None
    assert report.columns == ("provider", "stretch")
    for place in (0, 7, 19):
        part = mirror.report(ReportQuery(edges[place], edges[place + 1], ("provider",)), END)
        told = {row.key[0]: row.measures.total_cost for row in report.rows if row.key[1] == str(place)}
        assert told == {row.key[0]: row.measures.total_cost for row in part.rows}


def test_minutes_come_from_the_rows_with_their_latency(mirror: Mirror) -> None:
    edges = tuple(END - timedelta(hours=2) + number * timedelta(minutes=1) for number in range(61))
    query = ReportQuery(edges[0], edges[-1], measures=MEASURES)
    report = mirror.reports([Need("lately", query, edges=edges)], FOREVER, END)["lately"].report
    assert report is not None
    exact = mirror.report(query, END).totals
    assert report.totals.total_cost == exact.total_cost == sum(row.measures.total_cost for row in report.rows)
    assert report.totals.latency_p95 == exact.latency_p95
    unpriced = sum(row.measures.unpriced_count for row in report.rows)
    assert report.totals.unpriced_count == exact.unpriced_count == unpriced > 0


def test_what_takes_long_to_read_is_not_read_again_because_a_minute_has_passed(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rested, "_REST", 1_000_000)
    query = ReportQuery(END - timedelta(hours=70), END, ("session",))

    def asked(later: timedelta, earlier: timedelta, *, live: bool) -> Report | None:
        moved = replace(query, start=query.start + later - earlier, end=query.end + later)
        return mirror.reports([Need("panel", moved, open_end=live, timed=True)], FOREVER, END)["panel"].report

    minute, none = timedelta(minutes=1), timedelta(0)
    first = asked(none, none, live=True)
    assert asked(minute, none, live=True) is first
    assert asked(minute, minute, live=True) is not first, "a longer window is another question"
    assert asked(minute, none, live=False) is not asked(none, none, live=False), "so is another time"


def test_what_is_timed_comes_from_the_rows(mirror: Mirror) -> None:
    edges = tuple(END - timedelta(hours=hours) for hours in (70, 48, 47, 1, 0))
    query = ReportQuery(edges[0], END, ("model",), sort="latency_p95", measures=MEASURES)
    needs = [Need("panel", query, timed=True), Need("bars", replace(query, group_by=()), edges=edges, timed=True)]
    replies = mirror.reports(needs, FOREVER, END)
    assert replies["panel"].report == mirror.report(query, END)
    found = {int(row.key[0] or 0): row.measures.latency_p95 for row in replies["bars"].report.rows}
    exact = {
        part: mirror.report(ReportQuery(start, end, measures=MEASURES), END).totals.latency_p95
        for part, (start, end) in enumerate(pairwise(edges))
    }
    assert found == {part: p95 for part, p95 in exact.items() if p95 is not None}


def test_rows_are_in_the_order_of_their_tokens(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=5), END, ("token",), sort=TOKENS)
    report = mirror.reports([Need("panel", query)], FOREVER, END)["panel"].report
    figures = [figure(row.measures, TOKENS) or 0 for row in report.rows]
    assert figures == sorted(figures, reverse=True)
    assert [row.key[0] for row in report.rows] == [row.key[0] for row in mirror.report(query, END).rows]


def test_beside_gives_the_cost_of_the_same_rows_elsewhere(mirror: Mirror) -> None:
    now = ReportQuery(END - timedelta(days=2), END, ("token",), limit=2)
    before = ReportQuery(END - timedelta(days=4), END - timedelta(days=2), ("token",))
    replies = mirror.reports([Need("panel", now), Need("before", before, beside="panel")], FOREVER, END)
    panel, beside = replies["panel"].report, replies["before"].report
    assert panel is not None
    assert beside is not None
    costs = {row.key[0]: row.measures.total_cost for row in mirror.report(before, END).rows}
    assert [row.key for row in beside.rows] == [row.key for row in panel.rows]
    assert [row.measures.total_cost for row in beside.rows] == [costs.get(row.key[0], 0) for row in panel.rows]


def test_nothing_of_a_comparison_is_summed_while_days_of_it_are_unread(tmp_path: Any) -> None:
    log = NativeLog(tmp_path / "gateway.db", True)
    for number in range(9):
        log.add(id=f"r{number}", time_ms=int((END - timedelta(days=number, hours=1)).timestamp() * 1000))
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), None, Period(END - timedelta(days=4), END))
    before = Need("before", ReportQuery(END - timedelta(days=6), END - timedelta(days=3)), comparison=True)
    summed = mirror.rollups.days_summed
    reply = mirror.reports([before], FOREVER, END)["before"]
    assert reply.report is None
    assert reply.missing is not None
    assert not reply.missing.is_at_hand
    assert mirror.rollups.days_summed == summed
    mirror.close()
    log.close()


def test_hours_of_a_closed_day_and_of_the_hot_end_are_summed_in_one_pass(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = NativeLog(tmp_path / "gateway.db", True)
    for number in range(60):
        log.add(id=f"r{number}", time_ms=int((END - timedelta(hours=number, minutes=9)).timestamp() * 1000),
                cost_pico_usd=number)  # fmt: skip
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), None, Period(END - timedelta(days=3), END))
    fill, passes = RollupTables.fill, list[int]()

    def counted(tables: RollupTables, *given: Any) -> Any:
        passes.append(1)
        return fill(tables, *given)

    monkeypatch.setattr(RollupTables, "fill", counted)
    start = mirror.hot_start.replace(tzinfo=UTC) - timedelta(days=1, hours=6)
    for where in (parse_filter(""), parse_filter("-model:gpt-4o")):
        query = ReportQuery(start, END, ("provider",), where)
        report = mirror.reports([Need("one", query)], FOREVER, END)["one"].report
        assert report is not None
        assert report == without_latency(mirror.report(replace(query, measures=MEASURES), END))
        assert len(passes) == 2, "the hours, and the day between"
        passes.clear()
    mirror.close()
    log.close()


def test_a_comparison_that_begins_before_the_log_has_a_reason_and_no_figure(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=15), END - timedelta(days=8))
    reply = mirror.reports([Need("before", query, comparison=True)], FOREVER, END)["before"]
    assert reply.report is None
    assert reply.missing is None
    assert "does not go back" in (reply.reason or "")


def test_days_that_are_not_read_are_missing_from_a_figure(mirror: Mirror) -> None:
    query = ReportQuery(END - timedelta(days=7), END)
    whole = mirror.reports([Need("total", query)], FOREVER, END)["total"]
    day = (END - timedelta(days=4)).date()
    mirror.lose(day)
    reply = mirror.reports([Need("total", query)], FOREVER, END)["total"]
    (lost,) = mirror.days.known(mirror.database.connection, [day])
    mirror.adopt(lost)
    assert whole.is_whole
    assert reply.missing is not None
    assert (reply.missing.unread, reply.missing.is_at_hand) == (1, False)
    assert reply.report is not None
    assert whole.report is not None
    assert reply.report.totals.total_cost < whole.report.totals.total_cost


def test_what_is_read_already_does_not_wait_for_the_rest_of_its_day(mirror: Mirror) -> None:
    start, mirror.hot_start = mirror.hot_start, (END - timedelta(hours=3)).replace(tzinfo=None)
    closed, mirror.closed = mirror.closed, {}  # early in the day those hours are of a closed one
    try:
        lately, today = (
            Need(name, ReportQuery(END - timedelta(hours=hours), END)) for name, hours in (("a", 2), ("b", 5))
        )
        replies = mirror.reports([lately, today], FOREVER, END)
    finally:
        mirror.hot_start, mirror.closed = start, closed
        mirror.rollups.forget(lambda _: True)
    assert replies["a"].missing is None
    assert replies["b"].missing is not None


@pytest.mark.parametrize(("where", "asked"), [("", True), ("unpriced:no", False)])
def test_models_without_a_price_are_looked_for_only_where_a_request_has_none(
    mirror: Mirror, where: str, asked: bool
) -> None:
    query = ReportQuery(END - timedelta(days=6), END, where=parse_filter(where))
    models = Need("models", replace(query, group_by=("model",)), unpriced_in="total")
    replies = mirror.reports([Need("total", query), models], FOREVER, END)
    assert (replies["models"].report is not None) is asked
    assert replies["models"].missing is None
