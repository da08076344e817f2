"""A snapshot for a view, from the mirror's sums."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from cost_top.insight.bars import bar_edges, bar_label
from cost_top.insight.burn import usual, usual_hours
from cost_top.mirror.measures import measures_of
from cost_top.mirror.report import naive
from cost_top.mirror.rollups import Slice
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import Measures
from cost_top.model.snapshot import Burn, Snapshot, Spend, TimeBar, Trust
from cost_top.model.view import View
from cost_top.model.windows import Period, month_start
from cost_top.monitor.panels import Panels
from cost_top.monitor.plan import Part, Plan


class Composer:
    """Reads a snapshot off what the plan has summed."""

    def __init__(self, mirror: Mirror, zone: tzinfo) -> None:
        """Days are cut in `zone`."""
        self._mirror = mirror
        self.plan = Plan(mirror, zone)
        self._panels = Panels(mirror, self.plan)

    def compose(self, view: View, now: datetime, source: str, reaches: datetime | None) -> Snapshot:
        """The snapshot of what is summed. `reaches` is how far back the log or the mirror goes (naive UTC)."""
        period = self.plan.period(view, now)
        slices = self.plan.slices(Part(period, view.end is None, ()))
        spend, trust = self._spend(view, period, slices, reaches)
        return Snapshot(
            view=view,
            source=source,
            period=Period(period.start, period.end if view.end else period.end.replace(microsecond=0)),
            spend=spend,
            burn=self._burn(view, period),
            chart=self._chart(view, period, slices),
            lenses=tuple(self._panels.lens(view, lens, period, reaches) for lens in view.lenses),
            trust=trust,
        )

    def _total(self, where: Filter, slices: Sequence[Slice]) -> Measures:
        return measures_of(self._mirror.rollups.totals(where, slices))

    def _cost(self, where: Filter, period: Period, live: bool) -> int:
        return self._total(where, self.plan.slices(Part(period, live, ()))).total_cost

    def _spend(
        self, view: View, period: Period, slices: Sequence[Slice], reaches: datetime | None
    ) -> tuple[Spend, Trust]:
        live = view.end is None
        where = view.where
        before = self.plan.before(view, period)
        known = self.plan.reached(before, where, reaches)
        marked = None
        if view.mark is not None and view.mark < period.end:
            marked = self._total(where, self.plan.slices(Part(Period(view.mark, period.end), live, ())))
        sums = self._mirror.rollups.trust(where, slices)
        total = self._total(where, slices)
        spend = Spend(
            measures=total,
            previous_cost=self._cost(where, before, False) if known else None,
            today=self._cost(where, self.plan.today(period), live),
            month=self._cost(where, Period(month_start(period.end, self.plan.zone), period.end), live),
            since_mark=marked,
            below_market=sums["below_market"],
            byok_market_cost=sums["byok_market_cost"],
        )
        models = 0
        if total.unpriced_count:
            models = self._panels.unpriced_models(where, slices)
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
            if self.plan.reached(
                Period(*hour), view.where, naive(hour[0]) if self._mirror.holds(naive(hour[0])) else None
            ):
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
        edges = bar_edges(period, self.plan.zone)
        count = len(edges) - 1
        sums: dict[int, tuple[int, ...]] = {}
        if edges[1] - edges[0] < timedelta(minutes=15):
            rows = self._mirror.minute_bars(view.where, naive(period.start), naive(period.end), naive(edges[0]))
            sums = {int(row[0]): row[1:] for row in rows}
        else:
            for bar, _, *values in self._panels.bars(view.where, slices, edges):
                sums[bar] = tuple(a + b for a, b in zip(sums.get(bar, (0, 0, 0, 0)), values, strict=True))
        bars = []
        for index in range(count):
            start, end = edges[index], edges[index + 1]
            cost, requests, saved, unpriced = sums.get(index, (0, 0, 0, 0))
            partial = start < period.start or end > period.end
            label = bar_label(start, end - start, self.plan.zone)
            bars.append(TimeBar(start, end, label, cost, requests, saved, unpriced, partial))
        return tuple(bars)
