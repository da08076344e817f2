"""A filter of a log in ClickHouse decides by the columns it names, before what is expensive of a row is worked out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.filter import parse_filter
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.gateway_shapes import BIFROST, LANGFUSE, LANGFUSE_V4
from support.log_writers import clickhouse_writer
from support.logical import requests

EXPENSIVE = ("JSONExtract", "mapKeys")


@pytest.mark.parametrize("shape", [BIFROST, LANGFUSE], ids=lambda shape: shape.preset)
def test_what_is_expensive_of_a_row_stands_above_the_filter(clickhouse_server, shape):
    with clickhouse_writer(clickhouse_server) as writer:
        writer.write(shape, requests(50, datetime.now(UTC)))
        cluster = Cluster(open_log(writer.location), RateBook.load(None))
        statements, parameters = cluster.statements, {}
        condition = statements.condition(parse_filter("model:gpt-4o"), parameters)
        since = datetime.now(UTC) - timedelta(days=3000)
        rows = statements.normal([(since, None)], ("model", "input_tokens", "reasoning_tokens"), ("model",))
        asked = f"EXPLAIN actions = 1, compact = 0, pretty = 0 SELECT * FROM ({rows}) AS told WHERE {condition}"
        plan = "\n".join(str(row[0]) for row in cluster.ask(asked, parameters))
        cluster.close()
    above, _, below = plan.partition("Filter (")
    assert any(word in above for word in EXPENSIVE)
    assert "gpt-4o" in below
    assert not any(word in below for word in EXPENSIVE)


@pytest.mark.parametrize("shape", [BIFROST, LANGFUSE, LANGFUSE_V4], ids=lambda shape: shape.preset)
def test_which_models_there_are_is_asked_without_what_is_expensive(clickhouse_server, shape, monkeypatch):
    asked, ask = [], Cluster.ask
    monkeypatch.setattr(
        Cluster, "ask", lambda self, sql, parameters=None: asked.append(sql) or ask(self, sql, parameters)
    )
    with clickhouse_writer(clickhouse_server) as writer:
        writer.write(shape, requests(5, datetime.now(UTC)))
        cluster = Cluster(open_log(writer.location), RateBook.load(None))
        cluster.sheet([(datetime.now(UTC) - timedelta(days=9), None)])
        cluster.close()
    (models,) = asked
    assert "SELECT DISTINCT" in models
    assert not any(word in models for word in EXPENSIVE)
