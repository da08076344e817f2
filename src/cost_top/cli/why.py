"""`cost-top why`: what is behind a change of spend."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from cost_top.cli.options import resolve, source_options
from cost_top.cli.question_options import filter_option, period_options
from cost_top.insight.why import DIMENSIONS, Driver, Why
from cost_top.insight.why_asked import explained, parse_against, parse_drivers
from cost_top.insight.why_text import printed, sentence, times, twins_of, why_json
from cost_top.model.dimensions import none_text
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.format import pad, tail_of, with_tail
from cost_top.model.money import display_usd
from cost_top.model.query import ReportQuery
from cost_top.model.windows import asked_period


@click.command("why")
@source_options
@filter_option("Only these requests, such as 'endpoint:/reply'.")
@period_options("24h")
@click.option("--against", default="previous", show_default=True, metavar="previous|last-week|TIME",
              help="What it is compared with, of equal length.")  # fmt: skip
@click.option(
    "--by", default=",".join(DIMENSIONS), show_default=True, metavar="DIM[,DIM]", help="Where drivers are looked for."
)
@click.option("--top", type=click.IntRange(1, 3), default=3, show_default=True, metavar="N", help="Drivers named.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, where: str, since: str | None, until: str, against: str, by: str, top: int, form: str,
) -> None:  # fmt: skip
    """Why spend is up or down: requests, mix of models, size and price, and who is behind it.

    \b
    Examples:
      cost-top why prod --since today
      cost-top why prod --where endpoint:/reply --since 24h --against last-week
      cost-top why gateway.db --since 2026-11-01 --until 2026-11-08 --format json
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    now = datetime.now(UTC)
    period = asked_period(since, until, now, settings.zone, timedelta(hours=24))
    other, note = parse_against(against, period, now, settings.zone, "--against")
    dimensions = parse_drivers(by, "--by")
    condition = parse_filter(where)
    answers = settings.open_answers()
    try:
        query = ReportQuery(period.start, period.end, dimensions, condition, settings.zone)
        answer = explained(answers, query, other, note, top)
    except SourceError as error:
        raise UserError(named(answers.label, error)) from error
    finally:
        answers.close()
    text = sentence(answer, condition, settings.zone, until.strip().lower() == "now")
    if form == "json":
        click.echo(json.dumps(why_json(answer, text), ensure_ascii=False, indent=2))
    else:
        click.echo(told(answer, text), nl=False)


def told(answer: Why, text: str) -> str:
    """The sentence, the factors, and the drivers with what is inside the first."""
    parts = printed(dict(answer.factors))
    mix = (
        f" (more of {', '.join(one_line(model, 40) for model in answer.models)})"
        if answer.models and answer.factors["mix"] > 0
        else ""
    )
    if answer.is_empty:
        return "\n".join((text, *(f"note: {note}" for note in answer.notes))) + "\n"
    lines = [
        text,
        "",
        f"{display_usd(answer.before.cost)} → {display_usd(answer.after.cost)}: "
        + ", ".join(f"{name} {part}{mix if name == 'mix' else ''}" for name, part in parts.items()),
    ]
    for driver in answer.drivers:
        lines.append(_line(driver, answer, ""))
        lines += [_line(one, answer, "  ") for one in driver.inside]
    lines += [f"note: {note}" for note in answer.notes]
    return "\n".join(lines) + "\n"


def _line(driver: Driver, answer: Why, indent: str) -> str:
    tail = one_line(tail_of(driver.value, twins_of(driver, answer)), 60)
    name = one_line(driver.name or driver.value or none_text(driver.dimension), 60)
    shown = pad(with_tail(name, tail, 40 - len(indent)), 40 - len(indent))
    ratio = times(driver.after.requests, driver.before.requests) + " requests" if driver.before.requests else "new"
    return (
        f"{indent}{driver.dimension:9} {shown} {display_usd(driver.change, sign=True):>12} "
        f"{round(driver.share * 100):>4} %  {ratio}"
    )
