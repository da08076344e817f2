"""How budgets stand, and what is unusual, as tools for an assistant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any

from pydantic import Field

from cost_top.insight.ledger import ledger_told, told_fields
from cost_top.model.answers import Answers
from cost_top.model.budget_json import kept_fields, standing_fields
from cost_top.model.budget_line import budget_line, kept_text
from cost_top.model.budgets import Budget, KeptBudgets
from cost_top.model.errors import CannotAnswer, SourceError, UserError, one_line
from cost_top.model.ledger import LedgerQuery
from cost_top.model.windows import utc_now
from cost_top.monitor.budgets import ask_once

_MOST = 200
_LEDGER_DAYS = timedelta(days=30)


class BudgetTools:
    """Two questions over one source; they are asked one at a time."""

    def __init__(
        self, answers: Answers, budgets: tuple[Budget, ...], find_incidents: Callable[[], list[dict[str, Any]]],
        kept: Callable[[], KeptBudgets] = KeptBudgets, zone: tzinfo = UTC,
    ) -> None:  # fmt: skip
        """`find_incidents` gives those of the last three days as JSON has them, or raises `CannotAnswer`."""
        self._answers = answers
        self._find_incidents = find_incidents
        self._budgets = budgets
        self._kept, self._zone = kept, zone
        self._lock = threading.Lock()

    def budgets(
        self,
        name: Annotated[str | None, Field(max_length=64, description="Only that budget. Left out: all.")] = None,
    ) -> dict[str, Any]:
        """How much of each budget is used, what is left, when it resets, and when it will be used up.

        Budgets are those of cost-top's config file, then those that the gateway keeps itself (`kept_by`), as it counts
        them; `notes` say which of those could not be read. One with `each` has an entry for each value of that
        dimension, dearest first. Money is USD as exact decimal text, null is unknown. `line` says it for people. With
        unpriced_requests above 0 spent_usd is a lower bound. The guard refuses calls over a "hard" one, where a gateway
        asks it. `credits` is money paid in advance, where the source knows of any: what is left, when that is used up
        at the usual pace and at that of the last hour, what was bought, debited and adjusted in 30 days, and the debits
        held against the logged cost.
        """
        chosen = tuple(budget for budget in self._budgets if name is None or budget.name == name)
        if name is not None and not chosen:
            known = ", ".join(budget.name for budget in self._budgets) or "none"
            raise UserError(f"name: {one_line(name, 64)!r} is no budget: there are {known}")
        now = datetime.now(UTC)
        with self._lock:
            found = ask_once(self._answers, chosen, now) if chosen else ()
            kept = self._kept() if name is None else KeptBudgets()
            prepaid, missing = self._credits(now) if name is None else (None, ())
        told = [{**standing_fields(one), "line": budget_line(one, now)} for one in found]
        told += [{**kept_fields(one), "line": kept_text(one, UTC, utc_now())} for one in kept.found]
        return {
            "budgets": told[:_MOST],
            "rows_left_out": max(0, len(told) - _MOST),
            "credits": prepaid,
            "notes": [*kept.missing, *missing],
            "source": self._answers.label,
        }

    def _credits(self, now: datetime) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """The balance and the ledger of the last days; why it could not be read."""
        try:
            told = ledger_told(self._answers, LedgerQuery(start=now - _LEDGER_DAYS), now, self._zone)
        except CannotAnswer:
            return None, ()
        except SourceError as error:
            return None, (f"credits: {one_line(error)}",)
        return told_fields(told), told.problems

    def incidents(self) -> dict[str, Any]:
        """What is unusual in the last three days: spikes, dearer tokens, loops, requests logged twice, silence.

        The newest first. `closed` is null while one is open. `sentence` says it for people, `drivers` who is behind it,
        `factors` how much of `excess_usd` came from requests, size, mix of models and price: they add up to it. Money
        is USD as exact decimal text. An empty list means that nothing is unusual by the rules of the config file.
        """
        with self._lock:
            found = self._find_incidents()
        return {"incidents": list(reversed(found))[:_MOST], "source": self._answers.label}
