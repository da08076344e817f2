"""What a reader of a report should know about its figures."""

from __future__ import annotations

from dataclasses import replace

from cost_top.mirror.store import Mirror
from cost_top.model.query import Report, ReportQuery


def report_notes(mirror: Mirror, query: ReportQuery, report: Report) -> tuple[str, ...]:
    """One line for each thing that makes a figure less than plain: unpriced, overlapping, cut off."""
    notes = []
    totals = report.totals
    if totals.unpriced_count:
        models = mirror.report(_by_model(query), report.as_of)
        names = [row.key[0] or "(no model)" for row in models.rows if row.measures.unpriced_count]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        notes.append(
            f"{totals.unpriced_count} requests unpriced ({', '.join(names[:3])}{more}): total_cost is a lower bound"
        )
    without = mirror.without_usage(query)
    if without:
        notes.append(f"{without} requests carry neither tokens nor a cost: their cost is unknown")
    avoided = mirror.avoided_tokens(query)
    if any(avoided):
        notes.append(
            f"response cache avoided {avoided[0]} input and {avoided[1]} output tokens, not in the token counts"
        )
    if "tag" in query.group_by:
        notes.append(
            "tags overlap: a request counts in the row of each of its tags, so rows add up to more than totals"
        )
    if report.row_count > len(report.rows):
        notes.append(f"{len(report.rows)} of {report.row_count} rows shown; totals are of all")
    return tuple(notes)


def _by_model(query: ReportQuery) -> ReportQuery:
    return replace(query, group_by=("model",), limit=None, sort="unpriced_count", descending=True)
