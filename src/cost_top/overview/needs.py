"""What a view needs of whoever has the figures: named queries, the most pressing first. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from cost_top.insight.burn import usual_hours
from cost_top.insight.forecast import FEWEST_ERRORS
from cost_top.insight.month_end import days_need, days_start
from cost_top.insight.pace import FEWEST_DAYS
from cost_top.insight.usual_rate import expected_needs, usual_need
from cost_top.model.dimensions import dimension_named
from cost_top.model.engine import Knows, Need
from cost_top.model.query import LATENCY_MEASURES, MEASURES, TOKENS, ReportQuery
from cost_top.model.shown import shown_named
from cost_top.model.view import CHANGE, View
from cost_top.model.windows import Period, floor
from cost_top.overview.periods import DAY, Periods, periods_of

_QUARTER = timedelta(minutes=15)
_MOST_UNPRICED = 1000
# A balance lasts as long as at the burn of these whole days.
BURN_DAYS = 7
# Whole days of which a month is told with a band; today and the log's first are none.
_FEWEST_DAYS = timedelta(days=FEWEST_DAYS + FEWEST_ERRORS + 2)


@dataclass(frozen=True, slots=True)
class Needs:
    """The queries behind a view, and the periods they were made of."""

    view: View
    periods: Periods
    panels: tuple[tuple[str, Period], ...]  # dimension, and the period of its panel
    all: tuple[Need, ...]


def needs_of(view: View, now: datetime, zone: tzinfo, knows: Knows) -> Needs:
    """Everything the snapshot of a view is made of, as far as the engine can tell it."""
    periods = periods_of(view, now, zone, knows)
    live = view.end is None
    plain = ReportQuery(periods.window.start, periods.window.end, (), view.where, zone)

    def need(name: str, period: Period, **changes: object) -> Need:
        query = replace(plain, start=period.start, end=period.end)
        return replace(Need(name, query, open_end=live), **changes)  # type: ignore[arg-type]

    panels = tuple(
        (lens, period)
        for lens in dict.fromkeys(view.lenses)
        if (period := periods.panel(lens, weekly=lens in view.weekly)) is not None
    )
    needs = [need("total", periods.window, trust=knows.trust)]
    needs += _chart(need("chart", periods.window), view, periods, knows)
    needs += [_panel(view, dimension, need(f"panel:{dimension}", period)) for dimension, period in panels]
    if knows.groups_by("model") and knows.trust:
        models = need("models", periods.window)
        unpriced = replace(models.query, group_by=("model",), sort="unpriced_count", limit=_MOST_UNPRICED)
        needs.append(replace(models, query=unpriced, unpriced_in="total"))
    needs += [need("today", periods.today), need("month", periods.month)]
    if periods.lately:
        lately = Period(periods.lately[0], periods.lately[-1] if live else min(periods.lately[-1], periods.window.end))
        minutes = need("lately", lately, open_end=False, edges=periods.lately)
        needs.append(replace(minutes, query=replace(minutes.query, measures=MEASURES)))
    if knows.totals != "instant" and not knows.running:
        needs.append(_daily(plain, now, knows))
    if view.mark is not None and view.mark < periods.window.end:
        needs += _beside("mark", need("mark", Period(view.mark, periods.window.end)), panels)
    return Needs(view, periods, panels, (*needs, *_comparisons(view, plain, periods, panels, knows)))


def days_held(view: View, periods: Periods) -> datetime | None:
    """From when on the days of the month's forecast are taken; None where they would be too few.

    Sums of all requests are kept by the day. Under a filter days are read, so it is those that the view reads anyway.
    """
    end = periods.window.end
    if not view.where:
        return days_start(end, periods.zone)
    read = (periods.window, periods.month, *((periods.before,) if periods.before is not None else ()))
    start = min(period.start for period in read)
    return start if end - start >= _FEWEST_DAYS else None


def _daily(plain: ReportQuery, now: datetime, knows: Knows) -> Need:
    """What the last whole days cost, those whose figures have settled."""
    last = floor(min(plain.end, now - knows.settles), DAY)
    edges = tuple(last - number * DAY for number in range(BURN_DAYS, -1, -1))
    return Need("daily", replace(plain, start=edges[0], end=edges[-1]), edges=edges)


def _chart(chart: Need, view: View, periods: Periods, knows: Knows) -> list[Need]:
    if not periods.edges:
        return []
    # Trends by provider come with it where they cost no second question.
    trends = knows.totals == "instant" and "provider" in view.lenses and periods.edges[1] - periods.edges[0] >= _QUARTER
    needs = [replace(chart, query=replace(chart.query, group_by=("provider",) if trends else ()), edges=periods.edges)]
    if shown_named(view.measure).kind == "latency" and knows.requests:
        query = replace(chart.query, measures=MEASURES)
        needs.append(replace(chart, name="chart:times", query=query, edges=periods.edges, timed=True))
    return needs


def _panel(view: View, dimension: str, need: Need) -> Need:
    measure, descending = view.sort_of(dimension)
    sort = measure if measure in (*MEASURES, TOKENS, "newest") else dimension
    if measure == CHANGE:  # of the dearest, once what they cost before is known
        sort, descending = "total_cost", True
    latencies = dimension in view.timed or shown_named(view.measure).kind == "latency"
    if sort in LATENCY_MEASURES and not latencies:  # by what is not shown, and would have every request read
        sort, descending = "total_cost", True
    query = replace(need.query, group_by=(dimension,), sort=sort, descending=descending, limit=view.row_limit)
    if latencies:
        query = replace(query, measures=MEASURES)
    return replace(need, query=query, timed=latencies or not dimension_named(dimension).summed)


def _beside(name: str, total: Need, panels: tuple[tuple[str, Period], ...]) -> list[Need]:
    """The total of another period, and what each panel's rows cost in it."""
    return [
        total,
        *(
            replace(total, name=f"{name}:{dimension}", query=replace(total.query, group_by=(dimension,)),
                    beside=f"panel:{dimension}")
            for dimension, _ in panels
            if dimension_named(dimension).summed
        ),
    ]  # fmt: skip


def _comparisons(
    view: View, plain: ReportQuery, periods: Periods, panels: tuple[tuple[str, Period], ...], knows: Knows
) -> list[Need]:
    """What the figures are compared with; wanted last."""
    needs: list[Need] = []
    if knows.totals == "instant" and not view.where:
        needs.append(usual_need(plain, periods.window.end))
        needs += expected_needs(plain, periods.window.end, knows.expected)
    elif knows.totals == "instant":
        for number, (start, end) in enumerate(usual_hours(periods.window.end)):
            needs.append(Need(f"usual:{number}", replace(plain, start=start, end=end), comparison=True))
    if periods.before is not None:
        query = replace(plain, start=periods.before.start, end=periods.before.end)
        needs.append(Need("before", query, comparison=True))
    if knows.totals == "instant" and view.end is None and (held := days_held(view, periods)) is not None:
        needs.append(replace(days_need(plain, periods.window.end, held), open_end=True))
    for dimension, _ in panels:
        period = periods.panel_before(dimension, weekly=dimension in view.weekly)
        if period is not None and dimension_named(dimension).summed:
            query = replace(plain, start=period.start, end=period.end, group_by=(dimension,))
            needs.append(Need(f"before:{dimension}", query, comparison=True, beside=f"panel:{dimension}"))
    return needs
