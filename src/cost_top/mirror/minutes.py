"""The last minutes of the log: read from the rows once for each period, then followed row by row."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from cost_top.mirror.added import SummedRow, is_unpriced
from cost_top.model.filter import Filter

_MINUTE = timedelta(minutes=1)
Minute = tuple[int, int, int, int, int]  # minutes since the start, cost, requests, errors, unpriced requests
# Reads `Minute`s with the latencies of each, of requests that match within a period (naive UTC).
Read = Callable[[Filter, datetime, datetime], Iterable[Sequence[Any]]]


class Minutes:
    """What one period's minutes hold, without a filter and with a few. Used by one thread."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._held: dict[Filter, _Period] = {}

    def of(self, where: Filter, start: datetime, end: datetime) -> tuple[list[Minute], int | None]:
        """Each minute from `start` with traffic, and the p95 latency in ms."""
        held = self._held.get(where)
        if held is None or (held.start, held.end) != (start, end):
            if len(self._held) > 20:
                self.forget()
            held = self._held[where] = _Period(start, end, self._read(where, start, end))
        return held.minutes(), held.p95()

    def change(self, gone: Iterable[SummedRow], come: Iterable[SummedRow]) -> None:
        """Follow rows that were others, or none, before."""
        held = self._held.get(Filter())
        self._held = {Filter(): held} if held is not None else {}
        if held is not None:
            for sign, rows in ((-1, gone), (1, come)):
                for row in rows:
                    held.add(row, sign)

    def forget(self) -> None:
        """Rows changed otherwise."""
        self._held.clear()


class _Period:
    def __init__(self, start: datetime, end: datetime, read: Iterable[Sequence[Any]]) -> None:
        self.start, self.end = start, end
        self._sums: dict[int, list[int]] = {}  # by minute: cost, requests, errors, unpriced, rows
        self._latencies: list[int] = []
        for minute, *sums, latencies in read:
            self._sums[int(minute)] = [*map(int, sums)]
            self._latencies += latencies or ()
        self._latencies.sort()

    def add(self, row: SummedRow, sign: int) -> None:
        if not self.start <= row.time < self.end:
            return
        minute = (row.time - self.start) // _MINUTE
        counted = row.counted is not False
        sums = self._sums.setdefault(minute, [0, 0, 0, 0, 0])
        errors, unpriced = int(counted and (row.status or 0) >= 400), int(is_unpriced(row))
        added = row.cost or 0, int(counted), errors, unpriced, 1
        sums[:] = [known + sign * value for known, value in zip(sums, added, strict=True)]
        if not sums[-1]:
            del self._sums[minute]
        if row.latency_ms is None:
            return
        if sign > 0:
            insort(self._latencies, row.latency_ms)
        else:
            del self._latencies[bisect_left(self._latencies, row.latency_ms)]

    def minutes(self) -> list[Minute]:
        return [
            (minute, cost, requests, errors, unpriced)
            for minute, (cost, requests, errors, unpriced, _) in self._sums.items()
        ]

    def p95(self) -> int | None:
        latencies = self._latencies
        return latencies[max(0, -(-len(latencies) * 95 // 100) - 1)] if latencies else None
