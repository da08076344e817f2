"""How alarms are scored: found, dollars burnt before, false ones and side notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from cost_top.bench.incidents import HOUR, Label
from cost_top.bench.log import Log

WEEK = 168 * HOUR
_LEARNING = 72 * HOUR
_AFTER = 6 * HOUR


class Alarm(NamedTuple):
    """An alarm of any rule: when (Unix milliseconds), of which kind, on which slice; `value` None for the total."""

    opened: int
    kind: str
    dimension: str
    value: str | None


@dataclass(slots=True)
class Score:
    """Sums over logs. Amounts in mean hours of each shop, so that a large one does not hide a small one."""

    labels: int = 0
    found: int = 0
    burnt: float = 0.0
    excess: float = 0.0
    false: int = 0
    side: int = 0
    weeks: float = 0.0
    delays: list[float] = field(default_factory=list)  # hours
    classes: dict[str, list[float]] = field(default_factory=dict)  # labels, found, burnt, excess

    def add(self, other: Score) -> None:
        """Take in another log."""
        for name in ("labels", "found", "burnt", "excess", "false", "side", "weeks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays += other.delays
        for name, values in other.classes.items():
            mine = self.classes.setdefault(name, [0.0] * 4)
            self.classes[name] = [one + more for one, more in zip(mine, values, strict=True)]

    def row(self) -> dict[str, float | int | None]:
        """The figures of the table; shares of one, hours, and counts a week."""
        return {
            "incidents": self.labels,
            "found": self.found,
            "burnt": round(self.burnt / self.excess, 4) if self.excess else None,
            "median_hours": round(median(self.delays), 2) if self.delays else None,
            "false_per_week": round(self.false / self.weeks, 2) if self.weeks else None,
            "side_per_found": round(self.side / self.found, 2) if self.found else None,
        }


def score(log: Log, alarms: Iterable[Alarm]) -> Score:
    """One log's alarms against its labels."""
    ordered = sorted(alarms, key=lambda alarm: alarm.opened)
    start = min((row.time_ms for row in log.rows), default=log.start)
    result = Score(weeks=(log.end - start - _LEARNING) / WEEK)
    named: set[int] = set()
    for label in log.labels:
        found = next((place for place, alarm in enumerate(ordered) if _finds(alarm, label)), None)
        burnt = 1.0
        if found is not None:
            named.add(found)
            result.found += 1
            result.delays.append((ordered[found].opened - label.start) / HOUR)
            burnt = label.gone(ordered[found].opened) / label.excess if label.excess else 0.0
        hours = label.excess / log.mean_hour
        result.labels += 1
        result.burnt += burnt * hours
        result.excess += hours
        result.classes[label.name] = [
            one + more
            for one, more in zip(
                result.classes.get(label.name, [0.0] * 4), (1, found is not None, burnt * hours, hours), strict=True
            )
        ]
    for place, alarm in enumerate(ordered):
        if place in named:
            continue
        if alarm.opened >= start + _LEARNING and (
            any(_is_side(alarm, label) for label in log.labels)
            or (alarm.kind == "silence" and log.outage[0] <= alarm.opened <= log.outage[1] + HOUR)
        ):
            result.side += 1
        else:
            result.false += 1
    return result


def false_alarms(log: Log, alarms: Sequence[Alarm]) -> list[Alarm]:
    """Those that neither find an incident nor belong to one."""
    return [
        alarm
        for alarm in alarms
        if not any(_finds(alarm, label) or _is_side(alarm, label) for label in log.labels)
        and not (alarm.kind == "silence" and log.outage[0] <= alarm.opened <= log.outage[1] + HOUR)
    ]


def _carries(alarm: Alarm, label: Label, share: float) -> bool:
    if alarm.value is None:
        return True
    return label.slices.get((alarm.dimension, alarm.value), 0) >= share * label.excess


def _within(alarm: Alarm, label: Label) -> bool:
    return label.start <= alarm.opened <= label.end + _AFTER


def _finds(alarm: Alarm, label: Label) -> bool:
    if not _within(alarm, label) or (alarm.kind == "silence") != (label.name == "silence"):
        return False
    if label.name == "silence":
        return alarm.value is None or ("token", alarm.value) in label.slices or ("token", "") in label.slices
    return _carries(alarm, label, 0.5)


def _is_side(alarm: Alarm, label: Label) -> bool:
    if not _within(alarm, label):
        return False
    if label.name == "silence":
        return alarm.kind == "silence"
    return alarm.kind != "silence" and _carries(alarm, label, 0.05)
