"""How often closed days are held against a log that is written to: within what is promised, and no more than that."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest

from cost_top.mirror.days import ClosedDay, Rung
from cost_top.monitor.log.comparing import Comparing

_LAST = date(2026, 3, 31)


def looked_at(rows: int, seconds: float, look_ms: float = 40.0) -> Counter[date]:
    """How often each of 62 days of so many rows is looked at, by a monitor that asks every two seconds."""
    days = [_LAST - timedelta(days=number) for number in range(62)]
    closed = {day: ClosedDay(day, "", rows, True, "") for day in days}
    comparing, counted = Comparing(costly=False, reads_whole=False), Counter[date]()
    clock, spent = 1000.0, 0.0
    while clock < 1000.0 + seconds:
        found, _ = comparing.next(closed, days[30], clock, spent)
        counted.update(day.day for day in found)
        spent += look_ms * len(found)
        clock += 2.0
    return counted


@pytest.mark.parametrize(("rows", "promised"), [(3_000, 300), (16_667, 540), (166_667, 900)])
def test_each_day_of_the_window_is_looked_at_once_in_the_time_that_is_promised(rows: int, promised: int) -> None:
    counted = looked_at(rows, promised)
    window = [counted[_LAST - timedelta(days=number)] for number in range(31)]
    assert min(window) >= 1
    assert max(window) <= 2


def rungs_of(rows: int, seconds: float) -> list[tuple[date, Rung]]:
    """The days of the window that are looked at in turn, and by what."""
    days = [_LAST - timedelta(days=number) for number in range(31)]
    closed = {day: ClosedDay(day, "", rows, True, "") for day in days}
    comparing, clock = Comparing(costly=False, reads_whole=False), 1000.0
    looks: list[tuple[date, Rung]] = []
    while clock < 1000.0 + seconds:
        found, rung = comparing.next(closed, days[-1], clock, 0.0)
        looks += [(day.day, rung) for day in found]
        clock += 2.0
    return looks


@pytest.mark.parametrize(("rows", "promised", "rounds"), [(50_000, 900, 1), (100_000, 1800, 2), (166_667, 2700, 3)])
def test_large_days_are_held_against_their_sums_in_some_rounds(rows: int, promised: int, rounds: int) -> None:
    looks = rungs_of(rows, promised)
    digests = [rung is Rung.PLAIN for _, rung in looks]
    assert {day for day, rung in looks if rung is Rung.PLAIN} == {day for day, _ in looks}
    assert all(any(digests[place : place + 2 * rounds]) for place in range(len(looks) - 2 * rounds)), "spread out"
    assert sum(digests) <= len(looks) / rounds + rounds


def found_after(changed: set[date], rows: int, every_round: bool = False) -> list[float]:
    """Seconds until each of some days that changed at once was looked at; they change again in `every_round`."""
    days = [_LAST - timedelta(days=number) for number in range(62)]
    closed = {day: ClosedDay(day, "", rows, True, "") for day in days}
    comparing, clock, spent = Comparing(costly=False, reads_whole=False), 1000.0, 0.0
    found: list[float] = []
    left = set(changed)
    while clock < 4600.0:
        looked, _ = comparing.next(closed, days[30], clock, spent)
        for day in looked:
            if day.day in left:
                comparing.changed(day.day, closed)
                found.append(clock - 1000.0)
        left = left if every_round else left - {day.day for day in looked}
        spent += 40.0 * len(looked)
        clock += 2.0
    return found


def test_where_a_day_has_changed_the_others_are_looked_at_soon() -> None:
    days = {_LAST - timedelta(days=number) for number in range(31)}
    found = found_after(days, 16_667)
    assert len(found) == 31
    assert found[0] <= 30
    assert found[-1] <= 150  # of a round that takes four hundred seconds


def test_a_day_that_changes_all_the_while_hurries_nobody() -> None:
    rounds = found_after({_LAST}, 16_667, every_round=True)
    apart = [later - earlier for earlier, later in pairwise(rounds)]
    assert min(apart[2:]) >= 300


def test_days_before_the_window_are_a_sixth_of_all_looks() -> None:
    counted = looked_at(30_000, 3600)
    older = sum(count for day, count in counted.items() if day <= _LAST - timedelta(days=31))
    assert counted.total() - 6 <= older * 6 <= counted.total() + 6


def test_looks_that_take_long_take_a_tenth_of_the_time() -> None:
    counted = looked_at(30_000, 3600, look_ms=60_000)
    assert counted.total() <= 7
