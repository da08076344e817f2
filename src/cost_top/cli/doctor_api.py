"""`cost-top doctor` for a report API: what the key may ask, what it costs, and whether the API is as documented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cost_top.model.errors import SourceDenied, SourceError, SourceRefused, SourceThrottled, UserError, named, one_line
from cost_top.model.format import duration_ms
from cost_top.model.money import display_usd
from cost_top.model.query import added
from cost_top.model.windows import month_start
from cost_top.sources.report_api import ApiQuery

if TYPE_CHECKING:
    from cost_top.sources.report_api import Answer, Capabilities, ReportApi

Lines = list[tuple[str, str]]

_DAY = timedelta(days=1)
_SHOWN_DRIFT = 10


def doctor_report_api(
    api: ReportApi, key_from: str = "", *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[Lines, Lines]:
    """Facts as (name, text) and problems as (problem, advice), for an API that was not asked yet. It is closed here.

    Asks for what is free and one question about the last days, which is billed where questions are. `key_from` is
    where the key was found, never the key. `UserError` when the API cannot be asked at all.
    """
    try:
        api.open()
        return _examine(api, key_from, clock())
    except SourceError as error:
        raise UserError(named(api.label, error)) from None
    finally:
        api.close()


def _examine(api: ReportApi, key_from: str, now: datetime) -> tuple[Lines, Lines]:
    offered = api.capabilities
    facts = [("source", f"report API of {api.label}")]
    if key_from:
        facts.append(("key", f"from {key_from}"))
    facts += _offered(offered)
    problems: Lines = []
    try:
        facts.append(("balance", _balance(api)))
    except SourceError as error:
        problems.append((f"the balance cannot be read: {one_line(error)}", _advice(error)))
    try:
        facts += _probe(api, offered, now, problems)
    except SourceError as error:
        # The first question of an API may be where a plan or a role shows.
        problems.append((f"a question is not answered: {one_line(error)}", _advice(error)))
    return facts, [*problems, *drift_lines(api.drift())]


def _offered(offered: Capabilities) -> Iterator[tuple[str, str]]:
    yield "totals", f"by {offered.totals} at the finest"
    grains = (f"{name} (per {grain})" for name, grain in sorted(offered.dimensions.items()))
    yield "groups by", ", ".join(grains) or "nothing: totals only"
    if offered.dimensions:
        yield "", "over time as well" if offered.joint else "one thing in a question: a group, or the course of time"
    yield "filters by", ", ".join(sorted(offered.filters)) or "nothing"
    yield "tells", ", ".join(sorted(offered.measures))
    yield "behind by", f"about {_span(offered.lag)}; a day's figures settle {_span(offered.settles)} after its end"
    yield "reaches back", _span(offered.reach) if offered.reach else "as far as the API keeps figures"
    yield "price", _price(offered.price)
    for place, (name, why) in enumerate(sorted(offered.limits.items())):
        yield "cannot" if not place else "", f"{name}: {one_line(why)}"


def _price(price: int) -> str:
    if not price:
        return "questions are free"
    from cost_top.monitor.api.pace import MONTHLY_BUDGET

    each = f"{display_usd(price)} a question, {display_usd(1000 * price)} for 1,000"
    return f"{each}; the screen stays below {display_usd(MONTHLY_BUDGET)} a month unless told otherwise"


def _balance(api: ReportApi) -> str:
    found = api.credits()
    if found is None or (found.balance is None and found.total_used is None):
        return "this API tells none"
    left = "unknown" if found.balance is None else display_usd(found.balance)
    used = "unknown" if found.total_used is None else display_usd(found.total_used)
    return f"{left} left, {used} used so far"


def _probe(api: ReportApi, offered: Capabilities, now: datetime, problems: Lines) -> Iterator[tuple[str, str]]:
    question, reasons = _cheapest(api, offered, now)
    if question is None:
        problems.append((f"no question to try: {one_line(reasons[0])}", "use a key that may read more"))
        return
    started = api.statistics.database_ms
    answer = api.ask(question)
    took = duration_ms(round(api.statistics.database_ms - started))
    cost = f"{display_usd(offered.price)}, " if offered.price else "free, "
    days = max(1, round((question.end - question.start) / _DAY))
    yield "tried", f"the total of {days} d (UTC): {_sum(answer)}; the question was {cost}{took}"
    for note in answer.notes:
        yield "", one_line(note)
    if not any(_is_spend(answer)):
        advice = "check that requests go through this gateway, and that the key belongs to the right team or account"
        problems.append((f"no spend in the last {days} d", advice))


def _cheapest(api: ReportApi, offered: Capabilities, now: datetime) -> tuple[ApiQuery | None, list[str]]:
    """The first of a few simple questions that the API does not refuse, and why it refused those before."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    periods = ((today - 6 * _DAY, today + _DAY), (month_start(now, UTC), today + _DAY), (today, today + _DAY),
               (today - _DAY, today))  # fmt: skip
    reasons: list[str] = []
    for dimension in (None, *offered.dimensions):
        for start, end in periods:
            question = ApiQuery(start, end, dimension)
            reason = api.refuses(question)
            if reason is None:
                return question, reasons
            reasons.append(reason)
    return None, reasons


def _sum(answer: Answer) -> str:
    measures = [bucket.measures for bucket in answer.buckets]
    market = added(one.market_cost for one in measures)
    requests = added(one.request_count for one in measures)
    unpriced = sum(one.unpriced_count for one in measures)
    parts = [
        display_usd(sum(one.total_cost for one in measures)),
        *([f"{display_usd(market)} at market"] if market is not None else []),
        *([f"{requests:,} request{'s' * (requests != 1)}"] if requests is not None else []),
        *([f"{unpriced:,} unpriced"] if unpriced else []),
    ]
    return ", ".join(parts)


def _is_spend(answer: Answer) -> Iterator[bool]:
    for bucket in answer.buckets:
        yield bool(bucket.measures.total_cost or bucket.measures.market_cost or bucket.measures.request_count)


def drift_lines(lines: tuple[str, ...]) -> Lines:
    """What an API answers otherwise than documented, each with what that means."""
    advice = "figures are of what could be read; a newer cost-top may know more"
    shown = [(f"otherwise than documented: {one_line(line)}", advice) for line in lines[:_SHOWN_DRIFT]]
    rest = len(lines) - len(shown)
    return [*shown, (f"otherwise than documented: {rest} more", advice)] if rest else shown


def _advice(error: SourceError) -> str:
    if isinstance(error, SourceDenied):
        return "use a key that may read reports, of a plan that has them"
    if isinstance(error, SourceThrottled):
        wait = "" if error.wait is None else f" in {_span(timedelta(seconds=error.wait))}"
        return f"ask again{wait}; the screen waits by itself"
    if isinstance(error, SourceRefused):
        return "check the address of the API; a newer cost-top may ask otherwise"
    return "ask again later; the screen keeps the last figures and tries again by itself"


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
