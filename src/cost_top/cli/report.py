"""`cost-top report`: the one question, answered once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import click

from cost_top.cli import completion
from cost_top.cli.options import resolve, source_options
from cost_top.cli.question_options import filter_option, period_options
from cost_top.cli.report_faces import check_limit, parse_limit, print_kept_line, print_line, print_report, print_view
from cost_top.model.collector import uncollected
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.nearest import choices
from cost_top.model.query import (
    AMOUNTS,
    DIMENSIONS,
    MEASURES,
    SUMMED_MEASURES,
    ReportQuery,
    key_columns,
    measure_named,
    parse_group_by,
)
from cost_top.model.windows import asked_period


@click.command("report")
@source_options
@click.option("--group-by", "group_by", default="provider", show_default=True, metavar="DIM[,DIM]",
              shell_complete=completion.dimensions,
              help=f"Dimensions: {' '.join(DIMENSIONS)}.")  # fmt: skip
@period_options("30d")
@filter_option("Filter such as 'tag:prod -model:gpt-4o*'.")
@click.option("--grain", type=click.Choice(["day", "hour"]), help="Also group by day or hour.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N rows.")
@click.option("--sort", default="total_cost", show_default=True, metavar="MEASURE",
              help="Measure (largest first), tokens (input and output), or a dimension.")  # fmt: skip
@click.option("--view", type=click.Choice(["spend", "savings", "waste", "units"]), default="spend", show_default=True,
              help="Spend; what was saved, and of what; what was wasted; what one request or user costs.")  # fmt: skip
@click.option("--per", multiple=True, metavar="NAME=N",
              help="With --view units: the cost of one of N, such as seats=42.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json", "csv", "chart", "line"]), default="table",
              show_default=True,
              help="json and csv carry money with full precision; chart and line are for eyes.")  # fmt: skip
@click.option("--fail-over", metavar="USD", help="Exit with 3 when the total cost is above that.")
@click.option("--verify", is_flag=True, help="Compare every kept day with the log in all its columns first.")
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, group_by: str, since: str | None, until: str, where: str, grain: str | None,
    limit: int | None, sort: str, view: str, per: tuple[str, ...], form: str, fail_over: str | None, verify: bool,
) -> int:  # fmt: skip
    """Spend by any dimension, as a table, JSON, CSV, a chart, or one line for a status bar.

    Exit code 3 says that the total is above --fail-over.

    \b
    Examples:
      cost-top report gateway.db --group-by model --since 7d
      cost-top report prod --group-by user,model --where 'tag:prod -model:gpt-4o*' --format csv
      cost-top report prod --grain day --since 2026-11-01 --until 2026-12-01 --tz Europe/Berlin --format json
      cost-top report prod --grain day --group-by model --format chart
      cost-top report prod --view savings --group-by token --since 7d
      cost-top report prod --since 24h --fail-over 500 || page-someone
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    now = datetime.now(UTC)
    period = asked_period(since, until, now, settings.zone, timedelta(days=30))
    dimensions = parse_group_by(group_by) if group_by.strip() else ()
    limit_usd = parse_limit(fail_over)
    numbers = _numbers(per)
    is_shaped = dimensions != ("provider",) or bool(grain or limit) or sort != "total_cost"
    _check_view(view, form, bool(numbers), is_shaped)
    if form == "line" and (is_shaped or since is not None or until != "now"):
        raise UserError(
            "--format line: tells today and the last hour; "
            "leave out --since, --until, --group-by, --grain, --sort and --limit"
        )
    if form == "chart" and grain is None and not {"day", "hour"} & set(dimensions):
        grain = "hour" if period.end - period.start <= timedelta(days=2) else "day"
    if grain is not None and grain not in dimensions:
        dimensions = (grain, *dimensions)
    columns = key_columns(dimensions)
    sort = measure_named(sort)
    if sort not in AMOUNTS and sort not in columns:
        raise UserError(f"--sort {one_line(sort, 40)!r} is no measure: {choices(sort, (*columns, *AMOUNTS))}")
    # A chart, a line and the other views tell no latency.
    told = MEASURES if view == "spend" and form in ("table", "json", "csv") else SUMMED_MEASURES
    query = ReportQuery(period.start, period.end, dimensions, parse_filter(where), settings.zone, sort,
                        sort in AMOUNTS, limit, told)  # fmt: skip

    if form == "line" and not verify:
        kept = print_kept_line(settings, query.where, config_file, now)
        if kept is not None:
            return check_limit(limit_usd, kept)
    with uncollected():
        answers = settings.open_answers(verify, asks_once=True)
        try:
            if form == "line":
                total = print_line(answers, settings, query, config_file, now)
            elif view != "spend":
                total = print_view(answers, settings, query, view, numbers, form)
            else:
                total = print_report(answers, query, form)
        except SourceError as error:
            raise UserError(named(answers.label, error)) from error
        finally:
            answers.close()
    return check_limit(limit_usd, total)


def _numbers(per: tuple[str, ...]) -> dict[str, Fraction]:
    if not per:
        return {}
    from cost_top.cli.report_views import parse_per

    return parse_per(per)


def _check_view(view: str, form: str, has_numbers: bool, is_shaped: bool) -> None:
    """`UserError` for options that do not go with the view; `is_shaped`: its rows were asked for in some way."""
    if has_numbers and view != "units":
        raise UserError("--per: is a figure of --view units; add that")
    if view == "waste" and is_shaped:
        raise UserError("--view waste: has lines of its own; leave out --group-by, --grain, --sort and --limit")
    if view != "spend" and form in ("chart", "line"):
        raise UserError(f"--format {form}: draws spend; leave out --view {view}")
