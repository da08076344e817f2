"""Columns, cells and titles of the tables; single requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_scene import MONTH, NOW, WEEK, endpoints, key_lens, lens, models, providers, request, scene
from textual.content import Content

from cost_top.model.money import pico
from cost_top.model.request_fields import key_ids
from cost_top.model.snapshot import Stale
from cost_top.model.text import clean
from cost_top.model.windows import Period
from cost_top.tui.render.columns import cells, columns_for, drawing_of, heading, panel_title, period_name
from cost_top.tui.render.requests import detail_lines, request_cells, request_columns, request_detail
from cost_top.tui.render.style import plain_ascii

TODAY = NOW.date()
HOSTILE = st.none() | st.text(max_size=80).map(clean) | st.sampled_from(["[red]x[/]", "日本語" * 9, "", "a" * 300])


def row(shown, index, width, marked=False):
    columns = columns_for(shown.dimension, width, marked)
    return Content.assemble(*cells(shown, index, columns, drawing_of(shown, scene()))).plain


def test_provider_rows():
    shown = replace(providers(), trends=((0, 1, 2, 4, 8),) * 8)
    assert [column.key for column in columns_for("provider", 78, False)] == [
        "name", "bar", "cost", "change", "share", "requests", "trend",
    ]  # fmt: skip
    assert " ".join(row(shown, 0, 78).split()) == "anthropic █████████▏ $1,402.10 +$202.10 +17 % 75.9 % 18.2k ·▁▂▄▇"
    assert row(shown, 5, 78).split()[2:5] == ["$0.0526", "–", "<0.1"]


def test_decimal_points_stand_below_one_another():
    shown = providers()
    points = {row(shown, index, 78).index(".") for index in range(6)}
    assert len(points) == 1


def test_unpriced_is_said_and_nothing_is_nothing():
    shown = providers()
    assert "≥$30.03" in row(shown, 3, 60)
    assert "$0.00" in row(shown, 6, 60)
    last = row(shown, 7, 60)
    assert "unpriced" in last
    assert "$0.00" not in last
    assert last.startswith("no provider")


def test_a_key_is_its_id_and_its_name():
    assert row(key_lens(), 0, 60).startswith("pg_live_xy7… customer-A ")
    assert row(key_lens(), 2, 60).startswith("pg_live_noname_1234567 ")
    assert row(key_lens(), 3, 60).startswith("no key ")
    assert row(key_lens(), 0, 30).startswith("customer-A ")


def test_keys_of_one_name_are_told_apart_at_every_width():
    pairs = [
        (("pg_live_ab_xy7q", "ci"), "3", 8, 0),
        (("pg_live_ab_qz3k", "ci"), "2", 9, 0),
        (("pg_x", "web"), "1", 1, 0),
    ]
    shown = lens("token", pairs, WEEK, previous=(None,) * 3, total="6")
    for width in (24, 30, 40, 60):
        told = [row(shown, index, width).split("$")[0].rstrip() for index in range(3)]
        assert len(set(told)) == 3, width
        assert "xy7q" in told[0], width
        assert "qz3k" in told[1], width
        assert "…" not in told[2], width


def test_what_has_no_price_has_no_change():
    shown = replace(models(), previous=(pico("900"), pico("100"), pico("0")))
    for before in ("0", "7"):
        shown = replace(shown, previous=(*shown.previous[:2], pico(before)))
        columns = columns_for("model", 78, False)
        place = [column.key for column in columns].index("change")
        assert cells(shown, 2, columns, drawing_of(shown, scene()))[place].plain.strip() == "–"


def test_change_is_told_as_how_many_times_and_beside_the_amount_where_there_is_room():
    def told(width):
        columns = columns_for("endpoint", width, False)
        place = [column.key for column in columns].index("change")
        return [
            cells(endpoints(), index, columns, drawing_of(endpoints(), scene()))[place].plain.strip()
            for index in range(5)
        ]

    assert told(30) == ["+37 %", "-1 %", "-61 %", "new", "–"]
    assert [" ".join(text.split()) for text in told(70)] == [
        "+$112.30 +37 %",
        "-$2.40 -1 %",
        "-$48.80 -61 %",
        "+$2.10 new",
        "–",
    ]


@pytest.mark.parametrize("dimension", ["provider", "endpoint", "token", "model"])
def test_every_table_has_a_change_column_that_can_be_sorted_by_from_the_width_of_a_third_of_a_screen(dimension):
    for width in (29, 34, 60, 78):
        found = [column for column in columns_for(dimension, width, False) if column.key == "change"]
        assert [column.measure for column in found] == ["change"], width


def test_what_is_marked_has_a_column():
    shown = replace(models(), since_mark=(pico("1.5"), 0, 0))
    assert "mark" in [column.key for column in columns_for("model", 60, True)]
    assert "$1.50" in row(shown, 0, 60, marked=True)
    assert "–" in row(shown, 1, 60, marked=True)


def test_figures_of_a_source_that_does_not_answer_are_faint():
    columns = columns_for("model", 60, False)
    stale = scene(state=Stale(NOW, "gone", NOW))
    assert (
        cells(models(), 0, columns, drawing_of(models(), stale))[1].spans
        != cells(models(), 0, columns, drawing_of(models(), scene()))[1].spans
    )


@given(
    st.sampled_from(["provider", "endpoint", "token", "model", "user", "tag", "team", "credential_type", "owner"]),
    st.integers(16, 160), st.booleans(), HOSTILE, HOSTILE, st.integers(0, 10**18), st.integers(0, 2),
)  # fmt: skip
@settings(max_examples=200)
def test_cells_are_exactly_as_wide_as_their_columns(dimension, width, marked, key, name, cost, unpriced):
    columns = columns_for(dimension, width, marked)
    assert sum(column.width for column in columns) == width
    shown = lens(dimension, [((key, name) if dimension == "token" else key, "1", 123_456, unpriced)],
                 trends=((1, 2, 3),), previous=(cost,), since_mark=(cost,))  # fmt: skip
    made = cells(shown, 0, columns, drawing_of(shown, scene()))
    assert [cell.cell_length for cell in made] == [column.width for column in columns]
    assert [heading(column).cell_length for column in columns] == [column.width for column in columns]
    assert not any("\n" in cell.plain or "\x1b" in cell.plain for cell in made)


def test_markup_in_a_name_stays_text():
    shown = lens("model", [("[red]x[/]", "1", 1, 0)])
    assert row(shown, 0, 60).startswith("[red]x[/] ")


def test_titles_name_their_period():
    assert panel_title(endpoints(), scene(), UTC).plain == "Top endpoints · 7 d"
    assert panel_title(providers(), scene(), UTC).plain == "Providers · 30 d"
    assert "overlap" in panel_title(lens("tag", [("prod", "1", 1, 0)]), scene(), UTC).plain
    short = replace(models(), report=replace(models().report, row_count=12_345))
    assert panel_title(short, scene(), UTC).plain.endswith("3 of 12.3k")


def test_periods_in_few_words():
    month = Period(NOW.replace(day=1, hour=0, minute=0, second=0), NOW)
    to_date = scene(period=month, view=replace(scene().view, window="mtd"))
    assert period_name(month, to_date, UTC) == "since 2026-11-01"
    assert period_name(WEEK, to_date, UTC) == "7 d"
    hours = [Period(NOW - timedelta(hours=hours), NOW) for hours in (1, 24)]
    assert [period_name(period, scene(), UTC) for period in hours] == ["60 min", "24 h"]
    assert period_name(MONTH, scene(), UTC) == "30 d"


@given(st.integers(9, 250), HOSTILE, st.none() | st.integers(0, 10**17), st.none() | st.integers(100, 599))
def test_requests_fit(width, name, cost, status):
    columns = request_columns(width)
    row = request(model=name, endpoint=name, user=name, cost=cost, status=status)
    made = request_cells(row, columns, UTC, {}, TODAY)
    assert sum(column.width for column in columns) == width
    assert [cell.cell_length for cell in made] == [column.width for column in columns]


def test_a_request_without_a_price_is_unpriced_and_an_error_is_a_word():
    columns = request_columns(120)
    row = request(cost=None, price_status="unpriced", status=500)
    shown = "".join(cell.plain for cell in request_cells(row, columns, ZoneInfo("Europe/Berlin"), {}, TODAY))
    assert "unpriced" in shown
    assert "500 err" in shown
    assert shown.startswith("11-14 15:03:22")


@pytest.mark.parametrize(
    ("width", "today", "earlier"),
    [(72, "14:03:22", "14:03:22"), (76, "14:03:22", "11-04 14:03"), (90, "11-14 14:03:22", "11-04 14:03:22")],
)
def test_a_request_of_another_day_has_its_date_also_on_a_narrow_screen(width, today, earlier):
    columns = request_columns(width)
    rows = (request(), request(time=NOW - timedelta(days=10)))
    shown = [request_cells(row, columns, UTC, {}, TODAY)[0].plain.strip() for row in rows]
    assert shown == [today, earlier]


def test_requests_of_keys_of_one_name_are_told_apart():
    rows = [request(token=token, token_name="ci") for token in ("k-1111", "k-2222")]
    columns = request_columns(200)
    made = [request_cells(row, columns, UTC, key_ids(rows), TODAY) for row in rows]
    shown = ["".join(cell.plain for cell in line) for line in made]
    assert [("ci …1111 " in line, "ci …2222 " in line) for line in shown] == [(True, False), (False, True)]
    alone = request_cells(rows[0], columns, UTC, key_ids(rows[:1]), TODAY)
    assert "ci" in [cell.plain.strip() for cell in alone]


@given(st.integers(24, 120), HOSTILE)
def test_the_detail_of_a_request_cuts_nothing(width, name):
    pairs = [("request", "req-" + "0123456789abcdef" * 4), ("user", name or ""), ("status", "200")]
    made = detail_lines(pairs, width)
    assert all(line.cell_length <= width for line in made)
    assert "".join(line.plain[9:].rstrip() for line in made).startswith(pairs[0][1])
    assert made[-1].plain == "status   200"


def test_the_detail_of_a_request_is_exact_and_says_unknown():
    told = dict(request_detail(request(reasoning_tokens=None), UTC))
    assert told["cost"] == "$0.0526 (exactly $0.05259)"
    assert told["  reasoning"] == "unknown"
    assert told["token"] == "pg_live_xy7Qk2mm0a (customer-A)"
    assert dict(request_detail(request(cost=None, price_status="unpriced"), UTC))["cost"] == "unpriced"


@pytest.mark.parametrize("index", range(8))
def test_a_terminal_without_unicode_gets_ascii_of_the_same_width(index):
    columns = columns_for("provider", 78, False)
    line = Content.assemble(*cells(providers(), index, columns, drawing_of(providers(), scene())))
    assert plain_ascii(line).plain.isascii()
    assert plain_ascii(line).cell_length == line.cell_length


@pytest.mark.parametrize(("told", "plain"), [
    ("month end ≈ $2,110; ≤ $3.00 left", "month end ~ $2,110; < $3.00 left"),
    ("cached input 61 % → 10 %", "cached input 61 % to 10 %"),
    ("← → by key  ⏎ look", "left right by key  enter look"),
    ("⇥ completes  ↑ earlier ones", "tab completes  up earlier ones"),
])  # fmt: skip
def test_without_unicode_every_sign_of_ours_still_says_something(told, plain):
    assert plain_ascii(Content(told)).plain == plain
