"""The one table: what, measured, to reach, reached."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

_WIDTHS = (58, 44, 26, 7)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `reached` None where there is nothing to reach."""

    what: str
    measured: str
    to_reach: str = ""
    reached: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str, beside: str = "", digits: int = 1) -> Figure:
    """A figure that is to be no greater than `limit`; `beside` says what it was measured against."""
    measured = f"{value:.{digits}f} {unit}" + (f" ({beside})" if beside else "")
    return Figure(what, measured, f"≤ {limit:g} {unit}", value <= limit)


def at_least(what: str, value: float, limit: float, unit: str, beside: str = "") -> Figure:
    """A figure that is to be no smaller than `limit`."""
    measured = f"{value:.1f} {unit}" + (f" ({beside})" if beside else "")
    return Figure(what, measured, f"≥ {limit:g} {unit}", value >= limit)


def head(title: str) -> None:
    """The title and the column heads."""
    print(f"\n{title}\n", flush=True)
    _line("what", "measured", "to reach", "reached")
    _line(*("-" * width for width in _WIDTHS))


def show(figure: Figure) -> None:
    """One line, as soon as it is known."""
    reached = {True: "yes", False: "NO", None: ""}[figure.reached]
    _line(figure.what, figure.measured, figure.to_reach, reached)


def measured(name: str, figures: Callable[[], list[Figure]]) -> None:
    """The figures of one benchmark; one that fails says so and leaves the others their turn."""
    if sys.stderr.isatty():
        print(f"… {name}", end="\r", file=sys.stderr, flush=True)
    try:
        for figure in figures():
            show(figure)
    except Exception as error:
        show(Figure(name, f"failed: {type(error).__name__}: {error}", "", False))


def _line(*cells: str) -> None:
    print("  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip(), flush=True)
