"""`a` and `b`: incidents and budgets, listed and looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from running import running, screen_text
from snapshots import NOW, USD

from cost_top.insight.savings import Savings
from cost_top.model.snapshot import Filling
from cost_top.model.view import View
from cost_top.model.watched import BudgetRow, IncidentRow, budget_rows
from cost_top.tui.navigation import incident_view
from cost_top.tui.render.savings import SavingsRow, savings_cells, savings_columns
from cost_top.tui.render.watched import (
    budget_cells,
    budget_columns,
    budget_note,
    incident_cells,
    incident_columns,
    incident_note,
)

LEAK = IncidentRow(
    "i1", "spike", "token", "pg_agent", "triage-agent", NOW - timedelta(hours=20), NOW - timedelta(hours=19), None,
    96 * USD, 7 * USD, "key triage-agent costs $96.00 more than usual (9.0×), on /agent-proxy.",
)  # fmt: skip
GONE = IncidentRow(
    "i2", "silence", "total", None, None, datetime(2026, 11, 19, 20, 0, tzinfo=UTC), NOW - timedelta(hours=41),
    NOW - timedelta(hours=40), 0, 0, "all spend: no request for 2 hours, where there usually are many.",
)  # fmt: skip
ACME = BudgetRow(
    "acme-month", 200 * USD, 170 * USD, 0, datetime(2026, 12, 1, tzinfo=UTC), 240 * USD, NOW + timedelta(hours=3), None,
    True, False, "month", "", "",
)  # fmt: skip
OVER = replace(ACME, title="keys · web", spent=230 * USD, unpriced=2, forecast=None, used_up_at=None, is_hard=False)
UNKNOWN = replace(ACME, title="lists", spent=None, error="the source tells no list prices")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_incidents_tell_who_since_when_and_how_much(size):
    async with running(size=size) as (app, feed, pilot):
        feed.found = (LEAK, GONE)
        await pilot.press("a")
        await pilot.pause()
        text = screen_text(app)
        assert "Incidents · last 3 days · 1 open" in text
        line = next(line for line in text.splitlines() if "key triage-agent " in line and "spike" in line)
        for told in ("Fri 18:03", "+$96.00", "open"):
            assert told in line
        assert "costs $96.00 more than usual (9.0×), on /agent-proxy." in text
        assert "most $7.00 in an hour" in text
        assert "40 h ago" in next(line for line in text.splitlines() if "silence" in line)
        await pilot.press("down")
        assert "no request for 2 hours" in screen_text(app)
        assert "ended Thu 22:03" in screen_text(app)


async def test_on_a_terminal_without_unicode_titles_and_the_scrollbar_are_ascii_too():
    async with running(size=(80, 24), ascii_only=True) as (app, feed, pilot):
        feed.found = (LEAK, GONE)
        await pilot.press("a")
        await pilot.pause()
        assert screen_text(app).isascii()
        assert "Incidents . last 3 days . 1 open" in screen_text(app)
        await pilot.press("escape", "l", "enter")
        await pilot.pause()
        assert "Request" in screen_text(app)
        assert screen_text(app).isascii()


async def test_enter_on_an_incident_looks_at_whose_it_is_in_a_window_that_holds_it():
    async with running() as (_, feed, pilot):
        feed.found = (LEAK, GONE)
        await pilot.press("down", "enter", "a", "enter")
        await pilot.pause()
        assert (feed.view.window, feed.view.end, str(feed.view.where)) == ("24h", None, "token:pg_agent")
        assert feed.view.crumbs[0].label == "triage-agent"


async def test_a_name_with_hyphens_is_not_cut_at_the_end_of_a_line():
    told = incident_note(replace(LEAK, sentence=f"{'x' * 60} key triage-agent"), UTC, NOW, 72)
    assert told[1].plain.startswith("triage-agent")


@pytest.mark.parametrize(("key", "asked"), [("a", "incidents"), ("b", "budgets"), ("$", "ask"), ("w", "ask")])
async def test_what_a_dialog_waits_for_is_told_while_it_is_read(key, asked):
    async with running() as (app, feed, pilot):
        feed.filling = Filling(3, 35, None)
        setattr(feed, asked, lambda *_: None)
        await pilot.press(key)
        assert "reading… 3 of 35 days" in screen_text(app)
        feed.filling = Filling(34, 35, None)
        app.screen.tell_progress()
        await pilot.pause()
        assert "reading… 34 of 35 days" in screen_text(app)


async def test_enter_while_incidents_are_read_looks_at_the_first_once_they_are_there():
    async with running() as (app, feed, pilot):
        waiting = []
        feed.incidents = lambda reply, _: waiting.append(reply)
        await pilot.press("a", "enter")
        assert "reading…" in screen_text(app)
        assert "0 open" not in screen_text(app)
        waiting[0]((LEAK, GONE))
        await pilot.pause()
        assert str(feed.view.where) == "token:pg_agent"


async def test_enter_while_incidents_are_read_does_nothing_where_there_are_none():
    async with running() as (app, feed, pilot):
        waiting = []
        feed.incidents = lambda reply, _: waiting.append(reply)
        await pilot.press("a", "enter")
        waiting[0](())
        await pilot.pause()
        assert "nothing unusual in the last three days" in screen_text(app)
        assert not feed.view.where


async def test_escape_leaves_the_view_as_it_was_and_a_source_without_incidents_says_so():
    async with running() as (app, feed, pilot):
        before = feed.view
        await pilot.press("a")
        await pilot.pause()
        assert "no request log" in screen_text(app)
        await pilot.press("enter", "escape")
        assert feed.view == before
        feed.found = ()
        await pilot.press("a")
        await pilot.pause()
        assert "nothing unusual in the last three days" in screen_text(app)


def test_the_window_of_an_incident():
    def window(hours, closed=None):
        seen = incident_view(View(), replace(LEAK, started=NOW - timedelta(hours=hours), closed=closed), NOW)
        return seen.window, seen.end

    assert window(0.5) == ("1h", None)
    assert window(23) == ("24h", None)
    assert window(30) == ("7d", None)
    assert window(200) == ("30d", None)
    over = NOW - timedelta(hours=5)
    assert window(10, over) == ("24h", over)
    assert window(10, NOW - timedelta(minutes=5)) == ("24h", None)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_budgets_tell_what_is_used_left_and_when_it_ends(size):
    async with running(size=size) as (app, feed, pilot):
        feed.standing = (OVER, ACME, UNKNOWN)
        await pilot.press("b")
        await pilot.pause()
        text = screen_text(app)
        lines = {name: next(line for line in text.splitlines() if f"{name} " in line) for name in ("acme-month", "web")}
        for told in ("85 %", "$30.00", "Tue 1 Dec"):
            assert told in lines["acme-month"]
        for told in ("≥ 115 %", "$30.00 over"):
            assert told in lines["web"]
        assert "≥ $230.00 of $200.00 · month · resets Tue 1 Dec 00:00 UTC" in text
        assert "2 unpriced: more is used than is told" in text
        await pilot.press("down")
        text = screen_text(app)
        assert "will come to ≈ $240.00 · at the usual pace used up Sat 17:03" in text
        assert "hard: refused where a gateway asks the guard" in text
        await pilot.press("down")
        assert "not known: the source tells no list prices" in screen_text(app)


@pytest.mark.parametrize(
    ("asked", "words"),
    [(None, "hard: refused where a gateway asks the guard of cost-top serve"),
     (True, "hard: the guard refuses what is over it"), (False, "hard, but nobody asks the guard")],
)  # fmt: skip
def test_a_hard_budget_says_whether_anything_is_refused(asked, words):
    lines = budget_note(replace(ACME, guard_asked=asked), UTC, NOW, 200)
    assert words in " ".join(line.plain for line in lines)


async def test_budgets_of_the_gateways_own_that_cannot_be_read_are_a_row_with_the_reason():
    async with running(size=(80, 24)) as (app, feed, pilot):
        feed.standing = (ACME, *budget_rows((), ["budgets of teams are not known: \x1b[31mno [b]right"]))
        await pilot.press("b")
        await pilot.pause()
        await pilot.press("down")
        text = screen_text(app)
        assert "the gateway's own" in text
        assert "not known: budgets of teams are not known: " in text
        assert "[b]right" in text


def test_incidents_of_keys_of_one_name_are_told_apart():
    twin = replace(LEAK, id="i3", value="pg_other")
    rows = (LEAK, twin, GONE)
    columns = incident_columns(74, rows, UTC, NOW)
    told = [incident_cells(row, columns, UTC, NOW, rows)[2].plain.strip() for row in rows]
    assert told == ["key triage-agent …gent", "key triage-agent …ther", "all spend"]


def test_a_figure_in_a_dialog_is_shortened_and_never_cut():
    rich = replace(LEAK, excess=9_000_880 * USD)
    columns = incident_columns(74, (rich,), UTC, NOW)
    assert [cell.plain.strip() for cell in incident_cells(rich, columns, UTC, NOW)][3] == "+$9.00M"
    over = replace(OVER, spent=9_000_880 * USD, limit=USD)
    for width in (74, 100):
        told = [cell.plain.strip() for cell in budget_cells(over, budget_columns(width, (over,), UTC, NOW), UTC, NOW)]
        assert told[3] == "$9.00M over"
    savings = Savings(9_000_880 * USD, 2, 1, 9_000_880 * USD, 0, 0, 0)
    told = [cell.plain.strip() for cell in savings_cells(SavingsRow("all", savings), savings_columns(74))]
    assert told[1:3] == ["≥ $9.00M", "$9.00M"]


def test_columns_are_as_wide_as_what_they_tell_and_the_rest_is_for_names():
    dearer = replace(LEAK, dimension="endpoint", value="/agent-proxy-claude", name=None, kind="price")
    long_open = replace(LEAK, started=NOW - timedelta(days=9))
    for rows in ((dearer,), (dearer, GONE), (long_open,)):
        columns = incident_columns(74, rows, UTC, NOW)
        assert sum(column.width for column in columns) == 74
        lines = ["".join(cell.plain for cell in incident_cells(row, columns, UTC, NOW, rows)) for row in rows]
        assert not any("…" in line for line in lines)
        assert all(len(line) == 74 for line in lines)
    assert "Thu 12 Nov 14:03  spike  key triage-agent" in " ".join(lines)
    share = replace(ACME, title="customer-month · harbor-health", resets_at=NOW + timedelta(days=2))
    columns = budget_columns(74, (share,), UTC, NOW)
    assert sum(column.width for column in columns) == 74
    assert "customer-month · harbor-health" in budget_cells(share, columns, UTC, NOW)[0].plain


async def test_without_budgets_the_screen_says_how_to_make_one():
    async with running(size=(80, 24)) as (app, feed, pilot):
        feed.standing = ()
        await pilot.press("b")
        await pilot.pause()
        assert "cost-top help budgets" in screen_text(app)
