"""What the config file's rules and budgets say of a watched source. Every call blocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from cost_top.model.budgets import Budget, KeptBudgets
from cost_top.model.filter import Filter
from cost_top.model.watched import BudgetRow, IncidentRow, budget_rows, incident_rows

if TYPE_CHECKING:
    from cost_top.insight.levels import Rules
    from cost_top.model.answers import Hub
    from cost_top.monitor.budgets import Asked
    from cost_top.monitor.log.incidents import LiveIncidents

# A terminal beside a gateway takes little of its memory and time: so many take 200 MB and some seconds at the start.
MOST_REQUESTS = 1_000_000


class Watched:
    """Of one face; what changes slowly is kept between its questions."""

    def __init__(
        self, rules: Callable[[], Rules], budgets: Callable[[], tuple[Budget, ...]],
        kept: Callable[[], KeptBudgets], zone: tzinfo,
    ) -> None:  # fmt: skip
        """Nothing is read before it is asked for. `kept` are the budgets that the gateway keeps itself."""
        self._rules, self._budgets, self._kept, self._zone = rules, budgets, kept, zone
        self._live: LiveIncidents | None = None
        self._asked: Asked | None = None

    def incidents(self, hub: Hub, now: datetime) -> tuple[IncidentRow, ...]:
        """Those of the last three days. `CannotAnswer` for a source that is no log."""
        from cost_top.monitor.log.incidents import LiveIncidents

        if self._live is None:
            self._live = LiveIncidents(self._rules(), self._zone, MOST_REQUESTS)
        return incident_rows(self._live.found(hub, now, Filter()))

    def budgets(self, hub: Hub, now: datetime) -> tuple[BudgetRow, ...]:
        """Those of the config file and those that the gateway keeps."""
        from cost_top.model.budget_json import kept_fields, standing_fields
        from cost_top.monitor.budgets import Asked, ask

        if self._asked is None:
            self._asked = Asked()
        standings = ask(hub, self._budgets(), now, self._asked)
        kept = self._kept()
        return budget_rows([*map(standing_fields, standings), *map(kept_fields, kept.found)], kept.missing)
