"""What a view shows figures of: the measures that one key goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cost_top.model.query import TOKENS, Measures, figure


@dataclass(frozen=True, slots=True)
class Shown:
    """One measure of the screen. `sort` is the measure, or `TOKENS`, that a report is sorted by for it."""

    name: str  # as `View.measure` spells it; that of cost is empty
    title: str  # of the chart
    kind: Literal["money", "count", "latency"]
    sort: str

    @property
    def label(self) -> str:
        """What it is called among words."""
        return self.name or "cost"

    def of(self, measures: Measures) -> int | None:
        """Its figure of a group of requests, None where that is not known."""
        return figure(measures, self.sort)


SHOWN = (
    Shown("", "Spend", "money", "total_cost"),
    Shown("tokens", "Tokens", "count", TOKENS),
    Shown("requests", "Requests", "count", "request_count"),
    Shown("errors", "Errors", "count", "error_count"),
    Shown("p95", "Latency p95", "latency", "latency_p95"),
    Shown("saved", "Saved by cache", "money", "saved_by_cache"),
)
SHOWN_NAMES = tuple(each.name for each in SHOWN)


def shown_named(name: str) -> Shown:
    """The measure of that name; cost for one that is not known here."""
    return next((each for each in SHOWN if each.name == name), SHOWN[0])


def shown_after(name: str, step: int = 1) -> Shown:
    """The measure `step` places on, round the corner at the ends.

    >>> shown_after("").name, shown_after("saved").label
    ('tokens', 'cost')
    """
    at = SHOWN_NAMES.index(name) if name in SHOWN_NAMES else 0
    return SHOWN[(at + step) % len(SHOWN)]
