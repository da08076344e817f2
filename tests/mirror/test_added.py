"""What one row adds to a sum is the same in Python and in SQL."""

from __future__ import annotations

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

from cost_top.mirror.added import COLUMNS, COLUMNS_SQL, Added, SummedRow, additive, rows_of, trust
from cost_top.mirror.groups import merge_groups
from cost_top.mirror.measures import ADDITIVE, TRUST
from cost_top.mirror.schema import create_table
from support.scratch import scratch

VALUES: dict[str, list[Any]] = {
    "cost": [None, 0, 5, -7, 2**62], "market_cost": [None, 0, 9, -7], "saved_by_cache": [None, 0, 3, -2],
    "prompt_cache_savings": [None, 4, -4], "cache_hit": [None, True, False], "counted": [None, True, False],
    "status": [None, 200, 399, 400, 999], "reported_cost": [None, 0, 5], "credential_type": [None, "byok", "system"],
    "price_status": ["reported", "priced", "free", "cache_hit", "unpriced", "no_usage"],
    "doubt": [None, "model", "zero", "cost", "mode", "time"], "user": [None, "u"], "token": [None, "t"],
    "tags": [None, [], ["a", "b"]],
    **{f"{name}_tokens": [None, 0, 11]
       for name in ("input", "output", "cached_input", "cache_creation_input", "reasoning")},
}  # fmt: skip


def test_what_a_row_adds_is_what_sql_sums_of_it() -> None:
    draw = random.Random(4)
    with scratch() as duck:
        duck.execute(create_table("given"))
        rows = [
            {name: draw.choice(values) for name, values in VALUES.items()} | {"id": f"{number:04}"}
            for number in range(600)
        ]
        columns = [*VALUES, "id"]
        unnested = ", ".join(f'unnest(${place}) AS "{name}"' for place, name in enumerate(columns, 1))
        duck.execute(
            f"INSERT INTO given BY NAME SELECT *, ?::TIMESTAMP AS time FROM (SELECT {unnested})".replace(
                "?", f"'{datetime(2026, 1, 1)}'"
            ),
            [[row[name] for row in rows] for name in columns],
        )
        found = rows_of(duck.execute(f"SELECT {COLUMNS_SQL} FROM given ORDER BY id").fetchall())
        for sums, of_row in ((ADDITIVE, additive), (TRUST, trust)):
            expressions = ", ".join(f"coalesce({sql}, 0)" for sql in sums.values())
            told = duck.execute(f"SELECT {expressions} FROM given GROUP BY id ORDER BY id").fetchall()
            assert [of_row(row) for row in found] == [tuple(map(int, each)) for each in told]


def test_the_newest_name_is_told_in_whatever_order_it_comes() -> None:
    start = datetime(2026, 1, 1)
    said = [("two", 1), ("plain", 2), (None, 3)]
    for told in itertools.permutations(said):
        groups = [("k", name, start + timedelta(hours=hour), 1) for name, hour in told]
        assert merge_groups(groups) == [("k", "plain", start + timedelta(hours=3), 3)]


def test_a_row_that_comes_late_names_what_nothing_named_before() -> None:
    start, added = datetime(2026, 1, 1), Added()
    for name, minute in ((None, 3), ("plain", 2), ("two", 1)):
        row = SummedRow(**dict.fromkeys(COLUMNS) | {
            "token": "k", "token_name": name, "time": start + timedelta(minutes=minute)})  # fmt: skip
        added.add(row, "token", additive(row))
    assert [group[:3] for group in added.of("token")] == [("k", "plain", start + timedelta(minutes=3))]
