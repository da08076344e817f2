"""How long a balance lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


def runway(balance: int | None, daily_costs: Sequence[int]) -> timedelta | None:
    """The balance over the mean cost of whole days; None when either is unknown or nothing is burnt.

    >>> runway(30, [5, 10, 15]), runway(30, []), runway(30, [0]), runway(-1, [1])
    (datetime.timedelta(days=3), None, None, datetime.timedelta(0))
    """
    if balance is None or not daily_costs or sum(daily_costs) <= 0:
        return None
    hours = max(balance, 0) * len(daily_costs) * 24 // sum(daily_costs)
    return timedelta(hours=min(hours, 24 * 36_500))


def runway_at(balance: int | None, hourly: int | None) -> timedelta | None:
    """The balance over a cost an hour; None when either is unknown or nothing is burnt.

    >>> runway_at(30, 10), runway_at(30, 0), runway_at(None, 1)
    (datetime.timedelta(seconds=10800), None, None)
    """
    if balance is None or not hourly or hourly < 0:
        return None
    return timedelta(hours=min(max(balance, 0) // hourly, 24 * 36_500))


def question_interval(price: int, monthly_budget: int) -> int:
    """Seconds between billed questions of `price` so that a month of 30 days stays within a budget, in whole minutes.

    >>> question_interval(5_000_000_000, 14 * 10**12)
    960
    """
    seconds = -(-price * 30 * 86400 // monthly_budget)
    return -(-seconds // 60) * 60
