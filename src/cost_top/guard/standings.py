"""What is published for the guard: frozen, replaced whole, never asked of the monitor's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cost_top.model.budgets import Budget, Standing

Pair = tuple[str | None, str | None]  # endpoint and model


@dataclass(frozen=True, slots=True)
class BudgetState:
    """One budget of the config: its period, and how each value stands. `error` says why it is not known."""

    budget: Budget
    resets_at: datetime | None
    values: Mapping[str | None, Standing]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """All budgets as of one reading. `read` is in monotonic seconds: when the source last answered for it."""

    states: tuple[BudgetState, ...] = ()
    read: float | None = None  # None: never
    amounts: Mapping[Pair, int] = field(default_factory=dict)  # the 90th percentile of a request, pico-dollars
    patience: float = 60.0  # seconds that a reservation lives
