"""A snapshot from the answers of a report API. Pure: what is not answered yet is left out and said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cost_top.insight.bars import bar_label
from cost_top.insight.runway import runway
from cost_top.model.credits import Credits
from cost_top.model.query import (
    MEASURES,
    Measures,
    Report,
    ReportRow,
    add_measures,
    added,
    key_columns,
    known_measures,
    order_rows,
)
from cost_top.model.snapshot import Burn, Filling, Lens, Live, Polling, Snapshot, Spend, Stale, TimeBar, Trust, Watching
from cost_top.model.view import View
from cost_top.model.windows import Period, month_start
from cost_top.monitor.polled_plan import BURN_DAYS, LensSheet, Sheet, Wanted, floor, running_window
from cost_top.sources.report_api import GRAINS, Answer, Bucket, Capabilities

_DAY, _HOUR, _MINUTE = GRAINS["day"], GRAINS["hour"], GRAINS["minute"]
_HOURS_SHOWN = 24
_INSTANT = timedelta(microseconds=1)

Answers = Callable[[Wanted], Answer | None]
Buckets = Mapping[datetime, Measures]


@dataclass(frozen=True, slots=True)
class Asking:
    """What asking has cost so far, and will."""

    interval: float
    questions: int
    cost: int
    cost_per_month: int
    credits: Credits | None
    metered: int | None
    metered_span: timedelta
    watching: Watching


def compose(
    view: View, sheet: Sheet, answer: Answers, capabilities: Capabilities, asking: Asking,
    refused: Mapping[str, str], label: str, state: Live | Stale | None,
) -> Snapshot:  # fmt: skip
    """The snapshot of what is answered. `refused` tells by key why the API does not answer a question."""
    answer = cache(answer)  # closed days are put together anew at each look
    days, hours = _days_and_hours(sheet, answer)
    running = {name: _total_of(answer(one)) for name, one in sheet.running}
    total = running["window"] if running else _window_total(sheet, days, hours, answer)
    wanted = list(sheet.wanted())
    answers = [found for one in wanted if (found := answer(one)) is not None]
    waiting = [one for one in wanted if answer(one) is None and one.key not in refused]
    end = sheet.period.end
    complete = all(answer(one) is not None for one in (sheet.days, sheet.recent) if one is not None)
    measures = total or known_measures(0)
    whole = [days[day].total_cost for day in _last_days(end, sheet.closed_until) if day in days]
    polling = Polling(
        lag=capabilities.lag,
        interval=asking.interval,
        questions=asking.questions,
        cost=asking.cost,
        cost_per_month=asking.cost_per_month,
        credits=asking.credits,
        # The balance is everybody's: a filter's own burn says nothing about it.
        runway=runway(asking.credits.balance, whole) if asking.credits is not None and not view.where else None,
        metered=asking.metered if not view.where else None,
        metered_span=asking.metered_span,
        limits=tuple(
            {
                **capabilities.limits,
                **_refused_panels(sheet, refused),
                **({"window": f"{running_window(view)} (UTC)"} if running else {}),
            }.items()
        ),
        notes=tuple(dict.fromkeys(note for found in answers for note in found.notes)),
    )
    return Snapshot(
        view=view,
        source=label,
        period=Period(sheet.period.start, end if view.end else end.replace(microsecond=0)),
        spend=_running_spend(measures, running)
        if running
        else _spend(measures, days, complete, sheet, _own_keys(sheet, answer, measures)),
        burn=_burn(sheet, hours, answer, capabilities.lag),
        chart=_chart(sheet, days, hours, answer),
        lenses=tuple(
            _lens(view, lens, answer, days)
            for lens in sheet.lenses
            # Tags overlap: their total comes from the days.
            if _is_answered(lens, answer) and (complete or lens.dimension != "tag")
        ),
        trust=Trust(reported_cost=measures.total_cost, unpriced_count=measures.unpriced_count),
        state=state if total is not None or isinstance(state, Stale) else None,
        filling=Filling(len(wanted) - len(waiting), len(wanted), None) if waiting and answers else None,
        newest=_asked_at(sheet, answer),
        log_rows=1 if total is not None else 0,
        polling=polling,
        watching=asking.watching,
    )


def _days_and_hours(sheet: Sheet, answer: Answers) -> tuple[dict[datetime, Measures], dict[datetime, Measures]]:
    """The measures of every day, and of the hours since yesterday where the API tells hours."""
    days = dict(_buckets(sheet.days, answer))
    recent = _buckets(sheet.recent, answer)
    if sheet.recent is None or sheet.recent.question.grain == "day":
        days.update(recent)
        return days, {}
    border = sheet.days.question.end if sheet.days is not None else sheet.recent.question.start
    for hour, measures in recent.items():
        day = floor(hour, _DAY)
        if day >= border:
            days[day] = add_measures(days[day], measures) if day in days else measures
    return days, dict(recent)


def _buckets(wanted: Wanted | None, answer: Answers) -> Buckets:
    found = answer(wanted) if wanted is not None else None
    if found is None:
        return {}
    return {bucket.start: bucket.measures for bucket in found.buckets if bucket.start is not None}


def _window_total(sheet: Sheet, days: Buckets, hours: Buckets, answer: Answers) -> Measures | None:
    """The window's sum; None while a part of it is not answered."""
    period = sheet.period
    if not sheet.is_whole:
        return None
    if sheet.fine is not None:
        return _sum(_buckets(sheet.fine, answer), period) if answer(sheet.fine) is not None else None
    parts = [one for one in (sheet.days, sheet.recent) if one is not None and _meets(one, period)]
    if any(answer(one) is None for one in parts):
        return None
    by_hour = sheet.recent is not None and sheet.recent.question.grain == "hour"
    if by_hour and period.start != floor(period.start, _DAY):
        return _sum(hours, period)
    return _sum(days, Period(floor(period.start, _DAY), period.end))


def _meets(wanted: Wanted, period: Period) -> bool:
    return wanted.question.start < period.end and wanted.question.end > period.start


def _sum(buckets: Buckets, period: Period) -> Measures:
    return sum_of(measures for start, measures in buckets.items() if period.start <= start < period.end)


def sum_of(parts: Iterable[Measures]) -> Measures:
    """The sum of measures over disjoint requests; of none it is nothing spent."""
    total: Measures | None = None
    for part in parts:
        total = part if total is None else add_measures(total, part)
    return total if total is not None else Measures()


def _last_days(end: datetime, closed_until: datetime) -> list[datetime]:
    last = min(floor(end, _DAY), closed_until)
    return [last - number * _DAY for number in range(1, BURN_DAYS + 1)]


def _own_keys(sheet: Sheet, answer: Answers, total: Measures) -> int | None:
    """What requests on customers' own keys would have cost; None where they are not told apart."""
    if total.market_cost is None:
        return None
    for lens in sheet.lenses:
        if lens.dimension == "credential_type" and _is_answered(lens, answer) and lens.period == sheet.period:
            found = [one for part in lens.parts for one in _found(answer(part)) if one.key[0] == "byok"]
            return added(one.measures.market_cost for one in found)
    return None


def _notes(answer: Answer | None) -> tuple[str, ...]:
    return answer.notes if answer is not None else ()


def _found(answer: Answer | None) -> tuple[Bucket, ...]:
    return answer.buckets if answer is not None else ()


def _total_of(answer: Answer | None) -> Measures | None:
    return sum_of(bucket.measures for bucket in answer.buckets) if answer is not None else None


def _running_spend(total: Measures, running: Mapping[str, Measures | None]) -> Spend:
    """Spend where only the running day, week and month are told."""
    today, month = running["today"], running["month"]
    return Spend(
        measures=total,
        today=None if today is None else today.total_cost,
        month=None if month is None else month.total_cost,
        below_market=None,
        byok_market_cost=None,
    )


def _asked_at(sheet: Sheet, answer: Answers) -> datetime | None:
    """When the window's total was told."""
    total = sheet.running[0][1] if sheet.running else sheet.fine or sheet.recent or sheet.days
    found = answer(total) if total is not None else None
    return found.as_of if found is not None else None


def _spend(total: Measures, days: Buckets, complete: bool, sheet: Sheet, own_keys: int | None) -> Spend:
    end = sheet.period.end
    today = floor(end - _INSTANT, _DAY)
    month = month_start(end - _INSTANT, UTC)
    month_days = [month + number * _DAY for number in range((today - month) // _DAY + 1)]
    below = None
    if total.market_cost is not None and own_keys is not None:
        below = total.market_cost - own_keys - total.total_cost
    return Spend(
        measures=total,
        previous_cost=None,
        today=(days[today].total_cost if today in days else 0) if complete else None,
        month=sum(days[day].total_cost for day in month_days if day in days)
        if complete and month >= sheet.first
        else None,
        below_market=below,
        byok_market_cost=own_keys,
    )


def _burn(sheet: Sheet, hours: Buckets, answer: Answers, lag: timedelta) -> Burn:
    """The last hour that the API has told whole: figures end at its lag before it was asked."""
    unknown = Burn(cost_per_hour=None, requests_per_minute=None, error_count=None, request_count=None)
    asked = sheet.minutes or sheet.recent
    found = answer(asked) if asked is not None else None
    if found is None:
        return unknown
    until = min(sheet.period.end, found.as_of - lag)
    if sheet.minutes is not None:
        return _minutes(_buckets(sheet.minutes, answer), until)
    if not hours:
        return unknown
    last = floor(until - _INSTANT, _HOUR)
    starts = [last - number * _HOUR for number in reversed(range(_HOURS_SHOWN))]
    costs = tuple(hours[hour].total_cost if hour in hours else 0 for hour in starts)
    return replace(unknown, hours=costs, cost_per_hour=costs[-2], until=until)


def _minutes(buckets: Buckets, until: datetime) -> Burn:
    last = floor(until, _MINUTE)
    found = [buckets.get(last - number * _MINUTE, Measures()) for number in range(60, 0, -1)]
    costs = tuple(one.total_cost for one in found)
    total = sum_of(found)
    lately = sum_of(found[-5:]).request_count
    return Burn(
        minutes=costs,
        cost_per_hour=sum(costs),
        requests_per_minute=None if lately is None else lately / 5,
        error_count=total.error_count,
        request_count=total.request_count,
        until=until,
    )


def _chart(sheet: Sheet, days: Buckets, hours: Buckets, answer: Answers) -> tuple[TimeBar, ...]:
    period = sheet.period
    if sheet.fine is not None:
        buckets, step = _buckets(sheet.fine, answer), GRAINS[sheet.fine.question.grain or "hour"]
    elif period.start != floor(period.start, _DAY) or (hours and period.length <= _DAY):
        buckets, step = hours, _HOUR
    else:
        buckets, step = days, _DAY
    if not buckets:
        return ()
    bars = []
    start = floor(period.start, step)
    while start < period.end:
        measures = buckets.get(start, Measures())
        bars.append(
            TimeBar(
                start,
                start + step,
                bar_label(start, step, UTC),
                measures.total_cost,
                measures.request_count,
                measures.saved_by_cache,
                measures.unpriced_count,
                partial=start + step > period.end,
            )
        )
        start += step
    return tuple(bars)


def _is_answered(lens: LensSheet, answer: Answers) -> bool:
    return all(answer(part) is not None for part in lens.parts)


def lens_rows(lens: LensSheet, answer: Answers) -> list[ReportRow]:
    """The rows of a panel: the sums of its parts by key, in no order."""
    groups: dict[tuple[str | None, ...], Measures] = {}
    for part in lens.parts:
        for bucket in _found(answer(part)):
            known = groups.get(bucket.key)
            groups[bucket.key] = bucket.measures if known is None else add_measures(known, bucket.measures)
    return [ReportRow(key, measures) for key, measures in groups.items()]


def _lens(view: View, lens: LensSheet, answer: Answers, days: Buckets) -> Lens:
    rows = lens_rows(lens, answer)
    if lens.dimension == "tag":
        totals = _sum(days, lens.period)
    else:
        # Not the window's total: a panel may be of another minute, or in dollars by rates where that is a bill.
        totals = sum_of(row.measures for row in rows)
    measure, descending = view.sort_of(lens.dimension)
    columns = key_columns((lens.dimension,))
    ordered = order_rows(rows, columns, measure if measure in MEASURES else lens.dimension, descending)
    notes = tuple(dict.fromkeys(note for part in lens.parts for note in _notes(answer(part))))
    report = Report(columns, tuple(ordered[: view.row_limit]), totals, len(ordered), lens.period.end, notes)
    return Lens(lens.dimension, lens.period, report)


def _refused_panels(sheet: Sheet, refused: Mapping[str, str]) -> dict[str, str]:
    panels = {lens.dimension: refused[part.key] for lens in sheet.lenses for part in lens.parts if part.key in refused}
    if sheet.minutes is not None and sheet.minutes.key in refused:
        panels["burn"] = refused[sheet.minutes.key]
    return panels
