"""A period of a log in stretches, newest first, each with no more rows than are held at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from cost_top.model.windows import Period

_MOST, _FEWEST = 6_000, 1_000  # rows of a part, by how wide they are
_BYTES = 2_500_000  # of texts of a part
_AIM = 0.8  # of the most rows, in each part of a day that has more
_TOGETHER = 25_000  # rows of days that are not counted, by those before them
_LEAST = timedelta(seconds=2)  # is not cut, whatever it holds
_DAY = timedelta(days=1)

# The rows of a period; None where that is not known.
Count = Callable[[datetime, datetime], int | None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a period; whether its rows were counted, and whether it is cut out of a day that has too many."""

    period: Period
    is_counted: bool = False
    is_cut: bool = False


class Stretches:
    """Cuts a period. Where the log does not count its rows, whole days are taken by what was held before."""

    def __init__(self, period: Period) -> None:
        """Nothing is told of its rows yet."""
        self._start, self._end = period.start, period.end
        self._days = 1  # taken together next, at most
        self._densest = 1  # the most rows that a day of those before had

    @property
    def is_done(self) -> bool:
        """Whether everything was told."""
        return self._end <= self._start

    def following(self, count: Count, width: float | None = None) -> list[Stretch]:
        """The next few days as one stretch, or a day that holds much in many. `width`: bytes of a row's texts."""
        end, most = self._end, max(_FEWEST, min(_MOST, int(_BYTES / width))) if width else _MOST
        start = max(self._start, _midnight(end, 1))
        rows = count(start, end)
        if rows is not None and rows > most:
            parts = [Stretch(part, True, True) for part in _parts(count, start, end, rows, most)]
            self._end = start
            return parts
        for days in range(2, self._days + 1):
            if start <= self._start:
                break
            before = max(self._start, _midnight(end, days))
            if rows is not None:
                rows += count(before, start) or 0
                if rows > most:
                    break
            start = before
        self._end = start
        self._days = 2 * self._days if end - start >= _DAY or rows is not None else 1
        return [Stretch(Period(start, end), rows is not None)]

    def held(self, stretch: Stretch, rows: int) -> None:
        """A stretch had so many rows: the densest day counts, as a weekend says nothing of the days before it."""
        period = stretch.period
        days = max(1, -(-(period.end - period.start) // _DAY))
        self._densest = max(self._densest, -(-rows // days))
        self._days = max(1, min(self._days, _TOGETHER // self._densest))


def _parts(count: Count, start: datetime, end: datetime, rows: int, most: int) -> Iterator[Period]:
    """A period with so many rows, cut evenly until no part has too many; newest first."""
    if rows <= most or end - start <= _LEAST:
        yield Period(start, end)
        return
    number = ceil(rows / (most * _AIM))
    cuts = {(start + (end - start) / number * place).replace(microsecond=0) for place in range(1, number)}
    for cut in (*sorted((cut for cut in cuts if start < cut < end), reverse=True), start):
        within = count(cut, end)
        yield from _parts(count, cut, end, 0 if within is None else within, most)
        end = cut


def _midnight(end: datetime, days: int) -> datetime:
    """Where so many days begin (UTC), of which the last is that of the instant before `end`."""
    last = (end.astimezone(UTC) - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return last - timedelta(days=days - 1)
