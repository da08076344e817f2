from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cost_top.model.filter import parse_filter
from cost_top.model.view import View
from cost_top.tui import navigation

NOW = datetime(2026, 11, 21, 14, 3, 22, tzinfo=UTC)


def test_drill_adds_the_rows_term_and_ends_where_it_was():
    drilled = navigation.drill(View(), "provider", "openai", "openai")
    assert drilled is not None
    assert str(drilled.where) == "provider:openai"
    assert navigation.drill(drilled, "provider", "openai", "openai") is None
    assert navigation.back(drilled) == View()


def test_drill_into_what_is_not_attributed():
    drilled = navigation.drill(View(), "user", None, "no user")
    assert drilled is not None
    assert str(drilled.where) == "-user:*"


def test_back_leaves_the_filter_last():
    view = navigation.drill(View(filter=parse_filter("tag:prod")), "model", "gpt-5", "gpt-5")
    assert view is not None
    assert str(navigation.back(view).where) == "tag:prod"
    assert navigation.back(navigation.back(view)) == View()
    assert navigation.back(View()) == View()


def test_windows_stop_at_both_ends():
    view = View(window="1h")
    assert navigation.other_window(view, -1) == view
    assert [navigation.other_window(View(window=name), 1).window for name in ("1h", "24h", "7d", "30d", "mtd")] == [
        "24h", "7d", "30d", "mtd", "mtd",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("window", "ends"),
    [
        ("1h", ["2026-11-21T13:45", "2026-11-21T13:30"]),
        ("24h", ["2026-11-21T06:00", "2026-11-21T00:00"]),
        ("7d", ["2026-11-19T00:00", "2026-11-17T00:00"]),
        ("30d", ["2026-11-14T00:00", "2026-11-07T00:00"]),
    ],
)
def test_stepping_back_by_a_quarter_and_forward_to_now(window, ends):
    view = View(window=window)
    for end in ends:
        view = navigation.travelled(view, -1, NOW, UTC)
        assert view.end == datetime.fromisoformat(f"{end}:00+00:00")
    for _ in ends:
        view = navigation.travelled(view, 1, NOW, UTC)
    assert navigation.travelled(view, 1, NOW, UTC).end is None
    assert navigation.travelled(View(), 1, NOW, UTC) == View()


def test_days_are_cut_at_local_midnight_over_a_clock_change():
    berlin = ZoneInfo("Europe/Berlin")
    after = datetime(2026, 10, 27, 12, tzinfo=UTC)
    view = navigation.travelled(View(window="7d"), -1, after, berlin)
    assert view.end == datetime(2026, 10, 25, 0, tzinfo=berlin)
    assert navigation.travelled(view, 1, after, berlin).end == datetime(2026, 10, 27, 0, tzinfo=berlin)


def test_hours_are_cut_on_the_local_clock():
    kolkata = ZoneInfo("Asia/Kolkata")
    view = navigation.travelled(View(window="24h"), -1, NOW, kolkata)
    assert view.end is not None
    assert view.end.astimezone(kolkata).strftime("%H:%M:%S") == "12:00:00"


def test_zoom_into_a_day_and_into_the_running_hour():
    day = datetime(2026, 11, 7, tzinfo=UTC)
    assert navigation.zoomed(View(), day, day + timedelta(days=1), NOW) == View(
        window="24h", end=day + timedelta(days=1)
    )
    hour = NOW.replace(minute=0, second=0)
    assert navigation.zoomed(View(window="24h"), hour, hour + timedelta(hours=1), NOW) == View(window="1h", end=None)


def test_sorting_by_the_same_measure_turns_the_order_round():
    view = navigation.sorted_by(View(), "model", "total_cost")
    assert view.sort_of("model") == ("total_cost", False)
    view = navigation.sorted_by(view, "model", "request_count")
    assert view.sort_of("model") == ("request_count", True)
    assert view.sort_of("provider") == ("total_cost", True)
    assert len(view.sort) == 1


def test_the_measure_beside():
    measures = ("total_cost", "request_count")
    assert navigation.next_measure(measures, "request_count", 1) == "total_cost"
    assert navigation.next_measure(measures, "total_cost", -1) == "request_count"
    assert navigation.next_measure(measures, "gone", 1) == "total_cost"
