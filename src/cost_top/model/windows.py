"""Periods of time: windows of the screen, `--since` and `--until`, and days cut at a zone's midnight."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from cost_top.model.errors import UserError, one_line

_SPAN = re.compile(r"(\d{1,6})\s*(m|min|h|d|w)", re.IGNORECASE)
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the screen that ends now (or where one stepped back to)."""

    name: str
    label: str
    span: timedelta | None  # None: since the first of the month


WINDOWS: tuple[Window, ...] = (
    Window("1h", "last hour", timedelta(hours=1)),
    Window("24h", "last 24 hours", timedelta(hours=24)),
    Window("7d", "last 7 days", timedelta(days=7)),
    Window("30d", "last 30 days", timedelta(days=30)),
    Window("mtd", "month to date", None),
    Window("90d", "last 90 days", timedelta(days=90)),
    Window("12mo", "last 12 months", timedelta(days=365)),
)
# A longer stretch than this is no question about a log, and would be cut into days for nothing.
LONGEST = timedelta(days=3660)
WINDOW_NAMES = tuple(window.name for window in WINDOWS)


def window_named(name: str) -> Window:
    """The window of that name; `UserError` lists the names."""
    for window in WINDOWS:
        if window.name == name:
            return window
    raise UserError(f"unknown window {one_line(name, 40)!r}: choose from {', '.join(WINDOW_NAMES)}")


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open `[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """Time from start to end."""
        return self.end - self.start


def window_period(window: Window, end: datetime, zone: tzinfo) -> Period:
    """The period a window covers when it ends at `end`."""
    if window.span is not None:
        return Period(end - window.span, end)
    return Period(month_start(end, zone), end)


def previous_period(window: Window, period: Period, zone: tzinfo) -> Period:
    """The equal period before: the same length just before, or the same part of the month before."""
    if window.span is not None:
        return Period(period.start - period.length, period.start)
    first = month_start(period.start - timedelta(seconds=1), zone)
    return Period(first, min(first + period.length, period.start))


def local_midnight(day: date, zone: tzinfo) -> datetime:
    """The instant a local day begins, in UTC; where midnight is skipped, the first instant after it.

    >>> from zoneinfo import ZoneInfo
    >>> local_midnight(date(2026, 3, 29), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-03-28T23:00:00+00:00'
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def local_day(instant: datetime, zone: tzinfo) -> date:
    """The calendar day of an instant in a zone."""
    return instant.astimezone(zone).date()


def month_start(instant: datetime, zone: tzinfo) -> datetime:
    """The instant the month of `instant` began in a zone."""
    return local_midnight(local_day(instant, zone).replace(day=1), zone)


def parse_instant(text: str, now: datetime, zone: tzinfo, option: str) -> datetime:
    """An instant in UTC: `7d` (ago), `now`, `today`, `yesterday`, `2026-11-01` (its midnight) or ISO 8601."""
    word = text.strip()
    if word.lower() == "now":
        return now
    if word.lower() in ("today", "yesterday"):
        day = local_day(now, zone) - timedelta(days=word.lower() == "yesterday")
        return local_midnight(day, zone)
    span = _SPAN.fullmatch(word)
    try:
        if span:
            return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2].lower()])
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
            return local_midnight(date.fromisoformat(word), zone)
        instant = datetime.fromisoformat(word)
        return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(
            f"{option} {one_line(text, 40)!r} is no time: write 7d, 12h, 2026-11-01 or 2026-11-01T09:30"
        ) from None


def utc_now() -> datetime:
    """This instant."""
    return datetime.now(UTC)


def floor(instant: datetime, step: timedelta) -> datetime:
    """The last whole step (UTC) at or before an instant.

    >>> floor(datetime(2026, 11, 25, 14, 3, tzinfo=UTC), timedelta(hours=1)).isoformat()
    '2026-11-25T14:00:00+00:00'
    """
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (instant - epoch) // step * step


def ceiling(instant: datetime, step: timedelta) -> datetime:
    """The first whole step (UTC) at or after an instant.

    >>> ceiling(datetime(2026, 11, 25, tzinfo=UTC), timedelta(days=1)).isoformat()
    '2026-11-25T00:00:00+00:00'
    """
    down = floor(instant, step)
    return down if down == instant else down + step


def asked_period(since: str | None, until: str, now: datetime, zone: tzinfo, usual: timedelta) -> Period:
    """The period of `--since` and `--until`; without the first, `usual` long. `UserError` for an empty one."""
    end = parse_instant(until, now, zone, "--until")
    try:
        period = Period(end - usual if since is None else parse_instant(since, now, zone, "--since"), end)
    except OverflowError:
        raise UserError(f"--until {one_line(until, 40)} is before time began: give --since as well") from None
    if since is not None and period.start >= period.end:
        raise UserError(f"--since {one_line(since, 40)} is not before --until {one_line(until, 40)}")
    return period


def zone_name(zone: tzinfo) -> str:
    """The name a person knows a zone by.

    >>> from zoneinfo import ZoneInfo
    >>> zone_name(ZoneInfo("Europe/Berlin")), zone_name(ZoneInfo("Etc/UTC")), zone_name(ZoneInfo("Etc/GMT+5"))
    ('Europe/Berlin', 'UTC', 'Etc/GMT+5')
    """
    name = getattr(zone, "key", None) or str(zone)
    return "UTC" if name == "Etc/UTC" else name
