"""The pieces of time that sums are kept by: whole days, hours and quarters of hours, and what is not over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cost_top.monitor.cluster.statements import instant_of, micros_of

FOREVER = 10**17  # microseconds, as the ones below
DAY, HOUR, QUARTER = 86_400_000_000, 3_600_000_000, 900_000_000


@dataclass(frozen=True, order=True, slots=True)
class Piece:
    """A stretch of time in microseconds; `end` None goes on for ever."""

    start: int
    end: int | None = None


def closed_pieces(start: int, end: int, each_day: bool = False) -> Iterator[Piece]:
    """`[start, end)` cut at its first and last quarter, hour and day, and where months begin (UTC).

    Few pieces, which stay while time goes on; the month so far is among those of a window that is longer. With
    `each_day` every day is a piece.
    """
    if start >= end:  # it begins within the hot end
        return
    cuts = {start, end}
    for size in (QUARTER, HOUR, DAY):
        first, last = -(-start // size) * size, end // size * size
        if first <= last:
            cuts |= {first, last}
    if each_day:
        cuts |= set(range(-(-start // DAY) * DAY, end, DAY))
    edges = sorted(cuts | set(_months(start, end)))
    yield from (Piece(one, other) for one, other in pairwise(edges))


def _months(start: int, end: int) -> Iterator[int]:
    """Where the months within a period begin."""
    first = instant_of(start).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (at := micros_of(first)) < end:
        if at > start:
            yield at
        first = (first + timedelta(days=32)).replace(day=1)


def chunks(pieces: list[Piece], days_at_once: int = 1000, together: bool = False) -> Iterator[list[Piece]]:
    """The hot end and the parts of days at once, then the days, the newest first where not all at once.

    With `together` all of them, as far as they do not overlap.
    """
    if together:
        yield from _apart(pieces)
        return
    parts = [piece for piece in pieces if not _is_days(piece)]
    days = [piece for piece in pieces if _is_days(piece)]
    yield from _apart(parts)
    for layer in _apart(days):
        for end in range(len(layer), 0, -days_at_once):
            yield layer[max(0, end - days_at_once) : end]


def _apart(pieces: list[Piece]) -> list[list[Piece]]:
    """Pieces, oldest first, in as few lists as they do not overlap in."""
    layers: list[list[Piece]] = []
    for piece in pieces:
        for layer in layers:
            if layer[-1].end is not None and layer[-1].end <= piece.start:
                layer.append(piece)
                break
        else:
            layers.append([piece])
    return layers


def periods(pieces: Sequence[Piece]) -> list[tuple[datetime, datetime | None]]:
    """Pieces, oldest first, as the periods they make up."""
    found: list[tuple[int, int | None]] = []
    for piece in pieces:
        if found and found[-1][1] == piece.start:
            found[-1] = (found[-1][0], piece.end)
        else:
            found.append((piece.start, piece.end))
    return [(instant_of(start), None if end is None else instant_of(end)) for start, end in found]


def stretch_of(edges: Sequence[int], start: int, open_end: bool) -> int | None:
    """Which stretch between `edges` (microseconds) what begins at `start` is of; None where none is, unless `open_end`.

    A window begins within its first bar; what is stamped after the end is in the last one.

    >>> [stretch_of((10, 20, 30), start, True) for start in (5, 19, 20, 99)], stretch_of((10, 20, 30), 30, False)
    ([0, 0, 1, 1], None)
    """
    if start >= edges[-1] and not open_end:
        return None
    return min(max(bisect_right(edges, start) - 1, 0), len(edges) - 2)


def _is_days(piece: Piece) -> bool:
    return piece.end is not None and piece.start % DAY == piece.end % DAY == 0
