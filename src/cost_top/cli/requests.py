"""`cost-top requests`: the audit trail, one row per request, newest first, dearest first, or as they come."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from cost_top.cli.options import Resolved, resolve, source_options
from cost_top.cli.output_file import opened_output
from cost_top.cli.question_options import filter_option, period_options
from cost_top.model.dimensions import SOURCE
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.nearest import choices
from cost_top.model.notes import NOT_COUNTED, untimed_notes
from cost_top.model.query import ReportQuery
from cost_top.model.request_fields import REQUEST_FIELDS
from cost_top.model.waste import LINES
from cost_top.model.windows import Period, asked_period

if TYPE_CHECKING:
    from cost_top.cli.request_output import Writer
    from cost_top.model.answers import Answers
    from cost_top.model.engine import Position, RequestPage

_PAGE = 1000
_WASTE_PAGE = 20_000  # each goes through all that was wasted
_SHOWN = 100  # as a table, without --limit


@click.command("requests")
@source_options
@filter_option("Filter such as 'tag:prod -model:gpt-4o*'.")
@period_options("24h")
@click.option(
    "--columns", metavar="A,B", help="Which fields, in this order; by default all, as a table those that fit."
)
@click.option("--sort", type=click.Choice(["time", "cost"]), default="time", show_default=True,
              help="Newest or dearest first.")  # fmt: skip
@click.option("--waste", type=click.Choice([*LINES, "total"]), metavar="LINE",
              help="Those behind a line of report --view waste.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="At most N; as a table 100 unless told otherwise.")  # fmt: skip
@click.option("--follow", is_flag=True,
              help="The last 10 (or --limit N), then all that come, in order of arrival.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl", "csv", "focus"]), default="table",
              show_default=True, help="All but the table carry money with full precision.")  # fmt: skip
@click.option("--focus-version", type=click.Choice(["1.2", "1.3"]),
              help="With --format focus: 1.3 leaves the deprecated columns of 1.2 (the default) out.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write there; only you can read it.")  # fmt: skip
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, where: str, since: str | None, until: str, columns: str | None, sort: str,
    waste: str | None, limit: int | None, follow: bool, form: str, focus_version: str | None, output: Path | None,
) -> None:  # fmt: skip
    """Single requests: the audit trail. Metadata only.

    \b
    Examples:
      cost-top requests prod --where 'user:acme cost:>0.05'
      cost-top requests prod --since 2026-11-01 --until 2026-12-01 --format csv --output november.csv
      cost-top requests prod --follow --where 'status:>=400'
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    now = datetime.now(UTC)
    period = asked_period(since, until, now, settings.zone, timedelta(hours=24))
    if follow and (sort != "time" or until != "now" or form in ("json", "focus")):
        raise UserError("--follow goes on as requests come: leave out --until, --sort cost, --format json and focus")
    if form == "focus" and (sort != "time" or columns is not None):
        raise UserError("--format focus: has columns and an order of its own; leave out --columns and --sort")
    if form != "focus" and focus_version is not None:
        raise UserError("--focus-version: is of --format focus; add that")
    if follow and waste is not None:
        raise UserError("--follow tells requests as they come, and waste by what came before them: leave one out")
    chosen = _columns(columns, form)
    query = ReportQuery(period.start, period.end, (), parse_filter(where), settings.zone, sort, True)
    place = settings.known_place()
    with nullcontext(sys.stdout) if output is None else opened_output(output, place.url, follow) as out:
        if follow:
            from cost_top.cli.follow import follow_requests

            follow_requests(settings, query, out, _writer(form, out, chosen, settings, query, "", now), limit or 10)
            return
        answers = settings.open_answers()
        try:
            if form == "focus":
                writer = _focus(out, answers, focus_version or "1.2", settings)
            else:
                writer = _writer(form, out, chosen, settings, query, answers.label, now)
                writer.source_name = answers.source_name or answers.label
            most = limit or (_SHOWN if form == "table" else None)
            _write(answers, query, writer, most, waste)
        except SourceError as error:
            raise UserError(named(answers.label, error)) from error
        finally:
            answers.close()


def _write(answers: Answers, query: ReportQuery, writer: Writer, limit: int | None, waste: str | None) -> None:
    """All pages, one after another; of a log, each stretch of it is read once for all of its own."""
    ask = answers.requests if waste is None else partial(_wasted, answers, waste)
    writer.begin()
    left, end, more = limit, query.start, False
    with closing(_parts(answers, query, waste)) as parts:
        for part in parts:
            asked = replace(query, start=part.start, end=part.end)
            left, more = _write_pages(ask, asked, writer, left, _PAGE if waste is None else _WASTE_PAGE)
            end = part.start
            if left == 0:
                break
    if left == 0 and not more and end > query.start and waste is None:
        more = bool(answers.requests(replace(query, end=end, limit=1)).rows)
    told = _untimed(answers)
    writer.end((*told, *(("there are more: raise --limit",) if more else ())))
    if not writer.tells_notes:
        for note in told:
            click.echo(f"note: {note}", err=True)


def _untimed(answers: Answers) -> tuple[str, ...]:
    """Rows of a log that are among no period's requests."""
    count: int | None = getattr(answers, "untimed", 0)
    return untimed_notes(count) if count is not None else (NOT_COUNTED,)


def _parts(answers: Answers, query: ReportQuery, waste: str | None) -> Generator[Period]:
    """The query's period in parts, each while its rows are held, where the source is a log."""
    whole = Period(query.start, query.end)
    if waste is None and query.sort == "time" and hasattr(answers, "in_turn"):
        yield from answers.in_turn(whole)
        return
    with answers.held(whole, counts_untimed=True) if hasattr(answers, "held") else nullcontext():
        yield whole


def _wasted(answers: Answers, line: str, query: ReportQuery, after: Position | None) -> RequestPage:
    from cost_top.insight.waste import waste_page

    return waste_page(answers, query, line, after)


def _write_pages(
    ask: Callable[[ReportQuery, Position | None], RequestPage], query: ReportQuery, writer: Writer, left: int | None,
    size: int,
) -> tuple[int | None, bool]:  # fmt: skip
    """All of a period, at most so many; how many are left to write, and whether there are more."""
    after, more = None, True
    while more and left != 0:
        page = ask(replace(query, limit=size if left is None else min(size, left)), after)
        writer.meet(page.rows)
        for row in page.rows:
            writer.add(row)
        left = None if left is None else left - len(page.rows)
        after = page.following
        more = after is not None
    return left, more


def _columns(text: str | None, form: str) -> tuple[str, ...]:
    if text is None:
        from cost_top.cli.request_output import TABLE_COLUMNS, fitting

        if form != "table":
            return REQUEST_FIELDS
        return fitting(shutil.get_terminal_size().columns) if sys.stdout.isatty() else TABLE_COLUMNS
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in (*REQUEST_FIELDS, SOURCE):
            advice = choices(name, (*REQUEST_FIELDS, SOURCE))
            raise UserError(f"--columns {one_line(name, 40)!r} is no field of a request: {advice}")
    if not names:
        raise UserError(f"--columns names no field; known are {', '.join((*REQUEST_FIELDS, SOURCE))}")
    return names


def _writer(
    form: str, out: TextIO, columns: tuple[str, ...], settings: Resolved, query: ReportQuery, source: str, now: datetime
) -> Writer:  # fmt: skip
    from cost_top.cli import request_output

    if form == "json":
        return request_output.JsonWriter(out, columns, settings.zone, source, query.start, query.end, now)
    if form == "table":
        return request_output.TableWriter(out, columns, settings.zone)
    if form == "csv":
        return request_output.CsvWriter(out, columns, settings.zone)
    return request_output.LinesWriter(out, columns, settings.zone)


def _focus(out: TextIO, answers: Answers, version: str, settings: Resolved) -> Writer:
    from cost_top.cli.request_output import FocusWriter

    source, book = answers.label, getattr(answers, "book", None)  # those of a log are held as it is
    return FocusWriter(out, source, version, settings.load_book() if book is None else book)
