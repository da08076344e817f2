"""Packed cells against the same as they came."""

from __future__ import annotations

import random
from collections.abc import Iterable

from cost_top.model.cells import Choice, PackedCells, pack
from cost_top.model.features import Cell


def summed(cells: Iterable[Cell]) -> dict[tuple[object, ...], list[int]]:
    found: dict[tuple[object, ...], list[int]] = {}
    for cell in cells:
        sums = found.setdefault((cell.bucket, cell.names, cell.tags), [0, 0, 0])
        for place, value in enumerate((cell.requests, cell.cost, cell.tokens)):
            sums[place] += value
    return found


def test_the_cells_of_a_value_are_those_among_all() -> None:
    draw, labels = random.Random(1), {"k1": "First", "k2": "First"}
    cells = [
        Cell(place // 7, (draw.choice(("k1", "k2", "k3", None)), draw.choice(("/a", "k1"))), draw.choice(((), ("t",))),
             1, cost := draw.choice((0, 5, 9 * 10**19)), cost, float(cost) ** 2, 0, 1, cost, 9)
        for place in range(20_000)
    ]  # fmt: skip
    packed = PackedCells([(3, block) for block in pack(cells)], Choice((0, 1), (labels, {})))
    everything = list(packed.between(0, 10**6))
    assert sum(cell.cost for cell in everything) == sum(cell.cost for cell in cells)
    for holding in ((0, "First"), (0, "k3"), (0, None), (1, "k1"), (0, "k1"), (1, "nobody")):
        for start, end in ((0, 10**6), (1500, 1700)):
            expected = [
                cell for cell in everything if cell.names[holding[0]] == holding[1] and start <= cell.bucket < end
            ]
            assert summed(packed.between(start, end, holding)) == summed(expected)
    assert not list(packed.between(0, 10**6, (0, "k1")))  # it is called otherwise
