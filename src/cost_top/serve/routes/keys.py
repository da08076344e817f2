"""`GET /v1/keys/{id}/usage`: what one key has used, by day, model and provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.model.answers import Hub
from cost_top.model.errors import one_line
from cost_top.model.filter import Filter, value_term
from cost_top.model.query import TIME_DIMENSIONS, Report, ReportQuery
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse, measure_fields, moment
from cost_top.serve.parameters import MOST_ROWS, PeriodParameters, SpelledQuery, only, period_of
from cost_top.serve.routes.report import report_rows
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_DAYS = 30


@router.get(
    "/v1/keys/{id:path}/usage",
    summary="What one key has used",
    dependencies=[Depends(only(PeriodParameters))],
    responses=shapes.answers("Totals and rows of the key.", shapes.UsageAnswer, 404),
)
async def usage(serving: TheServing, asker: TheAsker, id: str, asked: Annotated[PeriodParameters, Query()]) -> Response:
    """The usage of a key, by its id in the log; without a period that of the last 30 days, today included.

    404 when the period holds no request of that key.
    """
    period, zone = period_of(asked, serving.now(), _DAYS)
    where = Filter((value_term("token", id),)).both(asker.scope)
    query = ReportQuery(period.start, period.end, (), where, zone, limit=MOST_ROWS)
    named, *parts = await serving.asking.ask(lambda: _reports(serving.hub, query))
    if not named.rows:
        raise Problem(404, f"no request of key {one_line(id, 80)!r} in this period")
    by_day, by_model, by_provider = (report_rows(part, SpelledQuery(query, part.columns)) for part in parts)
    body = {
        "id": id,
        "name": named.rows[0].key[1],
        "since": moment(period.start.astimezone(zone)),
        "until": moment(period.end.astimezone(zone)),
        "as_of": moment(named.as_of),
        "totals": measure_fields(named.totals),
        "by_day": by_day,
        "by_model": by_model,
        "by_provider": by_provider,
    }
    return ExactResponse(body)


def _reports(hub: Hub, query: ReportQuery) -> list[Report]:
    reports = [hub.report(replace(query, group_by=("token",)))]
    for name in ("day", "model", "provider") if reports[0].rows else ():
        by_time = name in TIME_DIMENSIONS
        sort = name if by_time else "total_cost"
        reports.append(hub.report(replace(query, group_by=(name,), sort=sort, descending=not by_time)))
    return reports
