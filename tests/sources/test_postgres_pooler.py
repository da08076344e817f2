"""PostgreSQL through pgbouncer: read in transactions of their own with every guard, and nothing is left in the pool."""

from __future__ import annotations

import psycopg
import pytest

from cost_top.model import native
from cost_top.model.errors import SourceError, UserError
from cost_top.sources.sql.log import open_log
from support.pooler import Pooler
from support.reading import records


@pytest.fixture(scope="module")
def log_url(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(native.DDL)
        connection.execute(
            f"INSERT INTO {native.TABLE} (id, time_ms, model, cost_pico_usd) "
            "SELECT 'r' || n, 1800000000000 + n, 'gpt-5-mini', n FROM generate_series(1, 500) n"
        )
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        yield postgres_url
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(params=["refuses options", "swallows options"])
def pooler(request, log_url):
    ignored = "extra_float_digits" if request.param == "refuses options" else "extra_float_digits,options"
    pool = Pooler(log_url, ignored=ignored)
    yield pool
    pool.close()


def test_a_log_is_read_through_a_pool_of_transactions(pooler):
    source = open_log(pooler.url, statement_timeout=7)
    assert len(records(source)) == 500
    with source.connect() as reader:
        shown = ("transaction_read_only", "statement_timeout", "lock_timeout", "TimeZone")
        asked = ", ".join(f"current_setting('{name}') AS s{place}" for place, name in enumerate(shown))
        assert reader.session.values(f"SELECT {asked}") == [("on", "7s", "2s", "UTC")]
        assert source.database.read_only(reader.session)
        with pytest.raises(SourceError, match="read-only"):
            reader.session.values(f"DELETE FROM {native.TABLE} RETURNING id")
        assert reader.newest() is not None


def test_nothing_stays_in_the_pool(pooler):
    before = "SELECT current_setting('statement_timeout'), current_setting('default_transaction_read_only')"
    with psycopg.connect(pooler.url, autocommit=True) as other:
        usual = other.execute(before).fetchone()
    source = open_log(pooler.url, statement_timeout=7)
    with source.connect() as reader:
        assert reader.newest() is not None
        with psycopg.connect(pooler.url, autocommit=True) as other:
            for _ in range(4):
                assert other.execute(before).fetchone() == usual


def test_only_local_settings_are_ever_said(pooler, postgres_server):
    open_log(pooler.url)
    said = [line for line in (postgres_server.home / "log").read_text(errors="replace").splitlines() if "SET " in line]
    ours = [line for line in said if "LOCAL" in line]
    assert ours
    assert not [line for line in said if "SET statement_timeout" in line or "SET default_transaction" in line]


def test_a_pool_of_statements_is_named(log_url):
    pool = Pooler(log_url, mode="statement")
    try:
        with pytest.raises(UserError, match="pooler shares servers by the statement"):
            open_log(pool.url)
    finally:
        pool.close()
