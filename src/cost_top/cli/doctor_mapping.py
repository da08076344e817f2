"""`cost-top doctor` on mappings: one proposed and written, one checked, and LiteLLM's log against its rollups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.options import Resolved
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.notes import untimed_rows
from cost_top.model.text import clean
from cost_top.sources.locate import DATABASE, FILES, Place
from cost_top.sources.sql.log import SqlLog

if TYPE_CHECKING:
    from cost_top.gateways.propose import Proposal

_SHOWN = 20


def write_mapping(settings: Resolved, target: Path) -> None:
    """Propose a mapping for the likeliest table and write it; an existing file is left alone."""
    from cost_top.gateways.loader import parse_preset
    from cost_top.gateways.propose import as_toml

    place = settings.known_place()
    if place.kind not in (DATABASE, FILES):
        raise UserError("--write-mapping is for databases and files: give a database URL, a SQLite file or files")
    if target.exists():
        raise UserError(f"{one_line(target, 200)}: exists already; give another name")
    proposal = _proposal(place)
    text = as_toml(proposal, proposal.table)
    parse_preset(text, str(target))
    try:
        target.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{one_line(target, 200)}: {error.strerror}; give a file that can be written") from None
    click.echo(f"table        {clean(proposal.table)}")
    for guess in proposal.guesses:
        click.echo(f"{guess.field:<28} {clean(guess.place):<28} {guess.certainty}: {guess.reason}")
    click.echo(f"\nwritten to {one_line(target, 200)}; check it: cost-top doctor SOURCE --check-mapping --mapping FILE")


def _proposal(place: Place) -> Proposal:
    if place.kind == FILES:
        from cost_top.sources.files.proposal import best_proposal as of_files

        return of_files(place.url)
    from cost_top.sources.sql.proposal import best_proposal

    return best_proposal(place.url)


def check_mapping(settings: Resolved) -> int:
    """Say what fell out of a mapping; how many things did."""
    from cost_top.sources.sql.check import check_mapping as check

    log = _log(settings, "--check-mapping")
    try:
        found = check(log)
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from None
    click.echo(f"{found.rows:,} of the newest rows read")
    problems = 0
    if found.left_out:
        click.echo(f"{found.left_out:,} of the newest rows are left out by the filter")
    if found.untimed:
        problems += 1
        click.echo(f"problem: {untimed_rows(found.untimed)}\n  -> check time.unit")
    for item in found.fields:
        share = f"known in {item.known:,}"
        if not item.unread:
            click.echo(f"{item.field:<28} {share}")
            continue
        problems += 1
        click.echo(f"{item.field:<28} {share}; problem: {item.unread:,} hold what is none, such as {item.example!r}")
    if found.rows == 0:
        problems += 1
        click.echo("problem: no row at all\n  -> check table, time and filter")
    return problems


def show_drift(settings: Resolved) -> int:
    """Say where LiteLLM's log and its rollups differ; how many times they do."""
    from cost_top.sources.sql.drift import drifts

    log = _log(settings, "--drift")
    try:
        rollup, found = drifts(log)
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from None
    if not found:
        click.echo(f"the log and {rollup} agree on every day and model of the last 30 days")
        return 0
    missing = sum(item.missing_usd for item in found)
    click.echo(f"the log and {rollup} differ on {len(found):,} days and models by ${missing:.6f} that the log lacks")
    for item in found[:_SHOWN]:
        click.echo(
            f"{item.day}  {item.model or '(no model)'}: log ${item.log_usd:.6f}, {item.log_requests:,} requests; "
            f"rollup ${item.rollup_usd:.6f}, {item.rollup_requests:,} requests\n  -> {item.cause}"
        )
    if len(found) > _SHOWN:
        click.echo(f"and {len(found) - _SHOWN:,} more")
    return len(found)


def _log(settings: Resolved, option: str) -> SqlLog:
    log = settings.open_source()
    if not isinstance(log, SqlLog):
        raise UserError(f"{log.label}: {option} is for logs in databases")
    return log
