"""`GET /v1/ledger`: what was bought, debited and adjusted, held against the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from cost_top.insight.ledger import held_against_log, ledger_fields
from cost_top.model.ledger import KeepsLedger, LedgerQuery
from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.insight_shapes import LedgerAnswer
from cost_top.serve.parameters import FilterParameters, PeriodParameters, filter_of, only, period_of
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
# Parameters that are called otherwise than their fields.
_GIVEN_AS = {"user": "user_id", "tag": "tags", "token_name": "api_key_name"}


class LedgerParameters(FilterParameters, PeriodParameters):
    """Which part of it; without a period all of it."""

    limit: Annotated[int, Field(ge=1, le=1000, description="At most so many entries, the newest; sums are of all.")] = (
        100
    )

    def query(self, now: datetime) -> LedgerQuery:
        """What is asked for; `Problem` for a filter that tells no entry from another."""
        where = filter_of(self)
        for term in where.terms:
            if term.field != "token":
                name = term.field or "a bare word"
                given = _GIVEN_AS.get(name, name)
                asked = given if getattr(self, given, None) is not None else "where"
                raise Problem(
                    400, f"{asked}: an entry of a ledger knows its key, no {name}; filter by token", param=asked
                )
        if self.start_date is self.end_date is self.since is self.until is None:
            return LedgerQuery(self.limit, where=where)
        period, _ = period_of(self, now)
        is_open = self.end_date is self.until is None
        return LedgerQuery(self.limit, period.start, None if is_open else period.end, where)


@router.get(
    "/v1/ledger",
    summary="Credits bought, debited and adjusted",
    dependencies=[Depends(only(LedgerParameters))],
    responses=shapes.answers("Sums, the balance, the newest entries. Amounts in USD as texts.", LedgerAnswer, 404),
)
async def ledger(serving: TheServing, asker: TheAsker, asked: Annotated[LedgerParameters, Query()]) -> Response:
    """The ledger where the source keeps one (`cost_top_ledger` beside a native log, new-api, llmgateway); else 404.

    Its debits are held against the logged cost up to the last debit: all, or those of a period and of keys.
    """
    asker.demand_everything("the ledger")
    hub, query = serving.hub, asked.query(serving.now())

    def ask() -> dict[str, Any] | None:
        found = hub.ledger(query) if isinstance(hub, KeepsLedger) else None
        if found is None:
            return None
        return ledger_fields(found, *held_against_log(found, hub, query, utc_now(), serving.settings.zone))

    body = await serving.asking.ask(ask)
    if body is None:
        raise Problem(404, "the source keeps no ledger")
    return ExactResponse(body)
