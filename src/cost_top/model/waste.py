"""What a log's spend was wasted on, line by line."""

from __future__ import annotations

from dataclasses import dataclass

# In this order a request goes to the first line that fits, so that no two lines hold the same money.
LINES = ("failed_but_paid", "cut_off", "retried", "repeated", "logged_twice", "cacheable")
ESTIMATED = ("cacheable",)  # what could be saved, by token counts
APART = ("logged_twice",)  # rows of the log that were not paid for: in no sum


@dataclass(frozen=True, slots=True)
class WasteLine:
    """One kind of waste: pico-dollars, requests, and those among them whose cost is unknown."""

    name: str
    cost: int = 0
    requests: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Waste:
    """All lines, in the order of `LINES`. `knows_usage` is False where no request of the log has output tokens."""

    lines: tuple[WasteLine, ...]
    knows_usage: bool
