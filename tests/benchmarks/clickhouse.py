"""A log in ClickHouse, answered there: Bifrost's table, one version of each row; the window is its last 30 days."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.table import Figure, at_most, head, measured

ROWS = 2_000_000
# So many rows are over 300 days instead of 30; rows are written some at a time.
_MANY, _AT_ONCE = 50_000_000, 5_000_000
_FIRST, _TICK, _BESIDE = 2.0, 100.0, 1.5
_LENSES = ("provider", "model", "endpoint", "token", "user", "team", "tag", "credential_type")
_FILL = """
INSERT INTO logs (id, timestamp, object_type, provider, model, virtual_key_id, virtual_key_name, user_id, user_name,
  team_id, team_name, latency, cost, status, metadata, stream, prompt_tokens, completion_tokens, cached_read_tokens,
  token_usage)
SELECT concat('r', toString(number)), now64(9) - toIntervalMillisecond(intDiv(number * {days} * 86400000, {rows})),
  'chat.completion', ['openai', 'anthropic', 'gemini'][1 + number % 3],
  ['gpt-4o', 'claude-sonnet-4-5', 'gemini-2.5-pro'][1 + number % 3], concat('vk', toString(cityHash64(number) % 500)),
  concat('key ', toString(cityHash64(number) % 500)), concat('u', toString(cityHash64(number, 1) % 5000)),
  concat('user ', toString(cityHash64(number, 1) % 5000)), concat('t', toString(number % 20)),
  concat('team ', toString(number % 20)), number % 9000, (number % 1000) / 37777, 'success',
  concat('{{"env": "e', toString(number % 10), '"}}'), number % 2, 1000 + number % 5000, number % 700, number % 900,
  toJSONString(CAST((1000 + number % 5000, (0, 0, number % 900, number % 100), number % 700, (number % 50, 0)),
    '{usage}'))
FROM numbers({first}, {count})
"""
_USAGE = (
    "Tuple(prompt_tokens UInt32, prompt_tokens_details Tuple(audio_tokens UInt32, image_tokens UInt32, "
    "cached_read_tokens UInt32, cached_write_tokens UInt32), completion_tokens UInt32, "
    "completion_tokens_details Tuple(reasoning_tokens UInt32, audio_tokens UInt32))"
)
# The same columns of the same lenses, written by hand: no prices, no savings, no trust.
_BY_HAND = """
SELECT provider, model, object_type, virtual_key_id, user_id, team_id, metadata, toStartOfHour(timestamp) AS hour,
  max(timestamp), sum(cost), count(), sum(prompt_tokens), sum(completion_tokens), sum(cached_read_tokens),
  sum(JSONExtractInt(token_usage, 'prompt_tokens_details', 'cached_write_tokens')),
  sum(JSONExtractInt(token_usage, 'completion_tokens_details', 'reasoning_tokens')),
  countIf(JSONExtractBool(cache_debug, 'cache_hit')), countIf(status = 'error')
FROM logs FINAL WHERE timestamp >= now64(9) - INTERVAL 30 DAY AND status <> 'processing' AND {where}
GROUP BY GROUPING SETS ((provider, hour), (model), (object_type), (virtual_key_id), (user_id), (team_id), (metadata))
FORMAT Null
"""


def compare(rows: int) -> None:
    """Fill a table and measure."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support.clickhouse_server import ClickhouseServer
    from support.gateway_shapes import BIFROST
    from support.log_writers import clickhouse_writer

    server = ClickhouseServer()
    try:
        with clickhouse_writer(server) as writer:
            writer.write(BIFROST, [])
            days = 300 if rows >= _MANY else 30
            for first in range(0, rows, _AT_ONCE):
                count = min(_AT_ONCE, rows - first)
                writer.run(_FILL.format(rows=rows, days=days, first=first, count=count, usage=_USAGE))
            if rows < _MANY:
                writer.run("OPTIMIZE TABLE logs FINAL")
            head(f"ClickHouse, {rows / 1e6:g} M rows over {days} days")
            measured("clickhouse", lambda: _figures(writer.location, writer.run))
    finally:
        server.close()


def _figures(location: str, run: Callable[[str], None]) -> list[Figure]:
    from cost_top.model.filter import parse_filter
    from cost_top.model.view import View
    from cost_top.monitor.cluster.cluster import Cluster
    from cost_top.monitor.cluster.engine import ClusterEngine
    from cost_top.overview.needs import needs_of
    from cost_top.pricing.book import RateBook
    from cost_top.sources.sql.log import open_log

    cluster = Cluster(open_log(location), RateBook.load(None))  # type: ignore[arg-type]
    cluster.learn(datetime.now(UTC))
    engine = ClusterEngine(cluster)

    def look(where: str = "") -> float:
        started, now = time.perf_counter(), datetime.now(UTC)
        engine.tick(now)
        view = View(window="30d", lenses=_LENSES, filter=parse_filter(where))
        needs = [need for need in needs_of(view, now, UTC, engine.knows).all if not need.comparison]
        replies = engine.answers(needs, float("inf"))
        assert all(reply.missing is None for reply in replies.values())
        return time.perf_counter() - started

    def by_hand(where: str) -> float:
        started = time.perf_counter()
        run(_BY_HAND.format(where=where))
        return time.perf_counter() - started

    look()  # what the server has to read from disk once
    engine = ClusterEngine(cluster)
    hand = min(by_hand("1") for _ in range(2))
    first, tick = look(), 1000 * min(look() for _ in range(3))
    narrowed = {
        "a filter": (by_hand("model = 'gpt-4o'"), look("model:gpt-4o")),
        "a drill": (by_hand("user_id = 'u7'"), look("user:u7")),
    }
    cluster.close()
    return [
        at_most("first screen, eight lenses", first, _FIRST, "s", f"by hand {hand:.2f} s"),
        at_most("a tick", tick, _TICK, "ms", digits=0),
        *(
            at_most(f"{name}, against the same by hand", seconds / beside, _BESIDE, "×", f"{seconds:.2f} s")
            for name, (beside, seconds) in narrowed.items()
        ),
    ]
