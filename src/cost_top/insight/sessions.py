"""How large a session is: what one key spends on one endpoint for one user within an hour."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from cost_top.insight.calendar import DAY, HOUR

_DAYS = 28
_ENOUGH = 30


class Size(NamedTuple):
    """Of the sessions of four weeks, in pico-dollars: the mean weighted by cost, and the 95th percentile.

    The mean is no more than the percentile: a leak or a loop is hours of one huge session, and would hide the next.
    """

    weighted: float
    large: float


class _Hour(NamedTuple):
    """The sessions of an hour, which is over: their keys, their endpoints and their costs."""

    day: int
    packed: bytes

    def costs(self, group: tuple[str, str] | None) -> Iterable[int]:
        """Those of a key or an endpoint; of all where none is told."""
        tokens, endpoints, costs = json.loads(zlib.decompress(self.packed))
        if group is None:
            return costs  # type: ignore[no-any-return]
        names = tokens if group[0] == "token" else endpoints
        return [cost for name, cost in zip(names, costs, strict=True) if name == group[1]]


class Sessions:
    """Sessions by hour, and their size as of the last turn of a day (UTC of the log's origin)."""

    def __init__(self) -> None:
        self._open: dict[tuple[str | None, str | None, str | None], int] = {}
        self._hour = -1
        self._hours: deque[_Hour] = deque()
        self._sizes: dict[tuple[str, str] | None, Size | None] = {}
        self._measured = -1

    def add(self, token: str | None, endpoint: str | None, user: str | None, cost: int) -> None:
        """Spend of one key on one endpoint for one user in the bucket that was turned to."""
        key = (token, endpoint, user)
        self._open[key] = self._open.get(key, 0) + cost

    def turn(self, bucket: int) -> None:
        """Close what ended before this bucket."""
        hour = bucket // HOUR
        if hour != self._hour:
            self._close()
            self._hour = hour
        day = bucket // DAY
        if day != self._measured:
            self._measured, self._sizes = day, {}
            while self._hours and self._hours[0].day < day - _DAYS:
                self._hours.popleft()

    def size(self, dimension: str, value: str | None) -> Size:
        """Of the key or the endpoint itself where it has thirty sessions and more, else of all."""
        own = None
        if value is not None and dimension in ("token", "endpoint"):
            own = self._size((dimension, value))
        return own or self._size(None) or Size(0.0, 0.0)

    def mark(self) -> tuple[object, ...]:
        """How it is now, for `back`."""
        return dict(self._open), self._hour, tuple(self._hours), self._measured, dict(self._sizes)

    def back(self, mark: tuple[object, ...]) -> None:
        """As it was."""
        opened, self._hour, hours, measured, sizes = mark  # type: ignore[assignment]
        if measured != self._measured:  # of days that were over by then as by now
            self._measured, self._sizes = measured, dict(sizes)  # type: ignore[assignment,call-overload]
        self._open, self._hours = dict(opened), deque(hours)  # type: ignore[call-overload]

    def _size(self, group: tuple[str, str] | None) -> Size | None:
        if group not in self._sizes:
            costs = [cost for hour in self._hours if hour.day < self._measured for cost in hour.costs(group)]
            is_told = bool(costs) and (group is None or len(costs) >= _ENOUGH)
            self._sizes[group] = _size(costs) if is_told else None
        return self._sizes[group]

    def _close(self) -> None:
        found = [(token, endpoint, cost) for (token, endpoint, _), cost in self._open.items() if cost]
        if found:
            packed = zlib.compress(json.dumps(list(zip(*found, strict=True))).encode(), 1)
            self._hours.append(_Hour(self._hour * HOUR // DAY, packed))
        self._open.clear()


def _size(costs: list[int]) -> Size:
    costs.sort()
    total = sum(costs)
    squares = float(sum(cost * cost for cost in costs))
    large = float(costs[max(0, -(-len(costs) * 95 // 100) - 1)])
    return Size(min(squares / total, large) if total > 0 else 0.0, large)
