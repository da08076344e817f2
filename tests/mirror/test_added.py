"""What one row adds to a sum is the same in Python and in SQL."""

from __future__ import annotations

import itertools
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from cost_top.mirror.added import COLUMNS, COLUMNS_SQL, Added, SummedRow, additive, rows_of, trust
from cost_top.mirror.groups import DATED_SQL, dated, merge_groups, undated
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


START = datetime(2026, 1, 1)
SAID = [("two", 1), ("plain", 2), (None, 3), ("one", 0)]


@pytest.mark.parametrize("told", list(itertools.permutations(SAID)), ids=str)
def test_the_newest_name_is_told_in_whatever_order_it_comes(told: tuple[tuple[str | None, int], ...]) -> None:
    added, moments = Added(), [START + timedelta(minutes=minute) for _, minute in told]
    for (name, _), moment in zip(told, moments, strict=True):
        row = SummedRow(**dict.fromkeys(COLUMNS) | {"token": "k", "token_name": name, "time": moment})
        added.add(row, "token", additive(row))
    newest = START + timedelta(minutes=3)
    (group,) = added.of("token")
    assert (group[0], undated(group[1]), group[2]) == ("k", "plain", newest)
    groups = [("k", dated(moment, name), moment, 1) for (name, _), moment in zip(told, moments, strict=True)]
    for cut in range(4):
        (group,) = merge_groups(merge_groups(groups[:cut]), merge_groups(groups[cut:]))
        assert (undated(group[1]), *group[2:]) == ("plain", newest, 4)


def test_a_name_is_dated_alike_in_python_and_in_sql() -> None:
    with scratch() as duck:
        duck.execute("CREATE TABLE rows (token_name VARCHAR, time TIMESTAMP)")
        assert duck.execute(f"SELECT {DATED_SQL} FROM rows").fetchall() == [(None,)]
        moments = [START, START + timedelta(microseconds=7), START + timedelta(days=1)]
        names = ["2", "größe", None]
        duck.executemany("INSERT INTO rows VALUES (?, ?)", list(zip(names, moments, strict=True)))
        assert duck.execute(f"SELECT {DATED_SQL} FROM rows").fetchall() == [(dated(moments[1], names[1]),)]
