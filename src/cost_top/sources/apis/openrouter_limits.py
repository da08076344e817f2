"""The limits that OpenRouter keeps for keys: what each may spend, and until when it counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from cost_top.model.budgets import KeptBudget, KeptBudgets
from cost_top.sources.apis.openrouter_shapes import Key
from cost_top.sources.apis.openrouter_totals import midnight

_DAY = timedelta(days=1)
# By the reset of a limit: the counter that is held against it, where OpenRouter does not tell what is left.
_COUNTERS = {None: "usage", "daily": "usage_daily", "weekly": "usage_weekly", "monthly": "usage_monthly"}


def limits_of(keys: Iterable[Key], now: datetime) -> KeptBudgets:
    """The keys in use with a limit; what they have used is the limit less what is left of it.

    Limits are reset at midnight UTC: each day, on Mondays, on the first of a month; or never.
    """
    found = []
    for key in keys:
        if key.limit is None or key.disabled is True:
            continue
        spent = None
        if key.limit_remaining is not None:
            spent = key.limit - key.limit_remaining
        elif key.limit_reset in _COUNTERS:
            spent = getattr(key, _COUNTERS[key.limit_reset])
            if spent is not None and key.include_byok_in_limit is True:
                spent += getattr(key, f"byok_{_COUNTERS[key.limit_reset]}") or 0
        value = key.hash or key.label or key.name or "this key"
        found.append(
            KeptBudget("token", value, key.name or key.label, key.limit, spent, key.limit_reset,
                       next_reset(key.limit_reset, now))
        )  # fmt: skip
    return KeptBudgets(tuple(found))


def next_reset(word: str | None, now: datetime) -> datetime | None:
    """The end of the UTC period that `daily`, `weekly` or `monthly` names; None for another word.

    >>> from datetime import UTC
    >>> friday = datetime(2026, 11, 27, 9, tzinfo=UTC)
    >>> [str(next_reset(word, friday).date()) for word in ("daily", "weekly", "monthly")]
    ['2026-11-28', '2026-11-30', '2026-12-01']
    """
    today = midnight(now)
    if word == "daily":
        return today + _DAY
    if word == "weekly":
        return today + (7 - today.weekday()) * _DAY
    if word == "monthly":
        return (today.replace(day=28) + 4 * _DAY).replace(day=1)
    return None
