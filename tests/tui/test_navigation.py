from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.view import View
from cost_top.model.windows import WINDOW_NAMES
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
    assert [navigation.other_window(View(window=name), 1).window for name in WINDOW_NAMES] == [
        "24h", "7d", "30d", "mtd", "90d", "12mo", "12mo",
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


def test_a_zoomed_bar_is_a_step_that_leads_back_to_the_window_it_was_seen_in():
    day = datetime(2026, 11, 7, tzinfo=UTC)
    seen = navigation.drill(View(), "model", "gpt-5", "gpt-5")
    zoomed = navigation.zoomed(seen, day, day + timedelta(days=1), NOW, "Nov 7")
    assert (zoomed.start, zoomed.end) == (day, day + timedelta(days=1))
    assert [crumb.label for crumb in zoomed.crumbs] == ["gpt-5", "Nov 7"]
    assert zoomed.where == seen.where
    hour = NOW.replace(minute=0, second=0)
    deeper = navigation.zoomed(zoomed, hour, hour + timedelta(hours=1), NOW, "14h")
    assert (deeper.start, deeper.end) == (hour, None), "what reaches past now stays live"
    assert navigation.back(deeper) == zoomed
    assert navigation.back(zoomed) == seen
    assert navigation.at_time(deeper, None, None) == seen, "another time leaves the steps into bars"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-11-01", "2026-11-01", "2026-11-02"),
        ("2026-11-01..2026-11-15", "2026-11-01", "2026-11-16"),
        ("yesterday", "2026-11-20", "2026-11-21"),
        ("2026-11-01T14:00", "2026-11-01T14:00", "2026-11-01T15:00"),
        ("2026-11-01T14:00..2026-11-01T16:30", "2026-11-01T14:00", "2026-11-01T16:30"),
        ("2026-11-01..", "2026-11-01", None),
        ("2026-11-01..2026-11-21", "2026-11-01", None),
    ],
)
def test_going_to_a_date(text, start, end):
    def at(word):
        return datetime.fromisoformat(word).replace(tzinfo=UTC) if word else None

    view = navigation.gone_to(View(window="7d"), text, NOW, UTC)
    assert (view.start, view.end) == (at(start), at(end))


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2027-01-01", "2026-11-15..2026-11-01", "..2026-11-01"])
def test_a_date_that_is_none_is_told(text):
    with pytest.raises(UserError):
        navigation.gone_to(View(), text, NOW, UTC)


def test_a_stretch_of_days_is_stepped_by_a_quarter_and_a_window_ends_it():
    view = navigation.gone_to(View(window="7d"), "2026-11-01..2026-11-08", NOW, UTC)
    earlier = navigation.travelled(view, -1, NOW, UTC)
    assert (earlier.start, earlier.end) == (datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 11, 7, tzinfo=UTC))
    windowed = navigation.other_window(view, 1)
    assert (windowed.window, windowed.start, windowed.end) == ("7d", None, view.end)


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
