"""`GET /v1/savings`: what was paid, the list price, and what was saved of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.insight.savings import savings_view
from cost_top.insight.view_table import ViewTable
from cost_top.serve import shapes
from cost_top.serve.exact import ExactResponse
from cost_top.serve.grouped import figure_fields, said_of
from cost_top.serve.insight_shapes import SavingsAnswer
from cost_top.serve.parameters import ReportParameters, SpelledQuery, only, report_question
from cost_top.serve.routes.report import key_fields
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])


@router.get(
    "/v1/savings",
    summary="Paid, market rate, saved",
    dependencies=[Depends(only(ReportParameters))],
    responses=shapes.answers("Rows and totals. What is not known of a row is left out.", SavingsAnswer),
)
async def savings(serving: TheServing, asker: TheAsker, asked: Annotated[ReportParameters, Query()]) -> Response:
    """What was paid, what the list price was, and what discount, prompt cache and response cache saved.

    The three savings have wholes of their own, named in their percentages, and are never added up.
    """
    question = report_question(asked, asker.scope, serving.now())
    table = await serving.asking.ask(lambda: savings_view(serving.hub, question.query))
    return ExactResponse(savings_body(table, question, serving.hub.label))


def savings_body(table: ViewTable, question: SpelledQuery, source: str) -> dict[str, object]:
    """The answer as documented."""
    keys = key_fields(table.columns, [key for key, _ in table.rows], question)
    return {
        "results": [fields | figure_fields(figures) for fields, (_, figures) in zip(keys, table.rows, strict=True)],
        "totals": figure_fields(table.totals),
        **said_of(question.query, table.as_of, source, table.notes, table.row_count),
    }
