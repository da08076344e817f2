"""The application: routes over a hub, behind the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cost_top import __version__
from cost_top.model.answers import Hub
from cost_top.serve import docs, errors, health, keys, live, metrics, pickers, report, requests
from cost_top.serve.asking import Asking
from cost_top.serve.door import Door
from cost_top.serve.guard import OPEN_PATHS, Guard
from cost_top.serve.serving import Serving, Settings, Streams
from cost_top.serve.shapes import BODIES

_ABOUT = (
    "Spend of an AI gateway's request log or report API. `/v1/report` and `/v1/credits` have the parameters, fields "
    "and errors of the AI Gateway reporting API; the rest is more of the same. Money is exact, in USD unless said "
    "otherwise. A parameter that is not known is refused."
)
_ROUTERS = (report, keys, requests, live, pickers, metrics, health, docs)


def create_app(hub: Hub, guard: Guard, settings: Settings | None = None) -> FastAPI:
    """The application over a hub that runs; whoever calls it starts and closes the hub."""
    settings = settings or Settings()
    app = FastAPI(
        title="cost-top serve", version=__version__, description=_ABOUT, openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    asking = Asking(settings.question_threads, settings.questions_waiting, settings.question_seconds)
    serving = Serving(hub, settings, asking, Streams(settings.streams))
    app.state.serving = serving
    app.state.scrape = metrics.Scrape(serving)
    errors.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    app.add_middleware(Door, guard=guard, access_log=settings.access_log)
    app.openapi = _described(app, guard)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI, guard: Guard) -> Callable[[], dict[str, Any]]:
    """The OpenAPI document, made once."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _correct(document, bool(guard.tokens))
            app.openapi_schema = document
        return app.openapi_schema

    return described


def _correct(document: dict[str, Any], with_tokens: bool) -> None:
    """What the framework cannot know: bodies that are read by hand, tokens, and no 422 but 400 for what is wrong."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in BODIES:
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
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
