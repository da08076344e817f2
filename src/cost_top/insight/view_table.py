"""A view of a report: rows of its own measures, ready to be written."""

from __future__ import annotations

from dataclasses import dataclass

from cost_top.model.money import usd_text

Key = tuple[str | None, ...]
Figures = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class ViewTable:
    """A view's rows. Money in USD as exact decimal text, shares in per cent, None is not known."""

    columns: tuple[str, ...]  # of the keys
    rows: tuple[tuple[Key, Figures], ...]
    totals: Figures
    as_of: str
    notes: tuple[str, ...]
    row_count: int  # before a limit


def known_usd(amount: int | None) -> str | None:
    """Pico-dollars as exact decimal text in USD; None stays None."""
    return None if amount is None else usd_text(amount)
