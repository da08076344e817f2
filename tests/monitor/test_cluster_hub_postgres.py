"""A log in PostgreSQL that is answered there while it is watched: new rows, a filter, a drill, a server that ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from cost_top.model import native
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Live, Stale
from cost_top.model.view import View
from cost_top.monitor.cluster.hub import ClusterHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from monitor.test_cluster_hub import until


def add(url, numbers, at):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.cursor().executemany(
            f"INSERT INTO {native.TABLE} (id, time_ms, provider, model, token, cost_pico_usd, input_tokens, status) "
            "VALUES (%s, %s, 'openai', %s, %s, 1000, 10, 200)",
            [(f"r{n}", int(at.timestamp() * 1000) - 60_000 + n, ("gpt-4o", "gpt-5")[n % 2], f"k{n % 3}")
             for n in numbers],
        )  # fmt: skip


def test_it_follows_the_log_and_outlives_its_server(postgres_server, postgres_url):
    now = datetime.now(UTC)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
    add(postgres_url, range(12), now)
    hub = ClusterHub(lambda: open_log(postgres_url), lambda: RateBook.load(None), interval=0.2)
    shown = []
    watched = hub.subscribe(View(window="24h", lenses=("model",)), UTC, shown.append)
    hub.start()
    try:
        until(shown, lambda one: not one.incomplete and one.spend.measures.request_count == 12)
        add(postgres_url, range(12, 18), now)
        until(shown, lambda one: one.spend.measures.request_count == 18)
        drilled = View(window="24h", lenses=("token",), filter=parse_filter("model:gpt-5"))
        watched.look(drilled)
        found = until(shown, lambda one: one.lenses and one.lenses[0].dimension == "token" and not one.incomplete)
        assert found.spend.measures.total_cost == 9 * 1000
        assert {row.key[0]: row.measures.request_count for row in found.lenses[0].report.rows} == {
            "k0": 3, "k1": 3, "k2": 3,
        }  # fmt: skip
        postgres_server.stop()
        try:
            stale = until(shown, lambda one: isinstance(one.state, Stale))
            assert stale.spend.measures.total_cost == 9 * 1000
        finally:
            postgres_server.restart()
        hub.refresh()
        until(shown, lambda _: isinstance(shown[-1].state, Live))
        add(postgres_url, range(18, 20), now)
        until(shown, lambda one: one.spend.measures.request_count == 10)
        page = hub.requests(ReportQuery(now - timedelta(days=1), now + timedelta(days=1), limit=30))
        assert len(page.rows) == 20
        query = ReportQuery(now - timedelta(days=1), now + timedelta(days=1), ("source", "model"))
        there = {row.key: row.measures.request_count for row in hub.report(query).rows}
        assert there == {(hub.label, "gpt-4o"): 10, (hub.label, "gpt-5"): 10}
        watched.look(View(window="24h", lenses=("token",), filter=parse_filter("-source:x* model:gpt-5")))
        until(shown, lambda one: "source" in str(one.view.where) and one.spend.measures.request_count == 10)
    finally:
        hub.close()
