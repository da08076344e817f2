"""How a budget stands, for programs: money as exact decimal text in USD, instants in ISO 8601 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cost_top.model.budgets import KeptBudget, Standing
from cost_top.model.money import usd_text


def usd(amount: int | None) -> str | None:
    """Exact text; None stays None."""
    return None if amount is None else usd_text(amount)


def instant(moment: datetime | None) -> str | None:
    """`2026-11-28T19:00:00Z`, with a fraction only where there is one."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def standing_fields(standing: Standing) -> dict[str, Any]:
    """One budget, or one value of its `each`. null is unknown, or that there is none."""
    budget = standing.budget
    return {
        "name": budget.name,
        "id": budget.id,
        "each": budget.each,
        "value": standing.value,
        "value_name": standing.value_name,
        "where": str(budget.where),
        "period": str(budget.period),
        "time_zone": str(budget.zone),
        "mode": budget.mode,
        "cost": budget.cost,
        "limit_usd": usd(budget.limit),
        "spent_usd": usd(standing.spent),
        "left_usd": usd(standing.left),
        "used_percent": used_percent(standing),
        "unpriced_requests": standing.unpriced_count,
        "started_at": instant(standing.start),
        "resets_at": instant(standing.resets_at),
        "forecast_usd": usd(standing.forecast),
        "used_up_at": instant(standing.used_up_at),
        "used_up_at_present_pace": instant(standing.used_up_now_at),
        "falls_out_usd": usd(standing.falls_out[0]) if standing.falls_out else None,
        "falls_out_by": instant(standing.falls_out[1]) if standing.falls_out else None,
        "burning": standing.burning or None,
        "as_of": instant(standing.as_of),
        "error": standing.error or None,
    }


def used_percent(standing: Standing) -> float | None:
    """Used per cent of the limit with one decimal, rounded down: 99.96 % is not 100. None for a limit of 0."""
    if standing.spent is None or standing.budget.limit == 0:
        return None
    tenths = abs(standing.spent) * 1000 // standing.budget.limit
    return (-tenths if standing.spent < 0 else tenths) / 10


def kept_fields(kept: KeptBudget) -> dict[str, Any]:
    """A budget that the gateway keeps itself, as it counts it."""
    tenths = None if kept.spent is None or not kept.limit else kept.spent * 1000 // kept.limit
    return {
        "name": kept.title,
        "kept_by": "gateway",
        "each": kept.of,
        "value": kept.value,
        "value_name": kept.name,
        "within": kept.within,
        "within_name": kept.within_name,
        "mode": "soft" if kept.is_soft else "hard",
        "period": kept.period,
        "limit_usd": usd(kept.limit),
        "spent_usd": usd(kept.spent),
        "left_usd": None if kept.spent is None else usd(kept.limit - kept.spent),
        "used_percent": None if tenths is None else tenths / 10,
        "resets_at": instant(kept.resets_at),
        "raised_usd": usd(kept.raised),
        "raised_until": instant(kept.raised_until),
    }
