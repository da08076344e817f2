"""`GET /v1/ledger`: what was bought, debited and adjusted, held against the log."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from cost_top.insight.ledger import ledger_fields, reconciled
from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.insight_shapes import LedgerAnswer
from cost_top.serve.parameters import only
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])


class LedgerParameters(BaseModel):
    """How much of it."""

    model_config = ConfigDict(extra="ignore")
    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many entries, the newest; sums are of all.")] = (
        100
    )


@router.get(
    "/v1/ledger",
    summary="Credits bought, debited and adjusted",
    dependencies=[Depends(only(LedgerParameters))],
    responses=shapes.answers("Sums, the balance, the newest entries. Amounts in USD as texts.", LedgerAnswer, 404),
)
async def ledger(serving: TheServing, asker: TheAsker, asked: Annotated[LedgerParameters, Query()]) -> Response:
    """The ledger where the source keeps one (`cost_top_ledger` beside a native log, new-api, llmgateway); else 404.

    Its debits are held against the logged cost up to the last debit.
    """
    asker.demand_everything("the ledger")
    read = getattr(serving.hub, "ledger", None)

    def ask() -> dict[str, Any] | None:
        found = read(asked.limit) if read is not None else None
        return None if found is None else ledger_fields(found, reconciled(found, serving.hub, utc_now()))

    body = await serving.asking.ask(ask)
    if body is None:
        raise Problem(404, "the source keeps no ledger")
    return ExactResponse(body)
