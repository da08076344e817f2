"""Groups of a lens, `(key, second, newest, *additive measures)`, merged and ordered."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from operator import add, itemgetter
from typing import Any

from cost_top.mirror.measures import ADDITIVE_NAMES
from cost_top.model.query import TOKENS, in_order

Group = tuple[Any, ...]  # key, second, newest, *additive measures
_TOKEN_PLACES = tuple(3 + ADDITIVE_NAMES.index(name) for name in ("input_tokens", "output_tokens"))


def merge_groups(*parts: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups `(key, second, newest, *sums)` of several stretches as one.

    The `second` is that of the newest group which has one; of groups that were merged before, only when their newest
    row came is known.
    """
    merged: dict[str | None, tuple[Any, ...]] = {}
    for group in sorted(itertools.chain(*parts), key=itemgetter(2)):
        known = merged.setdefault(group[0], group)
        if known is not group:
            merged[group[0]] = (group[0], group[1] or known[1], group[2], *map(add, known[3:], group[3:]))
    return list(merged.values())


def order_groups(groups: list[tuple[Any, ...]], measure: str, descending: bool) -> list[tuple[Any, ...]]:
    """Groups by a measure, `TOKENS`, their key or their newest row."""
    if measure == TOKENS:
        return list(in_order(groups, lambda group: sum(group[at] for at in _TOKEN_PLACES), _key_of, descending))
    place = 0 if measure == "key" else 2 if measure == "newest" else 3 + ADDITIVE_NAMES.index(measure)
    return list(in_order(groups, itemgetter(place), _key_of, descending))


def _key_of(group: tuple[Any, ...]) -> tuple[Any, ...]:
    return group[:1]
