"""`GET /v1/waste`: what spend was wasted on, in lines that do not overlap."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.insight.waste import looking, waste_table
from cost_top.model.query import ReportQuery
from cost_top.serve import shapes
from cost_top.serve.exact import ExactResponse
from cost_top.serve.grouped import figure_fields, said_of
from cost_top.serve.insight_shapes import WasteAnswer
from cost_top.serve.parameters import FilterParameters, PeriodParameters, filter_of, only, period_of
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_WORDS = ("kind", "where")


class WasteParameters(FilterParameters, PeriodParameters):
    """Requests of a period."""


@router.get(
    "/v1/waste",
    summary="What was wasted",
    dependencies=[Depends(only(WasteParameters))],
    responses=shapes.answers("The lines, and their total.", WasteAnswer),
)
async def waste(serving: TheServing, asker: TheAsker, asked: Annotated[WasteParameters, Query()]) -> Response:
    """A request goes to the first line that fits; `waste` of `/v1/requests` lists those behind a line.

    Request logs only: what was wasted is found in single requests.
    """
    period, zone = period_of(asked, serving.now())
    query = ReportQuery(period.start, period.end, (), filter_of(asked).both(asker.scope), zone)
    source = looking(serving.hub)
    wasted, every = await serving.asking.ask(lambda: (source.waste(query), source.report(query)))
    table = waste_table(wasted, every)
    return ExactResponse({
        "results": [{"waste": key[0], **figure_fields(figures, _WORDS)} for key, figures in table.rows],
        "totals": figure_fields(table.totals),
        "cut_off_known": wasted.knows_usage,
        **said_of(query, table.as_of, serving.hub.label, table.notes, table.row_count),
    })  # fmt: skip
