"""A snapshot for a view, from the mirror's sums."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from cost_top.insight.bars import bar_edges, bar_label, quarter_number
from cost_top.insight.burn import usual, usual_hours
from cost_top.mirror.database import THREADS
from cost_top.mirror.measures import measures_of
from cost_top.mirror.report import naive
from cost_top.mirror.rollups import TRUST_LENS, Slice, merge_groups, order_groups
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow, key_columns
from cost_top.model.snapshot import Burn, Lens, Snapshot, Spend, TimeBar, Trust
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

T = TypeVar("T")
_SHORT = timedelta(days=7)  # endpoints and tokens look back a week at most
_SHORT_LENSES = ("endpoint", "token")
_MEMO_SIZE = 400
_FEW_GROUPS = 1000  # more are merged and ordered by the database
# Slices are summed in this many at a time, so that a broad filter over a long window shows something at once.
_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of time and the lenses wanted over it."""

    period: Period
    open_end: bool
    lenses: tuple[str, ...]
    needed: bool = True  # False: shown when there is time


class Composer:
    """Builds the sums a view needs, step by step, and reads the snapshot off them."""

    def __init__(self, mirror: Mirror, zone: tzinfo) -> None:
        """Days are cut in `zone`."""
        self._mirror = mirror
        self._zone = zone
        self._memo: OrderedDict[tuple[object, ...], object] = OrderedDict()

    def period(self, view: View, now: datetime) -> Period:
        """The view's period; a live one begins at a whole minute, so that its edge is summed once a minute."""
        end = view.end or now
        period = window_period(window_named(view.window), end, self._zone)
        return Period(period.start.replace(second=0, microsecond=0), end)

    def parts(self, view: View, now: datetime) -> list[Part]:
        """Every stretch of time the view's figures come from."""
        period = self.period(view, now)
        live = view.end is None
        long = tuple(lens for lens in view.lenses if lens not in _SHORT_LENSES and lens != "provider")
        short = tuple(lens for lens in view.lenses if lens in _SHORT_LENSES)
        before = self._before(view, period)
        recent = self._short(period)
        parts = [
            Part(period, live, tuple(dict.fromkeys(("provider", TRUST_LENS, "model", *long)))),
            Part(recent, live, short),
            Part(self._today(period), live, ("provider",)),
            Part(Period(month_start(period.end, self._zone), period.end), live, ("provider",)),
        ]
        if view.mark is not None and view.mark < period.end:
            parts.append(Part(Period(view.mark, period.end), live, ("provider", *long, *short)))
        parts += [Part(Period(*hour), False, ("provider",), needed=False) for hour in usual_hours(period.end)]
        parts.append(Part(before, False, ("provider", *long), needed=False))
        if recent == period:
            parts.append(Part(before, False, short, needed=False))
        else:
            parts.append(Part(_just_before(recent), False, short, needed=False))
        return parts

    def build(self, view: View, now: datetime, until: float) -> bool:
        """Sum what is missing, newest first, what the screen needs before what it compares with; True when all is.

        Stops after the piece during which the monotonic clock passed `until`.
        """
        parts = self.parts(view, now)
        for needed in (True, False):
            wanted: dict[Slice, dict[str, None]] = {}
            for part in parts:
                if part.needed is needed:
                    for piece in self._slices(part):
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
            while missing:
                days = missing[0].end - missing[0].start > timedelta(hours=1)
                self._mirror.database.use_threads(THREADS if days else 1)
                size = _CHUNK if days and len(missing) > _CHUNK else 64
                chunk, missing = missing[:size], missing[size:]
                self._mirror.rollups.build(where, lenses, chunk)
                if time.monotonic() > until:
                    return False
        return True

    def forget_edges(self, view: View, now: datetime) -> None:
        """Drop the sums of edges that the view no longer has."""
        used = {part for wanted in self.parts(view, now) for part in self._slices(wanted)}
        self._mirror.rollups.forget_edges(used)

    def missing_slices(self, view: View, now: datetime) -> tuple[int, int]:
        """(slices of the window not summed yet, slices in all)."""
        part = self.parts(view, now)[0]
        slices = self._slices(part)
        return len(self._mirror.rollups.missing(view.where, part.lenses, slices)), len(slices)

    def compose(self, view: View, now: datetime, source: str, reaches: datetime | None) -> Snapshot:
        """The snapshot of what is summed. `reaches` is how far back the log or the mirror goes (naive UTC)."""
        period = self.period(view, now)
        slices = self._slices(Part(period, view.end is None, ()))
        spend, trust = self._spend(view, period, slices, reaches)
        return Snapshot(
            view=view,
            source=source,
            period=Period(period.start, period.end if view.end else period.end.replace(microsecond=0)),
            spend=spend,
            burn=self._burn(view, period),
            chart=self._chart(view, period, slices),
            lenses=tuple(self._lens(view, lens, period, reaches) for lens in view.lenses),
            trust=trust,
        )

    def _before(self, view: View, period: Period) -> Period:
        """The equal period before; it ends at a whole minute, as the window begins at one."""
        whole = Period(period.start, period.end.replace(second=0, microsecond=0))
        return previous_period(window_named(view.window), whole, self._zone)

    def _slices(self, part: Part) -> list[Slice]:
        return self._mirror.slices(naive(part.period.start), None if part.open_end else naive(part.period.end))

    def _short(self, period: Period) -> Period:
        return Period(max(period.start, (period.end - _SHORT).replace(second=0, microsecond=0)), period.end)

    def _today(self, period: Period) -> Period:
        return Period(local_midnight(local_day(period.end, self._zone), self._zone), period.end)

    def _remember(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """The result for sums that are known by their numbers: new sums have new numbers."""
        if key in self._memo:
            self._memo.move_to_end(key)
            return self._memo[key]  # type: ignore[return-value]
        value = compute()
        self._memo[key] = value
        if len(self._memo) > _MEMO_SIZE:
            self._memo.popitem(last=False)
        return value

    def _total(self, where: Filter, slices: Sequence[Slice]) -> Measures:
        return measures_of(self._mirror.rollups.totals(where, slices))

    def _cost(self, where: Filter, period: Period, live: bool) -> int:
        return self._total(where, self._slices(Part(period, live, ()))).total_cost

    def _spend(
        self, view: View, period: Period, slices: Sequence[Slice], reaches: datetime | None
    ) -> tuple[Spend, Trust]:
        live = view.end is None
        where = view.where
        before = self._before(view, period)
        known = self._reached(before, where, reaches)
        marked = None
        if view.mark is not None and view.mark < period.end:
            marked = self._total(where, self._slices(Part(Period(view.mark, period.end), live, ())))
        sums = self._mirror.rollups.trust(where, slices)
        total = self._total(where, slices)
        spend = Spend(
            measures=total,
            previous_cost=self._cost(where, before, False) if known else None,
            today=self._cost(where, self._today(period), live),
            month=self._cost(where, Period(month_start(period.end, self._zone), period.end), live),
            since_mark=marked,
            below_market=sums["below_market"],
            byok_market_cost=sums["byok_market_cost"],
        )
        models = 0
        if total.unpriced_count:
            models = self._unpriced_models(where, slices)
        trust = Trust(
            reported_cost=sums["reported_cost"],
            priced_cost=sums["priced_cost"],
            unpriced_count=total.unpriced_count,
            unpriced_models=models,
            zero_cost_count=sums["zero_cost_count"],
            no_usage_count=sums["no_usage_count"],
            with_user=sums["with_user"],
            with_tag=sums["with_tag"],
            with_token=sums["with_token"],
        )
        return spend, trust

    def _unpriced_models(self, where: Filter, slices: Sequence[Slice]) -> int:
        if self._mirror.rollups.missing(where, ("model",), slices):
            return 0
        numbers = tuple(self._mirror.rollups.numbers(where, "model", slices))
        return self._remember(
            ("unpriced models", numbers), lambda: self._mirror.rollups.unpriced_groups(where, "model", slices)
        )

    def _reached(self, period: Period, where: Filter, reaches: datetime | None) -> bool:
        """Whether the log, the mirror and the sums go back to the start of a period."""
        if reaches is None or reaches > naive(period.start):
            return False
        slices = self._slices(Part(period, False, ()))
        return not self._mirror.rollups.missing(where, ("provider",), slices)

    def _burn(self, view: View, period: Period) -> Burn:
        end = naive(period.end).replace(second=0, microsecond=0)
        if view.end is None:
            end += timedelta(minutes=1)
        start = end - timedelta(hours=1)
        rows, latency = self._mirror.minutes(view.where, start, end)
        minutes = [0] * 60
        requests = [0] * 60
        errors = 0
        for minute, cost, count, failed in rows:
            minutes[minute] = cost
            requests[minute] = count
            errors += failed
        costs = []
        for hour in usual_hours(period.end):
            if self._reached(Period(*hour), view.where, naive(hour[0]) if self._mirror.holds(naive(hour[0])) else None):
                costs.append(self._cost(view.where, Period(*hour), False))
        return Burn(
            minutes=tuple(minutes),
            cost_per_hour=sum(minutes),
            usual_per_hour=usual(costs),
            requests_per_minute=sum(requests[-5:]) / 5,
            error_count=errors,
            request_count=sum(requests),
            latency_p95=latency,
        )

    def _chart(self, view: View, period: Period, slices: Sequence[Slice]) -> tuple[TimeBar, ...]:
        edges = bar_edges(period, self._zone)
        count = len(edges) - 1
        sums: dict[int, tuple[int, ...]] = {}
        if edges[1] - edges[0] < timedelta(minutes=15):
            rows = self._mirror.minute_bars(view.where, naive(period.start), naive(period.end), naive(edges[0]))
            sums = {int(row[0]): row[1:] for row in rows}
        else:
            for bar, _, *values in self._bars(view.where, slices, edges):
                sums[bar] = tuple(a + b for a, b in zip(sums.get(bar, (0, 0, 0, 0)), values, strict=True))
        bars = []
        for index in range(count):
            start, end = edges[index], edges[index + 1]
            cost, requests, saved, unpriced = sums.get(index, (0, 0, 0, 0))
            partial = start < period.start or end > period.end
            label = bar_label(start, end - start, self._zone)
            bars.append(TimeBar(start, end, label, cost, requests, saved, unpriced, partial))
        return tuple(bars)

    def _bars(
        self, where: Filter, slices: Sequence[Slice], edges: Sequence[datetime]
    ) -> list[tuple[int, str | None, int, int, int, int]]:
        """Rows `(bar, provider, cost, requests, saved by cache, unpriced)`."""
        cuts = tuple(quarter_number(edge) for edge in edges)
        bars: list[tuple[int, str | None, int, int, int, int]] = []
        for part in _days_and_rest(slices):
            key = ("bars", *self._mirror.rollups.numbers(where, "provider", part), cuts)
            bars += self._remember(key, lambda part=part: self._mirror.rollups.bars(where, part, cuts))  # type: ignore[misc]
        return bars

    def _lens(self, view: View, lens: str, period: Period, reaches: datetime | None) -> Lens:
        short = lens in _SHORT_LENSES
        shown = self._short(period) if short else period
        slices = self._slices(Part(shown, view.end is None, ()))
        where = view.where
        measure, descending = view.sort_of(lens)
        rows, count = self._top(where, lens, slices, measure, descending, view.row_limit)
        keyed = tuple(
            ReportRow((row[0], row[1]) if lens == "token" else (row[0],), measures_of(row[3:])) for row in rows
        )
        total = measures_of(self._mirror.rollups.totals(where, slices, "provider" if lens == "tag" else lens))
        report = Report(key_columns((lens,)), keyed, total, count, shown.end)
        keys = [row.key[0] for row in keyed]
        return Lens(
            dimension=lens,
            period=shown,
            report=report,
            trends=self._trends(view, period, slices, keys) if lens == "provider" else (),
            previous=self._previous(view, lens, period, shown, keys, reaches),
            since_mark=self._since_mark(view, lens, period, keys),
        )

    def _top(
        self, where: Filter, lens: str, slices: Sequence[Slice], measure: str, descending: bool, limit: int
    ) -> tuple[list[tuple[Any, ...]], int]:
        """The first groups of a lens and their number. The sums of closed days are kept from tick to tick."""
        rollups = self._mirror.rollups
        days, rest = _days_and_rest(slices)
        kept = self._remember(
            ("groups", lens, *rollups.numbers(where, lens, days)),
            lambda: rollups.groups(where, lens, days, _FEW_GROUPS + 1),
        )
        if len(kept) > _FEW_GROUPS:
            key = ("top", lens, *rollups.numbers(where, lens, slices), measure, descending, limit)
            return self._remember(key, lambda: rollups.top(where, lens, slices, measure, descending, limit))
        fresh = self._remember(
            ("groups", lens, *rollups.numbers(where, lens, rest)),
            lambda: rollups.groups(where, lens, rest, 1_000_000),
        )
        groups = merge_groups(kept, fresh)
        return order_groups(groups, measure, descending)[:limit], len(groups)

    def _trends(
        self, view: View, period: Period, slices: Sequence[Slice], keys: Sequence[str | None]
    ) -> tuple[tuple[int, ...], ...]:
        edges = bar_edges(period, self._zone)
        if edges[1] - edges[0] < timedelta(minutes=15):
            return ()
        costs: dict[str | None, list[int]] = {key: [0] * (len(edges) - 1) for key in keys}
        for bar, provider, cost, *_ in self._bars(view.where, slices, edges):
            if provider in costs:
                costs[provider][bar] += cost
        return tuple(tuple(costs[key]) for key in keys)

    def _previous(
        self,
        view: View,
        lens: str,
        period: Period,
        shown: Period,
        keys: Sequence[str | None],
        reaches: datetime | None,
    ) -> tuple[int | None, ...]:
        if shown == period:
            before = self._before(view, period)
        else:
            before = _just_before(shown)
        slices = self._slices(Part(before, False, ()))
        missing = self._mirror.rollups.missing(view.where, (lens,), slices)
        if missing or reaches is None or reaches > naive(before.start):
            return ()
        costs = self._costs(view.where, lens, slices)
        return tuple(costs.get(key, 0) for key in keys)

    def _since_mark(self, view: View, lens: str, period: Period, keys: Sequence[str | None]) -> tuple[int, ...]:
        if view.mark is None or view.mark >= period.end:
            return ()
        slices = self._slices(Part(Period(view.mark, period.end), view.end is None, ()))
        costs = self._costs(view.where, lens, slices)
        return tuple(costs.get(key, 0) for key in keys)

    def _costs(self, where: Filter, lens: str, slices: Sequence[Slice]) -> dict[str | None, int]:
        numbers = tuple(self._mirror.rollups.numbers(where, lens, slices))
        return self._remember(("costs", lens, numbers), lambda: self._mirror.rollups.costs(where, lens, slices))

    def query(self, view: View, now: datetime, limit: int) -> ReportQuery:
        """The view's period and filter as a query."""
        period = self.period(view, now)
        end = period.end if view.end else datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
        return ReportQuery(period.start, end, (), view.where, self._zone, limit=limit)


def _days_and_rest(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Closed days, which seldom change, and the others."""
    days = [part for part in slices if part.end - part.start == timedelta(days=1)]
    return days, [part for part in slices if part.end - part.start != timedelta(days=1)]


def _just_before(period: Period) -> Period:
    """The period of the same length, in whole minutes, that ends where this one starts."""
    return Period(period.start - (period.end.replace(second=0, microsecond=0) - period.start), period.start)
