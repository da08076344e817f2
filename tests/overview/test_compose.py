"""What a view needs and how its snapshot is made of the replies, with an engine that is a table of replies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.credits import Credits
from cost_top.model.engine import STRETCH, Engine, Knows, Missing, Need, Reply
from cost_top.model.filter import parse_filter
from cost_top.model.notes import Note
from cost_top.model.query import Measures, Report, ReportRow, TrustSums
from cost_top.model.snapshot import Balance, Snapshot
from cost_top.model.view import View
from cost_top.monitor.api.engine import ApiEngine
from cost_top.monitor.log.engine import LogEngine
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of

NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)
PROD = View(filter=parse_filter("tag:prod"))
DAYS = Knows(totals="day", dimensions={"model": "day"}, utc_days=True, trust=False, requests=False)
HOURS = replace(DAYS, totals="hour", lag=timedelta(minutes=3), limits={"endpoint": "not told"})


def report(*rows: tuple[tuple[str | None, ...], int], total: int | None = None) -> Report:
    made = tuple(ReportRow(key, Measures(total_cost=cost)) for key, cost in rows)
    totals = Measures(total_cost=sum(cost for _, cost in rows) if total is None else total)
    return Report(("x",), made, totals, len(made), NOW, trust=TrustSums(reported_cost=totals.total_cost))


def made(view: View, knows: Knows = Knows(), facts: Facts | None = None, **replies: Reply) -> Snapshot:  # noqa: B008
    needs = needs_of(view, NOW, UTC, knows)
    plain = {need.name: Reply(report(((), 7))) for need in needs.all}
    plain |= {need.name: Reply(report()) for need in needs.all if need.edges or ":" in need.name}
    if view.where:
        plain["usual:0"] = plain["usual:1"] = Reply(report(((), 3)))
    named = {name.replace("__", ":"): reply for name, reply in replies.items()}
    return compose(needs, {**plain, **named}, knows, facts or Facts("log", None))


def names(view: View, knows: Knows = Knows()) -> list[str]:  # noqa: B008
    return [need.name for need in needs_of(view, NOW, UTC, knows).all]


def need(view: View, name: str, knows: Knows = Knows()) -> Need:  # noqa: B008
    return next(one for one in needs_of(view, NOW, UTC, knows).all if one.name == name)


def test_comparisons_are_needed_after_all_that_is_not() -> None:
    needs = needs_of(View(mark=NOW - timedelta(hours=1)), NOW, UTC, Knows()).all
    order = [one.comparison for one in needs]
    assert order == sorted(order)
    asked = set(names(View(mark=NOW - timedelta(hours=1))))
    assert {"total", "chart", "today", "month", "lately", "mark", "before", "usual", "days", "before:token"} <= asked
    assert len({one.name for one in needs}) == len(needs)


def test_every_panel_is_of_the_window_unless_the_view_wants_a_week() -> None:
    month = need(View(), "panel:token").query
    assert month.end - month.start >= timedelta(days=30)
    week = need(View(weekly=("token",)), "panel:token").query
    assert week.end - week.start < timedelta(days=7, minutes=2)
    before = need(View(weekly=("token",)), "before:token").query
    assert before.end == week.start


def test_sessions_are_read_from_requests_without_latencies_and_compared_with_nothing() -> None:
    view = View(lenses=("provider", "session"), mark=NOW - timedelta(hours=1))
    session = need(view, "panel:session")
    assert (session.timed, session.query.latency, session.query.group_by) == (True, False, ("session",))
    assert (session.query.start, session.query.end) == (need(view, "total").query.start, need(view, "total").query.end)
    assert [name for name in names(view) if name.endswith(":session")] == ["panel:session"]
    assert need(replace(view, timed=("session",)), "panel:session").query.latency


def test_what_an_engine_does_not_know_is_not_asked_of_it() -> None:
    asked = names(View(lenses=("model", "endpoint"), mark=NOW - timedelta(hours=1)), DAYS)
    assert "panel:model" in asked
    assert "panel:endpoint" not in asked
    assert not [name for name in asked if name.startswith(("usual", "lately"))]


@pytest.mark.parametrize("window", ["24h", "7d", "30d", "mtd"])
def test_whole_days_are_asked_for_where_nothing_finer_is_told(window: str) -> None:
    for one in needs_of(View(window=window), NOW, UTC, DAYS).all:
        assert one.query.start.time() == datetime.min.time(), one.name
    before = [one for one in needs_of(View(window=window), NOW, UTC, DAYS).all if one.name == "before"]
    assert len(before) == (window != "24h")


def test_figures_that_are_not_whole_are_named_and_comparisons_left_out() -> None:
    part = Reply(report(((), 5)), Missing(1, 2))
    lacks = Reply(missing=Missing(0, 1))
    snapshot = made(View(), total=part, month=part, panel__token=part, usual=lacks)
    assert made(PROD, usual__2=lacks).incomplete == ("usual",)
    assert snapshot.incomplete == ("month", "panel:token", "total", "usual")
    assert snapshot.spend.measures.total_cost == 5
    assert snapshot.is_settled("today")
    assert not snapshot.is_settled("today", "month")
    assert snapshot.burn.usual_per_hour is None
    assert made(View(), before=part).spend.previous_cost is None


def test_the_day_and_the_month_say_what_has_no_price() -> None:
    lacks = report(((), 5))
    lacks = Reply(replace(lacks, totals=replace(lacks.totals, unpriced_count=3)))
    spend = made(View(), today=lacks).spend
    assert (spend.today, spend.today_unpriced, spend.month_unpriced) == (5, 3, 0)
    untold = report(((), 5))
    untold = Reply(replace(untold, totals=replace(untold.totals, unpriced_count=None)))
    assert made(View(), month=untold).spend.month_unpriced == 0


@pytest.mark.parametrize("knows", [Knows(), HOURS], ids=["minutes", "hours"])
def test_the_burn_rate_says_what_has_no_price(knows: Knows) -> None:
    lately = need(View(), "lately", knows)
    rows = tuple(
        ReportRow((str(place),), Measures(total_cost=1, unpriced_count=2)) for place in range(len(lately.edges) - 1)
    )
    burn = made(View(), knows, lately=Reply(Report((STRETCH,), rows, Measures(), len(rows), NOW))).burn
    assert burn.unpriced == (120 if knows is not HOURS else 2)


def test_a_comparison_that_will_not_come_is_not_waited_for() -> None:
    snapshot = made(View(), before=Reply(reason="the log does not go back so far"))
    assert snapshot.spend.previous_cost is None
    assert snapshot.is_settled("before")
    assert made(View()).spend.previous_cost == 7


def test_the_usual_hour_of_a_filter_is_the_median_of_the_weeks_that_the_log_has() -> None:
    gone = Reply(reason="the log does not go back so far")
    assert made(PROD, usual__2=gone, usual__3=gone).burn.usual_per_hour == 3
    assert made(PROD, usual__1=gone, usual__2=gone, usual__3=gone).burn.usual_per_hour is None


def test_bars_and_trends_come_from_one_report() -> None:
    chart = report((("openai", "0"), 2), (("openai", "29"), 3), (("acme", "29"), 4))
    chart = replace(chart, columns=("provider", "stretch"))
    providers = report((("acme",), 4), (("openai",), 5))
    snapshot = made(View(), chart=Reply(chart), panel__provider=Reply(providers))
    assert [bar.cost for bar in snapshot.chart if bar.cost] == [2, 7]
    lens = snapshot.lens("provider")
    assert lens is not None
    assert [sum(trend) for trend in lens.trends] == [4, 5]


def test_a_balance_lasts_as_long_as_at_the_burn_of_whole_days_and_is_everybodys() -> None:
    balance = Balance(Credits(70, None, NOW), metered=1, metered_span=timedelta(minutes=5))
    days = Reply(report(*((((str(day)),), 10) for day in range(7))))
    told = made(View(), HOURS, Facts("api", None, balance=balance), daily=days).balance
    assert told is not None
    assert told.runway == timedelta(days=7)
    lately = Reply(report((("28",), 9), (("29",), 5)))
    hours = made(View(), HOURS, Facts("api", None, balance=balance), daily=days, lately=lately).balance
    assert hours is not None
    assert hours.runway_now == timedelta(seconds=70 * 3600 // 9)  # of the last whole hour
    day = made(View(), DAYS, Facts("api", None, balance=balance), daily=days, today=Reply(report(((), 28)))).balance
    assert day is not None
    assert day.runway_now == timedelta(hours=70 // (28 // 14))
    filtered = made(View(filter=parse_filter("user:a")), HOURS, Facts("api", None, balance=balance), daily=days).balance
    assert filtered is not None
    assert (filtered.runway, filtered.metered) == (None, None)


def test_limits_are_those_of_the_engine_and_of_the_moment() -> None:
    snapshot = made(View(), HOURS, Facts("api", None, limits={"model": "refused"}))
    assert (snapshot.limit("endpoint"), snapshot.limit("model"), snapshot.limit("user")) == (
        "not told",
        "refused",
        None,
    )


def test_a_panel_by_rates_says_so_by_the_origin_of_its_note() -> None:
    noted = replace(report((("a",), 1)), notes=("mind the rates of exchange", Note("by our own book", "rates")))
    lens = made(View(), panel__model=Reply(noted)).lens("model")
    assert lens is not None
    assert lens.remark == "by our own book"


def test_without_a_total_nothing_is_claimed() -> None:
    snapshot = made(View(), HOURS, total=Reply(missing=Missing(0, 2)))
    assert not snapshot.has_figures
    assert snapshot.spend.measures.input_tokens is None


def test_both_engines_are_engines() -> None:
    found: list[type[Engine]] = [LogEngine, ApiEngine]
    assert len(found) == 2


def test_rows_stand_in_the_order_of_their_change_once_that_is_known() -> None:
    view = View(lenses=("model",), sort=(("model", "change", True),))
    now, before = report((("a",), 90), (("b",), 50), (("c",), 10)), report((("a",), 95), (("b",), 5), (("c",), 0))
    assert need(view, "panel:model").query.sort == "total_cost"
    shown = made(view, panel__model=Reply(now), before__model=Reply(before)).lenses[0]
    assert [row.key[0] for row in shown.report.rows] == ["b", "c", "a"]
    assert shown.previous == (5, 0, 95)
    upwards = replace(view, sort=(("model", "change", False),))
    shown = made(upwards, panel__model=Reply(now), before__model=Reply(before)).lenses[0]
    assert [row.key[0] for row in shown.report.rows] == ["a", "c", "b"]
    waits = made(view, panel__model=Reply(now), before__model=Reply(before, missing=Missing(0, 1))).lenses[0]
    assert [row.key[0] for row in waits.report.rows] == ["a", "b", "c"]
