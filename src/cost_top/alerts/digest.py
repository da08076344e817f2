"""Digests: what yesterday, or last week, came to. Made once a day at a time of the day, weekly ones on Monday."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from cost_top.alerts.event import Event, event_id, line
from cost_top.alerts.memory import Remembered
from cost_top.insight.forecast import Forecast
from cost_top.insight.month_end import days_of, days_start, month_end
from cost_top.insight.spans import clocks_note
from cost_top.insight.waste import waste_view
from cost_top.insight.why import Why
from cost_top.insight.why_asked import explained
from cost_top.insight.why_text import sentence
from cost_top.model.answers import Answers
from cost_top.model.budget_json import instant, standing_fields, usd
from cost_top.model.budget_line import budget_line
from cost_top.model.budgets import Standing
from cost_top.model.errors import CannotAnswer, one_line
from cost_top.model.filter import Filter
from cost_top.model.format import change, count
from cost_top.model.money import display_usd, pico
from cost_top.model.query import Report, ReportQuery
from cost_top.model.windows import Period, local_midnight, month_start

_DIMENSIONS = ("model", "token", "endpoint", "user")
_TOP = 3
_LONGEST = 1500  # it tells more than an event does
_BEHIND = ("token", "endpoint", "model")  # in which what is behind a change is looked for
_LATEST = timedelta(hours=6)  # a digest that could not be made by then is left out


def due_digests(memory: Remembered, at: time, zone: tzinfo, now: datetime) -> list[str]:
    """The kinds that are to be made now; they count as made from then on."""
    local = now.astimezone(zone)
    moment = datetime.combine(local.date(), at, zone)
    if not moment <= local < moment + _LATEST:
        return []
    kinds = ["digest.daily", *(["digest.weekly"] if local.weekday() == 0 else [])]
    due = [kind for kind in kinds if memory.digests.get(kind) != str(local.date())]
    memory.digests.update(dict.fromkeys(due, str(local.date())))
    return due


def digest(kind: str, answers: Answers, standings: Iterable[Standing], zone: tzinfo, now: datetime) -> Event:
    """The event; raises `SourceError` when the source does not answer."""
    today = now.astimezone(zone).date()
    days = 1 if kind == "digest.daily" else 7
    end, start = local_midnight(today, zone), local_midnight(today - timedelta(days=days), zone)
    before = local_midnight(today - timedelta(days=2 * days), zone)
    now_report = answers.report(ReportQuery(start, end, zone=zone))
    old = answers.report(ReportQuery(before, start, zone=zone))
    spent, previous = now_report.totals.total_cost, old.totals.total_cost
    tops = {name: _top(answers, ReportQuery(start, end, (name,), zone=zone, limit=_TOP)) for name in _DIMENSIONS}
    told = list(standings)
    expected = _month_end(answers, zone, now)
    clocks = clocks_note(Period(start, end), Period(before, start))
    why = _why(answers, ReportQuery(start, end, _BEHIND, zone=zone), Period(before, start), clocks)
    said = sentence(why, Filter(), zone, False) if why else ""
    wasted = _waste(answers, ReportQuery(start, end, zone=zone))
    data: dict[str, Any] = {
        "since": instant(start),
        "until": instant(end),
        "spent_usd": usd(spent),
        "previous_usd": usd(previous),
        "requests": now_report.totals.request_count,
        "errors": now_report.totals.error_count,
        "unpriced_requests": now_report.totals.unpriced_count,
        "saved_by_cache_usd": usd(now_report.totals.saved_by_cache),
        "prompt_cache_savings_usd": usd(now_report.totals.prompt_cache_savings),
        "month_end_usd": usd(expected.total) if expected else None,
        "month_end_low_usd": usd(expected.low) if expected else None,
        "month_end_high_usd": usd(expected.high) if expected else None,
        "why": {"sentence": said, "notes": list(why.notes)} if why else None,
        "waste": wasted,
        "top": {name: rows for name, rows in tops.items() if rows},
        "budgets": [standing_fields(one) for one in told[:50]],
        "source": answers.label,
    }
    text = _text(days, now_report, previous, tops, told, now)
    text += f"; {clocks}" if clocks else ""
    text += f"; {said.rstrip('.')}" if why and why.change else ""
    text += f"; wasted {display_usd(pico(wasted['total_usd']))}" if wasted else ""
    text += f"; month end {expected.text()}" if expected else ""
    return Event(event_id(kind, answers.label, start), kind, now, kind.replace(".", "/"), line(text, _LONGEST), data)


def _month_end(answers: Answers, zone: tzinfo, now: datetime) -> Forecast | None:
    """What the month will come to; None where the source tells no hours or too few days."""
    query = ReportQuery(days_start(now, zone), now, ("hour",), zone=zone, sort="hour", descending=False)
    try:
        report = answers.report(query)
    except CannotAnswer:
        return None
    costs = [(datetime.fromisoformat(row.key[0]), row.measures.total_cost) for row in report.rows if row.key[0]]
    days, first = days_of(costs, now, zone), month_start(now, zone)
    spent = sum(cost for hour, cost in costs if hour >= first)
    return month_end(days, spent, now, zone) if days is not None else None


def _why(answers: Answers, query: ReportQuery, before: Period, note: str | None) -> Why | None:
    """What is behind the change; None where nothing was spent before, or the source does not tell."""
    try:
        return explained(answers, query, before, note)
    except CannotAnswer:
        return None


def _waste(answers: Answers, query: ReportQuery) -> dict[str, Any] | None:
    """Each line of waste, and their sum without what was logged twice; None where there are no single requests."""
    try:
        view = waste_view(answers, query)
    except CannotAnswer:
        return None
    lines = {key[0]: figures["cost"] for key, figures in view.rows if figures["request_count"]}
    return {"total_usd": view.totals["cost"], "lines_usd": lines, "notes": [str(note) for note in view.notes]}


def _top(answers: Answers, query: ReportQuery) -> list[dict[str, Any]]:
    try:
        report = answers.report(query)
    except CannotAnswer:
        return []
    rows = [row for row in report.rows[:_TOP] if row.key[0] is not None]
    return [{"value": row.key[0], "name": row.key[-1], "spent_usd": usd(row.measures.total_cost)} for row in rows]


def _text(
    days: int, report: Report, previous: int, tops: dict[str, list[dict[str, Any]]], standings: list[Standing],
    now: datetime,
) -> str:  # fmt: skip
    totals = report.totals
    at_least = "≥ " if totals.unpriced_count else ""
    changed = change(totals.total_cost, previous)
    parts = [f"{'yesterday' if days == 1 else 'last week'} {at_least}{display_usd(totals.total_cost)}"]
    parts[0] += f", {changed}" if changed else ""
    if totals.request_count is not None:
        parts.append(f"{count(totals.request_count)} requests")
    for name in ("model", "endpoint"):
        if tops.get(name):
            most = tops[name][0]
            parts.append(f"most by {name}: {one_line(most['name'], 60)} {display_usd(pico(most['spent_usd']))}")
    parts += [budget_line(one, now) for one in standings[:_TOP]]
    return "; ".join(parts)
