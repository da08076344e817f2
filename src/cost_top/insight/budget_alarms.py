"""When a budget says something: each threshold once a period, the highest of several at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from cost_top.model.budgets import Standing

Kind = Literal["threshold", "forecast", "burning", "exhausted"]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said already of one budget in one period: thresholds in per cent, at which limit (pico-dollars)."""

    limit: int
    actual: tuple[int, ...] = ()
    forecast: tuple[int, ...] = ()
    burning: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """A budget that has something to say. `threshold` is in per cent, None for burning."""

    kind: Kind
    standing: Standing
    threshold: int | None
    at: datetime


def alarms_of(standing: Standing, said: Said | None, now: datetime) -> tuple[tuple[Alarm, ...], Said]:
    """What is to be said now, and what has been said after it.

    A raised limit lets a threshold that is no longer reached be said again; figures that fall for another reason
    (a correction, new rates) do not.
    """
    budget = standing.budget
    before = said or Said(budget.limit)
    if before.limit != budget.limit:
        before = Said(
            budget.limit,
            tuple(one for one in before.actual if standing.reaches(one)),
            tuple(one for one in before.forecast if _forecast_reaches(standing, one)),
            before.burning,
        )
    alarms: list[Alarm] = []
    thresholds = set(budget.at) | ({100} if budget.is_hard else set())
    reached = [one for one in sorted(thresholds) if standing.reaches(one)]
    new = [one for one in reached if one not in before.actual]
    if new and max(new) > max(before.actual, default=0):
        highest = max(new)
        kind: Kind = "exhausted" if budget.is_hard and 100 in new else "threshold"
        alarms.append(Alarm(kind, standing, highest, now))
    expected = [one for one in sorted(budget.forecast_at) if _forecast_reaches(standing, one)]
    ahead = [one for one in expected if one not in before.forecast]
    # What has been spent already is no forecast any more.
    if ahead and not standing.reaches(max(ahead)) and max(ahead) > max(before.forecast, default=0):
        alarms.append(Alarm("forecast", standing, max(ahead), now))
    fast = bool(standing.burning) and not standing.reaches(100)
    if fast and not before.burning:
        alarms.append(Alarm("burning", standing, None, now))
    after = replace(
        before,
        actual=tuple(sorted({*before.actual, *reached})),
        forecast=tuple(sorted({*before.forecast, *expected})),
        burning=before.burning or fast,
    )
    return tuple(alarms), after


def _forecast_reaches(standing: Standing, per_cent: int) -> bool:
    return standing.forecast is not None and standing.forecast * 100 >= standing.budget.limit * per_cent


Memory = dict[tuple[str, str | None, datetime], Said]


def alarms_of_all(standings: Iterable[Standing], memory: Memory, now: datetime) -> tuple[Alarm, ...]:
    """What is to be said of several budgets; `memory` is brought up to date. A rolling period never begins anew."""
    alarms: list[Alarm] = []
    for standing in standings:
        if standing.spent is None:
            continue
        rolling = standing.resets_at is None
        key = (*standing.key, datetime.min.replace(tzinfo=now.tzinfo) if rolling else standing.start)
        said = memory.get(key)
        if rolling and said is not None:
            said = _rolled(standing, said)
        new, after = alarms_of(standing, said, now)
        alarms += new
        if said is not None or after != Said(after.limit):
            memory[key] = after  # who has said nothing needs no memory
    return tuple(alarms)


def _rolled(standing: Standing, said: Said) -> Said:
    """In a rolling period a threshold may be said again once spend has fallen to nine tenths of it."""
    kept = tuple(one for one in said.actual if _still(standing, one))
    return replace(said, actual=kept, burning=said.burning and bool(standing.burning))


def _still(standing: Standing, per_cent: int) -> bool:
    spent = standing.spent
    return spent is None or spent * 1000 >= standing.budget.limit * per_cent * 9
