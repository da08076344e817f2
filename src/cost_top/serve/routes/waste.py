"""`GET /v1/waste`: what spend was wasted on, in lines that do not overlap."""

from __future__ import annotations

from typing import Annotated

import simplejson  # type: ignore[import-untyped]
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.insight.view_table import Figures
from cost_top.insight.waste import looking, waste_table
from cost_top.model.notes import origin_of
from cost_top.model.query import ReportQuery
from cost_top.serve import shapes
from cost_top.serve.errors import harmless
from cost_top.serve.exact import ExactResponse, moment
from cost_top.serve.insight_shapes import WasteAnswer
from cost_top.serve.parameters import FilterParameters, PeriodParameters, filter_of, only, period_of
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_NUMBERS = ("cost", "cost_percent_of_total_cost")  # exact, as text


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
        "results": [{"waste": key[0], **_figures(figures)} for key, figures in table.rows],
        "totals": _figures(table.totals),
        "cut_off_known": wasted.knows_usage,
        "since": moment(query.start.astimezone(zone)),
        "until": moment(query.end.astimezone(zone)),
        "as_of": table.as_of,
        "source": harmless(serving.hub.label),
        "notes": [harmless(note) if origin_of(note) == "source" else note for note in table.notes],
        "row_count": table.row_count,
    })  # fmt: skip


def _figures(figures: Figures) -> dict[str, object]:
    """Exact numbers; what is not known is left out."""
    return {
        name: simplejson.RawJSON(value) if name in _NUMBERS else value
        for name, value in figures.items()
        if value is not None
    }
