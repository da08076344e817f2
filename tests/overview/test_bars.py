"""The bars of the chart tile their period whatever the zone does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from cost_top.insight.burn import usual, usual_hours
from cost_top.model.engine import STRETCH
from cost_top.model.query import Measures, Report, ReportRow
from cost_top.model.windows import Period
from cost_top.overview.bars import bar_edges, quarter_number
from cost_top.overview.replies import stretches_of

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.timedeltas(timedelta(minutes=5), timedelta(days=62)),
    ZONES,
)
def test_bars_cover_the_period_without_gap(start: datetime, length: timedelta, zone: str) -> None:
    period = Period(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + length)
    edges = bar_edges(period, ZoneInfo(zone))
    assert edges[0] <= period.start < edges[1]
    assert edges[-2] < period.end <= edges[-1]
    assert all(before < after for before, after in pairwise(edges))
    if length > timedelta(hours=2):
        assert all(edge.minute % 15 == 0 and edge.second == 0 for edge in edges), "quarters of an hour hold whole bars"


def test_a_day_with_a_change_of_the_clocks_is_one_bar() -> None:
    period = Period(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    lengths = [after - before for before, after in pairwise(bar_edges(period, ZoneInfo("Europe/Berlin")))]
    assert lengths.count(timedelta(hours=25)) == 1
    assert set(lengths) == {timedelta(hours=24), timedelta(hours=25)}


def test_usual_is_the_median_of_the_same_hour() -> None:
    hours = usual_hours(datetime(2026, 11, 21, 14, 22, tzinfo=UTC))
    assert hours[0] == (datetime(2026, 11, 14, 13, 15, tzinfo=UTC), datetime(2026, 11, 14, 14, 15, tzinfo=UTC))
    assert usual([4, 1, 100]) == 4
    assert usual([4]) is None
    assert quarter_number(datetime(1970, 1, 1, 1, tzinfo=UTC)) == 4


def test_groups_of_a_bar_add_up_and_what_one_of_them_does_not_tell_is_unknown() -> None:
    def row(provider: str, place: int, **told: Any) -> ReportRow:
        return ReportRow((provider, str(place)), Measures(**told))

    rows = (
        row("a", 0, total_cost=5, request_count=2, saved_by_cache=1, unpriced_count=1, error_count=None),
        row("a", 1, total_cost=7, input_tokens=9),
        row("b", 0, total_cost=4, request_count=3, saved_by_cache=2, unpriced_count=2, error_count=1),
    )
    found = stretches_of(Report(("provider", STRETCH), rows, Measures(), 3, datetime(2026, 3, 4, tzinfo=UTC)))
    assert found[1] is rows[1].measures
    both = found[0]
    assert (both.total_cost, both.request_count, both.saved_by_cache, both.unpriced_count) == (9, 5, 3, 3)
    assert both.error_count is None
