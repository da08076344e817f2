"""A change of spend, split exactly into requests, mix, size and price.

Spend is the sum over cells (a model at an endpoint, say) of requests × share of the requests × tokens a request × cost
a token. Each factor's part is its Shapley value: its effect averaged over all orders in which the four could have
changed (Shapley 1953; Shorrocks 2013 on decompositions). Fractions throughout, so the parts add up to the
change exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import NamedTuple

FACTORS = ("requests", "mix", "size", "price")
_COUNT = len(FACTORS)


class Amount(NamedTuple):
    """What a cell amounts to; cost in pico-dollars. Fractions where a baseline was scaled."""

    requests: Fraction | int
    tokens: Fraction | int
    cost: Fraction | int


NOTHING = Amount(0, 0, 0)
Cells = Mapping[tuple[str | None, ...], Amount]


def split(before: Cells, after: Cells) -> dict[str, Fraction]:
    """The part of each factor in the change of cost from `before` to `after`.

    A cell that is on one side only has no size or price on the other: it takes those it has, so that all of it is
    requests and mix. A cell without tokens on either side counts a request as its unit of size.

    >>> old, new = {("a",): Amount(10, 100, 1000)}, {("a",): Amount(20, 200, 2000)}
    >>> {name: int(part) for name, part in split(old, new).items()}
    {'requests': 1000, 'mix': 0, 'size': 0, 'price': 0}
    """
    whole = (sum((Fraction(cell.requests) for cell in side.values()), Fraction()) for side in (before, after))
    old, new = whole
    parts = [Fraction()] * _COUNT
    for key in {**before, **after}:
        first, second = _factors(before.get(key, NOTHING), after.get(key, NOTHING), old, new)
        for place in range(_COUNT):
            parts[place] += _value(first, second, place)
    # Cost of cells without a request on either side belongs to no factor; it is told as price.
    missing = _cost(after) - _cost(before) - sum(parts)
    parts[3] += missing
    return dict(zip(FACTORS, parts, strict=True))


def whole(parts: Mapping[str, Fraction]) -> dict[str, int]:
    """The parts in whole pico-dollars that add up to the rounded change: the largest takes what rounding leaves."""
    rounded = {name: round(part) for name, part in parts.items()}
    if rounded:
        largest = max(parts, key=lambda name: abs(parts[name]))
        rounded[largest] += round(sum(parts.values(), Fraction())) - sum(rounded.values())
    return rounded


def _cost(cells: Cells) -> Fraction:
    return sum((Fraction(cell.cost) for cell in cells.values()), Fraction())


def _factors(
    before: Amount, after: Amount, old: Fraction, new: Fraction
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    if any(side.requests and not side.tokens for side in (before, after)):
        before, after = (Amount(side.requests, side.requests, side.cost) for side in (before, after))
    sides: list[list[Fraction] | None] = []
    for side, total in ((before, old), (after, new)):
        if not side.requests:
            sides.append(None)
            continue
        requests, tokens = Fraction(side.requests), Fraction(side.tokens)
        sides.append([total, requests / total, tokens / requests, Fraction(side.cost) / tokens])
    first, second = sides
    if first is None and second is None:
        return (Fraction(),) * _COUNT, (Fraction(),) * _COUNT
    if first is None:
        assert second is not None
        first = [old, second[1] if not old else Fraction(), second[2], second[3]]
    if second is None:
        second = [new, first[1] if not new else Fraction(), first[2], first[3]]
    return tuple(first), tuple(second)


def _value(first: tuple[Fraction, ...], second: tuple[Fraction, ...], place: int) -> Fraction:
    """The mean effect of one factor over the sets of others that may have changed before it."""
    step = second[place] - first[place]
    if not step:
        return Fraction()
    others = [other for other in range(_COUNT) if other != place]
    total = Fraction()
    for size in range(_COUNT):
        weight = Fraction(factorial(size) * factorial(_COUNT - 1 - size), factorial(_COUNT))
        for changed in combinations(others, size):
            product = weight
            for other in others:
                product *= second[other] if other in changed else first[other]
            total += product
    return total * step
