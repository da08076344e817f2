"""Spend of one slice of a log by five minutes: sparse, only ever added to; old figures are packed while none asks."""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import sub

from cost_top.insight.levels import WINDOWS

_RECORD_DAYS = 31
_FEWEST = 64  # points that are packed together
_NONE = -1.0  # instead of squares that are nought where the cost is not


class Series:
    """One value of one dimension (None of `total`). Sums are over half-open stretches of buckets, in pico-dollars."""

    __slots__ = (
        "_asleep", "_begins", "_best", "_days", "_gone", "_packed", "_packs", "_records", "at", "counts", "dimension",
        "first", "largest", "squares", "totals", "value",
    )  # fmt: skip

    def __init__(self, dimension: str, value: str | None) -> None:
        self.dimension = dimension
        self.value = value
        self.at = array("i")  # buckets with requests: points
        # Figures of the points from the first on that is awake.
        # Lists where a number needs more than eight bytes, which takes nine million dollars.
        self.totals: array[int] | list[int] = array("q", (0,))  # cost before each of them
        self.counts = array("q", (0,))  # requests before each of them
        self.largest: array[int] | list[int] = array("q")  # largest single cost
        self.squares = array("d")  # squares of every cost
        self.first = -1
        self._packs: list[tuple[int, bytes]] = []  # so many of the oldest points, and their figures
        self._gone = 0  # points of the first pack that are forgotten
        self._packed = 0  # points that the packs hold beside
        self._asleep = 0  # points whose figures are nowhere else: as many, or none
        self._days, self._begins = array("i"), array("i")  # local days and the first bucket of each
        self._best: dict[int, tuple[int, ...]] = {}  # the highest windows of days that are over
        self._records: tuple[tuple[int, int], tuple[int, ...]] = ((-1, -1), ())  # asked for on which day, of which day

    def add(self, bucket: int, day: int, cost: int, requests: int, largest: int, squares: float) -> None:
        """What one bucket of a local day brought."""
        self._turn(bucket, day)
        self.at.append(bucket)
        self.counts.append(self.counts[-1] + requests)
        self.squares.append(squares)
        points = len(self.squares)
        try:
            self.totals.append(self.totals[-1] + cost)
            self.largest.append(largest)
        except OverflowError:
            self.totals = [*self.totals[:points], self.totals[points - 1] + cost]
            self.largest = [*self.largest[: points - 1], largest]

    def extend(
        self, day: int, buckets: Sequence[int], costs: Sequence[int], requests: Sequence[int], largest: Sequence[int],
        squares: Sequence[float],
    ) -> None:  # fmt: skip
        """What the buckets of one local day brought, in order; each may stand there several times."""
        self._turn(buckets[0], day)
        totals = list(accumulate(costs, initial=self.totals[-1]))[1:]
        counts = list(accumulate(requests, initial=self.counts[-1]))[1:]
        at, high, sums = list(buckets), list(largest), list(squares)
        if len(set(at)) < len(at):
            for place in range(len(at) - 1, 0, -1):
                if at[place - 1] == at[place]:
                    high[place - 1] = max(high[place - 1], high[place])
                    sums[place - 1] += sums[place]
                    del totals[place - 1], counts[place - 1], sums[place], high[place], at[place]
        self.at.extend(at)
        self.counts.extend(counts)
        self.squares.extend(sums)
        try:
            added, dearest = array("q", totals), array("q", high)
        except OverflowError:
            self.totals, self.largest = [*self.totals, *totals], [*self.largest, *high]
        else:
            self.totals.extend(added)
            self.largest.extend(dearest)

    def forget(self, before: int) -> None:
        """Drop what was before a bucket; sums over later stretches stay as they are."""
        gone = bisect_left(self.at, before)
        del self.at[:gone]
        awake = max(0, gone - self._asleep)
        for figures in (self.totals, self.counts, self.largest, self.squares):
            del figures[:awake]
        self._gone += min(gone, self._packed)
        self._packed, self._asleep = max(0, self._packed - gone), max(0, self._asleep - gone)
        while self._packs and self._gone >= self._packs[0][0]:
            self._gone -= self._packs.pop(0)[0]
        while len(self._days) > 1 and self._begins[1] <= before:
            self._best.pop(self._days.pop(0), None)
            self._begins.pop(0)

    def cut(self, end: int) -> None:
        """Drop what is in a bucket and after it, as if it had not been added."""
        left = bisect_left(self.at, end)
        if left < self._packed:
            self._wake()
            self._packs, self._packed, self._gone = [], 0, 0
        del self.at[left:]
        left -= self._asleep
        del self.largest[left:], self.squares[left:]
        for prefix in (self.totals, self.counts):
            del prefix[left + 1 :]
        if self.first >= end:
            self.first = -1
        while self._begins and self._begins[-1] >= end:
            del self._days[-1], self._begins[-1]
        last = self._days[-1] if self._days else -1
        self._best = {day: best for day, best in self._best.items() if day < last}
        self._records = ((-1, -1), ())

    def rest(self, before: int) -> None:
        """Hold what was before a bucket packed, in a quarter of the memory, until a sum over it is asked for.

        Which was its dearest request is no longer known then.
        """
        old = bisect_left(self.at, before)
        if old - self._packed >= _FEWEST and isinstance(self.totals, array):
            start, end = self._packed - self._asleep, old - self._asleep
            costs, requests = (_steps(prefix[start : end + 1]) for prefix in (self.totals, self.counts))
            self._packs.append((old - self._packed, _pack(costs, requests, self.squares[start:end])))
            self._packed = old
        awake = self._packed - self._asleep
        for figures in (self.totals, self.counts, self.largest, self.squares):
            del figures[:awake]
        self._asleep = self._packed

    def spent(self, start: int, end: int) -> int:
        """Cost in a stretch."""
        first, last = self._places(start, end)
        return self.totals[last] - self.totals[first]

    def count(self, start: int, end: int) -> int:
        """Requests in a stretch."""
        first, last = self._places(start, end)
        return self.counts[last] - self.counts[first]

    def square_sum(self, start: int, end: int) -> float:
        """Squares of the costs in a stretch."""
        first, last = self._places(start, end)
        return sum(self.squares[first:last])

    def largest_in(self, start: int, end: int) -> int:
        """The dearest request of a stretch that was not at `rest`."""
        first, last = self._places(start, end)
        return max(self.largest[first:last], default=0)

    def first_in(self, start: int, end: int) -> int:
        """The first bucket of a stretch with requests; its end when there is none."""
        place = bisect_left(self.at, start)
        return min(self.at[place], end) if place < len(self.at) else end

    def risen_from(self, start: int, end: int, usual: float) -> int:
        """The bucket of a stretch since which most was spent beyond `usual`, which is that of the stretch."""
        first, last = self._places(start, end)
        at = self.at[first + self._asleep : last + self._asleep]
        whole, each = self.totals[last], usual / (end - start)
        beyond = [
            whole - before - each * (end - bucket) for before, bucket in zip(self.totals[first:last], at, strict=True)
        ]
        return at[beyond.index(max(beyond))] if beyond else start

    def longest_gap(self, start: int, end: int) -> int:
        """The most buckets without a request that follow on each other in a stretch."""
        at = [start - 1, *self.at[bisect_left(self.at, start) : bisect_left(self.at, end)], end]
        return max(later - earlier - 1 for earlier, later in pairwise(at))

    def record(self, index: int, day: int) -> int:
        """The second highest daily maximum of a window in the 31 days before the local `day`, which is today."""
        last = self._days[-1] if self._days else -1
        if self._records[0] != (day, last):
            past = [self._best_of(place) for place, one in enumerate(self._days) if day - _RECORD_DAYS <= one < day]
            self._records = (
                (day, last),
                tuple(sorted((best[place] for best in past), reverse=True)[1] if len(past) > 1 else 0
                      for place in range(len(WINDOWS))),
            )  # fmt: skip
        return self._records[1][index]

    def often(self, index: int, day: int, days: int) -> int:
        """What a window reached on so many of the 31 days before the local `day`; 0 where there are fewer."""
        past = [self._best_of(place)[index] for place, one in enumerate(self._days)
                if day - _RECORD_DAYS <= one < day]  # fmt: skip
        return sorted(past)[-days] if len(past) >= days else 0

    def _best_of(self, number: int) -> tuple[int, ...]:
        """The highest cost of each window that ends with a bucket of one of the days begun."""
        day, begun = self._days[number], self._begins[number]
        if day not in self._best:
            self._wake()
            low = bisect_left(self.at, begun)
            high = bisect_left(self.at, self._begins[number + 1]) if number + 1 < len(self._days) else len(self.at)
            self._best[day] = tuple(self._highest(low, high, window) for window in WINDOWS)
        return self._best[day]

    def _highest(self, low: int, high: int, window: int) -> int:
        highest, start = 0, bisect_left(self.at, self.at[low] - window + 1) if low < high else 0
        for place in range(low, high):
            first = self.at[place] - window + 1
            while self.at[start] < first:
                start += 1
            highest = max(highest, self.totals[place + 1] - self.totals[start])
        return highest

    def _turn(self, bucket: int, day: int) -> None:
        if self.first < 0:
            self.first = bucket
        if not self._days or self._days[-1] != day:
            self._days.append(day)
            self._begins.append(bucket)

    def _places(self, start: int, end: int) -> tuple[int, int]:
        """Where the figures of a stretch are."""
        first, last = bisect_left(self.at, start), bisect_left(self.at, end)
        if min(first, last) < self._asleep:
            self._wake()
        return first - self._asleep, last - self._asleep

    def _wake(self) -> None:
        if not self._asleep:
            return
        costs, requests, squares = array("q"), array("q"), array("d")
        for _, data in self._packs:
            part = _unpack(data)
            costs += part[0]
            requests += part[1]
            squares += part[2]
        for figures in (costs, requests, squares):
            del figures[: self._gone]
        totals = array("q", _before(self.totals[0], costs))
        self.totals = totals + self.totals if isinstance(self.totals, array) else [*totals, *self.totals]
        unknown = array("q", bytes(8 * len(costs)))
        self.largest = unknown + self.largest if isinstance(self.largest, array) else [*unknown, *self.largest]
        self.counts = array("q", _before(self.counts[0], requests)) + self.counts
        self.squares = squares + self.squares
        self._asleep = 0


def _steps(prefix: Sequence[int]) -> array[int]:
    return array("q", map(sub, prefix[1:], prefix))


def _before(whole: int, parts: Sequence[int]) -> Iterable[int]:
    """What was summed before each of the parts, where after them all it is `whole`."""
    return list(accumulate(parts, initial=whole - sum(parts)))[:-1]


def _pack(costs: array[int], requests: array[int], squares: array[float]) -> bytes:
    # Squares of single requests follow from the cost, and where none are told all are nought: both take no room.
    told = array("d", [0.0 if square == float(cost) * cost else square or _NONE
                       for cost, square in zip(costs, squares, strict=True)])  # fmt: skip
    return zlib.compress(b"".join(part.tobytes() for part in (costs, requests, told)), 1)


def _unpack(data: bytes) -> tuple[array[int], array[int], array[float]]:
    body = zlib.decompress(data)
    size = len(body) // 3
    costs, requests = array("q", body[:size]), array("q", body[size : 2 * size])
    told = array("d", body[2 * size :])
    squares = [max(0.0, square) if square else float(cost) * cost for cost, square in zip(costs, told, strict=True)]
    return costs, requests, array("d", squares)
