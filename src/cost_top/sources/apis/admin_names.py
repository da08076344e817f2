"""Names of keys, projects and people that an admin API lists beside its reports: nice to have, never needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from cost_top.model.errors import SourceError

# A name that is not known yet is looked for again, but not with every question.
_PATIENCE = timedelta(minutes=10)


class Names:
    """Names by id of one dimension, read when first needed. A list that cannot be read leaves ids as they are."""

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read
        self._names: Mapping[str, str] = {}
        self._ids: dict[str, tuple[str, ...]] = {}
        self._tried: datetime | None = None
        self._missed = False

    def refresh(self, now: datetime) -> None:
        """Read the list unless that was done and names every id seen since; a failing list is no failure."""
        if self._tried is not None and (not self._missed or now - self._tried < _PATIENCE):
            return
        self._tried, self._missed = now, False
        try:
            self._names = self._read()
        except SourceError:
            return
        self._ids = {}
        for found, name in self._names.items():
            self._ids[name] = (*self._ids.get(name, ()), found)

    def name(self, found: str | None) -> str | None:
        """The name of an id; None where it has none that is known."""
        if found is None:
            return None
        name = self._names.get(found)
        self._missed = self._missed or name is None
        return name

    def ids(self) -> Mapping[str, tuple[str, ...]]:
        """The ids that go by a name."""
        return self._ids
