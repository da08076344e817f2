"""A report as JSON, CSV or a table on stdout. Money is exact in the first two, rounded for eyes in the last."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

import click

from cost_top.model.money import usd_text
from cost_top.model.query import MEASURES, MONEY_MEASURES, Measures, Report, ReportQuery


def measure_values(measures: Measures) -> dict[str, Any]:
    """The measures by name in the documented order; money as exact decimal text in USD."""
    values = asdict(measures)
    return {name: usd_text(values[name]) if name in MONEY_MEASURES else values[name] for name in MEASURES}


def report_values(report: Report, query: ReportQuery, notes: tuple[str, ...], source: str) -> dict[str, Any]:
    """The JSON document of a report."""
    return {
        "results": [
            {**dict(zip(report.columns, row.key, strict=True)), **measure_values(row.measures)} for row in report.rows
        ],
        "totals": measure_values(report.totals),
        "since": query.start.astimezone(query.zone).isoformat(),
        "until": query.end.astimezone(query.zone).isoformat(),
        "as_of": report.as_of.isoformat(timespec="seconds"),
        "source": source,
        "notes": list(notes),
    }


def safe_cell(value: object) -> object:
    """A CSV cell no spreadsheet takes for a formula.

    >>> safe_cell("=1+1"), safe_cell("-0.5"), safe_cell(None)
    ("'=1+1", '-0.5', '')
    """
    if value is None:
        return ""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        try:
            float(value)
        except ValueError:
            return f"'{value}"
    return value


def report_csv(report: Report) -> str:
    """The rows of a report as CSV with a header line; not attributed is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*report.columns, *MEASURES])
    for row in report.rows:
        writer.writerow([safe_cell(value) for value in (*row.key, *measure_values(row.measures).values())])
    return out.getvalue()


def write_report(report: Report, query: ReportQuery, notes: tuple[str, ...], source: str, form: str) -> None:
    """Print it."""
    if form == "json":
        click.echo(json.dumps(report_values(report, query, notes, source), indent=2, ensure_ascii=False))
    elif form == "csv":
        click.echo(report_csv(report), nl=False)
        for note in notes:
            click.echo(f"note: {note}", err=True)
    else:
        from cost_top.cli.overview import report_table

        click.echo(report_table(report))
        for note in notes:
            click.echo(f"note: {note}")
