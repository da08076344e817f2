"""Every key does its work; `test_every_binding_has_a_test` keeps this file complete."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from fake_answers import FakeAnswers, measures
from running import recorded, running, screen_text, toasts
from snapshots import NOW, USD, empty, request_rows, snapshot
from test_watched_screens import LEAK, OVER
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input

from cost_top.cli.app import view_of
from cost_top.model.filter import FILTER_FIELDS, Filter, Term, parse_filter
from cost_top.model.money import usd_text
from cost_top.model.view import View
from cost_top.tui import keys
from cost_top.tui.panels.lens import LensTable
from cost_top.tui.screens.lines import DIMENSIONS
from cost_top.tui.theme import DARK, LIGHT
from cost_top.tui.widgets.lines import Lines

TESTED: set[str] = set()


def of_keys(*names):
    TESTED.update(names)
    return lambda test: test


def table(app, name="#provider"):
    return app.screen.query_one(name, LensTable)


@of_keys("row.open", "back")
async def test_enter_drills_and_escape_goes_back_and_never_quits():
    async with running() as (app, feed, pilot):
        await pilot.press("down", "enter")
        assert str(feed.view.where) == "provider:openai"
        assert feed.view.crumbs[0].label == "openai"
        assert "all requests › provider openai" in screen_text(app)
        await pilot.press("escape")
        assert feed.view.crumbs == ()
        await pilot.press("escape", "escape")
        assert app.is_running


@of_keys("row.open")
async def test_enter_where_nothing_is_left_to_drill_lists_the_requests():
    async with running() as (app, _, pilot):
        await pilot.press("enter")
        await pilot.press("enter")
        assert "Requests · newest first" in screen_text(app)
        assert "⏎ alone  esc back" in screen_text(app).splitlines()[-1]


@of_keys("row.up", "row.down", "row.page-up", "row.page-down", "row.first", "row.last")
async def test_the_cursor_moves():
    async with running() as (app, _, pilot):
        rows = table(app)
        for press, index in (
            ("down", 1),
            ("j", 2),
            ("k", 1),
            ("up", 0),
            ("end", 7),
            ("home", 0),
            ("pagedown", 7),
            ("pageup", 0),
        ):
            await pilot.press(press)
            assert rows.index == index, press


@of_keys("why")
async def test_w_says_why():
    async with running() as (app, feed, pilot):
        await pilot.press("w")
        await pilot.pause()
        assert feed.calls[-1] == "ask"
        assert "the source tells no such thing" in screen_text(app)


@of_keys("measure")
async def test_v_goes_through_the_measures_and_titles_say_which():
    async with running(size=(160, 42)) as (app, feed, pilot):
        await pilot.press("v")
        assert (feed.view.measure, feed.view.sort_of("provider")[0]) == ("tokens", "tokens")
        text = screen_text(app)
        assert "9 Tokens · 30 d" in text
        assert "1 Providers · 30 d by tokens" in text
        rows = table(app).lens.report.rows
        figures = [row.measures.input_tokens + row.measures.output_tokens for row in rows]
        assert figures == sorted(figures, reverse=True)
        assert "change" not in [column.key for column in table(app).columns]
        await pilot.press("y")
        assert f" tokens\t${usd_text(rows[0].measures.total_cost)}" in app.clipboard
        await pilot.press("v", "v", "v")
        assert feed.view.measure == "p95"
        assert "share" not in [column.key for column in table(app).columns]
        await pilot.press("v", "v")
        assert feed.view == View(lenses=feed.view.lenses)


@of_keys("prompt.complete")
async def test_tab_completes_the_filter_from_what_is_on_the_screen():
    async with running() as (app, feed, pilot):
        await pilot.press("slash", *"pro", "tab")
        prompt = app.screen.query_one(Input)
        assert prompt.value == "provider:"
        assert "provider:  prompt:" in str(app.screen.query_one(".prompt").border_subtitle)
        await pilot.press("tab")
        assert prompt.value == "prompt:"
        await pilot.press("ctrl+u", *"provider:op", "tab")
        assert prompt.value == "provider:openai"
        await pilot.press("space", *"endpoint:", "tab")
        first = prompt.value
        await pilot.press("tab")
        assert first.startswith("provider:openai endpoint:/")
        assert prompt.value != first, "one after another"
        await pilot.press("enter")
        assert str(feed.view.where) == prompt.value


@of_keys("prompt.complete")
async def test_tab_completes_what_was_on_the_screen_before_nothing_matched():
    def answer(view):
        return replace(empty(view), log_rows=60_000) if view.filter else snapshot(view)

    async with running(answer=answer) as (app, feed, pilot):
        await pilot.press("slash", *"provider:op")
        await pilot.pause(0.3)
        assert "no request matches   ⇥ openai   ⏎ keep" in screen_text(app)
        await pilot.press("tab")
        assert app.screen.query_one(Input).value == "provider:openai"
        await pilot.press("ctrl+u", *"endpoint:classify")
        await pilot.pause(0.3)
        assert "no request matches   ⇥ /classify" in screen_text(app)
        assert app.shown.lens("team") is None
        await pilot.press("ctrl+u", *"team:plat", "tab")
        assert app.screen.query_one(Input).value == "team:data-platform", "values of no panel on the screen too"
        await pilot.press("ctrl+u", *'tag:"a b" -model:haik', "tab")
        assert "find model '' within tag:\"a b\"" in feed.calls
        await pilot.press("ctrl+u", *'tag:"a b" -model:gpt', "tab")
        assert app.screen.query_one(Input).value.startswith('tag:"a b" -model:gpt-5')
        await pilot.press("ctrl+u", *"team:nobody", "tab")
        assert "nothing in this window is called so" in screen_text(app)


@of_keys("prompt.older", "prompt.newer")
async def test_filters_that_were_used_come_back_in_the_next_run_and_keys_do_not(tmp_path):
    kept = tmp_path / "state" / "filters.json"
    async with running(history=kept) as (_, _, pilot):
        for text in ("tag:prod", "user:acme", "token:sk-1234", "-token:corpkey7,*"):
            await pilot.press("slash", "end", "ctrl+u", *text, "enter")
    assert kept.stat().st_mode & 0o077 == 0
    assert "token" not in kept.read_text(), "what may be a key, whatever it looks like"
    async with running(history=kept) as (app, _, pilot):
        await pilot.press("slash", *"cost", "up")
        prompt = app.screen.query_one(Input)
        assert prompt.value == "user:acme"
        await pilot.press("up", "up")
        assert prompt.value == "tag:prod"
        await pilot.press("down", "down")
        assert prompt.value == "cost", "what was typed"


async def test_filters_that_cannot_be_read_are_set_aside_and_told(tmp_path, capfd):
    kept = tmp_path / "state" / "filters.json"
    kept.parent.mkdir()
    kept.write_text("{damaged")
    async with running(history=kept) as (app, _, pilot):
        await pilot.press("slash", "up")
        await pilot.pause()
        assert f"not readable and are now {kept.with_suffix('.broken.json')}" in toasts(app)
        await pilot.press(*"tag:prod", "enter")
    assert "tag:prod" in kept.read_text()
    assert capfd.readouterr().err == ""


@of_keys("help.find")
async def test_a_word_is_found_in_the_help():
    async with running() as (app, _, pilot):
        await pilot.press("question_mark", "slash", *"clipboard")
        await pilot.pause()
        assert "nothing here holds clipboard" in screen_text(app)
        await pilot.press("ctrl+u", *"ssh", "enter")
        await pilot.pause()
        text = screen_text(app)
        assert "works over ssh" in text
        assert "budgets" not in text.split("Take away")[0]
        await pilot.press("escape", "escape")
        assert app.screen.id != "help"
        assert "1 Providers" in screen_text(app)


@of_keys("incidents", "budgets")
async def test_a_and_b_list_incidents_and_budgets():
    async with running() as (_, feed, pilot):
        await pilot.press("a", "escape", "b")
        assert feed.calls[-2:] == ["incidents", "budgets"]


@of_keys("savings", "savings.left", "savings.right")
async def test_dollar_asks_for_savings_by_what_the_arrows_choose():
    async with running() as (app, feed, pilot):
        await pilot.press("dollar_sign", "right", "left", "left")
        await pilot.pause()
        assert feed.calls[-4:] == ["ask"] * 4
        assert "date waste [credits]" in screen_text(app)


@of_keys("unusual.look")
async def test_enter_in_the_line_of_what_is_unusual_looks_at_it():
    from test_unusual_line import LEAKS, burning, told

    async with running(answer=burning) as (app, feed, pilot):
        await told(app, feed, pilot, (LEAKS,))
        app.screen.query_one("#unusual").focus()
        await pilot.press("enter")
        assert str(feed.view.where) == "token:pg_agent"


@of_keys("row.exclude")
async def test_a_row_is_left_out_and_escape_takes_it_back():
    async with running() as (app, feed, pilot):
        await pilot.press("down", "exclamation_mark")
        assert str(feed.view.where) == "-provider:openai"
        await pilot.press("5", "end", "exclamation_mark")
        rows = table(app, "#tabs")
        assert str(feed.view.where) == f"-provider:openai -user:{rows.keys[rows.index][0]}"
        app.filter_by(Filter())
        rows.move_to(rows.keys.index((None,)))
        await pilot.press("exclamation_mark")
        assert str(feed.view.where) == "user:*", "without those that carry none"
        await pilot.press("escape")
        assert str(feed.view.where) == ""


@of_keys("requests.open", "requests.back", "requests.order")
async def test_the_log_of_requests():
    async with running() as (app, feed, pilot):
        await pilot.press("l")
        text = screen_text(app)
        assert "Requests · newest first · 60 of 92.4k" in text
        assert "credential type" in text
        assert "req_7_00000" in text
        await pilot.press("down")
        assert "req_7_00001" in screen_text(app)
        await pilot.press("o")
        assert feed.calls[-1] == "requests cost 200 None"
        assert "dearest first" in screen_text(app)
        await pilot.press("escape")
        assert "Top endpoints" in screen_text(app)


async def test_enter_shows_all_of_one_request_even_on_a_small_screen():
    async with running(size=(80, 24)) as (app, _, pilot):
        await pilot.press("l")
        assert "user agent" not in screen_text(app)
        await pilot.press("enter")
        assert "Requests · newest first" not in screen_text(app)
        await pilot.press("end")
        await pilot.pause()
        assert "user agent" in screen_text(app)
        await pilot.press("escape")
        assert "Requests · newest first" in screen_text(app)


@of_keys("panel.maximise")
async def test_one_panel_alone():
    async with running() as (app, feed, pilot):
        await pilot.press("z")
        await pilot.pause()
        assert app.screen.maximized is table(app)
        assert feed.view.timed == ("provider",)
        assert {"input_tokens", "latency_p95"} <= {column.measure for column in table(app).columns}
        for _ in range(20):
            await pilot.press("greater_than_sign")
            seen = feed.view.sort_of("provider")[0]
            assert seen in {column.measure for column in table(app).columns}, "what it is sorted by has a place"
            if seen == "cache_creation_input_tokens":
                break
        assert seen == "cache_creation_input_tokens", "every measure is reached"
        assert "Top endpoints" not in screen_text(app)
        await pilot.press("z")
        await pilot.pause()
        assert app.screen.maximized is None
        assert feed.view.timed == ()
        await pilot.press("z", "escape")
        assert app.screen.maximized is None


@of_keys(*(f"panel.{number}" for number in range(10)))
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (80, 40), (200, 50)])
async def test_numbers_focus_the_panels(size):
    async with running(size=size) as (app, feed, pilot):
        for number, lens in enumerate(
            ("provider", "endpoint", "token", "model", "user", "tag", "team", "credential_type", None, "owner"), 1
        ):
            if lens is None:
                continue
            await pilot.press(str(number % 10))
            assert app.screen.focused.dimension == lens
            assert lens in feed.view.lenses
            assert app.screen.focused.lens.dimension == lens
        await pilot.press("9")
        assert app.screen.focused.id == "chart"
        assert "9 Spend · 30 d" in screen_text(app)
        assert (app.screen.maximized is not None) == (size == (80, 24))
        await pilot.press("left")
        assert "Sat 21 Nov" in screen_text(app)
        await pilot.press("1")
        assert "1 Providers" in screen_text(app)
        assert app.screen.maximized is None


@of_keys("panel.c")
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_sessions_have_a_tab_that_is_asked_for_only_while_it_is_shown(size):
    async with running(size=size) as (app, feed, pilot):
        assert "session" not in feed.view.lenses
        await pilot.press("c")
        focused = app.screen.focused
        assert (focused.dimension, feed.view.tab) == ("session", "session")
        assert "session" in feed.view.lenses
        assert "c Sessions · 30 d" in screen_text(app)
        assert "s-1" in screen_text(app)
        assert "change" not in [column.key for column in focused.columns]
        await pilot.press("z")
        await pilot.pause()
        await pilot.press("greater_than_sign")
        assert feed.view.sort_of("session") == ("request_count", True), "sessions are compared with no other time"
        await pilot.press("z", "enter")
        assert feed.view.crumbs[-1].dimension == "session"
        await pilot.press("4")
        assert "session" not in feed.view.lenses


@of_keys("panel.next", "panel.previous")
async def test_tab_goes_round_the_panels_and_the_trust_line():
    async with running() as (app, _, pilot):
        seen = []
        for _ in range(9):
            seen.append(app.screen.focused.id)
            await pilot.press("tab")
        assert seen == ["provider", "endpoint", "token", "tabs", "trust", "spend", "burn", "saved", "chart"]
        assert app.screen.focused.id == "provider"
        await pilot.press("shift+tab")
        assert app.screen.focused.id == "chart"


@of_keys("sort.left", "sort.right", "sort.invert")
async def test_sorting():
    async with running() as (app, feed, pilot):
        await pilot.press("4", "greater_than_sign")
        await pilot.press("greater_than_sign")
        assert feed.view.sort_of("model")[0] in ("total_cost", "change", "request_count")
        columns = [column.measure for column in table(app, "#tabs").columns if column.measure]
        assert len(set(columns)) >= 1
        await pilot.press("i")
        assert feed.view.sort_of("model")[1] is False
        assert feed.view.sort_of("provider") == ("total_cost", True)
        assert "▴" in screen_text(app)
    async with running(size=(200, 50)) as (app, feed, pilot):
        await pilot.press("less_than_sign")
        assert feed.view.sort_of("provider") == ("request_count", True)
        assert "req▾" in screen_text(app)


@pytest.mark.parametrize("size", [(100, 30), (120, 36), (200, 50)])
async def test_every_table_in_sight_tells_the_change_and_can_be_sorted_by_it(size):
    async with running(size=size) as (app, feed, pilot):
        tables = [each for each in app.screen.query(LensTable) if each.region.area and each.keys]
        assert len(tables) >= 4
        for each in tables:
            assert "change" in [column.measure for column in each.columns], each.dimension
        await pilot.press("greater_than_sign")
        assert feed.view.sort_of("provider") == ("change", True)
        assert "chang▾" not in screen_text(app)
        assert "change▾" in screen_text(app)


async def test_a_click_on_a_title_sorts():
    async with running(size=(200, 50)) as (app, feed, pilot):
        rows = table(app)
        x = sum(column.width for column in rows.columns[: [c.key for c in rows.columns].index("requests") + 1]) + 1
        await pilot.click(rows, offset=(x, 1))
        assert feed.view.sort_of("provider") == ("request_count", True)
        await pilot.click(rows, offset=(x, 1))
        assert feed.view.sort_of("provider") == ("request_count", False)


@of_keys("bar.left", "bar.right", "bar.zoom")
async def test_the_chart_names_a_bar_and_zooms_into_it():
    async with running() as (app, feed, pilot):
        await pilot.press("9", "left", "left")
        assert "Fri 20 Nov" in screen_text(app)
        await pilot.press("left", "right", "enter")
        today = NOW.replace(hour=0, minute=0, second=0)
        assert (feed.view.start, feed.view.end) == (today - timedelta(days=1), today)
        assert "all requests › time Fri 20 Nov" in screen_text(app)
        assert "2026-11-20" in screen_text(app).splitlines()[0]
        await pilot.press("escape")
        assert feed.view.time == ("30d", None, None)


@of_keys("bar.lines", "lines.left", "lines.right")
async def test_d_on_the_chart_draws_lines_by_what_the_arrows_choose():
    async with running() as (app, feed, pilot):
        feed.answers = FakeAnswers(traffic)
        await pilot.press("9", "z", "d")
        await pilot.pause()
        screen = screen_text(app)
        assert "Spend by provider" in screen
        assert "acme" in screen, "the names of the lines"
        assert "$" in screen, "an axis of amounts"
        assert "\x1b" not in screen
        query = feed.answers.queries[-1]
        assert (query.start, query.end) == (app.shown.period.start, app.shown.period.end)
        assert query.group_by == ("day", "provider")
        await pilot.press("right", "left", "left")
        await pilot.pause()
        assert [query.group_by[1] for query in feed.answers.queries] == [
            "provider",
            "endpoint",
            "provider",
            DIMENSIONS[-1],
        ]
        feed.answers = None
        await pilot.press("right")
        await pilot.pause()
        assert "the source tells no such thing" in screen_text(app)
        await pilot.press("escape")
        assert "Spend by" not in screen_text(app)


async def test_lines_are_drawn_in_ascii_where_the_terminal_has_no_more():
    async with running(ascii_only=True) as (app, feed, pilot):
        feed.answers = FakeAnswers(traffic)
        await pilot.press("9", "d")
        await pilot.pause()
        drawn = app.screen.query_one("#drawn").text
        assert "acme" in drawn
        assert len(drawn.splitlines()) > 20, "as high as there is room"
        assert drawn.isascii()


def traffic(query):
    """Two providers over the days of the window."""
    days = [str((NOW - timedelta(days=back)).date()) for back in range(20)]
    return [
        ({"day": day, "provider": name, "endpoint": name}, measures(3 + number * place % 7, 1))
        for number, day in enumerate(days) for place, name in enumerate(("acme", "globex"))
    ]  # fmt: skip


async def test_pointing_at_a_bar_names_it():
    async with running() as (app, _, pilot):
        chart = app.screen.query_one("#chart")
        last = max(
            x for x in range(chart.size.width) if screen_text(app).splitlines()[17][chart.region.x + 2 + x] != " "
        )
        await pilot.hover(chart, offset=(2 + last, 3))
        assert "Sat 21 Nov" in screen_text(app)
        await pilot.hover("#trust")
        assert "Sat 21 Nov" not in screen_text(app)


@of_keys("trust.left", "trust.right", "trust.open")
async def test_the_trust_line_opens_what_is_behind_it():
    async with running() as (app, feed, pilot):
        app.screen.query_one("#trust").focus()
        await pilot.press("right", "left", "left", "right", "enter")
        assert "Requests" in screen_text(app)
        assert str(feed.view.where) == "price_status:reported,cache_hit"
        await pilot.press("escape")
        assert str(feed.view.where) == ""


async def test_a_click_on_a_part_of_the_trust_line_opens_it():
    async with running() as (app, feed, pilot):
        line = screen_text(app).splitlines()[-2]
        await pilot.click("#trust", offset=(line.index("unpriced"), 0))
        assert str(feed.view.where) == "unpriced:yes"


@of_keys("filter")
async def test_the_filter_answers_while_it_is_typed():
    async with running() as (app, feed, pilot):
        await pilot.press("slash", *"tag:prod")
        await pilot.pause(0.15)
        assert str(feed.view.where) == "tag:prod"
        assert "requests   ⏎ keep" in screen_text(app)
        await pilot.press("enter")
        assert str(feed.view.where) == "tag:prod"
        assert app.screen.id != "filter-prompt"
        await pilot.press("escape")
        assert str(feed.view.where) == ""


async def test_typing_fast_asks_once(monkeypatch):
    monkeypatch.setattr("cost_top.tui.screens.filter_prompt.DEBOUNCE", 60)
    async with running() as (_, feed, pilot):
        asked = len(feed.views)
        await pilot.press("slash", *"tag:prod")
        assert len(feed.views) == asked
        await pilot.press("enter")
        assert len(feed.views) == asked + 1
        assert str(feed.view.where) == "tag:prod"


async def test_a_bad_filter_says_why_and_keeps_the_old_one():
    async with running() as (app, feed, pilot):
        await pilot.press("slash", *"tag:prod", "enter")
        await pilot.press("slash")
        app.screen.query_one(Input).value = "tag:prod colour:red"
        await pilot.pause(0.15)
        assert str(feed.view.where) == "tag:prod"
        assert "unknown field 'colour'" in screen_text(app)
        await pilot.press("enter")
        assert app.screen.id == "filter-prompt", "it stays open"
        await pilot.press("escape")
        assert app.screen.id != "filter-prompt"
        assert str(feed.view.where) == "tag:prod"


async def test_what_is_wrong_with_a_filter_stays_told_while_requests_come_in():
    async with running() as (app, feed, pilot):
        await pilot.press("slash", *"colour:red")
        await pilot.pause(0.15)
        feed.refresh()
        await pilot.pause()
        assert "unknown field 'colour'" in screen_text(app)
        await pilot.press(*(["backspace"] * 10), *"tag:prod")
        await pilot.pause(0.15)
        assert "unknown field" not in screen_text(app)
        assert "requests   ⏎ keep" in screen_text(app)


async def test_a_word_typed_to_a_filter_that_is_there_is_a_term_of_its_own():
    async with running() as (_, feed, pilot):
        await pilot.press("slash", *"tag:prod", "enter")
        await pilot.press("slash", *"user:acme", "enter")
        assert str(feed.view.where) == "tag:prod user:acme"
        await pilot.press("slash", "enter")
        assert str(feed.view.where) == "tag:prod user:acme"


async def test_every_field_that_may_be_meant_is_told_at_80_columns():
    async with running(size=(80, 24)) as (app, _, pilot):
        await pilot.press("slash")
        app.screen.query_one(Input).value = "colour:red"
        await pilot.pause(0.15)
        told = " ".join(line.strip("│ ") for line in screen_text(app).splitlines()[-12:])
        for name in FILTER_FIELDS:
            assert name in told


async def test_keys_typed_on_after_a_tab_s_key_are_meant_for_that_tab():
    async with running() as (app, feed, pilot):
        held, feed.look = feed.look, lambda view: None  # no figures of the tab yet
        await pilot.press("5", "z")
        assert app.view.timed == ("user",)
        await pilot.press("right")
        assert app.view.timed == (app.view.tab,) != ("user",)
        feed.look = held


@pytest.mark.parametrize(("typed", "where", "sort"), [
    ("greater_than_sign", "", (("user", "change", True),)), ("i", "", (("user", "total_cost", False),)),
    ("enter", "user:acme-corp", ()), ("exclamation_mark", "", ()), ("y", "", ()),
])  # fmt: skip
async def test_keys_in_one_breath_with_a_tab_s_key_never_act_on_the_tab_before(typed, where, sort):
    async with running() as (app, feed, pilot):
        held, feed.look = feed.look, lambda view: None  # no figures of the tab yet
        await pilot.press("5", typed)
        feed.look = held
        feed.look(app.view)
        await pilot.pause()
        await pilot.pause()
        assert (app.view.tab, str(app.view.where), app.view.sort) == ("user", where, sort)
        assert not app.clipboard


async def test_escape_restores_the_filter_from_before():
    async with running() as (_, feed, pilot):
        await pilot.press("slash", *"model:gpt*")
        await pilot.pause(0.15)
        assert str(feed.view.where) == "model:gpt*"
        await pilot.press("escape")
        assert str(feed.view.where) == ""


@of_keys("listed.copy", "listed.screenshot", "listed.leave")
async def test_what_a_dialog_tells_can_be_taken_away_and_q_closes_it(tmp_path):
    async with running(size=(80, 24), folder=tmp_path, shows_toasts=True) as (app, feed, pilot):
        feed.found, feed.standing = (LEAK,), (OVER,)
        await pilot.press("a")
        await pilot.pause()
        await pilot.press("y", "s")
        first, *more = app.clipboard.splitlines()
        assert "\tkey triage-agent\t" in first
        assert LEAK.sentence in " ".join(more)
        (picture,) = tmp_path.glob("*.svg")
        assert "Incidents" in picture.read_text().replace("&#160;", " ")
        await pilot.press("q")
        assert app.is_running
        await pilot.press("b")
        await pilot.pause()
        await pilot.press("y")
        assert "$30.00 over" in app.clipboard
        assert "█" not in app.clipboard
        await pilot.press("q")
        await pilot.press("w", "y")
        await pilot.pause()
        assert app.is_running


@of_keys("pick.user", "pick.tag", "pick.token", "pick.session", "dialog.up", "dialog.down", "dialog.leave")
async def test_pickers_find_as_you_type():
    async with running() as (app, feed, pilot):
        await pilot.press("u")
        assert "Find a user" in screen_text(app)
        assert "$100.00" in screen_text(app)
        await pilot.press(*"corp", "enter")
        assert feed.calls[-1] == "find user 'corp'"
        assert str(feed.view.where) == "user:acme-corp"
        await pilot.press("K")
        assert "Find an API key" in screen_text(app)
        await pilot.press("down", "down", "up", "enter")
        assert str(feed.view.where) == "user:acme-corp token:pg_live_qz3Lk9"
        assert feed.view.crumbs[-1].label == "internal"
        await pilot.press("t")
        assert "Find a tag" in screen_text(app)
        await pilot.press(*"plan:p", "enter")
        assert feed.calls[-1] == "find tag 'plan:p'"
        assert feed.view.crumbs[-1].term == Term("tag", ("plan:pro",))
        await pilot.press("S")
        assert "Find a session" in screen_text(app)
        await pilot.press(*"s-2", "enter")
        assert feed.view.crumbs[-1].term == Term("session", ("s-2",))
        await pilot.press("t", *"zzz")
        assert "nothing found" in screen_text(app)
        find, feed.find = feed.find, lambda *asked: None
        await pilot.press("z")
        await pilot.resize_terminal(119, 36)
        assert "looking…" in screen_text(app), "before the answer nobody knows"
        feed.find = find
        await pilot.press("backspace")
        await pilot.press("enter", "escape")
        assert len(feed.view.crumbs) == 4


@of_keys("unpriced", "unpriced.copy")
async def test_unpriced_models_with_the_lines_that_price_them():
    async with running() as (app, feed, pilot):
        await pilot.press("x")
        assert feed.calls[-1] == "unpriced"
        assert "qwen3-coder:30b" in screen_text(app)
        await pilot.press("down")
        assert '[prices."house-model"]' in screen_text(app)
        await pilot.press("y")
        assert app.clipboard == '[prices."house-model"]\ninput = "0.10"\n'
        await pilot.press("escape")
        assert "Top endpoints" in screen_text(app)


@of_keys("window.shorter", "window.longer")
async def test_windows():
    async with running() as (app, feed, pilot):
        await pilot.press("left_square_bracket")
        assert feed.view.window == "7d"
        assert "last 7 days" in screen_text(app)
        assert "Top endpoints · 7 d" in screen_text(app)
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert feed.view.window == "mtd"


@of_keys("time.back", "time.forward", "time.now")
async def test_time_travel():
    async with running() as (app, feed, pilot):
        await pilot.press("comma", "comma")
        assert feed.view.end == (NOW - timedelta(days=14)).replace(hour=0, minute=0, second=0)
        assert "the window ends 2026-11-07 00:00" in screen_text(app)
        await pilot.press("full_stop")
        assert feed.view.end == (NOW - timedelta(days=7)).replace(hour=0, minute=0, second=0)
        await pilot.press("n")
        assert feed.view.end is None
        assert "the window ends" not in screen_text(app)


@of_keys("time.go")
async def test_going_to_a_date():
    async with running() as (app, feed, pilot):
        await pilot.press("g", *"2026-13-01", "enter")
        assert "2026-13-01' is no time" in screen_text(app)
        app.screen.query_one(Input).value = "2026-11-01..2026-11-15"
        await pilot.press("enter")
        assert (feed.view.start, feed.view.end) == (
            NOW.replace(day=1, hour=0, minute=0, second=0), NOW.replace(day=16, hour=0, minute=0, second=0),
        )  # fmt: skip
        assert "2026-11-01 to 2026-11-15" in screen_text(app).splitlines()[0]
        await pilot.press("n")
        assert feed.view.time == ("30d", None, None)


@of_keys("mark.set", "mark.clear")
async def test_marking_a_moment():
    async with running() as (app, feed, pilot):
        await pilot.press("m")
        assert feed.view.mark == NOW
        assert "since mark" in screen_text(app)
        assert "marked" in toasts(app)
        await pilot.press("M")
        assert feed.view.mark is None
        assert "since mark" not in screen_text(app)


@of_keys("pause")
async def test_pausing_freezes_what_is_shown_and_says_what_came_since():
    async with running() as (app, feed, pilot):
        await pilot.press("space")
        assert "paused at 14:03:22" in screen_text(app)
        feed.publish(snapshot(feed.view, scale=1.01))
        await pilot.pause()
        text = screen_text(app)
        assert "$1,847.20" in text
        assert "+$18.47 since" in text
        await pilot.press("space")
        text = screen_text(app)
        assert "$1,865.67" in text
        assert "paused" not in text


async def test_what_was_still_being_counted_at_the_pause_did_not_come_since():
    async with running() as (app, feed, pilot):
        feed.publish(replace(snapshot(feed.view, scale=0.5), incomplete=frozenset({"total"})))
        await pilot.pause()
        await pilot.press("space")
        feed.publish(snapshot(feed.view))
        await pilot.pause()
        text = screen_text(app)
        assert "paused at 14:03:22" in text
        assert " since" not in text


async def test_a_drill_while_paused_is_answered():
    async with running() as (app, feed, pilot):
        await pilot.press("space", "enter")
        await pilot.pause()
        assert app.shown.view == feed.view
        assert "provider anthropic" in screen_text(app)


@of_keys("refresh", "interval.longer", "interval.shorter")
async def test_refresh_and_interval():
    async with running() as (app, feed, pilot):
        await pilot.press("r")
        assert feed.calls[-1] == "refresh"
        for press, seconds in (("plus", 5), ("plus", 10), ("minus", 5), ("minus", 2), ("minus", 1), ("minus", 1)):
            await pilot.press(press)
            assert feed.calls[-1] == f"interval {seconds}"
        assert "live 1s" in screen_text(app)


@of_keys("copy")
async def test_copying_says_what_it_copied():
    async with running() as (app, _, pilot):
        await pilot.press("down", "y")
        assert app.clipboard.split("\t")[0] == "openai"
        cost = table(app).lens.report.rows[1].measures.total_cost
        assert app.clipboard == f"openai\t${usd_text(cost)}"
        assert "copied openai" in toasts(app)
        app.screen.query_one("#spend").focus()
        await pilot.press("y")
        assert app.clipboard.startswith("≥ $1,847.20")
        await pilot.press("9", "left", "y")
        assert "Sat 21 Nov" in app.clipboard
        await pilot.press("l", "y")
        await pilot.pause()
        assert "request\treq_7_00000" in app.clipboard


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_what_is_copied_is_whole_at_every_size(size):
    def answer(view):
        full = snapshot(view)
        if (lens := full.lens("token")) is None:
            return full
        row = replace(lens.report.rows[0], key=("pg_live_xy7k2mq9", "harbor-health integration, night batches"))
        row = replace(row, measures=replace(row.measures, total_cost=105_491_234_000_001, unpriced_count=2))
        rows = (row, *lens.report.rows[1:])
        lens = replace(lens, report=replace(lens.report, rows=rows))
        return replace(full, lenses=tuple(lens if each.dimension == "token" else each for each in full.lenses))

    async with running(size=size, answer=answer) as (app, _, pilot):
        await pilot.press("3", "y")
        assert app.clipboard == "pg_live_xy7k2mq9\tharbor-health integration, night batches\t≥ $105.491234000001"
        for card in ("#spend", "#burn", "#saved", "#trust"):
            app.screen.query_one(card).focus()
            await pilot.press("y")
            assert not set(app.clipboard) & set("…▁▂▃▄▅▆▇█░"), card
        assert "with key" in app.clipboard, "also what has no place on the screen"


async def test_no_control_character_reaches_the_clipboard(monkeypatch):
    """Names are cleaned where they are read; what is pasted into a shell has a second lock."""
    async with running() as (app, _, pilot):
        monkeypatch.setattr(type(table(app)), "copied", lambda self: ("a row", "a\x1b]52;c;x\x07\tb\rc\u202ed\ne"))
        await pilot.press("y")
        assert app.clipboard == "a ]52;c;x \tb c d\ne"


@of_keys("copy.command")
async def test_the_command_line_of_the_screen_is_copied():
    async with running(command=("cost-top", "my log.db")) as (app, feed, pilot):
        await pilot.press("Y")
        assert app.clipboard == "cost-top 'my log.db' --window 30d"
        await pilot.press("down", "enter", "g", *"2026-11-01..2026-11-15", "enter")
        await pilot.press("Y")
        assert app.clipboard == (
            "cost-top 'my log.db' --since 2026-11-01T00:00:00+00:00 --until 2026-11-16T00:00:00+00:00 "
            "--where provider:openai"
        )
        words = shlex.split(app.clipboard)
        reproduced = view_of(View(filter=parse_filter(words[-1])), words[3], words[5], UTC)
        assert (reproduced.start, reproduced.end) == (feed.view.start, feed.view.end)
        assert reproduced.where == feed.view.where
        await pilot.press("n", "comma", "Y")
        start = app.shown.period.start
        assert f"--since {start.isoformat()} --until {feed.view.end.isoformat()}" in app.clipboard


@of_keys("export", "export.csv", "export.json")
async def test_exporting_the_focused_table(tmp_path):
    async with running(folder=tmp_path) as (app, _, pilot):
        await pilot.press("4", "e")
        assert "Export model" in screen_text(app)
        await pilot.press("c")
        await pilot.pause()
        assert (tmp_path / "cost-top-model-20261121-140322.csv").read_text().startswith("model,total_cost,")
        assert str(tmp_path) in toasts(app).replace("\n", "")
        await pilot.press("e", "j")
        await pilot.pause()
        assert (tmp_path / "cost-top-model-20261121-140322.json").read_text().startswith('{\n  "results"')
        await pilot.press("e", "escape", "l")
        await pilot.press("e", "c")
        await pilot.pause()
        assert (tmp_path / "cost-top-requests-20261121-140322.csv").exists()
        assert len(list(tmp_path.iterdir())) == 3


async def test_an_export_that_cannot_be_written_says_so():
    async with running(folder=Path("/proc/nowhere")) as (app, _, pilot):
        await pilot.press("e", "c")
        await pilot.pause()
        assert "cannot write to /proc/nowhere" in toasts(app)


@of_keys("screenshot")
async def test_saving_the_screen(tmp_path):
    async with running(folder=tmp_path) as (_, __, pilot):
        await pilot.press("s")
        (path,) = tmp_path.iterdir()
        assert path.name == "cost-top-screen-20261121-140322.svg"
        assert "$1,847.20" in path.read_text().replace("&#160;", " ")
        assert path.stat().st_mode & 0o777 == 0o600


@of_keys("theme")
async def test_light_and_dark():
    async with running() as (app, _, pilot):
        await pilot.press("T")
        assert app.theme == LIGHT
        await pilot.press("T")
        assert app.theme == DARK


@of_keys("help")
async def test_help_is_made_from_the_bindings_and_tells_what_watching_costs():
    async with running(size=(120, 140)) as (app, _, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        text = screen_text(app)
        assert "128 queries, 342 ms of database time" in text
        assert "3.4 MB in 60.1k rows" in text
        assert re.search(r"terminal\s+\d", text)
        text = " ".join(app.screen.query_one("HelpPage Lines", Lines).text.split())  # what is wrapped is one line
        for binding in (*keys.APP_BINDINGS, *keys.OVERVIEW_BINDINGS, *keys.REQUEST_BINDINGS, *keys.TABLE_BINDINGS):
            families = [says for names, says in keys.TOGETHER if binding.id in names]
            wanted = rf"{re.escape(binding.key_display)} .*{re.escape((families or [binding.tooltip])[0])}"
            assert re.search(wanted, text) or binding.id in [f"panel.{n}" for n in range(2, 10)], binding.id
        assert "% of the spend" in text
        await pilot.press("escape")
        assert "What the figures mean" not in screen_text(app)


@of_keys("palette")
async def test_the_palette_has_the_same_verbs():
    async with running() as (app, feed, pilot):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        shown = (*keys.APP_BINDINGS, *keys.OVERVIEW_BINDINGS)
        assert {f"{b.description} ({b.key_display})" for b in shown if b.id not in ("palette", "back")} == titles
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"mark (m)")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert feed.view.mark == NOW


@of_keys("quit")
@pytest.mark.parametrize("press", ["q", "ctrl+c", "ctrl+q"])
async def test_quitting_stops_the_monitor(press):
    async with running() as (app, feed, pilot):
        await pilot.press(press)
        await pilot.pause()
        assert not app.is_running
    assert feed.calls[-1] == "stop"


async def test_the_list_of_requests_has_no_end_but_the_last_request():
    async with running() as (app, feed, pilot):
        feed.listed = request_rows(950, "time", 7)
        await pilot.press("l")
        rows = app.screen.focused
        assert len(rows.keys) == 200
        for known in (400, 600, 800, 950, 950):
            await pilot.press("end")
            await pilot.pause()
            assert len(rows.keys) == known
        assert len(set(rows.keys)) == 950
        assert rows.row.id == feed.listed[-1].id
        # What is new comes on top; the cursor stays on its request, and nothing that was read is lost.
        feed.listed = (replace(feed.listed[0], id="req_new"), *feed.listed)
        feed.publish(snapshot(feed.view, scale=1.01))
        await pilot.pause()
        assert len(rows.keys) == 951
        assert rows.listing.rows[0].id == "req_new"
        assert rows.row.id == feed.listed[-1].id


async def test_the_keys_work_in_the_log_too():
    async with running() as (app, feed, pilot):
        await pilot.press("l", "left_square_bracket", "comma", "m")
        assert feed.view.window == "7d"
        assert feed.view.end is not None
        assert feed.view.mark == NOW
        assert "Requests" in screen_text(app)


@pytest.mark.parametrize("typed", [("r", "question_mark"), ("question_mark", "escape", "r"), ("r", "u")])
async def test_keys_that_come_at_once_act_in_their_order(typed):
    async with running() as (app, feed, pilot):
        for name in typed:
            app.post_message(Key(name, None))
        await pilot.pause()
        assert "refresh" in feed.calls
        assert isinstance(app.screen, ModalScreen) == (typed[-1] != "r")


async def test_a_table_acts_before_the_dialog_that_was_asked_for_after_it():
    async with running() as (app, feed, pilot):
        for name in ("down", "enter", "question_mark"):
            app.post_message(Key(name, None))
        await pilot.pause()
        assert str(feed.view.where) == "provider:openai"
        assert "cost-top: keys and figures" in screen_text(app)


@pytest.mark.parametrize("typed", ["z", "enter", "y", "exclamation_mark"])
async def test_a_key_typed_on_after_a_panels_digit_is_meant_for_that_panel(typed):
    async with running() as (app, feed, pilot):
        for name in ("3", typed):
            app.post_message(Key(name, "!" if typed == "exclamation_mark" else None))
        await pilot.pause()
        told = {
            "z": lambda: app.screen.maximized.dimension,
            "enter": lambda: str(feed.view.where).partition(":")[0],
            "y": lambda: "token" if app.clipboard.startswith("pg_live") else app.clipboard,
            "exclamation_mark": lambda: str(feed.view.where).partition(":")[0].removeprefix("-"),
        }[typed]()
        assert told == "token"


async def test_a_word_typed_on_after_the_slash_of_the_help_is_looked_for():
    async with running() as (app, _, pilot):
        await pilot.press("question_mark")
        for character in "/m/s":
            app.post_message(Key("slash" if character == "/" else character, character))
        await pilot.pause()
        assert app.screen.query_one(Input).value == "m/s"


async def test_two_keys_of_one_name_are_shown_together_or_not_at_all():
    async with running(size=(80, 24)) as (app, _, pilot):
        seen = set()
        for width in (64, 60, 56, 52):
            await pilot.resize_terminal(width, 24)
            line = screen_text(app).splitlines()[-1]
            seen.add("[] window" in line)
            assert ("[" in line) == ("[] window" in line), width
        assert seen == {True, False}


async def test_a_click_on_the_key_line_does_what_the_key_does():
    async with running() as (app, _, pilot):
        line = screen_text(app).splitlines()[-1]
        await pilot.click("#keys", offset=(line.index("help"), 0))
        await pilot.pause()
        assert "cost-top: keys and figures" in screen_text(app)


async def test_a_click_on_a_tab_shows_it():
    async with running() as (app, feed, pilot):
        line = next(line for line in screen_text(app).splitlines() if "4 Models 5 6" in line)
        rows = table(app, "#tabs")
        await pilot.click(rows, offset=(line.index("5 6 7") - rows.region.x, 0))
        assert feed.view.tab == "user"
        assert "user" in feed.view.lenses


async def test_a_double_click_drills():
    async with running() as (app, feed, pilot):
        await pilot.click(table(app), offset=(4, 3))
        assert table(app).index == 1
        await pilot.click(table(app), offset=(4, 3), times=2)
        assert str(feed.view.where) == "provider:openai"


@of_keys("redraw")
async def test_control_l_sends_the_whole_screen_again():
    async def script(app, _, pilot):
        before = app.written.bytes
        await pilot.press("ctrl+l")
        for _ in range(100):
            await pilot.pause(0.05)
            if app.written.bytes - before > 5000:
                break
        assert "1 Providers" in "".join(app.recorded)[-app.written.bytes + before :]

    await recorded(script)


@of_keys("suspend")
async def test_control_z_stops_the_process_where_a_shell_can_wake_it(monkeypatch):
    async with running() as (app, _, pilot):
        stopped = []
        monkeypatch.setattr(app, "action_suspend_process", lambda: stopped.append(True))
        await pilot.press("ctrl+z")
        assert stopped == [True]


def test_every_binding_has_a_test():
    tables = (value for name, value in vars(keys).items() if name.endswith("_BINDINGS"))
    names = [binding.id for bindings in tables for binding in bindings]
    assert set(names) == TESTED
    assert len(names) == len(set(names))


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 36)])
async def test_the_key_line_is_of_what_has_the_focus_and_always_ends_with_help_and_quit(size):
    async with running(size=size) as (app, _, pilot):

        def line():
            return screen_text(app).splitlines()[-1]

        assert "⏎ drill" in line()
        assert line().rstrip().endswith("? help  q quit")
        await pilot.press("9")
        await pilot.pause()
        assert "⏎ zoom" in line()
        assert "drill" not in line()
        for card in ("#spend", "#burn"):
            app.screen.minimize()
            app.screen.query_one(card).focus()
            await pilot.pause()
            assert "⏎" not in line()
            assert line().rstrip().endswith("? help  q quit")


@of_keys("tab.left", "tab.right")
async def test_arrows_go_through_the_tabs():
    async with running() as (_, feed, pilot):
        await pilot.press("4", "right")
        assert feed.view.tab == "user"
        await pilot.press("left", "left")
        assert feed.view.tab == "session"
        await pilot.press("1", "right")
        assert feed.view.tab == "session", "a panel without tabs has none"


async def test_titles_name_the_key_that_goes_there():
    async with running(size=(100, 30)) as (app, _, pilot):
        text = screen_text(app)
        assert "1 Providers · 30 d" in text
        assert "3 Top tokens · 30 d" in text
        assert "4 Models 5 6 7 8 0 c · 30 d" in text
        await pilot.press("6")
        assert "4 5 6 Tags 7 8 0 c · 30 d" in screen_text(app)
        await pilot.resize_terminal(120, 36)
        await pilot.press("4")
        await pilot.pause()
        assert "4 Models 5 6 7 8 0 c · 30 d" in screen_text(app)
        await pilot.resize_terminal(150, 36)
        await pilot.pause()
        assert "4 Models 5Use 6Tag 7Tea 8Cre 0Own cSes · 30 d" in screen_text(app)
        await pilot.press("z")
        await pilot.pause()
        assert "4 Models 5 Users 6 Tags 7 Teams 8 Creds 0 Owners c Sessions · 30 d" in screen_text(app)


@of_keys("help.leave")
@pytest.mark.parametrize("key", ["q", "question_mark", "escape"])
async def test_the_help_begins_with_the_keys_of_the_focus_and_is_left_by_the_key_that_opened_it(key):
    async with running() as (app, _, pilot):
        await pilot.press("9", "question_mark")
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert "Here" in lines[2]
        assert "pick a bar" in lines[3]
        await pilot.press(key)
        assert app.is_running
        assert "cost-top: keys and figures" not in screen_text(app)


def test_every_hint_is_a_binding():
    names = {binding.id for name, value in vars(keys).items() if name.endswith("_BINDINGS") for binding in value}
    assert {*keys.HINTS, *keys.LAST_HINTS, *keys.PAIRED} <= names


def test_the_fake_money_is_what_the_tests_take_it_for():
    assert snapshot(View()).spend.measures.total_cost == 18472 * USD // 10
