"""Reports out of replies by name, and the stretches in them."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from cost_top.model.engine import Replies, Reply
from cost_top.model.query import Measures, Report, added

_OF_A_BAR = ("total_cost", "input_tokens", "output_tokens", "request_count", "saved_by_cache", "error_count",
             "unpriced_count")  # fmt: skip
_figures: Callable[[Measures], tuple[Any, ...]] = attrgetter(*_OF_A_BAR)


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
    columns = zip(*map(_figures, parts), strict=True)
    told: dict[str, Any] = dict(zip(_OF_A_BAR, map(added, columns), strict=True))
    return Measures(**told)
