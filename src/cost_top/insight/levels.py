"""How much a rule asks for before it speaks. Amounts are in hours of the whole log's mean spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from cost_top.model.expected import Expected
from cost_top.model.money import pico

# The spike rule's windows, in buckets of five minutes: 1 h, 3 h, 24 h.
WINDOWS = (12, 36, 288)
RATIOS = (2.0, 1.8, 1.5)  # times the usual that a window must cost
STILL = (3, 6, 36)  # the last buckets, which must be unusual too


@dataclass(frozen=True, slots=True)
class Gate:
    """What an excess must pass in each of the three windows.

    `floors`: the least excess. `records`: times the second highest day of the month before, None for no such gate;
    `holds_for_all`: for every slice, else for the whole log alone.
    """

    floors: tuple[float, float, float]
    records: tuple[float, float, float] | None
    holds_for_all: bool = False


GATES: Mapping[str, Gate] = {
    "low": Gate((3, 4, 6), (1.5, 1.3, 1.1), holds_for_all=True),
    "normal": Gate((2.5, 3.5, 5), (1.1, 1, 1)),
    "high": Gate((2.2, 3.2, 4.5), None),
}
SENSITIVITIES = tuple(GATES)
# How unlikely an excess must be if sessions came by chance: minus the natural logarithm of that chance.
SURPRISES: Mapping[str, float] = {"low": 8.0, "normal": 6.0, "high": 4.0}
RULES = ("spike", "price", "loop", "double", "silence", "errors")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is watched, and how closely. `min_excess` in pico-dollars: nothing smaller is ever said."""

    sensitivity: str = "normal"
    dimensions: tuple[str, ...] = ("token", "endpoint", "model", "user")
    min_excess: int = pico("0.10")
    quiet: timedelta = timedelta(hours=6)
    off: frozenset[str] = field(default_factory=frozenset)
    errors: bool = False
    expected: tuple[Expected, ...] = ()

    def on(self, rule: str) -> bool:
        """Whether a rule is to speak."""
        return rule not in self.off and (rule != "errors" or self.errors)
