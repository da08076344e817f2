"""`cost-top watch` without a replay: the source looked at after each poll, what is new told and delivered."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cost_top.cli.options import Resolved
from cost_top.cli.watch_state import state_path
from cost_top.model.errors import SourceError, UserError, named, one_line
from cost_top.model.filter import parse_filter
from cost_top.model.format import counted
from cost_top.rules import Rules

if TYPE_CHECKING:
    from cost_top.alerts.event import Event
    from cost_top.alerts.receiver import Receiver
    from cost_top.alerts.run import Watch
    from cost_top.config import Config
    from cost_top.insight.levels import Rules as IncidentRules
    from cost_top.model.answers import Hub
    from cost_top.state.state_file import StateFile

ALARMING = 3
_OPEN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What the command line says of a live watch."""

    once: bool = False
    state: Path | None = None
    deliver: bool = True
    form: str = "text"


def watch_live(
    settings: Resolved, config_file: Path | None, options: LiveOptions, of_incidents: IncidentRules, where: str
) -> int:
    """Watch until ended by a signal, or look once; the exit code."""
    from cost_top.alerts.run import Setup, Watch
    from cost_top.monitor.log.incidents import LiveIncidents
    from cost_top.state.state_file import StateFile

    rules = settings.config.rules or Rules()
    budgets = settings.budgets()
    receivers = open_receivers(settings.config) if options.deliver else ()
    path = options.state or state_path(settings, config_file)
    state = StateFile(path, named_by_user=options.state is not None)
    incidents = LiveIncidents(of_incidents, settings.zone)
    stopping = threading.Event()
    with OpenedHub(settings, stopping) as hub:
        setup = Setup(
            hub, rules, budgets, receivers, settings.zone, state, teller(options.form), say, incidents,
            parse_filter(where), options.deliver, stopping=stopping,
        )  # fmt: skip
        watch = Watch(setup)
        try:
            if options.once:
                watch.once()
                tell_standing(watch, options.form)
                return ALARMING if watch.is_alarming else 0
            end_on_signals(stopping)
            told = f"{counted(len(budgets), 'budget')}, {counted(len(receivers), 'receiver')}"
            say(f"{hub.label}: {told}, state in {path}")
            watch.run()
        except SourceError as error:
            raise UserError(named(hub.label, error)) from error
        finally:
            watch.close()
    return 0


def open_receivers(config: Config) -> tuple[Receiver, ...]:
    """All receivers of the config file with their secrets."""
    from cost_top.alerts.receiver import open_receiver, secret_variables

    tables, hidden = config.rules.receivers if config.rules is not None else (), secret_variables(config)
    return tuple(open_receiver(table, config.folder, hidden) for table in tables)


class OpenedHub:
    """The watched source between its start and its end; raises why it cannot be opened."""

    def __init__(self, settings: Resolved, stopping: threading.Event) -> None:
        self._hub: Hub = settings.open_hub()
        self._stopping = stopping
        self._failed: UserError | None = None

    def __enter__(self) -> Hub:
        self._hub.on_failure = self._fail
        self._hub.on_broken = lambda error: say(f"cost-top failed: {type(error).__name__}")
        self._hub.start()
        for _ in range(int(_OPEN_SECONDS / 0.02)):
            if self._hub.label or self._stopping.wait(0.02):
                break
        else:
            raise UserError("the source does not open; is it reachable from here?")
        if self._failed is not None:
            raise self._failed
        return self._hub

    def __exit__(self, *_: object) -> None:
        self._hub.close()
        if self._failed is not None and sys.exc_info()[0] is None:
            raise self._failed

    def _fail(self, error: UserError) -> None:
        self._failed = error
        self._stopping.set()


def end_on_signals(stopping: threading.Event) -> None:
    """SIGTERM and SIGINT end the watch in order."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())


def teller(form: str) -> Callable[[Event], None]:
    """Prints an event as it comes: a line for people, or one of JSON."""
    from cost_top.alerts.run import event_line

    def tell(event: Event) -> None:
        if form == "text":
            click.echo(f"{event.time:%Y-%m-%d %H:%M:%SZ}  {event.kind}  {event.text}")
        elif form == "jsonl":
            click.echo(event_line(event))
        sys.stdout.flush()

    return tell


def tell_standing(watch: Watch, form: str) -> None:
    """How things stand after one look."""
    from cost_top.model.budget_json import standing_fields
    from cost_top.model.budget_line import budget_line

    if form == "json":
        document = {
            "incidents": [one.document for one in watch.found if one.closed is None],
            "budgets": [standing_fields(one) for one in watch.standings],
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    elif form == "text":
        now = datetime.now(UTC)
        for incident in watch.found:
            if incident.closed is None:
                click.echo(one_line(f"open: {incident.kind}  {incident.sentence}", 500))
        for standing in watch.standings:
            click.echo(budget_line(standing, now))


def try_receiver(settings: Resolved, config_file: Path | None, name: str, state: Path | None) -> int:
    """Send a test to one receiver now, and say what came of it."""
    from cost_top.alerts.event import Event, event_id
    from cost_top.alerts.receiver import open_receiver, secret_variables
    from cost_top.state.state_file import StateFile

    rules = settings.config.rules or Rules()
    table = next((one for one in rules.receivers if one.name == name), None)
    if table is None:
        known = ", ".join(one.name for one in rules.receivers) or "none"
        raise UserError(f"--test {one_line(name, 64)!r}: no such receiver in the config file (there: {known})")
    receiver = open_receiver(table, settings.config.folder, secret_variables(settings.config))
    now = datetime.now(UTC)
    identity = event_id("receiver.test", name, now.timestamp())
    event = Event(identity, "receiver.test", now, "receiver", f"a test of cost-top for {name}", {"receiver": name})
    outcome = receiver.deliver(event, "cost-top", now)
    if not outcome.ok:
        raise UserError(f"receiver {name} ({receiver.shown}) {outcome.told}")
    named_by_user = state is not None
    enable(StateFile(state or state_path(settings, config_file), named_by_user=named_by_user), receiver)
    click.echo(f"receiver {name} ({receiver.shown}) took it")
    return 0


def enable(file: StateFile, receiver: Receiver) -> None:
    """It takes events again, should it have answered 410 before."""
    if not file.path.exists():
        return
    try:
        document = file.open()
    except UserError:
        say("a watch is running: start it anew if it had given this receiver up")
        return
    try:
        if receiver.name in document.get("disabled", {}):
            del document["disabled"][receiver.name]
            file.save(document)
    finally:
        file.close()


def say(line: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"cost-top watch: {line}\n")
    sys.stderr.flush()
