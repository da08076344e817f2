"""The overview and report tables as plain text."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_top.cli.overview import overview_text, report_table
from cost_top.model.format import cells
from cost_top.model.snapshot import Filling, Stale
from cost_top.model.view import View

sys.path.insert(0, str(Path(__file__).parents[1] / "tui" / "render"))
from render_scene import NOW, lens, providers, scene


def test_the_overview_says_everything_the_first_lines_promise():
    lines = overview_text(scene(), UTC).split("\n")
    assert lines[0] == "cost-top  litellm@prod-db  2026-10-15 14:03 to 2026-11-14 14:03 UTC"
    assert lines[2] == "spend                  ≥ $1,847.20  ▲ $214.30 (13.1 %) vs 30 days before"
    assert "saved by cache             $182.40  9.0 % of what it would have cost without" in lines
    assert "today                       $74.11  month so far $1,402.66" in lines
    assert any(line.startswith("By provider, last 30 days") for line in lines)
    assert any(line.startswith("Top endpoints, last 7 days") for line in lines)
    assert any(line.startswith("Top tokens, last 7 days") for line in lines)
    assert any(line.startswith("pg_live_xy7Qk2mm0a  customer-A") and "61.1 %" in line for line in lines)
    assert any(line.startswith("note: 312 requests of 1 model unpriced") for line in lines)


def test_figures_stand_below_one_another():
    lines = overview_text(scene(), UTC).split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("By provider"))
    assert len({line.index(".") for line in lines[start + 1 : start + 7]}) == 1
    assert lines[start + 8].split()[-3:] == ["unpriced", "–", "312"]


def test_what_is_not_listed_is_summed_up():
    many = lens("provider", [(f"p{n}", "10", 100, 0) for n in range(10)], total="150")
    many = replace(many, report=replace(many.report, row_count=14))
    text = overview_text(scene(lenses=(many,)), UTC)
    line = next(line for line in text.split("\n") if line.startswith("4 more"))
    assert line.split()[2:5] == ["$50.00", "33.3", "%"]


def test_states_are_notes():
    assert "12 of 30 days read" in overview_text(scene(filling=Filling(12, 30, NOW)), UTC)
    assert "does not answer: refused" in overview_text(scene(state=Stale(NOW, "refused", NOW)), UTC)
    nothing = scene(spend=replace(scene().spend, measures=replace(scene().spend.measures, request_count=0)), lenses=())
    assert "No request in this window." in overview_text(nothing, UTC)
    assert "The log is empty." in overview_text(replace(nothing, log_rows=0), UTC)
    assert "each of its tags" in overview_text(scene(lenses=(lens("tag", []),)), UTC)


@given(st.text(max_size=700), st.integers(60, 120))
def test_no_line_is_too_wide_and_no_control_character_leaves(name, width):
    hostile = lens("provider", [(name, "1", 1, 0)])
    keys = lens("token", [((name, name + "x"), "1", 1, 0)])
    text = overview_text(scene(lenses=(hostile, keys), source=name, view=View()), UTC, width)
    assert all(cells(line) <= width for line in text.split("\n"))
    assert not [character for character in text if character != "\n" and not character.isprintable() and
                ord(character) < 0xA0]  # fmt: skip


def test_a_report_table_adds_up_in_its_last_line():
    lines = report_table(providers().report, "By provider").split("\n")
    assert lines[0] == "By provider"
    assert lines[1].split() == ["provider", "cost", "share", "requests", "input", "output"]
    assert lines[2].split() == ["anthropic", "$1,402.10", "75.9", "%", "18,240", "0", "0"]
    assert lines[9].startswith("(no provider)")
    assert lines[9].split()[2] == "unpriced"
    assert set(lines[10]) == {"-"}
    assert lines[11].split()[:2] == ["total", "$1,847.20"]


def test_names_that_differ_only_at_their_end_are_told_apart():
    names = [f"user_7b1cfe99d0aa_account__session_0123456789abcdef_{letter * 20}" for letter in "ab"]
    rows = report_table(lens("user", [(name, "1", 1, 0) for name in names]).report).split("\n")[1:3]
    assert [row.split()[0][-5:] for row in rows] == ["aaaaa", "bbbbb"]
    assert cells(rows[0]) == cells(rows[1])


@pytest.mark.parametrize("columns", [(), ("user",), ("provider", "model")])
def test_reports_without_rows(columns):
    report = replace(providers().report, columns=columns, rows=(), row_count=0)
    assert "$1,847.20" in report_table(report)


def test_the_period_is_told_in_hours_too():
    day = replace(scene().period, start=NOW - timedelta(hours=24))
    assert "vs 24 hours before" in overview_text(scene(period=day), UTC)
