"""Which hours of the hot end an earlier run kept, and which this one keeps for the next."""

from __future__ import annotations

from datetime import datetime

from cost_top.mirror.kept_hours import KeptHours, forget_hours, keep_hours, kept_hours
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail


class Hours:
    """Used by the thread of the history."""

    def __init__(self, mirror: Mirror, tail: Tail) -> None:
        """Looks for nothing yet."""
        self._mirror = mirror
        self._tail = tail
        self._found: KeptHours | None = None  # of an earlier run, until they are taken over
        self._until: datetime | None = None  # where those end that are kept of this one

    def find(self, start: datetime) -> None:
        """Look for what is kept of the hot end from `start` (naive UTC) on."""
        self._found = kept_hours(self._mirror, start)

    def until(self) -> datetime:
        """The instant (naive UTC) before which nothing needs to be read, as far as is known."""
        return self._found.until if self._found is not None else datetime.min

    def take(self) -> bool:
        """Fill the hot end before what is read of it with what is kept, if that reaches so far and the log says so."""
        found = self._found
        if found is None or found.until < self._mirror.hot_start:
            return False
        self._found = None
        if self._tail.take_kept(found):
            self._until, self._mirror.changed_from = found.until, None
            return True
        return False

    def keep(self, now: datetime, is_idle: bool) -> None:
        """Keep the hours that the overlap has passed, where there is time; remove them once one of them changes."""
        changed, self._mirror.changed_from = self._mirror.changed_from, None
        if self._until is not None and changed is not None and changed < self._until:
            forget_hours(self._mirror)
        until = self._tail.settled(now)
        if until is None or until == self._until or not is_idle:
            return
        self._until = until
        if until > self._mirror.hot_start:
            keep_hours(self._mirror, until)
