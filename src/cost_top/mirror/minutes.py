"""The last minutes of the log: read from the rows once for each filter, then followed row by row and by the clock."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cost_top.mirror.added import SummedRow, is_unpriced
from cost_top.mirror.matching import Matches
from cost_top.model.filter import Filter

_MINUTE = timedelta(minutes=1)
# Rows of so much more time are held, into which the period moves as time goes on.
_AHEAD = 10 * _MINUTE
Minute = tuple[int, int, int, int, int]  # minutes since the start, cost, requests, errors, unpriced requests
# Reads `Minute`s with the latencies of each, of requests that match within a period (naive UTC).
Read = Callable[[Filter, datetime, datetime], Iterable[Sequence[Any]]]


class Minutes:
    """What one period's minutes hold, without a filter and with a few. Used by one thread."""

    def __init__(self, read: Read, matching: Callable[[Filter], Matches | None]) -> None:
        """`matching` tells whether a row matches a filter, where rows tell that."""
        self._read = read
        self._matching = matching
        self._held: OrderedDict[Filter, _Period] = OrderedDict()
        self.most = 20  # filters

    def of(self, where: Filter, start: datetime, end: datetime) -> tuple[list[Minute], int | None]:
        """Each minute from `start` with traffic, and the p95 latency in ms."""
        held = self._held.get(where)
        if held is None or not held.move(start, end):
            while len(self._held) >= self.most:
                self._held.popitem(last=False)
            until = end + _AHEAD if (end - start) % _MINUTE == timedelta(0) else end
            held = self._held[where] = _Period(start, end, until, self._read(where, start, until))
        self._held.move_to_end(where)
        return held.minutes(), held.p95()

    def change(self, gone: Sequence[SummedRow], come: Sequence[SummedRow]) -> None:
        """Follow rows that were others, or none, before."""
        for where, held in list(self._held.items()):
            matches = self._matching(where) if where else None
            if matches is None and where:
                del self._held[where]
                continue
            for sign, rows in ((-1, gone), (1, come)):
                for row in rows:
                    if matches is None or matches(row):
                        held.add(row, sign)

    def forget(self) -> None:
        """Rows changed otherwise."""
        self._held.clear()


class _Period:
    """The minutes from `start` on; those from `end` until `until` are held to be told later."""

    def __init__(self, start: datetime, end: datetime, until: datetime, read: Iterable[Sequence[Any]]) -> None:
        self.start, self.end, self._until = start, end, until
        # By minute: cost, requests, errors, unpriced, rows; and latencies.
        self._sums: dict[datetime, list[int]] = {}
        self._times: dict[datetime, list[int]] = {}
        for minute, *sums, latencies in read:
            self._sums[start + int(minute) * _MINUTE] = [*map(int, sums)]
            self._times[start + int(minute) * _MINUTE] = latencies or []
        self._latencies = self._sorted()

    def _sorted(self) -> list[int]:
        return sorted(latency for minute, told in self._times.items() if minute < self.end for latency in told)

    def move(self, start: datetime, end: datetime) -> bool:
        """Hold another period; False where not all of it is held."""
        if (start, end) == (self.start, self.end):
            return True
        if not self.start <= start < end <= self._until or (start - self.start) % _MINUTE or (end - start) % _MINUTE:
            return False
        for minute in [minute for minute in self._sums if minute < start]:
            del self._sums[minute], self._times[minute]
        self.start, self.end = start, end
        self._latencies = self._sorted()
        return True

    def add(self, row: SummedRow, sign: int) -> None:
        if not self.start <= row.time < self._until:
            return
        minute = self.start + (row.time - self.start) // _MINUTE * _MINUTE
        counted = row.counted is not False
        sums, latencies = self._sums.setdefault(minute, [0, 0, 0, 0, 0]), self._times.setdefault(minute, [])
        errors, unpriced = int(counted and (row.status or 0) >= 400), int(is_unpriced(row))
        added = row.cost or 0, int(counted), errors, unpriced, 1
        sums[:] = [known + sign * value for known, value in zip(sums, added, strict=True)]
        latency = row.latency_ms
        if latency is not None:
            if sign > 0:
                latencies.append(latency)
                if row.time < self.end:
                    insort(self._latencies, latency)
            else:
                latencies.remove(latency)
                if row.time < self.end:
                    del self._latencies[bisect_left(self._latencies, latency)]
        if not sums[-1]:
            del self._sums[minute], self._times[minute]

    def minutes(self) -> list[Minute]:
        return [
            ((minute - self.start) // _MINUTE, cost, requests, errors, unpriced)
            for minute, (cost, requests, errors, unpriced, _) in self._sums.items()
            if minute < self.end
        ]

    def p95(self) -> int | None:
        latencies = self._latencies
        return latencies[max(0, -(-len(latencies) * 95 // 100) - 1)] if latencies else None
