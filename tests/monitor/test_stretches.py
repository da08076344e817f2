"""How a period of a log is cut into stretches with few rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cost_top.model.windows import Period
from cost_top.monitor.log.stretches import Stretch, Stretches

END = datetime(2026, 11, 20, 1, tzinfo=UTC)
START = END - timedelta(days=30)
MIDNIGHT = END.replace(hour=0)


class Rows:
    """Times of rows, as a log counts them."""

    def __init__(self, *times: datetime) -> None:
        self._times = times

    def count(self, start: datetime, end: datetime) -> int:
        return sum(start <= time < end for time in self._times)


def cut(rows: Rows | None, width: float | None = None) -> list[Stretch]:
    stretches, told = Stretches(Period(START, END)), []
    while not stretches.is_done:
        for stretch in stretches.following(rows.count if rows is not None else lambda _start, _end: None, width):
            told.append(stretch)
            period = stretch.period
            days = -(-(period.end - period.start) // timedelta(days=1))
            stretches.held(stretch, rows.count(period.start, period.end) if rows is not None else 24_000 * days)
    assert [stretch.period.end for stretch in told] == [END, *(stretch.period.start for stretch in told[:-1])]
    assert told[-1].period.start == START
    return told


def test_days_of_few_rows_are_taken_together() -> None:
    told = cut(Rows(*(START + timedelta(hours=number) for number in range(720))))
    assert not any(stretch.is_cut for stretch in told)
    assert len(told) < 8
    assert all(stretch.period.end.hour in (0, 1) for stretch in told), "a closed day is read whole"


def test_a_day_of_many_rows_is_cut_where_they_are() -> None:
    crowded = MIDNIGHT - timedelta(days=3, hours=2)
    within = [crowded + timedelta(milliseconds=500 * number) for number in range(14_000)]
    same = [crowded + timedelta(minutes=61)] * 7_000
    rows = Rows(*within, *same, *(START + timedelta(hours=number) for number in range(720)))
    told = cut(rows)
    parts = [stretch.period for stretch in told if stretch.is_cut]
    assert (parts[0].end, parts[-1].start) == (MIDNIGHT - timedelta(days=3), MIDNIGHT - timedelta(days=4))
    most = sorted(rows.count(stretch.period.start, stretch.period.end) for stretch in told)
    assert most[-2] <= 6_000
    assert 7_000 <= most[-1] < 7_010, "what is of one instant is not cut"


def test_where_the_log_does_not_count_days_are_taken_by_those_before_them() -> None:
    """Just after midnight today says nothing of the days before it."""
    assert [stretch.period.start for stretch in cut(None)][:3] == [
        MIDNIGHT, MIDNIGHT - timedelta(days=1), MIDNIGHT - timedelta(days=2)
    ]  # fmt: skip


def test_of_wide_rows_fewer_are_held() -> None:
    rows = Rows(*(MIDNIGHT - timedelta(seconds=10 * number) for number in range(8_000)))
    for width, most in ((300, 6_000), (2_000, 1_250), (100_000, 1_000)):
        held = [rows.count(stretch.period.start, stretch.period.end) for stretch in cut(rows, width)]
        assert most * 0.6 < max(held) <= most
        assert sum(held) == 8_000
