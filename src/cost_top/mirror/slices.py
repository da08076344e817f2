"""Stretches of time that sums are kept for: closed days, hours, and the cut edges of windows."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

_HOUR, _QUARTER, _MINUTE = timedelta(hours=1), timedelta(minutes=15), timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1)
_INSTANT = timedelta(microseconds=1)


class Slice(NamedTuple):
    """`[start, end)` in naive UTC, inside one relation of the mirror. A key of many look-ups in every tick."""

    start: datetime
    end: datetime

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole hour or day, which any window may use again."""
        length = self.end - self.start
        aligned = self.start.minute == self.start.second == self.start.microsecond == 0
        return aligned and length in (timedelta(hours=1), timedelta(days=1))

    @property
    def is_of_days(self) -> bool:
        """Whether it is one or more whole days."""
        midnight = self.start.hour == self.start.minute == self.start.second == self.start.microsecond == 0
        return midnight and not (self.end - self.start) % timedelta(days=1)


def quarter_of(time: datetime) -> int:
    """The quarter of an hour of an instant, counted from 1970."""
    return int((time - _EPOCH) // _QUARTER)


def quarters_of(parts: Sequence[Slice]) -> tuple[int, int]:
    """The first and the last quarter of an hour, counted from 1970, that stretches touch; zeros of none."""
    quarters = [quarter_of(time) for part in parts for time in (part.start, part.end)]
    return min(quarters, default=0), max(quarters, default=0)


class Cuts:
    """Quarters of an hour, counted from 1970, at which sums over time are cut: none lies inside a stretch."""

    def __init__(self, quarters: Collection[int], every: bool = False) -> None:
        """`every`: each quarter is a stretch of its own."""
        self._quarters = frozenset(quarters)
        self._sorted = sorted(self._quarters)
        self.every = every

    def __len__(self) -> int:
        return len(self._quarters)

    def __le__(self, other: Cuts) -> bool:
        return self.every <= other.every and (other.every or self._quarters <= other._quarters)

    def __or__(self, other: Cuts) -> Cuts:
        return Cuts(self._quarters | other._quarters, self.every or other.every)

    def until(self, end: datetime) -> Cuts:
        """Those before an instant."""
        return Cuts(self._sorted[: bisect_left(self._sorted, quarter_of(end))], self.every)

    def are_inside(self, part: Slice) -> bool:
        """Whether a stretch is cut in two."""
        return self.every or bool(self._inside(part))

    def _inside(self, part: Slice) -> list[int]:
        first, last = quarter_of(part.start), quarter_of(part.end - _INSTANT)
        return self._sorted[bisect_right(self._sorted, first) : bisect_right(self._sorted, last)]

    def bar_sql(self, part: Slice) -> str:
        """SQL of the quarter that the stretch of a row of `part` begins with, or of one since the cut before it."""
        if self.every:
            return "quarter"
        first, inside = quarter_of(part.start), self._inside(part)
        steps = {after - before for before, after in itertools.pairwise(inside)}
        if len(steps) != 1:
            return _stretch_sql(first, inside)
        (step,) = steps
        origin = inside[0] + (first - inside[0]) // step * step
        return f"greatest((quarter - {origin}) // {step} * {step} + {origin}, {first})"


def _stretch_sql(first: int, cuts: Sequence[int]) -> str:
    """SQL of the latest cut that a `quarter` is not before, of those after the `first`."""
    if not cuts:
        return f"{first}::INTEGER"
    middle = len(cuts) // 2
    before, after = _stretch_sql(first, cuts[:middle]), _stretch_sql(cuts[middle], cuts[middle + 1 :])
    return f"CASE WHEN quarter < {cuts[middle]} THEN {before} ELSE {after} END"


def hours_of(start: datetime, end: datetime) -> Iterator[Slice]:
    """`[start, end)` cut at whole hours."""
    while start < end:
        following = start.replace(minute=0, second=0, microsecond=0) + _HOUR
        yield Slice(start, min(following, end))
        start = following


def finely(part: Slice) -> Iterator[Slice]:
    """A part of an hour as its quarters and, where one is cut, whole minutes: of another cut most are the same."""
    start = part.start
    while start < part.end:
        quarter = quarter_start(Slice(start, start))
        minute = start.replace(second=0, microsecond=0)
        end = quarter + _QUARTER if start == quarter and part.end >= quarter + _QUARTER else minute + _MINUTE
        yield Slice(start, min(end, part.end))
        start = end


def until_quarter(minute: Slice) -> list[Slice]:
    """A minute and those after it in its quarter of an hour."""
    return [Slice(minute.start + number * _MINUTE, minute.end + number * _MINUTE)
            for number in range(15 - minute.start.minute % 15)]  # fmt: skip


def is_minute(part: Slice) -> bool:
    """Whether it is a whole minute."""
    return part.end - part.start == _MINUTE and not part.start.second and not part.start.microsecond


def quarter_start(part: Slice) -> datetime:
    """When the quarter of an hour began that a stretch begins in."""
    return part.start.replace(minute=part.start.minute // 15 * 15, second=0, microsecond=0)


def in_a_row(parts: Iterable[Slice]) -> list[list[Slice]]:
    """Stretches in groups of which each begins where the one before it ends."""
    groups: list[list[Slice]] = []
    for part in sorted(parts):
        before = next((group for group in groups if group[-1].end == part.start), None)
        if before is None:
            groups.append([part])
        else:
            before.append(part)
    return groups


def number_sql(numbered: dict[Slice, int]) -> str:
    """The number of a row's slice; slices computed together have one length."""
    if len(numbered) == 1:
        return str(*numbered.values())
    first = min(numbered)
    step = (first.end - first.start) // timedelta(microseconds=1)
    count = (max(numbered).end - first.start) // (first.end - first.start)
    by_place = {(part.start - first.start) // (part.end - part.start): number for part, number in numbered.items()}
    places = ", ".join(str(by_place.get(place, "NULL")) for place in range(count))
    return f"[{places}][CAST(epoch_us(time - TIMESTAMP '{first.start}') // {step} AS INTEGER) + 1]"


def same_missing(
    known: dict[str, dict[Slice, int]], slices: Sequence[Slice]
) -> list[tuple[tuple[str, ...], list[Slice]]]:
    """Slices of one length, or cut ones, that lack the same lenses."""
    groups: dict[tuple[tuple[str, ...], timedelta | None], list[Slice]] = {}
    for part in slices:
        lacking = tuple(lens for lens, done in known.items() if part not in done)
        if lacking:
            length = part.end - part.start if part.is_whole else None
            groups.setdefault((lacking, length), []).append(part)
    return [(lacking, parts) for (lacking, _), parts in groups.items()]
