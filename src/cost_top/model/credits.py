"""What a source knows of money paid in advance: the balance, and what has been used of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Credits:
    """Prepaid money in pico-dollars; None is unknown. `total_used` only grows, a top-up changes `balance` alone."""

    balance: int | None
    total_used: int | None
    as_of: datetime = field(compare=False)
