"""`cost-top doctor`: what was found at a source, and one line of advice for each problem."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.options import Resolved, resolve, source_options
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.format import counted
from cost_top.model.modes import STANDARD
from cost_top.model.money import display_usd
from cost_top.model.notes import untimed_rows
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import QUIET

if TYPE_CHECKING:
    from cost_top.pricing.book import Entry
    from cost_top.sources.sql.inspect import Inspection, ModelCount

_NEEDED = ("model", "input_tokens", "output_tokens")
_AHEAD = timedelta(minutes=5)
_SHOWN_MODELS = 8
# Rows of a log from which on a copy takes longer to make than most will wait.
_NO_MIRROR_ROWS = 50_000_000
Lines = list[tuple[str, str]]


@click.command("doctor")
@source_options
@click.option("--plan", "show_plan", is_flag=True, help="Also print the database's plan for the tail.")
@click.option(
    "--write-mapping",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Propose a mapping for a table or files that cost-top does not know, and write it.",
)
@click.option("--check-mapping", is_flag=True, help="Read 1,000 rows through the mapping and say what fell out.")
@click.option("--drift", is_flag=True, help="Compare LiteLLM's log with its own daily rollups.")
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, show_plan: bool, write_mapping: Path | None, check_mapping: bool, drift: bool,
) -> None:  # fmt: skip
    """What was found at a source, and what is wrong with it.

    Exit code 0: healthy; 1: problems, each with a line of advice; 2: it cannot be read at all.

    \b
    Examples:
      cost-top doctor gateway.db
      cost-top doctor postgresql://reader@db.example.com/litellm --plan
      cost-top doctor vercel
      cost-top doctor own.db --write-mapping own.toml
      cost-top doctor own.db --mapping own.toml --check-mapping
      cost-top doctor postgresql://reader@db.example.com/litellm --drift
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    if settings.url is None:
        settings.known_place()  # says which sources there are
    if write_mapping is not None or check_mapping or drift:
        _special(settings, write_mapping, check_mapping)
        return
    facts, problems, plan = _examine(settings)
    for name, text in facts:
        click.echo(f"{name:<13}{text}")
    if show_plan and plan:
        click.echo("plan of the tail")
        for line in plan.splitlines():
            click.echo(f"  {one_line(line)}")
    click.echo()
    for problem, advice in problems:
        click.echo(f"problem: {problem}\n  -> {advice}")
    if problems:
        raise click.exceptions.Exit(1)
    click.echo("healthy: nothing to mend")


def _special(settings: Resolved, write: Path | None, check: bool) -> None:
    from cost_top.cli import doctor_mapping

    if write is not None:
        doctor_mapping.write_mapping(settings, write)
        return
    found = doctor_mapping.check_mapping(settings) if check else doctor_mapping.show_drift(settings)
    if found:
        raise click.exceptions.Exit(1)


def _examine(settings: Resolved) -> tuple[Lines, Lines, str]:
    """Facts, problems with their advice, and the plan of the tail where there is one."""
    place = settings.known_place()
    if place.is_report_api:
        from cost_top.cli.doctor_api import doctor_report_api

        return (*doctor_report_api(settings.open_api(), place.key_from), "")
    if place.kind == "cost-top":
        return (*_remote(settings), "")
    now = datetime.now(UTC)
    if place.kind == "litellm":
        return (*_proxy(settings, now), "")
    damaged = _damaged(settings)  # before a file is made anew
    found = _inspect(settings)
    from cost_top.cli.doctor_ledger import examine_ledger

    credits_, wrong = examine_ledger(settings, now)
    problems = [*_problems(found, now), *damaged, *_unpriced(settings, found), *wrong]
    return [*_facts(found, now), *credits_], problems, found.plan


def _remote(settings: Resolved) -> tuple[Lines, Lines]:
    """Another cost-top: whether it answers, and for which source."""
    client = settings.known_place().cost_top()
    now = datetime.now(UTC)
    try:
        report = client.report(ReportQuery(now - timedelta(days=1), now))
        label = client.label
    except SourceError as error:
        raise UserError(one_line(error)) from None
    finally:
        client.close()
    facts = [
        ("source", label),
        ("answers", f"as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC"),
        ("last 24 h", f"{display_usd(report.totals.total_cost)}"),
    ]
    return facts + [("note" if not place else "", note) for place, note in enumerate(report.notes)], []


def _proxy(settings: Resolved, now: datetime) -> tuple[Lines, Lines]:
    """A LiteLLM proxy: which of its APIs answers, and how fresh its rows are."""
    from cost_top.cli.doctor_api import drift_lines
    from cost_top.sources.litellm.log import LiteLLMApi

    log = settings.open_source()
    try:
        with log.connect() as reader:
            newest, oldest = reader.newest(), reader.oldest()
        drift = log.drift() if isinstance(log, LiteLLMApi) else ()
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from None
    facts = [
        ("source", log.label),
        ("gateway", f"{log.preset.name}, over HTTP"),
        ("newest row", f"{newest:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - newest)}" if newest else "none"),
        ("oldest row", f"{oldest:%Y-%m-%d %H:%M:%S} UTC" if oldest else "none"),
    ]
    facts += [("note" if not place else "", note) for place, note in enumerate(log.notes)]
    problems = []
    if newest is None:
        problems.append(("the proxy has no rows", "LiteLLM writes none with disable_spend_logs: true"))
    elif now - newest > QUIET:
        problems.append((f"no row for {_span(now - newest)}", "check that the proxy still logs its calls"))
    return facts, [*problems, *drift_lines(drift)]


def _inspect(settings: Resolved) -> Inspection:
    from cost_top.sources.sql.inspect import inspect
    from cost_top.sources.sql.log import SqlLog

    log = settings.open_source()
    if not isinstance(log, SqlLog):
        raise UserError(f"{log.label}: doctor looks at databases only")
    try:
        return inspect(log)
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from None


def _facts(found: Inspection, now: datetime) -> list[tuple[str, str]]:
    newest = f"{found.newest:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - found.newest)}" if found.newest else "none"
    rows = "unknown" if found.row_estimate is None else f"about {found.row_estimate:,} (from the catalog)"
    facts = [
        ("source", found.label),
        ("gateway", "; ".join((found.gateway, *found.hints))),
        ("database", found.database),
        ("table", f"{found.table}, time from {found.time}"),
        ("mapped", ", ".join(name for name, _ in found.mapped)),
        ("missing", ", ".join(found.missing) or "nothing"),
        *([] if found.limits else [("read late", ", ".join(found.costly) or "nothing")]),
        *(
            [("compared", f"these once in about {_span(timedelta(seconds=found.costly_round))}, the others in minutes")]
            if found.costly_round is not None
            else []
        ),
        ("row key", found.key or "NONE"),
        ("names from", ", ".join(found.names) or "the rows only"),
        ("read-only", "yes, the session is" if found.read_only else "NO"),
        ("tail index", "yes" if found.uses_index else "NO"),
        ("newest row", newest),
        ("oldest row", f"{found.oldest:%Y-%m-%d %H:%M:%S} UTC" if found.oldest else "none"),
        ("rows", f"{rows}; row security hides those of its policies" if found.hides_rows else rows),
        *_advised(found),
    ]
    facts += [("limits" if not place else "", text) for place, text in enumerate(found.limits)]
    facts += [("cannot tell" if not place else "", text) for place, text in enumerate(found.cannot_tell)]
    return facts + [("needs" if not place else "", grant) for place, grant in enumerate(found.grants)]


def _advised(found: Inspection) -> list[tuple[str, str]]:
    """From which size on a log in PostgreSQL is better answered there."""
    if not found.database.startswith("PostgreSQL"):
        return []
    large = found.row_estimate is not None and found.row_estimate >= _NO_MIRROR_ROWS
    told = "advised for so many rows" if large else f"advised from {_NO_MIRROR_ROWS:,} rows on"
    return [("--no-mirror", f"{told}: the database itself then answers, nothing is copied")]


def _problems(found: Inspection, now: datetime) -> list[tuple[str, str]]:
    problems = []
    if not found.read_only:
        problems.append(("the session may write", "connect to the database itself, not through a pooler"))
    if not found.uses_index:
        column = found.time.split(" ", 1)[0]
        advice = found.advice.get("index", f"create an index on {column}, then on {column} and the id")
        problems.append(("no index serves the tail, every poll reads the table", advice))
    if not found.key:
        problems.append(
            ("nothing in the table is unique: every row counts, also where an id repeats",
             "create a primary key or a unique index that tells a request from its copy")
        )  # fmt: skip
    for file in found.left_out:
        problems.append((f"left out: {file}", "let this user read it, or give a pattern without it"))
    if found.newest is None and found.hides_rows:
        problems.append(("row security hides every row from this user", "give it a policy that lets it read the table"))
    elif found.newest is None:
        problems.append(
            ("the log has no rows", found.advice.get("empty", "check that the gateway writes to this table"))
        )
    elif found.newest - now > _AHEAD:
        problems.append(
            ("the newest row is from the future", "check the gateway's clock, and time.unit of the mapping")
        )
    elif now - found.newest > QUIET:
        problems.append(
            (f"no row for {_span(now - found.newest)}", "check that the gateway still writes to this table")
        )
    if found.untimed:
        advice = "check time.unit of the mapping; these rows are in no period and no total"
        problems.append(
            (
                untimed_rows(found.untimed),
                advice,
            )
        )
    mapped = {name for name, _ in found.mapped}
    lacking = [name for name in _NEEDED if name not in mapped]
    if lacking:
        problems.append((f"no column for {', '.join(lacking)}", "map them with --mapping FILE"))
    if found.no_names:
        tables = ", ".join(found.no_names)
        advice = "grant SELECT on it, or name its database with names_url in the config file; ids are shown until then"
        problems.append((f"names cannot be read from {tables}", advice))
    return problems


def _damaged(settings: Resolved) -> list[tuple[str, str]]:
    """Kept files that do not hold what was written."""
    from cost_top.mirror.kept import damaged

    found = damaged(settings.cache) if settings.cache is not None else []
    if not found:
        return []
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [
        (f"kept files are damaged: {one_line(found[0], 200)}{more}",
         "they are not used and are read again from the log; remove them, and check the disk")
    ]  # fmt: skip


def _unpriced(settings: Resolved, found: Inspection) -> list[tuple[str, str]]:
    """Models of the last days that neither the gateway nor the rates price."""
    book = settings.load_book()
    counts = ((_unpriced_rows(item, book.entry(item.provider, item.model)), item) for item in found.models)
    lacking = [(rows, item) for rows, item in counts if rows]
    if not lacking:
        return []
    shown = ", ".join(
        f"{item.provider or '?'}/{item.model or '?'} ({rows:,})" for rows, item in lacking[:_SHOWN_MODELS]
    )
    more = f" and {len(lacking) - _SHOWN_MODELS} more" if len(lacking) > _SHOWN_MODELS else ""
    total = sum(rows for rows, _ in lacking)
    return [
        (
            f"{counted(total, 'request', whole=True)} of the last 7 days {'is' if total == 1 else 'are'} unpriced: "
            f"{shown}{more}",
            "give their prices with --overrides",
        )
    ]


def _unpriced_rows(item: ModelCount, entry: Entry | None) -> int:
    """Rows without a cost and a rate, and those at 0 that the user's own price does not stand in for."""
    periods = entry.timeline.periods[STANDARD] if entry is not None else ()
    settled = any(period.quote is not None and (period.quote.free or period.quote.override) for period in periods)
    return (item.without_cost if entry is None else 0) + (0 if settled else item.zeros)


def _ago(span: timedelta) -> str:
    return f"{_span(span)} ago" if span >= timedelta() else f"{_span(-span)} ahead"


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
