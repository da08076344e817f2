"""The panels of one dimension each: rows over a period, with trend, comparison and mark."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from cost_top.insight.bars import bar_edges, quarter_number
from cost_top.mirror.measures import measures_of
from cost_top.mirror.report import naive
from cost_top.mirror.rollups import Slice, merge_groups, order_groups
from cost_top.mirror.store import Mirror
from cost_top.model.filter import Filter
from cost_top.model.query import Report, ReportRow, key_columns
from cost_top.model.snapshot import Lens
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.plan import SHORT_LENSES, Part, Plan, just_before

T = TypeVar("T")
_MEMO_SIZE = 400
_FEW_GROUPS = 1000  # more are merged and ordered by the database


class Panels:
    """Reads lenses and bars off the sums, keeping what has not changed from tick to tick."""

    def __init__(self, mirror: Mirror, plan: Plan) -> None:
        """`plan` says which slices a period has."""
        self._mirror = mirror
        self._plan = plan
        self._memo: OrderedDict[tuple[object, ...], object] = OrderedDict()

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

    def lens(self, view: View, lens: str, period: Period, reaches: datetime | None) -> Lens:
        """One panel. `reaches` is how far back the log or the mirror goes (naive UTC)."""
        short = lens in SHORT_LENSES
        shown = self._plan.short(period) if short else period
        slices = self._plan.slices(Part(shown, view.end is None, ()))
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

    def bars(
        self, where: Filter, slices: Sequence[Slice], edges: Sequence[datetime]
    ) -> list[tuple[int, str | None, int, int, int, int]]:
        """Rows `(bar, provider, cost, requests, saved by cache, unpriced)`."""
        cuts = tuple(quarter_number(edge) for edge in edges)
        bars: list[tuple[int, str | None, int, int, int, int]] = []
        for part in _days_and_rest(slices):
            key = ("bars", *self._mirror.rollups.numbers(where, "provider", part), cuts)
            bars += self._remember(key, lambda part=part: self._mirror.rollups.bars(where, part, cuts))  # type: ignore[misc]
        return bars

    def _trends(
        self, view: View, period: Period, slices: Sequence[Slice], keys: Sequence[str | None]
    ) -> tuple[tuple[int, ...], ...]:
        edges = bar_edges(period, self._plan.zone)
        if edges[1] - edges[0] < timedelta(minutes=15):
            return ()
        costs: dict[str | None, list[int]] = {key: [0] * (len(edges) - 1) for key in keys}
        for bar, provider, cost, *_ in self.bars(view.where, slices, edges):
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
            before = self._plan.before(view, period)
        else:
            before = just_before(shown)
        slices = self._plan.slices(Part(before, False, ()))
        missing = self._mirror.rollups.missing(view.where, (lens,), slices)
        if missing or reaches is None or reaches > naive(before.start):
            return ()
        costs = self._costs(view.where, lens, slices)
        return tuple(costs.get(key, 0) for key in keys)

    def _since_mark(self, view: View, lens: str, period: Period, keys: Sequence[str | None]) -> tuple[int, ...]:
        if view.mark is None or view.mark >= period.end:
            return ()
        slices = self._plan.slices(Part(Period(view.mark, period.end), view.end is None, ()))
        costs = self._costs(view.where, lens, slices)
        return tuple(costs.get(key, 0) for key in keys)

    def _costs(self, where: Filter, lens: str, slices: Sequence[Slice]) -> dict[str | None, int]:
        numbers = tuple(self._mirror.rollups.numbers(where, lens, slices))
        return self._remember(("costs", lens, numbers), lambda: self._mirror.rollups.costs(where, lens, slices))

    def unpriced_models(self, where: Filter, slices: Sequence[Slice]) -> int:
        """How many models have an unpriced request."""
        if self._mirror.rollups.missing(where, ("model",), slices):
            return 0
        numbers = tuple(self._mirror.rollups.numbers(where, "model", slices))
        return self._remember(
            ("unpriced models", numbers), lambda: self._mirror.rollups.unpriced_groups(where, "model", slices)
        )


def _days_and_rest(slices: Sequence[Slice]) -> tuple[list[Slice], list[Slice]]:
    """Closed days, which seldom change, and the others."""
    days = [part for part in slices if part.end - part.start == timedelta(days=1)]
    return days, [part for part in slices if part.end - part.start != timedelta(days=1)]
