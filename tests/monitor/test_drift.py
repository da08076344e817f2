"""A gateway's own sums of days against the mirrored log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cost_top.model.errors import SourceError
from cost_top.model.windows import Period
from cost_top.monitor.drift import DRIFT_SECONDS, Drift
from cost_top.sources.base import Statistics

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOLLAR = 10**12


def day(number: int) -> date:
    return date(2026, 11, number)


class Reader:
    """Of a log whose gateway sums days."""

    def __init__(self, rolled: Mapping[date, int] | None, spent_ms: float = 0.0) -> None:
        self.rolled = rolled
        self.spent_ms = spent_ms
        self.statistics = Statistics()
        self.asked: list[tuple[date, date]] = []

    def rolled_up(self, first: date, last: date) -> Mapping[date, int]:
        self.asked.append((first, last))
        self.statistics.database_ms += self.spent_ms
        if self.rolled is None:
            raise SourceError("gone")
        return self.rolled


class Mirrored:
    """The log: closed days, and its first row."""

    def __init__(self, logged: Mapping[date, int], oldest: datetime | None) -> None:
        self.logged, self.oldest, self.rows = logged, oldest, self

    def reported(self, days: Iterable[date]) -> dict[date, int]:
        return {each: self.logged[each] for each in days if each in self.logged}


def drift(reader: Any) -> Drift:
    return Drift(reader)


def test_days_that_differ_are_told_and_what_is_not_closed_yet_is_not() -> None:
    rolled = {day(2): 4 * DOLLAR, day(10): 7 * DOLLAR, day(11): 5 * DOLLAR + 1, day(12): DOLLAR, day(19): 9 * DOLLAR}
    log: Any = Mirrored({day(10): 5 * DOLLAR, day(11): 5 * DOLLAR, day(12): 2 * DOLLAR}, datetime(2026, 11, 9))
    reader = Reader(rolled)
    found = drift(reader)
    assert found.look(log, 31, NOW, 0.0)
    assert reader.asked == [(date(2026, 10, 20), day(20))]
    month = Period(NOW - timedelta(days=30), NOW)
    # Retention took the second of the month, a rounding is no drift, and the nineteenth is not read yet.
    assert found.within(month) == (4 * DOLLAR + 2 * DOLLAR - DOLLAR, 3)
    assert found.within(Period(datetime(2026, 11, 10, 1, tzinfo=UTC), NOW)) == (-DOLLAR, 1)
    assert not found.look(log, 31, NOW, DRIFT_SECONDS - 1), "asked four times an hour at most"
    assert len(reader.asked) == 1
    log.logged = {each: spent for each, spent in rolled.items() if each != day(2)}
    assert found.look(log, 31, NOW, DRIFT_SECONDS)
    assert found.within(month) == (4 * DOLLAR, 1)


def test_a_dear_look_is_rare_and_one_that_fails_is_silent() -> None:
    log: Any = Mirrored({}, None)
    reader = Reader({}, spent_ms=5000.0)
    found = drift(reader)
    assert not found.look(log, 31, NOW, 0.0)
    assert not found.look(log, 31, NOW, 4999.0)
    assert len(reader.asked) == 1
    assert not drift(Reader(None)).look(log, 31, NOW, 0.0)


def test_a_log_whose_gateway_sums_nothing() -> None:
    class Other:
        statistics = Statistics()

    log: Any = Mirrored({}, None)
    assert not drift(Other()).look(log, 31, NOW, 0.0)
