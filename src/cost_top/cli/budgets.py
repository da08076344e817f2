"""`cost-top budgets`: how each budget stands."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.options import resolve, source_options
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.windows import parse_instant

if TYPE_CHECKING:
    from datetime import tzinfo

    from cost_top.cli.options import Resolved
    from cost_top.model.budgets import Budget, KeptBudget, KeptBudgets, Standing
    from cost_top.sources.base import LogSource
    from cost_top.sources.report_api import ReportApi

# Exit code of the money condition.
OVER = 3
_KEPT_SECONDS = 60.0


@click.command("budgets")
@source_options
@click.option("--name", metavar="NAME", help="Only the budget of that name.")
@click.option(
    "--at", default="now", show_default=True, metavar="TIME", help="As of then: 7d, 2026-11-01 or an ISO time."
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--fail-over", type=click.IntRange(min=0), metavar="PERCENT",
              help="Exit with 3 when more than that of any budget shown is used.")  # fmt: skip
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, name: str | None, at: str, form: str, fail_over: int | None,
) -> int:  # fmt: skip
    """How much of each budget of the config file is used, what is left, and when it will be used up.

    Exit code 3 says that a budget is over --fail-over, or cannot be told.

    \b
    Examples:
      cost-top budgets prod
      cost-top budgets prod --name acme-month --format json
      cost-top budgets prod --fail-over 100 || stop-the-batch
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    now = parse_instant(at, datetime.now(UTC), settings.zone, "--at")
    from cost_top.model.budgets import KeptBudgets

    told = kept_by_the_gateway(settings) if name is None and at == "now" else KeptBudgets()
    budgets, kept = chosen(settings.budgets(), name, told), told.found

    from cost_top.monitor.budgets import ask_once

    answers = settings.open_answers()
    try:
        standings = ask_once(answers, budgets, now) if budgets else ()
    except SourceError as error:
        raise UserError(named(answers.label, error)) from error
    finally:
        answers.close()
    text = document(standings, kept) if form == "json" else lines(standings, now) + kept_lines(kept, settings.zone, now)
    click.echo(text or "nothing was spent on these budgets\n", nl=False)
    for reason in told.missing:
        click.echo(f"cost-top: {reason}", err=True)
    amounts = [(one.spent, one.budget.limit) for one in standings] + [(one.spent, one.limit) for one in kept]
    failed = bool(told.missing) or any(over(*amount, fail_over or 0) for amount in amounts)
    return OVER if fail_over is not None and failed else 0


def kept_by_the_gateway(settings: Resolved) -> KeptBudgets:
    """The budgets that the gateway keeps itself, where they are beside the log. What fails is told, not raised."""
    from cost_top.model.budgets import KeptBudgets

    try:
        if settings.is_log:
            told = _beside(settings.open_source())
        elif settings.known_place().is_report_api:
            told = _told(settings.open_api())
        else:
            return KeptBudgets()
    except (SourceError, UserError) as error:
        return KeptBudgets(missing=(f"budgets that the gateway keeps are not known: {one_line(error)}",))
    found = sorted(told.found, key=lambda one: (one.of, -(one.spent or 0) / max(1, one.limit), one.value))
    return KeptBudgets(tuple(found), told.missing)


def _beside(source: LogSource) -> KeptBudgets:
    from cost_top.model.budgets import KeptBudgets
    from cost_top.sources.base import KeepsBudgets

    with source.connect() as reader:
        return reader.kept_budgets() if isinstance(reader, KeepsBudgets) else KeptBudgets()


def _told(api: ReportApi) -> KeptBudgets:
    from cost_top.model.budgets import KeptBudgets
    from cost_top.sources.base import KeepsBudgets

    try:
        if not isinstance(api, KeepsBudgets):
            return KeptBudgets()
        api.open()
        return api.kept_budgets()
    finally:
        api.close()


class KeptForAWhile:
    """The same for a server that is asked again and again: read once a minute."""

    def __init__(self, settings: Resolved) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._told: tuple[float, KeptBudgets] | None = None

    def __call__(self) -> KeptBudgets:
        """Those of the last minute."""
        with self._lock:
            if self._told is None or time.monotonic() - self._told[0] >= _KEPT_SECONDS:
                self._told = time.monotonic(), kept_by_the_gateway(self._settings)
            return self._told[1]


def chosen(budgets: tuple[Budget, ...], name: str | None, kept: KeptBudgets) -> tuple[Budget, ...]:
    """The config's budgets, or the one of that name."""
    if not budgets and not kept.found:
        if kept.missing:
            raise UserError(kept.missing[0])
        raise UserError('no budgets: the config file has no [[budgets]] with a name, a limit = "200" and a period')
    if name is None:
        return budgets
    found = tuple(budget for budget in budgets if budget.name == name)
    if not found:
        known = ", ".join(budget.name for budget in budgets)
        raise UserError(f"--name {one_line(name, 64)!r}: no such budget (there: {known})")
    return found


def over(spent: int | None, limit: int, per_cent: int) -> bool:
    """Whether more than that is used; what cannot be told is not known to be within it."""
    return spent is None or spent * 100 > limit * per_cent


def lines(standings: tuple[Standing, ...], now: datetime) -> str:
    """A line for each, the names padded."""
    from cost_top.model.budget_line import standing_text
    from cost_top.model.format import cells, pad

    shown = [(one_line(standing.title, 80), standing) for standing in standings]
    width = max((cells(title) for title, _ in shown), default=0)
    text = "".join(
        f"{pad(title, width)}  {standing_text(standing, now)}{_mode(standing)}\n" for title, standing in shown
    )
    if any(standing.budget.is_hard for _, standing in shown):
        text += "hard: the guard of cost-top serve refuses what is over it, where a gateway asks it\n"
    return text


def _mode(standing: Standing) -> str:
    return " · hard" if standing.budget.is_hard else ""


def kept_lines(kept: tuple[KeptBudget, ...], zone: tzinfo, now: datetime) -> str:
    """A line for each budget of the gateway's own, as the gateway counts it."""
    from cost_top.model.budget_line import kept_text

    return "".join(f"{kept_text(one, zone, now)}\n" for one in kept)


def document(standings: tuple[Standing, ...], kept: tuple[KeptBudget, ...]) -> str:
    """The standings as JSON, those that the gateway keeps after them."""
    from cost_top.model.budget_json import kept_fields, standing_fields

    told = [*map(standing_fields, standings), *map(kept_fields, kept)]
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"
