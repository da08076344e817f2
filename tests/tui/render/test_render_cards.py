"""The cards, word for word, and within any size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_scene import NOW, scene

from cost_top.model.credits import Credits
from cost_top.model.money import display_usd, pico
from cost_top.model.month_days import Days
from cost_top.model.query import Measures
from cost_top.model.snapshot import Balance, Burn, BurnRate, Spend
from cost_top.model.view import View
from cost_top.model.watched import IncidentRow
from cost_top.tui.render.burn import burn_card, strip_line
from cost_top.tui.render.cards import saved_card, spend_card


def text(card, width, height, zone=UTC, **changes):
    return [line.rstrip() for line in card(scene(**changes), width, height, zone).plain.split("\n")]


def test_spend_in_full():
    assert text(spend_card, 60, 4) == [
        "≥ $1,847.20                     ▲ $214.30 (13.1 %) vs before",
        "today $74.11   Nov so far $1,402.66",
        "own keys $10.25 at list price, not in total",
        "60.3k requests · 61.3M tokens",
    ]
    assert text(spend_card, 24, 2) == ["≥ $1,847.20     ▲ 13.1 %", "today $74.11 Nov $1.40k"]


@pytest.mark.parametrize(("settled", "told"), [(True, "1 request · 1 token"), (False, "≥1 request · ≥1 token")])
def test_one_request_is_no_plural(settled, told):
    spend = Spend(Measures(total_cost=pico("1"), request_count=1, input_tokens=1, output_tokens=0), None, None, None)
    incomplete = frozenset() if settled else frozenset({"total"})
    assert text(spend_card, 60, 4, spend=spend, incomplete=incomplete)[2] == told


def test_spend_without_history_and_with_a_mark():
    spend = replace(scene().spend, previous_cost=None, since_mark=Measures(total_cost=pico("1.25"), request_count=12))
    shown = text(spend_card, 50, 3, spend=spend)
    assert shown[0].endswith("period before unknown")
    assert shown[2] == "since mark $1.25 · 12 requests"
    assert text(spend_card, 24, 2, spend=spend)[1] == "since mark $1.25"


def test_where_nothing_was_spent_before_either_nothing_is_called_unchanged():
    spend = Spend(Measures(total_cost=0, request_count=0), 0, 0, 0)
    assert text(spend_card, 60, 2, spend=spend)[0].endswith("nothing before either")


def test_a_total_is_exact_unless_something_is_unpriced():
    spend = replace(scene().spend, measures=replace(scene().spend.measures, unpriced_count=0))
    assert text(spend_card, 40, 3, spend=spend)[0].startswith("$1,847.20")


def test_time_travel_does_not_call_a_past_day_today():
    shown = text(spend_card, 60, 3, view=View(end=NOW))
    assert shown[1].startswith("Nov 14 $74.11")


DAYS = Days((100 * 10**12,) * 60, 0.5)
ENDLESS = IncidentRow(
    "i1", "spike", "token", "pg_agent", "triage-agent", NOW - timedelta(hours=20), NOW - timedelta(hours=19), None,
    96 * 10**12, 7 * 10**12, "",
)  # fmt: skip


def test_what_the_month_will_come_to_with_its_band_and_with_what_is_going_on():
    spend = replace(scene().spend, month=1350 * 10**12)

    def line(width, **changes):
        return text(spend_card, width, 4, spend=spend, days=changes.pop("days", DAYS), **changes)[2]

    assert line(60) == "month end ≈ $3,000, 4 of 5 times within 3,000–3,000"
    assert line(40) == "month end ≈ $3,000, 3,000–3,000"
    assert line(20) == "month end ≈ $3,000"
    assert line(60, days=Days(DAYS.costs[:2], 0.5)).startswith("own keys")
    assert line(60, incomplete=("days",)).startswith("own keys")
    # The days with the incident count as usual ones; its rate is told beside.
    leak = Days((900 * 10**12, *DAYS.costs[1:]), 0.5)
    burn = Burn(cost_per_hour=7 * 10**12, usual_per_hour=4 * 10**12)
    left = 16 * 24 + 10
    assert NOW.strftime("%d %H") == "14 14"
    shown = line(60, days=leak, incidents=(ENDLESS,), burn=burn)
    assert shown == line(60, incidents=(ENDLESS,), burn=burn)
    assert shown.startswith("month end ≈ $3,000; ≈ $4,1")
    assert shown.endswith(" if this goes on")
    more = int(shown.partition("; ≈ $")[2].partition(" ")[0].replace(",", ""))
    assert 3000 + 3 * (left - 1) <= more <= 3000 + 3 * left
    assert line(34, incidents=(ENDLESS,), burn=burn) == f"month ≈$3,000, at this rate ${more:,}"


def test_a_balance_lasts_until_two_dates():
    credits = Credits(pico("41.20"), None, NOW)
    balance = Balance(credits, runway=timedelta(days=20), runway_now=timedelta(days=2))
    assert text(spend_card, 70, 6, balance=balance)[3] == "balance $41.20   until ≈ Fri 4 Dec, at this rate Mon 16 Nov"
    assert text(spend_card, 40, 6, balance=balance)[3] == "balance $41.20   until ≈ Fri 4 Dec"
    assert text(spend_card, 24, 6, balance=balance)[3] == "balance $41.20 ≈ 20 days"
    far = replace(balance, runway=timedelta(days=900), runway_now=None)
    assert text(spend_card, 70, 6, balance=far)[3] == "balance $41.20   lasts ≈ 900 days"


def test_burn_in_full():
    shown = text(burn_card, 76, 4)
    assert shown[0] == "$3.12/h" + "2.9× usual (Sat 14h)".rjust(69)
    assert shown[3] == "41 req/min   0.4 % of requests failed   p95 1.9 s"
    burn = replace(scene().burn, rates=(BurnRate(5, None, 10**10), BurnRate(60, None, 10**12),
                                        BurnRate(1440, 50 * 10**12, 25 * 10**12)))  # fmt: skip
    lately = sum(burn.minutes[-5:])
    line = text(burn_card, 76, 5, burn=burn)[1]
    assert line == f"5 min {display_usd(lately)}, {lately // 10**10}× usual   24 h $50.00, 2.0× usual"
    assert text(burn_card, 36, 4, burn=burn)[1] == f"5 min {lately // 10**10}×   24 h 2.0× usual"
    quiet = replace(burn, minutes=(0,) * 60)
    assert text(burn_card, 36, 4, burn=quiet)[1] == "5 min –   24 h 2.0× usual"
    assert text(burn_card, 76, 3, ZoneInfo("Asia/Tokyo"))[0].endswith("(Sat 23h)")


def test_usual_unknown_or_nothing():
    burn = scene().burn
    assert text(burn_card, 60, 3, burn=replace(burn, usual_per_hour=None))[0].endswith("usual unknown")
    assert "usually nothing" in text(burn_card, 60, 3, burn=replace(burn, usual_per_hour=0))[0]


def test_the_strip_is_zero_based_and_quiet_minutes_differ_from_cheap_ones():
    minutes = (0,) * 57 + (1, 50, 100)
    strip = strip_line(Burn(minutes), 80).plain
    assert strip.startswith("·" * 57 + "▁▄▇")
    assert strip.endswith("last 60 min")
    flat = strip_line(Burn((100,) * 60), 80).plain
    assert flat.startswith("▇" * 60)


def test_savings_say_what_a_share_is_of():
    assert text(saved_card, 60, 3) == [
        "response cache  $182.40     9.0 % of cost without it",
        "prompt cache     $96.10     4.9 % of cost without it",
        "below market    $178.00     8.8 % of list price",
    ]
    assert text(saved_card, 38, 3)[0] == "response cache  $182.40     9.0 % less"
    assert text(saved_card, 24, 2) == ["response cache $182.40", "prompt cache   $96.10"]


def test_a_prompt_cache_that_costs_more_says_so():
    measures = replace(scene().spend.measures, prompt_cache_savings=-pico("12.00"))
    shown = text(saved_card, 60, 3, spend=replace(scene().spend, measures=measures))
    assert shown[1] == "prompt cache    -$12.00     0.7 % more than cost without it"


def test_savings_since_the_mark():
    spend = replace(scene().spend, since_mark=Measures(saved_by_cache=pico("1.20"), prompt_cache_savings=pico("0.30")))
    shown = text(saved_card, 80, 4, spend=spend, view=View(mark=NOW - timedelta(minutes=5)))
    assert shown[0].endswith("+$1.20 since mark")
    assert shown[3].startswith("list prices of"), "said once"
    narrow = text(saved_card, 38, 4, spend=spend, view=View(mark=NOW - timedelta(minutes=5)))
    assert narrow[3] == "since mark $1.20 and $0.3000"


@pytest.mark.parametrize("card", [spend_card, burn_card, saved_card])
@given(
    st.integers(8, 120), st.integers(1, 8), st.integers(0, 10**18), st.integers(-(10**16), 10**16),
    st.none() | st.integers(0, 10**17), st.booleans(), st.lists(st.integers(0, 10**15), max_size=60),
)  # fmt: skip
def test_cards_fill_exactly_the_cells_given(card, width, height, cost, saved, before, marked, minutes):
    measures = Measures(total_cost=cost, market_cost=cost, saved_by_cache=abs(saved), prompt_cache_savings=saved,
                        request_count=abs(saved), unpriced_count=int(marked))  # fmt: skip
    snapshot = scene(
        spend=Spend(measures, before, cost, cost, measures if marked else None, saved, abs(saved)),
        burn=Burn(tuple(minutes), cost, before, 3.0, 1, 10, None),
        view=View(mark=NOW if marked else None),
    )
    rows = card(snapshot, width, height, UTC).split("\n")
    assert [row.cell_length for row in rows] == [width] * height


def test_it_is_said_why_there_is_no_month_end():
    limits = (("month end", "not of so few days: ] makes them more"),)

    def line(width):
        return text(spend_card, width, 4, limits=limits)[2]

    assert line(90) == "month end not of so few days: ] makes them more"
    assert line(40) == "month end not of so few days"
