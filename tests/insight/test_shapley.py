"""The four factors of a change add up to it exactly."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cost_top.insight.shapley import Amount, split, whole

AMOUNTS = st.builds(Amount, st.integers(0, 500), st.integers(0, 10**6), st.integers(0, 10**14))
CELLS = st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from(["/x", "/y", None])), AMOUNTS, max_size=6)


@given(CELLS, CELLS)
def test_the_parts_add_up_to_the_pico_dollar(before: dict, after: dict) -> None:
    parts = split(before, after)
    change = sum(cell.cost for cell in after.values()) - sum(cell.cost for cell in before.values())
    assert sum(parts.values()) == change
    assert sum(whole(parts).values()) == change


@given(CELLS, CELLS)
def test_the_way_back_is_the_same_with_the_other_sign(before: dict, after: dict) -> None:
    there, back = split(before, after), split(after, before)
    assert all(there[name] == -back[name] for name in there)


def test_twice_the_requests_is_requests_alone() -> None:
    parts = split({("a", "/x"): Amount(10, 1000, 7)}, {("a", "/x"): Amount(20, 2000, 14)})
    assert parts == {"requests": 7, "mix": 0, "size": 0, "price": 0}


def test_a_dearer_token_is_price_alone() -> None:
    parts = split({("a", "/x"): Amount(10, 1000, 100)}, {("a", "/x"): Amount(10, 1000, 350)})
    assert parts == {"requests": 0, "mix": 0, "size": 0, "price": 250}


def test_another_model_on_the_same_endpoint_is_mix() -> None:
    parts = split({("cheap", "/x"): Amount(10, 100, 100)}, {("dear", "/x"): Amount(10, 100, 900)})
    assert parts == {"requests": 0, "mix": 800, "size": 0, "price": 0}


def test_what_was_not_there_before_has_no_old_price() -> None:
    before = {("a", "/x"): Amount(10, 100, 100)}
    parts = split(before, {**before, ("b", "/y"): Amount(10, 100, 500)})
    assert parts["size"] == parts["price"] == 0
    assert parts["requests"] + parts["mix"] == 500


def test_a_spend_from_nothing_is_requests() -> None:
    assert split({}, {("a", "/x"): Amount(3, 30, 99)}) == {"requests": 99, "mix": 0, "size": 0, "price": 0}


def test_rounding_leaves_nothing_over() -> None:
    parts = {"requests": Fraction(1, 3), "mix": Fraction(1, 3), "size": Fraction(4, 3), "price": Fraction(1)}
    assert sum(whole(parts).values()) == 3
