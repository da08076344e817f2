"""Alarms of budgets as events."""

from __future__ import annotations

from collections.abc import Iterable

from cost_top.alerts.event import Event, event_id, line
from cost_top.insight.budget_alarms import Alarm
from cost_top.model.budget_json import standing_fields
from cost_top.model.budget_line import standing_text
from cost_top.model.money import display_usd

# Of a budget for each value so many are told one by one; of more at once, the rest in one event.
_MOST = 10
_MOST_NAMED = 100
_OF_ALL = ("name", "id", "each", "where", "period", "time_zone", "mode", "cost", "limit_usd", "resets_at")


def events_of_alarms(alarms: Iterable[Alarm], source: str) -> list[Event]:
    """The events, a flood of one budget's values cut down to its dearest."""
    by_budget: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in alarms:
        by_budget.setdefault((alarm.standing.budget.id, alarm.kind), []).append(alarm)
    events: list[Event] = []
    for found in by_budget.values():
        found.sort(key=lambda alarm: -(alarm.standing.spent or 0))
        events += [event_of_alarm(alarm, source) for alarm in found[:_MOST]]
        if len(found) > _MOST:
            events.append(_others(found[_MOST:], source))
    return events


def _others(alarms: list[Alarm], source: str) -> Event:
    first = alarms[0].standing
    values = [alarm.standing.value for alarm in alarms]
    data = {
        **{name: fact for name, fact in standing_fields(first).items() if name in _OF_ALL},
        "values": values[:_MOST_NAMED],
        "count": len(values),
        "source": source,
    }
    kind = f"budget.{alarms[0].kind}"
    text = line(
        f"budget {first.budget.name}: {len(values)} more of {first.budget.each} as well, from {first.title} on down"
    )
    identity = event_id(kind, source, first.budget.id, first.start, first.budget.limit, *map(str, values))
    return Event(identity, kind, alarms[0].at, f"budget/{first.budget.name}", text, data, first.budget.notify)


def event_of_alarm(alarm: Alarm, source: str) -> Event:
    """The event. Its id holds budget, value, period, threshold and limit, so that a restart makes the same one."""
    standing, kind = alarm.standing, f"budget.{alarm.kind}"
    budget = standing.budget
    period = standing.start.isoformat() if standing.resets_at is not None else alarm.at.date().isoformat()
    identity = event_id(kind, source, budget.id, standing.value, period, alarm.threshold, budget.limit)
    data = {
        **standing_fields(standing),
        "threshold_percent": alarm.threshold,
        "line": f"{standing.title}  {standing_text(standing, alarm.at)}",
        "source": source,
    }
    return Event(identity, kind, alarm.at, f"budget/{budget.name}", line(_text(alarm)), data, budget.notify)


def _text(alarm: Alarm) -> str:
    standing = alarm.standing
    told = standing_text(standing, alarm.at)
    if alarm.kind == "burning":
        return f"budget {standing.title} burns too fast: {standing.burning}; {told}"
    if alarm.kind == "forecast":
        forecast = display_usd(standing.forecast)
        return f"budget {standing.title} will come to {forecast} at the usual pace; {told}"
    if alarm.kind == "exhausted":
        return f"budget {standing.title} is used up: {told}"
    return f"budget {standing.title} has reached {alarm.threshold} %: {told}"
