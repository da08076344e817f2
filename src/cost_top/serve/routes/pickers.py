"""What terminals ask besides snapshots: values of a dimension, unpriced models, and to ask the source now."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from cost_top.model.errors import one_line
from cost_top.model.feed import Found, UnpricedModel
from cost_top.model.query import VALUE_DIMENSIONS
from cost_top.model.wire import found_to_json, unpriced_to_json
from cost_top.serve import shapes
from cost_top.serve.bodies import read_json, text_of, watched_of
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.parameters import only
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["live"])


@router.post(
    "/v1/find",
    summary="Values of a dimension",
    dependencies=[Depends(only())],
    responses=shapes.answers("Values that contain the text.", shapes.FoundAnswer, *shapes.BODY_ERRORS),
    openapi_extra=shapes.body_of(shapes.FindBody),
)
async def find(serving: TheServing, asker: TheAsker, request: Request) -> Response:
    """The values of a dimension whose value or name contains a text, in the window of a view, dearest first."""
    body = await read_json(request, serving.settings, ("view", "tz", "dimension", "text"))
    watched = watched_of(body, serving.settings.zone)
    dimension, text = text_of(body, "dimension", None), text_of(body, "text", "")
    if dimension not in VALUE_DIMENSIONS:
        known = ", ".join(VALUE_DIMENSIONS)
        raise Problem(400, f"dimension: {one_line(dimension, 40)!r} is none of {known}", param="dimension")
    view = watched.within(asker.scope)
    found: tuple[Found, ...] = await serving.asking.reply(
        lambda reply: serving.hub.find(view, watched.zone, dimension, text, reply)
    )
    return ExactResponse({"results": found_to_json(found)})


@router.post(
    "/v1/unpriced",
    summary="Models without a rate",
    dependencies=[Depends(only())],
    responses=shapes.answers("The models behind what is unpriced.", shapes.UnpricedAnswer, *shapes.BODY_ERRORS),
    openapi_extra=shapes.body_of(shapes.ViewBody),
)
async def unpriced(serving: TheServing, asker: TheAsker, request: Request) -> Response:
    """The models behind the unpriced requests of a view, most tokens first."""
    watched = watched_of(await read_json(request, serving.settings, ("view", "tz")), serving.settings.zone)
    view = watched.within(asker.scope)
    found: tuple[UnpricedModel, ...] = await serving.asking.reply(
        lambda reply: serving.hub.find_unpriced(view, watched.zone, reply)
    )
    return ExactResponse({"results": unpriced_to_json(found)})


@router.post(
    "/v1/refresh",
    status_code=202,
    summary="Ask the source now",
    dependencies=[Depends(only())],
    responses=shapes.answers("It will be asked.", shapes.Nothing, status=202),
)
async def refresh(serving: TheServing, asker: TheAsker) -> Response:
    """Ask the source now, within its limits, rather than when it is due."""
    asker.demand_everything("asking the source")
    serving.hub.refresh()
    return ExactResponse({}, 202)
