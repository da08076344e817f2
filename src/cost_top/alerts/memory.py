"""What was said already, in the state file: of budgets, of incidents, of a source that does not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cost_top.insight.budget_alarms import Memory, Said

# Periods that ended longer ago are forgotten.
_KEPT = timedelta(days=62)
_MOST_SAID = 20_000
_MOST_INCIDENTS = 500


@dataclass(slots=True)
class Announced:
    """An incident that was told of. `excess` in pico-dollars, at its opening."""

    kind: str
    dimension: str
    value: str | None
    opened: datetime
    excess: int
    told: bool  # False: it was over or old when it was first seen, and nobody was told
    grown: bool = False
    closed: datetime | None = None
    repeated: dict[str, int] = field(default_factory=dict)  # receiver -> how often it was told again


@dataclass(slots=True)
class Remembered:
    """All of it."""

    said: Memory = field(default_factory=dict)
    incidents: dict[str, Announced] = field(default_factory=dict)
    stale_since: datetime | None = None  # told of
    digests: dict[str, str] = field(default_factory=dict)  # kind -> the day it was last made for

    def forget(self, now: datetime) -> None:
        """Drop what is long over."""
        forever = datetime.min.replace(tzinfo=UTC)
        self.said = {key: one for key, one in self.said.items() if key[2] == forever or now - key[2] < _KEPT}
        self.said = dict(list(self.said.items())[-_MOST_SAID:])
        self.incidents = {
            key: one for key, one in self.incidents.items() if one.closed is None or now - one.closed < _KEPT
        }
        self.incidents = dict(list(self.incidents.items())[-_MOST_INCIDENTS:])

    def as_json(self) -> dict[str, Any]:
        """For the state file."""
        said: dict[tuple[str, str, int], list[Any]] = {}
        for (identity, value, start), one in self.said.items():
            part = [value, list(one.actual), list(one.forecast), one.burning]
            said.setdefault((identity, start.isoformat(), one.limit), []).append(part)
        return {
            "said": [[*key, parts] for key, parts in said.items()],
            "incidents": {
                key: [one.kind, one.dimension, one.value, one.opened.isoformat(), one.excess, one.told, one.grown,
                      one.closed.isoformat() if one.closed else None, one.repeated]
                for key, one in self.incidents.items()
            },
            "stale_since": self.stale_since.isoformat() if self.stale_since else None,
            "digests": self.digests,
        }  # fmt: skip


def remembered(document: dict[str, Any]) -> Remembered:
    """What `as_json` gave; `ValueError`, `TypeError` or `KeyError` for anything else."""
    said: Memory = {}
    for identity, start, limit, parts in document.get("said", []):
        for value, actual, forecast, burning in parts:
            key = (str(identity), value, datetime.fromisoformat(start))
            said[key] = Said(int(limit), tuple(map(int, actual)), tuple(map(int, forecast)), bool(burning))
    incidents = {}
    for key, one in document.get("incidents", {}).items():
        kind, dimension, value, opened, excess, told, grown, closed, repeated = one
        incidents[key] = Announced(
            kind, dimension, value, datetime.fromisoformat(opened), int(excess), bool(told), bool(grown),
            datetime.fromisoformat(closed) if closed else None, {str(name): int(n) for name, n in repeated.items()},
        )  # fmt: skip
    stale = document.get("stale_since")
    digests = {str(key): str(day) for key, day in document.get("digests", {}).items()}
    return Remembered(said, incidents, datetime.fromisoformat(stale) if stale else None, digests)
