"""Unit economics: what one request, one user, 1,000 output tokens or any number of the user's own costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from statistics import median

from cost_top.model.query import Measures

_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Units:
    """One group. Money in pico-dollars, rounded half-even; None where unknown, or nothing to divide by."""

    cost: int
    unpriced: int
    requests: int | None
    users: int | None  # distinct users among the requests that name one
    attributed: int | None  # of `cost`, what requests with a user cost
    per_request: int | None
    per_user: int | None
    per_thousand_output: int | None
    per: Mapping[str, int | None]
    revenue: int | None = None
    margin: int | None = None


@dataclass(frozen=True, slots=True)
class Income:
    """What users under a filter pay: for each of them a month, or all of them together. Pico-dollars."""

    per_user_month: int | None = None
    per_month: int | None = None


def divided(amount: int, by: Fraction | int | None) -> int | None:
    """An amount for one of `by`, half-even; None without any.

    >>> divided(7, 2), divided(5, 2), divided(5, 0), divided(5, None)
    (4, 2, None, None)
    """
    return None if by is None or by <= 0 else round(Fraction(amount) / by)


def middle(amounts: Sequence[int]) -> Fraction | None:
    """The median, exactly; None of nothing.

    >>> middle([5, 1, 2]), middle([1, 2]), middle([])
    (Fraction(2, 1), Fraction(3, 2), None)
    """
    return median(map(Fraction, amounts)) if amounts else None


def units_of(
    measures: Measures, users: int | None, attributed: int | None, per: Mapping[str, Fraction],
    revenue: int | None = None,
) -> Units:  # fmt: skip
    """The figures of a group. Cost for each user is what requests with a user cost, over the users they name."""
    cost, output = measures.total_cost, measures.output_tokens
    return Units(
        cost=cost,
        unpriced=measures.unpriced_count,
        requests=measures.request_count,
        users=users,
        attributed=attributed,
        per_request=divided(cost, measures.request_count),
        per_user=None if attributed is None else divided(attributed, users),
        per_thousand_output=None if output is None else divided(cost * 1000, output),
        per={name: divided(cost, number) for name, number in per.items()},
        revenue=revenue,
        margin=None if revenue is None else revenue - cost,
    )


def revenue_of(incomes: Sequence[tuple[Income, int]], span: timedelta) -> int | None:
    """What came in over a span from incomes, each with its number of users; a month is 30 days. None without any."""
    if not incomes:
        return None
    total = Fraction(0)
    for income, users in incomes:
        monthly = (income.per_user_month or 0) * users + (income.per_month or 0)
        total += Fraction(monthly) * Fraction(span // timedelta(seconds=1), _MONTH // timedelta(seconds=1))
    return round(total)
