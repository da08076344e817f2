"""What the rules look at, of a stretch of at most a day by itself, and what joins it to the stretch before and after.

Rows of calls and copies of rows go on over midnight: each part also says what its first and last rows were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import duckdb

from cost_top.mirror.schema import quoted
from cost_top.model.cells import Block, pack
from cost_top.model.features import BASE_DIMENSIONS, BUCKET_SECONDS, Cell, Doubled

# Every one that may be watched, in the order of the cells' names; tags stand by themselves.
PART_DIMENSIONS = (*BASE_DIMENSIONS, "team")
PAUSE, HOUR, TWICE = 600_000_000, 3_600_000_000, 2_000_000  # microseconds
FEWEST, MANY = 12, 40  # calls of a row of calls; from where on its context may grow
_TOKENS = "(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))"
_PAID = f"(cost > 0 AND {_TOKENS} > 0 AND cache_hit IS NOT TRUE)"
_BUCKET = BUCKET_SECONDS * 1_000_000
_CHUNK = 8_192
_ROW = 'token, endpoint, "user", run'

Key = tuple[str | int | None, ...]
# Of a request: microseconds since the part's beginning, input tokens and cost.
Call = tuple[int, int, int]


class Step(NamedTuple):
    """A step of a row of calls; `started` is in microseconds since the part's beginning, as `us` is.

    `head` is the number of the row of calls that may go on with one of the part before, -1 of another; `is_early`
    where the calls of that would count.
    """

    us: int
    token: str
    spent: int
    started: int
    head: int = -1
    is_early: bool = False


class Run(NamedTuple):
    """A row of calls of a key, endpoint and user that begins, or ends, a part: how many calls, and those that matter.

    `is_both`: one that begins the part and ends it too.
    """

    key: Key
    size: int
    started: int
    calls: tuple[Call, ...]
    is_both: bool


class Copy(NamedTuple):
    """The first, or the last, of the rows that are alike in every figure."""

    key: Key
    us: int
    is_counted: bool
    cost: int


@dataclass(frozen=True, slots=True)
class Part:
    """Buckets, and microseconds, count from the part's beginning."""

    blocks: Sequence[Block]
    doubled: Sequence[Doubled] = ()
    steps: Sequence[Step] = ()
    heads: Sequence[Run] = ()
    tails: Sequence[Run] = ()
    first_copies: Sequence[Copy] = ()
    last_copies: Sequence[Copy] = ()
    token_names: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # with when it was so called


def read_part(
    connection: duckdb.DuckDBPyConnection, relation: str, origin: int, since: datetime, until: datetime,
    where: tuple[str, list[Any]],
) -> Part:  # fmt: skip
    """The rows of `[since, until)` (naive UTC) that match. Buckets count from `origin` (Unix seconds)."""
    sql, parameters = where
    start = datetime.fromtimestamp(origin, UTC).replace(tzinfo=None)
    length = (until - start) // (until - start).resolution
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE feature_rows AS SELECT id, epoch_us(time - CAST(? AS TIMESTAMP)) AS us, "
        f"{quoted(PART_DIMENSIONS)}, tags, "
        "token_name, coalesce(cost, 0) AS cost, input_tokens, output_tokens, cached_input_tokens, status, cache_hit, "
        f"counted IS NOT FALSE AS counted FROM {relation} WHERE time >= ? AND time < ? AND {sql}",
        [start, since, until, *parameters],
    )
    try:
        steps, heads, tails = _calls(connection, length)
        names = connection.execute(
            "SELECT token, max(us), arg_max(token_name, us) FROM feature_rows "
            "WHERE token IS NOT NULL AND token_name IS NOT NULL GROUP BY token"
        ).fetchall()
        copies = _copies(connection, length)
        return Part(
            pack(_cells(connection)), _doubled(connection), steps, heads, tails, *copies,
            {token: (us, name) for token, us, name in names},
        )  # fmt: skip
    finally:
        connection.execute("DROP TABLE IF EXISTS feature_rows; DROP TABLE IF EXISTS feature_calls")


def _cells(connection: duckdb.DuckDBPyConnection) -> Iterator[Cell]:
    keys, width = quoted(PART_DIMENSIONS), len(PART_DIMENSIONS)
    found = connection.execute(
        f"SELECT us // {_BUCKET} AS bucket, {keys}, tags, count(*) FILTER (counted), "
        "sum(cost)::HUGEINT, max(cost), sum(cost::DOUBLE * cost), "
        "count(*) FILTER (counted AND (status >= 500 OR status = 429)), "
        f"count(*) FILTER ({_PAID}), coalesce(sum(cost) FILTER ({_PAID}), 0)::HUGEINT, "
        f"coalesce(sum({_TOKENS}) FILTER ({_PAID}), 0)::HUGEINT, "
        f"coalesce(sum(input_tokens) FILTER ({_PAID}), 0)::HUGEINT, "
        f"coalesce(sum(cached_input_tokens) FILTER ({_PAID}), 0)::HUGEINT, "
        f"count(input_tokens) FILTER ({_PAID}) - count(DISTINCT input_tokens) FILTER ({_PAID}) "
        f"FROM feature_rows GROUP BY bucket, {keys}, tags ORDER BY bucket, {keys}, tags"
    )
    while chunk := found.fetchmany(_CHUNK):
        for row in chunk:
            yield Cell(row[0], row[1 : width + 1], tuple(row[width + 1] or ()), *row[width + 2 :])


def _calls(
    connection: duckdb.DuckDBPyConnection, length: int
) -> tuple[tuple[Step, ...], tuple[Run, ...], tuple[Run, ...]]:
    """Requests that are at least the twelfth of a row: input within 5 % of the one before, gaps of at most ten
    minutes, the last eleven of which vary by at most 35 % of their mean. A context that grows all the while is an
    agent at work until its fortieth call."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE feature_calls AS "
        'WITH stepped AS (SELECT id, us, token, endpoint, "user", cost, input_tokens, us - lag(us) OVER own AS gap, '
        "lag(input_tokens) OVER own AS before FROM feature_rows WHERE token IS NOT NULL AND input_tokens > 0 "
        'WINDOW own AS (PARTITION BY token, endpoint, "user" ORDER BY us, id)) '
        f"SELECT *, count(*) FILTER (gap IS NULL OR gap > {PAUSE} "
        "OR abs(input_tokens - before) > 0.05 * before) OVER "
        '(PARTITION BY token, endpoint, "user" ORDER BY us, id ROWS UNBOUNDED PRECEDING) AS run FROM stepped'
    )
    heads = _runs(connection, f"run = 1 AND begun <= {PAUSE}", f"(place <= {MANY} OR us < {HOUR})")
    tails = _runs(connection, f"run = last_run AND ended >= {length - PAUSE}",
                  f"(place > size - {FEWEST} OR us >= {length - HOUR})")  # fmt: skip
    ends = {run.key for run in tails if run.is_both}
    heads = [run._replace(is_both=run.key in ends) for run in heads]
    numbers = {run.key: number for number, run in enumerate(heads)}
    found = connection.execute(
        'WITH measured AS (SELECT us, token, endpoint, "user", run, min(us) OVER calls AS started, '
        f"lag(us, {FEWEST - 1}) OVER calls AS eleventh, "
        f"row_number() OVER calls AS place, max(input_tokens) OVER (calls ROWS {FEWEST - 1} PRECEDING) AS most, "
        f"min(input_tokens) OVER (calls ROWS {FEWEST - 1} PRECEDING) AS least, "
        f"sum(cost) OVER (PARTITION BY {_ROW} ORDER BY us RANGE {HOUR} PRECEDING) AS spent, "
        f"stddev_pop(gap) OVER (calls ROWS {FEWEST - 2} PRECEDING) AS spread FROM feature_calls "
        f"WINDOW calls AS (PARTITION BY {_ROW} ORDER BY us, id)) "
        'SELECT us, token, spent::HUGEINT, started, endpoint, "user", run, place FROM measured '
        f"WHERE spread <= 0.35 * ((us - eleventh) / {FEWEST - 1}.0) AND (most <= 1.08 * least OR place >= {MANY}) "
        "ORDER BY us, token"
    ).fetchall()
    steps = []
    for us, token, spent, started, endpoint, user, run, place in found:
        head = numbers.get((token, endpoint, user), -1) if run == 1 else -1
        steps.append(Step(us, token, spent, started, head, head >= 0 and (place <= MANY or us < HOUR)))
    return tuple(steps), tuple(heads), tuple(tails)


def _runs(connection: duckdb.DuckDBPyConnection, which: str, calls: str) -> list[Run]:
    found = connection.execute(
        "WITH placed AS (SELECT *, min(us) OVER whole AS begun, max(us) OVER whole AS ended, "
        "count(*) OVER whole AS size, row_number() OVER (whole ORDER BY us, id) AS place, "
        'max(run) OVER (PARTITION BY token, endpoint, "user") AS last_run FROM feature_calls '
        f"WINDOW whole AS (PARTITION BY {_ROW})) "
        'SELECT token, endpoint, "user", size, begun, run = 1 AND begun <= '
        f"{PAUSE}, us, input_tokens, cost FROM placed WHERE {which} AND {calls} "
        'ORDER BY token, endpoint, "user", place'
    ).fetchall()
    runs: dict[Key, tuple[int, int, bool, list[Call]]] = {}
    for token, endpoint, user, size, begun, is_first, *call in found:
        runs.setdefault((token, endpoint, user), (size, begun, is_first, []))[3].append((call[0], call[1], call[2]))
    return [Run(key, size, begun, tuple(calls), first) for key, (size, begun, first, calls) in runs.items()]


_ALIKE = "token, model, input_tokens, output_tokens, cached_input_tokens"


def _doubled(connection: duckdb.DuckDBPyConnection) -> tuple[Doubled, ...]:
    found = connection.execute(
        f"WITH paired AS (SELECT us, counted, cost, us - lag(us) OVER (PARTITION BY {_ALIKE}, cost > 0 "
        "ORDER BY us, id) AS gap FROM feature_rows) "
        f"SELECT us // {_BUCKET} AS bucket, count(*) FILTER (counted), "
        f"count(*) FILTER (counted AND cost > 0 AND gap <= {TWICE}), "
        f"coalesce(sum(cost) FILTER (counted AND cost > 0 AND gap <= {TWICE}), 0)::HUGEINT "
        "FROM paired GROUP BY bucket ORDER BY bucket"
    ).fetchall()
    return tuple(Doubled(*row) for row in found)


def _copies(connection: duckdb.DuckDBPyConnection, length: int) -> tuple[tuple[Copy, ...], tuple[Copy, ...]]:
    """Rows within two seconds of the part's beginning, and of its end, that have none alike before, or after."""
    sides = []
    for near, order in ((f"us <= {TWICE}", "us, id"), (f"us >= {length - TWICE}", "us DESC, id DESC")):
        found = connection.execute(
            f"SELECT {_ALIKE}, us, counted, cost FROM feature_rows WHERE cost > 0 AND {near} "
            f"QUALIFY row_number() OVER (PARTITION BY {_ALIKE} ORDER BY {order}) = 1"
        ).fetchall()
        sides.append(tuple(Copy(tuple(row[:5]), *row[5:]) for row in found))
    return sides[0], sides[1]
