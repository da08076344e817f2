"""What spend was wasted on, as lines of their screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from cost_top.insight.view_table import ViewTable
from cost_top.model.errors import one_line
from cost_top.model.format import UNKNOWN, count, elide, money_within, pad
from cost_top.model.money import display_usd, pico
from cost_top.tui.render.style import CAUTION, FIGURE, MUTED, content, fit
from cost_top.tui.widgets.column import Column

_FIGURES = (("cost", 14), ("of spend", 10), ("requests", 10), ("", 11))
_WORDS = {
    "failed_but_paid": "failed but paid", "cut_off": "cut off", "logged_twice": "logged twice",
    "cacheable": "cacheable repeats", "total": "all",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WasteRow:
    """One kind of waste, or their sum. `cost` in pico-dollars; `notes` are those of the whole answer."""

    name: str
    cost: int
    share: str | None
    requests: int
    unpriced: int
    kind: str
    where: str
    notes: tuple[str, ...]


def waste_rows(view: ViewTable) -> list[WasteRow]:
    """The sum first."""
    told = [("total", view.totals), *((key[0] or "", figures) for key, figures in view.rows)]
    return [
        WasteRow(
            name, pico(str(figures["cost"])), None if (share := figures["cost_percent_of_total_cost"]) is None
            else str(share), int(figures["request_count"] or 0), int(figures["unpriced_count"] or 0),
            str(figures["kind"] or ""), str(figures["where"] or ""), view.notes,
        )
        for name, figures in told
    ]  # fmt: skip


def waste_columns(width: int) -> tuple[Column, ...]:
    """Their widths add up to `width`."""
    left = max(8, width - sum(cells for _, cells in _FIGURES))
    return (
        Column("name", "wasted on", left, "left", None, 8),
        *(Column(title or "kind", title, cells, "right", None, cells) for title, cells in _FIGURES),
    )


def waste_words(row: WasteRow) -> str:
    """What a kind is called."""
    return _WORDS.get(row.name, row.name)


def waste_amount(row: WasteRow) -> str:
    """What a kind cost."""
    return f"{'≥ ' if row.unpriced else ''}{display_usd(row.cost)}"


def waste_cells(row: WasteRow, columns: Sequence[Column]) -> tuple[Content, ...]:
    """One kind: what it cost, as a share of all spend, and whether it was spent, could be saved, or is apart."""
    texts = (
        (waste_words(row), FIGURE if row.name == "total" else ""),
        (money_within(row.cost, columns[1].width - 1, prefix="≥ " if row.unpriced else ""), FIGURE),
        (f"{row.share} %" if row.share is not None else UNKNOWN, ""),
        (count(row.requests), MUTED), (row.kind if row.requests else "", MUTED if row.kind == "spent" else CAUTION),
    )  # fmt: skip
    return tuple(
        fit(content((pad(text, column.width, column.align), style)), column.width)
        for (text, style), column in zip(texts, columns, strict=True)
    )


def waste_note(row: WasteRow, width: int) -> list[Content]:
    """How its requests are listed, and what is to be said of all."""
    lines = [content(("⏎ its requests", MUTED))] if row.requests else []
    if lines and row.where:
        lines = [content(("⏎ its requests, as / ", MUTED), elide(row.where, max(8, width - 21)))]
    lines += [content((elide(one_line(note, 300), width), MUTED)) for note in row.notes]
    return [fit(line, width) for line in lines[:4]]
