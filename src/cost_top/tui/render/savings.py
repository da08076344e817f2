"""Paid, list price and savings as lines of their screen; the three savings have wholes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from cost_top.insight.savings import Savings
from cost_top.model.errors import one_line
from cost_top.model.format import UNKNOWN, count, counted, money_within, pad, percent, with_tail
from cost_top.model.money import display_usd
from cost_top.tui.render.style import CAUTION, FIGURE, MUTED, SEPARATOR, content, fit
from cost_top.tui.widgets.column import Column

_NAME = 200
_FIGURES = (("paid", 13), ("list price", 12), ("discount", 10), ("prompt cache", 14), ("response", 11))
_NARROW, _SPARED = 80, 1  # below so many cells, so many less for each figure


@dataclass(frozen=True, slots=True)
class SavingsRow:
    """One group, or all of them."""

    label: str
    savings: Savings
    is_total: bool = False
    tail: str = ""  # what tells it from another of the same name


def savings_columns(width: int) -> tuple[Column, ...]:
    """Their widths add up to `width`."""
    figures = [(title, cells - _SPARED * (width < _NARROW)) for title, cells in _FIGURES]
    left = max(8, width - sum(cells for _, cells in figures))
    return (
        Column("name", "", left, "left", None, 8),
        *(Column(title, title, cells, "right", None, cells) for title, cells in figures),
    )


def savings_cells(row: SavingsRow, columns: Sequence[Column]) -> tuple[Content, ...]:
    """One group: amounts, and the discount as a share of the list price."""
    told = row.savings
    name = with_tail(one_line(row.label, _NAME), one_line(row.tail, _NAME), columns[0].width)
    if _is_unknown(told):
        figures = ["unpriced", *[UNKNOWN] * 4]
    else:
        paid, listed, _, prompt, response = (column.width - 1 for column in columns[1:])
        figures = [
            money_within(told.paid, paid, prefix="≥ " if told.unpriced else ""), money_within(told.list_price, listed),
            percent(told.discount, told.list_price) or UNKNOWN, money_within(told.prompt_cache, prompt),
            money_within(told.response_cache, response),
        ]  # fmt: skip
    styles = (FIGURE if row.is_total else "", FIGURE, "", "", "", "")
    texts = zip((name, *figures), styles, strict=True)
    return tuple(
        fit(content((pad(text, column.width, column.align), style)), column.width)
        for (text, style), column in zip(texts, columns, strict=True)
    )


def _is_unknown(told: Savings) -> bool:
    """Whether none of its requests has a price."""
    return bool(told.unpriced) and told.unpriced == told.requests


def savings_note(row: SavingsRow, width: int) -> list[Content]:
    """Each saving of a group with its amount and what its share is of."""
    told = row.savings
    if told.requests == 0:
        return [content(("no requests in this time", MUTED))]
    if _is_unknown(told):
        return [content((f"{counted(told.requests, 'request')}, unpriced: nothing is known of them", CAUTION))]
    lines = [
        _saving("discount", told.discount, told.list_price, "list price, where that is known"),
        _saving("prompt cache", told.prompt_cache, told.without_prompt_cache, "cost without it"),
        _saving("response cache", told.response_cache, told.without_response_cache, "cost without it"),
    ]
    requests = "" if told.requests is None else f"{counted(told.requests, 'request')}{SEPARATOR}"
    unpriced = f"{count(told.unpriced)} unpriced, in no figure" if told.unpriced else ""
    last = content((f"{requests}never added up  ", MUTED), (unpriced, CAUTION))
    return [fit(line, width) for line in (*lines, last)]


def _saving(name: str, amount: int | None, whole: int | None, of: str) -> Content:
    if amount is None:
        return content((f"{name} ", MUTED), "not told by the source")
    share = percent(amount, whole)
    told = f"{display_usd(amount)}" + (f", {share} of {display_usd(whole)} {of}" if share else "")
    return content((f"{name} ", MUTED), told)
