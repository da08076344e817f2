"""A figure that still changes says so, wherever it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from render_scene import scene

from cost_top.cli.overview import overview_text
from cost_top.model.query import Report
from cost_top.model.snapshot import Lens
from cost_top.model.view import View
from cost_top.tui.render.burn import burn_card
from cost_top.tui.render.cards import saved_card, spend_card
from cost_top.tui.render.columns import cells, columns_for, drawing_of, panel_title
from cost_top.tui.render.states import empty_text
from cost_top.tui.render.trust import trust_parts


def lines(card, width: int, height: int, **changes) -> list[str]:
    return [line.rstrip() for line in card(scene(**changes), width, height, UTC).plain.split("\n")]


def priced():
    spend = scene().spend
    return replace(spend, measures=replace(spend.measures, unpriced_count=0))


def test_a_total_that_is_still_summed_is_a_lower_bound_and_compared_with_nothing() -> None:
    first = lines(spend_card, 60, 4, spend=priced(), incomplete=("total",))
    assert first[0].startswith("≥ $1,847.20")
    assert first[0].endswith("vs before …")
    assert first[3].startswith("≥60.3k requests")


def test_what_is_still_unknown_is_not_called_unknown() -> None:
    spend = replace(priced(), previous_cost=None)
    assert lines(spend_card, 60, 2, spend=spend, incomplete=("before",))[0].endswith("vs before …")
    assert lines(spend_card, 60, 2, spend=spend)[0].endswith("period before unknown")
    burn = replace(scene().burn, usual_per_hour=None)
    assert lines(burn_card, 60, 3, burn=burn, incomplete=("usual",))[0].endswith("usual …")
    assert lines(burn_card, 60, 3, burn=burn)[0].endswith("usual unknown")


@pytest.mark.parametrize(("figure", "told"), [("today", "today ≥ $74.11"), ("month", "Nov so far ≥ $1,402.66")])
def test_day_and_month_are_lower_bounds_while_they_are_summed(figure: str, told: str) -> None:
    assert told in lines(spend_card, 60, 2, incomplete=(figure,))[1]
    assert told not in lines(spend_card, 60, 2)[1]


@pytest.mark.parametrize(
    ("unpriced", "told"), [("today_unpriced", "today ≥ $74.11"), ("month_unpriced", "Nov so far ≥ $1,402.66")]
)
def test_day_and_month_with_requests_without_a_price_are_lower_bounds(unpriced: str, told: str) -> None:
    spend = replace(scene().spend, **{unpriced: 3})
    assert told in lines(spend_card, 60, 2, spend=spend)[1]
    assert told not in lines(spend_card, 60, 2)[1]
    assert told[told.index("≥") :] in overview_text(scene(spend=spend), UTC)
    narrow = lines(spend_card, 27, 2, spend=replace(scene().spend, month_unpriced=3))[1]
    assert narrow.endswith("Nov ≥ $1.40k")


def test_a_burn_rate_with_requests_without_a_price_is_a_lower_bound() -> None:
    burn = replace(scene().burn, unpriced=2)
    assert lines(burn_card, 60, 3, burn=burn)[0].startswith("≥ $3.12/h")
    assert lines(burn_card, 60, 3)[0].startswith("$3.12/h")


def test_a_day_that_is_not_known_at_all_yet_is_an_ellipsis() -> None:
    spend = replace(priced(), today=None)
    assert lines(spend_card, 60, 2, spend=spend, incomplete=("today",))[1].startswith("today …")


def test_savings_give_no_share_of_a_total_that_is_not_whole() -> None:
    whole = "\n".join(lines(saved_card, 60, 4))
    counting = "\n".join(lines(saved_card, 60, 4, incomplete=("total",)))
    assert "%" in whole
    assert "%" not in counting
    assert counting.count("…") == 3


def test_a_panel_that_is_still_counting_gives_no_shares() -> None:
    snapshot = scene(incomplete=("panel:provider",))
    lens = snapshot.lens("provider")
    assert lens is not None
    columns = columns_for("provider", 80, False)
    row = {
        column.key: cell.plain.strip()
        for column, cell in zip(columns, cells(lens, 0, columns, drawing_of(lens, snapshot)), strict=True)
    }
    assert row["share"] == "…"
    assert row["cost"].startswith("≥")
    assert row["bar"] == ""
    assert panel_title(lens, snapshot, UTC).plain.endswith("30 d …")
    assert not panel_title(lens, scene(), UTC).plain.endswith("…")
    assert all(
        cell.cell_length == column.width
        for column, cell in zip(columns, cells(lens, 0, columns, drawing_of(lens, snapshot)), strict=True)
    )


def test_a_change_is_awaited_while_the_time_before_is_read() -> None:
    columns = columns_for("provider", 110, False)
    place = next(place for place, column in enumerate(columns) if column.key == "change")

    def change(*incomplete: str) -> str:
        lens = scene().lens("provider")
        assert lens is not None
        alone = replace(lens, previous=())
        return cells(alone, 0, columns, drawing_of(alone, scene(lenses=(alone,), incomplete=incomplete)))[
            place
        ].plain.strip()

    assert (change("before:provider"), change()) == ("…", "–")


def test_an_empty_panel_is_still_read_or_empty_for_good() -> None:
    lens = scene().lens("model")
    assert lens is not None
    none = Lens("model", lens.period, Report(("model",), (), lens.report.totals, 0, lens.report.as_of))
    reading = empty_text(scene(lenses=(none,), incomplete=("panel:model",)), "model")
    assert reading is not None
    assert reading.plain == "still reading…"


def test_a_longer_window_is_advised_only_where_there_is_one() -> None:
    lens = scene().lens("model")
    assert lens is not None
    none = Lens("model", lens.period, Report(("model",), (), lens.report.totals, 0, lens.report.as_of))

    def said(window: str) -> str:
        text = empty_text(scene(lenses=(none,), view=View(window=window)), "model")
        assert text is not None
        return text.plain

    assert "]" not in said("12mo")
    month = scene().period
    week = replace(month, start=month.end - (month.end - month.start) / 30 * 7)
    text = empty_text(scene(lenses=(none,), view=View(window="7d"), period=week), "model")
    assert text is not None
    assert "] for a longer one" in text.plain


def test_the_trust_line_gives_no_shares_of_what_is_not_whole() -> None:
    parts = [part.text.plain for part in trust_parts(scene(incomplete=("total",)), 120)]
    assert parts[0] == "still counting…"
    assert not any("%" in part for part in parts)
