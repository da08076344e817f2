"""Reports out of replies by name, and the stretches in them."""

from __future__ import annotations

from cost_top.model.engine import Replies, Reply
from cost_top.model.query import Measures, Report, added


def report_of(replies: Replies, name: str) -> Report | None:
    """The report under a name, whole or not; None where there is none."""
    reply = replies.get(name)
    return reply.report if reply is not None else None


def totals_of(replies: Replies, name: str) -> Measures | None:
    """The totals of the report under a name."""
    report = report_of(replies, name)
    return report.totals if report is not None else None


def cost_of(replies: Replies, name: str) -> int | None:
    """What the report under a name says was spent, in pico-dollars."""
    totals = totals_of(replies, name)
    return totals.total_cost if totals is not None else None


def whole_of(replies: Replies, name: str) -> Report | None:
    """The report under a name; None while something is missing in it."""
    reply = replies.get(name, Reply())
    return reply.report if reply.is_whole else None


def stretches_of(report: Report) -> dict[int, Measures]:
    """The measures of each stretch, its rows of several groups added up."""
    found: dict[int, list[Measures]] = {}
    for row in report.rows:
        found.setdefault(int(row.key[-1] or 0), []).append(row.measures)
    return {place: parts[0] if len(parts) == 1 else _sum(parts) for place, parts in found.items()}


def _sum(parts: list[Measures]) -> Measures:
    """What a bar shows, added up."""
    return Measures(
        total_cost=sum(part.total_cost for part in parts),
        input_tokens=added(part.input_tokens for part in parts),
        output_tokens=added(part.output_tokens for part in parts),
        request_count=added(part.request_count for part in parts),
        saved_by_cache=added(part.saved_by_cache for part in parts),
        error_count=added(part.error_count for part in parts),
        unpriced_count=sum(part.unpriced_count for part in parts),
    )
