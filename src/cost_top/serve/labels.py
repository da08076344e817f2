"""Values from a log as Prometheus labels: clean, short and few."""

from __future__ import annotations

from cost_top.model.text import clean

MOST_PAIRS = 100
LONGEST_LABEL = 100
OTHER = "other"


def label(value: str | None) -> str:
    """A label value; what is not attributed is empty.

    >>> label("a\\x1b[0m"), label(None)
    ('a[0m', '')
    """
    return clean(value or "")[:LONGEST_LABEL]


class Pairs:
    """The (provider, model) pairs that have series of their own: the first to come; all later ones share one."""

    def __init__(self) -> None:
        self._admitted: set[tuple[str, str]] = set()

    def labels(self, provider: str | None, model: str | None) -> tuple[str, str]:
        """The label values of a pair."""
        pair = label(provider), label(model)
        if pair not in self._admitted:
            if len(self._admitted) >= MOST_PAIRS:
                return OTHER, OTHER
            self._admitted.add(pair)
        return pair
