"""Which lenses a size of terminal has a place for."""

from __future__ import annotations

from textual.geometry import Size

from cost_top.model.view import FIXED_LENSES, TAB_LENSES

EVERY_LENS = (*FIXED_LENSES, *TAB_LENSES)
# Columns and rows from which the screen gains panels; the style sheet arranges them.
NORMAL, WIDE, MEDIUM, TALL = 100, 180, 30, 42
WIDTHS = [(0, "-narrow"), (NORMAL, "-normal"), (WIDE, "-wide")]
HEIGHTS = [(0, "-short"), (MEDIUM, "-medium"), (TALL, "-tall")]


def tabs_for(size: Size) -> tuple[str, ...]:
    """The lenses the panel with tabs offers at a size."""
    if size.width < NORMAL:
        return ("endpoint", "token", *TAB_LENSES)
    return () if size.width >= WIDE and size.height >= TALL else TAB_LENSES


def lenses_for(size: Size, tab: str) -> tuple[str, ...]:
    """The lenses that are on the screen at a size."""
    tabs = tabs_for(size)
    if not tabs:
        return EVERY_LENS
    shown = tab if tab in tabs else tabs[0]
    return ("provider", shown) if size.width < NORMAL else (*FIXED_LENSES, shown)
