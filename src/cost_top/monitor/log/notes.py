"""What a reader of a report should know about its figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cost_top.mirror.days import UNKNOWN
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.model.credits import Credits
from cost_top.model.doubts import words
from cost_top.model.ledger import KeepsLedger, LedgerQuery
from cost_top.model.money import usd_text
from cost_top.model.notes import untimed_notes
from cost_top.model.query import Report, ReportQuery, TrustSums
from cost_top.sources.base import LogSource

if TYPE_CHECKING:
    from cost_top.model.ledger import Ledger

_NAMED = 3


def read_ledger(source: LogSource, query: LedgerQuery) -> Ledger | None:
    """What is asked of the ledger beside a log; None where there is none. Raises `SourceError`."""
    with source.connect() as reader:
        return reader.ledger(query) if isinstance(reader, KeepsLedger) else None


def read_credits(source: LogSource) -> Credits | None:
    """The balance of the ledger beside a log, and its debits; None where there is none. Raises `SourceError`."""
    ledger = read_ledger(source, LedgerQuery())
    return None if ledger is None else Credits(ledger.balance, ledger.debits, datetime.now(UTC))


def compared_note(mirror: Mirror, query: ReportQuery, now: datetime, since: datetime) -> tuple[str, ...]:
    """When the closed days of a query were last compared with the log in all their columns, if that was before `since`.

    Later changes that leave a day's count and sums as they were are not among the figures yet.
    """
    compared = mirror.compared(naive(query.start), naive(query.end))
    if compared is None or compared >= since:
        return ()
    if compared == UNKNOWN:
        return ("closed days were compared by a clock that is ahead of this one",)
    local, today = compared.astimezone(query.zone), now.astimezone(query.zone)
    return (f"closed days compared {local:%H:%M}" if local.date() == today.date()
            else f"closed days compared {local:%Y-%m-%d %H:%M}",)  # fmt: skip


def seen_note(mirror: Mirror, query: ReportQuery, seen: datetime | None, since: datetime) -> tuple[str, ...]:
    """When all rows that are followed one by one were last held against the log, if that was before `since`."""
    if seen is None or seen >= since or naive(query.end) <= mirror.hot_start:
        return ()
    return (f"today's rows compared {seen.astimezone(query.zone):%H:%M:%S}",)


def told(mirror: Mirror, query: ReportQuery, report: Report) -> tuple[tuple[str, ...], TrustSums]:
    """One line for each thing that makes a figure less than plain: unpriced, overlapping, cut off; the sums behind."""
    notes = list(untimed_notes(mirror.untimed))
    totals = report.totals
    if totals.unpriced_count:
        models = mirror.report(_by_model(query), report.as_of)
        names = [row.key[0] or "(no model)" for row in models.rows if row.measures.unpriced_count]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        who = f"{', '.join(names[:3])}{more}"
        plural = "s" if totals.unpriced_count != 1 else ""
        notes.append(f"{totals.unpriced_count} request{plural} unpriced ({who}): total_cost is a lower bound")
    caveats = mirror.rows.caveats(query, totals)
    trust = caveats.trust
    for doubt, requests, shared in caveats.doubts:
        named = ", ".join(shared[:_NAMED]) + (f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else "")
        notes.append(f"{requests} request{'s' if requests != 1 else ''} ({named}): {words(doubt)}")
    if trust.refund_count:
        called = f"{trust.refund_count} refund{'s' if trust.refund_count != 1 else ''} or corrections"
        notes.append(f"{called}: {usd_text(trust.refunded_cost)} USD taken off total_cost and market_cost")
    if trust.no_usage_count:
        carry = "requests carry" if trust.no_usage_count != 1 else "request carries"
        notes.append(f"{trust.no_usage_count} {carry} neither tokens nor a cost: their cost is unknown")
    avoided_input, avoided_output = caveats.avoided_input_tokens, caveats.avoided_output_tokens
    if avoided_input or avoided_output:
        notes.append(
            f"response cache avoided {avoided_input:,} input and {avoided_output:,} output tokens, "
            "not in the token counts"
        )
    if "tag" in query.group_by:
        notes.append(
            "tags overlap: a request counts in the row of each of its tags, so rows add up to more than totals"
        )
    if report.row_count > len(report.rows):
        notes.append(f"{len(report.rows)} of {report.row_count} rows shown; totals are of all")
    return tuple(notes), trust


def _by_model(query: ReportQuery) -> ReportQuery:
    return replace(query, group_by=("model",), limit=None, sort="unpriced_count", descending=True)
