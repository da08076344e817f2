"""What one rule says of one slice at one instant."""

from __future__ import annotations

from typing import NamedTuple


class Candidate(NamedTuple):
    """A rule fired. `window` in buckets, `started` a bucket, money in pico-dollars; counts of requests for silence."""

    kind: str  # spike price loop double silence errors
    dimension: str
    value: str | None
    window: int
    started: int
    spent: int
    usual: int
    rate: float = 0.0  # usual cost of a token or of a request, of the price rule
    per: str = "token"  # or "request"

    @property
    def excess(self) -> int:
        """What went beyond the usual."""
        return self.spent - self.usual

    @property
    def rank(self) -> float:
        """Highest for the narrowest slice that carries most of what is too much."""
        return float(self.excess) ** 2 / self.spent if self.spent > 0 and self.excess > 0 else 0.0
