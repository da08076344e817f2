"""What `cost-top doctor` says of the ledger of credits beside a log."""

from __future__ import annotations

from datetime import datetime

from cost_top.cli.options import Resolved
from cost_top.insight.ledger import held_against_log, ledger_problems, reconciliation_line
from cost_top.model.budget_line import reset_text
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.ledger import LedgerQuery
from cost_top.model.money import display_usd
from cost_top.monitor.log.notes import read_ledger

Lines = list[tuple[str, str]]


def examine_ledger(settings: Resolved, now: datetime) -> tuple[Lines, Lines]:
    """Facts and problems; nothing where there is no ledger. Reads the log from the ledger's first entry on."""
    answers = settings.open_answers()
    try:
        query = LedgerQuery()
        ledger = read_ledger(settings.open_source(), query)
        if ledger is None:
            return [], []
        found, ends = held_against_log(ledger, answers, query, now, settings.zone)
    except SourceError as error:
        raise UserError(f"ledger: {one_line(error)}") from error
    finally:
        answers.close()
    parts = [f"{each.entries:,} {one_line(each.kind, 40)} {display_usd(each.amount)}" for each in ledger.sums]
    if ledger.balance is not None:
        parts.append(f"balance {display_usd(ledger.balance)}")
    for moment, pace in ((ends.usual, "usual pace"), (ends.present, "pace of the last hour")):
        if moment is not None:
            parts.append(f"at the {pace} used up {reset_text(moment, settings.zone)}")
    facts = [("ledger", "; ".join(parts) or "empty")]
    if found is not None:
        facts.append(("", reconciliation_line(found)))
    advice = "look at these rows of the ledger, or at who writes them"
    return facts, [(one_line(problem, 300), advice) for problem in ledger_problems(ledger)]
