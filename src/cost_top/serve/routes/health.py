"""`GET /healthz`: whether the figures are complete and fresh."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from starlette.responses import Response

from cost_top.model.answers import Health
from cost_top.model.snapshot import Live, Stale
from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.errors import harmless
from cost_top.serve.exact import ExactResponse, moment
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["operation"])


@router.get(
    "/healthz",
    summary="Ready and fresh?",
    responses={
        200: {"model": shapes.HealthAnswer, "description": "Ready and fresh."},
        503: {"model": shapes.HealthAnswer, "description": "History is being read, or the source does not answer."},
    },
)
async def healthz(serving: TheServing, asker: TheAsker) -> Response:
    """For load balancers and monitors; needs no token, and tells more to one who shows one without a scope."""
    health = serving.hub.health()
    stale = isinstance(health.state, Stale)
    body: dict[str, object] = {"ready": health.ready, "stale": stale}
    if asker.sees_everything:
        body["lag_seconds"] = lag_seconds(health, utc_now())
        body["newest"] = moment(health.newest)
        body["source"] = harmless(serving.hub.label)
    return ExactResponse(body, 200 if health.ready and not stale else 503)


def lag_seconds(health: Health, now: datetime) -> float | None:
    """Seconds since the source last answered; None before it did."""
    state = health.state
    if state is None:
        return None
    since = state.polled_at if isinstance(state, Live) else state.since
    return round(max(0.0, (now - since).total_seconds()), 3)
