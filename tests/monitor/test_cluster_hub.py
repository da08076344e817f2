"""A log in ClickHouse while it is watched: new rows and newer versions show, and so does a server that goes away."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.errors import UserError
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Live, Stale
from cost_top.model.view import View
from cost_top.monitor.cluster.answers import ClusterAnswers
from cost_top.monitor.cluster.hub import ClusterHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.clickhouse_server import DENIED
from support.gateway_shapes import BIFROST
from support.log_writers import clickhouse_writer
from support.logical import requests

POINT = 2_000_000  # pico-dollars


@pytest.fixture
def writer(clickhouse_server):
    with clickhouse_writer(clickhouse_server) as writer:
        yield writer


def until(snapshots, wanted):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = next((one for one in reversed(snapshots) if wanted(one)), None)
        if found is not None:
            return found
        time.sleep(0.02)
    raise AssertionError(snapshots[-1] if snapshots else "nothing was shown")


def test_it_follows_the_log_and_outlives_its_server(clickhouse_server, writer):
    now = datetime.now(UTC).replace(microsecond=0)
    first = [
        replace(one, number=number, time=now - timedelta(seconds=30 + number), points=100, hit=False, status=200)
        for number, one in enumerate(requests(20, now))
    ]
    writer.write(BIFROST, first)
    hub = ClusterHub(lambda: open_log(writer.location), lambda: RateBook.load(None), interval=0.2)
    shown, failures = [], []
    hub.on_failure = failures.append
    hub.subscribe(View(window="24h", lenses=("model",)), UTC, shown.append)
    hub.start()
    try:
        whole = until(shown, lambda one: not one.incomplete and isinstance(one.state, Live))
        assert whole.spend.measures.total_cost == 2000 * POINT
        assert sum(row.measures.request_count for row in whole.lenses[0].report.rows) == 20
        # Another version of a row counts in its place, beside a new one.
        writer.add(BIFROST, [replace(first[0], points=150), replace(first[1], number=99, points=7)])
        until(shown, lambda one: one.spend.measures.total_cost == 2057 * POINT)
        report = hub.report(ReportQuery(now - timedelta(days=1), now + timedelta(days=1), ("model",)))
        assert (report.totals.total_cost, report.totals.request_count) == (2057 * POINT, 21)
        assert len(hub.requests(ReportQuery(now - timedelta(days=1), now + timedelta(days=1), limit=5)).rows) == 5
        clickhouse_server.stop()
        try:
            stale = until(shown, lambda one: isinstance(one.state, Stale))
            assert stale.spend.measures.total_cost == 2057 * POINT
            assert "no answer from the server" in stale.state.error
        finally:
            clickhouse_server.start()
        hub.refresh()
        until(shown, lambda _: isinstance(shown[-1].state, Live))
        assert not failures
    finally:
        hub.close()


def test_who_may_not_read_the_table_is_told_in_one_line(clickhouse_server, writer):
    writer.write(BIFROST, requests(3, datetime.now(UTC)))
    url = clickhouse_server.url(writer.location.rpartition("/")[2], DENIED)
    answers = ClusterAnswers(lambda: open_log(url), lambda: RateBook.load(None))
    with pytest.raises(UserError, match=r"^test_\w+: outsider: Not enough privileges.*SELECT ON logs") as told:
        answers.report(ReportQuery(datetime.now(UTC) - timedelta(days=1), datetime.now(UTC)))
    assert "\n" not in str(told.value)
    answers.close()
