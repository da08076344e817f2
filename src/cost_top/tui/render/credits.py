"""Credits as lines of their screen: what was bought, debited and adjusted, what is left, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from textwrap import wrap

from textual.content import Content

from cost_top.model.budget_line import reset_text
from cost_top.model.errors import one_line
from cost_top.model.format import UNKNOWN, count, elide, money_within, pad
from cost_top.model.ledger import LedgerEntry, LedgerTold
from cost_top.tui.render.style import CAUTION, FIGURE, MUTED, content, fit
from cost_top.tui.widgets.column import Column

_FIGURES = (("amount", 14), ("entries", 9), ("balance", 14))
_KINDS = {"usage_debit": "debits", "purchase": "purchases", "adjustment": "adjustments"}
_ONE = {"usage_debit": "debit"}


@dataclass(frozen=True, slots=True)
class CreditsRow:
    """The balance, the sum of a kind, or one entry; money in pico-dollars."""

    name: str
    amount: int | None
    entries: int | None
    balance: int | None
    told: LedgerTold
    entry: LedgerEntry | None = None

    @property
    def key(self) -> tuple[str, bool]:
        """What the cursor follows."""
        return (self.entry.id, True) if self.entry is not None else (self.name, False)


def credits_rows(told: LedgerTold) -> list[CreditsRow]:
    """The balance, sums by kind, then the newest entries."""
    rows = [CreditsRow("balance", None, None, told.balance, told)]
    rows += [CreditsRow(_KINDS.get(each.kind, each.kind), each.amount, each.entries, None, told) for each in told.sums]
    return rows + [CreditsRow(_ONE.get(one.kind, one.kind), one.amount, None, one.balance, told, one)
                   for one in told.newest]  # fmt: skip


def credits_columns(width: int) -> tuple[Column, ...]:
    """Their widths add up to `width`."""
    left = max(8, width - sum(cells for _, cells in _FIGURES))
    return (
        Column("name", "credits", left, "left", None, 8),
        *(Column(title, title, cells, "right", None, cells) for title, cells in _FIGURES),
    )


def credits_cells(row: CreditsRow, columns: Sequence[Column], zone: tzinfo) -> tuple[Content, ...]:
    """One row; what goes out is negative."""
    when = f"{row.entry.time.astimezone(zone):%Y-%m-%d %H:%M}  " if row.entry is not None else ""
    is_balance = row.amount is None
    texts = (
        (f"{when}{one_line(row.name, 40)}", FIGURE if is_balance else ""),
        ("" if row.amount is None else money_within(row.amount, columns[1].width - 1), ""),
        ("" if row.entries is None else count(row.entries), MUTED),
        (money_within(row.balance, columns[3].width - 1) if row.balance is not None else UNKNOWN if is_balance else "",
         FIGURE if is_balance else ""),
    )  # fmt: skip
    return tuple(
        fit(content((pad(text, column.width, column.align), style)), column.width)
        for (text, style), column in zip(texts, columns, strict=True)
    )


def credits_note(row: CreditsRow, width: int, zone: tzinfo) -> list[Content]:
    """Until when the balance lasts and how the debits stand against the log; of an entry whose it is."""
    told = row.told
    if row.entry is not None:
        facts = (("key", row.entry.token), ("note", row.entry.note), ("id", row.entry.id))
        return [fit(content((f"{name} ", MUTED), elide(one_line(text, 300), width - 6)), width)
                for name, text in facts if text]  # fmt: skip
    lines = [(_lasts(told.used_up, told.used_up_now, zone), "")] if told.balance is not None else []
    lines += [(told.reconciliation, "")] if told.reconciliation is not None else []
    lines += [(problem, CAUTION) for problem in told.problems]
    return [fit(content((part, style)), width) for text, style in lines for part in wrap(one_line(text, 400), width)]


def _lasts(usual: datetime | None, present: datetime | None, zone: tzinfo) -> str:
    """Both dates: a pace that is not known, or lasts more than a year, is told as such."""
    ends = ("not within a year, or unknown" if end is None else reset_text(end, zone) for end in (usual, present))
    return "used up at the usual pace {}, at that of the last hour {}".format(*ends)
