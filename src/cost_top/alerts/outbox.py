"""Events on their way: in the state file before they are sent, tried until they are taken or a day has gone."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from cost_top.alerts.event import Event, event_of
from cost_top.alerts.pinned import Outcome
from cost_top.alerts.receiver import Receiver

# Seconds after the attempt before, as Standard Webhooks recommends; given up a day after the first.
SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
GIVE_UP = timedelta(hours=24)
_THROTTLED = (429, 502, 503, 504)
_THROTTLED_SECONDS = 60.0
MOST_WAITING = 300
_MOST_DONE = 3000


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event for one receiver. `next` is when it is tried, `first` when it was tried first or put here."""

    event: Event
    receiver: str
    first: datetime
    next: datetime
    attempts: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "event": self.event.as_json(), "receiver": self.receiver, "first": self.first.isoformat(),
            "next": self.next.isoformat(), "attempts": self.attempts,
        }  # fmt: skip


class Outbox:
    """Any thread may use it. `save` is called, under the lock, whenever something changed; it must not return early."""

    def __init__(
        self, document: dict[str, Any], receivers: Iterable[Receiver], source: str, save: Callable[[], None],
        say: Callable[[str], None], now: datetime,
    ) -> None:  # fmt: skip
        """`document` is what `as_json` gave; `say` tells a person one line."""
        self.lock = threading.RLock()
        self._receivers = {one.name: one for one in receivers}
        self._source, self._save, self._say = source, save, say
        self._done: dict[str, None] = dict.fromkeys(map(str, document.get("done", [])))
        self._disabled: dict[str, str] = {
            name: str(where) for name, where in dict(document.get("disabled", {})).items()
        }
        self._paused: dict[str, datetime] = {}
        self._busy: set[tuple[str, str]] = set()
        self._waiting: list[Waiting] = []
        for each in document.get("outbox", []):
            self._take_back(each, now)

    def _take_back(self, document: Any, now: datetime) -> None:
        """What waited when the last run ended; what got too old while nobody watched is not sent any more."""
        try:
            one = Waiting(
                event_of(document["event"]), str(document["receiver"]), datetime.fromisoformat(document["first"]),
                datetime.fromisoformat(document["next"]), int(document["attempts"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return
        receiver = self._receivers.get(one.receiver)
        if receiver is None:
            return
        if now - one.next > receiver.table.max_event_age:
            self._say(f"{one.event.kind} for {one.receiver} is too old to be sent: {one.event.text}")
            return
        self._waiting.append(one)

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        return {
            "outbox": [one.as_json() for one in self._waiting],
            "done": list(self._done)[-_MOST_DONE:],
            "disabled": self._disabled,
        }

    def put(self, events: Iterable[Event], now: datetime) -> list[Event]:
        """Take events; those that are new, also where nobody wants them. On disk when this returns."""
        with self.lock:
            new = []
            for event in events:
                if event.id in self._done:
                    continue
                self._done[event.id] = None
                new.append(event)
                for receiver in self._receivers.values():
                    if self._wants(receiver, event, now):
                        self._waiting.append(Waiting(event, receiver.name, now, now))
            while len(self._done) > _MOST_DONE:
                del self._done[next(iter(self._done))]
            self._drop(len(self._waiting) - MOST_WAITING)
            self._save()
            return new

    def _drop(self, count: int) -> None:
        """Let go of the oldest, those first that were tried in vain: a dead receiver must not cost others theirs."""
        if count > 0:
            chosen = sorted(self._waiting, key=lambda one: (not one.attempts, one.event.time))[:count]
            dropped = {id(one) for one in chosen}
            self._waiting = [one for one in self._waiting if id(one) not in dropped]
            names = ", ".join(sorted({one.receiver for one in chosen}))
            self._say(f"{count} events for {names} are dropped: more than {MOST_WAITING} wait to be sent")

    def _wants(self, receiver: Receiver, event: Event, now: datetime) -> bool:
        if event.notify and receiver.name not in event.notify:
            return False
        if self._disabled.get(receiver.name) == receiver.shown:
            return False
        return receiver.table.wants(event.kind) and now - event.time <= receiver.table.max_event_age

    def next_due(self, receiver: str) -> datetime | None:
        """When something is to be tried for a receiver; None where nothing waits."""
        with self.lock:
            times = [one.next for one in self._waiting if one.receiver == receiver]
            if not times:
                return None
            return max(min(times), self._paused.get(receiver, min(times)))

    def deliver_due(self, receiver: str, now: Callable[[], datetime]) -> bool:
        """Try the next due event of a receiver, blocking; whether there was one."""
        with self.lock:
            moment = now()
            self._set_back(moment)
            due = self.next_due(receiver)
            if due is None or due > moment:
                return False
            mine = [one for one in self._waiting if one.receiver == receiver and one.next <= moment]
            one = min(mine, key=lambda each: (each.next, each.event.time))
        outcome = self._receivers[receiver].deliver(one.event, self._source, moment)
        with self.lock:
            self._note(one, outcome, now())
            self._save()
        return True

    def _set_back(self, now: datetime) -> None:
        """Where the clock was set back, what waits is as near as it was."""
        ahead = max((one.first for one in self._waiting), default=now) - now
        if ahead > timedelta(0):
            self._waiting = [replace(one, first=one.first - ahead, next=one.next - ahead) for one in self._waiting]
            self._paused = {name: until - ahead for name, until in self._paused.items()}

    def _note(self, one: Waiting, outcome: Outcome, now: datetime) -> None:
        tried = one.event.id, one.receiver
        self._waiting = [each for each in self._waiting if (each.event.id, each.receiver) != tried]
        receiver = self._receivers[one.receiver]
        if receiver.spacing:
            self._paused[one.receiver] = now + timedelta(seconds=receiver.spacing)
        if outcome.ok:
            return
        if outcome.gone:
            self._disabled[one.receiver] = receiver.shown
            self._waiting = [each for each in self._waiting if each.receiver != one.receiver]
            self._say(f"receiver {one.receiver} answered 410 and gets nothing more: cost-top watch --test enables it")
            return
        attempts = one.attempts + 1
        wait = SCHEDULE[min(attempts, len(SCHEDULE) - 1)] * random.uniform(1.0, 1.2)  # noqa: S311 - not a secret
        if outcome.status in _THROTTLED:
            wait = max(wait, outcome.retry_after if outcome.retry_after is not None else _THROTTLED_SECONDS)
            self._paused[one.receiver] = now + timedelta(seconds=min(wait, GIVE_UP.total_seconds() / 2))
        following = now + timedelta(seconds=wait)
        if following - one.first > GIVE_UP:
            self._say(f"receiver {one.receiver} {outcome.told}: given up after {attempts} attempts: {one.event.text}")
            return
        self._say(f"receiver {one.receiver} {outcome.told}; {one.event.kind} is tried again in {_span(wait)}")
        self._waiting.append(replace(one, next=following, attempts=attempts))

    def enable(self, receiver: str) -> None:
        """Forget that a receiver answered 410."""
        with self.lock:
            if self._disabled.pop(receiver, None) is not None:
                self._save()

    def waiting(self) -> list[Waiting]:
        """What is on its way."""
        with self.lock:
            return list(self._waiting)


def _span(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class Delivery:
    """A thread for each receiver, so that a slow one holds up no other."""

    def __init__(self, outbox: Outbox, receivers: Iterable[Receiver], now: Callable[[], datetime]) -> None:
        self._outbox, self._now = outbox, now
        self._wake = {one.name: threading.Event() for one in receivers}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name=f"receiver {name}", daemon=True)
            for name in self._wake
        ]

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def hurry(self) -> None:
        """Something new waits."""
        for event in self._wake.values():
            event.set()

    def close(self, seconds: float = 2.0) -> None:
        """End; an attempt under way is left: it is tried again at the next start, under the same id."""
        self._stopping.set()
        self.hurry()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)

    def drain(self, seconds: float) -> None:
        """Wait until everything that is due now was tried once."""
        deadline = self._now() + timedelta(seconds=seconds)
        while self._now() < deadline and any(one.attempts == 0 for one in self._outbox.waiting()):
            self.hurry()
            self._stopping.wait(0.05)

    def _run(self, receiver: str) -> None:
        wake = self._wake[receiver]
        while not self._stopping.is_set():
            wake.clear()
            if self._outbox.deliver_due(receiver, self._now):
                continue
            due = self._outbox.next_due(receiver)
            pause = 60.0 if due is None else max(0.05, min(60.0, (due - self._now()).total_seconds()))
            wake.wait(pause)
