"""The shapes of the answers, for OpenAPI. Answers are written exactly by `exact`; tests hold them against these."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from cost_top.model.query import GROUPINGS, LATENCY_MEASURES, MEASURES, MONEY_MEASURES, VALUE_DIMENSIONS
from cost_top.model.request_fields import MONEY_FIELDS, PARTS
from cost_top.model.request_row import PricePart, RequestRow

Money = Annotated[Decimal, WithJsonSchema({"type": "number", "description": "USD, exact to 12 decimals"})]
_EXACT = ConfigDict(extra="forbid")


class ErrorDetail(BaseModel):
    """What is wrong."""

    model_config = _EXACT
    message: str = Field(description="One line for people.")
    type: Literal[
        "authentication_error", "forbidden", "invalid_request_error", "not_found", "rate_limit_exceeded",
        "internal_server_error",
    ]  # fmt: skip
    param: str = Field(default="", description="The parameter that is wrong.")
    code: str = Field(default="", description="The kind of error, finer than its type.")


class ErrorAnswer(BaseModel):
    """Every error."""

    model_config = _EXACT
    error: ErrorDetail


def _measure(name: str) -> tuple[Any, Any]:
    if name in MONEY_MEASURES:
        return (Money, Field(default=None))
    unit = "Milliseconds." if name in LATENCY_MEASURES else None
    return (int, Field(default=None, description=unit))


_MEASURE_FIELDS: dict[str, Any] = {name: _measure(name) for name in MEASURES}
_MEASURE_FIELDS["total_cost"] = (Money, ...)
Measures = create_model(
    "Measures", __config__=_EXACT, __doc__="Sums over requests; what is not known is left out.", **_MEASURE_FIELDS
)
_TIMES = {
    "day": "YYYY-MM-DD.",
    "hour": "YYYY-MM-DDTHH in UTC; in another zone an ISO 8601 time with its offset.",
    "minute": "ISO 8601 with its offset.",
}
DIMENSION_FIELDS: dict[str, Any] = {
    name: (str, Field(default=None, description=_TIMES.get(name))) for name in GROUPINGS
}
ReportRow = create_model(
    "ReportRow",
    __config__=_EXACT,
    __doc__="One group: the dimensions that were asked for, where they are attributed, and its measures.",
    **DIMENSION_FIELDS,
    **_MEASURE_FIELDS,
)


class GroupedAnswer(BaseModel):
    """What an answer of groups says of itself."""

    model_config = _EXACT
    since: datetime
    until: datetime
    as_of: datetime = Field(description="How new the figures are.")
    source: str
    notes: list[str] = Field(description="What a reader of the figures should know.")
    row_count: int = Field(description="Groups before the limit.")


class ReportAnswer(GroupedAnswer):
    """A report."""

    results: list[ReportRow]  # type: ignore[valid-type]
    totals: Measures  # type: ignore[valid-type]


class CreditsAnswer(BaseModel):
    """Money paid in advance, in USD."""

    model_config = _EXACT
    balance: str
    total_used: str = ""
    used_up_at: datetime | None = Field(None, description="At the log's usual pace; left out if not within a year.")
    used_up_at_present_pace: datetime | None = Field(None, description="At the pace of the last hour.")


class UsageAnswer(BaseModel):
    """What one key has used."""

    model_config = _EXACT
    id: str
    name: str | None
    since: datetime
    until: datetime
    as_of: datetime
    totals: Measures  # type: ignore[valid-type]
    by_day: list[ReportRow]  # type: ignore[valid-type]
    by_model: list[ReportRow]  # type: ignore[valid-type]
    by_provider: list[ReportRow]  # type: ignore[valid-type]


def _request_fields() -> dict[str, Any]:
    found: dict[str, Any] = {}
    lists = {"tags": list[str], PARTS: list[PricePart]}
    for name, kind in get_type_hints(RequestRow).items():
        if name in RequestRow.__dataclass_fields__:
            found[name] = (Money | None if name in MONEY_FIELDS else lists.get(name, kind), ...)
    return found


RequestItem = create_model(
    "Request", __config__=_EXACT, __doc__="One request; what is not known is null.", **_request_fields()
)


class RequestsAnswer(BaseModel):
    """A page of requests."""

    model_config = _EXACT
    data: list[RequestItem]  # type: ignore[valid-type]
    next_cursor: str | None


class HealthAnswer(BaseModel):
    """How the source is. All but `ready` and `stale` only for those who may see everything."""

    model_config = _EXACT
    ready: bool
    stale: bool
    lag_seconds: float | None = Field(default=None, description="Since the source last answered.")
    newest: datetime | None = Field(default=None, description="Time of the newest request.")
    source: str = ""


class FoundItem(BaseModel):
    """A value of a dimension."""

    value: str | None
    name: str | None
    cost: int = Field(description="Pico-dollars (10^-12 USD).")
    request_count: int | None


class FoundAnswer(BaseModel):
    """Values, dearest first."""

    results: list[FoundItem]


class UnpricedItem(BaseModel):
    """A model without a rate."""

    provider: str | None
    model: str | None
    request_count: int | None
    input_tokens: int | None
    output_tokens: int | None
    override: str = Field(description="The TOML that would price it.")


class UnpricedAnswer(BaseModel):
    """Models, most tokens first."""

    results: list[UnpricedItem]


class ViewBody(BaseModel):
    """What a screen shows. All fields are optional; a field that is not known here is refused."""

    model_config = _EXACT
    view: dict[str, Any] = Field(
        default={},
        description="`window` (1h, 24h, 7d, 30d, mtd, 90d, 12mo), `end`, `filter`, `lenses`, … as terminals send them.",
    )
    tz: str = Field(default="UTC", min_length=1, max_length=200, description="IANA time zone that days are cut in.")


class FindBody(ViewBody):
    """What to look for in a screen's period."""

    dimension: Literal[VALUE_DIMENSIONS] = Field(description="Which values.")  # type: ignore[valid-type]
    text: str = Field(default="", max_length=200, description="What the value or its name contains.")


class Nothing(BaseModel):
    """An empty object."""

    model_config = _EXACT


_ERRORS = {
    400: "A parameter is wrong, or the source has no answer to such a question.",
    401: "The token is missing or not known.",
    403: "The token does not reach so far, or the request came by a name that is not this server's.",
    404: "There is no such thing.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON.",
    429: "Too many requests or streams; Retry-After tells for how long.",
    431: "The headers are too large.",
    500: "The server failed.",
    503: "The source does not answer now, or its history is still being read; Retry-After tells for how long.",
}
_USUAL = (400, 401, 403, 414, 429, 431, 500, 503)
BODY_ERRORS = (408, 413, 415)


def answers(
    description: str, model: type[BaseModel], *more: int, status: int = 200, media: str | None = None
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its answer, and the errors it may give besides the usual ones in `more`."""
    answer: dict[str, Any] = {"description": description}
    if media is None:
        answer["model"] = model
    else:
        answer["content"] = {media: {"schema": {"type": "string"}}}
    found: dict[int | str, dict[str, Any]] = {status: answer}
    for code in sorted((*_USUAL, *more)):
        found[code] = {"model": ErrorAnswer, "description": _ERRORS[code]}
        if code in (429, 503):
            found[code]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return found


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """A request body as `openapi_extra`; the schema is put among the components by `openapi`."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}


BODIES: tuple[type[BaseModel], ...] = (ViewBody, FindBody)
