"""The screen over a report API: what it costs, what it cannot answer, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from running import running, screen_text, toasts
from snapshots import NOW, USD, snapshot

from cost_top.model.credits import Credits
from cost_top.model.query import ReportRow, known_measures
from cost_top.model.snapshot import Asking, Balance, Burn, Snapshot, Spend
from cost_top.model.view import View

ASKING = Asking(interval=3840.0, questions=8, cost=USD * 4 // 100, cost_per_month=USD * 27 // 2)
BALANCE = Balance(
    credits=Credits(USD * 191 // 2, USD * 9 // 2, NOW),
    runway=timedelta(days=5),
    metered=USD // 8,
    metered_span=timedelta(minutes=12),
)
LIMITS = (
    ("endpoint", "Vercel does not report endpoints"),
    ("requests", "Vercel reports sums, no single requests"),
    ("saved", "Vercel does not report cache savings"),
    ("trust", "as vercel reports it"),
    ("usual", "not told"),
)


def polled(view: View) -> Snapshot:
    """What a report API tells: no endpoints, hours at the finest, no latency, no cache."""
    full = snapshot(view)
    total = known_measures(full.spend.measures.total_cost, request_count=41_000, market_cost=2000 * USD)
    spend = Spend(total, None, 74 * USD, 1402 * USD, below_market=None, byok_market_cost=None)
    burn = Burn((), None, None, None, None, None, hours=tuple(USD * number for number in range(24)))
    lenses = tuple(
        replace(
            lens,
            report=replace(
                lens.report,
                rows=tuple(ReportRow(row.key, known_measures(row.measures.total_cost)) for row in lens.report.rows),
            ),
            trends=(),
            previous=(),
        )
        for lens in full.lenses
        if lens.dimension != "endpoint"
    )
    return replace(
        full, source="vercel", spend=spend, burn=replace(burn, cost_per_hour=22 * USD), lenses=lenses,
        newest=None, lateness=None, log_rows=None,
        asked_at=NOW - timedelta(minutes=4), asking=ASKING, balance=BALANCE, limits=LIMITS, lag=timedelta(minutes=3),
        notes=("own keys are charged 0 here",),
    )  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_what_asking_costs_is_always_on_the_screen(size):
    async with running(size=size, answer=polled) as (app, _, _):
        top = screen_text(app).splitlines()[0]
        assert "every 1 h 4 min" in top
        assert "$0.04" in top
        assert "$13.50/month" in top
        assert "balance $95.50" in screen_text(app)


async def test_what_cannot_be_answered_says_why_and_nothing_unknown_is_nothing():
    async with running(answer=polled) as (app, _, _):
        text = screen_text(app)
        assert "Vercel does not report" in text
        assert "Top endpoints" in text
        assert "3 min behind" in text
        assert "asked 4 min ago" in text
        assert "meter $0.1250 in the last 12 min" in text
        assert "at list price $2,000.00" in text
        assert "last 24 h" in text
        assert "lasts ≈ 5 days" in text
        # Token counts, errors and latency are not told.
        assert not re.search(r"\b0 tokens|0 % of requests failed|p95", text)


async def test_a_view_that_is_refused_is_told_and_left():
    async with running(answer=polled) as (app, feed, pilot):
        feed.refuses = lambda view: "vercel tells whole hours or days" if view.mark else None
        before = app.view
        await pilot.press("l")
        assert app.view == before
        assert len(app.screen_stack) == 1
        assert "Vercel reports sums, no single requests" in toasts(app)
        await pilot.press("m")
        assert app.view == before
        assert "marked" not in toasts(app)


async def test_typing_a_filter_asks_nothing_before_enter():
    async with running(answer=polled) as (app, feed, pilot):
        feed.refuses = lambda view: "vercel does not filter by endpoint" if "endpoint" in str(view.filter) else None
        asked = len(feed.views)
        await pilot.press("slash", *"user:acme")
        await pilot.pause(0.2)
        assert len(feed.views) == asked
        assert "⏎ asks" in screen_text(app)
        await pilot.press("enter")
        assert str(feed.view.filter) == "user:acme"
        await pilot.press("slash", *" endpoint:x", "enter")
        assert "does not filter by endpoint" in screen_text(app)
        assert str(feed.view.filter) == "user:acme"


async def test_the_pace_is_stepped_from_what_it_is():
    async with running(answer=polled) as (app, feed, pilot):
        feed.intervals = (60.0, 900.0, 3600.0, 7200.0)
        await pilot.press("plus")
        assert feed.calls[-1] == "interval 7200"
        assert app.interval == 7200


async def test_before_the_first_total_nothing_is_claimed():
    def unknown(view: View) -> Snapshot:
        return replace(polled(view), has_figures=False, lenses=(), chart=())

    async with running(answer=unknown) as (app, _, _):
        text = screen_text(app)
        assert "not known yet" in text
        assert "$0.00" not in text
