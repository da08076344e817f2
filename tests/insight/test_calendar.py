"""Wall time: the same hour a week ago over a change of the clocks, and the turn of a month."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cost_top.insight.calendar import DAY, Calendar

ORIGIN = datetime(2026, 9, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def bucket(moment: datetime) -> int:
    return int((moment - ORIGIN).total_seconds()) // 300


def test_a_week_ago_is_the_same_wall_time_after_the_clocks_went_back() -> None:
    calendar = Calendar(int(ORIGIN.timestamp()), BERLIN)
    now = bucket(datetime(2026, 10, 27, 9, 0, tzinfo=BERLIN))
    assert calendar.back(now, 7) == bucket(datetime(2026, 10, 20, 9, 0, tzinfo=BERLIN))
    assert now - calendar.back(now, 7) == 7 * DAY + 12


def test_without_a_change_of_the_clocks_a_day_is_a_day() -> None:
    calendar = Calendar(int(ORIGIN.timestamp()), BERLIN)
    assert calendar.back(20 * DAY, 3) == 17 * DAY


def test_weekends_are_local() -> None:
    calendar = Calendar(int(ORIGIN.timestamp()), ZoneInfo("Asia/Tokyo"))
    assert calendar.is_weekend(bucket(datetime(2026, 9, 4, 15, 30, tzinfo=UTC)))  # Saturday 00:30 in Tokyo
    assert not calendar.is_weekend(bucket(datetime(2026, 9, 6, 15, 30, tzinfo=UTC)))


def test_the_first_days_of_a_month_look_at_the_first_days_of_the_month_before() -> None:
    calendar = Calendar(int(ORIGIN.timestamp()), UTC)
    assert calendar.month_before(bucket(datetime(2026, 11, 2, 9, tzinfo=UTC))) == bucket(
        datetime(2026, 10, 2, 9, tzinfo=UTC)
    )
    assert calendar.month_before(bucket(datetime(2026, 10, 31, 9, tzinfo=UTC))) == bucket(
        datetime(2026, 9, 30, 9, tzinfo=UTC)
    )
    assert calendar.month_before(bucket(datetime(2026, 10, 15, 9, tzinfo=UTC))) is None
