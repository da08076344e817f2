"""Sums come as they are, whether 64 bits hold them or not."""

from __future__ import annotations

from cost_top.mirror.measures import SUMMED, fetch_sums
from support.scratch import scratch


def test_sums_of_any_size_are_exact() -> None:
    with scratch() as duck:
        for least in (1, 2**62):
            sums = f"SELECT sum(n)::{SUMMED} FROM (SELECT $1::HUGEINT + i AS n FROM range(3) r(i))"
            rows = fetch_sums(duck, sums, [least])
            assert rows == [(3 * least + 3,)]
