"""`/v1/live`: snapshots of a view as server-sent events, each holding only what changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from cost_top.model.errors import UserError
from cost_top.model.view import View
from cost_top.model.windows import WINDOW_NAMES, window_named
from cost_top.serve import shapes
from cost_top.serve.bodies import Watched, read_json, watched_of
from cost_top.serve.errors import Problem
from cost_top.serve.live_stream import LiveStream
from cost_top.serve.parameters import Text, described, only, written_filter, zone_of
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["live"])
_STREAM = "text/event-stream"
_TOLD = (
    "Events named `snapshot`: an object of the top-level fields that changed since the event before, all in the first. "
    "A comment at least every 15 seconds. An event `error` before the server ends the stream."
)


class LiveParameters(BaseModel):
    """A screen's window and filter."""

    window: Annotated[Text, described(f"One of {', '.join(WINDOW_NAMES)}.", "24h")] = "24h"
    where: Annotated[Text | None, described("A filter in cost-top's language.", "tag:prod")] = None
    tz: Annotated[Text | None, described("IANA time zone that days are cut in. Default: UTC.", "UTC")] = None


@router.get(
    "/v1/live",
    summary="Watch a window",
    dependencies=[Depends(only(LiveParameters))],
    responses=shapes.answers(_TOLD, shapes.Nothing, media=_STREAM),
    response_class=Response,
)
async def watch_window(serving: TheServing, asker: TheAsker, asked: Annotated[LiveParameters, Query()]) -> Response:
    """The same as `POST /v1/live` for curl and EventSource."""
    try:
        window = window_named(asked.window).name
    except UserError as error:
        raise Problem(400, f"window: {error}", param="window") from None
    view = View(window=window, filter=written_filter(asked.where, "where"))
    return LiveStream(serving, asker, Watched(view, zone_of(asked.tz, serving.settings.zone)))


@router.post(
    "/v1/live",
    summary="Watch a screen",
    dependencies=[Depends(only())],
    responses=shapes.answers(_TOLD, shapes.Nothing, *shapes.BODY_ERRORS, media=_STREAM),
    openapi_extra=shapes.body_of(shapes.ViewBody),
    response_class=Response,
)
async def watch_view(serving: TheServing, asker: TheAsker, request: Request) -> Response:
    """Snapshots of a view whenever they change, as terminals show them. Money in them is in pico-dollars."""
    body = await read_json(request, serving.settings, ("view", "tz"))
    return LiveStream(serving, asker, watched_of(body, serving.settings.zone))
