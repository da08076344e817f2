"""Header, crumbs, trust line, banners, empty panels and the choice of a theme."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from render_scene import MONTH, NOW, models, scene
from textual.app import App

from cost_top.model.filter import FILTER_FIELDS, Filter, Term, parse_filter, value_term
from cost_top.model.money import pico
from cost_top.model.notes import MOST_UNTIMED
from cost_top.model.snapshot import Filling, Stale, Trust
from cost_top.model.text import clean
from cost_top.model.view import Crumb, View
from cost_top.model.windows import Period
from cost_top.tui.render.header import crumb_line, header_line
from cost_top.tui.render.states import banner, chart_emptiness, empty_text
from cost_top.tui.render.trust import GAP, trust_parts
from cost_top.tui.theme import DARK, PLAIN, SIXTEEN, THEMES, ascii_only, choose_theme

GONE = Stale(NOW - timedelta(seconds=14), "connection refused", NOW + timedelta(seconds=4))


def header(width, paused=False, now=NOW, **changes):
    return header_line(scene(**changes), paused=paused, interval=2.0, zone=UTC, width=width, now=now).plain


def test_the_header_at_two_widths():
    assert header(120) == (
        " cost-top  litellm@prod-db  last 30 days".ljust(75) + "● live 2s  newest 20 s ago  lag p95 4 s  UTC "
    )
    assert header(80) == " cost-top  litellm@prod-db  last 30 days".ljust(48) + "● live 2s  newest 20 s ago  UTC "


def test_the_light_turns_when_rows_stop_coming():
    told = header(120, newest=NOW - timedelta(days=7))
    assert "◌ live 2s  newest 7 d ago" in told
    assert "● live 2s" in header(120, newest=NOW - timedelta(hours=23))


def test_states_differ_by_shape_and_word():
    assert "‖ paused" in header(100, paused=True)
    assert "◌ stale since 14:03" in header(100, state=GONE)
    assert "◌ denied since" in header(100, state=replace(GONE, denied=True))
    assert "◌ connecting" in header(100, state=None)
    assert "◀ ends 2026-11-14 14:03" in header(110, view=View(end=NOW))
    assert "connecting" in header_line(None, paused=False, interval=2, zone=UTC, width=60, now=NOW).plain


def test_an_idle_screen_rests_within_a_step():
    texts = {header(100, now=NOW + timedelta(seconds=second)) for second in range(6)}
    assert len(texts) == 1


@given(st.integers(1, 200), st.text(max_size=90).map(clean), st.text(max_size=90).map(clean), st.booleans())
def test_header_and_crumbs_are_exactly_as_wide_as_asked(width, source, word, paused):
    view = View(crumbs=(Crumb("model", word, value_term("model", word)),) * 2, filter=Filter((Term(None, (word,)),)))
    line = header_line(scene(source=source, view=view), paused=paused, interval=2, zone=UTC, width=width, now=NOW)
    assert line.cell_length == width
    assert crumb_line(view, width).cell_length == width


def test_crumbs_read_as_a_path():
    crumbs = (
        Crumb("provider", "anthropic", value_term("provider", "anthropic")),
        Crumb("endpoint", "/summarise", value_term("endpoint", "/summarise")),
    )
    view = View(crumbs=crumbs, filter=parse_filter("tag:prod"))
    whole = " all requests › provider anthropic › endpoint /summarise · filter tag:prod"
    assert crumb_line(view, 90).plain.rstrip() == whole
    assert crumb_line(view, 50).plain.rstrip() == " … › endpoint /summarise · filter tag:prod"
    assert crumb_line(View(), 30).plain.rstrip() == " all requests"


def trust(width, **changes):
    return [part.text.plain for part in trust_parts(scene(**changes), width)]


def test_of_a_total_below_zero_no_shares_are_told():
    spend = replace(scene().spend, measures=replace(scene().spend.measures, total_cost=-(10**12)))
    told = trust(160, spend=spend)
    assert told[0] == "money: more taken back than spent"
    assert not any("with user" in part or "priced by us" in part for part in told)


def test_the_trust_line_at_two_widths():
    assert trust(160) == [
        "money: 96.2 % reported", "3.8 % priced by us", "88.0 % with user", "71.0 % with tag", "100 % with key",
        "312 requests unpriced (1 model)", "14 rows late", "2 changed",
    ]  # fmt: skip
    assert trust(80) == [
        "money 96 % reported", "4 % priced", "88 % user", "71 % tag", "100 % key", "312 unpriced",
    ]  # fmt: skip


def test_the_money_that_is_reported_and_priced_adds_up_as_printed():
    for width in (80, 100, 120):
        scene_trust = replace(scene().trust, reported_cost=pico("1785.40"), priced_cost=pico("61.80"))  # 96.65, 3.35
        told = [part for part in trust(width, trust=scene_trust) if "reported" in part or "priced" in part][:2]
        assert sum(float(part.split(" %")[0].split()[-1]) for part in told) == pytest.approx(100)
    little = replace(scene().trust, reported_cost=pico("1847"), priced_cost=pico("0.20"))
    assert trust(80, trust=little)[:2] == ["money >99 % reported", "<1 % priced"]


def test_what_is_most_doubtful_is_given_up_last():
    assert trust(36) == ["money 96 % reported", "312 unpriced"]
    zero = replace(scene().trust, zero_cost_count=9)
    assert "9 at $0" in trust(80, trust=zero)
    assert "71 % tag" in trust(80, trust=zero)


def test_what_the_gateways_own_sums_say_otherwise():
    more, less = (replace(scene().trust, drift=pico(usd), drift_days=days) for usd, days in (("12.5", 1), ("-3", 2)))
    assert "log lacks $12.50 of the rollups on 1 day" in trust(300, trust=more)
    assert "rollups lack $3.00 of the log on 2 days" in trust(300, trust=less)
    assert "$12.50 drift" in trust(90, trust=more)


def test_rows_that_no_period_holds_are_told_at_any_width():
    one, many = (replace(scene().trust, untimed_count=rows) for rows in (1, MOST_UNTIMED))
    assert "1 row has no usable time" in trust(300, trust=one)
    assert "10,000 rows or more have no usable time" in trust(300, trust=many)
    assert "10,000+ no time" in trust(80, trust=many)
    assert not any("time" in part for part in trust(300))


def test_unpriced_is_a_count_and_never_a_share_of_money():
    part = next(part for part in trust_parts(scene(), 160) if part.name == "unpriced")
    assert "%" not in part.text.plain
    assert part.term == Term("unpriced", ("yes",))
    assert "nothing unpriced" in trust(160, trust=Trust(reported_cost=pico("1847.20")))


def test_every_term_can_be_asked_for():
    parts = trust_parts(scene(trust=replace(scene().trust, zero_cost_count=1, no_usage_count=1)), 300)
    terms = [part.term for part in parts if part.term is not None]
    assert len(terms) >= 8
    for term in terms:
        assert term.field in FILTER_FIELDS
        assert parse_filter(str(term)).terms == (term,)


@given(st.integers(20, 250), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_trust_line_fits(width, unpriced, late):
    changed = replace(scene().trust, unpriced_count=unpriced, late_count=late, zero_cost_count=late)
    parts = trust(width, trust=changed)
    assert sum(map(len, parts)) + GAP * max(len(parts) - 1, 0) <= width


def say(paused_since=None, now=NOW, width=120, gained=None, **changes):
    told = banner(scene(**changes), paused_since=paused_since, gained=gained, now=now, zone=UTC, width=width)
    return None if told is None else told.plain.rstrip()


def test_banners():
    assert say() is None
    assert say(state=GONE) == "◌ no data for 10 s · next try 14:03:26, r tries at once · connection refused"
    assert say(state=GONE, now=NOW + timedelta(seconds=9)).endswith(
        "· retrying now, r tries at once · connection refused"
    )
    assert "mend the key, then r retries" in say(state=replace(GONE, denied=True))
    assert "grant SELECT" in say(state=replace(GONE, denied=True, remedy="grant SELECT"))
    assert say(paused_since=NOW, gained=pico("1.42")) == "‖ paused at 14:03:22, +$1.42 since · space goes on"
    assert say(paused_since=NOW, width=30) == "‖ paused at 14:03:22"
    told = say(state=replace(GONE, error="x" * 500), width=78)
    assert told.startswith("◌ no data for 10 s · next try 14:03:26, r tries at once · xxx")
    assert len(told) == 78
    assert say(state=GONE, width=40) == "◌ no data for 10 s · connection refused"
    told = say(state=replace(GONE, error="x" * 70), width=112)
    assert told == "◌ no data for 10 s · r tries at once · " + "x" * 70
    assert "n returns to now" in say(view=View(end=NOW))
    filling = say(filling=Filling(12, 30, NOW - timedelta(days=12)))
    assert filling == "reading history: 12 of 30 days, back to 2026-11-02 14:03 · totals miss 18 days"
    one = say(filling=Filling(0, 1, NOW))
    assert one == "reading history: 0 of 1 day, back to 2026-11-14 14:03 · totals miss 1 day"
    assert "details" in say(filling=Filling(30, 30, NOW, 4, 30))
    broken = Filling(12, 30, NOW, error="gone away")
    assert say(filling=broken) == "history is missing: gone away · it is tried again"
    assert "rates are 61 days old" in say(rates_date=date(2026, 9, 14))
    assert say(rates_date=date(2026, 9, 15)) is None


def test_empty_panels_teach():
    empty = replace(models(), report=replace(models().report, rows=(), row_count=0))
    assert empty_text(scene(), "model") is None
    assert empty_text(None, "model").plain == "connecting…"
    assert empty_text(scene(), "team").plain == "reading…"
    week = Period(MONTH.end - timedelta(days=7), MONTH.end)
    assert (
        "] for a longer one" in empty_text(scene(lenses=(empty,), view=View(window="7d"), period=week), "model").plain
    )
    assert empty_text(scene(lenses=(empty,), log_rows=0, newest=None), "model").plain == "nothing yet"
    assert "the log is empty" in say(log_rows=0, newest=None)
    assert "no request with a time" in say(log_rows=0, newest=None, trust=Trust(untimed_count=1))
    filtered = scene(lenses=(empty,), view=View(filter=parse_filter("tag:x")))
    assert empty_text(filtered, "model").plain.startswith("no request matches")
    assert "nothing read yet" in empty_text(scene(lenses=(empty,), log_rows=0, state=GONE), "model").plain


def test_themes_are_chosen_by_what_the_terminal_can():
    assert choose_theme({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "dark") == PLAIN
    assert choose_theme({"NO_COLOR": "", "COLORTERM": "truecolor"}, None) == DARK
    assert choose_theme({"TERM": "linux"}, None) == SIXTEEN
    assert choose_theme({"TERM": "linux"}, "nord") == "nord"
    assert ascii_only("latin-1")
    assert not ascii_only("UTF-8")


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_every_theme_starts(theme):
    app = App()
    for made in THEMES:
        app.register_theme(made)
    async with app.run_test() as pilot:
        app.theme = theme
        await pilot.pause()
        assert app.current_theme.name == theme


def test_the_plain_theme_has_no_colour_but_the_terminals_own():
    plain = next(theme for theme in THEMES if theme.name == PLAIN)
    colours = {value for value in (plain.to_color_system().generate() | plain.variables).values() if "ansi_" in value}
    assert {value.split()[0] for value in colours} == {"ansi_default"}


def test_a_chart_of_nothing_says_why_as_the_panels_do():
    nothing = scene(chart=tuple(replace(bar, cost=0, request_count=0, unpriced_count=0) for bar in scene().chart))
    assert chart_emptiness(scene(), UTC) is None
    assert chart_emptiness(nothing, UTC) == "no requests in this window"
    assert chart_emptiness(replace(nothing, incomplete=("chart",)), UTC) is None
    before = replace(nothing, newest=nothing.period.start - timedelta(days=9))
    told = f"no requests in this time; the newest is of {before.newest:%Y-%m-%d} · g goes there"
    assert chart_emptiness(before, UTC) == told
    filtered = replace(nothing, view=View(filter=parse_filter("tag:prod")))
    assert chart_emptiness(filtered, UTC) == "no request matches · esc goes back"
    unpriced = replace(nothing, chart=tuple(replace(bar, request_count=3, unpriced_count=3) for bar in nothing.chart))
    assert chart_emptiness(unpriced, UTC) == "no request in this window has a price · v shows tokens"
