"""What the month will come to, as a note to a report that reaches from before its first day until now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cost_top.insight.forecast import NEEDED_DAYS
from cost_top.insight.month_end import days_need, days_of, days_start, month_end, told_costs
from cost_top.insight.pace import FEWEST_DAYS, HISTORY_DAYS
from cost_top.mirror.report import naive
from cost_top.mirror.store import Mirror
from cost_top.model.engine import Need
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period, floor, month_start, zone_name

_NOW = timedelta(minutes=5)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MOST = 256
# Those that are not kept on disk yet are among them, and what a forecast takes, but for the first, also of other zones.
_LAST_DAYS = FEWEST_DAYS + 2
_FOREVER = float("inf")


def month_end_note(mirror: Mirror, query: ReportQuery, now: datetime) -> tuple[str, ...]:
    """`month end ≈ $2,110, 4 of 5 times within 1,790–2,490` of what the query is about; nothing where it cannot say.

    It is as of the query's end, so that one question has one answer, from all the days that the mirror holds. Where the
    log has more than these, and few of them make another forecast than many, it says so.
    """
    if not is_asked(query, now):
        return ()
    end, zone = query.end, query.zone
    need = days_need(query, end, mirror.complete_from().replace(tzinfo=UTC))
    month = Need("month", ReportQuery(month_start(end, zone), end, where=query.where, zone=zone))
    costs, spent = _from_rows(mirror, need, month) if mirror.told is not None else _from_sums(mirror, need, month, now)
    days = days_of(costs, end, zone)
    found = month_end(days, spent, end, zone) if days is not None else None
    if days is None or found is None:
        return ()
    held, number = naive(need.query.start), len(days.costs)
    is_part = number < HISTORY_DAYS and mirror.oldest is not None and mirror.oldest < held
    return (f"month end {found.text()}{f', by the {number} days before today that were read' if is_part else ''}",)


def _from_sums(mirror: Mirror, need: Need, month: Need, now: datetime) -> tuple[list[tuple[datetime, int]], int]:
    """The costs of stretches, each with its beginning, and of the month so far."""
    replies = mirror.reports((need, month), _FOREVER, now)
    told, so_far = replies["days"].report, replies["month"].report
    return told_costs(told, need) if told is not None else [], so_far.totals.total_cost if so_far is not None else 0


def _from_rows(mirror: Mirror, need: Need, month: Need) -> tuple[list[tuple[datetime, int]], int]:
    """As `_from_sums`, of a mirror of which nothing is summed: in one pass, by quarters of an hour."""
    since, first = need.query.start, month.query.start
    query = replace(need.query, start=min(since, first))
    costs = mirror.rows.quarter_costs(query)
    # A month begins at a quarter of an hour in every zone.
    return [each for each in costs if each[0] >= since], sum(cost for start, cost in costs if start >= first)


def reading(query: ReportQuery, now: datetime) -> Period:
    """What to read of a log for a report: where the note goes with it, the last days whatever the month's first is."""
    if not is_asked(query, now):
        return Period(query.start, query.end)
    return Period(min(query.start, floor(query.end, _DAY) - _LAST_DAYS * _DAY), query.end)


def lend_days(mirror: Mirror, query: ReportQuery, now: datetime) -> None:
    """The days before those that an earlier run kept, so that the note is the screen's; none is read for it."""
    if is_asked(query, now):
        start = naive(days_start(query.end, query.zone)).date()
        mirror.lend(start + _DAY * number for number in range(NEEDED_DAYS + 2))


def is_asked(query: ReportQuery, now: datetime) -> bool:
    """Whether a report is one that says what the month will come to."""
    return abs(query.end - now) <= _NOW and query.start <= month_start(now, query.zone)


class MonthEnds:
    """The notes of a server's answers: one for each filter and zone, made anew every hour."""

    def __init__(self) -> None:
        self._hour: datetime | None = None
        self._notes: dict[tuple[Filter, str, datetime], tuple[str, ...]] = {}

    def note(self, mirror: Mirror, query: ReportQuery, now: datetime) -> tuple[str, ...]:
        """As `month_end_note`, as of some time of this hour."""
        if not is_asked(query, now):
            return ()
        hour = floor(query.end, _HOUR)
        if hour != self._hour or len(self._notes) >= _MOST:
            self._hour, self._notes = hour, {}
        # While history is being read there are more days from question to question.
        held = max(mirror.complete_from(), naive(days_start(query.end, query.zone))).replace(tzinfo=UTC)
        key = (query.where, zone_name(query.zone), held)
        if key not in self._notes:
            self._notes[key] = month_end_note(mirror, query, now)
        return self._notes[key]
