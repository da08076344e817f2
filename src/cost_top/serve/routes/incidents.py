"""`GET /v1/incidents`: what is unusual."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.budget_shapes import IncidentsAnswer
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.parameters import only
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])


@router.get(
    "/v1/incidents",
    summary="What is unusual",
    dependencies=[Depends(only())],
    responses=shapes.answers("Incidents of the last three days, the newest first.", IncidentsAnswer),
)
async def incidents(serving: TheServing, asker: TheAsker) -> Response:
    """Spikes, dearer tokens, loops, rows logged twice and silence, by the rules of the config file.

    A token with a scope sees those among the requests of its scope, as if there were no others. `closed` is null while
    an incident is open.
    """
    rules = serving.incidents
    if rules is None:
        raise Problem(400, "this server knows no incidents", code="cannot_answer")
    found = await serving.asking.ask(lambda: rules.found(serving.hub, utc_now(), asker.scope))
    return ExactResponse({"incidents": list(reversed(found))})
