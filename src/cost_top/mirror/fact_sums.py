"""Sums over integer rows: the one statement that gives every lens, and what its groups mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cost_top.mirror.added import COLUMNS, SummedRow
from cost_top.mirror.added import trust as trust_of
from cost_top.mirror.fact_values import UNITS, FactValues, unit_of_lens
from cost_top.mirror.groups import Group, dated, later
from cost_top.mirror.measures import ADDITIVE_NAMES, SUMMED, TRUST
from cost_top.mirror.rollup_tables import TRUST_LENS
from cost_top.mirror.slices import Cuts, Slice

_COST, _MARKET = ADDITIVE_NAMES.index("total_cost"), ADDITIVE_NAMES.index("market_cost")
_KIND = UNITS["kind"]


@dataclass
class Found:
    """The sums of one slice."""

    totals: tuple[int, ...] = (0,) * len(ADDITIVE_NAMES)
    trust: tuple[int, ...] = (0,) * len(TRUST)
    groups: dict[str, list[Group]] = field(default_factory=dict)  # by lens


# Groups `(id, bar, newest, count, *sums)` by the number of a slice and the unit; an id may come several times.
Told = dict[tuple[int, str], list[tuple[Any, ...]]]


class Question:
    """Slices of integer rows by lenses; those of providers also by the stretch of time between two cuts."""

    def __init__(self, lenses: Sequence[str], cuts: Cuts) -> None:
        """Pure."""
        self.lenses = tuple(lenses)
        self._cuts = cuts
        self._units = tuple(dict.fromkeys(map(unit_of_lens, lenses)))
        self._keys = [*(f"{unit}_id" for unit in self._units), *(["bar"] if "provider" in self._units else [])]

    @property
    def units(self) -> tuple[str, ...]:
        """The units whose numbers are the lenses' groups."""
        return self._units

    def only(self, units: Collection[str]) -> Question:
        """The same of lenses of some units."""
        return Question([lens for lens in self.lenses if unit_of_lens(lens) in units], self._cuts)

    def cuts_inside(self, day: datetime) -> bool:
        """Whether sums of providers are cut inside a day."""
        return self._cuts.are_inside(Slice(day, day + timedelta(days=1)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of integer rows that are read besides those of the filter."""
        return ("time", *(f"{unit}_id" for unit in self._units), *(f"sum_{name}" for name in ADDITIVE_NAMES))

    def bar(self, part: Slice) -> str:
        """SQL of the quarter of an hour that the stretch of a row of `part` begins with."""
        return self._cuts.bar_sql(part) if "provider" in self._units else "NULL::INTEGER"

    def select(self, rows: str, condition: str) -> str:
        """The statement over rows with their `slice`, for `fetch_sums`."""
        sets = ", ".join(f"(slice, {', '.join(self._set(unit))})" for unit in self._units)
        sums = ", ".join(f"sum(sum_{name})::{SUMMED}" for name in ADDITIVE_NAMES)
        keys = ", ".join(self._keys)
        return (
            f"SELECT slice, grouping({keys}), {keys}, max(time), count(*), {sums} "
            f"FROM ({rows}) WHERE {condition} GROUP BY GROUPING SETS ({sets})"
        )

    def _set(self, unit: str) -> tuple[str, ...]:
        return (f"{unit}_id", "bar") if unit == "provider" else (f"{unit}_id",)

    def read(self, groups: Iterable[tuple[Any, ...]], told: Told) -> None:
        """Add what the statement gave to what is told of each slice and unit."""
        masks = {
            sum((key not in self._set(unit)) << place for place, key in enumerate(reversed(self._keys))): unit
            for unit in self._units
        }
        places = {unit: self._keys.index(f"{unit}_id") for unit in self._units}
        width = len(self._keys)
        for number, mask, *values in groups:
            unit = masks[mask]
            bar = values[width - 1] if unit == "provider" else None
            told.setdefault((number, unit), []).append((values[places[unit]], bar, *values[width:]))

    @staticmethod
    def read_pairs(groups: Iterable[tuple[Any, ...]], units: Mapping[int, str], told: Told) -> None:
        """As `read`, of `(slice, pair, id, bar, newest, count, *sums)`; `units` are what pairs tell."""
        for number, pair, *values in groups:
            told.setdefault((number, units[pair]), []).append(tuple(values))

    def put(self, told: Told, values: FactValues, found: dict[int, Found]) -> None:
        """Put what is told into the slices it is of."""
        for (number, unit), told_of in told.items():
            one = found[number]
            if unit == self._units[0]:
                one.totals = tuple(map(sum, zip(*(group[4:] for group in told_of), strict=True)))
            for lens in self.lenses:
                if unit_of_lens(lens) != unit:
                    continue
                if lens == TRUST_LENS:
                    one.trust = _trust(told_of, values)
                else:
                    one.groups[lens] = _groups(lens, told_of, values)


def _groups(lens: str, told: Iterable[tuple[Any, ...]], values: FactValues) -> list[Group]:
    """`(key, second, newest, *sums)` of a lens, from `(number, bar, newest, rows, *sums)` of its unit, newest last."""
    known, place = values.of[unit_of_lens(lens)], _KIND.index(lens) if lens in _KIND else 0
    merged: dict[tuple[Any, Any], list[Any]] = {}
    for number, bar, newest, _, *sums in sorted(told, key=lambda group: group[2]):
        value = known[number]
        found = (value[place] or (None,)) if lens == "tag" else (value[place],)
        name = dated(newest, value[1]) if lens == "token" else None
        for key in found:
            group = merged.get((key, bar))
            if group is None:
                merged[key, bar] = [name, newest, *sums]
                continue
            group[0], group[1] = later(group[0], name), newest
            group[2:] = map(int.__add__, group[2:], sums)
    return [
        (key if key is None else str(key), bar if lens == "provider" else group[0], *group[1:])
        for (key, bar), group in merged.items()
    ]


def _trust(told: Iterable[tuple[Any, ...]], values: FactValues) -> tuple[int, ...]:
    total = [0] * len(TRUST)
    for number, _, _, rows, *sums in told:
        by_cost, by_market, by_row = _shares(values.of["kind"][number])
        for place in range(len(TRUST)):
            total[place] += by_cost[place] * sums[_COST] + by_market[place] * sums[_MARKET] + by_row[place] * rows
    return tuple(total)


@cache
def _shares(kind: tuple[Any, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """What each pico-dollar of cost, of list price, and each row of a kind adds to the sums of the trust line."""
    told = dict(zip(_KIND, kind, strict=True))
    market = 0 if told["has_market"] else None

    def of(cost: int | None, market: int | None) -> tuple[int, ...]:
        row = dict.fromkeys(COLUMNS) | {name: value for name, value in told.items() if name in COLUMNS}
        row |= {"user": "" if told["has_user"] else None, "tags": [""] if told["has_tag"] else None}
        row |= {"token": "" if told["has_token"] else None, "cost": cost, "market_cost": market}
        return trust_of(SummedRow(**row))

    sign = told["cost_sign"]
    once = of(sign, market)
    by_cost = tuple((two - one) * sign for one, two in zip(once, of(2 * sign, market), strict=True)) if sign else None
    by_market = tuple(map(int.__sub__, of(sign, 1), once)) if market is not None else (0,) * len(TRUST)
    by_cost = by_cost or (0,) * len(TRUST)
    by_row = tuple(one - share * (sign or 0) for one, share in zip(once, by_cost, strict=True))
    return by_cost, by_market, by_row
