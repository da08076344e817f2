"""Which period another is compared with: always one of equal length on the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from cost_top.model.errors import UserError
from cost_top.model.windows import Period

_DAY = timedelta(days=1)


def compared(period: Period, against: str | datetime, zone: tzinfo) -> tuple[Period, str | None]:
    """The period to compare with, and what is to be said of it; `UserError` where the calendar has no such period.

    `previous`: the same length before; of a day, or the part of a day since its midnight, the day before to the same
    minute. `last-week`: the same wall time seven days before. An instant: the same length from there on.

    >>> day = Period(datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 11, 5, 9, tzinfo=UTC))
    >>> compared(day, "previous", UTC)[0].end.isoformat()
    '2026-11-04T09:00:00+00:00'
    """
    try:
        return _compared(period, against, zone)
    except (OverflowError, ValueError):
        raise UserError("what it would be compared with is beyond the calendar; ask for less time") from None


def _compared(period: Period, against: str | datetime, zone: tzinfo) -> tuple[Period, str | None]:
    if isinstance(against, datetime):
        return Period(against, against + period.length), None
    local = period.start.astimezone(zone)
    from_midnight = local.timetz().replace(tzinfo=None) == datetime.min.time() and period.length <= _DAY * 25 / 24
    if against == "last-week":
        other = Period(_back(period.start, 7, zone), _back(period.end, 7, zone))
    elif from_midnight:
        other = Period(_back(period.start, 1, zone), _back(period.end, 1, zone))
    else:
        return Period(period.start - period.length, period.start), None
    return other, clocks_note(period, other)


def clocks_note(period: Period, other: Period) -> str | None:
    """What is to be said of days or weeks that are not of equal length.

    >>> day = Period(datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 11, 6, 1, tzinfo=UTC))
    >>> clocks_note(day, Period(day.start - timedelta(days=1), day.start))
    'the clocks changed: 1 h more than what it is compared with'
    """
    difference = (period.length - other.length).total_seconds() / 3600
    if not difference:
        return None
    word = "more" if difference > 0 else "less"
    return f"the clocks changed: {abs(difference):g} h {word} than what it is compared with"


def _back(instant: datetime, days: int, zone: tzinfo) -> datetime:
    """The same wall time so many days before."""
    local = instant.astimezone(zone)
    return (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC)
