"""Stretches of time in which more than usual is expected, such as a launch: the same for alarms and the screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Expected:
    """A stretch of time in which more than usual is expected: usual times `factor` is still usual.

    `slices` are the (dimension, value) pairs it speaks of; empty for all requests.
    """

    name: str
    start: datetime
    end: datetime
    factor: float
    slices: tuple[tuple[str, str], ...] = ()

    def lasts(self, now: float, window_seconds: float) -> bool:
        """Whether a window that ends at `now` (seconds since 1970) has to do with it."""
        return self.start.timestamp() < now <= self.end.timestamp() + window_seconds

    def raised(self, cost: float, known: float) -> float:
        """What is usual of a slice that it speaks of: `cost` is that already raised by others, `known` without any."""
        return max(cost, known * self.factor)

    def added(self, theirs: float) -> float:
        """What it adds to the usual of a slice that holds `theirs` of one that it speaks of."""
        return (self.factor - 1) * theirs
