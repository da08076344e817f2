"""How a budget stands, in one line for people."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from cost_top.model.budgets import KeptBudget, Standing
from cost_top.model.errors import one_line
from cost_top.model.format import at_least, count, percent
from cost_top.model.money import display_usd

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NEAR = timedelta(days=6)
_TITLE = 200
KEPT = "kept by the gateway"
KEPT_SOFT = f"{KEPT}, soft: it tells and does not refuse"


def budget_line(standing: Standing, now: datetime) -> str:
    """`acme-month  $170.00 of $200.00 used (85 %), $30.00 left, resets Tue 1 Dec 00:00 CET; at the usual …`."""
    return f"{one_line(standing.title, _TITLE)}  {standing_text(standing, now)}"


def standing_text(standing: Standing, now: datetime) -> str:
    """The line without the budget's name."""
    if standing.spent is None:
        return f"not known: {one_line(standing.error)}"
    parts = [used_text(standing), _left(standing), resets_text(standing)]
    line = ", ".join(part for part in parts if part)
    if standing.falls_out is not None:
        line += f"; {falls_out_text(*standing.falls_out, standing.budget.zone, now)}"
    for moment, pace in ((standing.used_up_at, "usual pace"), (standing.used_up_now_at, "pace of the last hour")):
        if moment is not None:
            return f"{line}; at the {pace} used up {moment_text(moment, standing.budget.zone, now)}"
    return line


def falls_out_text(amount: int, by: datetime, zone: tzinfo, now: datetime) -> str:
    """What leaves a rolling budget's window next: `$58.20 falls out by Mon 14:00`."""
    return f"{display_usd(amount)} falls out by {moment_text(by, zone, now)}"


def used_text(standing: Standing) -> str:
    """`$170.00 of $200.00 used (85 %)`, as a lower bound where requests have no price."""
    spent, limit = display_usd(standing.spent), display_usd(standing.budget.limit)
    share = percent(standing.spent, standing.budget.limit, short=True)
    if standing.unpriced_count:
        unpriced = f"{count(standing.unpriced_count)} request{'' if standing.unpriced_count == 1 else 's'} unpriced"
        return f"≥ {spent} of {limit} ({at_least(share or '100 %')} used, {unpriced})"
    return f"{spent} of {limit} used" + (f" ({share})" if share else "")


def _left(standing: Standing) -> str:
    left = standing.left
    if left is None:
        return ""
    if left < 0:
        return f"{display_usd(-left)} over"
    return f"{'≤ ' if standing.unpriced_count else ''}{display_usd(left)} left"


def resets_text(standing: Standing) -> str:
    """When the period ends, in the budget's zone; a rolling one has no end."""
    if standing.resets_at is None:
        return f"{standing.budget.period}, now"
    return f"resets {reset_text(standing.resets_at, standing.budget.zone)}"


def reset_text(moment: datetime, zone: tzinfo) -> str:
    """When a period ends, with its zone."""
    local = moment.astimezone(zone)
    return f"{date_text(local)} {local:%H:%M} {local.tzname() or ''}".rstrip()


def moment_text(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """`Fri 14:00` within six days, else with its date."""
    local = moment.astimezone(zone)
    if abs(moment - now) < _NEAR:
        return f"{_DAYS[local.weekday()]} {local:%H:%M}"
    return f"{date_text(local)} {local:%H:%M}"


def date_text(local: datetime) -> str:
    """`Tue 1 Dec`."""
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"


def kept_reset_text(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """When the gateway begins to count anew, or should have: until it does, all counts as of one period.

    >>> from datetime import UTC
    >>> kept_reset_text(datetime(2026, 12, 1, tzinfo=UTC), UTC, datetime(2026, 12, 1, 9, tzinfo=UTC))
    'reset due since Tue 1 Dec 00:00 UTC'
    """
    return f"{'resets' if moment > now else 'reset due since'} {reset_text(moment, zone)}"


def raised_text(raised: int, until: datetime, zone: tzinfo) -> str:
    """What of a limit is there for a while: `limit raised by $5.00 until Fri 4 Dec 00:00 CET`."""
    return f"limit raised by {display_usd(raised)} until {reset_text(until, zone)}"


def kept_text(kept: KeptBudget, zone: tzinfo, now: datetime) -> str:
    """A budget that the gateway keeps itself: who, what is used by its own count, and when it resets."""
    who = one_line(kept.title, _TITLE)
    share = percent(kept.spent, kept.limit, short=True)
    used = f"{display_usd(kept.spent)} of {display_usd(kept.limit)} used" + (f" ({share})" if share else "")
    if kept.spent is None:
        used = f"limit {display_usd(kept.limit)}, use not known"
    used += f", {raised_text(kept.raised, kept.raised_until, zone)}" if kept.raised_until is not None else ""
    ends = ""
    if kept.resets_at is not None:
        ends = f", {kept_reset_text(kept.resets_at, zone, now)}"
    told = KEPT_SOFT if kept.is_soft else KEPT
    return f"{who}  {used}{f', {kept.period}' if kept.period else ''}{ends} · {told}"
