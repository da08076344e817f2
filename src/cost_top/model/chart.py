"""A report as a chart for eyes: spend over time, by whatever it is grouped by. Drawn by plotext."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.model.dimensions import none_text
from cost_top.model.money import PICO_PER_USD, display_usd
from cost_top.model.query import Report, ReportQuery
from cost_top.model.text import clean

MOST_SERIES = 6
_OTHERS = "others"
_HOURS_UP_TO = timedelta(days=2)
_TICKS = 7
_MARKERS = ("█", "▒", "░", "▓", "◆", "●", "·")
_PLAIN_MARKERS = ("#", "o", "+", "x", "*", "=", ".")
_PLAIN_FRAME = str.maketrans("┌┐└┘─│┤├┬┴┼·…", "++++-||||++-.")
_LONGEST_NAME = 24


def chart_grain(query: ReportQuery) -> str:
    """Hours for periods of up to two days, else days.

    >>> chart_grain(ReportQuery(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)))
    'hour'
    """
    return "hour" if query.end - query.start <= _HOURS_UP_TO else "day"


def steps_of(query: ReportQuery, grain: str) -> list[str]:
    """The keys of every hour or day of a period, in its zone, as a report spells them."""
    start, end = query.start.astimezone(query.zone), query.end.astimezone(query.zone)
    if grain == "day":
        days = (end - timedelta(microseconds=1)).date() - start.date()
        return [str(start.date() + timedelta(days=number)) for number in range(days.days + 1)]
    moment = query.start.astimezone(UTC)
    keys: dict[str, None] = {}
    while moment < query.end:
        keys[moment.astimezone(query.zone).replace(minute=0, second=0, microsecond=0).isoformat()] = None
        moment += timedelta(minutes=15)
    return list(keys)


def series_of(report: Report, grain: str, steps: Sequence[str]) -> dict[str, list[int]]:
    """Pico-dollars at each step by name, dearest first; beyond six names the rest is one series."""
    place = report.columns.index(grain)
    index = {step: number for number, step in enumerate(steps)}
    found: dict[str, list[int]] = {}
    for row in report.rows:
        step = index.get(row.key[place] or "")
        if step is not None:
            name = (
                " · ".join(
                    _name(value, report.columns[number]) for number, value in enumerate(row.key) if number != place
                )
                or "spend"
            )
            found.setdefault(name, [0] * len(steps))[step] += row.measures.total_cost
    ordered = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))
    shown = dict(ordered[:MOST_SERIES])
    if len(ordered) > MOST_SERIES:
        rest = [values for _, values in ordered[MOST_SERIES:]]
        shown[f"{len(rest)} {_OTHERS}"] = [sum(column) for column in zip(*rest, strict=True)]
    return shown


def chart_text(
    report: Report, query: ReportQuery, title: str, width: int, height: int, *, colour: bool, plain: bool,
    lines: bool = False,
) -> str:  # fmt: skip
    """The chart in so many cells. Bars on one another where they fit, else or where asked for `lines`.

    `plain` is ASCII only. Without colour each name has a mark of its own.
    """
    grain = "hour" if "hour" in report.columns else "day"
    steps = steps_of(query, grain)
    series = series_of(report, grain, steps)
    if not series:
        return f"{clean(title)}\nno requests in this period"
    import plotext

    plotext.clear_figure()
    plotext.limit_size(False, False)  # to that of a terminal, which may not be where it is shown
    plotext.plotsize(width, height)
    plotext.theme("pro" if colour else "clear")
    markers = _PLAIN_MARKERS if plain else _MARKERS
    amounts = [[value / PICO_PER_USD for value in values] for values in series.values()]
    names = [clean(name) for name in series]
    if not lines and len(steps) * 2 <= width and min(min(values) for values in amounts) >= 0:
        _stack(plotext, names, amounts, None if colour and not plain else markers)
        top = max(sum(column) for column in zip(*amounts, strict=True))
    else:
        for number, (name, values) in enumerate(zip(names, amounts, strict=True)):
            marker = "braille" if colour and not plain else markers[number]
            plotext.plot(range(len(steps)), values, label=name, marker=marker)
        top = max(max(values) for values in amounts)
    _scale(plotext, steps, grain, top)
    drawn = plotext.build()
    if not colour:
        drawn = plotext.uncolorize(drawn)
    text = f"{clean(title)}\n{drawn}".rstrip()
    return text.translate(_PLAIN_FRAME) if plain else text


def _stack(
    plotext: Any, names: Sequence[str], amounts: Sequence[Sequence[float]], markers: Sequence[str] | None
) -> None:  # fmt: skip
    more = {} if markers is None else {"marker": list(markers[: len(names)])}
    plotext.stacked_bar(range(len(amounts[0])), [list(values) for values in amounts], labels=list(names), **more)


def _scale(plotext: Any, steps: Sequence[str], grain: str, top: float) -> None:
    """Few dates below, few amounts at the left."""
    every = max(1, -(-len(steps) // _TICKS))
    places = list(range(0, len(steps), every))
    plotext.xticks(places, [_date(steps[place], grain) for place in places])
    amounts = [top * part / 4 for part in range(5)]
    plotext.yticks(amounts, [display_usd(round(amount * PICO_PER_USD)) for amount in amounts])


def _date(step: str, grain: str) -> str:
    moment = datetime.fromisoformat(step)
    return f"{moment:%b} {moment.day}" if grain == "day" else f"{moment:%a %H}h"


def _name(value: str | None, dimension: str) -> str:
    text = none_text(dimension) if value is None else clean(value)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
