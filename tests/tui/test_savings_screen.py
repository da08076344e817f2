"""`$`: paid, list price and saved on one screen."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fake_answers import FakeAnswers, measures
from running import running, screen_text
from snapshots import NOW, USD, request_rows

from cost_top.model.engine import page_of
from cost_top.model.errors import CannotAnswer
from cost_top.model.ledger import Ledger, LedgerEntry, LedgerSum
from cost_top.model.waste import LINES, Waste, WasteLine
from cost_top.monitor.questions import answer

WEB = {"token": "pg_web", "token_name": "web", "provider": "openai", "model": "gpt-5", "day": "2026-11-20"}
DEAR = {**WEB, "token": "pg_agent", "token_name": "agent", "model": "gpt-5.2", "day": "2026-11-21"}


def groups(query):
    """Web pays half the list price; of the agent no list price can be compared."""
    saved = {"saved_by_cache": 5 * USD, "prompt_cache_savings": 10 * USD}
    web = (WEB, replace(measures(40, 100), market_cost=80 * USD, **saved))
    agent = (DEAR, replace(measures(10, 5), market_cost=10 * USD, unpriced_count=3))
    return [web] if "market_cost" in str(query.where) else [web, agent]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_each_amount_stands_with_its_own_whole(size):
    async with running(size=size) as (app, feed, pilot):
        feed.answers = FakeAnswers(groups)
        await pilot.press("dollar_sign", "down")
        await pilot.pause()
        text = screen_text(app)
        line = next(line for line in text.splitlines() if " web " in line and "$40.00" in line)
        for told in ("$80.00", "50.0 %", "$10.00", "$5.00"):
            assert told in line
        assert "discount $40.00, 50.0 % of $80.00 list price" in text
        assert "prompt cache $10.00, 20.0 % of $50.00 cost without it" in text
        assert "response cache $5.00, 11.1 % of $45.00 cost without it" in text


async def test_the_arrows_choose_what_it_is_told_by_and_it_is_of_what_is_in_view():
    async with running() as (app, feed, pilot):
        feed.answers = FakeAnswers(groups)
        await pilot.press("down", "enter")
        await pilot.press("dollar_sign")
        for press, dimension in ((None, "token"), ("right", "provider"), ("right", "model"), ("right", "day")):
            if press:
                await pilot.press(press)
            await pilot.pause()
            assert feed.answers.queries[-2].group_by == (dimension,)
        every, compared = feed.answers.queries[-2:]
        assert str(every.where) == "provider:openai"
        assert str(compared.where).startswith("provider:openai -credential_type:byok")
        assert every.sort == "day"
        assert "2026-11-21" in screen_text(app)
        assert "by key provider model [date]" in screen_text(app)


async def test_tabs_that_were_left_before_their_turn_came_are_not_asked():
    async with running() as (app, feed, pilot):
        feed.answers, waiting = FakeAnswers(groups), []
        feed.ask = lambda *asked: waiting.append(asked)
        await pilot.press("dollar_sign", "right", "right", "right")
        for asked in waiting:
            answer(feed.answers, *asked)
        await pilot.pause()
        assert [query.group_by for query in feed.answers.queries] == [("day",)] * 2
        assert "2026-11-21" in screen_text(app)
        await pilot.press("right", "escape")
        await pilot.pause()
        answer(feed.answers, *waiting[-1])
        assert len(waiting) == 5
        assert len(feed.answers.queries) == 2


async def test_what_is_not_known_is_no_number():
    def untold(query):
        return [(WEB, replace(measures(40, 100), market_cost=None, prompt_cache_savings=None, saved_by_cache=None))]

    async with running() as (app, feed, pilot):
        feed.answers = FakeAnswers(untold)
        await pilot.press("dollar_sign", "down")
        await pilot.pause()
        assert screen_text(app).count("not told by the source") == 3


class LedgerAnswers(FakeAnswers):
    """A log with books beside it."""

    def ledger(self, query):
        self.asked = query
        times = (NOW - timedelta(hours=1), NOW - timedelta(hours=30))
        return Ledger(
            (LedgerSum("purchase", 1, 100 * USD), LedgerSum("usage_debit", 3, -40 * USD)),
            None if query.where.terms else 60 * USD, 4, 1, ("e2",), 0, times[1], times[0], False,
            (LedgerEntry("e4", times[0], "usage_debit", -2 * USD, 60 * USD, "pg_web", "night"),
             LedgerEntry("e1", times[1], "purchase", 100 * USD, 100 * USD, None, None)),
        )  # fmt: skip


def hourly(query):
    if query.group_by == ("day",):
        return [({"day": f"2026-10-{day:02}"}, measures(5, 1)) for day in range(1, 32)]
    if query.group_by == ("hour",):
        hours = (NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hour) for hour in range(1, 24 * 28))
        return [({"hour": hour.isoformat()}, measures(1, 1)) for hour in hours]
    return groups(query)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_credits_tell_the_balance_both_dates_and_the_debits_against_the_log(size):
    async with running(size=size) as (app, feed, pilot):
        feed.answers = LedgerAnswers(hourly)
        await pilot.press("dollar_sign", "left")
        await pilot.pause()
        text = screen_text(app)
        assert "[credits]" in text
        assert "$60.00" in next(line for line in text.splitlines() if " balance " in line and "amount" not in line)
        assert "-$40.00" in next(line for line in text.splitlines() if "debits " in line and "logged" not in line)
        told = " ".join(" ".join(line.strip(" │┃║") for line in text.splitlines()).split())
        assert "used up at the usual pace" in told
        assert "at that of the last hour" in told
        assert "unknown" not in told
        assert "ledger debits $40.00, logged cost $50.00 in the same span, difference -$10.00 (20.00 %)" in told
        assert "1 ledger balances do not follow from the entry before (e2)" in told
        assert feed.answers.asked.end is None
        await pilot.press("end", "up")
        await pilot.pause()
        assert "key pg_web" in screen_text(app)


async def test_credits_under_a_filter_that_no_entry_knows_say_so():
    async with running() as (app, feed, pilot):
        feed.answers = LedgerAnswers(hourly)
        await pilot.press("down", "enter")
        await pilot.press("dollar_sign", "left")
        await pilot.pause()
        assert "an entry of a ledger knows its key, no provider" in screen_text(app)


async def test_a_source_without_a_ledger_says_so():
    class NoLedger(FakeAnswers):
        def credits(self):
            return None

    async with running() as (app, feed, pilot):
        feed.answers = NoLedger(groups)
        await pilot.press("dollar_sign", "left")
        await pilot.pause()
        assert "the source keeps no ledger of credits" in screen_text(app)
        assert "list price" not in screen_text(app).split("[credits]")[1].splitlines()[1]


class LogAnswers(FakeAnswers):
    """A log, whose single requests can be looked at."""

    def waste_requests(self, query, lines, after=None):
        self.queries.append(query)
        self.lines = lines
        return page_of(request_rows(7, query.sort, 7), query.limit)

    def waste(self, query):
        named = {
            "failed_but_paid": WasteLine("failed_but_paid", 3 * USD, 7),
            "cacheable": WasteLine("cacheable", USD, 9),
        }
        return Waste(tuple(named.get(name, WasteLine(name)) for name in LINES), True)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_last_tab_says_what_was_wasted_and_how_to_list_it(size):
    async with running(size=size) as (app, feed, pilot):
        feed.answers = LogAnswers(groups)
        await pilot.press("dollar_sign", "left", "left", "down")
        await pilot.pause()
        text = screen_text(app)
        assert "date [waste] credits" in text
        line = next(line for line in text.splitlines() if "failed but paid" in line)
        for told in ("$3.00", "6.00 %", "7", "spent"):
            assert told in line
        assert "could be" in next(line for line in text.splitlines() if "cacheable repeats" in line)
        assert "its requests, as / error:yes cost:>0" in text
        await pilot.press("right", "right")
        await pilot.pause()
        assert "list price" in screen_text(app)


async def test_enter_on_a_line_of_waste_lists_its_requests_and_escape_leads_back():
    async with running(size=(120, 36)) as (app, feed, pilot):
        feed.answers = LogAnswers(groups)
        await pilot.press("dollar_sign", "left", "left", "down", "enter")
        await pilot.pause()
        text = screen_text(app)
        assert "Waste: failed but paid · $3.00 · newest first" in text
        assert feed.answers.lines == ["failed_but_paid"]
        whole, asked = feed.answers.queries[-2:]
        assert (asked.start, asked.end, asked.where) == (whole.start, whole.end, whole.where)
        assert all(row.id in str(app.screen.query_one("#requests").listing.keys) for row in request_rows(7, "time", 7))
        feed.publish(replace(app.shown, incomplete=("total",)))  # the rows are of the line's time, and are read once
        await pilot.pause()
        assert feed.answers.queries[-1] is asked
        await pilot.press("o")
        await pilot.pause()
        assert feed.answers.queries[-1].sort == "cost"
        await pilot.press("escape")
        await pilot.pause()
        assert "date [waste]" in screen_text(app)
        assert "requests" not in " ".join(feed.calls)


async def test_why_the_requests_of_a_line_cannot_be_told_stands_in_their_place():
    def refuse(*_):
        raise CannotAnswer("they are more than are read one by one")

    async with running(size=(120, 36)) as (app, feed, pilot):
        feed.answers = LogAnswers(groups)
        feed.answers.waste_requests = refuse
        await pilot.press("dollar_sign", "left", "left", "enter")
        await pilot.pause()
        assert "they are more than are read one by one" in screen_text(app)


async def test_a_line_that_holds_nothing_leads_nowhere():
    async with running(size=(120, 36)) as (app, feed, pilot):
        feed.answers = LogAnswers(groups)
        await pilot.press("dollar_sign", "left", "left", "down", "down", "enter")
        await pilot.pause()
        assert "date [waste]" in screen_text(app)
