"""The one place where a snapshot is made: of reports, whichever engine answered them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta

from cost_top.insight.burn import UNKNOWN, burn_of_minutes, usual
from cost_top.insight.month_end import days_of, told_costs
from cost_top.insight.runway import runway, runway_at
from cost_top.insight.usual_rate import EXPECTED, burn_rates, with_expected
from cost_top.model.engine import Knows, Replies
from cost_top.model.month_days import Days
from cost_top.model.query import Measures, TrustSums, added, known_measures
from cost_top.model.snapshot import (
    Asking,
    Balance,
    Burn,
    BurnRate,
    Filling,
    Live,
    Load,
    Snapshot,
    Spend,
    Stale,
    Trust,
)
from cost_top.model.windows import Period, floor
from cost_top.overview.needs import Needs, days_held
from cost_top.overview.panels import chart, chart_remark, lens_of
from cost_top.overview.periods import HOUR, HOURS_SHOWN, MINUTE
from cost_top.overview.replies import cost_of, report_of, stretches_of, totals_of, whole_of

_INSTANT = timedelta(microseconds=1)
_FEWEST_HOURS = 3
# What a report says of its requests' costs and a snapshot shows as it is.
_TRUST_SUMS = tuple(each.name for each in fields(TrustSums) if each.name in Trust.__dataclass_fields__)
# Of the trust line, what is of the figures.
_SUMMED = (*_TRUST_SUMS, "reported_cost", "unpriced_count", "unpriced_models")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the figures: of the source, and of how reading it goes."""

    source: str
    state: Live | Stale | None
    filling: Filling | None = None
    newest: datetime | None = None
    lateness: timedelta | None = None
    trust: Trust = field(default_factory=Trust)  # what is known of the rows beside their sums
    log_rows: int | None = None
    rates_date: date | None = None
    limits: Mapping[str, str] = field(default_factory=dict)  # beside those of the engine
    notes: tuple[str, ...] = ()
    asked_at: datetime | None = None
    asking: Asking | None = None
    balance: Balance | None = None
    load: Load = field(default_factory=Load)


def compose(needs: Needs, replies: Replies, knows: Knows, facts: Facts) -> Snapshot:
    """The snapshot of a view. What is not whole yet is named in `Snapshot.incomplete`."""
    view, periods = needs.view, needs.periods
    total = totals_of(replies, "total") or known_measures(0)
    window = periods.window
    return Snapshot(
        view=view,
        source=facts.source,
        period=Period(window.start, window.end if view.end else window.end.replace(microsecond=0)),
        spend=_spend(needs, replies, total),
        burn=_burn(needs, replies, knows),
        days=_days(needs, replies),
        chart=chart(needs, replies),
        chart_remark=chart_remark(replies),
        lenses=tuple(lens for panel in needs.panels if (lens := lens_of(needs, replies, *panel)) is not None),
        trust=_trust(replies, total, facts),
        state=facts.state,
        filling=facts.filling,
        newest=facts.newest,
        lateness=facts.lateness,
        log_rows=facts.log_rows,
        rates_date=facts.rates_date,
        has_figures=report_of(replies, "total") is not None,
        limits=tuple({**_why_not(needs, knows), **knows.limits, **facts.limits}.items()),
        notes=facts.notes,
        lag=knows.lag,
        asked_at=facts.asked_at,
        asking=facts.asking,
        balance=_balance(needs, replies, facts.balance),
        load=facts.load,
        incomplete=tuple(sorted({_figure(need.name) for need in needs.all if replies[need.name].missing is not None})),
    )


def refreshed(snapshot: Snapshot, facts: Facts, now: datetime) -> Snapshot:
    """The same figures a moment later, with what is known beside them by then."""
    summed = {name: getattr(snapshot.trust, name) for name in _SUMMED}
    return replace(
        ending(snapshot, now),
        trust=replace(facts.trust, **summed),
        state=facts.state,
        filling=facts.filling,
        newest=facts.newest,
        lateness=facts.lateness,
        log_rows=facts.log_rows,
        load=facts.load,
    )


def ending(snapshot: Snapshot, now: datetime) -> Snapshot:
    """The same figures, of a live window until now."""
    period, end = snapshot.period, now.replace(microsecond=0)
    if snapshot.view.end is not None or period.end == end:
        return snapshot
    return replace(snapshot, period=Period(period.start, end))


def _balance(needs: Needs, replies: Replies, balance: Balance | None) -> Balance | None:
    """The balance is everybody's: a filter's own burn says nothing about it."""
    if balance is None or needs.view.where:
        return replace(balance, metered=None) if balance is not None else None
    daily = report_of(replies, "daily")
    credits = balance.credits
    if daily is None or credits is None:
        return balance
    left = credits.balance
    usual = runway(left, [row.measures.total_cost for row in daily.rows])
    return replace(balance, runway=usual, runway_now=runway_at(left, _present(needs, replies)))


def _present(needs: Needs, replies: Replies) -> int | None:
    """What is spent an hour now: in the last whole hour, or today where no hour is told and some are over."""
    lately, today = report_of(replies, "lately"), cost_of(replies, "today")
    edges, end = needs.periods.lately, needs.periods.window.end
    if lately is not None and edges:
        since = end - HOUR
        stretches = stretches_of(lately).items()
        hours = (
            [cost.total_cost for place, cost in stretches if since - HOUR < edges[place] <= since]
            if (edges[1] - edges[0] >= HOUR)
            else [cost.total_cost for place, cost in stretches if edges[place] >= since]
        )
        return sum(hours)
    passed = (end - needs.periods.today.start) // HOUR
    return today // passed if today is not None and passed >= _FEWEST_HOURS else None


def _figure(name: str) -> str:
    """The figure that a need is for: the hours of other weeks make one, and what is expected beyond them."""
    return "usual" if name.startswith(("usual", EXPECTED)) else name


def _why_not(needs: Needs, knows: Knows) -> dict[str, str]:
    """What a view leaves out though its source could tell it."""
    if knows.totals != "instant" or needs.view.end is not None or days_held(needs.view, needs.periods) is not None:
        return {}
    return {"month end": "not of so few days: ] makes them more"}


def _spend(needs: Needs, replies: Replies, total: Measures) -> Spend:
    report, before = report_of(replies, "total"), whole_of(replies, "before")
    trust = report.trust if report is not None else None
    own_keys = trust.byok_market_cost if trust is not None else _own_keys(needs, replies, total)
    below = trust.below_market if trust is not None else None
    if trust is None and total.market_cost is not None and own_keys is not None:
        below = total.market_cost - own_keys - total.total_cost
    return Spend(
        measures=total,
        previous_cost=before.totals.total_cost if before is not None else None,
        today=cost_of(replies, "today"),
        month=cost_of(replies, "month"),
        today_unpriced=_unpriced(replies, "today"),
        month_unpriced=_unpriced(replies, "month"),
        since_mark=totals_of(replies, "mark"),
        below_market=below,
        byok_market_cost=own_keys,
    )


def _unpriced(replies: Replies, name: str) -> int:
    totals = totals_of(replies, name)
    return (totals.unpriced_count or 0) if totals is not None else 0


def _own_keys(needs: Needs, replies: Replies, total: Measures) -> int | None:
    """What requests on customers' own keys would have cost; None where they are not told apart."""
    report, period = whole_of(replies, "panel:credential_type"), dict(needs.panels).get("credential_type")
    if total.market_cost is None or report is None or period != needs.periods.window:
        return None
    return added(row.measures.market_cost for row in report.rows if row.key[0] == "byok")


def _trust(replies: Replies, total: Measures, facts: Facts) -> Trust:
    report = report_of(replies, "total")
    sums = report.trust if report is not None else None
    models = report_of(replies, "models")
    if sums is None:
        return replace(facts.trust, reported_cost=total.total_cost, unpriced_count=total.unpriced_count)
    unpriced = sum(row.measures.unpriced_count > 0 for row in models.rows) if models is not None else 0
    return replace(
        facts.trust,
        unpriced_count=total.unpriced_count,
        unpriced_models=unpriced,
        **{name: getattr(sums, name) for name in _TRUST_SUMS},
    )


def _days(needs: Needs, replies: Replies) -> Days | None:
    report = whole_of(replies, "days")
    need = next((need for need in needs.all if need.name == "days"), None)
    if report is None or need is None:
        return None
    # By the minute, as all that goes on by the clock: an idle log tells nothing new in between.
    return days_of(told_costs(report, need), floor(needs.periods.window.end, MINUTE), need.query.zone)


def _burn(needs: Needs, replies: Replies, knows: Knows) -> Burn:
    report, edges = report_of(replies, "lately"), needs.periods.lately
    if report is None:
        return UNKNOWN
    found = stretches_of(report)
    end = needs.periods.window.end
    until = min(end, report.as_of - knows.lag) if knows.lag else None
    if edges[1] - edges[0] >= HOUR:
        return _burn_of_hours(edges, found, until or end)
    last = len(edges) - 1
    if until is not None:
        last = max(0, (floor(until, MINUTE) - edges[0]) // MINUTE)
    minutes = [found.get(place, Measures()) for place in range(last - 60, last)]
    hours = [reply for name, reply in replies.items() if name.startswith("usual:")]
    settled = all(reply.missing is None for reply in hours)
    costs = [reply.report.totals.total_cost for reply in hours if reply.report is not None]
    burn = burn_of_minutes(minutes, usual(costs) if settled else None, report.totals.latency_p95, until)
    rates = _rates(needs, replies, knows)
    hourly = next((rate.usual for rate in rates if rate.minutes == 60), burn.usual_per_hour)
    lasting = [one for one in knows.expected if rates and one.lasts(end.timestamp(), HOUR.total_seconds())]
    burn = replace(burn, usual_per_hour=hourly, rates=rates)
    if not lasting:
        return burn
    longest = max(lasting, key=lambda one: one.end)
    return replace(burn, expected=longest.name, expected_until=longest.end)


def _rates(needs: Needs, replies: Replies, knows: Knows) -> tuple[BurnRate, ...]:
    """What is usual, by the expectation of the alarms; none before all of it is known."""
    names = [need.name for need in needs.all if need.name == "usual" or need.name.startswith(EXPECTED)]
    found = []
    for need in (need for need in needs.all if need.name in names):
        report = whole_of(replies, need.name)
        if report is None:
            return ()
        found.append(burn_rates(told_costs(report, need), need.query, needs.periods.window.end))
    return with_expected(found[0], found[1:], knows.expected, needs.periods.window.end) if found else ()


def _burn_of_hours(edges: tuple[datetime, ...], found: dict[int, Measures], until: datetime) -> Burn:
    """Of a source that tells whole hours: those of a day, and the cost of the last whole one."""
    last = (floor(until - _INSTANT, HOUR) - edges[0]) // HOUR
    hours = [found.get(place, Measures()) for place in range(last - HOURS_SHOWN + 1, last + 1)]
    costs = tuple(hour.total_cost for hour in hours)
    return Burn(
        cost_per_hour=costs[-2], requests_per_minute=None, error_count=None, request_count=None, hours=costs,
        until=until, unpriced=hours[-2].unpriced_count or 0,
    )  # fmt: skip
