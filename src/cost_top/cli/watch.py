"""`cost-top watch`: incidents in a log. A replay runs the rules over history at simulated time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cost_top.cli.options import Resolved, resolve, source_options
from cost_top.cli.question_options import filter_option
from cost_top.model.collector import uncollected
from cost_top.model.errors import SourceError, UserError, one_line
from cost_top.model.features import BUCKET_SECONDS, WATCHABLE
from cost_top.model.filter import parse_filter
from cost_top.model.one_source import settled
from cost_top.model.windows import Period, parse_instant

if TYPE_CHECKING:
    from cost_top.insight.levels import Rules
    from cost_top.model.expected import Expected

F = TypeVar("F", bound=Callable[..., Any])
_STEP = re.compile(r"(\d{1,4})\s*(m|h)")


def watch_options(function: F) -> F:
    """The options of the command, in one place."""
    decorators = (
        source_options,
        click.option("--replay", metavar="TIME", help="Run over history from there on, at simulated time."),
        click.option("--until", metavar="TIME", help="End of a replay (default: the newest request)."),
        click.option("--step", metavar="SPAN", help="How often a replay looks (default 5m)."),
        click.option("--sensitivity", type=click.Choice(["low", "normal", "high"]),
                     help="How little it takes to alarm (default: the config's, else normal)."),
        click.option("--dimensions", metavar="DIM[,DIM]",
                     help=f"What is watched beside the total: {','.join(WATCHABLE)}."),
        click.option("--errors", is_flag=True, help="Also say when requests begin to fail."),
        filter_option("Only these requests, as if there were no others."),
        click.option("--format", "form", type=click.Choice(["text", "json", "jsonl"]), default="text",
                     show_default=True),
        click.option("--once", is_flag=True, help="Look once; exit with 3 when an incident is open or a budget over."),
        click.option("--state", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                     help="What outlives a run (default: one for each source and config)."),
        click.option("--no-deliver", is_flag=True, help="Print what is new, and send nothing."),
        click.option("--test", "receiver", metavar="RECEIVER", help="Send a test to one receiver, and end."),
    )  # fmt: skip
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


@click.command("watch")
@watch_options
def command(
    source: str | None, mapping: Path | None, overrides: Path | None, tz: str | None, no_cache: bool,
    config_file: Path | None, replay: str | None, until: str | None, step: str | None, sensitivity: str | None,
    dimensions: str | None, errors: bool, where: str, form: str, once: bool, state: Path | None, no_deliver: bool,
    receiver: str | None,
) -> int:  # fmt: skip
    """Watch without a screen: incidents and budgets, told to the receivers of the config file.

    Incidents are spikes, dearer tokens, loops, rows logged twice and silence. --replay runs the rules over history.

    \b
    Examples:
      cost-top watch prod
      cost-top watch prod --once || page-somebody
      cost-top watch gateway.db --replay 2026-09-01 --until 2026-10-01
      cost-top watch prod --replay 30d --sensitivity high --format json
    """
    settings = resolve(source, mapping, overrides, tz, no_cache, config_file)
    from cost_top.cli.watch_live import LiveOptions, try_receiver, watch_live

    if receiver is not None:
        return try_receiver(settings, config_file, receiver, state)
    rules = chosen_rules(settings, sensitivity, dimensions, errors)
    if replay is None:
        if until is not None or step is not None:
            option = "--step" if until is None else "--until"
            raise UserError(f"{option} goes with --replay; a live watch has no end and looks at each poll")
        return watch_live(settings, config_file, LiveOptions(once, state, not no_deliver, form), rules, where)
    if once or state is not None:
        raise UserError("--once and --state are of a live watch; a replay keeps nothing")
    document = replayed(settings, rules, replay, until, step_seconds(step or "5m"), where)
    if form == "json":
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    elif form == "jsonl":
        for incident in document["incidents"]:
            click.echo(json.dumps(incident, ensure_ascii=False))
    else:
        click.echo(replay_text(document), nl=False)
    return 0


def replayed(settings: Resolved, rules: Rules, replay: str, until: str | None, step: int, where: str) -> dict[str, Any]:
    """What the rules say of a stretch of history, as JSON has it."""
    from cost_top.insight.engine import run
    from cost_top.insight.replay import incidents_json, instant
    from cost_top.monitor.log.features import log_bounds, read_features

    now = datetime.now(UTC)
    asked = int(parse_instant(replay, now, settings.zone, "--replay").timestamp())
    start = datetime.fromtimestamp(asked - asked % BUCKET_SECONDS, UTC)  # where a live watch looks
    condition = parse_filter(where)
    if settings.no_mirror:
        raise UserError("--replay reads every request of its period into the cache: leave out --no-mirror")
    log = settings.open_source()
    condition = settled(condition, settings.name or log.label)
    try:
        if until is not None:
            end = parse_instant(until, now, settings.zone, "--until")
        else:
            bounds = log_bounds(log)
            end = bounds[1] + timedelta(seconds=step) if bounds else start
        if until is not None and start >= end:
            raise UserError(f"--replay {one_line(replay, 40)} is not before --until {one_line(until, 40)}")
        steps = max(0, int((end - start).total_seconds()) // step)
        last = start + timedelta(seconds=steps * step)
        features, begin = read_features(
            log, settings.load_book(), settings.cache, Period(start, last), condition, rules.dimensions
        )
    except SourceError as error:
        raise UserError(f"{log.label}: {one_line(error)}") from error
    with uncollected():
        engine = run(features, rules, settings.zone, begin, step // BUCKET_SECONDS)
    return {
        "source": log.label,
        "since": instant(start),
        "until": instant(end if until is not None else last),
        "step_seconds": step,
        "sensitivity": rules.sensitivity,
        "incidents": incidents_json(engine, features),
        "budgets": replayed_budgets(settings, start, last, timedelta(seconds=step)),
    }


def replayed_budgets(settings: Resolved, start: datetime, end: datetime, step: timedelta) -> list[dict[str, Any]]:
    """When the config's budgets would have said something, in order."""
    from cost_top.insight.budget_replay import replay_alarms, replay_query
    from cost_top.insight.replay import instant

    found: list[dict[str, Any]] = []
    budgets = settings.budgets()
    answers = settings.open_answers() if budgets and end > start else None
    for budget in budgets if answers is not None else ():
        assert answers is not None
        report = answers.report(replay_query(budget, start, end))
        for alarm in replay_alarms(budget, report, start, end, step):
            of_value = {} if budget.each is None else {"each": budget.each, "value": alarm.standing.value}
            at = instant(alarm.at)
            found.append({"name": budget.name, "threshold": alarm.threshold, "at": at, "kind": alarm.kind, **of_value})
    return sorted(found, key=lambda one: str(one["at"]))


def chosen_rules(settings: Resolved, sensitivity: str | None, dimensions: str | None, errors: bool) -> Rules:
    """The config's rules, with what the command line says instead."""
    from cost_top.insight.levels import Rules

    said = settings.config.rules
    table = said.watch if said is not None else None
    names = tuple(table.dimensions) if table is not None else Rules().dimensions
    if dimensions is not None:
        names = tuple(dict.fromkeys(name.strip().lower() for name in dimensions.split(",") if name.strip()))
        unknown = [name for name in names if name not in WATCHABLE]
        if unknown or not names:
            raise UserError(f"--dimensions {one_line(dimensions, 60)!r}: choose from {', '.join(WATCHABLE)}")
    if table is None:
        return Rules(sensitivity=sensitivity or "normal", dimensions=names, errors=errors)
    return Rules(
        sensitivity=sensitivity or table.sensitivity,
        dimensions=names,
        min_excess=table.min_excess,
        quiet=table.quiet,
        off=frozenset(name for name, is_off in table.off.items() if is_off),
        errors=errors or table.errors,
        expected=expected_of(settings),
    )


def expected_of(settings: Resolved) -> tuple[Expected, ...]:
    """`[[expected]]` of the config file."""
    from cost_top.model.expected import Expected

    tables = settings.config.rules.expected if settings.config.rules is not None else ()
    return tuple(Expected(one.name, one.from_, one.until, float(one.factor), one.slices) for one in tables)


def step_seconds(text: str) -> int:
    """`--step` in seconds: a multiple of five minutes, at most an hour.

    >>> step_seconds("15m"), step_seconds("1h")
    (900, 3600)
    """
    found = _STEP.fullmatch(text.strip())
    seconds = int(found[1]) * (60 if found[2] == "m" else 3600) if found else 0
    if seconds <= 0 or seconds % BUCKET_SECONDS or seconds > 3600:
        raise UserError(f"--step {one_line(text, 20)!r}: write 5m, 10m, … up to 1h, in steps of five minutes")
    return seconds


def replay_text(document: dict[str, Any]) -> str:
    """A line for each incident, and how many there were."""
    lines = []
    for incident in document["incidents"]:
        state = f"closed {incident['closed']}" if incident["closed"] else "still open"
        lines.append(f"{incident['opened']}  {incident['kind']:7}  {incident['sentence']}  ({state})\n")
    count = len(document["incidents"])
    lines.append(
        f"{count} incident{'' if count == 1 else 's'} from {document['since']} until {document['until']}, "
        f"sensitivity {document['sensitivity']}\n"
    )
    return "".join(lines)
