"""What the rules have learned of days that are over: used for the same days alone, and then as if all had been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, tzinfo
from io import BytesIO
from typing import BinaryIO
from zoneinfo import ZoneInfo

import pytest
from tests.insight.traffic import CENT, DAY, ORIGIN, cell

from cost_top.insight.engine import Engine
from cost_top.insight.learned import begin
from cost_top.insight.levels import Rules
from cost_top.model.features import BASE_DIMENSIONS, BUCKET_SECONDS, Cell, Features

DAYS = 10
SECONDS = DAY * BUCKET_SECONDS


class Plain(dict[tuple[date, str], bytes]):
    """A shelf in memory."""

    def open(self, day: date, form: str) -> BinaryIO | None:
        kept = self.get((day, form))
        return BytesIO(kept) if kept is not None else None

    def keep(self, day: date, form: str, fill: Callable[[BinaryIO], None]) -> None:
        file = BytesIO()
        fill(file)
        self[day, form] = file.getvalue()


def traffic(day: int) -> list[Cell]:
    """A key of each day, one of all days, and one of the first alone, which spent most."""
    cells = [cell(day * DAY + place * 12, (day + place) * CENT, token=f"key-{place % 2 * day}") for place in range(24)]
    return cells if day else [cells[0], cell(3, 10**6 * CENT, token="once", endpoint="/once", user="she"), *cells[1:]]


def days(first: int, end: int, read_from: int = 0) -> Features:
    """Those of days `[first, end)`; what is before `read_from` is only known to be the same."""
    shift = first * DAY
    cells = tuple(
        one._replace(bucket=one.bucket - shift) for day in range(max(first, read_from), end) for one in traffic(day)
    )
    readings = {ORIGIN + day * SECONDS: f"of day {day}" for day in range(first, end)}
    start = cells[0].bucket if cells else None
    return Features(ORIGIN + first * SECONDS, (end - first) * DAY, start, BASE_DIMENSIONS, cells, (), (), {}, readings)


def begun(features: Features, shelf: Plain | None = None, rules: Rules = Rules(), zone: tzinfo = UTC) -> Engine:  # noqa: B008 - frozen
    return begin(rules, zone, features, features.count, shelf)


def state(engine: Engine, features: Features) -> object:
    """What is known, in buckets of the features."""
    standing, shift = engine.standing, (features.origin - engine.origin) // BUCKET_SECONDS
    prices = {name for name in ("/a", "/once") if engine._prices.history(name) is not None}
    series = {
        key: ([bucket - shift for bucket in one.at], one.first - shift, one.spent(standing.end - DAY, standing.end))
        for key, one in standing.series.items()
    }
    assert sorted(standing.tokens) == sorted(value for name, value in series if name == "token")
    return standing.end - shift, standing.first - shift, standing.mean_hour, standing.day, prices, series


def test_of_the_same_days_nothing_is_fed_again() -> None:
    shelf, whole = Plain(), days(0, DAYS)
    first = begun(whole, shelf)
    assert [day for day, _ in shelf] == [date(2026, 9, DAYS)]
    kept = dict(shelf)
    again = begun(days(0, DAYS, read_from=DAYS), shelf)
    assert state(again, whole) == state(first, whole) == state(begun(whole), whole)
    assert first.standing.series["token", "once"].first == 3
    assert shelf == kept


@pytest.mark.parametrize("passed", [1, 3])
def test_a_later_start_goes_on_from_there_and_forgets_what_it_would_not_have_read(passed: int) -> None:
    shelf = Plain()
    begun(days(0, DAYS), shelf)
    end = DAYS + passed
    found, read = begun(days(passed, end, read_from=DAYS), shelf), days(passed, end)
    assert state(found, read) == state(begun(read), read)
    # And the next from what that one learned.
    del shelf[next(iter(shelf))]
    found, read = begun(days(passed, end + 1, read_from=end), shelf), days(passed, end + 1)
    assert state(found, read) == state(begun(read), read)


@pytest.mark.parametrize("day", [0, 4, DAYS - 1])
def test_a_day_that_reads_otherwise_is_learned_again_with_all_of_them(day: int) -> None:
    shelf, whole = Plain(), days(0, DAYS)
    begun(whole, shelf)
    cells = tuple(one for one in whole.cells if one.bucket // DAY != day)
    other = replace(whole, cells=cells, readings={**whole.readings, ORIGIN + day * SECONDS: "otherwise"})
    assert state(begun(other, shelf), other) == state(begun(other), other)


def test_where_a_day_may_still_change_nothing_is_kept_nor_used() -> None:
    shelf, whole = Plain(), days(0, DAYS)
    readings = {start: reading for start, reading in whole.readings.items() if start != ORIGIN + 4 * SECONDS}
    open_day = replace(whole, readings=readings)
    begun(open_day, shelf)
    assert shelf == {}
    begun(whole, shelf)
    less = replace(open_day, cells=whole.cells[:-9])
    assert state(begun(less, shelf), less) == state(begun(less), less)


def test_what_is_watched_and_in_which_zone_makes_another_form_how_closely_does_not() -> None:
    shelf, whole = Plain(), days(0, DAYS)
    begun(whole, shelf)
    begun(whole, shelf, Rules("low", min_excess=CENT, off=frozenset({"spike"})))
    assert len(shelf) == 1
    begun(whole, shelf, Rules(dimensions=("token",)))
    begun(whole, shelf, Rules(errors=True))
    begun(whole, shelf, Rules(off=frozenset({"loop"})))
    begun(whole, shelf, zone=ZoneInfo("America/New_York"))
    assert len(shelf) == 5
    more = tuple(one._replace(names=(*one.names, "x")) for one in whole.cells)
    begun(replace(whole, dimensions=(*BASE_DIMENSIONS, "team"), cells=more), shelf)
    assert len(shelf) == 6
