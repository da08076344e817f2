"""Spend of one slice of a log by five minutes: sparse, only ever added to."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise

from cost_top.insight.levels import WINDOWS

_RECORD_DAYS = 31


class Series:
    """One value of one dimension (None of `total`). Sums are over half-open stretches of buckets, in pico-dollars."""

    __slots__ = (
        "_begun", "_best", "_records", "at", "counts", "dimension", "first", "largest", "squares", "totals", "value",
    )  # fmt: skip

    def __init__(self, dimension: str, value: str | None) -> None:
        self.dimension = dimension
        self.value = value
        self.at = array("i")  # buckets with requests
        # Lists where a number needs more than eight bytes, which takes nine million dollars.
        self.totals: array[int] | list[int] = array("q", (0,))  # cost before each of them
        self.counts = array("q", (0,))  # requests before each of them
        self.largest: array[int] | list[int] = array("q")  # largest single cost
        self.squares = array("d", (0.0,))  # squares of every cost, before each of them
        self.first = -1
        self._begun: list[tuple[int, int]] = []  # local days and the first bucket of each
        self._best: dict[int, tuple[int, ...]] = {}  # the highest windows of days that are over
        self._records: tuple[tuple[int, int], tuple[int, ...]] = ((-1, -1), ())  # asked for on which day, of which day

    def add(self, bucket: int, day: int, cost: int, requests: int, largest: int, squares: float) -> None:
        """What one bucket of a local day brought."""
        at = self.at
        if self.first < 0:
            self.first = bucket
        if not self._begun or self._begun[-1][0] != day:
            self._begun.append((day, bucket))
        at.append(bucket)
        self.counts.append(self.counts[-1] + requests)
        self.squares.append(self.squares[-1] + squares)
        try:
            self.totals.append(self.totals[-1] + cost)
            self.largest.append(largest)
        except OverflowError:
            self.totals = [*self.totals[: len(at)], self.totals[len(at) - 1] + cost]
            self.largest = [*self.largest[: len(at) - 1], largest]

    def extend(
        self, day: int, buckets: Sequence[int], costs: Sequence[int], requests: Sequence[int], largest: Sequence[int],
        squares: Sequence[float],
    ) -> None:  # fmt: skip
        """What the buckets of one local day brought, in order; each may stand there several times."""
        if self.first < 0:
            self.first = buckets[0]
        if not self._begun or self._begun[-1][0] != day:
            self._begun.append((day, buckets[0]))
        totals = list(accumulate(costs, initial=self.totals[-1]))[1:]
        counts = list(accumulate(requests, initial=self.counts[-1]))[1:]
        sums = list(accumulate(squares, initial=self.squares[-1]))[1:]
        high = list(largest)
        at = list(buckets)
        if len(set(at)) < len(at):
            for place in range(len(at) - 1, 0, -1):
                if at[place - 1] == at[place]:
                    high[place - 1] = max(high[place - 1], high[place])
                    del totals[place - 1], counts[place - 1], sums[place - 1], high[place], at[place]
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
        for prefix in (self.at, self.totals, self.counts, self.largest, self.squares):
            del prefix[:gone]
        while len(self._begun) > 1 and self._begun[1][1] <= before:
            self._best.pop(self._begun.pop(0)[0], None)

    def cut(self, end: int) -> None:
        """Drop what is in a bucket and after it, as if it had not been added."""
        left = bisect_left(self.at, end)
        del self.at[left:], self.largest[left:]
        for prefix in (self.totals, self.counts, self.squares):
            del prefix[left + 1 :]
        if self.first >= end:
            self.first = -1
        while self._begun and self._begun[-1][1] >= end:
            self._begun.pop()
        last = self._begun[-1][0] if self._begun else -1
        self._best = {day: best for day, best in self._best.items() if day < last}
        self._records = ((-1, -1), ())

    def spent(self, start: int, end: int) -> int:
        """Cost in a stretch."""
        return self.totals[bisect_left(self.at, end)] - self.totals[bisect_left(self.at, start)]

    def count(self, start: int, end: int) -> int:
        """Requests in a stretch."""
        return self.counts[bisect_left(self.at, end)] - self.counts[bisect_left(self.at, start)]

    def square_sum(self, start: int, end: int) -> float:
        """Squares of the costs in a stretch."""
        return self.squares[bisect_left(self.at, end)] - self.squares[bisect_left(self.at, start)]

    def largest_in(self, start: int, end: int) -> int:
        """The dearest request of a stretch."""
        return max(self.largest[bisect_left(self.at, start) : bisect_left(self.at, end)], default=0)

    def first_in(self, start: int, end: int) -> int:
        """The first bucket of a stretch with requests; its end when there is none."""
        place = bisect_left(self.at, start)
        return min(self.at[place], end) if place < len(self.at) else end

    def longest_gap(self, start: int, end: int) -> int:
        """The most buckets without a request that follow on each other in a stretch."""
        at = [start - 1, *self.at[bisect_left(self.at, start) : bisect_left(self.at, end)], end]
        return max(later - earlier - 1 for earlier, later in pairwise(at))

    def record(self, index: int, day: int) -> int:
        """The second highest daily maximum of a window in the 31 days before the local `day`, which is today."""
        last = self._begun[-1][0] if self._begun else -1
        if self._records[0] != (day, last):
            past = [self._best_of(place) for place, (one, _) in enumerate(self._begun)
                    if day - _RECORD_DAYS <= one < day]  # fmt: skip
            self._records = (
                (day, last),
                tuple(sorted((best[place] for best in past), reverse=True)[1] if len(past) > 1 else 0
                      for place in range(len(WINDOWS))),
            )  # fmt: skip
        return self._records[1][index]

    def often(self, index: int, day: int, days: int) -> int:
        """What a window reached on so many of the 31 days before the local `day`; 0 where there are fewer."""
        past = [self._best_of(place)[index] for place, (one, _) in enumerate(self._begun)
                if day - _RECORD_DAYS <= one < day]  # fmt: skip
        return sorted(past)[-days] if len(past) >= days else 0

    def _best_of(self, number: int) -> tuple[int, ...]:
        """The highest cost of each window that ends with a bucket of one of the days begun."""
        day, begun = self._begun[number]
        if day not in self._best:
            low = bisect_left(self.at, begun)
            high = bisect_left(self.at, self._begun[number + 1][1]) if number + 1 < len(self._begun) else len(self.at)
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
