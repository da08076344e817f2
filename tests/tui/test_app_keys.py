"""Every key does its work; `test_every_binding_has_a_test` keeps this file complete."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from running import running, screen_text, toasts
from snapshots import NOW, USD, snapshot
from textual.widgets import Input

from cost_top.model.filter import Term
from cost_top.model.view import View
from cost_top.tui import keys
from cost_top.tui.panels.lens import LensTable
from cost_top.tui.theme import DARK, LIGHT

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
    async with running() as (app, feed, pilot):
        await pilot.press("enter")
        await pilot.press("enter")
        assert feed.view.requests_open
        assert "Requests · newest first" in screen_text(app)


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


@of_keys("requests.open", "requests.back", "requests.order")
async def test_the_log_of_requests():
    async with running() as (app, feed, pilot):
        await pilot.press("l")
        assert feed.view.requests_open
        text = screen_text(app)
        assert "Requests · newest first · 60 of 92.4k" in text
        assert "saved by prompt cache" in text
        assert "req_7_00000" in text
        await pilot.press("down")
        assert "req_7_00001" in screen_text(app)
        await pilot.press("o")
        assert feed.view.requests_sort == "cost"
        assert "dearest first" in screen_text(app)
        await pilot.press("escape")
        assert not feed.view.requests_open
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
    async with running() as (app, _, pilot):
        await pilot.press("z")
        assert app.screen.maximized is table(app)
        assert "Top endpoints" not in screen_text(app)
        await pilot.press("z")
        assert app.screen.maximized is None
        await pilot.press("z", "escape")
        assert app.screen.maximized is None


@of_keys(*(f"panel.{number}" for number in range(1, 10)))
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (80, 40), (200, 50)])
async def test_numbers_focus_the_panels(size):
    async with running(size=size) as (app, feed, pilot):
        for number, lens in enumerate(
            ("provider", "endpoint", "token", "model", "user", "tag", "team", "credential_type"), 1
        ):
            await pilot.press(str(number))
            assert app.screen.focused.dimension == lens
            assert lens in feed.view.lenses
            assert app.screen.focused.lens.dimension == lens
        if size != (80, 24):
            await pilot.press("9")
            assert app.screen.focused.id == "chart"


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
        assert feed.view.sort_of("model")[0] in ("total_cost", "request_count")
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
        assert (feed.view.window, feed.view.end) == ("24h", NOW.replace(hour=0, minute=0, second=0))


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
        assert feed.view.requests_open
        assert str(feed.view.where) == "price_status:reported,cache_hit"
        await pilot.press("escape")
        assert str(feed.view.where) == ""
        assert not feed.view.requests_open


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


async def test_escape_restores_the_filter_from_before():
    async with running() as (_, feed, pilot):
        await pilot.press("slash", *"model:gpt*")
        await pilot.pause(0.15)
        assert str(feed.view.where) == "model:gpt*"
        await pilot.press("escape")
        assert str(feed.view.where) == ""


@of_keys("pick.user", "pick.tag", "pick.token", "dialog.up", "dialog.down", "dialog.leave")
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
        await pilot.press("t", *"zzz")
        assert "nothing found" in screen_text(app)
        await pilot.press("enter", "escape")
        assert len(feed.view.crumbs) == 3


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
        assert "$314.02" in app.clipboard
        assert "copied openai" in toasts(app)
        app.screen.query_one("#spend").focus()
        await pilot.press("y")
        assert app.clipboard.startswith("≥ $1,847.20")
        await pilot.press("9", "left", "y")
        assert "Sat 21 Nov" in app.clipboard
        await pilot.press("l", "y")
        await pilot.pause()
        assert "request\treq_7_00000" in app.clipboard


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
        for binding in (*keys.APP_BINDINGS, *keys.OVERVIEW_BINDINGS, *keys.REQUEST_BINDINGS, *keys.TABLE_BINDINGS):
            families = [says for names, says in keys.TOGETHER if binding.id in names]
            wanted = rf"{re.escape(binding.key_display)} .*{re.escape((families or [binding.tooltip])[0])}"
            assert re.search(wanted, text) or binding.id in [f"panel.{n}" for n in range(2, 8)], binding.id
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


async def test_the_keys_work_in_the_log_too():
    async with running() as (_, feed, pilot):
        await pilot.press("l", "left_square_bracket", "comma", "m")
        assert feed.view.window == "7d"
        assert feed.view.end is not None
        assert feed.view.mark == NOW
        assert feed.view.requests_open


async def test_a_click_on_the_key_line_does_what_the_key_does():
    async with running() as (app, _, pilot):
        line = screen_text(app).splitlines()[-1]
        await pilot.click("#keys", offset=(line.index("help"), 0))
        await pilot.pause()
        assert "What watching has cost" in screen_text(app)


async def test_a_click_on_a_tab_shows_it():
    async with running() as (app, feed, pilot):
        line = next(line for line in screen_text(app).splitlines() if "Users" in line)
        rows = table(app, "#tabs")
        await pilot.click(rows, offset=(line.index("Users") - rows.region.x, 0))
        assert feed.view.tab == "user"
        assert "user" in feed.view.lenses


async def test_a_double_click_drills():
    async with running() as (app, feed, pilot):
        await pilot.click(table(app), offset=(4, 3))
        assert table(app).index == 1
        await pilot.click(table(app), offset=(4, 3), times=2)
        assert str(feed.view.where) == "provider:openai"


def test_every_binding_has_a_test():
    tables = (value for name, value in vars(keys).items() if name.endswith("_BINDINGS"))
    names = [binding.id for bindings in tables for binding in bindings]
    assert set(names) == TESTED
    assert len(names) == len(set(names))


def test_every_hint_is_a_binding():
    names = {binding.id for name, value in vars(keys).items() if name.endswith("_BINDINGS") for binding in value}
    assert set(keys.HINTS) <= names


def test_the_fake_money_is_what_the_tests_take_it_for():
    assert snapshot(View()).spend.measures.total_cost == 18472 * USD // 10
