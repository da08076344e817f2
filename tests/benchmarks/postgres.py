"""The same figures on PostgreSQL, and LiteLLM's own kind of spend queries beside a refresh of ours."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import behind_screen
from tests.benchmarks.process import child
from tests.benchmarks.request_log import DAY_MS, DAYS, Maker, now_ms
from tests.benchmarks.table import Figure, at_least, at_most, head, measured

# What a gateway's spend page asks of its log for 30 days: by day, model, key, customer, tag and team.
_PAGE = {
    "by day": 'date_trunc(\'day\', "startTime")', "by model": "model", "by key": "api_key",
    "by customer": "end_user", "by team": "team_id",
}  # fmt: skip
_SINCE = "\"startTime\" >= (now() AT TIME ZONE 'UTC') - interval '30 days'"

_LITELLM = """
INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens,
  completion_tokens, "startTime", "endTime", model, model_group, custom_llm_provider, api_base, "user", metadata,
  cache_hit, cache_key, request_tags, team_id, end_user, requester_ip_address, messages, response, status)
SELECT id, 'acompletion', encode(sha256(token::bytea), 'hex'), coalesce(cost_pico_usd / 1e12, 0),
  coalesce(input_tokens + output_tokens, 0), coalesce(input_tokens, 0), coalesce(output_tokens, 0),
  to_timestamp(time_ms / 1000.0) AT TIME ZONE 'UTC',
  to_timestamp((time_ms + latency_ms) / 1000.0) AT TIME ZONE 'UTC', model, model, provider, 'https://api.example.com',
  owner, jsonb_build_object('user_api_key_alias', token_name, 'user_api_key_team_id', team, 'status',
    CASE WHEN status >= 400 THEN 'failure' ELSE 'success' END, 'usage_object', jsonb_build_object(
      'prompt_tokens', input_tokens, 'completion_tokens', output_tokens, 'total_tokens', input_tokens + output_tokens,
      'prompt_tokens_details', jsonb_build_object('cached_tokens', coalesce(cached_input_tokens, 0)))),
  CASE WHEN cache_hit THEN 'True' ELSE 'False' END, 'Cache OFF', tags::jsonb, team, user_id, client_ip, '{}', '{}',
  CASE WHEN status >= 400 THEN 'failure' ELSE 'success' END
FROM cost_top_requests
"""


def compare(folder: Path, rows: int) -> None:
    """Start a server of our own in the folder, fill it, measure, and remove it."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        from tests.support.postgres_server import NoServer, PostgresServer

        server = PostgresServer()
    except (ImportError, NoServer) as error:
        print(f"\nPostgreSQL was not measured: {error}")
        return
    finally:
        tempfile.tempdir = before
    try:
        title = f"PostgreSQL, {rows / 1e6:g} M rows over 60 days; {os.cpu_count()} cores"
        native, litellm = server.url(server.create_database()), server.url(server.create_database())
        fill(native, rows)
        head(f"{title}, load {os.getloadavg()[0]:.1f}")
        cache = Path(tempfile.mkdtemp(dir=folder))
        measured("cold", partial(behind_screen.cold_history, native, cache, 0.75, "PostgreSQL"))
        measured("ticks", partial(behind_screen.ticks, native, cache))
        measured("plans", partial(plans, native))
        fill_litellm(native, litellm)
        measured("page", partial(spend_page, litellm, cache))
    finally:
        server.close()


def fill(url: str, rows: int) -> None:
    """The native log, as it would be after 60 days and a vacuum."""
    import adbc_driver_postgresql.dbapi

    from cost_top.model.native import DDL, TABLE

    table, command, index = DDL.partition("CREATE INDEX")
    end = now_ms()
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.executescript(table)
        Maker(rows, end, boolean=True).fill(cursor, end - DAYS * DAY_MS, end)
        cursor.executescript(command + index)
        connection.commit()
    _run(url, f"VACUUM ANALYZE {TABLE}")


def fill_litellm(native: str, litellm: str) -> None:
    """The same requests in LiteLLM's own schema."""
    import psycopg
    from tests.support.litellm_log import migrate

    from cost_top.model.native import DDL, TABLE

    migrate(litellm)
    _run(litellm, DDL)
    with psycopg.connect(native) as source, psycopg.connect(litellm) as target:
        taken = source.cursor().copy(f"COPY {TABLE} TO STDOUT (FORMAT binary)")
        given = target.cursor().copy(f"COPY {TABLE} FROM STDIN (FORMAT binary)")
        with taken as outgoing, given as incoming:
            for data in outgoing:
                incoming.write(data)
        target.execute(_LITELLM)
        target.execute(f"DROP TABLE {TABLE}")
    _run(litellm, 'VACUUM ANALYZE "LiteLLM_SpendLogs"')


def spend_page(url: str, cache: Path) -> list[Figure]:
    """The gateway's own figures by six SQL statements, against one refresh of all of ours on the same rows."""
    theirs = {name: _timed(url, _grouped(key)) for name, key in _PAGE.items()}
    theirs["by tag"] = _timed(url, _grouped("jsonb_array_elements_text(request_tags)"))
    found = child("refresh", url, cache)
    page = sum(theirs.values())
    beside = f"{page:.1f} s against {found['seconds'] * 1000:.0f} ms"
    slowest = max(theirs, key=theirs.__getitem__)
    return [
        at_least(
            "a refresh, against LiteLLM's spend by six dimensions", page / found["seconds"], 50, "× faster", beside
        ),
        Figure("slowest of the six", f"{theirs[slowest]:.2f} s {slowest}"),
        Figure("LiteLLM log, until 30 days are on the screen", f"{found['shown']:.1f} s", "", None),
        Figure("the same, until every detail of its 60 days is held", f"{found['held']:.1f} s", "", None),
    ]


def plans(url: str) -> list[Figure]:
    """What the statements of a poll with 100 new rows cost the server, by its own EXPLAIN ANALYZE."""
    found = child("plans", url, ".")
    kinds = ", ".join(sorted(set(found["scans"])))
    return [
        Figure("scans of a poll", kinds, "index scans only", all("Index" in kind for kind in found["scans"])),
        at_most(
            "database time of a poll by EXPLAIN ANALYZE", found["ms"], 5, "ms", f"{found['statements']} statements"
        ),
    ]


def refresh(source: str, cache: Path) -> dict[str, Any]:
    """In the child: seconds from asking for a refresh until it is polled and answered, after ten new rows."""
    from tests.benchmarks.headless import Watch, complete, settled

    watch = Watch(source, cache)
    shown = watch.until(settled) - watch.started
    held = watch.until(complete) - watch.started
    watch.settle()
    watch.monitor.set_interval(3600)
    time.sleep(1)
    times = []
    for _ in range(7):
        _run(source, _NEW_SPEND)
        began = time.perf_counter()
        watch.monitor.refresh()
        times.append(watch.until(lambda _: True, began) - began)
        time.sleep(0.5)
    return {"seconds": statistics.median(times), "shown": shown, "held": held}


_NEW_SPEND = """
INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, total_tokens, prompt_tokens,
  completion_tokens, "startTime", "endTime", model, custom_llm_provider, "user", metadata, cache_hit, cache_key,
  request_tags, team_id, end_user, status)
SELECT gen_random_uuid()::text, 'acompletion', encode(sha256(('key' || n % 200)::bytea), 'hex'), 0.001 * n, 150, 100,
  50, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC',
  'gpt-5', 'openai', 'owner', '{}', 'False', 'Cache OFF', '["prod"]', 'team-1', 'user-' || n,
  'success' FROM generate_series(1, 100) n
"""


def poll_plans(source: str, _: Any) -> dict[str, Any]:
    """In the child: the plans of the statements that a tail sends for 100 new rows."""
    import psycopg
    from tests.benchmarks import writer

    from cost_top.model.native import TABLE
    from cost_top.sources.sql.log import open_log

    with open_log(source).connect() as reader, psycopg.connect(source, autocommit=True) as connection:
        newest = reader.newest()
        assert newest is not None
        import random

        made = writer.rows(random.Random(2), 0)
        opened, insert = writer.connect(source)
        opened.cursor().executemany(insert, made)
        opened.commit()
        connection.execute(f"ANALYZE {TABLE}")
        statements = reader._statements  # type: ignore[attr-defined]
        overlap = reader.source.overlap  # type: ignore[attr-defined]
        from datetime import UTC, datetime

        times = sorted({datetime.fromtimestamp(row[1] / 1000, UTC) for row in made})
        sent = [statements.fingerprints(newest, None), statements.fingerprints(newest - overlap, None),
                statements.rows_at(times, True)]  # fmt: skip
        scans: list[str] = []
        spent = 0.0
        for sql in sent:
            plan = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}").fetchall()[0][0][0]
            scans += _scans(plan["Plan"])
            spent += plan["Execution Time"] + plan["Planning Time"]
    return {"scans": scans, "ms": spent, "statements": len(sent)}


def _scans(plan: dict[str, Any]) -> list[str]:
    own = [plan["Node Type"]] if "Scan" in plan["Node Type"] else []
    return own + [kind for part in plan.get("Plans", []) for kind in _scans(part)]


def _grouped(key: str) -> str:
    return (
        f"SELECT {key}, sum(spend), sum(total_tokens), sum(prompt_tokens), sum(completion_tokens), count(*) "
        f'FROM "LiteLLM_SpendLogs" WHERE {_SINCE} GROUP BY 1 ORDER BY 2 DESC'
    )


def _timed(url: str, sql: str) -> float:
    import psycopg

    times = []
    with psycopg.connect(url) as connection:
        for _ in range(3):
            began = time.perf_counter()
            connection.execute(sql).fetchall()
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _run(url: str, sql: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)
