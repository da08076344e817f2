"""A hot standby of PostgreSQL: read as the primary is, and its counters prove nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.postgres_server import PostgresServer
from support.reading import records

DAY = datetime(2026, 11, 10, tzinfo=UTC)
AT = int(DAY.timestamp() * 1000)


@pytest.fixture(scope="module")
def standby(postgres_server, log_url):
    server = PostgresServer(postgres_server)
    yield server
    server.close()


@pytest.fixture(scope="module")
def log_url(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(
            f"INSERT INTO {native.TABLE} (id, time_ms, model, cost_pico_usd) "
            f"SELECT 'r' || n, {AT} + n, 'gpt-5-mini', 1000000 FROM generate_series(1, 2000) n"
        )
    return postgres_url


@pytest.fixture
def standby_url(standby, postgres_server, log_url):
    standby.catch_up(postgres_server)
    return standby.url(log_url.rpartition("/")[2])


def test_it_is_read_as_its_primary(standby_url, log_url):
    assert records(open_log(standby_url)) == records(open_log(log_url))


def test_what_it_counts_proves_nothing_while_the_primary_s_counters_do(standby_url, log_url):
    with open_log(standby_url).connect() as reader:
        told = reader.evidence()
    assert (told.changes, told.inserts, told.text) == (None, None, None)
    with open_log(log_url).connect() as reader:
        assert reader.evidence().text is not None


def test_a_change_of_a_closed_day_that_came_from_the_primary_is_seen(
    standby, postgres_server, standby_url, log_url, tmp_path
):
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)

    def total():
        answers = LogAnswers(lambda: open_log(standby_url), RateBook.load, cache)
        try:
            query = ReportQuery(DAY, DAY + timedelta(days=1), ("model",), parse_filter(""))
            return answers.report(query).totals.total_cost
        finally:
            answers.close()

    assert total() == 2000 * 10**6
    with psycopg.connect(log_url, autocommit=True) as connection:
        connection.execute(f"DELETE FROM {native.TABLE} WHERE id IN ('r2', 'r3')")
    standby.catch_up(postgres_server)
    assert total() == 1998 * 10**6
