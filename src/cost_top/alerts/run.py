"""`cost-top watch`: looks after each poll of the source, until it is ended."""

from __future__ import annotations

import json
import threading
import time as clocks
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any

from cost_top.alerts.digest import digest, due_digests
from cost_top.alerts.event import Event
from cost_top.alerts.memory import Remembered, remembered
from cost_top.alerts.outbox import Delivery, Outbox
from cost_top.alerts.receiver import Receiver
from cost_top.alerts.watcher import IncidentFacts, Watcher, facts_of
from cost_top.model.answers import Hub
from cost_top.model.budgets import Budget, Standing
from cost_top.model.errors import CannotAnswer, SourceError, UserError, one_line
from cost_top.model.filter import Filter
from cost_top.model.snapshot import Live
from cost_top.monitor.budgets import Asked, ask
from cost_top.monitor.log.incidents import LiveIncidents
from cost_top.rules import Rules
from cost_top.state.state_file import StateFile

_SHORTEST = timedelta(seconds=5)  # between two looks
_FIRST_SECONDS = 120.0


@dataclass(slots=True)
class Setup:
    """What a watch works with. `tell` prints an event for a person or a program, `say` a line on stderr."""

    hub: Hub
    rules: Rules
    budgets: tuple[Budget, ...]
    receivers: tuple[Receiver, ...]
    zone: tzinfo
    state: StateFile | None  # None: nothing is remembered
    tell: Callable[[Event], None]
    say: Callable[[str], None]
    incidents: LiveIncidents | None = None
    where: Filter = field(default_factory=Filter)  # the requests that incidents are looked for in
    deliver: bool = True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    stopping: threading.Event = field(default_factory=threading.Event)


class Watch:
    """One run. `open` takes the state file's lock; `close` gives everything back."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._asked = Asked()
        self.standings: tuple[Standing, ...] = ()
        self.found: tuple[IncidentFacts, ...] = ()
        self._looked: datetime | None = None
        document = setup.state.open() if setup.state is not None else {}
        self._memory, document = self._remember(document)
        now = setup.now()
        receivers = setup.receivers if setup.deliver else ()
        self.outbox = Outbox(document, receivers, self._label, self._save, setup.say, now)
        self._delivery = Delivery(self.outbox, receivers, setup.now)
        repeats = {one.name: one.table.repeat for one in receivers if one.table.repeat is not None}
        self._watcher = Watcher(self._memory, self._label, setup.rules.watch.notify, repeats)

    @property
    def _label(self) -> str:
        return self._setup.hub.label

    def _remember(self, document: dict[str, Any]) -> tuple[Remembered, dict[str, Any]]:
        """What was said, and the document; both empty where it is not of our shape."""
        shape = {"outbox": list, "done": list, "disabled": dict}
        try:
            if all(isinstance(document.get(name, kind()), kind) for name, kind in shape.items()):
                return remembered(document), document
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        self._setup.say("the state file holds what is not ours; beginning anew")
        return Remembered(), {}

    def _save(self) -> None:
        if self._setup.state is None:
            return
        try:
            self._setup.state.save({"version": 1, **self._memory.as_json(), **self.outbox.as_json()})
        except OSError as error:
            # What cannot be remembered is not sent either: it would be sent again and again.
            raise UserError(f"state file {self._setup.state.path}: {error.strerror or one_line(error)}") from None

    def look(self) -> list[Event]:
        """One look; what is new is on disk, on its way, and told. Raises `SourceError`, having told that too."""
        setup, now = self._setup, self._setup.now()
        state = setup.hub.health().state
        failure: SourceError | None = None
        if isinstance(state, Live):
            try:
                self.standings = ask(setup.hub, setup.budgets, now, self._asked)
                self.found = self._incidents(now)
            except SourceError as error:
                failure = error
        live = isinstance(state, Live) and failure is None
        events = self._watcher.look(now, self.standings if live else (), self.found if live else (), state)
        if live:
            events += self._digests(now)
        new = self.outbox.put(events, now)
        for event in new:
            setup.tell(event)
        self._delivery.hurry()
        if failure is not None:
            raise failure
        return new

    def _incidents(self, now: datetime) -> tuple[IncidentFacts, ...]:
        setup = self._setup
        if setup.incidents is None:
            return ()
        try:
            return tuple(facts_of(one) for one in setup.incidents.found(setup.hub, now, setup.where))
        except CannotAnswer as error:
            setup.say(f"budgets only: {one_line(error)}")
            setup.incidents = None
            return ()

    def _digests(self, now: datetime) -> list[Event]:
        at = self._setup.rules.watch.digest
        if at is None:
            return []
        made: list[Event] = []
        for kind in due_digests(self._memory, time.fromisoformat(at), self._setup.zone, now):
            try:
                made.append(digest(kind, self._setup.hub, self.standings, self._setup.zone, now))
            except SourceError as error:
                del self._memory.digests[kind]  # it is tried again at the next look
                self._setup.say(one_line(error))
        return made

    def run(self) -> None:
        """Look after each poll until `stopping` is set."""
        self._delivery.start()
        seen, failed = None, ""
        while not self._setup.stopping.wait(0.5):
            state, now = self._setup.hub.health().state, self._setup.now()
            polled = state.polled_at if isinstance(state, Live) else None
            if self._looked is not None and timedelta(0) <= now - self._looked < _SHORTEST:
                continue
            if polled == seen and isinstance(state, Live):
                continue
            seen, self._looked = polled, now
            try:
                self.look()
                failed = ""
            except SourceError as error:
                if str(error) != failed:
                    failed = str(error)
                    self._setup.say(one_line(error))

    def once(self, seconds: float = 30.0) -> None:
        """One look, and one attempt at what is to be delivered."""
        self._delivery.start()
        deadline = clocks.monotonic() + _FIRST_SECONDS
        while not self._setup.hub.health().ready:
            if self._setup.stopping.wait(0.05):
                return
            if clocks.monotonic() > deadline:
                raise UserError("the source's history is not read in time; ask again")
        self.look()
        self._delivery.drain(seconds)

    @property
    def is_alarming(self) -> bool:
        """Whether an incident is open or a budget is over."""
        return any(one.closed is None for one in self.found) or any(one.reaches(100) for one in self.standings)

    def close(self) -> None:
        """Stop delivering and let go of the state."""
        self._delivery.close()
        if self._setup.state is not None:
            self._setup.state.close()


def event_line(event: Event) -> str:
    """An event as one line of JSON."""
    return json.dumps({"id": event.id, **event.body, "text": event.text}, ensure_ascii=False)
