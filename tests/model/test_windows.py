"""Periods: half-open, cut at the zone's midnight, right across a change of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cost_top.config import parse_zone
from cost_top.model.errors import UserError
from cost_top.model.windows import (
    Period,
    asked_period,
    local_midnight,
    month_start,
    parse_instant,
    previous_period,
    window_named,
    window_period,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 30, 10, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("7d", NOW - timedelta(days=7)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2w", NOW - timedelta(days=14)),
        ("now", NOW),
        ("today", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("yesterday", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("2026-03-29T12:00", datetime(2026, 3, 29, 10, tzinfo=UTC)),
        ("2026-03-29T12:00:00Z", datetime(2026, 3, 29, 12, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert parse_instant(text, NOW, BERLIN, "--since") == instant


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "7", "2026-02-30", "999999w"])
def test_no_instant(text: str) -> None:
    with pytest.raises(UserError, match="--until"):
        parse_instant(text, NOW, BERLIN, "--until")


def test_a_period_without_its_start_is_as_long_as_usual_and_ends_where_it_is_told() -> None:
    day = timedelta(hours=24)
    end = datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert asked_period(None, "2026-03-01", NOW, BERLIN, day) == Period(end - day, end)
    assert asked_period("90m", "now", NOW, BERLIN, day) == Period(NOW - timedelta(minutes=90), NOW)
    for since, until in (("7d", "2026-03-01"), (None, "0001-01-01T12:00:00Z"), ("now", "now")):
        with pytest.raises(UserError, match="--until"):
            asked_period(since, until, NOW, BERLIN, day)


def test_the_short_and_the_long_day() -> None:
    assert local_midnight(date(2026, 3, 30), BERLIN) - local_midnight(date(2026, 3, 29), BERLIN) == timedelta(hours=23)
    assert local_midnight(date(2026, 10, 26), BERLIN) - local_midnight(date(2026, 10, 25), BERLIN) == timedelta(
        hours=25
    )


def test_windows_and_what_they_are_compared_with() -> None:
    week = window_period(window_named("7d"), NOW, BERLIN)
    assert week == Period(NOW - timedelta(days=7), NOW)
    assert previous_period(window_named("7d"), week, BERLIN) == Period(
        NOW - timedelta(days=14), NOW - timedelta(days=7)
    )
    month = window_period(window_named("mtd"), NOW, BERLIN)
    assert month.start == month_start(NOW, BERLIN) == datetime(2026, 2, 28, 23, tzinfo=UTC)
    before = previous_period(window_named("mtd"), month, BERLIN)
    assert before.start == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert before.end <= month.start


def test_zones() -> None:
    assert parse_zone("UTC") is UTC
    assert parse_zone("Europe/Berlin") == BERLIN
    for name in ("Mars/Olympus", "../etc/passwd", "", "Europe"):
        with pytest.raises(UserError, match="unknown time zone"):
            parse_zone(name)
