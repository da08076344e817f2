"""A budget that a gateway keeps, from a row of its table."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Any

from cost_top.gateways.preset import KeptBudgetTable
from cost_top.model.budgets import KeptBudget
from cost_top.model.money import pico
from cost_top.model.secret import public_value
from cost_top.model.text import clean
from cost_top.model.windows import utc_now
from cost_top.sources.kept_moment import moment_of, raised_by

_UNITS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_MOST_UNITS = 100_000
_GONE = "deleted"


def kept_budget(
    table: KeptBudgetTable, row: tuple[Any, ...], public: str | None, now: datetime | None = None
) -> KeptBudget | None:  # fmt: skip
    """Of texts in the order of `beside.KEPT`; None where the limit is no amount, or the row is one that was deleted.

    A period that is over when the gateway has not begun the next one has nothing spent in it. `now`: this instant.
    """
    texts = (clean(text) if isinstance(text, str) else "" for text in row)
    identity, name, limit, spent, period, resets_at, unit, begun, state, otherwise, within, more, until = texts
    now = now or utc_now()
    try:
        limited, used = pico(limit), pico(spent) if spent else None
    except ValueError:
        return None
    if state == _GONE:
        return None
    ends = moment_of(resets_at)
    if table.period_unit:
        ends = period_end(moment_of(begun), period, unit)
        period = unit if period == "1" else f"{period} {unit}s" if period and unit else ""
        if ends is not None and ends <= now:
            used, ends = 0, None
    raised, last = raised_by(more, until, now)
    return KeptBudget(
        table.of,
        public_value(identity, public),
        name or otherwise or None,
        limited + raised,
        used,
        period or None,
        ends,
        within or None,
        None,
        raised,
        last,
        table.soft,
    )


def period_end(begun: datetime | None, count: str, unit: str) -> datetime | None:
    """When so many units after `begun` are over; a month later is the same day, or the last of a shorter month.

    >>> from datetime import UTC
    >>> str(period_end(datetime(2026, 1, 31, tzinfo=UTC), "1", "month")), period_end(None, "1", "day")
    ('2026-02-28 00:00:00+00:00', None)
    """
    if begun is None or not (count.isascii() and count.isdigit()) or int(count) > _MOST_UNITS:
        return None
    try:
        if unit != "month":
            return begun + int(count) * _UNITS[unit]
        months = begun.year * 12 + begun.month - 1 + int(count)
        year, month = months // 12, months % 12 + 1
        return begun.replace(year=year, month=month, day=min(begun.day, monthrange(year, month)[1]))
    except (KeyError, ValueError, OverflowError):
        return None
