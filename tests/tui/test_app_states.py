"""What the screen says when not all is well, and that it never lies about it."""

import gc
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from fake_answers import FakeAnswers
from fake_feed import FakeFeed
from running import make_app, running, screen_text, toasts
from snapshots import NOW, empty, snapshot
from textual.widgets._toast import Toast

from cost_top.model.errors import UserError
from cost_top.model.filter import Term
from cost_top.model.snapshot import Filling, Snapshot, Stale
from cost_top.model.view import Crumb, View
from cost_top.tui import starting
from cost_top.tui.app import run_app
from cost_top.tui.panels.cards import Card
from cost_top.tui.panels.lens import LensTable

SIZES = [(80, 24), (120, 36), (200, 50), (100, 30), (40, 10), (20, 5)]


@pytest.mark.parametrize("size", SIZES)
async def test_before_the_first_answer(size):
    async with running(size=size, answer=lambda view: None) as (app, _, pilot):
        assert "cost-top" in screen_text(app)
        assert "connecting" in screen_text(app) or size[0] < 40
        await pilot.press(
            "enter", "y", "e", "l", "escape", "9", "left", "enter", "space", "space", "i", "greater_than_sign"
        )
        assert app.is_running


@pytest.mark.parametrize(("answer", "seconds", "is_collected"), [
    (snapshot, 3600.0, True), (lambda view: None, 3600.0, False), (lambda view: None, 0.01, True),
])  # fmt: skip
async def test_cycles_are_collected_once_there_are_figures_or_some_time_is_over(
    monkeypatch, answer, seconds, is_collected
):
    monkeypatch.setattr(starting, "_COLLECTED_AFTER", seconds)
    gc.disable()
    try:
        async with running(answer=answer) as (_, _, pilot):
            for _ in range(200):
                await pilot.pause(0.01 if is_collected else 0)
                if gc.isenabled():
                    break
            assert gc.isenabled() is is_collected
    finally:
        gc.enable()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("answer", [snapshot, empty])
async def test_every_size_shows_something_and_survives_every_key(size, answer):
    async with running(size=size, answer=answer) as (app, _, pilot):
        assert "cost-top" in screen_text(app)
        await pilot.press(
            *"123456789", "tab", "tab", "down", "enter", "i", "z", "z", "l", "o", "escape", "x", "escape", "u", "escape"
        )
        assert app.is_running


@pytest.mark.parametrize("size", SIZES[:4])
async def test_a_toast_leaves_the_trust_line_and_the_keys_free(size):
    async with running(size=size, shows_toasts=True) as (app, _, pilot):
        app.tell_user("copied")
        for _ in range(100):
            await pilot.pause()
            if [toast for toast in app.screen.query(Toast) if toast.region.height]:
                break
        (toast,) = app.screen.query(Toast)
        assert toast.region.height
        for covered in ("#trust", "#keys"):
            assert not toast.region.overlaps(app.screen.query_one(covered).region)


async def test_an_empty_log_says_so_on_every_dialog():
    async with running(answer=empty, size=(80, 24)) as (app, feed, pilot):
        feed.unpriced = lambda reply: reply(())
        feed.answers = FakeAnswers(lambda query: [])
        assert "the log is empty" in screen_text(app)
        await pilot.press("e")
        assert "nothing to export: the table is empty" in toasts(app)
        await pilot.press("x")
        assert "no requests in this window" in screen_text(app)
        await pilot.press("escape", "dollar_sign")
        assert "no requests in this time" in screen_text(app)
        assert "Saved · by [key] provider model date waste credits · 22 Oct – 21 Nov ─" in screen_text(app)
        await pilot.press("escape", "g")
        assert "⏎ go there  esc close" in screen_text(app)


async def test_a_log_that_ends_before_the_window_names_its_last_day_and_the_key_that_goes_there():
    newest = NOW - timedelta(days=93)

    def answer(view):
        return replace(empty(view), newest=newest) if view.start is None else snapshot(view, now=newest)

    async with running(answer=answer) as (app, feed, pilot):
        text = screen_text(app)
        assert "the log is empty" not in text
        assert "no requests in this time; the newest is of 2026-08-20 · g goes there" in text
        await pilot.press("g", "enter")
        assert feed.view.start == newest.replace(hour=0, minute=0, second=0)
        assert "no requests in this time" not in screen_text(app)


async def test_a_filter_that_matches_nothing_says_so():
    def answer(view):
        return replace(empty(view), log_rows=60_000)

    view = View(crumbs=(Crumb("model", "gpt-0", Term("model", ("gpt-0",))),))
    async with running(answer=answer, view=view) as (app, _, __):
        assert "no request matches" in screen_text(app)


async def test_history_being_read_names_what_is_missing():
    def answer(view):
        return replace(snapshot(view), filling=Filling(11, 30, NOW - timedelta(days=11)))

    async with running(answer=answer) as (app, _, __):
        text = screen_text(app)
        assert "11 of 30 days, back to 2026-11-10 14:03" in text


def stale(view: View, denied: bool = False) -> Snapshot:
    state = Stale(NOW - timedelta(seconds=40), "connection refused", NOW + timedelta(seconds=8), denied)
    return replace(snapshot(view), state=state)


async def test_a_stale_source_keeps_the_last_figures_dimmed_with_reason_and_next_try():
    async with running(answer=stale) as (app, feed, pilot):
        text = screen_text(app)
        assert "no data for 40 s · next try 14:03:30, r tries at once · connection refused" in text
        assert "$1,847.20" in text
        assert app.screen.query_one("#spend", Card).styles.text_style.dim
        feed.publish(snapshot(feed.view))
        await pilot.pause()
        assert "no data" not in screen_text(app)
        assert not app.screen.query_one("#spend", Card).styles.text_style.dim


async def test_a_source_that_denies():
    async with running(answer=lambda view: stale(view, denied=True)) as (app, _, __):
        assert "no permission" in screen_text(app)


async def test_unpriced_makes_the_total_a_lower_bound():
    async with running() as (app, _, __):
        assert "≥ $1,847.20" in screen_text(app)


async def test_an_answer_for_an_older_view_is_not_shown():
    async with running() as (app, feed, pilot):
        old = snapshot(feed.view)
        await pilot.press("left_square_bracket")
        feed.publish(old)
        await pilot.pause()
        assert app.shown.view.window == "7d"


async def test_the_cursor_stays_on_its_row_when_figures_sort_anew():
    async with running() as (app, feed, pilot):
        await pilot.press("down", "down")
        rows = app.screen.query_one("#provider", LensTable)
        assert rows.current_key == ("google",)
        shown = snapshot(feed.view)
        lens = shown.lens("provider")
        turned = replace(lens, report=replace(lens.report, rows=lens.report.rows[::-1]))
        feed.publish(replace(shown, lenses=(turned, *shown.lenses[1:])))
        await pilot.pause()
        assert rows.current_key == ("google",)
        assert rows.index == 5
        gone = replace(lens, report=replace(lens.report, rows=lens.report.rows[3:]))
        feed.publish(replace(shown, lenses=(gone, *shown.lenses[1:])))
        await pilot.pause()
        assert rows.index == 4


async def test_an_untouched_table_stays_at_its_dearest_row():
    async with running() as (app, feed, pilot):
        rows = app.screen.query_one("#endpoint", LensTable)
        shown = snapshot(feed.view)
        lens = shown.lens("endpoint")
        turned = replace(lens, report=replace(lens.report, rows=lens.report.rows[::-1]))
        feed.publish(replace(shown, lenses=(shown.lenses[0], turned, *shown.lenses[2:])))
        await pilot.pause()
        assert rows.index == 0


async def test_lenses_asked_for_are_those_on_the_screen():
    for size, lenses in (
        ((80, 24), ("provider", "model")),
        ((120, 36), ("provider", "endpoint", "token", "model")),
        ((200, 50), ("provider", "endpoint", "token", "model", "user", "tag", "team", "credential_type", "owner")),
    ):
        async with running(size=size) as (_, feed, __):
            assert feed.view.lenses == lenses


async def test_resizing_rearranges():
    async with running(size=(80, 24)) as (app, feed, pilot):
        await pilot.resize_terminal(200, 50)
        await pilot.pause()
        assert len(feed.view.lenses) == 9
        assert "Credentials · 30 d" in screen_text(app)
        assert "Owners · 30 d" in screen_text(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert len(feed.view.lenses) == 2


def test_an_unknown_theme_is_named():
    with pytest.raises(UserError, match="unknown theme 'neon': choose from dark, light"):
        run_app(
            FakeFeed(), view=View(), zone=UTC, interval=2.0, source_label="", theme="neon", mouse=True,
            export_folder=Path(),
        )  # fmt: skip


async def test_names_in_a_crash_are_not_printed(capsys):
    app = make_app(FakeFeed(lambda view: 1 / 0))
    app.source_label = "hunter" + str(2)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test() as pilot:
            await pilot.pause(1)
    captured = capsys.readouterr()
    assert "ZeroDivisionError" in captured.err
    assert "hunter2" not in captured.err + captured.out
