"""A report on stdout: exact for programs as JSON or CSV, rounded for eyes as a table."""

from __future__ import annotations

import click

from cost_top.cli.process import write_data
from cost_top.model import tables
from cost_top.model.query import Report, ReportQuery
from cost_top.model.windows import zone_name


def title_of(query: ReportQuery, source: str) -> str:
    """What a table needs to mean something elsewhere: source, period, zone, and the filter."""
    since, until = (moment.astimezone(query.zone) for moment in (query.start, query.end))
    parts = [source, f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} {zone_name(query.zone)}"]
    return "   ".join((*parts, *([str(query.where)] if query.where else [])))


def write_report(report: Report, query: ReportQuery, notes: tuple[str, ...], source: str, form: str) -> None:
    """Print it as `json`, `csv` or `table`. The notes of a CSV go to stderr, where they spoil nothing."""
    if form == "table":
        from cost_top.cli.overview import report_table

        click.echo(report_table(report, title_of(query, source)))
    else:
        since, until = query.start.astimezone(query.zone), query.end.astimezone(query.zone)
        table = tables.report_table(report, source, since, until, notes)
        write_data(tables.as_json(table) if form == "json" else tables.as_csv(table))
    if form != "json":
        for note in notes:
            click.echo(f"note: {note}", err=form == "csv")
