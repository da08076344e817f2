"""How `cost-top report` shows its answer: as a report, a view of it, a chart, or one line; and when it fails."""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.output import title_of, write_report
from cost_top.cli.process import write_data
from cost_top.model.errors import UserError, one_line
from cost_top.model.format import counted
from cost_top.model.money import PICO_PER_USD, display_usd, pico
from cost_top.model.notes import KEYS_HAVE_IDS, untimed_rows
from cost_top.model.query import Measures, ReportQuery, known_measures
from cost_top.model.windows import Period

if TYPE_CHECKING:
    from cost_top.cli.line_cache import LineCache, Sum
    from cost_top.cli.options import Resolved
    from cost_top.model.answers import Answers
    from cost_top.model.filter import Filter

OVER = 3
_HEIGHT = 20
_LARGEST = 10**12  # USD


def parse_limit(text: str | None) -> int | None:
    """`--fail-over` in pico-dollars; None without it."""
    if text is None:
        return None
    try:
        amount = pico(text.strip().removeprefix("$"))
    except ValueError:
        amount = -1
    if not 0 <= amount <= _LARGEST * PICO_PER_USD:
        raise UserError(f"--fail-over {one_line(text, 40)!r}: write an amount in USD, such as 500 or 0.25")
    return amount


def check_limit(limit: int | None, total: Measures) -> int:
    """The exit code: 3 when the cost is above the limit; a lower bound that is not above it says so."""
    if limit is None:
        return 0
    if total.total_cost > limit:
        least = "≥ " if total.unpriced_count else ""
        click.echo(
            f"cost-top: {least}{display_usd(total.total_cost)} is above --fail-over {display_usd(limit)}", err=True
        )
        return OVER
    if total.unpriced_count:
        unpriced = counted(total.unpriced_count, "unpriced request", whole=True)
        click.echo(f"note: {unpriced}: the cost may be above --fail-over", err=True)
    return 0


def print_report(answers: Answers, query: ReportQuery, form: str) -> Measures:
    """Spend as a table, JSON, CSV or chart; gives the totals."""
    report = answers.report(query)
    if not report.totals.request_count and any(term.field == "token" for term in query.where.terms):
        report = replace(report, notes=(*report.notes, KEYS_HAVE_IDS))
    if form != "chart":
        write_report(report, query, report.notes, answers.label, form)
        return report.totals
    from cost_top.cli.report_views import lower_bound
    from cost_top.model.chart import chart_text

    terminal = sys.stdout.isatty()
    size = shutil.get_terminal_size((80, 24))
    plain = (sys.stdout.encoding or "").lower().replace("-", "") not in ("utf8", "utf_8")
    colour = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    height = max(12, min(size.lines - 3, 40)) if terminal else _HEIGHT
    title = f"{title_of(query, answers.label)}   {lower_bound(report)}{display_usd(report.totals.total_cost)}"
    click.echo(chart_text(report, query, title, size.columns, height, colour=colour, plain=plain), color=colour)
    for note in report.notes:
        click.echo(f"note: {note}")
    return report.totals


def print_view(
    answers: Answers, settings: Resolved, query: ReportQuery, view: str, per: dict[str, Fraction], form: str
) -> Measures:  # fmt: skip
    """Savings, waste or unit economics; gives the totals of the period."""
    from cost_top.cli.report_views import units_view, view_csv, view_json, view_text
    from cost_top.insight.savings import savings_view
    from cost_top.insight.waste import waste_view

    held = getattr(answers, "held", None)
    with held(Period(query.start, query.end)) if held is not None else nullcontext():
        if view == "savings":
            table = savings_view(answers, query)
        elif view == "waste":
            table = waste_view(answers, replace(query, group_by=(), limit=None))
        else:
            table = units_view(answers, query, per, settings.incomes(), settings.near_upgrade_percent)
        total = answers.report(replace(query, group_by=(), limit=None)).totals
    if form == "table":
        click.echo(view_text(table, title_of(query, answers.label)))
    else:
        write_data(view_json(table, query, answers.label) if form == "json" else view_csv(table))
    if form != "json":
        for note in table.notes:
            click.echo(f"note: {note}", err=form == "csv")
    return total


def print_kept_line(settings: Resolved, where: Filter, config_file: Path | None, now: datetime) -> Measures | None:
    """The line of a log that nobody wrote to since it was last told; None where it has to be read."""
    kept = _line_cache(settings, where, now)[0].read(now)
    return None if kept is None else _print_line(*kept, settings, config_file)


def print_line(
    answers: Answers, settings: Resolved, query: ReportQuery, config_file: Path | None, now: datetime
) -> Measures:  # fmt: skip
    """`$74.11 today · $3.12/h · 1 incident`: for status bars. Gives the totals of today.

    Rows without a usable time are told last: they may be of today.
    """
    kept, midnight = _line_cache(settings, query.where, now)
    return _print_line(*_read_line(answers, query, kept, midnight, now), settings, config_file)


def _line_cache(settings: Resolved, where: Filter, now: datetime) -> tuple[LineCache, datetime]:
    from cost_top.cli.line_cache import LineCache
    from cost_top.model.windows import local_midnight

    midnight = local_midnight(now.astimezone(settings.zone).date(), settings.zone)
    return LineCache(settings, where, midnight), midnight


def _print_line(
    today: Sum, hour: Sum, untimed: int | None, settings: Resolved, config_file: Path | None
) -> Measures:  # fmt: skip
    parts = [f"{'≥ ' if today.unpriced else ''}{display_usd(today.cost)} today",
             f"{'≥ ' if hour.unpriced else ''}{display_usd(hour.cost)}/h"]  # fmt: skip
    number = open_incidents(settings, config_file)
    if number is not None:
        parts.append(f"{number} incident{'s' if number != 1 else ''}")
    if untimed != 0:
        parts.append("rows without a usable time not counted" if untimed is None else untimed_rows(untimed))
    click.echo(" · ".join(parts))
    return known_measures(today.cost, today.unpriced)


def _read_line(
    answers: Answers, query: ReportQuery, kept: LineCache, midnight: datetime, now: datetime
) -> tuple[Sum, Sum, int | None]:  # fmt: skip
    """Today, the last hour and the rows of no time from the log; kept where they can be told again."""
    from cost_top.cli.line_cache import HOUR, Sum

    since, held = now - HOUR, getattr(answers, "held", None)
    period = Period(min(midnight, since), now)
    with held(period, counts_untimed=True) if held is not None else nullcontext():
        day, last = (
            answers.report(replace(query, start=start, end=now, group_by=(), limit=None)).totals
            for start in (midnight, since)
        )
        today, hour = (Sum(each.total_cost, each.unpriced_count) for each in (day, last))
        singles = kept.singles(answers, replace(query, start=since, end=now, group_by=()), hour)
    untimed: int | None = getattr(answers, "untimed", 0)
    if singles is not None and untimed is not None:
        kept.keep(now, today, singles, untimed)
    return today, hour, untimed


def open_incidents(settings: Resolved, config_file: Path | None) -> int | None:
    """How many incidents are open, by what `cost-top watch` of this source noted; None where none watches it."""
    from cost_top.cli.watch_state import state_path

    try:
        document = json.loads(state_path(settings, config_file).read_text(encoding="utf-8"))
        return sum(incident[7] is None for incident in document["incidents"].values())
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
