"""Which stretches of time a view's figures come from, and the sums that are still missing for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cost_top.insight.burn import usual_hours
from cost_top.mirror.database import THREADS
from cost_top.mirror.report import naive
from cost_top.mirror.rollups import TRUST_LENS, Slice
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.view import View
from cost_top.model.windows import (
    Period,
    local_day,
    local_midnight,
    month_start,
    previous_period,
    window_named,
    window_period,
)

_SHORT = timedelta(days=7)  # endpoints and tokens look back a week at most
SHORT_LENSES = ("endpoint", "token")
# Days are summed in growing numbers at a time, so that a broad filter over a long window shows something at once.
_FIRST_DAYS, _MOST_DAYS = 1, 8


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time and the lenses wanted over it."""

    period: Period
    open_end: bool
    lenses: tuple[str, ...]
    needed: bool = True  # False: shown when there is time


class Plan:
    """The periods of a view over one mirror, in one zone."""

    def __init__(self, mirror: Mirror, zone: tzinfo) -> None:
        """Days are cut in `zone`."""
        self._mirror = mirror
        self.zone = zone

    def period(self, view: View, now: datetime) -> Period:
        """The view's period; a live one begins at a whole minute, so that its edge is summed once a minute."""
        end = view.end or now
        period = window_period(window_named(view.window), end, self.zone)
        return Period(period.start.replace(second=0, microsecond=0), end)

    def before(self, view: View, period: Period) -> Period:
        """The equal period before; it ends at a whole minute, as the window begins at one."""
        whole = Period(period.start, period.end.replace(second=0, microsecond=0))
        return previous_period(window_named(view.window), whole, self.zone)

    def short(self, period: Period) -> Period:
        """The last week of a period, for the lenses that look no further back."""
        return Period(max(period.start, (period.end - _SHORT).replace(second=0, microsecond=0)), period.end)

    def today(self, period: Period) -> Period:
        """The local day in which a period ends, up to that end."""
        return Period(local_midnight(local_day(period.end, self.zone), self.zone), period.end)

    def parts(self, view: View, now: datetime) -> list[Part]:
        """Every stretch of time the view's figures come from."""
        period = self.period(view, now)
        live = view.end is None
        long = tuple(lens for lens in view.lenses if lens not in SHORT_LENSES and lens != "provider")
        short = tuple(lens for lens in view.lenses if lens in SHORT_LENSES)
        before = self.before(view, period)
        recent = self.short(period)
        parts = [
            Part(period, live, tuple(dict.fromkeys(("provider", TRUST_LENS, "model", *long)))),
            Part(recent, live, short),
            Part(self.today(period), live, ("provider",)),
            Part(Period(month_start(period.end, self.zone), period.end), live, ("provider",)),
        ]
        if view.mark is not None and view.mark < period.end:
            parts.append(Part(Period(view.mark, period.end), live, ("provider", *long, *short)))
        parts += [Part(Period(*hour), False, ("provider",), needed=False) for hour in usual_hours(period.end)]
        parts.append(Part(before, False, ("provider", *long), needed=False))
        if recent == period:
            parts.append(Part(before, False, short, needed=False))
        else:
            parts.append(Part(just_before(recent), False, short, needed=False))
        return parts

    def slices(self, part: Part) -> list[Slice]:
        """The slices of the mirror that a stretch of time is made of."""
        return self._mirror.slices(naive(part.period.start), None if part.open_end else naive(part.period.end))

    def reached(self, period: Period, where: Filter, reaches: datetime | None) -> bool:
        """Whether the log, the mirror and the sums go back to the start of a period."""
        if reaches is None or reaches > naive(period.start):
            return False
        slices = self.slices(Part(period, False, ()))
        return not self._mirror.rollups.missing(where, ("provider",), slices)

    def build(self, view: View, now: datetime, until: float) -> bool:
        """Sum what is missing, newest first, what the screen needs before what it compares with; True when all is.

        Stops after the piece during which the monotonic clock passed `until`.
        """
        parts = self.parts(view, now)
        for needed in (True, False):
            wanted: dict[Slice, dict[str, None]] = {}
            for part in parts:
                if part.needed is needed:
                    for piece in self.slices(part):
                        wanted.setdefault(piece, {}).update(dict.fromkeys(part.lenses))
            if not self._build_slices(view.where, wanted, until):
                return False
        return True

    def _build_slices(self, where: Filter, wanted: dict[Slice, dict[str, None]], until: float) -> bool:
        together: dict[tuple[str, ...], list[Slice]] = {}
        for piece, named in wanted.items():
            together.setdefault(tuple(named), []).append(piece)
        for lenses, pieces in sorted(together.items(), key=lambda item: max(item[1]), reverse=True):
            missing = self._mirror.rollups.missing(where, lenses, pieces)
            short = [piece for piece in missing if piece.end - piece.start <= timedelta(hours=1)]
            for chunk in (short, *_growing([piece for piece in missing if piece not in short])):
                if not chunk:
                    continue
                self._mirror.database.use_threads(1 if chunk is short else THREADS)
                self._mirror.rollups.build(where, lenses, chunk)
                if time.monotonic() > until:
                    return False
        return True

    def used_slices(self, view: View, now: datetime) -> set[Slice]:
        """Every slice that a view's figures come from."""
        return {part for wanted in self.parts(view, now) for part in self.slices(wanted)}

    def missing_slices(self, view: View, now: datetime) -> tuple[int, int]:
        """(slices of the window not summed yet, slices in all)."""
        part = self.parts(view, now)[0]
        slices = self.slices(part)
        return len(self._mirror.rollups.missing(view.where, part.lenses, slices)), len(slices)

    def query(self, view: View, now: datetime, limit: int) -> ReportQuery:
        """The view's period and filter as a query."""
        period = self.period(view, now)
        end = period.end if view.end else datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
        return ReportQuery(period.start, end, (), view.where, self.zone, limit=limit)


def _growing(days: list[Slice]) -> Iterator[list[Slice]]:
    """Days cut into runs that grow up to a limit."""
    size = _FIRST_DAYS
    while days:
        yield days[:size]
        days = days[size:]
        size = min(2 * size, _MOST_DAYS)


def just_before(period: Period) -> Period:
    """The period of the same length, in whole minutes, that ends where this one starts."""
    return Period(period.start - (period.end.replace(second=0, microsecond=0) - period.start), period.start)
