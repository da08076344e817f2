"""What panels show: the chart's bars, and a dimension's rows with their trends and what they are compared with."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from cost_top.model.engine import Replies
from cost_top.model.notes import origin_of
from cost_top.model.query import Measures, Report
from cost_top.model.shown import Shown, shown_named
from cost_top.model.snapshot import Lens, TimeBar
from cost_top.model.view import CHANGE
from cost_top.model.windows import Period
from cost_top.overview.bars import bar_label
from cost_top.overview.needs import Needs
from cost_top.overview.replies import report_of, stretches_of, whole_of


def chart(needs: Needs, replies: Replies) -> tuple[TimeBar, ...]:
    """The bars of the window, with what each shows of the measure looked at."""
    report, window = report_of(replies, "chart"), needs.periods.window
    if report is None:
        return ()
    found, bars, shown = stretches_of(report), [], shown_named(needs.view.measure)
    times = stretches_of(timed) if (timed := report_of(replies, "chart:times")) is not None else {}
    for place, (start, end) in enumerate(pairwise(needs.periods.edges)):
        bar = found.get(place, Measures())
        label = bar_label(start, end - start, needs.periods.zone)
        partial = start < window.start or end > window.end
        bars.append(
            TimeBar(start, end, label, bar.total_cost, bar.request_count, bar.saved_by_cache, bar.unpriced_count,
                    partial, _value(shown, bar, times.get(place)))
        )  # fmt: skip
    return tuple(bars)


def chart_remark(replies: Replies) -> str:
    """What the chart's figures are, where they are not the log's own."""
    report = report_of(replies, "chart")
    return next((note for note in report.notes if origin_of(note) == "rollup"), "") if report is not None else ""


def _value(shown: Shown, bar: Measures, timed: Measures | None) -> int | None:
    if not shown.name:
        return None
    return shown.of(timed or Measures()) if shown.kind == "latency" else shown.of(bar)


def lens_of(needs: Needs, replies: Replies, dimension: str, period: Period) -> Lens | None:
    """The panel of a dimension; None where nothing is known of it."""
    report = report_of(replies, f"panel:{dimension}")
    if report is None:
        return None
    before, mark = whole_of(replies, f"before:{dimension}"), report_of(replies, f"mark:{dimension}")
    lens = Lens(
        dimension=dimension,
        period=period,
        report=report,
        trends=_trends(needs, replies, report) if dimension == "provider" else (),
        previous=tuple(row.measures.total_cost for row in before.rows) if before is not None else (),
        since_mark=tuple(row.measures.total_cost for row in mark.rows) if mark is not None else (),
        remark=_as_of(needs, replies, dimension, report)
        or next((note for note in report.notes if origin_of(note) == "rates"), ""),
    )
    measure, descending = needs.view.sort_of(dimension)
    return _by_change(lens, descending) if measure == CHANGE else lens


def _as_of(needs: Needs, replies: Replies, dimension: str, report: Report) -> str:
    """Since when a panel's figures stand, where they are of a moment ago."""
    total, name = report_of(replies, "total"), f"panel:{dimension}"
    if total is None or report.as_of >= total.as_of or not any(need.timed and need.name == name for need in needs.all):
        return ""
    return f"as of {report.as_of.astimezone(needs.periods.zone):%H:%M:%S}"


def _by_change(lens: Lens, descending: bool) -> Lens:
    """The rows in the order of their change; as they are while that is not known."""
    rows, before = lens.report.rows, lens.previous
    if len(before) != len(rows):
        return lens
    order = sorted(
        range(len(rows)),
        key=lambda place: rows[place].measures.total_cost - (before[place] or 0),
        reverse=descending,
    )
    return replace(
        lens,
        report=replace(lens.report, rows=tuple(rows[place] for place in order)),
        previous=tuple(before[place] for place in order),
        trends=tuple(lens.trends[place] for place in order) if lens.trends else (),
        since_mark=tuple(lens.since_mark[place] for place in order) if lens.since_mark else (),
    )


def _trends(needs: Needs, replies: Replies, providers: Report) -> tuple[tuple[int, ...], ...]:
    """The cost of each provider bar by bar, where the chart was asked by provider."""
    chart, shown = report_of(replies, "chart"), shown_named(needs.view.measure)
    if chart is None or len(chart.columns) < 2 or shown.kind == "latency":
        return ()
    costs = {row.key[0]: [0] * (len(needs.periods.edges) - 1) for row in providers.rows}
    for row in chart.rows:
        if row.key[0] in costs:
            costs[row.key[0]][int(row.key[-1] or 0)] += shown.of(row.measures) or 0
    return tuple(tuple(costs[row.key[0]]) for row in providers.rows)
