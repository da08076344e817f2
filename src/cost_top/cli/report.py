"""`cost-top report`: the one question, answered once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from cost_top.cli.options import resolve, source_options
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.query import DIMENSIONS, MEASURES, SYNONYMS, ReportQuery, key_columns, parse_group_by
from cost_top.model.windows import Period, parse_instant


@click.command("report")
@source_options
@click.option("--group-by", "group_by", default="provider", show_default=True, metavar="DIM[,DIM]",
              help=f"Dimensions: {' '.join(DIMENSIONS)}.")  # fmt: skip
@click.option("--since", default="30d", show_default=True, metavar="TIME", help="7d, 12h, 2026-11-01 or an ISO time.")
@click.option("--until", default="now", show_default=True, metavar="TIME", help="End, not included.")
@click.option("--where", default="", metavar="FILTER", help="Filter such as 'tag:prod -model:gpt-4o*'.")
@click.option("--grain", type=click.Choice(["day", "hour"]), help="Also group by day or hour.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N rows.")
@click.option("--sort", default="total_cost", show_default=True, metavar="MEASURE",
              help="Measure (largest first), or a dimension.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True,
              help="json and csv carry money with full precision.")  # fmt: skip
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, group_by: str, since: str, until: str, where: str, grain: str | None,
    limit: int | None, sort: str, form: str,
) -> None:  # fmt: skip
    """Spend by any dimension, as a table, JSON or CSV.

    \b
    Examples:
      cost-top report gateway.db --group-by model --since 7d
      cost-top report prod --group-by user,model --where 'tag:prod -model:gpt-4o*' --format csv
      cost-top report prod --grain day --since 2026-11-01 --until 2026-12-01 --tz Europe/Berlin --format json
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    now = datetime.now(UTC)
    period = Period(parse_instant(since, now, settings.zone, "--since"),
                    parse_instant(until, now, settings.zone, "--until"))  # fmt: skip
    if period.start >= period.end:
        raise UserError(f"--since {since} is not before --until {until}")
    dimensions = parse_group_by(group_by) if group_by.strip() else ()
    if grain is not None and grain not in dimensions:
        dimensions = (grain, *dimensions)
    columns = key_columns(dimensions)
    sort = SYNONYMS.get(sort, sort)
    if sort not in MEASURES and sort not in columns:
        raise UserError(f"--sort {one_line(sort, 40)!r} is no measure: choose from {', '.join((*columns, *MEASURES))}")
    query = ReportQuery(period.start, period.end, dimensions, parse_filter(where), settings.zone, sort,
                        sort in MEASURES, limit)  # fmt: skip

    from cost_top.cli.output import write_report

    answers = settings.open_answers()
    try:
        report = answers.report(query)
    except SourceError as error:
        raise UserError(named(answers.label, error)) from error
    finally:
        answers.close()
    write_report(report, query, report.notes, answers.label, form)
