"""`$`: what was paid, what the list price was, what was saved, by key, provider, model or date; waste; credits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from cost_top.insight.ledger import ledger_told
from cost_top.insight.savings import comparable, savings_of, savings_rows
from cost_top.insight.waste import waste_view
from cost_top.model.answers import Answers
from cost_top.model.dimensions import dimension_named
from cost_top.model.errors import CannotAnswer
from cost_top.model.filter import Filter
from cost_top.model.format import tail_of
from cost_top.model.ledger import LedgerQuery
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.tui.host import host_of
from cost_top.tui.keys import SAVINGS_BINDINGS
from cost_top.tui.messages import ListArrived, Refused
from cost_top.tui.render.credits import CreditsRow, credits_cells, credits_columns, credits_note, credits_rows
from cost_top.tui.render.savings import SavingsRow, savings_cells, savings_columns, savings_note
from cost_top.tui.render.waste import WasteRow, waste_cells, waste_columns, waste_note, waste_rows
from cost_top.tui.screens.listed import ListedDialog
from cost_top.tui.widgets.column import Column
from cost_top.tui.widgets.keyed_table import KeyedTable

TABS = (("token", "key"), ("provider", "provider"), ("model", "model"), ("day", "date"), ("waste", "waste"),
        ("credits", "credits"))  # fmt: skip
_APART = ("waste", "credits")  # which have columns of their own
_MOST = 200
_LIVE = timedelta(minutes=5)
_Row = SavingsRow | WasteRow | CreditsRow


class SavingsScreen(ListedDialog[_Row]):
    """The total first; the arrows choose what it is told by."""

    BINDINGS: ClassVar[list[BindingType]] = [*SAVINGS_BINDINGS]
    foot = "← → by key, provider, model, date; waste; credits  y copy  esc close"
    nothing = "no requests in this time"

    def __init__(self, where: Filter, period: Period, zone: tzinfo, clock: Callable[[], datetime]) -> None:
        """Of the requests of a filter in a period."""
        super().__init__(zone, clock)
        self._where, self._period = where, period
        self._tab = 0
        self._asked = 0

    @property
    def title_text(self) -> str:  # type: ignore[override]
        """What it is told by."""
        tabs = " ".join(f"[{word}]" if place == self._tab else word for place, (_, word) in enumerate(TABS))
        start, end = self._period.start.astimezone(self.zone), self._period.end.astimezone(self.zone)
        days = f"{start:%-d %b} – {end:%-d %b}"
        titles = (
            f"Paid, list price, saved · by {tabs} · {start:%-d %b %H:%M} – {end:%-d %b %H:%M}",
            f"Paid and saved · by {tabs} · {days}",
            f"Saved · by {tabs} · {days}",
            f"Saved · {tabs} · {days}",
        )
        return next((title for title in titles if len(title) <= self.title_room), titles[-1])

    def ask(self) -> None:
        """Two reports: of all requests, and of those whose list price is known."""
        dimension = TABS[self._tab][0]
        self._asked = number = self._asked + 1
        if dimension == "waste":
            self._ask(lambda answers: waste_rows(waste_view(answers, self._whole)), number)
            return
        if dimension == "credits":
            self._ask(
                lambda answers: credits_rows(ledger_told(answers, self._entries(), self.clock(), self.zone)), number
            )
            return
        sort = "day" if dimension == "day" else "total_cost"
        period = self._period
        query = ReportQuery(
            period.start, period.end, (dimension,), self._where, self.zone, sort=sort, limit=_MOST
        )  # fmt: skip
        self._ask(lambda answers: _rows(answers, query), number)

    @property
    def _whole(self) -> ReportQuery:
        return ReportQuery(self._period.start, self._period.end, (), self._where, self.zone)

    def _entries(self) -> LedgerQuery:
        """Those of the period; of one that goes on, also what comes yet."""
        for term in self._where.terms:
            if term.field != "token":
                raise CannotAnswer(
                    f"an entry of a ledger knows its key, no {term.field or 'bare word'}: filter by token"
                )
        end = self._period.end
        return LedgerQuery(_MOST, self._period.start, end if end < self.clock() - _LIVE else None, self._where)

    def _ask(self, question: Callable[[Answers], Sequence[_Row]], number: int) -> None:
        host_of(self).feed.ask(
            # Of a tab that was left before its turn came, nothing is asked of the source.
            lambda answers: question(answers) if number == self._asked else (),
            lambda rows: self._answered(number, ListArrived(rows)),
            lambda reason: self._answered(number, Refused(reason)),
        )

    def _answered(self, number: int, message: ListArrived | Refused) -> None:
        if number == self._asked:  # called on the feed's thread
            self.post_message(message)

    def columns(self, width: int) -> tuple[Column, ...]:
        """See `ListedDialog`."""
        return {"waste": waste_columns, "credits": credits_columns}.get(TABS[self._tab][0], savings_columns)(width)

    def cells(self, row: _Row, columns: Sequence[Column]) -> tuple[Content, ...]:
        """See `ListedDialog`."""
        if isinstance(row, CreditsRow):
            return credits_cells(row, columns, self.zone)
        return waste_cells(row, columns) if isinstance(row, WasteRow) else savings_cells(row, columns)

    def key_of(self, row: _Row) -> tuple[str, bool]:
        """See `ListedDialog`."""
        if isinstance(row, CreditsRow):
            return row.key
        return (row.name, False) if isinstance(row, WasteRow) else (row.label + row.tail, row.is_total)

    def note(self, row: _Row, width: int) -> Sequence[Content]:
        """See `ListedDialog`."""
        if isinstance(row, CreditsRow):
            return credits_note(row, width, self.zone)
        return waste_note(row, width) if isinstance(row, WasteRow) else savings_note(row, width)

    def on_unmount(self) -> None:
        """What still waits is for nobody."""
        self._asked += 1

    def action_tab(self, step: int) -> None:
        """Tell it by something else."""
        before, self._tab = self._tab, (self._tab + step) % len(TABS)
        self.show_heading()
        if {TABS[before][0], TABS[self._tab][0]} & set(_APART):
            self.rows = ()
            self.await_rows()
            self._show()
        self.ask()

    def on_keyed_table_activated(self, event: KeyedTable.Activated) -> None:
        """The requests behind a line of waste; below the other rows there is nothing."""
        event.stop()
        row = self.row
        if isinstance(row, WasteRow) and row.requests:
            from cost_top.tui.screens.waste_requests import WasteRequestsScreen

            self.app.push_screen(WasteRequestsScreen(row, self._whole, self.zone))


def _rows(answers: Answers, query: ReportQuery) -> list[SavingsRow]:
    every = answers.report(query)
    compared = answers.report(replace(query, where=comparable(query.where), limit=None))
    none = dimension_named(query.group_by[0]).none
    rows = [SavingsRow("all", savings_of(every.totals, compared.totals), is_total=True)]
    told = savings_rows(every, compared)
    for key, savings in told:
        label = next((part for part in reversed(key) if part), None) or none
        tail = tail_of(key[0], (other[0] for other, _ in told if other[1:] == key[1:])) if len(key) > 1 else ""
        rows.append(SavingsRow(label, savings, tail=tail))
    return rows
