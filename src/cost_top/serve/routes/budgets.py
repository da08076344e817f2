"""`GET /v1/budgets`: how the budgets of the config file stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from cost_top.model.budget_json import kept_fields, standing_fields
from cost_top.model.budgets import KeptBudgets
from cost_top.model.errors import one_line
from cost_top.model.windows import utc_now
from cost_top.monitor.budgets import ask
from cost_top.serve import shapes
from cost_top.serve.budget_shapes import BudgetsAnswer
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.parameters import only
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_MOST = 10_000


class BudgetsParameters(BaseModel):
    """Which budgets."""

    model_config = ConfigDict(extra="ignore")
    name: str | None = Field(default=None, max_length=64, description="Only the budget of that name.")


@router.get(
    "/v1/budgets",
    summary="How budgets stand",
    dependencies=[Depends(only(BudgetsParameters))],
    responses=shapes.answers("Each budget, or each value of one.", BudgetsAnswer, 404),
)
async def budgets(serving: TheServing, asker: TheAsker, asked: Annotated[BudgetsParameters, Query()]) -> Response:
    """What is used and left of each budget, when it resets, and when it will be used up.

    Those that the gateway keeps itself (`kept_by`) come last, as it counts them; they are only shown, and `notes` say
    which of them could not be read. A token with a scope sees the spend of its scope only, held against the whole
    limit, and none that the gateway keeps.
    """
    chosen = serving.guard.budgets
    if asked.name is not None:
        chosen = tuple(budget for budget in chosen if budget.name == asked.name)
        if not chosen:
            raise Problem(404, f"no budget {one_line(asked.name, 64)!r}")
    if asker.scope:
        chosen = tuple(replace(budget, where=budget.where.both(asker.scope)) for budget in chosen)
    now = utc_now()
    with_kept = asked.name is None and not asker.scope  # whose they are is not told by a scope

    def found() -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        standings = ask(serving.hub, chosen, now, serving.asked)
        kept = serving.kept() if with_kept else KeptBudgets()
        return [*map(standing_fields, standings), *map(kept_fields, kept.found)], kept.missing

    budgets, missing = await serving.asking.ask(found)
    body = {
        "budgets": budgets[:_MOST],
        "notes": list(missing),
        "guard_asked": bool(serving.guard.answers),
    }
    return ExactResponse(body)
