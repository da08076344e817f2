"""`GET /v1/report`, `GET /v1/credits`: the AI Gateway reporting API, and more on the same path."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from cost_top.insight.runway import runs_out
from cost_top.model.ledger import KeepsLedger
from cost_top.model.money import usd_text
from cost_top.model.query import Report
from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse, measure_fields, moment
from cost_top.serve.grouped import said_of
from cost_top.serve.parameters import ReportParameters, SpelledQuery, only, report_question
from cost_top.serve.serving import TheAsker, TheServing

router = APIRouter(tags=["report"])
_USED_UP = ("used_up_at", "used_up_at_present_pace")


@router.get(
    "/v1/report",
    summary="Spend by any dimensions",
    dependencies=[Depends(only(ReportParameters))],
    responses=shapes.answers("Rows and totals. What is not known of a row is left out.", shapes.ReportAnswer),
)
async def report(serving: TheServing, asker: TheAsker, asked: Annotated[ReportParameters, Query()]) -> Response:
    """What the requests of a period cost, grouped. Give `start_date` and `end_date`, or `since`.

    Rows by day, hour or minute are in the order of time, others dearest first. Tags overlap: their rows add up to
    more than the totals.
    """
    question = report_question(asked, asker.scope, serving.now())
    answer = await serving.asking.ask(lambda: serving.hub.report(question.query))
    return ExactResponse(report_body(answer, question, serving.hub.label))


def report_body(report: Report, question: SpelledQuery, source: str) -> dict[str, object]:
    """The answer as documented."""
    query = question.query
    return {
        "results": report_rows(report, question),
        "totals": measure_fields(report.totals, query.told),
        **said_of(query, moment(report.as_of), source, report.notes, report.row_count),
    }


def report_rows(report: Report, question: SpelledQuery) -> list[dict[str, object]]:
    """The rows; a dimension that is not attributed and a measure that is not known are left out."""
    keys = key_fields(report.columns, [row.key for row in report.rows], question)
    told = question.query.told
    return [fields | measure_fields(row.measures, told) for fields, row in zip(keys, report.rows, strict=True)]


def key_fields(
    columns: tuple[str, ...], keys: Sequence[Sequence[str | None]], question: SpelledQuery
) -> list[dict[str, object]]:  # fmt: skip
    """The attributed dimensions of each key, as the client spelled them."""
    names = _names(columns, question)
    short_hours = question.query.zone is UTC
    rows = []
    for key in keys:
        fields: dict[str, object] = {}
        for value, spelled in zip(key, names, strict=True):
            if value is not None:
                fields.update(dict.fromkeys(spelled, value[:13] if short_hours and "hour" in spelled else value))
        rows.append(fields)
    return rows


def _names(columns: tuple[str, ...], question: SpelledQuery) -> list[tuple[str, ...]]:
    """For each column of the answer the fields that carry it."""
    by_name = "api_key_name" in question.spelled
    plainly = not {"token", "token_name"}.isdisjoint(question.spelled)
    names: list[tuple[str, ...]] = []
    for column in columns:
        if column == "token_name":
            names.append((*(("token_name",) if plainly else ()), *(("api_key_name",) if by_name else ())))
        else:
            names.append((column,))
    return names


@router.get(
    "/v1/credits",
    summary="Balance and what has been used of it",
    dependencies=[Depends(only())],
    responses=shapes.answers("Amounts in USD as texts.", shapes.CreditsAnswer, 404),
)
async def credits_(serving: TheServing, asker: TheAsker) -> Response:
    """Money paid in advance, where the source knows of it; else 404."""
    asker.demand_everything("the balance")
    found = await serving.asking.ask(serving.hub.credits)
    if found is None or found.balance is None:
        raise Problem(404, "the source knows no balance")
    body = {"balance": _cents(found.balance)}
    if found.total_used is not None:
        body["total_used"] = _cents(found.total_used)
    if isinstance(serving.hub, KeepsLedger):
        zone = serving.settings.zone
        ends = await serving.asking.ask(lambda: runs_out(found.balance, serving.hub, utc_now(), zone))
        body |= {name: end.isoformat() for name, end in zip(_USED_UP, ends, strict=True) if end is not None}
    return ExactResponse(body)


def _cents(amount: int) -> str:
    """An exact amount with at least two decimals.

    >>> _cents(95_500_000_000_000), _cents(5 * 10**12), _cents(1)
    ('95.50', '5.00', '0.000000000001')
    """
    whole, _, decimals = usd_text(amount).partition(".")
    return f"{whole}.{decimals:0<2}"
