"""`/v1/guard`: may this call be made? For gateways, and for proxies that ask by headers before they pass a call on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cost_top.guard.guard import Verdict
from cost_top.guard.question import FIELDS, Question, as_logged, compiled
from cost_top.guard.words import body_of, headers_of
from cost_top.model.errors import one_line
from cost_top.model.money import pico
from cost_top.model.windows import utc_now
from cost_top.serve import shapes
from cost_top.serve.admission import Asker
from cost_top.serve.bodies import read_json
from cost_top.serve.budget_shapes import GuardAnswer, GuardBody, RefusedAnswer
from cost_top.serve.errors import Problem
from cost_top.serve.exact import ExactResponse
from cost_top.serve.parameters import only
from cost_top.serve.serving import Serving, TheAsker, TheServing

router = APIRouter(tags=["guard"])
_TOLD = (*FIELDS, "tags", "estimated_cost", "id")
_LONGEST = 512
_MOST_TAGS = 100
_HEADERS = {name: f"x-cost-top-{name.replace('_', '-')}" for name in FIELDS}
CHECK = "/v1/guard/check"


@router.post(
    "/v1/guard",
    summary="May this call be made?",
    dependencies=[Depends(only())],
    responses={
        **shapes.answers("It may; the amount is set aside until its row comes.", GuardAnswer,
                         *shapes.BODY_ERRORS),
        422: {"model": RefusedAnswer, "description": "A budget is used up, or has not enough left."},
    },
    openapi_extra=shapes.body_of(GuardBody),
)  # fmt: skip
async def ask(serving: TheServing, asker: TheAsker, request: Request) -> Response:
    """Held against every budget of the config file from memory. Only hard budgets refuse."""
    body = await read_json(request, serving.settings, _TOLD)
    return answer(serving, _question_of(body), asker)


@router.delete(
    "/v1/guard/{reservation:path}",
    summary="The call was not made, or is over",
    status_code=204,
    dependencies=[Depends(only())],
    responses=shapes.answers("It holds nothing any more.", shapes.Nothing, status=204, media="text/plain"),
    response_class=Response,
)
async def release(serving: TheServing, asker: TheAsker, reservation: str) -> Response:
    """End a reservation; one that has ended already is no mistake."""
    serving.guard.release(reservation, None if asker.sees_everything else asker.name)
    return Response(status_code=204)


class _Ask:
    """`ask` without the framework's work for each request, which costs more than the answer; `ask` describes it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if scope["query_string"]:
            only()(request)
        serving: Serving = scope["app"].state.serving
        body = await read_json(request, serving.settings, _TOLD)
        await answer(serving, _question_of(body), scope["state"]["asker"])(scope, receive, send)


class _Check:
    """The same question by headers: any method, any path. A body is not read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        parameters = QueryParams(scope["query_string"])
        deny = _deny(parameters)
        serving: Serving = scope["app"].state.serving
        question = _question_in(Headers(scope=scope), scope["path_params"].get("rest", ""))
        await answer(serving, question, scope["state"]["asker"], deny)(scope, receive, send)


# A class and not a function: a route of it takes every method.
FAST_ROUTES = [
    Route("/v1/guard", endpoint=_Ask(), methods=["POST"]),
    Route(CHECK, endpoint=_Check()),
    Route(CHECK + "/{rest:path}", endpoint=_Check()),
]


def answer(serving: Serving, question: Question, asker: Asker, deny: int = 422) -> Response:
    """200 or the refusal."""
    question = replace(question, source=serving.hub.known_name)
    if asker.scope and compiled(asker.scope)(question) is not True:
        raise Problem(403, "the call is not of what this token sees, or does not say so")
    verdict: Verdict = serving.guard.ask(question, asker.name)
    status = 200 if verdict.refused is None else deny
    return ExactResponse(body_of(verdict), status, headers_of(verdict, utc_now()))


def _deny(parameters: QueryParams) -> int:
    spelled = parameters.get("deny", "422")
    if spelled not in ("403", "422"):
        raise Problem(400, "deny: must be 403 or 422", param="deny")
    return int(spelled)


def _question_of(body: Mapping[str, Any]) -> Question:
    values: dict[str, str | None] = {}
    for name in FIELDS:
        if name in body:
            values[name] = _text(name, body[name])
    tags = body.get("tags")
    if tags is not None:
        if not isinstance(tags, list) or len(tags) > _MOST_TAGS:
            raise Problem(400, f"tags: must be a list of at most {_MOST_TAGS} texts", param="tags")
        tags = tuple(tag for tag in (_text("tags", tag) for tag in tags) if tag is not None)
    cost = body.get("estimated_cost")
    identity = _text("id", body.get("id"))
    return Question(_path_of(values), tags, None if cost is None else _money(cost), identity)


def _question_in(headers: Headers, rest: str) -> Question:
    values: dict[str, str | None] = {}
    for name, header in _HEADERS.items():
        if header in headers:
            values[name] = _text(name, _decoded(headers, header))
    if "endpoint" not in values:
        spelled = _decoded(headers, "x-original-uri") or (f"/{rest}" if rest else "")
        if spelled:
            values["endpoint"] = _text("endpoint", spelled[:_LONGEST].partition("?")[0])
    tags = _decoded(headers, "x-cost-top-tags")
    cost = headers.get("x-cost-top-estimated-cost")
    return Question(
        _path_of(values),
        None if tags is None else _tags(tags),
        None if not cost else _money(cost),
        _text("id", _decoded(headers, "x-cost-top-id")),
    )


def _decoded(headers: Headers, name: str) -> str | None:
    """A header's text: UTF-8, as proxies pass names on, where it is that; else Latin-1, as it comes."""
    header = headers.get(name)
    try:
        return None if header is None else header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _tags(spelled: str) -> tuple[str, ...]:
    """`prod,plan:free` or a JSON list."""
    if spelled.lstrip().startswith("["):
        try:
            tags = json.loads(spelled)
        except (ValueError, RecursionError):
            tags = None
        if not isinstance(tags, list):
            raise Problem(400, "X-Cost-Top-Tags: is no JSON list", param="tags")
    else:
        tags = [tag.strip() for tag in spelled.split(",")]
    return tuple(tag for tag in (_text("tags", tag) for tag in tags[:_MOST_TAGS]) if tag is not None)


def _path_of(values: dict[str, str | None]) -> dict[str, str | None]:
    """A query string is no part of an endpoint, and may hold a key."""
    endpoint = values.get("endpoint")
    if endpoint is not None and "?" in endpoint:
        values["endpoint"] = endpoint.partition("?")[0] or None
    return values


def _text(name: str, value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Problem(400, f"{name}: must be a text of at most {_LONGEST} characters", param=name)
    return value if name == "id" else as_logged(name, value)


def _money(value: object) -> int:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 40:
            raise ValueError(value)
        amount = pico(value)
    except ValueError:
        amount = -1
    if not 0 <= amount < 10**24:
        shown = one_line(value, 40)
        raise Problem(400, f'estimated_cost: {shown!r} is no amount; USD in quotes, as "0.05"', param="estimated_cost")
    return amount
