"""A ledger held against the log: what was debited, and what the requests up to the last debit cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cost_top.insight.runway import RunsOut, runs_out
from cost_top.insight.savings import share_text
from cost_top.model.errors import CannotAnswer
from cost_top.model.ledger import KeepsLedger, Ledger, LedgerQuery, LedgerSum, LedgerTold
from cost_top.model.money import display_usd, usd_text
from cost_top.model.native import LEDGER_KINDS
from cost_top.model.query import ReportQuery, TrustSums

if TYPE_CHECKING:
    from cost_top.model.answers import Answers

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_INSTANT = timedelta(milliseconds=1)


@runtime_checkable
class TellsLedger(Protocol):
    """A source that tells what another has made of its ledger."""

    def ledger_told(self, query: LedgerQuery) -> LedgerTold:
        """As `ledger_told` of this module."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Debits and logged cost of one span `[since, until)`, in pico-dollars. Debits lag: newer requests stand apart."""

    since: datetime
    until: datetime
    debits: int
    logged: int
    unpriced: int
    newer: int | None
    refunds: int = 0  # in the log: `refunded` is off its cost, as off the debits
    refunded: int = 0

    @property
    def difference(self) -> int:
        """Debits less logged cost."""
        return self.debits - self.logged


def ledger_told(answers: Answers, query: LedgerQuery, now: datetime, zone: tzinfo) -> LedgerTold:
    """The ledger of a source, held against its log, with the days on which the balance is used up; else its balance.

    `CannotAnswer` where it knows neither; raises as `Answers` does.
    """
    if isinstance(answers, TellsLedger):
        return answers.ledger_told(query)
    found = answers.ledger(query) if isinstance(answers, KeepsLedger) else None
    if found is None:
        credits = None if query.where.terms else answers.credits()
        if credits is None:
            raise CannotAnswer("the source keeps no ledger of credits")
        return LedgerTold(credits.balance)
    held, ends = held_against_log(found, answers, query, now, zone)
    line = None if held is None else reconciliation_line(held)
    return LedgerTold(found.balance, found.sums, found.newest, *ends, line, tuple(ledger_problems(found)))


def held_against_log(
    ledger: Ledger, answers: Answers, query: LedgerQuery, now: datetime, zone: tzinfo
) -> tuple[Reconciliation | None, RunsOut]:
    """The debits that a query asked for beside the logged cost, and when the balance is used up, where it is of now."""
    ends = runs_out(ledger.balance if query.end is None else None, answers, now, zone)
    return reconciled(ledger, answers, now, query), ends


def reconciled(
    ledger: Ledger, answers: Answers, now: datetime, query: LedgerQuery | None = None
) -> Reconciliation | None:
    """From the query's start, else the first entry (of a ledger that begins with a debit: from the log's beginning), to
    the last debit; of what `query` asked of the ledger.

    None without a debit. Customers' own keys cost nothing. Raises as `Answers` does.
    """
    if ledger.last_debit is None or ledger.first is None:
        return None
    query = query or LedgerQuery()
    since = query.start or (_EARLIEST if ledger.starts_with_debit else ledger.first)
    until = ledger.last_debit + _INSTANT
    end = now if query.end is None else min(now, query.end)
    report = answers.report(ReportQuery(since, until, where=query.where))
    totals, trust = report.totals, report.trust or TrustSums()
    newer = answers.report(ReportQuery(until, end, where=query.where)).totals.request_count if until < end else 0
    return Reconciliation(since, until, ledger.debits, totals.total_cost, totals.unpriced_count, newer,
                          trust.refund_count, abs(trust.refunded_cost))  # fmt: skip


def reconciliation_line(found: Reconciliation) -> str:
    """`ledger debits $812.44, logged cost $815.02 in the same span, difference -$2.58 (0.32 %): 41 requests newer …`

    A refund is off the logged cost on its own day, as in every figure; a ledger has it as a debit taken back.
    """
    # What has no price would make the logged cost larger and the difference smaller; a share of neither is known.
    least, most = ("≥ ", "≤ ") if found.unpriced else ("", "")
    share = None if found.unpriced else share_text(abs(found.difference), found.logged)
    text = (
        f"ledger debits {display_usd(found.debits)}, logged cost {least}{display_usd(found.logged)} in the same span, "
        f"difference {most}{display_usd(found.difference)}{f' ({share} %)' if share is not None else ''}"
    )
    told = [f"{_counted(found.newer, 'request')} newer than the last debit"] if found.newer else []
    if found.refunds:
        told.append(f"{_counted(found.refunds, 'refund')} ({display_usd(found.refunded)}) taken off the cost")
    if told:
        text += f": {', '.join(told)}"
    if found.unpriced:
        text += f"; {_counted(found.unpriced, 'request')} unpriced"
    return text


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def ledger_problems(ledger: Ledger) -> list[str]:
    """What does not hold together, a line for each kind."""
    found = []
    if ledger.breaks:
        named = ", ".join(ledger.broken_ids) + (" …" if ledger.breaks > len(ledger.broken_ids) else "")
        found.append(f"{ledger.breaks:,} ledger balances do not follow from the entry before ({named})")
    if ledger.unreadable:
        found.append(f"{ledger.unreadable:,} ledger entries have no time or no whole amount: they are in no sum")
    unknown = [each for each in ledger.sums if each.kind not in LEDGER_KINDS]
    if unknown:
        found.append(f"{sum(each.entries for each in unknown):,} ledger entries are of no known kind")
    return found


def told_fields(told: LedgerTold) -> dict[str, Any]:
    """What is left, and what it is made of, for programs; without single entries."""
    return {
        **_standing_fields(told.balance, told.sums, RunsOut(told.used_up, told.used_up_now)),
        "reconciliation": told.reconciliation,
    }


def _standing_fields(balance: int | None, sums: tuple[LedgerSum, ...], ends: RunsOut) -> dict[str, Any]:
    usual, present = (None if end is None else end.astimezone(UTC).isoformat() for end in ends)
    return {
        "balance_usd": None if balance is None else usd_text(balance),
        "used_up_at": usual,
        "used_up_at_present_pace": present,
        "sums": [{"kind": each.kind, "amount_usd": usd_text(each.amount), "entries": each.entries} for each in sums],
    }


def ledger_fields(ledger: Ledger, found: Reconciliation | None, ends: RunsOut) -> dict[str, Any]:
    """The ledger for programs: money as exact decimal text in USD, instants in ISO 8601."""
    notes = ledger_problems(ledger)
    return {
        **_standing_fields(ledger.balance, ledger.sums, ends),
        "balances_checked": ledger.checked,
        "balances_wrong": ledger.breaks,
        "reconciliation": None if found is None else {
            "since": None if found.since == _EARLIEST else found.since.isoformat(),
            "until": found.until.isoformat(),
            "debits_usd": usd_text(found.debits),
            "logged_cost_usd": usd_text(found.logged),
            "difference_usd": usd_text(found.difference),
            "unpriced_requests": found.unpriced,
            "newer_requests": found.newer,
            "refunds": found.refunds,
            "refunded_usd": usd_text(found.refunded),
            "line": reconciliation_line(found),
        },
        "entries": [
            {
                "id": one.id, "time": one.time.isoformat(), "kind": one.kind, "amount_usd": usd_text(one.amount),
                "balance_usd": None if one.balance is None else usd_text(one.balance), "token": one.token,
                "note": one.note,
            }
            for one in ledger.newest
        ],
        "notes": notes,
    }  # fmt: skip
