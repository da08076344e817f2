"""The line that names who it is, while the burn is unusual and only then."""

from dataclasses import replace

from running import running, screen_text
from snapshots import USD, snapshot
from test_watched_screens import GONE, LEAK

LEAKS = replace(LEAK, drivers=(("model", None), ("endpoint", "/agent-proxy-claude")))


def burning(view, cost=10 * USD, usual=4 * USD):
    shown = snapshot(view)
    return replace(shown, burn=replace(shown.burn, cost_per_hour=cost, usual_per_hour=usual))


async def told(app, feed, pilot, rows=(LEAKS, GONE)):
    """The screen after the source has found these incidents."""
    feed.found = rows
    line = app.screen.query_one("#unusual")
    line._asked = None
    feed.publish(replace(feed.answer(feed.view), log_rows=len(feed.calls) + 100))
    await pilot.pause()
    await pilot.pause()
    return next((each for each in screen_text(app).splitlines() if "over usual" in each), None)


async def test_it_names_who_since_when_and_through_what_and_enter_looks_at_it():
    async with running(answer=burning) as (app, feed, pilot):
        line = await told(app, feed, pilot)
        assert line is not None
        assert (
            line.strip() == "+$6.00/h over usual: key triage-agent (since Fri 18:03) · /agent-proxy-claude · a ⏎ look"
        )
        await pilot.press("shift+tab")
        assert app.screen.focused.id != "provider"
        app.screen.query_one("#unusual").focus()
        await pilot.pause()
        assert "· ⏎ look" in screen_text(app)
        await pilot.press("enter")
        assert (feed.view.window, str(feed.view.where)) == ("24h", "token:pg_agent")


async def test_one_that_was_dearer_and_is_over_but_not_closed_yet_is_not_who_it_is():
    async with running(answer=burning) as (app, feed, pilot):
        before = replace(LEAKS, id="i3", name="leaked-key", excess=LEAKS.excess + USD, last_hour=USD)
        line = await told(app, feed, pilot, (before, replace(LEAKS, last_hour=5 * USD)))
        assert "key triage-agent" in line
        assert await told(app, feed, pilot, (before,)) is None


async def test_on_a_narrow_screen_the_name_stays():
    async with running(size=(80, 24), answer=burning) as (app, feed, pilot):
        line = await told(app, feed, pilot)
        assert "+$6.00/h over usual: key triage-agent (since Fri 18:03)" in line


async def test_it_is_not_there_when_nothing_is_open_or_the_burn_is_usual_or_the_view_is_narrower():
    async with running(answer=burning) as (app, feed, pilot):
        assert await told(app, feed, pilot, (GONE, replace(LEAKS, closed=LEAK.opened))) is None
        assert await told(app, feed, pilot) is not None
        await pilot.press("down", "enter")
        await pilot.pause()
        assert "over usual" not in screen_text(app)
    async with running(answer=lambda view: burning(view, cost=6 * USD)) as (app, feed, pilot):
        assert await told(app, feed, pilot) is None
        assert "incidents" not in feed.calls  # nothing is asked either


async def test_the_source_is_asked_once_in_five_minutes():
    async with running(answer=burning) as (app, feed, pilot):
        await told(app, feed, pilot)
        before = feed.calls.count("incidents")
        for rows in (1, 2, 3):
            feed.publish(replace(feed.answer(feed.view), log_rows=rows))
            await pilot.pause()
        assert feed.calls.count("incidents") == before


async def test_tables_are_sorted_by_change_meanwhile_but_not_those_in_which_the_reader_sorted_or_moved():
    async with running(answer=burning) as (app, feed, pilot):
        await pilot.press("3", "down", "2", ">")
        touched = feed.view.sort
        await told(app, feed, pilot)
        sorts = {lens: measure for lens, measure, _ in feed.view.sort}
        assert sorts["provider"] == sorts["model"] == "change"
        assert "token" not in sorts
        assert (sorts["endpoint"],) == tuple(measure for lens, measure, _ in touched if lens == "endpoint")
        await pilot.press("1", "down")
        feed.found = ()
        assert await told(app, feed, pilot, ()) is None
        # The table in which the reader moved meanwhile stays as it is.
        assert [entry for entry in feed.view.sort if entry[0] in ("provider", "model")] == [
            ("provider", "change", True)
        ]


async def test_the_rows_concerned_are_marked_and_the_bell_rings_once_where_it_is_wanted(monkeypatch):
    rung = []
    monkeypatch.setattr("cost_top.tui.app.CostTopApp.bell", lambda _: rung.append(True))
    async with running(answer=burning) as (app, feed, pilot):
        token = feed.answer(feed.view).lens("token").report.rows[1].key
        leak = replace(LEAKS, value=token[0], name=token[1])
        await told(app, feed, pilot, (leak,))
        assert rung == []
        app._rings = True
        await told(app, feed, pilot, ())
        await told(app, feed, pilot, (leak,))
        await told(app, feed, pilot, (leak,))
        assert rung == [True]
        marked = [line for line in screen_text(app).splitlines() if "! " in line and "over usual" not in line]
        assert len(marked) == 1
        assert token[1][:8] in marked[0]
