"""What spend was wasted on, as a view: lines that do not overlap, with the filter that lists the rows behind each."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cost_top.insight.savings import share_text
from cost_top.insight.view_table import Figures, ViewTable
from cost_top.model.engine import Position, RequestPage
from cost_top.model.errors import CannotAnswer
from cost_top.model.money import display_usd, usd_text
from cost_top.model.query import Report, ReportQuery
from cost_top.model.waste import APART, ESTIMATED, LINES, Waste, WasteLine

# Retries and repeats are told by what came before them, which no filter says.
_FILTERS = {
    "failed_but_paid": "error:yes cost:>0",
    "cut_off": "streamed:yes -output_tokens:>0 -cache_hit:yes -error:yes -cost:<0",
}


class HasWaste(Protocol):
    """A source that looks at single requests."""

    def report(self, query: ReportQuery) -> Report:
        """As of `Answers`."""

    def waste(self, query: ReportQuery) -> Waste:
        """The lines of a period."""

    def waste_requests(self, query: ReportQuery, lines: Collection[str], after: Position | None = None) -> RequestPage:
        """The requests behind some of them."""


def waste_view(answers: object, query: ReportQuery) -> ViewTable:
    """A row for each line; the total is without rows that were logged twice. `query.group_by` is empty.

    Raises `CannotAnswer` where the source has no single requests.
    """
    source = looking(answers)
    return waste_table(source.waste(query), source.report(query))


def waste_table(waste: Waste, every: Report) -> ViewTable:
    """The lines as a view; `every` is the report of all requests."""
    spent = every.totals.total_cost
    counted = [line for line in waste.lines if line.name not in APART]
    total = WasteLine(
        "total", *(sum(getattr(line, name) for line in counted) for name in ("cost", "requests", "unpriced"))
    )
    rows = tuple(((line.name,), _figures(line, spent)) for line in waste.lines)
    notes = (*_notes(waste), *every.notes)
    return ViewTable(("waste",), rows, _figures(total, spent), every.as_of.isoformat(timespec="seconds"), notes,
                     len(rows))  # fmt: skip


def waste_page(answers: object, query: ReportQuery, line: str, after: Position | None = None) -> RequestPage:
    """The requests behind a line, or behind the "total" of `waste_view`, as `Answers.requests` tells requests.

    Raises `CannotAnswer` where the source has no single requests.
    """
    lines = [name for name in LINES if name not in APART] if line == "total" else [line]
    return looking(answers).waste_requests(query, lines, after)


def looking(answers: object) -> HasWaste:
    """A source that looks at single requests; `CannotAnswer` where it does not."""
    if not hasattr(answers, "waste"):
        raise CannotAnswer("waste is found in single requests: the source must be a request log")
    return answers  # type: ignore[return-value]


def _figures(line: WasteLine, spent: int) -> Figures:
    kind = "could be" if line.name in ESTIMATED else "apart" if line.name in APART else "spent"
    return {
        "cost": usd_text(line.cost),
        "cost_percent_of_total_cost": share_text(line.cost, spent),
        "request_count": line.requests,
        "unpriced_count": line.unpriced,
        "kind": kind if line.name != "total" else None,
        "where": _FILTERS.get(line.name),
    }


def _notes(waste: Waste) -> list[str]:
    lines = {line.name: line for line in waste.lines}
    notes = []
    if not waste.knows_usage:
        notes.append("no request has output tokens: which ones were cut off is not known")
    if could := lines["cacheable"].cost:
        notes.append(f"{display_usd(could)} of it could be saved: an estimate by token counts, prompts are never read")
    if twice := lines["logged_twice"].requests:
        notes.append(f"not spent twice: {twice:,} requests are logged twice; they are not in the total")
    if unknown := sum(line.unpriced for line in waste.lines if line.name not in APART):
        notes.append(f"the cost of {unknown:,} of these requests is unknown: the total is a lower bound")
    return notes
