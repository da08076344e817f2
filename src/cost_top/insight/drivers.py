"""Who is behind a change: the values of one dimension that explain most of it.

Explanatory power is a value's change over the whole change, surprise how far its share moved (Bhagwan et al.,
"Adtributor", NSDI 2014); few values that explain much go first.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

ENOUGH = Fraction(4, 5)
MOST = 3
_WORTH = Fraction(1, 10)
Sums = Mapping[str | None, Fraction | int]


class Share(NamedTuple):
    """One value of a dimension and what of the change it explains (1 is all of it); values of tags overlap."""

    dimension: str
    value: str | None
    change: Fraction
    share: Fraction


def explain(dimension: str, before: Sums, after: Sums, change: Fraction) -> tuple[Share, ...]:
    """The values, largest share first, until four fifths are explained or three are named."""
    if not change:
        return ()
    old, new = (sum(side.values(), Fraction()) for side in (before, after))
    shares = []
    for value in {**before, **after}:
        first, second = Fraction(before.get(value, 0)), Fraction(after.get(value, 0))
        surprise = abs((second / new if new else 0) - (first / old if old else 0))
        shares.append((Share(dimension, value, second - first, (second - first) / change), surprise))
    shares.sort(key=lambda one: (-one[0].share, -one[1], one[0].value is None, one[0].value or ""))
    chosen: list[Share] = []
    explained = Fraction()
    for share, _ in shares:
        if explained >= ENOUGH or len(chosen) == MOST or share.share < _WORTH:
            break
        chosen.append(share)
        explained += share.share
    return tuple(chosen)


def simplest(found: Mapping[str, tuple[Share, ...]]) -> tuple[str, ...]:
    """Dimensions, the one that explains the change best first: enough explained, by few values, by much."""

    def place(dimension: str) -> tuple[bool, int, Fraction]:
        shares = found[dimension]
        explained = min(sum((share.share for share in shares), Fraction()), Fraction(1))
        return (explained < ENOUGH, len(shares), -explained)

    return tuple(sorted((dimension for dimension in found if found[dimension]), key=place))
