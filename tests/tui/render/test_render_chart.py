"""The spend chart: zero-based, proportional, honest when bars are merged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_scene import NOW, daily

from cost_top.model.money import display_usd, pico
from cost_top.model.snapshot import TimeBar
from cost_top.tui.render.chart import bar_at, bars_of, spend_chart
from cost_top.tui.render.style import CHOSEN

COSTS = st.lists(st.integers(0, 10**16), min_size=1, max_size=120)
LEVELS = " ▁▂▃▄▅▆▇█"


def draw(bars, width, height, cursor=None, ascii_only=False):
    return spend_chart(bars, width, height, cursor=cursor, ascii_only=ascii_only).plain.split("\n")


def whole(costs):
    return tuple(
        TimeBar(NOW + timedelta(days=n), NOW + timedelta(days=n + 1), f"{n:02d}", cost, n, 0)
        for n, cost in enumerate(costs)
    )


def test_a_chart_in_full():
    costs = [pico(cost) for cost in ("10", "20", "40", "0", "30", "5")]
    bars = list(whole(costs))
    bars[-1] = replace(bars[-1], partial=True)
    assert draw(tuple(bars), 24, 5) == [
        "     $40.00│    █       ",
        "           │    █   █   ",
        "           │  █ █   █   ",
        "           │█ █ █   █ ░ ",
        "         $0 00  02  04  ",
    ]
    assert draw(tuple(bars), 44, 9)[4] == "    $20│      █████ █████       █████       "


@given(COSTS, st.integers(12, 160), st.integers(2, 30), st.booleans(), st.none() | st.integers(0, 119))
@settings(max_examples=150, deadline=None)
def test_every_line_is_exactly_as_wide_as_asked(costs, width, height, ascii_only, cursor):
    text = spend_chart(whole(costs), width, height, cursor=cursor, ascii_only=ascii_only)
    rows = text.split("\n")
    assert [row.cell_length for row in rows] == [width] * height
    assert not ascii_only or text.plain.isascii()


@given(COSTS, st.integers(40, 200))
@settings(max_examples=100, deadline=None)
def test_merged_bars_keep_the_sum(costs, width):
    bars = whole(costs)
    told = 0
    seen = []
    for x in range(width):
        at = bar_at(bars, width, x)
        if at is not None and at not in seen:
            seen.append(at)
            told += sum(costs[at : (seen_end(bars, width, at))])
    assert seen == sorted(seen)
    assert told == sum(costs)


def seen_end(bars, width, at):
    later = [found for x in range(width) if (found := bar_at(bars, width, x)) is not None and found > at]
    return min(later, default=len(bars))


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=40), st.integers(1, 12))
def test_bars_start_at_zero_and_are_in_proportion(values, height):
    rows = [row.plain for row in bars_of(values, len(values), height, "")]
    top = max(values)
    for column, value in enumerate(values):
        eighths = sum(LEVELS.index(row[column]) for row in rows)
        exact = value * height * 8 / top if top else 0
        assert abs(eighths - exact) <= 1
        assert (eighths == 0) == (value == 0)


@pytest.mark.parametrize("count", [31, 30, 25, 43, 61])
@pytest.mark.parametrize("width", [72, 76, 118])
def test_bars_fill_the_width_and_are_alike_where_they_are_parted(count, width):
    top = draw(whole([pico("100")] * count), width, 6)[0]
    drawn = top.partition("│")[2]
    widths = {len(bar) for bar in drawn.split()}
    if len(drawn.split()) == 1:
        assert drawn == "█" * len(drawn), "a bar a column or more: no holes"
    else:
        assert len(drawn.split()) == count
        assert len(widths) == 1
    assert len(drawn) - len(drawn.rstrip()) <= 2
    assert len(top) - len(drawn) <= len("$100.00│") + 6


@given(COSTS, st.integers(12, 200))
@settings(max_examples=100, deadline=None)
def test_every_column_belongs_to_the_bar_drawn_there(costs, width):
    bars = whole(costs)
    for index in {0, len(costs) // 2, len(costs) - 1}:
        columns = [x for x in range(width) if bar_at(bars, width, x) is not None]
        assert columns == list(range(columns[0], width))
        chosen = spend_chart(bars, width, 4, cursor=index, ascii_only=False).split("\n")[0]
        marked = {x for span in chosen.spans if span.style == CHOSEN for x in range(span.start, span.end)}
        assert {bar_at(bars, width, x) for x in marked} == {
            max(at for x in columns if (at := bar_at(bars, width, x)) <= index)
        }


def test_a_cut_day_is_hatched_and_the_hovered_bar_tells_its_figures():
    bars = daily()
    rows = draw(bars, 80, 12)
    assert "░" in rows[-2]
    assert rows[-2].count("░") == 2
    told = draw(bars, 80, 12, cursor=20)[-1]
    assert told.startswith(f"{bars[20].label} {display_usd(bars[20].cost)} · 520 requests · cache saved $5.10")
    assert "so far" in draw(bars, 80, 12, cursor=30)[-1]
    unpriced = (*bars[:5], replace(bars[5], unpriced_count=3), *bars[6:])
    assert "≥ $" in draw(unpriced, 90, 12, cursor=5)[-1]
    assert "3 unpriced" in draw(unpriced, 90, 12, cursor=5)[-1]


def test_a_merged_bar_names_its_span_and_sum():
    bars = whole([pico("1")] * 90)
    told = draw(bars, 60, 8, cursor=89)[-1]
    assert told.startswith("88 to 89 $2.00")


def test_dates_never_touch():
    for width in range(20, 200):
        labels = draw(daily(), width, 8)[-1]
        assert all(len(label) == 5 for label in labels.split()[1:]), labels


def test_nothing_to_draw():
    assert "no requests" in draw((), 40, 5)[0]
    assert bar_at((), 40, 10) is None
    assert bar_at(daily(), 80, 0) is None
    assert bar_at(daily(), 80, 79) == 30
    assert bar_at(daily(), 80, 80) is None
    assert "█" not in "".join(draw(whole([0, 0, 0]), 40, 5))


@pytest.mark.parametrize("width", [40, 60, 74, 120, 160])
@pytest.mark.parametrize("first_hour", [0, 4, 16, 20])
def test_the_dates_of_a_week_stand_at_midnights(width, first_hour):
    start = NOW.replace(hour=first_hour, minute=0, second=0, microsecond=0) - timedelta(days=7)
    step = timedelta(hours=4)
    bars = tuple(
        TimeBar(start + n * step, start + (n + 1) * step, f"{start + n * step:%a %Hh}", pico(str(n + 1)), 1, 0)
        for n in range(43)
    )
    line = draw(bars, width, 8)[-1]
    dates = line.replace("$0", "").split()
    assert len(dates) >= 4
    assert set(dates[1::2]) == {"00h"}
    assert all(len(day) == 3 for day in dates[::2]), "they never touch"
