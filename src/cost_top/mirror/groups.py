"""Groups of a lens, `(key, second, newest, *additive measures)`, merged and ordered.

The `second` of keys is their name with the time at which it was said, as `dated` spells it: the greatest is the newest
name, whatever else came since.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime
from operator import add, itemgetter
from typing import Any

from cost_top.mirror.measures import ADDITIVE_NAMES
from cost_top.model.query import TOKENS, in_order

Group = tuple[Any, ...]  # key, second, newest, *additive measures
_TOKEN_PLACES = tuple(3 + ADDITIVE_NAMES.index(name) for name in ("input_tokens", "output_tokens"))


# The same as `dated`, of a group of rows.
DATED_SQL = (
    "strftime(max(time) FILTER (WHERE token_name IS NOT NULL), '%Y-%m-%dT%H:%M:%S.%f') || arg_max(token_name, time)"
)
_DATE = len("2026-11-30T12:00:00.000000")


def dated(moment: datetime, name: str | None) -> str | None:
    """A name with when a row said it.

    >>> undated(max(dated(datetime(2026, 11, 30), "old"), dated(datetime(2026, 12, 1), "new")))
    'new'
    """
    return None if name is None else f"{moment.isoformat(timespec='microseconds')}{name}"


def undated(said: str | None) -> str | None:
    """The name alone."""
    return None if said is None else said[_DATE:]


def later(one: Any, other: Any) -> Any:
    """The greater of two that may be None."""
    return one if other is None or (one is not None and one > other) else other


def merge_groups(*parts: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups `(key, second, newest, *sums)` of several stretches as one, with the greatest second and newest."""
    merged: dict[str | None, tuple[Any, ...]] = {}
    for group in itertools.chain(*parts):
        known = merged.setdefault(group[0], group)
        if known is not group:
            newest = max(known[2], group[2])
            merged[group[0]] = (group[0], later(known[1], group[1]), newest, *map(add, known[3:], group[3:]))
    return list(merged.values())


def order_groups(groups: list[tuple[Any, ...]], measure: str, descending: bool) -> list[tuple[Any, ...]]:
    """Groups by a measure, `TOKENS`, their key or their newest row."""
    if measure == TOKENS:
        return list(in_order(groups, lambda group: sum(group[at] for at in _TOKEN_PLACES), _key_of, descending))
    place = 0 if measure == "key" else 2 if measure == "newest" else 3 + ADDITIVE_NAMES.index(measure)
    return list(in_order(groups, itemgetter(place), _key_of, descending))


def _key_of(group: tuple[Any, ...]) -> tuple[Any, ...]:
    return group[:1]
