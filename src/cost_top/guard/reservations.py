"""Amounts set aside for calls under way. In memory only: each ends by its row, by DELETE, or by itself."""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

MOST = 100_000
# Gateways stamp a row when the call comes in, which may be before they ask.
EARLY = timedelta(seconds=5)
Traits = tuple[tuple[str | None, ...] | None, ...]
Place = tuple[tuple[bool, ...], tuple[str | None, ...]]
Row = tuple[str, datetime, tuple[str | None, ...]]  # id, time and traits of one in the log
BudgetKey = tuple[str, str | None]  # a budget's id and a value of its dimension


@dataclass(frozen=True, slots=True)
class Reservation:
    """`traits` say how the log may call the call's token, endpoint, user and model; None where it was not told."""

    id: str
    amount: int  # pico-dollars
    keys: tuple[BudgetKey, ...]
    made_at: datetime
    expires: float  # monotonic seconds
    traits: Traits
    owner: str  # the serve token that made it
    named: bool  # whether the caller chose the id: then only a row of that id ends it

    @property
    def places(self) -> list[Place]:
        """Where a row of its kind looks for it: what was not told is left out."""
        if self.named:
            return []
        told = tuple(texts is not None for texts in self.traits)
        return [(told, values) for values in product(*(texts for texts in self.traits if texts is not None))]


class Reservations:
    """Used under its owner's lock."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._by_id: OrderedDict[str, Reservation] = OrderedDict()
        self._expiring: list[tuple[float, str]] = []
        self._sums: dict[BudgetKey, int] = {}
        self._places: dict[Place, OrderedDict[str, None]] = {}
        self._told: Counter[tuple[bool, ...]] = Counter()
        self.dropped = 0  # the oldest ones, for want of room

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, one: Reservation) -> None:
        """Set an amount aside; one of the same id is replaced."""
        self.end(one.id)
        if len(self._by_id) >= self._most:
            self.end(next(iter(self._by_id)))
            self.dropped += 1
        self._by_id[one.id] = one
        heapq.heappush(self._expiring, (one.expires, one.id))
        for key in one.keys:
            self._sums[key] = self._sums.get(key, 0) + one.amount
        for place in one.places:
            self._places.setdefault(place, OrderedDict())[one.id] = None
            self._told[place[0]] += 1

    def get(self, identity: str) -> Reservation | None:
        """The reservation of that id."""
        return self._by_id.get(identity)

    def end(self, identity: str) -> bool:
        """Give an amount back; whether there was one."""
        one = self._by_id.pop(identity, None)
        if one is None:
            return False
        for key in one.keys:
            left = self._sums[key] - one.amount
            if left:
                self._sums[key] = left
            else:
                del self._sums[key]
        for place in one.places:
            waiting = self._places[place]
            del waiting[identity]
            if not waiting:
                del self._places[place]
            self._told[place[0]] -= 1
        return True

    def expire(self, clock: float) -> None:
        """Give back what nobody came for."""
        while self._expiring and self._expiring[0][0] <= clock:
            expires, identity = heapq.heappop(self._expiring)
            one = self._by_id.get(identity)
            if one is not None and one.expires == expires:
                self.end(identity)
        if len(self._expiring) > 2 * len(self._by_id) + 1000:
            self._expiring = [(one.expires, one.id) for one in self._by_id.values()]
            heapq.heapify(self._expiring)

    def reserved(self, key: BudgetKey) -> int:
        """What is set aside of a budget."""
        return self._sums.get(key, 0)

    @property
    def total(self) -> int:
        """All that is set aside, each reservation once."""
        return sum(one.amount for one in self._by_id.values())

    @property
    def oldest(self) -> Reservation | None:
        """The one made first."""
        return next(iter(self._by_id.values()), None)

    def match_off(self, rows: Iterable[Row]) -> None:
        """End what rows stand for: the one of that id, else the oldest of such traits that has no id of its own."""
        for identity, time, traits in rows:
            if self.end(identity):
                continue
            waiting = [one for one in self._waiting(traits) if time >= one.made_at - EARLY]
            if waiting:
                self.end(min(waiting, key=lambda one: one.made_at).id)

    def _waiting(self, traits: tuple[str | None, ...]) -> Iterator[Reservation]:
        """The oldest one of each way to tell such a call."""
        for told, count in self._told.items():
            if count:
                values = tuple(value for value, is_told in zip(traits, told, strict=True) if is_told)
                place = self._places.get((told, values))
                if place:
                    yield self._by_id[next(iter(place))]
