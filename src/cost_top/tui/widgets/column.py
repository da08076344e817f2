"""A column of a table: what it is called, how wide it is, and what sorting by it sorts by."""

from __future__ import annotations

from dataclasses import dataclass

from cost_top.model.format import Align


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `width` cells include the blank that parts it from the column before.

    `measure` is what sorting by it sorts by, None where it cannot be sorted by.
    """

    key: str
    title: str
    width: int
    align: Align
    measure: str | None
    minimum_width: int
