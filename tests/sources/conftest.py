"""Logs of gateways in each database, to be written by a test."""

from __future__ import annotations

import pytest

from support.log_writers import clickhouse_writer, mysql_writer, postgres_writer, sqlite_writer


@pytest.fixture
def sqlite(tmp_path):
    with sqlite_writer(tmp_path) as writer:
        yield writer


@pytest.fixture
def postgres(postgres_server):
    with postgres_writer(postgres_server) as writer:
        yield writer


@pytest.fixture
def mysql(mariadb_server):
    with mysql_writer(mariadb_server) as writer:
        yield writer


@pytest.fixture
def clickhouse(clickhouse_server):
    with clickhouse_writer(clickhouse_server) as writer:
        yield writer
