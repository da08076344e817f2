"""`GET /v1/why`: what is behind a change of spend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from cost_top.insight.why import DIMENSIONS
from cost_top.insight.why_asked import explained, parse_against, parse_drivers
from cost_top.insight.why_text import sentence, why_json
from cost_top.model.errors import UserError
from cost_top.model.query import ReportQuery
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.insight_shapes import WhyAnswer
from cost_top.serve.parameters import FilterParameters, PeriodParameters, Text, filter_of, only, period_of
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])


class WhyParameters(FilterParameters, PeriodParameters):
    """A change of spend. Without a period, that of the last 24 hours."""

    against: Annotated[
        Text,
        Field(description="What it is compared with, of equal length: previous, last-week, or a time it starts at.",
            examples=["last-week"]),
    ] = "previous"  # fmt: skip
    by: Annotated[
        Text, Field(description="Dimensions that drivers are looked for in, separated by commas.", examples=["user"])
    ] = ",".join(DIMENSIONS)
    top: Annotated[int, Field(ge=1, le=3, description="At most so many drivers.")] = 3


@router.get(
    "/v1/why",
    summary="Why spend is up or down",
    dependencies=[Depends(only(WhyParameters))],
    responses=shapes.answers("The change, its factors and its drivers.", WhyAnswer),
)
async def why(serving: TheServing, asker: TheAsker, asked: Annotated[WhyParameters, Query()]) -> Response:
    """A period compared with another: how much came from requests, mix of models, size and price, and from whom.

    The factors add up to the change. A token with a scope is told of the spend of its scope only.
    """
    if asked.start_date is asked.end_date is asked.since is asked.until is None:
        asked = asked.model_copy(update={"since": "24h"})
    now = serving.now()
    period, zone = period_of(asked, now)
    where = filter_of(asked)
    try:
        dimensions = parse_drivers(asked.by, "by")
    except UserError as error:
        raise Problem(400, str(error), param="by") from None
    try:
        other, note = parse_against(asked.against, period, now, zone, "against")
    except UserError as error:
        raise Problem(400, str(error), param="against") from None
    query = ReportQuery(period.start, period.end, dimensions, where.both(asker.scope), zone)
    answer = await serving.asking.ask(lambda: explained(serving.hub, query, other, note, asked.top))
    until_now = asked.since is not None and (asked.until or "now").strip().lower() == "now"
    return ExactResponse(why_json(answer, sentence(answer, where, zone, until_now)))
