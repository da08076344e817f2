"""What the screen asks for: a value the app sends to the monitor."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cost_top.model.filter import Filter, Term

# Lenses with a place of their own on the overview, and those that share one as tabs.
FIXED_LENSES = ("provider", "endpoint", "token")
TAB_LENSES = ("model", "user", "tag", "team", "credential_type")


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of a drill: the dimension, its value as shown, and the filter term it added."""

    dimension: str
    label: str
    term: Term


@dataclass(frozen=True, slots=True)
class View:
    """Everything a snapshot depends on. `end` is None for live."""

    window: str = "30d"
    end: datetime | None = None
    filter: Filter = field(default_factory=Filter)
    crumbs: tuple[Crumb, ...] = ()
    tab: str = "model"
    lenses: tuple[str, ...] = (*FIXED_LENSES, "model")  # what is on the screen
    sort: tuple[tuple[str, str, bool], ...] = ()  # (lens, measure, descending); default total_cost descending
    row_limit: int = 200
    mark: datetime | None = None
    requests_open: bool = False  # the list of single requests is on the screen
    requests_sort: str = "time"  # or "cost": newest or dearest first

    @property
    def where(self) -> Filter:
        """The filter with the drill's terms."""
        drilled = self.filter
        for crumb in self.crumbs:
            drilled = drilled.with_term(crumb.term)
        return drilled

    def sort_of(self, lens: str) -> tuple[str, bool]:
        """(measure, descending) for a lens."""
        for name, measure, descending in self.sort:
            if name == lens:
                return measure, descending
        return "total_cost", True
