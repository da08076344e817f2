"""What spend was wasted on, from the mirror's rows: each request goes to the first line that fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import duckdb

from cost_top.mirror.measures import UNPRICED
from cost_top.mirror.report import naive
from cost_top.mirror.schema import first_row
from cost_top.mirror.where import condition
from cost_top.model.query import ReportQuery
from cost_top.model.waste import LINES, Waste, WasteLine
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price

BEHIND = "waste_behind"
_MINUTE = 60_000_000  # µs
_RETRY = 10 * _MINUTE
_CACHED = 5 * _MINUTE
_TWICE = 2_000_000
# Even rows of calls: as rule D of the anomalies has them; rows logged twice: as rule C has them.
_CALLS = 12
_TWICE_FEWEST, _TWICE_SHARE, _TWICE_WINDOWS = 12, 0.25, (30 * _MINUTE, 360 * _MINUTE)
_LOOP_SHARE = 0.25  # of a mean hour's spend, within an hour
# Rows of one id at one instant go by what they say, however they were read.
_ORDER = "us, id, tie"
_CONTENT = (
    'provider, model, endpoint, token, "user", mode, region, input_tokens, cached_input_tokens, output_tokens, cost, '
    "counted, failed, hit, cut"
)


def waste(connection: duckdb.DuckDBPyConnection, relation: str, query: ReportQuery, book: RateBook) -> Waste:
    """The lines of the requests of `[query.start, query.end)` that match.

    Whether one is a retry or a repeat is told by all requests of the period, those that do not match included. The
    temporary table `BEHIND` then holds what stands in a line: how many requests have an id, a time and a cost.
    """
    with _rows(connection, relation, query, book) as (knows, cacheable):
        found = connection.execute(
            "SELECT line, coalesce(sum(cost), 0)::HUGEINT, count(*) FILTER (counted), "
            "count(*) FILTER (unpriced OR cost IS NULL OR cost = 0 AND no_tokens) "
            "FROM waste_rows WHERE wanted AND line IS NOT NULL GROUP BY line"
        ).fetchall()
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {BEHIND} AS SELECT line, id, time, cost, counted, count(*) AS many "
            "FROM waste_rows WHERE wanted AND line IS NOT NULL GROUP BY ALL"
        )
        lines = {line: WasteLine(line, int(cost), requests, unpriced) for line, cost, requests, unpriced in found}
        lines["cacheable"] = cacheable
        return Waste(tuple(lines.get(name, WasteLine(name)) for name in LINES), knows)


@contextmanager
def _rows(
    connection: duckdb.DuckDBPyConnection, relation: str, query: ReportQuery, book: RateBook
) -> Iterator[tuple[bool, WasteLine]]:
    """Inside the block `waste_rows` holds the period's requests, each with its line.

    Whether any request has output tokens, and what repeats could have been saved.
    """
    matches, parameters = condition(query.where)
    bounds = [naive(query.start), naive(query.end)]
    (knows,) = first_row(
        connection, f"SELECT coalesce(bool_or(output_tokens > 0), FALSE) FROM {relation} WHERE time >= ? AND time < ?",
        bounds,
    )  # fmt: skip
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE waste_plain AS {_plain(relation, matches, bool(knows))}", [*parameters, *bounds]
    )
    try:
        _classify(connection)
        yield bool(knows), _cacheable(connection, book)
    finally:
        for table in ("waste_rows", "waste_doubles", "waste_plain"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")


def _plain(relation: str, matches: str, knows_usage: bool) -> str:
    """Every row of the period; parameters are those of `matches`, then the period."""
    cut = "streamed AND NOT coalesce(output_tokens > 0, FALSE) AND cache_hit IS NOT TRUE" if knows_usage else "FALSE"
    rows = (
        f'SELECT id, epoch_us(time) AS us, time, provider, model, endpoint, token, "user", mode, '
        f"region, input_tokens, cached_input_tokens, output_tokens, cost, counted IS NOT FALSE AS counted, "
        f"coalesce({UNPRICED}, FALSE) AS unpriced, coalesce(input_tokens, 0) = 0 AS no_tokens, "
        f"({matches}) AS wanted, cache_hit IS TRUE AS hit, "
        f"coalesce(status >= 400, FALSE) AS failed, coalesce({cut}, FALSE) AND NOT coalesce(status >= 400, FALSE) "
        f"AS cut FROM {relation} WHERE time >= ? AND time < ?"
    )
    return f"SELECT *, hash({_CONTENT}) AS tie FROM ({rows})"


def _classify(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `waste_rows` of `waste_plain`: what came before a row is looked at only where it could matter."""
    (doubles,) = first_row(connection, f"CREATE OR REPLACE TEMP TABLE waste_doubles AS {_doubles()}")
    twice = _twice() if doubles >= _TWICE_FEWEST else "SELECT row FROM waste_doubles WHERE FALSE"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE waste_rows AS WITH retried AS ({_retried()}), {_looping()}, "
        f"twice AS ({twice}), close AS ({_close()}) "
        "SELECT p.*, CASE "
        "WHEN failed AND cost > 0 THEN 'failed_but_paid' "
        "WHEN cut AND coalesce(cost, 0) >= 0 THEN 'cut_off' "
        "WHEN coalesce(cost, 0) <= 0 OR hit THEN NULL "
        "WHEN p.rowid IN (FROM retried) THEN 'retried' "
        "WHEN p.rowid IN (FROM looping) THEN 'repeated' "
        "WHEN p.rowid IN (FROM twice) THEN 'logged_twice' "
        "WHEN p.rowid IN (FROM close) THEN 'cacheable' END AS line FROM waste_plain p"
    )
    connection.execute("DROP TABLE waste_doubles; DROP TABLE waste_plain")


def _retried() -> str:
    """What follows a failure of the same key, endpoint, model and input within ten minutes."""
    return (
        "WITH bad AS (SELECT DISTINCT token, endpoint, model, input_tokens FROM waste_plain "
        "WHERE (failed OR cut) AND token IS NOT NULL AND input_tokens > 0) "
        "SELECT p.rowid AS row FROM waste_plain p SEMI JOIN bad ON p.token = bad.token "
        "AND p.input_tokens = bad.input_tokens AND p.endpoint IS NOT DISTINCT FROM bad.endpoint "
        "AND p.model IS NOT DISTINCT FROM bad.model WINDOW own AS "
        f"(PARTITION BY p.token, p.endpoint, p.model, p.input_tokens ORDER BY {_ORDER}) "
        f"QUALIFY us - lag(us) OVER own <= {_RETRY} AND lag(failed OR cut) OVER own"
    )


def _close() -> str:
    """What is close to two others of the same endpoint, model and input."""
    return (
        "WITH often AS (SELECT endpoint, model, input_tokens FROM waste_plain "
        "WHERE input_tokens > 0 AND NOT (hit OR failed) GROUP BY ALL HAVING count(*) > 2) "
        "SELECT p.rowid AS row FROM waste_plain p SEMI JOIN often ON p.input_tokens = often.input_tokens "
        "AND p.endpoint IS NOT DISTINCT FROM often.endpoint AND p.model IS NOT DISTINCT FROM often.model "
        "WHERE NOT (hit OR failed) WINDOW same AS "
        f"(PARTITION BY p.endpoint, p.model, p.input_tokens ORDER BY {_ORDER}) "
        f"QUALIFY us - lag(us) OVER same <= {_CACHED} AND (us - lag(us, 2) OVER same <= {_CACHED} "
        f"OR lead(us) OVER same - lag(us) OVER same <= {_CACHED})"
    )


def _callers() -> str:
    """Whose calls cost so much in two hours of the clock that a run of theirs may have cost it in one."""
    return (
        "whole AS (SELECT sum(cost) AS spend, greatest(24.0, (max(us) - min(us)) / 3.6e9) AS hours FROM waste_plain), "
        f'hourly AS (SELECT token, endpoint, "user", us // {60 * _MINUTE} AS hour, sum(greatest(cost, 0)) AS cost '
        "FROM waste_plain WHERE token IS NOT NULL GROUP BY ALL), "
        'paying AS (SELECT token, endpoint, "user", sum(cost) OVER (PARTITION BY token, endpoint, "user" ORDER BY hour '
        "RANGE 1 PRECEDING) AS paid FROM hourly), "
        f'callers AS (SELECT DISTINCT token, endpoint, "user" FROM paying, whole WHERE paid > {_LOOP_SHARE} * spend '
        "/ hours)"
    )


def _looping() -> str:
    """Rows of calls at an even pace, each of which is part of twelve of them and of a run that costs something."""
    return (
        f"{_callers()}, "
        'called AS (SELECT p.rowid AS row, us, id, tie, token, endpoint, "user", input_tokens, cost, '
        "lag(us) OVER call AS call_us, lag(input_tokens) OVER call AS call_input "
        "FROM waste_plain p SEMI JOIN callers c ON p.token = c.token AND p.endpoint IS NOT DISTINCT FROM c.endpoint "
        'AND p."user" IS NOT DISTINCT FROM c."user" '
        f'WINDOW call AS (PARTITION BY token, endpoint, "user" ORDER BY {_ORDER})), '
        "numbered AS (SELECT *, us - call_us AS gap, count(*) FILTER (call_us IS NULL OR us - call_us > "
        f"{_RETRY} OR input_tokens IS NULL OR call_input IS NULL OR abs(input_tokens - call_input) > 0.05 * call_input"
        f') OVER (PARTITION BY token, endpoint, "user" ORDER BY {_ORDER} ROWS UNBOUNDED PRECEDING) AS run '
        "FROM called), "
        f"measured AS (SELECT *, lag(us, {_CALLS - 1}) OVER run AS first_us, row_number() OVER run AS place, "
        f"max(input_tokens) OVER (run ROWS {_CALLS - 1} PRECEDING) AS most, "
        f"min(input_tokens) OVER (run ROWS {_CALLS - 1} PRECEDING) AS least, "
        f"sum(coalesce(cost, 0)) OVER (hour RANGE {60 * _MINUTE} PRECEDING) AS hourly, "
        f"stddev_pop(gap) OVER (run ROWS {_CALLS - 2} PRECEDING) AS spread "
        f'FROM numbered WINDOW run AS (PARTITION BY token, endpoint, "user", run ORDER BY {_ORDER}), '
        'hour AS (PARTITION BY token, endpoint, "user", run ORDER BY us)), '
        f"even AS (SELECT *, coalesce(spread <= 0.35 * ((us - first_us) / {_CALLS - 1}.0) "
        f"AND (most <= 1.08 * least OR place >= 40) AND hourly > {_LOOP_SHARE} * spend / hours, FALSE) AS step "
        "FROM measured, whole), "
        'looping AS (SELECT row FROM even QUALIFY bool_or(step) OVER (PARTITION BY token, endpoint, "user", run '
        f"ORDER BY {_ORDER} ROWS BETWEEN CURRENT ROW AND {_CALLS - 1} FOLLOWING))"
    )


def _doubles() -> str:
    """Rows equal to one just before."""
    return (
        "WITH equal AS (SELECT token, model, input_tokens, output_tokens, cached_input_tokens FROM waste_plain "
        "WHERE cost > 0 GROUP BY ALL HAVING count(*) > 1) "
        "SELECT p.rowid AS row FROM waste_plain p SEMI JOIN equal e ON p.token IS NOT DISTINCT FROM e.token "
        "AND p.model IS NOT DISTINCT FROM e.model AND p.input_tokens IS NOT DISTINCT FROM e.input_tokens "
        "AND p.output_tokens IS NOT DISTINCT FROM e.output_tokens "
        "AND p.cached_input_tokens IS NOT DISTINCT FROM e.cached_input_tokens WHERE cost > 0 WINDOW equal AS "
        "(PARTITION BY p.token, p.model, p.input_tokens, p.output_tokens, p.cached_input_tokens "
        f"ORDER BY {_ORDER}) "
        f"QUALIFY us - lag(us) OVER equal <= {_TWICE} AND counted"
    )


def _twice() -> str:
    """Of the rows equal to one just before those that are so many that it is no chance."""
    fires = " OR ".join(
        f"bool_or(double_{n} >= {_TWICE_FEWEST} AND double_{n} >= {_TWICE_SHARE} * every_{n}) OVER "
        f"(ORDER BY us RANGE BETWEEN CURRENT ROW AND {span} FOLLOWING)"
        for n, span in enumerate(_TWICE_WINDOWS)
    )
    counts = ", ".join(
        f"count(*) FILTER (double) OVER w{n} AS double_{n}, count(*) FILTER (counted) OVER w{n} AS every_{n}"
        for n in (0, 1)
    )
    windows = ", ".join(f"w{n} AS (ORDER BY us RANGE {span} PRECEDING)" for n, span in enumerate(_TWICE_WINDOWS))
    return (
        "WITH told AS (SELECT rowid AS row, us, counted, rowid IN (FROM waste_doubles) AS double FROM waste_plain), "
        f"counts AS (SELECT row, us, double, {counts} FROM told WINDOW {windows}) "
        f"SELECT row FROM (SELECT row, double, {fires} AS fires FROM counts) WHERE double AND fires"
    )


def _cacheable(connection: duckdb.DuckDBPyConnection, book: RateBook) -> WasteLine:
    """What the repeats would have cost less, had their input come from the prompt cache: list price less cached.

    Those that would have cost as much leave the line.
    """
    found = connection.execute(
        "SELECT provider, model, mode, region, input_tokens, cached_input_tokens, min(time), count(*), "
        "count(*) FILTER (counted), sum(cost)::HUGEINT FROM waste_rows WHERE line = 'cacheable' AND wanted "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    saved, requests, unknown = 0, 0, 0
    as_dear: list[tuple[Any, ...]] = []
    for *alike, time, rows, counted, cost in found:
        provider, model, mode, region, tokens, cached = alike
        plain, cheaper = (
            price(book, Request(provider, model, time.replace(tzinfo=UTC), tokens, part, mode=mode, region=region))
            .market_cost
            for part in (cached or 0, tokens)
        )  # fmt: skip
        if plain is None or cheaper is None:
            unknown += counted
        elif plain > cheaper:
            saved += min((plain - cheaper) * rows, int(cost))
            requests += counted
        else:
            as_dear.append(tuple(alike))
    if as_dear:
        names = ("provider", "model", "mode", "region", "input_tokens", "cached_input_tokens")
        same = " AND ".join(f"waste_rows.{name} IS NOT DISTINCT FROM dear.{name}" for name in names)
        connection.execute(
            f"UPDATE waste_rows SET line = NULL FROM (SELECT {', '.join(f'unnest(?) AS {name}' for name in names)}) "
            f"dear WHERE line = 'cacheable' AND {same}",
            [list(column) for column in zip(*as_dear, strict=True)],
        )
    return WasteLine("cacheable", saved, requests + unknown, unknown)
