"""A source that answers reports of a handful of groups, for the questions the app asks beside its views."""

from __future__ import annotations

from collections.abc import Callable

from snapshots import NOW, USD

from cost_top.model.query import Measures, Report, ReportQuery, ReportRow

Group = tuple[dict[str, str], Measures]


def measures(dollars: int, requests: int, *, tokens: int = 1000, **more: int) -> Measures:
    return Measures(
        total_cost=dollars * USD, request_count=requests, input_tokens=tokens * requests, output_tokens=0,
        cached_input_tokens=0, cache_hit_count=0, **more,
    )  # fmt: skip


def grouped(groups: list[Group], query: ReportQuery) -> Report:
    """The groups as rows of the query's dimensions, a token with its name."""
    columns = tuple(name for each in query.group_by for name in ((each, "token_name") if each == "token" else (each,)))
    rows = tuple(ReportRow(tuple(names.get(column) for column in columns), found) for names, found in groups)
    total = sum(found.total_cost for _, found in groups)
    requests = sum(found.request_count or 0 for _, found in groups)
    return Report(columns, rows, Measures(total_cost=total, request_count=requests), len(rows), NOW)


class FakeAnswers:
    """Implements the part of `model.answers.Answers` that is asked of it; remembers the queries."""

    label = "fake"

    def __init__(self, groups_of: Callable[[ReportQuery], list[Group]]) -> None:
        self.groups_of = groups_of
        self.queries: list[ReportQuery] = []

    def report(self, query: ReportQuery) -> Report:
        self.queries.append(query)
        return grouped(self.groups_of(query), query)
