"""`GET /v1/requests`: the audit trail, newest or dearest first, page by page. Metadata only."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.insight.waste import waste_page
from cost_top.model.engine import Position
from cost_top.model.request_fields import MONEY_FIELDS, PARTS, part_values, request_values
from cost_top.model.request_row import RequestRow
from cost_top.model.text import is_clean
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse, moment, usd
from cost_top.serve.parameters import RequestsParameters, only, requests_question
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_PICO = 2**127  # what the mirror's integers hold
_MOST_TOLD = 2**62  # what OFFSET takes
_MICROSECOND = timedelta(microseconds=1)


@router.get(
    "/v1/requests",
    summary="Single requests",
    dependencies=[Depends(only(RequestsParameters))],
    responses=shapes.answers("A page in its order. What is not known is null.", shapes.RequestsAnswer),
)
async def requests(serving: TheServing, asker: TheAsker, asked: Annotated[RequestsParameters, Query()]) -> Response:
    """The requests of a period, newest first unless `sort` is cost.

    `next_cursor` is the cursor of the next page, null on the last one.
    """
    query = requests_question(asked, asker.scope, serving.now())
    after = None if asked.cursor is None else read_cursor(asked.cursor)
    line = asked.waste
    page = await serving.asking.ask(
        lambda: serving.hub.requests(query, after) if line is None else waste_page(serving.hub, query, line, after)
    )
    cursor = None if page.following is None else write_cursor(page.following)
    return ExactResponse({"data": [request_fields(row) for row in page.rows], "next_cursor": cursor})


def request_fields(row: RequestRow) -> dict[str, object]:
    """A request as documented."""
    money = {name: usd(getattr(row, name)) for name in MONEY_FIELDS}
    return {**request_values(row, UTC), **money, "time": moment(row.time), PARTS: part_values(row)}


def write_cursor(position: Position) -> str:
    """A place in the list as opaque text: it holds no filter, so it opens nothing to another token.

    >>> read_cursor(write_cursor(Position(_EPOCH, "a", 5, 2))) == Position(_EPOCH, "a", 5, 2)
    True
    """
    place = [(position.time - _EPOCH) // _MICROSECOND, position.id, position.cost, position.told]
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str) -> Position:
    """The place that a cursor names; `Problem` for one that this server did not make."""
    try:
        padded = text + "=" * (-len(text) % 4)
        place = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        microseconds, identity, cost, told = place
        known = cost is None or (type(cost) is int and abs(cost) < _MOST_PICO)
        counted = type(told) is int and 0 < told < _MOST_TOLD
        if type(microseconds) is int and isinstance(identity, str) and is_clean(identity) and known and counted:
            return Position(_EPOCH + microseconds * _MICROSECOND, identity, cost, told)
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    raise Problem(400, "cursor: is not one that this server gave; begin without it", param="cursor")
