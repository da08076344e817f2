"""What the screen asks for: a value the app sends to the monitor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from cost_top.model.dimensions import PANELS, TABS
from cost_top.model.filter import Filter, Term
from cost_top.model.shown import shown_named
from cost_top.model.windows import Window, window_named

# Lenses with a place of their own on the overview, and those that share one as tabs.
FIXED_LENSES = tuple(each.name for each in PANELS)
# What a lens is sorted by beside a report's measures: cost against the equal period before.
CHANGE = "change"
TAB_LENSES = tuple(each.name for each in TABS)


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of a drill: the dimension, its value as shown, and the filter term it added.

    A step into a stretch of time adds no term.
    """

    dimension: str
    label: str
    term: Term | None


@dataclass(frozen=True, slots=True)
class View:
    """Everything a snapshot depends on. `end` is None for live; a `start` takes the place of the window."""

    window: str = "30d"
    end: datetime | None = None
    filter: Filter = field(default_factory=Filter)
    crumbs: tuple[Crumb, ...] = ()
    tab: str = "model"
    lenses: tuple[str, ...] = (*FIXED_LENSES, "model")  # what is on the screen
    sort: tuple[tuple[str, str, bool], ...] = ()  # (lens, measure, descending); default the shown measure, descending
    row_limit: int = 200
    mark: datetime | None = None
    weekly: tuple[str, ...] = ()  # lenses that look back a week at most
    start: datetime | None = None
    before: tuple[tuple[str, datetime | None, datetime | None], ...] = ()  # window, start, end before each step in time
    measure: str = ""  # what panels and chart are of, as `model.shown` names it; empty is cost
    timed: tuple[str, ...] = ()  # lenses whose rows tell how long requests took

    @property
    def where(self) -> Filter:
        """The filter with the drill's terms."""
        drilled = self.filter
        for crumb in self.crumbs:
            drilled = drilled if crumb.term is None else drilled.with_term(crumb.term)
        return drilled

    def under(self, other: Filter | None) -> View:
        """With another filter, where one is given."""
        return self if other is None else replace(self, filter=other)

    @property
    def time(self) -> tuple[str, datetime | None, datetime | None]:
        """What names the stretch of time: window, start and end."""
        return self.window, self.start, self.end

    def window_at(self, end: datetime) -> Window:
        """The window as it is where it ends at `end`."""
        return window_named(self.window) if self.start is None else Window("", "", end - self.start)

    def sort_of(self, lens: str) -> tuple[str, bool]:
        """(measure, descending) for a lens."""
        for name, measure, descending in self.sort:
            if name == lens:
                return measure, descending
        return shown_named(self.measure).sort, True
