"""The application: routes over a hub, behind the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cost_top import __version__
from cost_top.guard.guard import Guard
from cost_top.model.answers import Hub
from cost_top.model.budgets import KeptBudgets
from cost_top.monitor.log.incidents import LiveIncidents
from cost_top.serve import errors
from cost_top.serve.admission import OPEN_PATHS, Admission
from cost_top.serve.asking import Asking
from cost_top.serve.budget_shapes import BODIES as GUARD_BODIES
from cost_top.serve.door import Door
from cost_top.serve.routes import (
    budgets,
    docs,
    health,
    keys,
    live,
    metrics,
    pickers,
    report,
    requests,
    savings,
    waste,
    why,
)
from cost_top.serve.routes import guard as guard_routes
from cost_top.serve.routes import incidents as incidents_routes
from cost_top.serve.routes import ledger as ledger_routes
from cost_top.serve.serving import Serving, Settings, Streams
from cost_top.serve.shapes import BODIES

_ABOUT = (
    "Spend of an AI gateway's request log or report API. `/v1/report` and `/v1/credits` have the parameters, fields "
    "and errors of the AI Gateway reporting API; the rest is more of the same. Money is exact, in USD unless said "
    "otherwise. A parameter that is not known is refused."
)
_ROUTERS = (
    report, savings, waste, why, ledger_routes, keys, requests, budgets, incidents_routes, live, pickers, guard_routes,
    metrics, health, docs,
)  # fmt: skip


def create_app(
    hub: Hub, admission: Admission, settings: Settings | None = None, guard: Guard | None = None,
    incidents: LiveIncidents | None = None, kept: Callable[[], KeptBudgets] = KeptBudgets,
) -> FastAPI:  # fmt: skip
    """The application over a hub that runs; whoever calls it starts and closes the hub, and keeps the guard fresh."""
    settings = settings or Settings()
    app = FastAPI(
        title="cost-top serve", version=__version__, description=_ABOUT, openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    asking = Asking(settings.question_threads, settings.questions_waiting, settings.repeat_seconds)
    streams = Streams(settings.streams, settings.streams_each)
    serving = Serving(
        hub, settings, asking, streams, guard or Guard(()), incidents, kept, admits_still=admission.admits_still
    )
    app.state.serving = serving
    app.state.scrape = metrics.Scrape(serving)
    errors.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    app.router.routes[:0] = guard_routes.FAST_ROUTES  # any method, so before those of one
    app.add_middleware(Door, admission=admission, access_log=settings.access_log)
    app.openapi = _described(app, admission)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI, admission: Admission) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document, made once."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _correct(document, bool(admission.tokens))
            app.openapi_schema = document
        return app.openapi_schema

    return described


def _correct(document: dict[str, Any], with_tokens: bool) -> None:
    """What the framework cannot know: bodies that are read by hand, tokens, and no 422 but 400 for what is wrong."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (*BODIES, *GUARD_BODIES):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if operation["responses"].get("422", {}).get("description") == "Validation Error":
                del operation["responses"]["422"]
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
            if path in OPEN_PATHS or not with_tokens:
                operation["security"] = []
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be left out of a query is not spelled null there."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}
