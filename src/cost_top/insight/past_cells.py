"""Cells that went by: those of the last days as they came, older ones summed by day; packed but for the newest."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cost_top.insight.calendar import DAY
from cost_top.model.cells import Block, Choice, PackedCells, pack
from cost_top.model.features import Cell, Holding

_KEPT = 41  # days: five weeks and a day before what began up to a few days ago
_EVER = 10**9  # buckets
Bucket = tuple[int, Sequence[Cell]]


class PastCells:
    """Of so many names. A day is of UTC from the origin of the buckets."""

    def __init__(self, names: int) -> None:
        """`names` is how many each cell has."""
        self._choice = Choice(tuple(range(names)))
        self._days: deque[tuple[int, tuple[Block, ...]]] = deque()  # summed
        self._fine: deque[tuple[int, tuple[Block, ...]]] = deque()  # the last of them as they came
        self._open: list[Bucket] = []  # of the newest day

    @property
    def newest(self) -> int:
        """The newest day that has cells; -1 of none."""
        if self._open:
            return self._open[-1][0] // DAY
        return self._days[-1][0] if self._days else -1

    def add(self, bucket: int, cells: Sequence[Cell], fine_from: int) -> None:
        """The cells of a bucket, newer than all before; of days that end before `fine_from` only sums are kept."""
        day = bucket // DAY
        if self._open and self._open[-1][0] // DAY != day:
            self._close(fine_from)
            while self._fine and (self._fine[0][0] + 1) * DAY <= fine_from:
                self._fine.popleft()
            while self._days and self._days[0][0] < day - _KEPT:
                self._days.popleft()
        self._open.append((bucket, cells))

    def forget(self, before: int) -> None:
        """Drop days that began before a bucket."""
        for days in (self._days, self._fine):
            while days and days[0][0] * DAY < before:
                days.popleft()

    def mark(self) -> tuple[object, ...]:
        """How it is now, for `back`."""
        return tuple(self._days), tuple(self._fine), tuple(self._open)

    def back(self, mark: tuple[object, ...]) -> None:
        """As it was."""
        days, fine, opened = mark
        self._days, self._fine, self._open = deque(days), deque(fine), list(opened)  # type: ignore[call-overload]

    def of_days(self, first: int, last: int, holding: Holding | None = None) -> Iterator[Cell]:
        """Cells of `[first, last]`, summed where the day is over; others than those holding a value may be left out."""
        for day, blocks in self._days:
            if first <= day <= last:
                yield from self._packed(blocks).between(-_EVER, _EVER, holding)
        if self._open and first <= self._open[-1][0] // DAY <= last:
            for _, cells in self._open:
                yield from cells

    def between(self, start: int, end: int, holding: Holding | None = None) -> Iterator[Cell]:
        """Cells of buckets in `[start, end)`; of older days their sums, where their beginning lies in it.

        Others than those holding a value may be left out.
        """
        fine = {day for day, _ in self._fine}
        older = [block for day, blocks in self._days if day not in fine for block in blocks]
        yield from self._packed(older).between(start, end, holding)
        yield from self._packed([block for _, blocks in self._fine for block in blocks]).between(start, end, holding)
        low, high = (bisect_left(self._open, bound, key=lambda one: one[0]) for bound in (start, end))
        for _, cells in self._open[low:high]:
            yield from cells

    def __iter__(self) -> Iterator[Cell]:
        """All, the last days as they came."""
        return self.between(-_EVER, _EVER)

    def _packed(self, blocks: Iterable[Block]) -> PackedCells:
        return PackedCells([(0, block) for block in blocks], self._choice)

    def _close(self, fine_from: int) -> None:
        day = self._open[-1][0] // DAY
        cells = [cell for _, cells in self._open for cell in cells]
        # Where hardly any share their names, sums would be as many.
        is_sparse = 2 * len({(cell.names, cell.tags) for cell in cells}) > len(cells)
        is_fine = (day + 1) * DAY > fine_from
        blocks = tuple(pack(cells)) if is_sparse or is_fine else ()
        if is_fine:
            self._fine.append((day, blocks))
        self._days.append((day, blocks if is_sparse else tuple(pack(_summed(cells, day * DAY)))))
        self._open = []


def _summed(cells: Iterable[Cell], bucket: int) -> Iterator[Cell]:
    """One cell for all that share their names."""
    found: dict[tuple[tuple[str | None, ...], tuple[str, ...]], list[Any]] = {}
    for cell in cells:
        figures = cell[3:]
        sums = found.get((cell.names, cell.tags))
        if sums is None:
            found[cell.names, cell.tags] = list(figures)
        else:
            for place, value in enumerate(figures):
                sums[place] += value
    return (Cell(bucket, names, tags, *sums) for (names, tags), sums in found.items())
