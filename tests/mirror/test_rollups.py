"""The memo of sums: what is summed once, what follows single rows, and what is forgotten."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from cost_top.mirror import rollup_tables
from cost_top.mirror.groups import merge_groups, order_groups, undated
from cost_top.mirror.measures import ADDITIVE_NAMES, TRUST
from cost_top.mirror.rollup_tables import TRUST_LENS
from cost_top.mirror.rollups import Rollups
from cost_top.mirror.slices import Slice, hours_of, quarters_of
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.query import TOKENS
from support.held_rows import DAY, put, relation, row, summed
from support.scratch import scratch

EVERY, LENSES = Filter(), ("provider", "token", "tag", TRUST_LENS)
COST, REQUESTS = ADDITIVE_NAMES.index("total_cost"), ADDITIVE_NAMES.index("request_count")


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def hours(first: int, last: int) -> list[Slice]:
    return [Slice(at(hour), at(hour + 1)) for hour in range(first, last)]


ROWS = [
    row("a", at(0.1), token="k1", token_name="old name"),
    row("b", at(1.6), token="k1", token_name="new name", cost=5, tags=[]),
    row("c", at(1.7), provider="google", cost=None, price_status="unpriced", reported_cost=0),
    row("d", at(3.2), token="k2", status=500, tags=["eu"], cost=1),
]


class Watched:
    """Rollups over one table, and how often its rows were read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.reads = 0
        self.connection = connection
        self.rollups = Rollups(connection, self._relation)
        relation(connection, "rows", ROWS)

    def _relation(self, slices: object) -> str:
        self.reads += 1
        return "rows"

    def costs(self, lens: str, slices: list[Slice], where: Filter = EVERY) -> dict[str | None, int]:
        numbers = self.rollups.numbers(where, lens, slices)
        groups = self.rollups.tables.groups(lens, self.rollups.tabled(numbers), 99)
        return {group[0]: group[3 + COST] for group in merge_groups(groups, self.rollups.added(lens, numbers))}

    def total(self, slices: list[Slice], where: Filter = EVERY) -> tuple[int, int]:
        found = self.rollups.totals(where, slices)
        return found[COST], found[REQUESTS]


@pytest.fixture
def watched() -> Iterator[Watched]:
    with scratch() as connection:
        yield Watched(connection)


def test_what_is_summed_is_not_read_again_and_missing_is_told_newest_first(watched: Watched) -> None:
    rollups, parts = watched.rollups, hours(0, 4)
    assert rollups.missing(EVERY, LENSES, parts) == parts[::-1]
    rollups.build(EVERY, LENSES, parts[:2])
    assert rollups.missing(EVERY, LENSES, parts) == [parts[3], parts[2]]
    rollups.build(EVERY, LENSES, parts)
    reads = watched.reads
    rollups.build(EVERY, LENSES, parts)
    assert watched.reads == reads
    assert rollups.missing(parse_filter("provider:google"), ("provider",), parts) == parts[::-1], "of no other filter"
    assert watched.total(parts) == (16, 4)
    assert watched.costs("provider", parts) == {"openai": 16, "google": 0}
    assert watched.costs("token", parts) == {"k1": 15, "k2": 1, None: 0}
    assert watched.costs("tag", parts) == {"prod": 10, "eu": 11, None: 5}
    assert rollups.trust(EVERY, parts)["zero_cost_count"] == 1
    assert rollups.totals(EVERY, hours(10, 12)) == (0,) * len(ADDITIVE_NAMES)


def test_a_cut_edge_is_the_same_sum_beside_the_tables(watched: Watched) -> None:
    whole, cut = hours(1, 2), [Slice(at(1.5), at(1.65)), Slice(at(1.65), at(1.9))]
    watched.rollups.build(EVERY, LENSES, whole)
    watched.rollups.build(EVERY, LENSES, cut)
    for lens in ("provider", "token", "tag"):
        assert watched.costs(lens, cut) == watched.costs(lens, whole)
        assert watched.rollups.tabled(watched.rollups.numbers(EVERY, lens, cut)) == ()
    assert watched.total(cut) == watched.total(whole) == (5, 2)
    assert watched.rollups.trust(EVERY, cut) == watched.rollups.trust(EVERY, whole)
    assert watched.total(cut[:1]) == (5, 1)


def test_of_two_names_the_newer_is_told_and_groups_are_ordered(watched: Watched) -> None:
    parts = hours(0, 4)
    watched.rollups.build(EVERY, LENSES, parts)
    numbers = watched.rollups.numbers(EVERY, "token", parts)
    groups, count = watched.rollups.tables.top("token", numbers, "total_cost", True, 2)
    assert ([(group[0], undated(group[1])) for group in groups], count) == ([("k1", "new name"), ("k2", None)], 3)
    assert watched.rollups.tables.groups_of("token", numbers, []) == []
    picked = watched.rollups.tables.groups_of("token", numbers, ["k2", None, "never"])
    assert sorted(group[0] or "" for group in picked) == ["", "k2"]
    every = watched.rollups.tables.groups("token", numbers, 99)
    assert [group[0] for group in order_groups(every, "newest", True)] == ["k2", None, "k1"]
    assert [group[0] for group in order_groups(every, TOKENS, False)][-1] == "k1"
    with pytest.raises(ValueError, match="no additive measure: latency_p95"):
        watched.rollups.tables.top("token", numbers, "latency_p95", True, 2)


def test_bars_are_cut_at_quarters(watched: Watched) -> None:
    parts = hours(0, 4)
    watched.rollups.build(EVERY, ("provider",), parts)
    first, last = quarters_of(parts)
    cuts = (first, first + 6, last)  # 00:00, 01:30, 04:00
    bars = watched.rollups.tables.bars(watched.rollups.numbers(EVERY, "provider", parts), first, last, cuts)
    assert sorted((bar[0], bar[1], bar[2]) for bar in bars) == [(0, "openai", 10), (1, "google", 0), (1, "openai", 6)]
    assert watched.rollups.tables.bars([], first, last, (last + 1, last + 2)) == []


def test_rows_that_come_and_change_are_added_up_without_a_statement(watched: Watched) -> None:
    parts = hours(0, 4)
    watched.rollups.build(EVERY, LENSES, parts)
    reads, numbers = watched.reads, watched.rollups.numbers(EVERY, "provider", parts)
    old, new = row("d", at(3.2), token="k2", status=500, tags=["eu"], cost=1), row("e", at(3.9), token="k3", cost=4)
    changed = {**old, "cost": 3}
    version = watched.rollups.version(numbers)
    watched.rollups.change(summed([old]), summed([changed, new]))
    assert watched.reads == reads
    assert watched.rollups.version(numbers) > version
    assert watched.total(parts) == (22, 5)
    assert watched.costs("token", parts) == {"k1": 15, "k2": 3, "k3": 4, None: 0}
    assert watched.costs("tag", parts) == {"prod": 14, "eu": 17, None: 5}
    put(watched.connection, "rows", [new])
    watched.connection.execute("UPDATE rows SET cost = 3 WHERE key = 'd'")
    followed = [watched.costs(lens, parts) for lens in ("provider", "token", "tag")]
    watched.rollups.settle(at(4))
    assert watched.rollups.missing(EVERY, LENSES, parts) == [parts[3]], "made anew, once, after its hour"
    watched.rollups.build(EVERY, LENSES, parts)
    assert [watched.costs(lens, parts) for lens in ("provider", "token", "tag")] == followed
    assert watched.total(parts) == (22, 5)


def test_a_row_that_moves_and_every_filter_are_summed_anew(watched: Watched) -> None:
    parts, where = hours(0, 4), parse_filter("provider:openai")
    for asked in (EVERY, where):
        watched.rollups.build(asked, LENSES, parts)
    old, moved = row("d", at(3.2), token="k2", status=500, tags=["eu"], cost=1), row("d", at(2.2), token="k9", cost=1)
    watched.rollups.change(summed([old]), summed([moved]))
    assert watched.rollups.missing(EVERY, LENSES, parts) == [parts[3]], "what it was the newest of is not known"
    assert watched.rollups.missing(where, LENSES, parts) == [parts[3], parts[2]]
    assert watched.total(parts[2:3]) == (1, 1)


def test_edges_and_filters_are_forgotten_and_whole_stretches_stay(watched: Watched) -> None:
    cut, whole, where = Slice(at(1.5), at(2)), hours(0, 1)[0], parse_filter("model:gpt-5")
    watched.rollups.build(EVERY, LENSES, [cut, whole])
    watched.rollups.build(where, LENSES, [whole])
    watched.rollups.forget_edges(set(), hot_start=DAY)
    assert watched.rollups.missing(EVERY, LENSES, [cut, whole]) == [cut]
    watched.rollups.keep_recent(where, 1)
    assert watched.rollups.missing(where, LENSES, [whole]) == []
    watched.rollups.keep_recent(EVERY, 1)
    assert watched.rollups.missing(where, LENSES, [whole]) == [whole], "looked at longest ago"
    assert watched.rollups.missing(EVERY, LENSES, [whole]) == []
    watched.rollups.forget(lambda part: part == whole)
    assert watched.total([whole]) == (0, 0)
    assert watched.connection.execute("SELECT count(*) FROM rollup_provider").fetchall() == [(0,)]


def test_sums_kept_elsewhere_are_announced(watched: Watched) -> None:
    part = hours(0, 1)[0]
    number = watched.rollups.announce(EVERY, part, ("provider", TRUST_LENS))
    assert watched.rollups.number(EVERY, "provider", part) == number
    watched.rollups.set_totals(number, tuple(range(len(ADDITIVE_NAMES))))
    watched.rollups.set_trust(number, tuple(range(len(TRUST))))
    assert watched.rollups.totals(EVERY, [part]) == tuple(range(len(ADDITIVE_NAMES)))
    assert list(watched.rollups.trust(EVERY, [part]).values()) == list(range(len(TRUST)))


def test_hours_are_cut_at_the_hour() -> None:
    assert list(hours_of(at(1.5), at(3.25))) == [
        Slice(at(1.5), at(2)), Slice(at(2), at(3)), Slice(at(3), at(3.25)),
    ]  # fmt: skip
    assert [part.is_whole for part in hours_of(at(1.5), at(3.25))] == [False, True, False]
    assert Slice(DAY, at(24)).is_whole
    assert not Slice(at(0.5), at(1.5)).is_whole


def test_few_rows_are_summed_one_by_one_as_a_statement_sums_them(monkeypatch: pytest.MonkeyPatch) -> None:
    draw, lenses = random.Random(7), ("provider", "model", "token", "user", "tag", TRUST_LENS)
    rows = [
        row(
            f"r{number}", at(1) + number * timedelta(seconds=17), cost=draw.choice((None, 0, -4, 7, 2**62)),
            provider=draw.choice(("openai", "google", None)), model=draw.choice(("one", "two", None)),
            token=draw.choice(("k1", "k2", None)), token_name=draw.choice(("old", "new", None)),
            user=draw.choice(("ann", None)), tags=draw.choice(([], None, ["eu"], ["eu", "prod"])),
            status=draw.choice((200, 429, None)), cache_hit=draw.choice((True, False, None)),
            price_status=draw.choice(("reported", "priced", "unpriced")), reported_cost=draw.choice((None, 0, 3)),
        )
        for number in range(200)
    ]  # fmt: skip
    cut = [Slice(at(1.1), at(1.3)), Slice(at(1.3), at(1.85)), Slice(at(3), at(3.1))]
    found, statements = [], []
    for few in (0, 1000):
        monkeypatch.setattr(rollup_tables, "_FEW_ROWS", few)
        for where in (EVERY, parse_filter("provider:openai"), parse_filter("model:none-of-these")):
            with scratch() as connection:
                relation(connection, "rows", rows)
                rollups = Rollups(connection, lambda _: "rows")
                rollups.matching = lambda _: lambda _: True
                summed_by = []
                monkeypatch.setattr(rollups.tables, "trust", _noted(rollups.tables.trust, summed_by))
                rollups.build(where, lenses, cut)
                numbers = rollups.numbers(where, "token", cut)
                groups = [sorted(map(repr, rollups.added(lens, numbers))) for lens in lenses[:-1]]
                found.append((groups, rollups.totals(where, cut), rollups.trust(where, cut), rollups.still(numbers)))
                statements.append(len(summed_by))
    assert found[:3] == found[3:]
    assert statements == [1, 1, 0, 0, 0, 0], "of no row nothing is asked at all"


def _noted(call: Callable[..., Any], calls: list[object]) -> Callable[..., Any]:
    return lambda *given: calls.append(given) or call(*given)
