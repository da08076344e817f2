"""The hot end: rows by key, what an upsert tells of them, and what is known without asking the table."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from cost_top.mirror.hot import Hot
from support.held_rows import DAY, relation, row, summed
from support.scratch import scratch

HOUR = timedelta(hours=1)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with scratch() as connection:
        yield connection


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def costs(hot: Hot, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(connection.execute(f"SELECT key, cost FROM {hot.table}").fetchall())


def test_an_upsert_tells_new_from_known_late_from_not_and_the_hours_touched(connection) -> None:
    hot = Hot(connection)
    first = hot.upsert(relation(connection, "first", [row("a", at(1)), row("b", at(2.5))]), None)
    assert (first.new, first.repeated, first.late) == (2, 0, 0), "nothing has passed yet"
    assert first.hours == {at(1), at(2)}
    again = hot.upsert(relation(connection, "second", [row("b", at(4), cost=7), row("c", at(1.2))]), at(3))
    assert (again.new, again.repeated, again.late) == (1, 1, 1), "c is older than what had passed"
    assert again.hours == {at(1), at(2), at(4)}, "where b was, where it is now, and where c is"
    assert [(one.time, one.cost) for one in again.gone] == [(at(2.5), 10)]
    assert costs(hot, connection) == {"a": 10, "b": 7, "c": 10}
    late = dict(connection.execute(f"SELECT key, late FROM {hot.table}").fetchall())
    assert late == {"a": False, "b": False, "c": True}, "what is known stays what it was"


def test_many_rows_are_told_by_their_hours_alone(connection) -> None:
    hot = Hot(connection)
    rows = [row(f"r{number}", at(number / 100)) for number in range(501)]
    result = hot.upsert(relation(connection, "many", rows), None)
    assert (result.new, result.gone) == (501, None)
    assert result.hours == {at(hour) for hour in range(6)}


def test_rows_that_wait_are_counted_digested_and_told_before_the_table_holds_them(connection) -> None:
    hot, rows = Hot(connection), [row("a", at(1)), row("bb", at(2), cost=5)]
    hot.add(rows, summed(rows))
    assert connection.execute("SELECT count(*) FROM hot").fetchall() == [(0,)]
    assert (hot.count(), hot.newest()) == (2, at(2))
    assert hot.digest(at(0), None) == "2 3015"
    assert hot.digest(at(0), at(2)) == "1 1010"
    assert hot.witnesses(["a", "x"]) == {"a": (at(1), 1010)}
    assert costs(hot, connection) == {"a": 10, "bb": 5}, "a statement finds them"
    assert hot.digest(at(0), None) == "2 3015", "the same from the table"
    assert hot.witnesses_within(at(1), at(2)) == {"a": (at(1), 1010)}
    assert (hot.count(), hot.newest()) == (2, at(2))


def test_what_is_taken_out_comes_back_as_it_was(connection) -> None:
    hot, rows = Hot(connection), [row("a", at(1), late=True), row("b", at(2))]
    hot.add(rows, summed(rows))
    assert hot.take_out([]) == {}
    assert hot.take_out(["a", "unknown"]) == {"a": (True, summed(rows)[0])}
    assert (costs(hot, connection), hot.count(), hot.newest()) == ({"b": 10}, 1, at(2))
    hot.take_out(["b"])
    assert (hot.count(), hot.newest()) == (0, None)


def test_a_stretch_is_replaced_with_the_rows_that_moved_into_it(connection) -> None:
    hot = Hot(connection)
    hot.upsert(relation(connection, "first", [row("a", at(1)), row("b", at(2)), row("c", at(9))]), None)
    hours = hot.replace(relation(connection, "second", [row("c", at(1.5), cost=3)]), at(1), at(2))
    assert hours == {at(1), at(9)}, "the stretch, and where c was"
    assert costs(hot, connection) == {"b": 10, "c": 3}
    assert hot.newest() == at(2)
    assert hot.remove("SELECT 'b' UNION SELECT 'never'") == {at(2)}
    assert hot.remove("SELECT 'never'") == frozenset()
    hot.upsert(relation(connection, "third", [row("d", at(3))]), None)
    hot.drop_before(at(2))
    assert (costs(hot, connection), hot.count(), hot.newest()) == ({"d": 10}, 1, at(3))


def test_a_digest_that_is_kept_is_that_of_the_rows_whatever_happens_to_them(connection) -> None:
    draw, hot, number = random.Random(3), Hot(connection), itertools.count()
    periods = [(at(first), at(last)) for first in range(6) for last in range(first + 1, 7)]

    def some(count: int) -> list[dict[str, Any]]:
        return [row(f"r{next(number)}", at(draw.randrange(600) / 100), cost=draw.randrange(9)) for _ in range(count)]

    changes: list[Callable[[], object]] = [
        lambda: hot.add(rows := some(3), summed(rows)),
        lambda: hot.upsert(relation(connection, "come", some(2)), None),
        lambda: hot.upsert(relation(connection, "many", some(501)), None),
        lambda: hot.upsert(relation(connection, "again", [row("r1", at(draw.randrange(6)), cost=99)]), None),
        lambda: hot.take_out([f"r{draw.randrange(20)}"]),
        lambda: hot.remove(f"SELECT 'r{draw.randrange(20)}'"),
        lambda: hot.replace(relation(connection, "whole", some(2)), *draw.choice(periods)),
        lambda: hot.drop_before(at(draw.randrange(3))),
    ]  # fmt: skip
    for _ in range(30):
        draw.choice(changes)()
        for start, end in draw.sample(periods, 3):
            rows = f"{hot.table} WHERE time >= TIMESTAMP '{start}' AND time < TIMESTAMP '{end}'"
            (count, total), *_ = connection.execute(
                f"SELECT count(*), coalesce(sum(fingerprint), 0) FROM {rows}"
            ).fetchall()
            assert hot.digest(start, end) == f"{count} {total}"
    told = hot.digest(at(0), at(1))
    newer = [row("newer", at(5))]
    hot.add(newer, summed(newer))
    assert hot.digest(at(0), at(1)) is told, "nothing came to it: the table is not asked again"
