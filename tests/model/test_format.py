"""Figures and names for eyes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cost_top.model.format import (
    age,
    cells,
    change,
    count,
    elide,
    lower_bound,
    money_fixed,
    money_scaled,
    pad,
    percent,
    tokens,
)
from cost_top.model.text import clean

WIDE = st.text(alphabet=st.sampled_from("ab/日本語한👍🇩é́🏽 "), max_size=60) | st.text(max_size=60)
CLEAN = WIDE.map(clean)


@given(CLEAN, st.integers(0, 40), st.sampled_from(["left", "right", "center"]))
def test_padded_text_takes_exactly_its_cells(text, width, align):
    assert cells(pad(text, width, align)) == width


@given(CLEAN, st.integers(1, 40))
def test_elided_text_fits_and_says_that_it_was_cut(text, width):
    shown = elide(text, width)
    assert cells(shown) <= width
    assert shown == text or shown.endswith("…")
    assert shown != text or cells(text) <= width


def test_clusters_are_never_cut():
    assert elide("e\u0301e\u0301e\u0301", 2) == "e\u0301…"
    assert elide("🇩🇪🇫🇷🇯🇵", 3) == "🇩🇪…"
    assert elide("👍🏽👍🏽", 3) == "👍🏽…"


def test_a_name_of_10_kb_is_cut_like_any_other():
    assert elide("x" * 10_240, 5) == "xxxx…"
    assert elide("e" + "\u0301" * 10_240, 3).endswith("…")


@given(CLEAN)
def test_a_long_or_odd_name_is_measured_without_failing(text):
    assert cells(text) >= 0


@pytest.mark.parametrize("text", ["日本語", "👍🏽", "🇩🇪", "é", "한국", "Ω", "ﷺ", "ก็", "\U0001fae8"])
def test_cells_are_those_the_toolkit_lays_out(text):
    assert cells(text) == cell_len(text)


@given(st.integers(-(10**9), 10**12), st.integers(1, 10**12))
def test_a_share_is_right_to_a_twentieth_of_a_percent(part, whole):
    text = percent(part, whole)
    if text.startswith(("<0.1", ">-0.1")):
        assert 0 < abs(part) * 2000 < whole
    elif text.startswith(">99.9"):
        assert part < whole
    elif text.endswith("×"):
        assert abs(int(text.removesuffix("×").replace(",", "")) * whole - part) * 2 <= whole <= abs(part) // 10
    else:
        assert abs(part) < 10 * whole
        said = Decimal(text.removesuffix(" %").replace(",", ""))
        assert abs(said - Decimal(part) * 100 / whole) <= Decimal("0.05")
    assert (text == "0 %") == (part == 0)
    assert text != "100 %" or part == whole


@given(st.integers(0, 10**16), st.integers(0, 3))
def test_money_in_a_column_has_its_width_and_its_point_in_line(amount, unpriced):
    text = money_fixed(amount, 12, unpriced)
    assert len(text) == 12
    if amount and "." in text and not text.rstrip().endswith(("k", "M", "B")) and amount < 10**15:
        assert text.index(".") == 7
    assert (amount == 0 and unpriced > 0) == ("unpriced" in text)
    assert (amount > 0 and unpriced > 0) == ("≥" in text)


def test_unpriced_is_never_nothing():
    assert "$0.00" not in money_fixed(0, 12, 3)
    assert money_fixed(0, 12, 0).strip() == "$0.00"
    assert lower_bound("$0.00", 1) == "≥ $0.00"


@given(st.integers(0, 10**14))
def test_a_count_is_exact_or_three_figures(number):
    text = count(number)
    if number < 10_000:
        assert int(text.replace(",", "")) == number
    else:
        scale = {"k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}[text[-1]]
        assert abs(Decimal(text[:-1]) * scale - number) * 200 <= number
    assert len(tokens(number)) <= 10


def test_change_names_the_direction_by_shape():
    assert change(3 * 10**12, 2 * 10**12) == "▲ $1.00 (50.0 %)"
    assert change(0, 2 * 10**12) == "▼ $2.00 (100 %)"
    assert change(10**12, 0).endswith("(from $0.00)")
    assert change(1, None) is None


@given(st.integers(0, 10_000))
def test_an_age_rests_for_ten_seconds(seconds):
    start = seconds // 10 * 10
    assert age(timedelta(seconds=seconds)) == age(timedelta(seconds=start))


def test_axis_money():
    assert [money_scaled(amount) for amount in (0, 2 * 10**13, 1_250 * 10**12, -(10**12))] == [
        "$0", "$20", "$1.25k", "-$1",
    ]  # fmt: skip


def test_one_is_singular():
    from cost_top.model.format import counted

    assert [counted(number, "request") for number in (0, 1, 2, None)] == [
        "0 requests", "1 request", "2 requests", "– requests",
    ]  # fmt: skip
