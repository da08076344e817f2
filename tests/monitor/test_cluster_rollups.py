"""In the chart of a log that is answered where it lives LiteLLM's own sums tell days that are over, and it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from cost_top.model.filter import parse_filter
from cost_top.model.money import pico
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.engine import ClusterEngine
from cost_top.monitor.cluster.pieces import DAY, Piece
from cost_top.monitor.cluster.statements import micros_of
from cost_top.overview.compose import Facts, compose
from cost_top.overview.needs import needs_of
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()


def day(back):
    return TODAY - timedelta(days=back)


def log(connection, number, back, spend):
    at = datetime.combine(day(back), datetime.min.time()) + timedelta(minutes=1)
    connection.execute(
        'INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, model, custom_llm_provider, spend, prompt_tokens, '
        "\"startTime\", \"endTime\") VALUES (%s, 'acompletion', 'gpt-5', 'openai', %s, 10, %s, %s)",
        (f"r{number}", spend, at, at),
    )


def roll(connection, back, spend, requests, provider="openai"):
    connection.execute(
        'INSERT INTO "LiteLLM_DailyUserSpend" (id, user_id, date, api_key, model, custom_llm_provider, spend, '
        "api_requests, failed_requests, prompt_tokens, updated_at) "
        "VALUES (%s, 'u', %s, 'k', 'gpt-5', %s, %s, %s, 1, 70, now())",
        (f"{back}{provider}", day(back).isoformat(), provider, spend, requests),
    )


@pytest.fixture(scope="module")
def engine(litellm_url):
    with psycopg.connect(litellm_url, autocommit=True) as connection:
        # A request each day, and rollups of two of them that know of more; of four days ago nobody rolled up anything.
        for number, back in enumerate((0, 2, 3, 4)):
            log(connection, number, back, 1)
        roll(connection, 2, 2.5, 3)
        roll(connection, 3, 3, 4)
        roll(connection, 3, 0.25, 1, "azure")
        roll(connection, 0, 99, 99)
        roll(connection, 6, 2, 1)  # whose rows are gone
    cluster = Cluster(open_log(litellm_url), RateBook.load(None))
    yield ClusterEngine(cluster)
    cluster.close()


def shown(engine, zone=UTC, **view):
    engine.tick(NOW)
    needs = needs_of(View(window="30d", lenses=("provider",), **view), NOW, zone, engine.knows)
    replies = engine.answers(needs.all, float("inf"))
    snapshot = compose(needs, replies, engine.knows, Facts("litellm", None))
    bars = {bar.start.astimezone(zone).date(): (bar.cost, bar.request_count) for bar in snapshot.chart if bar.cost}
    return snapshot, bars


def test_the_chart_is_of_the_rollups_where_they_tell_a_day_and_says_so(engine):
    snapshot, bars = shown(engine)
    assert bars == {
        day(0): (pico("1"), 1), day(2): (pico("2.5"), 3), day(3): (pico("3.25"), 5), day(4): (pico("1"), 1),
    }  # fmt: skip
    assert snapshot.chart_remark == "rollup"
    assert not snapshot.incomplete
    # What the rollups do not tell is not told, and every other figure is the log's.
    untold = {bar.start.date(): bar.saved_by_cache for bar in snapshot.chart if bar.cost}
    assert untold == {day(0): 0, day(2): None, day(3): None, day(4): 0}
    assert (snapshot.spend.measures.total_cost, snapshot.spend.measures.request_count) == (pico("4"), 4)
    providers = {row.key[0]: row.measures.total_cost for row in snapshot.lens("provider").report.rows}
    assert providers == {"openai": pico("4")}


@pytest.mark.parametrize(
    "view", [{"filter": parse_filter("provider:openai")}, {"zone": ZoneInfo("Asia/Kolkata")}], ids=["filter", "zone"]
)
def test_what_the_rollups_cannot_tell_is_the_logs(engine, view):
    snapshot, bars = shown(engine, **view)
    assert set(bars.values()) == {(pico("1"), 1)}
    assert len(bars) == 4
    assert snapshot.chart_remark == ""


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Kolkata")], ids=str)
def test_what_the_rollups_have_more_than_the_log_is_told(engine, zone):
    shown(engine, zone)
    assert engine.drift(Period(NOW - timedelta(days=30), NOW)) == (pico("5.75"), 3)
    since_then = datetime.combine(day(2), datetime.min.time(), UTC)
    assert engine.drift(Period(since_then, NOW)) == (pico("1.5"), 1)


def test_rollups_that_may_not_be_read_are_the_logs_to_tell(engine, monkeypatch):
    from cost_top.model.errors import SourceDenied
    from cost_top.monitor.cluster import rollups

    def refuse(*_):
        raise SourceDenied("permission denied")

    once_told = ClusterEngine(engine._cluster)
    assert shown(once_told)[0].chart_remark == "rollup"
    monkeypatch.setattr(rollups, "rolled", refuse)
    monkeypatch.setattr(rollups, "_LOOKED_AGAIN", 0.0)
    once_told._rollups._due = 0.0
    assert shown(once_told)[0].chart_remark == ""
    snapshot, bars = shown(ClusterEngine(engine._cluster))
    assert set(bars.values()) == {(pico("1"), 1)}
    assert snapshot.chart_remark == ""


def test_a_day_of_another_zone_is_none_of_the_rollups(engine):
    shown(engine)
    start = micros_of(datetime.combine(day(2), datetime.min.time(), UTC))
    whole, shifted = Piece(start, start + DAY), Piece(start + DAY // 2, start + DAY // 2 + DAY)
    assert set(engine._rollups.days([whole, shifted], [])) == {whole}
    assert not engine._rollups.days([whole], [datetime.combine(day(2), datetime.min.time(), UTC) + timedelta(hours=1)])
