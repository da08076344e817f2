"""`w`: the dialog that says why spend is up, of what is focused."""

from datetime import timedelta

from fake_answers import FakeAnswers, measures
from running import running, screen_text
from snapshots import NOW

from cost_top.tui.panels.cards import Card
from cost_top.tui.panels.chart import SpendChart

WEB = {"token": "pg_web", "token_name": "web", "endpoint": "/chat", "model": "gpt-5", "user": "acme"}
AGENT = {"token": "pg_agent", "token_name": "triage-agent", "endpoint": "/reply", "model": "gpt-5", "user": "acme"}


def leak(query):
    """Ten dollars a period, and lately ninety more of an agent that was there before."""
    if query.end < NOW - timedelta(minutes=1):
        return [(WEB, measures(10, 100)), (AGENT, measures(10, 100))]
    return [(WEB, measures(10, 100)), (AGENT, measures(100, 1000))]


async def asked(pilot, feed, groups=leak):
    feed.answers = FakeAnswers(groups)
    await pilot.press("w")
    await pilot.pause()
    return feed.answers.queries


async def test_of_a_card_it_tells_who_is_behind_the_total_and_parts_that_add_up():
    async with running() as (app, feed, pilot):
        app.screen.query_one("#spend", Card).focus()
        queries = await asked(pilot, feed)
        text = screen_text(app)
        assert "spend is up $90.00 (5.5×) since" in text
        assert "key triage-agent 100 % of it" in " ".join(text.replace("│", " ").split())
        assert "$20.00 → $110.00  +$90.00, of it:" in text
        assert "requests        +$90.00" in text
        assert "size" in text
        assert "key         triage-agent" in text
        # Two periods of equal length, one right after the other.
        before, after = queries
        assert not after.where.terms
        assert (before.end, before.end - before.start) == (after.start, after.end - after.start)


async def test_without_requests_it_says_so_and_names_no_parts():
    async with running(size=(80, 24)) as (app, feed, pilot):
        app.screen.query_one("#spend", Card).focus()
        await asked(pilot, feed, lambda query: [])
        text = " ".join(screen_text(app).replace("│", " ").split())
        assert "spend: no requests since" in text
        assert "nor in the time before." in text
        assert "unchanged" not in text
        assert "of it:" not in text
        assert "spread over many" not in text


async def test_of_a_row_it_asks_about_that_row_alone_and_enter_drills_below_it():
    async with running() as (app, feed, pilot):
        await pilot.press("down")
        queries = await asked(pilot, feed)
        assert {str(query.where) for query in queries} == {"provider:openai"}
        assert "provider openai is up" in screen_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert [crumb.label for crumb in feed.view.crumbs] == ["openai", "triage-agent"]
        assert str(feed.view.where) == "provider:openai token:pg_agent"


async def test_of_a_picked_bar_it_asks_about_that_day_and_never_about_the_future():
    async with running() as (app, feed, pilot):
        chart = app.screen.query_one(SpendChart)
        chart.focus()
        await pilot.press("left")
        after = (await asked(pilot, feed))[1]
        assert (after.start, after.end) == (chart.bars[-1].start, NOW)
        await pilot.press("escape", "left")
        await pilot.press("w")
        assert feed.answers.queries[-1].start == chart.bars[-2].start
        assert feed.answers.queries[-1].end == chart.bars[-2].end


async def test_a_source_that_cannot_tell_says_so_and_escape_closes():
    async with running() as (app, feed, pilot):
        await pilot.press("w")
        await pilot.pause()
        assert "the source tells no such thing" in screen_text(app)
        before = feed.view
        await pilot.press("escape")
        assert feed.view == before
        assert "tells no such thing" not in screen_text(app)


async def test_hostile_names_stay_text():
    evil = {**AGENT, "token_name": "[bold red]\x1b[31mx", "endpoint": "/[link=x]"}

    def groups(query):
        return [(WEB, measures(1, 10)), (evil, measures(1 if query.end < NOW - timedelta(minutes=1) else 50, 10))]

    async with running(size=(80, 24)) as (app, feed, pilot):
        await asked(pilot, feed, groups)
        text = screen_text(app)
        assert "\x1b" not in text
        assert "[bold red]" in text
