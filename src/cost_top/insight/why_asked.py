"""Why spend changed, asked of a source: the two periods, what is unpriced, and what is to be said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from cost_top.insight.spans import compared
from cost_top.insight.why import Ask, Why, why
from cost_top.model.errors import CannotAnswer, UserError, one_line
from cost_top.model.filter import Filter, Term
from cost_top.model.query import TIME_DIMENSIONS, Report, ReportQuery, parse_group_by
from cost_top.model.windows import Period, parse_instant

if TYPE_CHECKING:
    from cost_top.model.answers import Answers

_PRICED = Filter((Term("unpriced", ("no",)),))


def parse_drivers(text: str, option: str) -> tuple[str, ...]:
    """`token,model` as dimensions in which drivers can be looked for; `UserError` names the `option`."""
    try:
        dimensions = parse_group_by(text)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    if unusable := [name for name in dimensions if name in (*TIME_DIMENSIONS, "tag")]:
        raise UserError(f"{option} {unusable[0]}: its values overlap or are times; choose others, or filter with where")
    return dimensions


def parse_against(
    text: str, period: Period, now: datetime, zone: tzinfo, option: str
) -> tuple[Period, str | None]:  # fmt: skip
    """`previous`, `last-week` or a time as the period to compare with, and what is to be said of it."""
    standard = text.strip().lower()
    if standard in ("previous", "last-week"):
        return compared(period, standard, zone)
    start = parse_instant(text, now, zone, option)
    if start >= now:
        raise UserError(f"{option} {one_line(text, 40)}: has not begun, so nothing is known of it")
    return compared(period, start, zone)


def explained(answers: Answers, query: ReportQuery, other: Period, note: str | None = None, top: int = 3) -> Why:
    """The change from `other` to the query's period; drivers are looked for in the query's dimensions.

    Blocks. `note` is what is to be said of the two periods. Raises as `Answers` does.
    """
    answer = why(_asked(answers, query, other), query.group_by, top)
    return replace(answer, notes=tuple(text for text in (note, _unpriced_note(answer)) if text))


def _asked(answers: Answers, query: ReportQuery, other: Period) -> Ask:
    """Both periods, grouped by every dimension at once; unpriced requests are counted and left out.

    A source that cannot group by all of them is asked by model alone.
    """
    grouped = tuple(dict.fromkeys((*query.group_by, "model", "endpoint")))
    try:
        return _both(answers, replace(query, group_by=grouped), other)
    except CannotAnswer:
        if grouped == ("model",):
            raise
        return _both(answers, replace(query, group_by=("model",)), other)


def _both(answers: Answers, query: ReportQuery, other: Period) -> Ask:
    periods = ((other.start, other.end), (query.start, query.end))
    reports: list[Report] = []
    unpriced: list[int] = []
    for start, end in periods:
        one = replace(query, start=start, end=end)
        report = answers.report(one)
        unpriced.append(report.totals.unpriced_count)
        if report.totals.unpriced_count:
            report = answers.report(replace(one, where=one.where.both(_PRICED)))
        if len(report.rows) < report.row_count:
            raise CannotAnswer("there are more groups than the source tells at once; narrow the filter or the time")
        reports.append(report)
    return Ask(reports[0], reports[1], periods, (unpriced[0], unpriced[1]))


def _unpriced_note(answer: Why) -> str | None:
    """What the figures leave out."""
    before, after = answer.before.unpriced, answer.after.unpriced
    return f"unpriced, in no figure: {before:,} requests before, {after:,} after" if before or after else None
