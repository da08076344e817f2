"""A ledger of credits beside a log: what was bought, debited and adjusted, and whether it holds together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from cost_top.model.filter import Filter


@dataclass(frozen=True, slots=True)
class LedgerQuery:
    """Entries of `[start, end)`, where those are given, that match `where`, whose terms are all of the field `token`;
    the `newest` of them are told one by one."""

    newest: int = 0
    start: datetime | None = None
    end: datetime | None = None
    where: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line. Money in pico-dollars, what goes out is negative; `balance` is that after it, None is unknown."""

    id: str
    time: datetime
    kind: str
    amount: int
    balance: int | None
    token: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class LedgerSum:
    """All entries of one kind, in pico-dollars."""

    kind: str
    entries: int
    amount: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger, or what a query asks of it. `checked` entries carry a balance; those that do not follow from the one
    before are breaks. Checks and `unreadable` are of all entries, `balance` is that before the query's end, unknown
    where it asks for some keys only.

    `unreadable` entries have no time or no amount that is a whole number: they are in no sum. `starts_with_debit`
    says that use before the first entry is among the debits.
    """

    sums: tuple[LedgerSum, ...]
    balance: int | None
    checked: int
    breaks: int
    broken_ids: tuple[str, ...]  # the first of them
    unreadable: int
    first: datetime | None
    last_debit: datetime | None
    starts_with_debit: bool
    newest: tuple[LedgerEntry, ...]

    @property
    def debits(self) -> int:
        """What was debited for use, as a positive amount."""
        return -sum(each.amount for each in self.sums if each.kind == "usage_debit")


@dataclass(frozen=True, slots=True)
class LedgerTold:
    """A ledger as faces tell it, or the balance alone of a source that keeps no entries."""

    balance: int | None
    sums: tuple[LedgerSum, ...] = ()
    newest: tuple[LedgerEntry, ...] = ()
    used_up: datetime | None = None  # at the usual pace
    used_up_now: datetime | None = None  # at that of the last hour
    reconciliation: str | None = None  # debits against the logged cost, in a line
    problems: tuple[str, ...] = ()


@runtime_checkable
class KeepsLedger(Protocol):
    """What reads a log, or answers from one, that may have a ledger of credits beside it."""

    def ledger(self, query: LedgerQuery) -> Ledger | None:
        """What is asked of the ledger; None where there is none. Raises `SourceError`."""
