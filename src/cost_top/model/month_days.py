"""What a month's end is reckoned from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Days:
    """What whole local days cost, yesterday first, and the share (0 to 1) of a usual day that today still has to come.

    What a month will come to is reckoned from these (`insight.month_end`).
    """

    costs: tuple[int, ...]
    left_of_today: float
