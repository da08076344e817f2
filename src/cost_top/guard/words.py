"""The guard's answers as bodies and headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.guard.guard import Matched, Verdict
from cost_top.model.budget_json import instant, usd
from cost_top.model.budget_line import reset_text
from cost_top.model.dimensions import none_text
from cost_top.model.errors import one_line
from cost_top.model.money import display_usd, usd_text

# A client that is told to wait sleeps: only where the wait is short.
_SHORT = timedelta(minutes=1)


def body_of(verdict: Verdict) -> dict[str, Any]:
    """200's or 422's body."""
    if verdict.refused is None:
        allowed: dict[str, Any] = {
            "allowed": True,
            "certain": verdict.certain,
            "reservation": verdict.reservation,
            "expires_at": instant(_whole(verdict.expires_at)),
            "budgets": [_budget(one) for one in verdict.budgets],
        }
        if verdict.needs:
            allowed["not_matched"] = [{"name": name, "needs": field} for name, field in verdict.needs]
        return allowed
    one = verdict.refused
    error = {
        "type": "budget_exhausted",
        "code": "422",
        "param": None,
        "message": message_of(one, verdict.reason or "exhausted"),
        "budget": one.budget.name,
        "reason": verdict.reason,
        "limit_usd": usd_text(one.budget.limit),
        "spent_usd": usd(one.spent),
        "reserved_usd": usd_text(one.reserved),
        "resets_at": instant(one.resets_at),
        "certain": verdict.certain,
    }
    return {"error": error}


def _budget(one: Matched) -> dict[str, Any]:
    told: dict[str, Any] = {"name": one.budget.name}
    if one.budget.each is not None:
        told["value"] = one.value
    return {
        **told,
        "mode": one.budget.mode,
        "limit_usd": usd_text(one.budget.limit),
        "spent_usd": usd(one.spent),
        "reserved_usd": usd_text(one.reserved),
        "left_usd": usd(one.left),
        "unpriced_requests": one.unpriced_count,
        "resets_at": instant(one.resets_at),
    }


def message_of(one: Matched, reason: str) -> str:
    """One line for people."""
    budget = one.budget
    who = f"budget {budget.name}"
    if budget.each is not None:
        who += f" of {budget.each} {one_line(one.value, 80)}" if one.value is not None else f" {none_text(budget.each)}"
    resets = _resets(one)
    if reason == "unknown":
        return f"{who} cannot be checked: its figures are not fresh; it refuses then (when_unknown)"
    spent, limit = display_usd(one.spent), display_usd(budget.limit)
    if reason == "unpriced":
        return (
            f"{who} cannot be checked: {one.unpriced_count} requests have no price; it refuses then (unpriced){resets}"
        )
    if reason == "would_exceed":
        aside = f" and {display_usd(one.reserved)} set aside" if one.reserved else ""
        return f"{who} has not enough left for this request: {spent}{aside} of {limit}{resets}"
    return f"{who} is used up: {spent} of {limit}{resets}"


def _resets(one: Matched) -> str:
    if one.resets_at is None:
        return f", {one.budget.period}"
    return f", resets {reset_text(one.resets_at, one.budget.zone)}"


def headers_of(verdict: Verdict, now: datetime) -> dict[str, str]:
    """The budget that refuses, else the one with least left."""
    headers = {"X-Cost-Top-Guard": "fresh" if verdict.certain else "stale"}
    known = [one for one in verdict.budgets if one.left is not None]
    shown = verdict.refused or min(known, key=lambda one: one.left or 0, default=None)
    if shown is not None:
        headers["X-Cost-Top-Budget"] = shown.budget.name
        if shown.left is not None:
            headers["X-Cost-Top-Left-Usd"] = usd_text(shown.left)
        if shown.resets_at is not None:
            headers["X-Cost-Top-Resets"] = instant(shown.resets_at) or ""
    if verdict.refused is not None:
        headers["x-should-retry"] = "false"
        resets = verdict.refused.resets_at
        if resets is not None and timedelta(0) < resets - now <= _SHORT:
            headers["Retry-After"] = str(int((resets - now).total_seconds()) + 1)
    return headers


def _whole(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)
