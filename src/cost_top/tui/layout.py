"""Which lenses a size of terminal has a place for."""

from __future__ import annotations

from textual.geometry import Size

from cost_top.model.dimensions import READ_TABS
from cost_top.model.view import FIXED_LENSES, TAB_LENSES

# Tabs that are read from requests, which takes long where there are many, never have a panel of their own.
READ_LENSES = tuple(each.name for each in READ_TABS)
SUMMED_TABS = tuple(lens for lens in TAB_LENSES if lens not in READ_LENSES)
EVERY_LENS = (*FIXED_LENSES, *SUMMED_TABS)
# Columns and rows from which the screen gains panels; the style sheet arranges them.
NORMAL, WIDE, MEDIUM, TALL = 100, 180, 30, 42
WIDTHS = [(0, "-narrow"), (NORMAL, "-normal"), (WIDE, "-wide")]
HEIGHTS = [(0, "-short"), (MEDIUM, "-medium"), (TALL, "-tall")]


def tabs_for(size: Size) -> tuple[str, ...]:
    """The lenses the panel with tabs offers at a size."""
    if size.width < NORMAL:
        return ("endpoint", "token", *TAB_LENSES)
    return (SUMMED_TABS[0], *READ_LENSES) if _has_all(size) else TAB_LENSES


def _has_all(size: Size) -> bool:
    """Whether there is a place for all that are summed."""
    return size.width >= WIDE and size.height >= TALL


def lenses_for(size: Size, tab: str) -> tuple[str, ...]:
    """The lenses that are on the screen at a size."""
    tabs = tabs_for(size)
    shown = tab if tab in tabs else tabs[0]
    if _has_all(size):
        return tuple(dict.fromkeys((*EVERY_LENS, shown)))
    return ("provider", shown) if size.width < NORMAL else (*FIXED_LENSES, shown)
