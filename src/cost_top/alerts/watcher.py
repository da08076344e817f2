"""One look at everything: what is new becomes events, each told once, remembered before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.alerts.budget_events import events_of_alarms
from cost_top.alerts.event import Event, event_id, line
from cost_top.alerts.memory import Announced, Remembered
from cost_top.insight.budget_alarms import alarms_of_all
from cost_top.model.budget_json import instant
from cost_top.model.budgets import Standing
from cost_top.model.money import pico
from cost_top.model.snapshot import Live, Stale

# A source may be away for a moment; after so long it is news.
STALE_AFTER = timedelta(minutes=5)
_OLD = timedelta(hours=6)
_GROWN = 10


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """An incident as it stands. `document` is its JSON, `sentence` one line; `excess` in pico-dollars."""

    id: str
    kind: str
    dimension: str
    value: str | None
    opened: datetime
    closed: datetime | None
    excess: int
    document: dict[str, Any]
    sentence: str


class Watcher:
    """Turns looks into events. No I/O and no clock of its own."""

    def __init__(
        self, memory: Remembered, source: str, notify: tuple[str, ...] = (),
        repeats: Mapping[str, timedelta] | None = None,
    ) -> None:  # fmt: skip
        """`notify` are the receivers of incidents; none: all that want them. `repeats`: who is told again, and when."""
        self.memory = memory
        self._source, self._notify, self._repeats = source, notify, repeats or {}

    def look(
        self, now: datetime, standings: Iterable[Standing] = (), incidents: Iterable[IncidentFacts] = (),
        state: Live | Stale | None = None,
    ) -> list[Event]:  # fmt: skip
        """What is to be told now."""
        events = self._of_source(state, now)
        events += events_of_alarms(alarms_of_all(standings, self.memory.said, now), self._source)
        found = list(incidents)
        silent = any(one.kind == "silence" and one.dimension == "total" and one.closed is None for one in found)
        for one in found:
            if silent and one.kind == "silence" and one.dimension != "total" and one.id not in self.memory.incidents:
                continue  # the whole log is silent: that is one event
            events += self._of_incident(one, now)
        self.memory.forget(now)
        return events

    def _of_source(self, state: Live | Stale | None, now: datetime) -> list[Event]:
        told = self.memory.stale_since
        if isinstance(state, Stale) and told is None and now - state.since >= STALE_AFTER:
            self.memory.stale_since = state.since
            data = {"since": instant(state.since), "error": state.error, "source": self._source}
            since = state.since.astimezone(UTC)
            error = state.error.removeprefix(f"{self._source}: ")
            text = line(f"{self._source} does not answer since {since:%Y-%m-%d %H:%MZ}: {error}")
            identity = event_id("source.stale", self._source, state.since)
            return [Event(identity, "source.stale", now, "source", text, data)]
        if isinstance(state, Live) and told is not None:
            self.memory.stale_since = None
            data = {"since": instant(told), "source": self._source}
            text = line(f"{self._source} answers again")
            return [
                Event(event_id("source.recovered", self._source, told), "source.recovered", now, "source", text, data)
            ]
        return []

    def _of_incident(self, one: IncidentFacts, now: datetime) -> list[Event]:
        key = self._known(one)
        if key is None:
            return self._opened(one, now)
        known = self.memory.incidents[key]
        if known.closed is not None:
            return []
        events = []
        if known.told and not known.grown and known.excess > 0 and one.excess >= _GROWN * known.excess:
            known.grown = True
            events.append(self._event("incident.grown", key, one, now, f"grown tenfold: {one.sentence}"))
        if one.closed is not None:
            known.closed = one.closed
            if known.told:
                events.append(self._event("incident.closed", key, one, one.closed, f"over: {one.sentence}"))
        elif known.told:
            events += self._repeated(key, one, known, now)
        return events

    def _repeated(self, key: str, one: IncidentFacts, known: Announced, now: datetime) -> list[Event]:
        """What is still open, told again to those who asked for that."""
        events = []
        for receiver, every in self._repeats.items():
            times = (now - known.opened) // every
            if times > known.repeated.get(receiver, 0):
                known.repeated[receiver] = times
                event = self._event("incident.opened", key, one, now, f"still open: {one.sentence}")
                identity = event_id("incident.opened", self._source, key, receiver, times)
                events.append(replace(event, id=identity, notify=(receiver,)))
        return events

    def _opened(self, one: IncidentFacts, now: datetime) -> list[Event]:
        """New; one that was over or old when it was first seen is remembered and not told."""
        told = one.closed is None and now - one.opened <= _OLD
        self.memory.incidents[one.id] = Announced(
            one.kind, one.dimension, one.value, one.opened, one.excess, told, closed=one.closed
        )
        return [self._event("incident.opened", one.id, one, one.opened, one.sentence)] if told else []

    def _known(self, one: IncidentFacts) -> str | None:
        """The id it was told under: its own, or that of one of its kind and slice that is open."""
        if one.id in self.memory.incidents:
            return one.id
        for key, known in self.memory.incidents.items():
            same = (known.kind, known.dimension, known.value) == (one.kind, one.dimension, one.value)
            if same and known.closed is None:
                return key
        return None

    def _event(self, kind: str, key: str, one: IncidentFacts, at: datetime, text: str) -> Event:
        data = {**one.document, "id": key, "source": self._source}
        return Event(event_id(kind, self._source, key), kind, at, f"incident/{key}", line(text), data, self._notify)


def facts_of(document: dict[str, Any]) -> IncidentFacts:
    """An incident's JSON with what decides about its events."""
    closed, value = document["closed"], document["value"]
    return IncidentFacts(
        document["id"], document["kind"], document["dimension"], value, datetime.fromisoformat(document["opened"]),
        None if closed is None else datetime.fromisoformat(closed), pico(document["excess_usd"]), document,
        document["sentence"],
    )  # fmt: skip
