"""Of slices: all their requests, and those among them that have a trait."""

from __future__ import annotations

from collections.abc import ItemsView

from cost_top.insight.series import Series
from cost_top.insight.standing import Slice


class Shares:
    """Two series of each slice: everything, and what has the trait."""

    def __init__(self) -> None:
        self._series: dict[Slice, tuple[Series, Series]] = {}

    def add(self, part: Slice, bucket: int, day: int, all_of_it: tuple[int, int], some: tuple[int, int]) -> None:
        """Requests and cost (pico-dollars) of all, and of those with the trait, in a bucket of a local day."""
        if part not in self._series:
            self._series[part] = (Series(*part), Series(*part))
        for series, (requests, cost) in zip(self._series[part], (all_of_it, some), strict=True):
            if requests:
                series.add(bucket, day, cost, requests, 0, 0.0)

    def get(self, part: Slice) -> Series | None:
        """What has the trait, of a slice."""
        return self._series[part][1] if part in self._series else None

    def items(self) -> ItemsView[Slice, tuple[Series, Series]]:
        """Everything, and what has the trait, of each slice."""
        return self._series.items()

    def forget(self, before: int) -> None:
        """Drop what was before a bucket, and slices that had nothing since."""
        for part, (everything, some) in list(self._series.items()):
            everything.forget(before)
            some.forget(before)
            if not everything.at:
                del self._series[part]

    def rest(self, before: int) -> None:
        """Hold what was before a bucket packed."""
        for everything, some in self._series.values():
            everything.rest(before)
            some.rest(before)

    def cut(self, end: int) -> None:
        """Drop what is in a bucket and after it, as if it had not been added."""
        for part, (everything, some) in list(self._series.items()):
            everything.cut(end)
            some.cut(end)
            if everything.first < 0:
                del self._series[part]
