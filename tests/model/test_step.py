"""How much a figure changed, in a few cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cost_top.model.step import steady, step


def test_a_step_tells_three_per_cent_from_many_times():
    assert [step(now, 1000) for now in (1030, 1999, 2000, 9960, 124_000, 970)] == [
        "+3 %", "+100 %", "2.0×", "10×", "124×", "-3 %",
    ]  # fmt: skip
    assert [steady(now, 1000) for now in (1021, 1020, 980, 979)] == [False, True, True, False]


@given(st.integers(-(10**13), 10**18), st.none() | st.integers(-(10**13), 10**18))
def test_a_step_fits_in_six_cells(now, before):
    assert 0 < len(step(now, before)) <= 6
